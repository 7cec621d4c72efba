"""The fetal brain: a drawn brain's volume and axes come back, and what is not skull-stripped is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fetalseg.errors import SettingsError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse, State
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import fetal_brain

SPACING = Spacing(0.8, 0.7, "drawn", 1.0)
SHAPE = (100, 140, 130)
AXES_MM = (34.0, 42.0, 31.0)  # half of height, of the long and of the short axis in plane
TRUE_ML = 4 / 3 * math.pi * math.prod(AXES_MM) / 1000


def radius(axes_mm, center_mm=(49.0, 55.3, 44.8)):
    """How far out each voxel's centre lies: 1 on the ellipsoid."""
    steps = (1.0, 0.8, 0.7)
    grids = np.meshgrid(*(np.arange(n) * s for n, s in zip(SHAPE, steps, strict=True)), indexing="ij")
    return np.sqrt(sum(((g - c) / a) ** 2 for g, c, a in zip(grids, center_mm, axes_mm, strict=True)))


def brain(soft=False, holes=True):
    """A brain of mean grey 1700 on 0, with textured tissue and, in its depth, ventricles that were cut out too."""
    r = radius(AXES_MM)
    share = np.clip(0.5 - (r - 1) * 40, 0, 1) if soft else (r <= 1)
    pixels = (1700 + 120 * np.random.default_rng(0).standard_normal(SHAPE)) * share
    if holes:
        pixels[radius((14, 18, 5), (51.0, 55.3, 38.0)) <= 1] = 0
        pixels[radius((14, 18, 5), (51.0, 55.3, 51.0)) <= 1] = 0
    return pixels.astype(np.float32)


def adult(seed=0):
    """A head that was not stripped: scalp, a dark skull, brain; around it air without noise."""
    r = radius((40.0, 48.0, 39.0))
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    grey = np.select([r < 0.84, r < 0.93, r < 1], [900.0, 60.0, 1500.0], 0.0)
    return np.where(r < 1, grey + 20 * noise, 0).astype(np.float32)


def run(pixels, spacing=SPACING, **settings):
    return fetal_brain.segment_volume(pixels, spacing, None, None, SegmentSettings(**settings), (), None)


@pytest.mark.parametrize("soft", [False, True])
def test_volume_and_axes_of_a_drawn_brain(soft):
    segmentation, found = run(brain(soft))
    assert found.state is State.ACCEPT
    assert found.values["volume_ml"] == pytest.approx(TRUE_ML, rel=0.01)
    assert found.values["volume_voxels"] == segmentation.mask.sum()
    assert found.slice == 49
    assert found.values["ofd_mm"] == pytest.approx(84, abs=0.4)
    assert found.values["bpd_mm"] == pytest.approx(62, abs=0.4)
    assert found.values["hc_mm"] == pytest.approx(ellipses.circumference(42, 31), rel=0.005)
    assert found.values["cephalic_index"] == pytest.approx(100 * 31 / 42, abs=0.5)
    assert found.values["area_mm2"] == pytest.approx(math.pi * 42 * 31, rel=0.01)
    ends = {line.name: line for line in found.calipers}
    (x0, y0), (x1, y1) = ends["ofd"].start_xy, ends["ofd"].end_xy
    assert math.hypot((x1 - x0) * 0.7, (y1 - y0) * 0.8) == pytest.approx(found.values["ofd_mm"])


@pytest.mark.parametrize("change", [lambda v: v * 3, lambda v: v + 50, lambda v: v[:, :, ::-1], lambda v: v.round()])
def test_the_scale_of_the_greys_and_the_side_change_nothing(change):
    plain, other = run(brain())[1], run(change(brain()))[1]
    assert other.values["volume_voxels"] == pytest.approx(plain.values["volume_voxels"], rel=0.002)
    assert other.values["hc_mm"] == pytest.approx(plain.values["hc_mm"], rel=0.002)


def test_padding_changes_nothing():
    padded = np.pad(brain(), ((5, 9), (20, 0), (0, 30)))
    assert run(padded)[1].values["volume_voxels"] == run(brain())[1].values["volume_voxels"]


def test_a_dark_rim_at_a_sharp_cut_is_the_margin_of_the_stripping():
    r = radius(AXES_MM)
    pixels = np.where(r <= 1, 1700.0, 0.0)
    from scipy import ndimage

    margin = ndimage.binary_dilation(r <= 1) & (r > 1)
    pixels[margin] = 1200
    segmentation, _ = run(pixels)
    assert np.array_equal(segmentation.mask > 0, r <= 1)


def test_a_picked_slice_carries_the_ellipse_and_the_volume_stays():
    _, found = run(brain(), slice=32)
    shrink = math.sqrt(1 - (17 / 34) ** 2)
    assert found.slice == 32
    assert found.values["ofd_mm"] == pytest.approx(84 * shrink, abs=0.5)
    assert found.values["volume_ml"] == run(brain())[1].values["volume_ml"]
    one = fetal_brain.segment_volume(brain(), SPACING, None, None, SegmentSettings(), (), [32])[1]
    assert one.values == found.values


@pytest.mark.parametrize("slice", [2, 97, 500, -1])
def test_a_slice_without_brain_is_a_sentence(slice):
    with pytest.raises(SettingsError, match=f"no brain on slice {slice}"):
        run(brain(), slice=slice)


def test_without_spacing_there_are_no_millimetres():
    _, found = run(brain(), None)
    assert all(value is None for name, value in found.values.items() if name.endswith(("_mm", "_mm2", "_ml")))
    assert found.values["ofd_px"] > 0
    assert found.values["volume_voxels"] > 0
    assert [f.code for f in found.flags] == ["no_spacing"]
    _, flat = run(brain(), replace(SPACING, slice_mm=None))
    assert flat.values["volume_ml"] is None
    assert flat.values["hc_mm"] == pytest.approx(ellipses.circumference(42, 31), rel=0.005)
    assert [f.code for f in flat.flags] == ["no_slice_spacing"]


@pytest.mark.parametrize("factor", [0.4, 2.0])
def test_a_volume_that_no_fetal_brain_has_is_to_be_checked(factor):
    spacing = Spacing(0.8 * factor, 0.7 * factor, "drawn", factor)
    _, found = run(brain(), spacing)
    assert found.state is State.CHECK
    assert "brain_size" in [f.code for f in found.flags]


def noisy_air():
    return adult() + np.random.default_rng(1).rayleigh(15, SHAPE).astype(np.float32)


def cut_through():
    return brain(holes=False)[:, :55]


def two_pieces():
    pixels = brain()
    pixels[:20, :30, :30] = 1500
    return np.pad(pixels, 3)


def with_nan():
    pixels = brain()
    pixels[50, 70, 60] = np.nan
    return pixels


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (adult, "not_skull_stripped"),
        (noisy_air, "not_skull_stripped"),
        (cut_through, "not_skull_stripped"),
        (two_pieces, "not_skull_stripped"),
        (lambda: np.full(SHAPE, 7, np.int16), "no_brain"),
        (lambda: np.zeros(SHAPE, np.uint8), "no_brain"),
        (lambda: np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8), "not_skull_stripped"),
        (lambda: brain()[49:50], "not_a_volume"),
        (with_nan, "not_a_volume"),
    ],
)
def test_what_is_no_stripped_brain_is_refused(make, code):
    pixels = make()
    segmentation, found = run(pixels)
    assert found.state is State.REFUSE
    assert [f.code for f in found.flags] == [code]
    assert not segmentation.mask.any()
    assert segmentation.mask.shape == pixels.shape
    assert all(value is None for value in found.values.values())
    assert not found.found


def test_numbers_that_a_reader_replaced_are_refused_too():
    _, found = fetal_brain.segment_brain(brain(), SPACING, None, ("not_finite",))
    assert found.state is State.REFUSE
    assert [f.code for f in found.flags] == ["not_finite", "not_a_volume"]


def test_a_corrected_mask_and_a_placed_ellipse_are_measured_alike():
    mask = (radius(AXES_MM) <= 1).astype(np.uint8)
    _, found = fetal_brain.measure_mask(mask, SPACING)
    assert found.values["volume_ml"] == pytest.approx(TRUE_ML, rel=0.01)
    assert found.intervals == {}
    placed = fetal_brain.measure_ellipse(found.ellipse, SPACING)
    assert placed.values["hc_mm"] == pytest.approx(found.values["hc_mm"])
    assert placed.values["volume_ml"] is None
    empty = fetal_brain.measure_mask(np.zeros(SHAPE, np.uint8), SPACING)[1]
    assert [f.code for f in empty.flags] == ["no_brain"]


def test_a_placed_ellipse_of_an_unlikely_shape_is_to_be_checked():
    assert fetal_brain.measure_ellipse(Ellipse(50, 50, 40, 15, 0), SPACING).state is State.CHECK
