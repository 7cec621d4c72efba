"""What a run left is read back as it was measured; pixels only, words of a run's pace and end."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import batches
from fetalseg.batch import kept, telling
from fetalseg.batch.run import Batch
from fetalseg.errors import Cancelled, FetalSegError, SettingsError
from fetalseg.report import table
from fetalseg.settings import BatchSettings, SegmentSettings
from standins import loop
from tumours import ellipsoid, phantom
from ultrasounds import dicom, whole

HEAD = SegmentSettings()


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    monkeypatch.setattr("fetalseg.pipeline.get_predictor", batches.stand_in)


def ran(inputs, out, settings=HEAD, batch=None):
    """Run; return items and events by name."""
    with Batch([inputs], out, settings, batch) as made:
        items = {item.name: item for item in made.plan()}
        return items, {e.name: e for e in made.events() if e.kind != "started"}


def same(rows, results):
    """Hold rows of the table against results that were read back, to nine digits."""
    again = [row for result in results for row in table.rows(result)]
    assert len(again) == len(rows)
    for before, now in zip(rows, again, strict=True):
        assert {k for k, v in now.items() if v} == set(before)
        for name, value in before.items():
            try:
                assert float(now[name]) == pytest.approx(float(value), rel=1e-9), name
            except ValueError:
                assert now[name] == value, name


def test_heads_and_loops_are_read_back_as_they_were_measured(tmp_path):
    scans, out = batches.folder(tmp_path / "scans", 2), tmp_path / "out"
    tifffile.imwrite(scans / "loop.tif", loop(5))
    items, events = ran(scans, out)
    for name, item in items.items():
        scan, results = kept.read(out, item, events[name].rows, HEAD, BatchSettings())
        assert len(results) == scan.frames
        same(events[name].rows, results)
        mask = tifffile.imread(out / "masks" / f"{item.stem}_mask.tif").reshape(scan.pixels.shape)
        assert all(np.array_equal(r.segmentation.mask, mask[r.frame]) for r in results)
        assert not any(r.edited for r in results)


def test_a_tumour_is_read_back_with_its_lesions(tmp_path, monkeypatch):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    tifffile.imwrite(scans / "a.tif", phantom(ellipsoid((6, 40, 40), (3, 12, 9)), ellipsoid((6, 80, 80), (2, 8, 8))))
    settings, batch = SegmentSettings(task="tumour"), BatchSettings(spacing_mm=(1.0, 1.0, 3.0))
    items, events = ran(scans, out, settings, batch)
    _, results = kept.read(out, items["a.tif"], events["a.tif"].rows, settings, batch)
    assert len(results[0].measurement.parts) == 2
    same(events["a.tif"].rows, results)


def test_a_mask_that_a_person_saved_since_is_what_is_read(tmp_path):
    scans, out = batches.folder(tmp_path / "scans", 1), tmp_path / "out"
    items, events = ran(scans, out)
    path = out / "masks" / "000_mask.tif"
    mask = tifffile.imread(path)
    mask[:, :100] = 0
    tifffile.imwrite(path, mask)
    _, (result,) = kept.read(out, items["000.png"], events["000.png"].rows, HEAD, BatchSettings())
    assert np.array_equal(result.segmentation.mask, mask)
    assert result.origin == "mask"
    assert result.measurement.values["hc_mm"] < float(events["000.png"].rows[0]["hc_mm"])
    tifffile.imwrite(path, mask[:50])
    with pytest.raises(FetalSegError, match="another shape"):
        kept.read(out, items["000.png"], events["000.png"].rows, HEAD, BatchSettings())


def test_pixels_only_stands_above_every_scale_and_is_another_run(tmp_path):
    scans, out = batches.folder(tmp_path / "scans", 1), tmp_path / "out"
    dicom(scans / "us.dcm", batches.head(3), (whole(batches.head(3)),))
    _, events = ran(scans, out)
    assert all("hc_mm" in event.rows[0] for event in events.values())
    _, events = ran(scans, out, batch=BatchSettings(pixels_only=True))
    assert {event.kind for event in events.values()} == {"done"}
    for event in events.values():
        assert "hc_mm" not in event.rows[0]
        assert "hc_px" in event.rows[0]
        assert event.rows[0]["flags"] == "no_spacing"
    with pytest.raises(SettingsError, match="not both"):
        BatchSettings(pixels_only=True, spacing_csv="a.csv")


def test_all_that_is_on_disk_is_told_of_before_a_cancelled_run_ends(tmp_path):
    scans, out, stop, told = batches.folder(tmp_path / "scans", 8), tmp_path / "out", threading.Event(), []
    with Batch([scans], out, HEAD) as made:
        events = made.events(stop)
        with pytest.raises(Cancelled):
            for event in events:
                told.append(event)
                if sum(e.kind == "started" for e in told) == 4:
                    stop.set()
    done = [event.name for event in told if event.kind == "done"]
    assert 3 <= len(done) < 8
    assert len(done) == batches.journalled(out) == made.summary.files - made.summary.left


def test_a_pause_takes_no_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(telling.time, "monotonic", lambda: now[0])
    rate = telling.Rate()
    event = SimpleNamespace(kind="done", done=4, total=10)
    now[0] += 2.0
    assert rate(event) == (2.0, 3.0)
    rate.hold()
    now[0] += 50.0
    assert rate(event) == (2.0, 3.0)
    rate.go_on()
    now[0] += 2.0
    assert rate(event) == (1.0, 6.0)
    assert telling.each(1.25) == "0.8 s each"
    assert telling.pace(0.4) == "2.5 s each"
    assert telling.pace(20) == "20.0 a second"
