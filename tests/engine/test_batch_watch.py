"""What a watched folder hands out, and when: with a clock that the tests turn."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import batches
import tumours
from fetalseg.batch import watch
from fetalseg.batch.run import Batch
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


def test_a_picture_is_taken_at_once_and_again_when_it_changed(tmp_path, clock):
    folder = batches.folder(tmp_path / "in", 2)
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings())
    assert names(arrivals) == ["000.png", "001.png"]
    clock(1)
    assert names(arrivals) == []
    Image.fromarray(batches.head(9)[:-3]).save(folder / "001.png")
    assert names(arrivals) == ["001.png"]
    assert names(arrivals) == []


@pytest.mark.parametrize("rest", [b"", bytes(10**6)], ids=["cut short", "filled up with zeros"])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_half_copied_picture_is_waited_for_and_taken_once(tmp_path, clock, kind, rest):
    """Both ways of copying: growing, and written into a file that has its full size from the beginning."""
    store, folder = tmp_path / "store", tmp_path / "in"
    store.mkdir()
    folder.mkdir()
    Image.fromarray(batches.head(3)).save(store / f"a.{kind}")
    whole = (store / f"a.{kind}").read_bytes()
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings())
    taken = []
    for share in (0, 0.3, 0.6, 0.9, 1):
        part = whole[: int(share * len(whole))]
        (folder / f"a.{kind}").write_bytes(part + rest[: len(whole) - len(part)])
        clock(1)
        taken.append(names(arrivals))
    assert taken == [[], [], [], [], [f"a.{kind}"]]
    clock(9)
    assert names(arrivals) == []


def test_a_stack_that_does_not_tell_its_end_is_taken_once_it_stands_still(tmp_path, clock):
    folder, stack = tmp_path / "in", np.stack([batches.head(number) for number in range(3)])
    folder.mkdir()
    tifffile.imwrite(tmp_path / "whole.tif", stack, photometric="minisblack")
    whole = (tmp_path / "whole.tif").read_bytes()
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings())
    for share in (0.5, 0.7, 1):
        part = whole[: int(share * len(whole))]
        (folder / "loop.tif").write_bytes(part + bytes(len(whole) - len(part)))
        assert names(arrivals) == []
        clock(0.1)
    assert names(arrivals) == []
    clock(0.2)
    assert names(arrivals) == ["loop.tif"]


def test_pictures_that_arrive_one_by_one_are_handed_out_in_that_order_and_once(tmp_path, clock):
    store, folder = batches.folder(tmp_path / "store", 5), tmp_path / "in"
    folder.mkdir()
    arrivals = watch.Arrivals([folder], SegmentSettings(), BatchSettings())
    taken = []
    for number in (3, 1, 4, 0, 2):
        (folder / f"{number:03}.png").write_bytes((store / f"{number:03}.png").read_bytes())
        taken += names(arrivals)
        clock(0.1)
        taken += names(arrivals)
    assert taken == ["003.png", "001.png", "004.png", "000.png", "002.png"]


def test_the_folder_that_one_is_in_is_watched_as_any_other(tmp_path, clock, monkeypatch):
    folder = batches.folder(tmp_path / "in", 1)
    batches.folder(folder / "sub", 1)
    monkeypatch.chdir(folder)
    arrivals = watch.Arrivals([Path()], SegmentSettings(), BatchSettings())
    assert names(arrivals) == ["000.png", "sub/000.png"]
    assert names(arrivals) == []
    arrivals = watch.Arrivals([Path()], SegmentSettings(task="tumour"), BatchSettings())
    assert names(arrivals) == []
    clock(9)
    assert len(names(arrivals)) == 2
    assert names(arrivals) == []


def test_how_long_a_scan_took_does_not_delay_the_next_look(tmp_path, clock, monkeypatch):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        clock(seconds)

    monkeypatch.setattr(watch.time, "sleep", sleep)
    looks = watch.Arrivals([tmp_path], SegmentSettings(), BatchSettings()).wait(None)
    next(looks)
    clock(60)  # what was found is segmented
    next(looks)
    assert sum(slept) == pytest.approx(watch._EVERY_S)


def test_the_model_is_loaded_before_anything_arrives(tmp_path):
    stop = threading.Event()
    stop.set()
    with Batch([tmp_path], tmp_path / "out", SegmentSettings(device="cpu"), watching=True) as batch:
        assert list(batch.events(stop)) == []
        assert "pipeline" in vars(batch.worker)
    assert (tmp_path / "out" / "measurements.csv").read_text().count("\n") == 1  # the first line alone


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
    assert names(arrivals) == ["000.png"]
    clock(9)
    assert names(arrivals) == []
