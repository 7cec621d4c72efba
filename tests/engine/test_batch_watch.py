"""What a watched folder hands out, and when: with a clock that the tests turn."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

import batches
import tumours
from fetalseg.batch import watch
from fetalseg.settings import BatchSettings, SegmentSettings


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])

    def turn(seconds):
        now[0] += seconds

    return turn


def names(arrivals):
    return [item.name for item in arrivals.look().items]


def test_a_picture_is_taken_once_it_stands_still_and_again_when_it_changed(tmp_path, clock):
    folder = batches.folder(tmp_path / "in", 2)
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings())
    assert names(arrivals) == []
    clock(1)
    assert names(arrivals) == ["000.png", "001.png"]
    clock(1)
    assert names(arrivals) == []
    Image.fromarray(batches.head(9)[:-3]).save(folder / "001.png")
    assert names(arrivals) == []
    clock(1)
    assert names(arrivals) == ["001.png"]


def test_what_can_not_be_read_is_waited_for_and_then_taken(tmp_path, clock):
    folder = batches.folder(tmp_path / "in", 1)
    whole = (folder / "000.png").read_bytes()
    (folder / "000.png").write_bytes(whole[:500])
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings())
    for _ in range(3):
        assert names(arrivals) == []
        clock(1)
    (folder / "000.png").write_bytes(whole[:900])  # the copying goes on
    for _ in range(5):
        assert names(arrivals) == []
        clock(1)
    assert names(arrivals) == ["000.png"]  # damaged for good: its row says so
    clock(9)
    assert names(arrivals) == []


def test_slices_of_a_volume_are_waited_for_together(tmp_path, clock):
    volume = tumours.phantom()
    folder = tmp_path / "in" / "patient"
    folder.mkdir(parents=True)
    arrivals = watch.Arrivals([tmp_path / "in"], SegmentSettings(task="tumour"), BatchSettings())
    for number in range(0, 6):
        tifffile.imwrite(folder / f"p_{number + 1}.tif", volume[number])
        assert names(arrivals) == []
        clock(1)
    assert names(arrivals) == []
    clock(2)
    assert names(arrivals) == ["patient"]
    clock(9)
    assert names(arrivals) == []
    tifffile.imwrite(tmp_path / "in" / "whole.tif", volume, photometric="minisblack")
    tifffile.imwrite(folder / "p_7.tif", volume[6])  # one more slice: another volume
    assert names(arrivals) == []
    clock(3)
    assert names(arrivals) == ["patient", "whole.tif"]
    tifffile.imwrite(tmp_path / "in" / "second.tif", volume[::-1], photometric="minisblack")
    assert names(arrivals) == []
    clock(3)
    assert names(arrivals) == ["second.tif"]  # and not what lies beside it


def test_outputs_in_the_watched_folder_are_no_arrivals(tmp_path, clock):
    folder = batches.folder(tmp_path / "in", 1)
    (folder / "out" / "masks").mkdir(parents=True)
    (folder / "out" / "journal.jsonl").write_text("")
    tifffile.imwrite(folder / "out" / "masks" / "000_mask.tif", np.zeros((5, 5), np.uint8))
    (folder / ".hidden.png").write_bytes(b"x")
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings(pattern="*.png"))
    arrivals.look()
    clock(1)
    assert names(arrivals) == ["000.png"]
