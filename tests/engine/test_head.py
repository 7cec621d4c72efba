"""The head task against drawn heads. A stand-in network finds what is bright."""

import numpy as np
import pytest

from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse, State
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import head
from standins import bright, disc, make_card

SETTINGS = SegmentSettings()
MM = Spacing(0.2, 0.2, source="test")


def codes(measurement):
    return {f.code for f in measurement.flags}


@pytest.mark.parametrize("angle", [0, 33, 90, 151])
@pytest.mark.parametrize(
    ("shape", "size"), [((540, 800), 200), ((540, 800), 70), ((768, 1024), 240), ((541, 803), 150)]
)
@pytest.mark.parametrize("spacing", [MM, Spacing(0.15, 0.25, source="test")])
def test_a_drawn_head_is_measured_in_mm(card, shape, size, angle, spacing):
    truth = Ellipse(shape[1] / 2 + 3.3, shape[0] / 2 - 2.7, size, size * 0.78, angle)
    segmentation, m = head.segment(disc(truth, shape), spacing, bright, card, SETTINGS)
    true = ellipses.scaled(truth, spacing.column_mm, spacing.row_mm)
    hc = ellipses.circumference(true.semi_major, true.semi_minor)
    assert m.values["hc_mm"] == pytest.approx(hc, rel=0.004)
    assert m.values["bpd_mm"] == pytest.approx(2 * true.semi_minor, rel=0.006)
    assert m.values["ofd_mm"] == pytest.approx(2 * true.semi_major, rel=0.006)
    assert m.values["area_mm2"] == pytest.approx(ellipses.area(true), rel=0.01)
    assert segmentation.mask.shape == shape
    drawn = ellipses.mask(truth, shape).astype(bool)
    assert 2 * (drawn & (segmentation.mask > 0)).sum() / (drawn.sum() + segmentation.mask.sum()) > 0.99
    low, high = m.intervals["hc_mm"]
    assert low < m.values["hc_mm"] < high


def test_the_interval_follows_the_card_at_this_size(card):
    assert head.half_width(card, 200) == pytest.approx(5)
    assert head.half_width(card, 50) == 3
    assert head.half_width(card, 330) == pytest.approx(7 * 1.1)  # beyond what the card knows: constant in percent
    assert head.half_width(None, 200) == pytest.approx(6)  # a reader's: 3 %


def test_without_spacing_there_are_pixels_and_no_millimetres(card):
    _, m = head.segment(disc(Ellipse(400, 270, 200, 150, 20), (540, 800)), None, bright, card, SETTINGS)
    assert m.values["hc_mm"] is None
    assert m.values["bpd_mm"] is None
    assert m.values["hc_px"] == pytest.approx(ellipses.circumference(200, 150), rel=0.004)
    assert "no_spacing" in codes(m)
    assert m.state is State.CHECK
    assert not m.intervals


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32])
def test_bit_depth_makes_no_difference(card, dtype):
    picture = disc(Ellipse(400, 270, 180, 140, 20), (540, 800))
    factor = 1 if dtype is np.uint8 else 150
    _, m = head.segment(picture.astype(dtype) * dtype(factor), MM, bright, card, SETTINGS)
    _, reference = head.segment(picture, MM, bright, card, SETTINGS)
    assert m.values["hc_mm"] == pytest.approx(reference.values["hc_mm"], abs=0.01)


def test_two_regions_measure_the_largest_and_say_so(card):
    picture = disc(Ellipse(250, 270, 150, 120, 0), (540, 800)) + disc(Ellipse(650, 270, 80, 70, 0), (540, 800))
    segmentation, m = head.segment(picture, MM, bright, card, SETTINGS)
    assert m.values["ofd_mm"] == pytest.approx(2 * 150 * 0.2, rel=0.01)
    assert "several_regions" in codes(m)
    assert segmentation.mask[270, 650] == 0
    both, _ = head.segment(picture, MM, bright, card, SegmentSettings(keep_largest=False))
    assert both.mask[270, 650] == 1


def test_a_head_beside_something_larger_that_is_none(card):
    half = disc(Ellipse(250, 270, 190, 150, 0), (540, 800))
    half[:, :250] = 0  # a half-moon
    picture = half + disc(Ellipse(640, 270, 100, 80, 0), (540, 800))
    assert half.astype(bool).sum() > (picture - half).astype(bool).sum()
    segmentation, m = head.segment(picture, MM, bright, card, SETTINGS)
    assert m.values["ofd_mm"] == pytest.approx(2 * 100 * 0.2, rel=0.01)
    assert segmentation.mask[270, 640] == 1
    assert segmentation.mask[270, 300] == 0
    assert "several_regions" in codes(m)
    assert m.state is not State.ACCEPT


def test_a_head_cut_by_the_picture_is_completed_and_flagged(card):
    truth = Ellipse(60, 270, 200, 160, 0)
    _, m = head.segment(disc(truth, (540, 800)), MM, bright, card, SETTINGS)
    assert m.values["hc_mm"] == pytest.approx(ellipses.circumference(40, 32), rel=0.02)
    assert "cut_by_picture" in codes(m)
    assert m.state is not State.ACCEPT


def test_half_a_skull_is_not_measured_as_half_a_head(card):
    picture = disc(Ellipse(400, 270, 200, 160, 0), (540, 800))
    picture[:, :400] = 0  # the outline is a half-moon: no ellipse
    _, m = head.segment(picture, MM, bright, card, SETTINGS)
    assert m.state is not State.ACCEPT
    assert "mask_ellipse_disagree" in codes(m)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((540, 800), np.uint8), np.full((540, 800), 77, np.uint8), np.zeros((1, 1)), np.zeros((3, 900))],
    ids=["black", "constant", "1x1", "a strip"],
)
def test_nothing_is_found_in_nothing(card, picture):
    segmentation, m = head.segment(picture, MM, bright, card, SETTINGS)
    assert not m.found
    assert m.state is State.REFUSE
    assert "no_head" in codes(m)
    assert all(v is None for v in m.values.values())
    assert segmentation.mask.shape == picture.shape
    assert not segmentation.mask.any()


def test_noise_gives_no_confident_head(card):
    noise = np.random.default_rng(0).integers(0, 255, (540, 800)).astype(np.uint8)
    _, m = head.segment(noise, MM, bright, card, SETTINGS)
    assert m.state is not State.ACCEPT


def test_confidence_differs_between_pictures(card):
    sharp = head.segment(disc(Ellipse(400, 270, 180, 140, 0), (540, 800)), MM, bright, card, SETTINGS)[1]
    picture = disc(Ellipse(250, 270, 150, 120, 0), (540, 800)) + disc(Ellipse(650, 270, 110, 90, 0), (540, 800))
    doubtful = head.segment(picture, MM, bright, card, SETTINGS)[1]
    assert sharp.confidence > doubtful.confidence


def test_a_failing_model_is_no_result(card):
    def broken(batch):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        head.segment(disc(Ellipse(400, 270, 200, 150, 0), (540, 800)), MM, broken, card, SETTINGS)


@pytest.mark.parametrize("spacing", [MM, Spacing(0.3, 0.2, source="test"), None])
def test_a_drawn_mask_is_measured_like_the_models(card, spacing):
    truth = Ellipse(400.2, 270.4, 200, 150, 20)
    segmentation, m = head.measure_mask(ellipses.mask(truth, (540, 800)), spacing, card)
    assert m.values["hc_px"] == pytest.approx(ellipses.circumference(200, 150), rel=0.003)
    assert m.confidence is None  # a person's mask is not the network's to doubt
    assert segmentation.outline_xy is not None


def test_an_empty_mask_and_a_speck_are_no_head(card):
    empty = head.measure_mask(np.zeros((50, 60), np.uint8), MM, card)[1]
    assert not empty.found
    speck = np.zeros((50, 60), np.uint8)
    speck[20, 20] = 1
    segmentation, m = head.measure_mask(speck, MM, card)
    assert segmentation.mask.sum() == 1  # what a person painted stays
    assert m.state is not State.ACCEPT


def test_an_ellipse_is_measured_as_it_stands(card):
    m = head.measure_ellipse(Ellipse(100, 100, 80, 60, 10), Spacing(0.5, 0.5, source="typed in"), card)
    assert m.values["hc_mm"] == pytest.approx(ellipses.circumference(40, 30))
    assert m.values["cephalic_index"] == pytest.approx(75)


def test_calipers_on_oblong_pixels_are_perpendicular_in_mm(card):
    spacing = Spacing(0.3, 0.15, source="test")
    m = head.measure_ellipse(Ellipse(100, 100, 80, 60, 30), spacing, card)
    vectors = [
        np.array([(c.end_xy[0] - c.start_xy[0]) * 0.15, (c.end_xy[1] - c.start_xy[1]) * 0.3]) for c in m.calipers
    ]
    assert vectors[0] @ vectors[1] == pytest.approx(0, abs=1e-6)
    lengths = sorted(float(np.hypot(*v)) for v in vectors)
    assert lengths == pytest.approx([m.values["bpd_mm"], m.values["ofd_mm"]])


def test_a_rim_is_wide_or_not_by_what_is_usual_for_the_model():
    picture = disc(Ellipse(400, 270, 200, 150, 20), (540, 800))
    _, m = head.segment(picture, MM, bright, make_card(), SETTINGS)
    rim = m.evidence["rim_mm"]
    assert rim > 0
    sharper, duller = make_card(rim_mm=rim / 1.8), make_card(rim_mm=rim / 1.3)
    assert "sides_unseen" in codes(head.segment(picture, MM, bright, sharper, SETTINGS)[1])
    assert "sides_unseen" not in codes(head.segment(picture, MM, bright, duller, SETTINGS)[1])
