"""Which files of what was named are scans, what they are called, and how their outputs are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fetalseg.errors import UnreadableError
from fetalseg.io.folders import expand, is_annotation, stems


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def names(found) -> list[str]:
    return [item.name for item in found.items]


def test_a_folder_is_searched_and_sorted(tmp_path):
    touch(tmp_path, "b.png", "a.PNG", "sub/deep/c.tiff", "sub/a.jpeg", "notes.txt", "sub/table.csv", "Z.jpg")
    found = expand([tmp_path])
    assert names(found) == ["Z.jpg", "a.PNG", "b.png", "sub/a.jpeg", "sub/deep/c.tiff"]
    assert [item.path for item in found.items] == [tmp_path / name for name in names(found)]
    assert found.skipped == 2


def test_files_keep_the_given_order_and_their_base_name(tmp_path):
    touch(tmp_path, "b.png", "x/a.png")
    assert names(expand([tmp_path / "b.png", tmp_path / "x" / "a.png"])) == ["b.png", "a.png"]


def test_annotations_masks_and_hidden_files_are_no_scans(tmp_path):
    touch(tmp_path, "1_HC.png", "1_HC_Annotation.png", "2_mask.tif", ".3.png", ".git/4.png", "._5.png", "6_mask.png")
    found = expand([tmp_path])
    assert names(found) == ["1_HC.png", "6_mask.png"]
    assert (found.skipped, found.not_scans) == (0, 2)
    listed = expand(sorted(path for path in tmp_path.iterdir() if not path.name.startswith(".")))
    assert names(listed) == ["1_HC.png", "6_mask.png"]


def test_an_annotation_alone_says_so(tmp_path):
    touch(tmp_path, "1_HC_Annotation.png")
    (item,) = expand([tmp_path / "1_HC_Annotation.png"]).items
    with pytest.raises(UnreadableError, match=r"1_HC_Annotation\.png is an annotation or a mask"):
        item.read()


@pytest.mark.parametrize("marks", [("run.json", "measurements.csv"), ("measurements.csv.part",)])
def test_our_own_outputs_are_no_scans(tmp_path, marks):
    touch(tmp_path, "a.png", "out/overlays/a.png", "out/masks/sub/a_mask.tif", *(f"out/{mark}" for mark in marks))
    found = expand([tmp_path])
    assert names(found) == ["a.png"]
    assert (found.skipped, found.not_scans) == (0, 2)
    assert names(expand([touch(tmp_path / "other", "overlays/a.png")])) == ["overlays/a.png"]


def test_pattern(tmp_path):
    touch(tmp_path, "1_HC.png", "1_AC.png", "sub/2_HC.png", "sub/2_HC.txt")
    assert names(expand([tmp_path], "*_HC.*")) == ["1_HC.png", "sub/2_HC.png"]
    assert names(expand([tmp_path], "sub/*")) == ["sub/2_HC.png"]
    (nothing,) = expand([tmp_path], "*_FL.png").items
    with pytest.raises(UnreadableError, match=rf"{tmp_path.name} is a folder without a scan that fits .*_FL"):
        nothing.read()


def test_missing_and_empty_inputs_get_their_own_row(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "empty").mkdir()
    found = expand([tmp_path / "gone.png", tmp_path / "empty", tmp_path / "a.png"])
    assert names(found) == ["gone.png", "empty", "a.png"]
    with pytest.raises(UnreadableError, match=r"gone\.png is not there"):
        found.items[0].read()
    with pytest.raises(UnreadableError, match="empty is a folder without a scan that can be read here"):
        found.items[1].read()


def test_an_item_reads_under_its_name(tmp_path):
    (tmp_path / "s").mkdir()
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "s" / "a.png")
    (item,) = expand([tmp_path]).items
    assert item.read().name == "s/a.png"


def test_the_same_file_twice_is_one(tmp_path):
    touch(tmp_path, "a.png")
    assert len(expand([tmp_path, tmp_path / "a.png", tmp_path / "." / "a.png"]).items) == 1


def test_equal_names_from_different_places_are_told_apart(tmp_path):
    touch(tmp_path, "x/s/1.png", "y/s/1.png", "y/s/2.png")
    files = expand([tmp_path / "x/s/1.png", tmp_path / "y/s/1.png", tmp_path / "y/s/2.png"])
    assert names(files) == ["x/s/1.png", "y/s/1.png", "2.png"]
    folders = expand([tmp_path / "x", tmp_path / "y"])
    assert names(folders) == ["x/s/1.png", "y/s/1.png", "s/2.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_in_a_circle_end(tmp_path):
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "0link").symlink_to(tmp_path / "a")
    assert names(expand([tmp_path])) == ["a/1.png"]


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "shut/b.png")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = expand([tmp_path], "*.png")
    assert names(found) == ["a.png", "shut"]
    with pytest.raises(UnreadableError, match="shut is a folder that can't be opened: Permission denied"):
        found.items[1].read()


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("1_HC_Annotation.png", True),
        ("x/1_HC_ANNOTATION.JPG", True),
        ("a_mask.tif", True),
        ("mask.tif", False),
        ("annotation.png", False),
        ("a_mask/b.png", False),
    ],
)
def test_annotation_names(name, is_one):
    assert is_annotation(name) is is_one


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        (["a.png", "s/a.png", "s/b.tiff"], ["a", "s/a", "s/b"]),
        (["a.png", "a.jpg", "b.png"], ["a.png", "a.jpg", "b"]),
        (["a.png", "A.tif"], ["a.png", "A.tif"]),
        (["a.png", "a.jpg", "a.png.tif"], ["a.png", "a.jpg", "a.png.tif"]),
        (["scan.1.png", "noending"], ["scan.1", "noending"]),
        (["a.png", "A.png"], ["a.png~2", "A.png"]),
    ],
)
def test_stems(given_names, expected):
    assert list(stems(given_names).values()) == expected


PART = st.text("aAbB.~2", min_size=1, max_size=4).filter(lambda text: text.strip("."))
NAME = st.builds(lambda a, b, end: f"{a}/{b}{end}", PART, PART, st.sampled_from([".png", ".PNG", ".jpg", ".tif", ""]))


@given(st.lists(NAME, unique=True, max_size=12))
def test_stems_are_distinct_on_any_disk(given_names):
    found = stems(given_names)
    assert list(found) == given_names
    assert len({stem.casefold() for stem in found.values()}) == len(given_names)
    assert all(stem.startswith(name.split("/")[0] + "/") for name, stem in found.items())
