"""Lesions of known size through the tumour task: numbers, diameters, flags, and what must not move them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fetalseg.pipeline import Pipeline, edit_calipers, edit_mask, recalibrate
from fetalseg.result import Caliper, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import tumour
from fetalseg.tasks.tumour_input import look
from fetalseg.tasks.tumour_trust import expected_dice
from tumours import CARD, HEAD, LARGE, SHAPE, SMALL, bright_volume, ellipsoid, phantom

SPACING = Spacing(1.0, 1.0, "typed in", slice_mm=3.0)


def volume(*lesions: np.ndarray) -> np.ndarray:
    """The phantom with these lesions, or none."""
    return phantom(*(lesions or (np.zeros(SHAPE, bool),)))


class Bright:
    """A network that calls what is bright: probability by grey value."""

    card = CARD
    device = "cpu"
    backend = "numpy"

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return bright_volume(batch)


def run(pixels: np.ndarray, spacing: Spacing | None = SPACING, **settings: object):
    pipeline = Pipeline(SegmentSettings(task="tumour", **settings), Bright())  # type: ignore[arg-type]
    (result,) = pipeline.segment(Scan.from_array(pixels, "phantom", spacing))
    return result


def test_two_lesions_are_numbered_and_measured() -> None:
    result = run(volume(LARGE, SMALL))
    found = result.measurement
    assert result.segmentation.mask.shape == SHAPE
    assert [p.texts["lesion"] for p in found.parts] == ["1", "2"]
    for part, truth in zip(found.parts, (LARGE, SMALL), strict=True):
        assert part.values["volume_ml"] == pytest.approx(truth.sum() * 3 / 1000, rel=0.06)
        assert part.values["volume_voxels"] == pytest.approx(truth.sum(), rel=0.06)
    assert found.parts[0].values["longest_mm"] == pytest.approx(28, abs=1.5)
    assert found.parts[0].values["perpendicular_mm"] == pytest.approx(18, abs=1.5)
    assert found.parts[0].slice == 12
    assert found.values["volume_ml"] == pytest.approx(sum(p.values["volume_ml"] for p in found.parts))
    assert found.values["product_mm2"] == pytest.approx(sum(p.values["product_mm2"] for p in found.parts))


def test_without_spacing_there_are_voxels_and_no_millilitres() -> None:
    found = run(volume(LARGE), None).measurement
    assert found.values["volume_voxels"] == pytest.approx(LARGE.sum(), rel=0.06)
    assert found.values["volume_ml"] is None
    assert found.values["longest_mm"] is None
    assert found.values["longest_px"] == pytest.approx(28, abs=1.5)
    assert "no_spacing" in {f.code for f in found.flags}


def test_slice_distance_unknown_gives_diameters_but_no_volume() -> None:
    found = run(volume(LARGE), Spacing(1.0, 1.0, "typed in")).measurement
    assert found.values["longest_mm"] == pytest.approx(28, abs=1.5)
    assert found.values["volume_ml"] is None
    assert "no_slice_spacing" in {f.code for f in found.flags}


@pytest.mark.parametrize(
    ("grey", "kept"),
    [(111, False), (122, True)],  # a probability of 0.86, and of 0.98: a Dice of 0.92 and 0.99 to be expected
)
def test_a_region_far_less_sure_than_the_tumour_is_left_out_and_told(grey: int, kept: bool) -> None:
    pixels = volume(LARGE)
    pixels[SMALL] = grey
    found = run(pixels).measurement
    assert len(found.parts) == 1 + kept
    assert ("region_left_out" in {f.code for f in found.flags}) is not kept
    assert found.confidence == pytest.approx(found.parts[0].confidence, abs=0.03)  # it is that of what was kept
    alone = volume(SMALL)
    alone[SMALL] = grey
    assert len(run(alone).measurement.parts) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        Spacing(0.001, 0.001, "metres, called mm", slice_mm=0.003),
        Spacing(0.1, 0.1, "centimetres, called mm", slice_mm=0.3),
        Spacing(10.0, 10.0, "typed in", slice_mm=3.0),
        Spacing(1.0, 1.0, "typed in", slice_mm=30.0),
    ],
)
@pytest.mark.parametrize("lesions", [(), (LARGE,)])
def test_a_scale_that_no_head_has_is_flagged_until_it_is_mended(
    wrong: Spacing, lesions: tuple[np.ndarray, ...]
) -> None:
    result = run(volume(*lesions), wrong)
    assert "voxel_size" in {f.code for f in result.measurement.flags}
    assert result.measurement.state is not State.ACCEPT
    assert "voxel_size" in {f.code for f in recalibrate(result, replace(wrong, source="again")).measurement.flags}
    assert "voxel_size" not in {f.code for f in recalibrate(result, SPACING).measurement.flags}
    assert "voxel_size" not in {f.code for f in run(volume(*lesions)).measurement.flags}


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.astype(np.uint16) * 3,
        lambda v: v.astype(np.float32) + 100,
        lambda v: (v.astype(np.float64) - 7) / 13,
        lambda v: v.astype(np.int16) * 100 - 2000,
    ],
)
def test_scaling_and_shifting_grey_values_changes_nothing(change) -> None:
    before = run(volume(LARGE, SMALL)).segmentation.mask
    after = run(change(volume(LARGE, SMALL))).segmentation.mask
    assert np.mean((before > 0) != (after > 0)) <= 0.005 * np.mean(before > 0)


def test_a_mirrored_volume_gives_the_mirrored_mask() -> None:
    before = run(volume(LARGE, SMALL)).segmentation.mask > 0
    after = run(volume(LARGE, SMALL)[..., ::-1].copy()).segmentation.mask[..., ::-1] > 0
    assert np.sum(before != after) <= 0.005 * before.sum()


def test_zero_padding_moves_the_mask_and_little_else() -> None:
    before = run(volume(LARGE, SMALL)).segmentation.mask > 0
    padded = np.pad(volume(LARGE, SMALL), ((3, 2), (30, 10), (15, 25)))
    after = run(padded).segmentation.mask[3:-2, 30:-10, 15:-25] > 0
    assert np.sum(before != after) <= 0.03 * before.sum()


def test_long_volumes_pass_in_portions_with_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(volume(LARGE, SMALL)).segmentation.mask
    monkeypatch.setattr(tumour, "_PORTION", 7)
    assert np.array_equal(run(volume(LARGE, SMALL)).segmentation.mask, whole)


def test_only_the_slices_asked_for_are_segmented() -> None:
    pipeline = Pipeline(SegmentSettings(task="tumour", smallest_lesion_voxels=0), Bright())  # type: ignore[arg-type]
    (result,) = pipeline.segment(Scan.from_array(volume(LARGE), "phantom", SPACING), frames=[12])
    assert np.flatnonzero(result.segmentation.mask.any(axis=(1, 2))).tolist() == [12]


def test_specks_are_dropped_by_the_setting() -> None:
    speck = ellipsoid((10, 90, 40), (1.8, 3.2, 3.2))
    assert len(run(volume(LARGE, speck)).measurement.parts) == 1
    assert len(run(volume(LARGE, speck), smallest_lesion_voxels=1).measurement.parts) == 2


def test_nothing_found_is_a_check_and_zero_millilitres() -> None:
    found = run(volume()).measurement
    assert not found.found
    assert found.values["volume_ml"] == 0
    assert found.state is State.CHECK
    assert "no_tumour" in {f.code for f in found.flags}


def test_one_grey_value_is_refused() -> None:
    found = run(np.full(SHAPE, 7, np.uint8)).measurement
    assert found.state is State.REFUSE
    assert not found.found


def test_a_lesion_at_the_end_of_the_volume_is_flagged() -> None:
    cut = ellipsoid((23, 60, 50), (4, 12, 12)) & HEAD
    assert "cut_by_volume" in {f.code for f in run(volume(cut)).measurement.flags}


def test_a_persons_mask_is_measured_by_its_numbers() -> None:
    result = run(volume(LARGE))
    mask = np.zeros(SHAPE, np.uint8)
    mask[LARGE], mask[SMALL] = 2, 5
    edited = edit_mask(result, mask)
    assert [p.texts["lesion"] for p in edited.measurement.parts] == ["2", "5"]
    assert edited.measurement.parts[1].values["volume_voxels"] == SMALL.sum()
    assert edited.edited
    assert edited.measurement.confidence is None


def test_dragged_diameters_change_the_product_and_leave_the_mask() -> None:
    result = run(volume(LARGE, SMALL))
    lines = (Caliper("longest", (10, 10), (50, 40)), Caliper("perpendicular", (20, 20), (20, 32)))
    edited = edit_calipers(result, "1", lines)
    part = edited.measurement.parts[0]
    assert part.values["longest_mm"] == pytest.approx(50)
    assert part.values["product_mm2"] == pytest.approx(600)
    assert edited.measurement.parts[1] == result.measurement.parts[1]
    assert edited.segmentation is result.segmentation
    assert edited.measurement.values["product_mm2"] == pytest.approx(
        600 + result.measurement.parts[1].values["product_mm2"]
    )


def test_another_spacing_scales_the_volume() -> None:
    result = run(volume(LARGE))
    doubled = recalibrate(result, Spacing(2.0, 2.0, "typed in", slice_mm=3.0))
    assert doubled.measurement.values["volume_ml"] == pytest.approx(4 * result.measurement.values["volume_ml"])
    assert doubled.measurement.confidence == result.measurement.confidence
    assert recalibrate(result, None).measurement.values["volume_ml"] is None


def test_lesions_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((3, 4, 4), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[1, 3, 3] = 1
    assert tumour.number_lesions(mask).max() == 2
    assert tumour.number_lesions(mask, 2).max() == 1


def test_the_window_is_the_heads_own() -> None:
    _, view = look(volume(), (96, 96))
    _, padded = look(np.pad(volume(), ((0, 0), (40, 40), (40, 40))), (96, 96))
    assert padded.step_x == pytest.approx(view.step_x)
    assert padded.left == pytest.approx(view.left + 40)


def test_the_expected_dice_is_what_truths_drawn_from_the_probabilities_give() -> None:
    rng = np.random.default_rng(3)
    probability = np.clip(rng.normal(0.5, 0.4, (6, 40, 40)), 0, 1).astype(np.float32)
    probability[probability < 0.06] = 0
    inside = probability > 0.5
    drawn = [rng.random(probability.shape) < probability for _ in range(40)]
    dice = np.mean([2 * (truth & inside).sum() / (truth.sum() + inside.sum()) for truth in drawn])
    assert expected_dice(inside, probability) == pytest.approx(dice, abs=0.003)
