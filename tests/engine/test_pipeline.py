"""The pipeline: results, their edits, cancelling."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from fetalseg import pipeline as pipelines
from fetalseg.errors import Cancelled, SettingsError, SpacingError, UnreadableError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.pipeline import Pipeline
from fetalseg.result import Ellipse
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import HeadTrainSettings, SegmentSettings
from standins import bright, disc

MM = Spacing(0.2, 0.2, source="test")


class StandIn(SimpleNamespace):
    def __call__(self, batch):
        return bright(batch)


@pytest.fixture
def pipeline(card):
    return Pipeline(SegmentSettings(), StandIn(card=card, device="cpu", backend="numpy"))


@pytest.fixture
def loop():
    frames = [disc(Ellipse(400, 270, 150 + 10 * k, 120 + 8 * k, 10 * k), (540, 800)) for k in range(4)]
    return Scan.from_array(np.stack(frames), name="loop", spacing=MM)


def test_every_frame_gets_its_result_with_provenance(pipeline, loop, card):
    seen = []
    results = list(pipeline.segment(loop, progress=lambda *at: seen.append(at)))
    assert [r.frame for r in results] == [0, 1, 2, 3]
    sizes = [r.measurement.values["hc_mm"] for r in results]
    assert sizes == sorted(sizes)
    assert {r.provenance.model_sha256 for r in results} == {card.sha256}
    assert [at[:2] for at in seen] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_chosen_frames_only(pipeline, loop):
    assert [r.frame for r in pipeline.segment(loop, frames=[2])] == [2]


def test_the_same_input_gives_the_same_numbers(pipeline, loop):
    once, twice = (next(pipeline.segment(loop)).measurement for _ in range(2))
    assert once.values == twice.values


def test_a_cancelled_run_stops_before_the_next_frame(pipeline, loop):
    token, done = threading.Event(), []
    with pytest.raises(Cancelled):
        for result in pipeline.segment(loop, cancel=token):
            done.append(result)
            token.set()
    assert len(done) == 1


def test_an_edit_makes_a_new_result_and_keeps_the_original(pipeline, loop):
    first = next(pipeline.segment(loop))
    before = first.segmentation.mask.copy()
    mask = first.segmentation.mask.copy()
    mask[:, :300] = 0
    edited = pipelines.edit_mask(first, mask)
    again = pipelines.edit_mask(edited, before)
    assert edited.edited
    hc = edited.measurement.values["hc_mm"]  # a person's outline has a reader's interval, not the model's
    assert edited.measurement.intervals["hc_mm"] == pytest.approx((0.97 * hc, 1.03 * hc))
    assert not first.edited
    assert again.original is first
    assert edited.id != first.id
    assert np.array_equal(first.segmentation.mask, before)
    assert edited.measurement.values["hc_mm"] < first.measurement.values["hc_mm"]
    assert again.measurement.values["hc_mm"] == pytest.approx(first.measurement.values["hc_mm"], rel=0.01)


def test_later_strokes_do_not_reach_into_a_result(pipeline, loop):
    first = next(pipeline.segment(loop))
    mask = first.segmentation.mask.copy()
    edited = pipelines.edit_mask(first, mask)
    mask[:] = 0
    assert edited.segmentation.mask.any()


def test_a_dragged_ellipse_changes_the_numbers_and_the_mask_only_on_request(pipeline, loop):
    first = next(pipeline.segment(loop))
    bigger = Ellipse(400, 270, 200, 150, 0)
    moved = pipelines.edit_ellipse(first, bigger)
    assert moved.measurement.values["ofd_mm"] == pytest.approx(80)
    assert np.array_equal(moved.segmentation.mask, first.segmentation.mask)
    redrawn = pipelines.edit_ellipse(first, bigger, redraw_mask=True)
    assert np.array_equal(redrawn.segmentation.mask, ellipses.mask(bigger, (540, 800)))


def test_a_new_scale_gives_new_millimetres(pipeline, loop):
    first = next(pipeline.segment(loop.with_spacing(None)))
    assert first.measurement.values["hc_mm"] is None
    scaled = pipelines.recalibrate(first, MM)
    assert scaled.measurement.values["hc_mm"] == pytest.approx(0.2 * first.measurement.values["hc_px"])
    assert "no_spacing" not in {f.code for f in scaled.measurement.flags}
    assert scaled.measurement.confidence == first.measurement.confidence


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_an_impossible_spacing_is_refused(value):
    with pytest.raises(SpacingError, match="typed in"):
        Spacing(value, 0.2, source="typed in")


def test_a_scan_has_pixels():
    with pytest.raises(UnreadableError, match="no pixels"):
        Scan.from_array(np.zeros((0, 5)), name="empty")


def test_settings_refuse_what_they_do_not_know():
    with pytest.raises(SettingsError, match="colour"):
        HeadTrainSettings.from_dict({"colour": 1})
    with pytest.raises(SettingsError, match="multiple of 32"):
        HeadTrainSettings(input_rows=100)
    with pytest.raises(SettingsError, match="device"):
        SegmentSettings(device="tpu")
    assert HeadTrainSettings.from_dict(HeadTrainSettings().to_dict()) == HeadTrainSettings()


def test_an_unknown_task_is_named():
    with pytest.raises(SettingsError, match="heart"):
        Pipeline.load(SegmentSettings(task="heart"))


@pytest.mark.parametrize("name", ["ours", "a" * 400, "no/such/folder", "with\0zero"])
def test_an_unknown_model_is_named(name):
    with pytest.raises(SettingsError, match="known are: unet, segnet"):
        Pipeline.load(SegmentSettings(model=name))
