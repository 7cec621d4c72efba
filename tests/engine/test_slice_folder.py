"""Folders of numbered pictures as volumes, as the LGG set is downloaded."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from fetalseg.errors import UnreadableError
from fetalseg.io.folders import expand
from fetalseg.io.registry import read
from fetalseg.io.volumes import write_labels

VOLUME = np.random.default_rng(3).integers(0, 256, (11, 6, 7)).astype(np.uint8)


def lgg(folder, volume=VOLUME, name="TCGA_XX_1_2000"):
    """A folder a patient, a TIFF of three channels a slice, numbered from 1 without leading zeros."""
    folder.mkdir(parents=True)
    for number, plane in enumerate(volume, start=1):
        channels = np.stack([255 - plane, plane, plane // 2], axis=-1)
        tifffile.imwrite(folder / f"{name}_{number}.tif", channels, photometric="rgb")
        tifffile.imwrite(folder / f"{name}_{number}_mask.tif", (plane > 99).astype(np.uint8) * 255)
    return folder


def pictures(folder, ending, volume=VOLUME, stem="s"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(volume):
        Image.fromarray(plane).save(folder / f"{stem}{number}.{ending}")
    return folder


def test_the_flair_channel_of_each_patient_in_the_order_of_the_numbers(tmp_path):
    lgg(tmp_path / "a")
    lgg(tmp_path / "b", VOLUME[:2], "TCGA_XX_2_2000")
    found = expand([tmp_path], volumes=True)
    assert [item.name for item in found.items] == ["a", "b"]
    assert (found.skipped, found.not_scans) == (0, 13)
    scan = found.items[0].read()
    np.testing.assert_array_equal(scan.pixels, VOLUME)
    assert scan.notes == ("flair_channel",)
    assert scan.spacing is None
    assert not scan.oriented
    files = [tmp_path / "a" / f"TCGA_XX_1_2000_{number}.tif" for number in range(1, 12)]
    assert scan.sha256 == hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    paths = write_labels(tmp_path / "out", "a", scan, VOLUME > 99)
    np.testing.assert_array_equal(tifffile.imread(paths[0]) > 0, VOLUME > 99)
    assert len(paths) == 2


def test_the_folder_itself_can_be_named(tmp_path):
    (item,) = expand([lgg(tmp_path / "a")], volumes=True).items
    assert item.name == "a"
    np.testing.assert_array_equal(item.read().pixels, VOLUME)
    np.testing.assert_array_equal(read(tmp_path / "a").pixels, VOLUME)


@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_other_pictures_of_one_name(tmp_path, ending):
    smooth = np.repeat((np.arange(11, dtype=np.uint8) * 20)[:, None, None], 6, 1).repeat(7, 2)
    scan = read(pictures(tmp_path / "a", ending, smooth))
    np.testing.assert_array_equal(scan.pixels, smooth)
    assert scan.notes == ()


def test_pictures_are_pictures_where_no_volume_is_asked_for(tmp_path):
    pictures(tmp_path, "png")
    assert len(expand([tmp_path]).items) == 11
    (item,) = expand([tmp_path], volumes=True).items
    assert item.read().frames == 11


def test_stacks_and_lone_pictures_stay_inputs_of_their_own(tmp_path):
    for number in (1, 2):
        tifffile.imwrite(tmp_path / f"patient_{number}.tif", VOLUME, photometric="minisblack")
    pictures(tmp_path, "png", VOLUME[:1])
    found = expand([tmp_path], volumes=True)
    assert [item.name for item in found.items] == ["patient_1.tif", "patient_2.tif", "s0.png"]
    np.testing.assert_array_equal(found.items[1].read().pixels, VOLUME)


def test_several_volumes_in_one_folder(tmp_path):
    pictures(tmp_path / "x", "png", stem="a_")
    pictures(tmp_path / "x", "png", VOLUME[:4], stem="b_")
    found = expand([tmp_path], volumes=True)
    assert [item.name for item in found.items] == ["x/a", "x/b"]
    assert [item.read().frames for item in found.items] == [11, 4]
    with pytest.raises(UnreadableError, match="slices of several volumes: 'a', 'b'"):
        read(tmp_path / "x")
    assert read(tmp_path / "x", series="b").frames == 4


@pytest.mark.parametrize(("lost", "text"), [((5,), "slice 5 is missing"), ((5, 6, 7), "slices 5 to 7 are missing")])
def test_a_number_that_is_missing(tmp_path, lost, text):
    folder = lgg(tmp_path / "a")
    for number in lost:
        (folder / f"TCGA_XX_1_2000_{number}.tif").unlink()
    with pytest.raises(UnreadableError, match=rf"a: {text} between"):
        read(folder)


def test_slices_of_two_sizes_in_colour_or_damaged(tmp_path):
    folder = pictures(tmp_path / "a", "png")
    Image.fromarray(VOLUME[0, :3]).save(folder / "s4.png")
    with pytest.raises(UnreadableError, match=r"a: s4\.png is 7 x 3 pixels, the first slice 7 x 6"):
        read(folder)
    Image.fromarray(VOLUME[:3].transpose(1, 2, 0)).save(folder / "s4.png")
    with pytest.raises(UnreadableError, match=r"a: s4\.png is a colour picture"):
        read(folder)
    (folder / "s4.png").write_bytes((folder / "s3.png").read_bytes()[:50])
    with pytest.raises(UnreadableError, match=r"a: s4\.png is damaged or cut short"):
        read(folder)


def test_a_number_twice(tmp_path):
    folder = pictures(tmp_path / "a", "png", VOLUME[:3])
    (folder / "s02.png").write_bytes((folder / "s2.png").read_bytes())
    with pytest.raises(UnreadableError, match="slice 2 twice"):
        read(folder)


def test_grey_stored_as_colour_is_grey(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for number, plane in enumerate(VOLUME):
        Image.fromarray(np.stack([plane] * 3, axis=-1)).save(folder / f"{number}.png")
    np.testing.assert_array_equal(read(folder).pixels, VOLUME)


def test_a_folder_without_slices_is_no_scan(tmp_path):
    pictures(tmp_path / "a", "png", VOLUME[:1])
    with pytest.raises(UnreadableError, match="a is a folder, not a scan"):
        read(tmp_path / "a")
