"""The montage: which slices, lines in the right places, numbers in their units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fetalseg import quality
from fetalseg.report import montage as module
from fetalseg.report.ink import STATE_COLOURS, YELLOW
from fetalseg.report.montage import COLOURS, MOST, headline, montage, slices_shown
from fetalseg.result import Caliper, Ellipse, Measurement, State
from fetalseg.scan import Spacing


def lesion(number, at, calipers=(), **values):
    known = {"volume_ml": None, "volume_voxels": 500.0, "product_mm2": None, "product_px2": 96.0} | values
    return Measurement(known, slice=at, calipers=calipers, texts={"lesion": str(number)})


def total(*parts, **values):
    known = {"volume_ml": None, "volume_voxels": 12345.0, "product_mm2": None, "product_px2": 96.0} | values
    return Measurement(known, parts=parts)


def near(picture, colour, tolerance=40):
    return (np.abs(picture.astype(int) - colour) < tolerance).all(axis=-1)


def holding(count, *spans):
    labels = np.zeros((count, 10, 12), np.uint8)
    for number, (first, last) in enumerate(spans, start=1):
        labels[first : last + 1, 3:6, 3:6] = number
    return labels


def test_slices_with_a_lesion_and_one_to_either_side():
    assert slices_shown(holding(30, (5, 7)), [6]) == [4, 5, 6, 7, 8]
    assert slices_shown(holding(30, (0, 1), (28, 29)), []) == [0, 1, 2, 27, 28, 29]


def test_many_slices_are_thinned_but_the_largest_stay():
    shown = slices_shown(holding(100, (10, 80)), [33, 61])
    assert len(shown) == MOST
    assert shown == sorted(set(shown))
    assert {9, 33, 61, 81} <= set(shown)
    assert max(np.diff(shown)) <= 6


def test_empty_mask_gives_slices_over_the_whole_volume():
    assert slices_shown(np.zeros((5, 4, 4)), []) == [0, 1, 2, 3, 4]
    shown = slices_shown(np.zeros((90, 4, 4)), [])
    assert (len(shown), shown[0], shown[-1]) == (MOST, 0, 89)
    assert headline(Measurement({})) == "No tumour was found."
    picture = montage(np.random.default_rng(0).integers(0, 99, (90, 60, 70)), np.zeros((90, 60, 70)), Measurement({}))
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert not near(picture, YELLOW).any()


def test_headline_has_true_units():
    one = lesion(1, 4)
    assert headline(total(one)) == "volume 12 345 voxels · product 96 px² · 1 lesion"
    known = total(one, one, volume_ml=23.46, product_mm2=1204.4)
    assert headline(known) == "volume 23.5 ml · product 1204 mm² · 2 lesions"
    assert headline(total(one, volume_ml=0.234)).startswith("volume 0.23 ml")


def test_a_brain_is_no_tumour_that_was_not_found():
    brain = Measurement({"volume_ml": 85.66, "hc_mm": 191.96}, ellipse=Ellipse(5.0, 5.0, 4.0, 3.0, 0.0))
    assert headline(brain) == "volume 85.7 ml · HC of the brain 192.0 mm"
    assert headline(Measurement({}, flags=(quality.flag("not_skull_stripped"),))) == "No brain was measured."


def test_headline_has_the_range_of_the_volume():
    ranged = replace(total(lesion(1, 2), volume_ml=23.46), intervals={"volume_ml": (17.4, 29.5)})
    assert headline(ranged).startswith("volume 23.5 ml (17.4 to 29.5) ·")
    voxels = replace(total(lesion(1, 2)), intervals={"volume_voxels": (9135.3, 15554.7)})
    assert headline(voxels).startswith("volume 12 345 voxels (9 135 to 15 555) ·")


def test_state_and_what_it_is_of_stand_below_the_slices():
    labels = np.zeros((3, 40, 40), np.uint8)
    labels[1, 10:20, 10:20] = 1
    measured = total(lesion(1, 1))
    plain = montage(np.ones(labels.shape), labels, measured)
    told = montage(np.ones(labels.shape), labels, measured, about="scan · unet 1.0")
    assert told.shape[0] > plain.shape[0]
    for state in State:
        strip = montage(np.ones(labels.shape), labels, replace(measured, state=state))[-90:]
        assert (np.abs(strip.astype(int) - STATE_COLOURS[state]).max(axis=2) < 3).sum() > 500


def tile_of(picture, plan, number, shown, width):
    """The tile of a slice, cut from the picture as the grid says."""
    across = module.columns_of(len(shown))
    left = (width - across * (plan.width + module._GAP) + module._GAP) // 2
    row, column = divmod(shown.index(number), across)
    top, start = module._GAP + row * (plan.height + module._GAP), left + column * (plan.width + module._GAP)
    return picture[top : top + plan.height, start : start + plan.width], across


@pytest.mark.parametrize("pixel", [(1.0, 1.0), (2.0, 1.0)])
def test_outline_and_diameters_lie_where_they_are(pixel):
    volume = np.full((9, 80, 90), 60, np.int16)
    labels = np.zeros(volume.shape, np.uint16)
    labels[3:6, 20:50, 30:70] = 1
    labels[4, 60:70, 10:20] = 2
    line = Caliper("longest", (35.0, 35.0), (65.0, 35.0))
    found = total(lesion(1, 4, (line,)), lesion(2, 4))
    spacing = Spacing(*pixel, "typed in", 5.0)
    picture = montage(volume, labels, found, spacing)
    shown = [2, 3, 4, 5, 6]
    plan = module._tile_plan((80, 90), pixel, 3)
    assert plan.scale_y / plan.scale_x == pytest.approx(pixel[0] / pixel[1], rel=0.02)
    for number in shown:
        tile, across = tile_of(picture, plan, number, shown, picture.shape[1])
        assert across == 3
        tile = tile.copy()
        tile[:40, :40] = 0  # the slice's number
        for colour, box in ((COLOURS[0], (20, 50, 30, 70)), (COLOURS[1], (60, 70, 10, 20))):
            rows, columns = np.nonzero(near(tile, colour))
            holds = (labels[number] == COLOURS.index(colour) + 1).any()
            assert (len(rows) > 50) == holds
            if holds:
                ends = rows.min() / plan.scale_y, rows.max() / plan.scale_y
                ends += (columns.min() / plan.scale_x, columns.max() / plan.scale_x)
                assert ends == pytest.approx(box, abs=1.0)
        rows, columns = np.nonzero(near(tile, YELLOW))
        assert (len(rows) > 0) == (number == 4)
        if number == 4:
            assert (rows.mean() + 0.5) / plan.scale_y - 0.5 == pytest.approx(35, abs=0.5)
            assert columns.min() / plan.scale_x == pytest.approx(35.5, abs=0.8)
            assert columns.max() / plan.scale_x == pytest.approx(65.5, abs=0.8)


@pytest.mark.parametrize(("tiles", "across"), [(1, 1), (2, 2), (3, 3), (5, 3), (10, 5), (12, 4), (20, 5)])
def test_grid(tiles, across):
    assert module.columns_of(tiles) == across


def test_scale_and_shift_of_the_values_change_nothing():
    volume = np.random.default_rng(1).integers(0, 200, (6, 64, 64)).astype(np.uint8)
    labels = np.zeros(volume.shape, np.uint8)
    labels[2:4, 20:40, 20:40] = 1
    one = montage(volume, labels, total(lesion(1, 2)))
    other = montage(volume.astype(np.float64) * 3 + 500, labels, total(lesion(1, 2)))
    assert np.abs(one.astype(int) - other).max() <= 2


@pytest.mark.parametrize("shape", [(1, 5, 300), (2, 700, 90), (1, 1, 1), (40, 16, 16)])
def test_any_shape(shape):
    labels = np.ones(shape, np.uint8)
    values = np.full(shape, np.nan, np.float32)
    picture = montage(values, labels, total(*[lesion(k, 0) for k in range(1, 8)]))
    assert picture.shape[1] >= 800
    assert picture.shape[0] < 3000


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="labels"):
        montage(np.zeros((3, 4, 4)), np.zeros((4, 4)), Measurement({}))
