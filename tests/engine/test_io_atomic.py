"""Writers leave a whole file or none."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from fetalseg.errors import OutputError
from fetalseg.io.atomic import atomic_write, write_mask, write_png, write_text


def test_writes_and_makes_folders(tmp_path):
    path = write_text(tmp_path / "a" / "b" / "t.txt", "ä\n", sync=True)
    assert path.read_bytes() == "ä\n".encode()
    assert os.listdir(path.parent) == ["t.txt"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
def test_rights_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    path = write_text(tmp_path / "t", "x")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_a_broken_writer_leaves_the_old_file(tmp_path, failure):
    path = write_text(tmp_path / "t.txt", "old")

    def writer(file):
        file.write(b"half of the new")
        raise failure

    with pytest.raises(type(failure)):
        atomic_write(path, writer)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.txt"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_the_disk_refuses_is_a_sentence(tmp_path, number, words):
    def writer(file):
        raise OSError(number, os.strerror(number))

    with pytest.raises(OutputError, match=rf"t\.txt was not written: .*{words}"):
        atomic_write(tmp_path / "t.txt", writer)
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"a part of its path is a file"):
        write_text(tmp_path / "out" / "masks" / "t.txt", "x")


def test_a_folder_in_the_files_place(tmp_path):
    (tmp_path / "t.txt").mkdir()
    with pytest.raises(OutputError, match=r"t\.txt was not written"):
        write_text(tmp_path / "t.txt", "x")
    assert os.listdir(tmp_path) == ["t.txt"]


@pytest.mark.parametrize("shape", [(1, 1), (20, 30), (1, 20, 30), (3, 20, 30), (4, 20, 30), (2, 3, 20, 30), (20, 3)])
def test_mask_keeps_its_shape(tmp_path, shape):
    mask = np.random.default_rng(0).integers(0, 2, shape).astype(bool)
    path = write_mask(tmp_path / "m_mask.tif", mask)
    back = tifffile.imread(path)
    assert back.shape == shape
    assert back.dtype == np.uint8
    assert np.array_equal(back, mask)


def test_mask_is_small_and_any_reader_opens_it(tmp_path):
    mask = np.zeros((540, 800), np.uint8)
    mask[100:400, 200:600] = 1
    path = write_mask(tmp_path / "m_mask.tif", mask)
    assert path.stat().st_size < 5000
    assert np.array_equal(np.asarray(Image.open(path)), mask)


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
def test_png(tmp_path, shape):
    picture = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(write_png(tmp_path / "p.png", picture))), picture)
