"""A volume painted on, or under another scale: the slice that was chosen and what a person placed stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fetalseg.geometry import ellipse as ellipses
from fetalseg.pipeline import Pipeline, chosen_slice, edit_calipers, edit_ellipse, edit_mask, measure_on, recalibrate
from fetalseg.result import Caliper, Ellipse, Provenance, Result
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import tumour

SHAPE = (40, 90, 80)
MM = Spacing(1.0, 1.0, "drawn", 2.0)
DOUBLED = Spacing(2.0, 2.0, "typed in", 2.0)
Z, Y, X = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
INSIDE = ((Z - 19) / 17) ** 2 + ((Y - 45) / 38) ** 2 + ((X - 40) / 30) ** 2 <= 1


def axis(slice: int) -> float:
    """The drawn brain's long axis on a slice, in pixels."""
    return float(76 * np.sqrt(1 - ((slice - 19) / 17) ** 2))


@pytest.fixture(scope="module")
def scan() -> Scan:
    texture = np.random.default_rng(3).normal(0, 20, SHAPE)
    return Scan.from_array(np.where(INSIDE, 400 + texture, 0).astype(np.float32), name="brain", spacing=MM)


def segment(scan: Scan, slices: list[int] | None = None, slice: int | None = None) -> Result:
    settings = SegmentSettings(task="fetal-brain", slice=slice)
    return next(iter(Pipeline.load(settings).segment(scan, frames=slices)))


@pytest.mark.parametrize("how", [{"slices": [10]}, {"slice": 10}])
def test_a_stroke_and_another_scale_keep_the_chosen_slice(scan, how):
    result = segment(scan, **how)
    assert result.measurement.slice == 10
    mask = result.segmentation.mask.copy()
    mask[25, 40:44, 40:44] = 0
    painted = edit_mask(result, mask)
    scaled = recalibrate(painted, DOUBLED)
    assert [painted.measurement.slice, scaled.measurement.slice] == [10, 10]
    assert scaled.measurement.values["ofd_mm"] == pytest.approx(2 * axis(10), abs=2)
    assert scaled.measurement.values["volume_ml"] == pytest.approx(mask.sum() * 8 / 1000)


def test_a_slice_chosen_later_is_kept_and_told(scan):
    moved = measure_on(segment(scan), 10)
    assert (chosen_slice(moved), moved.measurement.slice) == (10, 10)
    assert moved.provenance.settings["slice"] == 10
    assert recalibrate(moved, None).measurement.slice == 10


def test_where_nothing_was_chosen_the_largest_slice_follows_the_mask(scan):
    result = segment(scan)
    assert (chosen_slice(result), result.measurement.slice) == (None, 19)
    mask = result.segmentation.mask.copy()
    mask[:20] = 0
    assert edit_mask(result, mask).measurement.slice == 20


def test_a_chosen_slice_that_was_erased_is_measured_again_once_it_is_back(scan):
    result = measure_on(segment(scan), 10)
    without = result.segmentation.mask.copy()
    without[10] = 0
    erased = edit_mask(result, without)
    assert erased.measurement.slice == 19
    assert edit_mask(erased, result.segmentation.mask).measurement.slice == 10


def test_a_placed_ellipse_stays_under_another_scale(scan):
    result = measure_on(segment(scan), 10)
    placed = edit_ellipse(result, Ellipse(40, 45, 25, 20, 90))
    scaled = recalibrate(placed, DOUBLED)
    assert scaled.measurement.ellipse == placed.measurement.ellipse
    assert scaled.measurement.slice == 10
    assert scaled.measurement.values["hc_mm"] == pytest.approx(2 * ellipses.circumference(25, 20))
    assert scaled.measurement.values["volume_ml"] == pytest.approx(4 * placed.measurement.values["volume_ml"])
    elsewhere = measure_on(placed, 14)
    assert elsewhere.origin == "model"
    assert elsewhere.measurement.values["ofd_mm"] == pytest.approx(axis(14), abs=1)


def test_doubts_about_the_size_go_with_the_scale_that_raised_them(scan):
    wrong = segment(scan.with_spacing(Spacing(9.0, 9.0, "typed in", 9.0)))
    assert "brain_size" in {f.code for f in wrong.measurement.flags}
    assert recalibrate(wrong, MM).measurement.flags == segment(scan).measurement.flags


def lesions() -> Result:
    """Two boxes, 20 x 8 and 12 x 6 pixels on their slices."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:14, 20:28, 20:40] = 1
    mask[20:23, 50:56, 30:42] = 2
    segmentation, measurement = tumour.measure_mask(mask, MM)
    provenance = Provenance("standin", "", "cpu", "stand-in", SegmentSettings(task="tumour").to_dict(), "0")
    return Result("scan", None, 0, "tumour", segmentation, measurement, MM, provenance)


def test_moved_diameters_stay_under_another_scale_and_the_others_are_the_masks():
    result = lesions()
    lines = (Caliper("longest", (20, 20), (50, 20)), Caliper("perpendicular", (30, 20), (30, 30)))
    moved = edit_calipers(result, "1", lines)
    oblong = Spacing(4.0, 1.0, "typed in", 2.0)
    first, second = recalibrate(moved, oblong).measurement.parts
    assert first.calipers == lines
    assert first.values["longest_mm"] == pytest.approx(30)
    assert first.values["perpendicular_mm"] == pytest.approx(40)
    assert second.calipers == recalibrate(result, oblong).measurement.parts[1].calipers
    assert second.calipers != result.measurement.parts[1].calipers


def test_a_slice_in_the_settings_means_nothing_to_a_tumour():
    result = lesions()
    odd = replace(result, provenance=replace(result.provenance, settings={"slice": 3}))
    assert chosen_slice(odd) is None
    assert edit_mask(odd, result.segmentation.mask).measurement.values == result.measurement.values
