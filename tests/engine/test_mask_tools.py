"""Tools that correct a mask, against known truths: areas, discs and ellipses drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fetalseg.errors import FetalSegError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry import ellipse_points, mask_tools
from fetalseg.result import Ellipse

SHAPE = (120, 140)
#: For what works on whole pictures.
fewer = settings(max_examples=30)
radii = st.floats(8, 30)
centers = st.floats(45, 75)


def disc(y, x, radius, shape=SHAPE, row=1.0):
    """A disc in units of a column; `row` is a row's height in them."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (((rows - y) * row) ** 2 + (columns - x) ** 2 <= radius**2).astype(np.uint8)


def radius_of(mask, row=1.0):
    return math.sqrt(mask.sum() * row / math.pi)


# Grow and shrink


@given(centers, centers, radii, st.sampled_from([1.0, 2.0, 3.0, 6.0]))
@fewer
def test_grow_and_shrink_move_the_edge_by_the_step(y, x, radius, by):
    mask = disc(y, x, radius)
    grown, shrunk = mask_tools.grow(mask, 1, by), mask_tools.shrink(mask, 1, by)
    assert (grown >= mask).all()
    assert (shrunk <= mask).all()
    assert radius_of(grown) - radius_of(mask) == pytest.approx(by, abs=0.35)
    assert radius_of(mask) - radius_of(shrunk) == pytest.approx(by, abs=0.35)
    far = mask_tools.signed_distance(mask > 0)
    assert far[(grown > mask)].max() <= by
    assert mask.dtype == grown.dtype == shrunk.dtype


@given(centers, st.sampled_from([0.4, 0.5, 2.0]), st.sampled_from([2.0, 4.0, 6.0]))
@fewer
def test_a_step_is_as_long_down_as_across_on_oblong_pixels(x, row, by):
    mask = disc(60, x, 15, row=row)
    grown = mask_tools.grow(mask, 1, by, (row, 1.0))
    for axis, step in ((0, row), (1, 1.0)):
        widths = [step * np.flatnonzero(m.any(axis=1 - axis)).size for m in (mask, grown)]
        assert widths[1] - widths[0] == pytest.approx(2 * by, abs=2 * step)
    assert radius_of(grown, row) - radius_of(mask, row) == pytest.approx(by, abs=0.5)


@given(centers, centers, radii, st.integers(1, 3))
@fewer
def test_shrink_takes_back_what_grow_gave(y, x, radius, by):
    mask = disc(y, x, radius)
    back = mask_tools.shrink(mask_tools.grow(mask, 1, by), 1, by)
    assert (back >= mask).all(), "closing never loses a pixel"
    assert back.sum() <= mask.sum() * 1.01


def test_the_picture_border_is_no_edge_of_a_mask():
    mask = disc(0, 60, 20)
    shrunk = mask_tools.shrink(mask, 1, 3)
    assert shrunk[0].any()
    assert np.flatnonzero(shrunk.any(axis=1)).size == np.flatnonzero(mask.any(axis=1)).size - 3
    everything = np.ones((9, 9), np.uint8)
    np.testing.assert_array_equal(mask_tools.shrink(everything, 1, 4), everything)


def test_nothing_left_and_nothing_there_are_refused_in_a_sentence():
    with pytest.raises(FetalSegError, match="Nothing would be left"):
        mask_tools.shrink(disc(60, 60, 3), 1, 5)
    empty = np.zeros(SHAPE, np.uint8)
    for tool in (mask_tools.fill_holes, mask_tools.keep_largest, mask_tools.smooth):
        with pytest.raises(FetalSegError, match="empty"):
            tool(empty, 1)
    with pytest.raises(FetalSegError, match="no lesion 3 here"):
        mask_tools.grow(disc(60, 60, 5), 3, 1)


# One lesion's edit never eats another


@st.composite
def two_lesions(draw):
    """Two discs, often touching; the second drawn over the first."""
    labels = disc(60, draw(st.floats(45, 60)), draw(radii)).astype(np.uint16)
    labels[disc(draw(centers), draw(st.floats(75, 95)), draw(radii)) > 0] = 300
    assume((labels == 1).sum() > 50)
    return labels


TOOLS = {
    "grow": lambda labels, lesion: mask_tools.grow(labels, lesion, 4),
    "shrink": lambda labels, lesion: mask_tools.shrink(labels, lesion, 1),
    "smooth": mask_tools.smooth,
    "fill": mask_tools.fill_holes,
    "largest": mask_tools.keep_largest,
    "draw": lambda labels, lesion: mask_tools.draw(labels, lesion, disc(60, 70, 25)),
}


@pytest.mark.parametrize("tool", TOOLS)
@given(two_lesions())
@fewer
def test_a_tool_changes_one_lesion_only(tool, labels):
    before = labels.copy()
    out = TOOLS[tool](labels, 1)
    np.testing.assert_array_equal(labels, before, "what came in stays")
    np.testing.assert_array_equal(out == 300, labels == 300)
    assert set(np.unique(out)) <= {0, 1, 300}
    assert out.dtype == labels.dtype


# Smooth, fill, largest


@given(centers, centers, st.floats(14, 30), st.integers(0, 99))
@fewer
def test_smooth_takes_off_bumps_and_keeps_the_area(y, x, radius, seed):
    clean = disc(y, x, radius)
    edge = (mask_tools.grow(clean, 1, 1) > clean) | (mask_tools.shrink(clean, 1, 1) < clean)
    rough = clean.copy()
    rough[edge] = np.random.default_rng(seed).integers(0, 2, edge.sum())
    smoothed = mask_tools.smooth(rough, 1, blur=2.0)
    assert smoothed.sum() == pytest.approx(rough.sum(), rel=0.02)
    wrong = [(m != disc(y, x, radius_of(rough))).sum() for m in (rough, smoothed)]
    assert wrong[1] < 0.6 * wrong[0]


@given(st.floats(25, 50), st.floats(0.65, 0.95), st.floats(0, 179))
@fewer
def test_smooth_changes_the_circumference_of_an_ellipse_by_less_than_a_five_hundredth(a, ratio, angle):
    truth = Ellipse(70.3, 60.2, a, a * ratio, angle)
    mask = ellipses.mask(truth, SHAPE)
    for _ in range(5):
        mask = mask_tools.smooth(mask, 1)
    from fetalseg.tasks import head

    _, measured = head.measure_mask(mask, None)
    exact = ellipses.circumference(truth.semi_major, truth.semi_minor)
    assert measured.values["hc_px"] == pytest.approx(exact, rel=0.004)


def test_a_few_pixels_are_too_small_to_be_smoothed():
    with pytest.raises(FetalSegError, match="too small"):
        mask_tools.smooth(disc(60, 60, 0.5), 1)


@given(centers, centers, st.floats(12, 30), st.floats(2, 8))
@fewer
def test_holes_are_filled_and_bays_are_not(y, x, radius, hole):
    whole = disc(y, x, radius)
    np.testing.assert_array_equal(mask_tools.fill_holes(whole & ~disc(y + 1, x, hole), 1), whole)
    bay = whole.copy()
    bay[:, int(x)] = 0
    np.testing.assert_array_equal(mask_tools.fill_holes(bay, 1), bay)


def test_a_hole_that_holds_another_lesion_is_filled_around_it():
    labels = disc(60, 60, 30) & ~disc(60, 60, 15)
    labels[disc(60, 60, 8) > 0] = 2
    out = mask_tools.fill_holes(labels, 1)
    np.testing.assert_array_equal(out == 2, labels == 2)
    np.testing.assert_array_equal(out > 0, disc(60, 60, 30) > 0)


def test_holes_are_those_of_a_slice():
    ring = disc(60, 60, 30) & ~disc(60, 60, 15)
    volume = np.stack([ring, np.zeros_like(ring), ring])
    out = mask_tools.fill_holes(volume, 1)
    np.testing.assert_array_equal(out[0], disc(60, 60, 30))
    assert not out[1].any()


@given(st.floats(12, 20), st.floats(3, 11))
@fewer
def test_the_largest_region_is_kept(large, small):
    mask = disc(40, 40, large) | disc(90, 100, small)
    np.testing.assert_array_equal(mask_tools.keep_largest(mask, 1), disc(40, 40, large))


def test_the_largest_region_of_a_volume_hangs_together_through_its_slices():
    volume = np.zeros((3, *SHAPE), np.uint8)
    volume[0] = disc(40, 40, 12)
    volume[1] = volume[2] = disc(90, 100, 10)
    out = mask_tools.keep_largest(volume, 1)
    assert not out[0].any()
    np.testing.assert_array_equal(out[1:], volume[1:])


def test_a_step_reaches_the_next_slice_only_where_it_is_as_long():
    volume = np.zeros((5, *SHAPE), np.uint8)
    volume[2] = disc(60, 60, 10)
    for slice_mm, reached in ((1.0, [1, 2, 3]), (3.0, [2]), (None, [2])):
        grown = mask_tools.grow(volume, 1, 1.0, (slice_mm, 1.0, 1.0))
        assert list(np.flatnonzero(grown.any(axis=(1, 2)))) == reached
        np.testing.assert_array_equal(grown[2], mask_tools.grow(volume[2], 1, 1.0))
        assert mask_tools.smooth(volume, 1, (slice_mm, 1.0, 1.0))[2].any()


# Between slices


@given(centers, centers, radii, centers, centers, radii, st.sampled_from([0.25, 0.5, 0.75]))
@fewer
def test_between_two_discs_lies_a_disc(y0, x0, r0, y1, x1, r1, share):
    first, last = disc(y0, x0, r0) > 0, disc(y1, x1, r1) > 0
    (found,) = mask_tools.between(first, last, [share])
    assert radius_of(found) == pytest.approx((1 - share) * r0 + share * r1, abs=0.6)
    y, x = (axis.mean() for axis in np.nonzero(found))
    assert y == pytest.approx((1 - share) * y0 + share * y1, abs=0.6)
    assert x == pytest.approx((1 - share) * x0 + share * x1, abs=0.6)


def test_discs_that_do_not_meet_do_not_vanish_half_way():
    (found,) = mask_tools.between(disc(30, 30, 10) > 0, disc(90, 110, 14) > 0, [0.5])
    assert radius_of(found) == pytest.approx(12, abs=0.5)


@given(centers, radii)
@fewer
def test_between_two_equal_masks_is_the_same_and_the_ends_are_the_ends(x, radius):
    mask, other = disc(60, x, radius) > 0, disc(60, x, radius + 5) > 0
    np.testing.assert_array_equal(mask_tools.between(mask, mask, [0.5])[0], mask)
    first, last = mask_tools.between(mask, other, [0.0, 1.0])
    assert (first != mask).sum() <= 0.02 * mask.sum()
    assert (last != other).sum() <= 0.02 * other.sum()


@given(st.sampled_from([0.5, 2.0]), st.floats(10, 20), st.floats(10, 20))
@fewer
def test_oblong_pixels_are_interpolated_in_their_true_shape(row, r0, r1):
    (found,) = mask_tools.between(disc(60, 70, r0, row=row) > 0, disc(60, 70, r1, row=row) > 0, [0.5], (row, 1.0))
    np.testing.assert_allclose(radius_of(found, row), (r0 + r1) / 2, atol=0.8)


def test_a_cone_is_drawn_from_two_slices_and_other_lesions_stay():
    cone = np.stack([disc(60, 60 + n, 10 + 2 * n) for n in range(7)])
    labels = np.zeros_like(cone)
    labels[0], labels[6] = cone[0] * 2, cone[6] * 2
    labels[3, 60:70, 60:100] = 1
    out = mask_tools.interpolate(labels, 2, 0, 6)
    np.testing.assert_array_equal(out == 1, labels == 1)
    for number in (1, 2, 4, 5):
        assert ((out[number] == 2) != (cone[number] > 0)).sum() < 0.1 * cone[number].sum()
    assert ((out[3] > 0) != ((cone[3] > 0) | (labels[3] > 0))).sum() < 0.1 * cone[3].sum()
    np.testing.assert_array_equal(out[[0, 6]], labels[[0, 6]])


def test_a_mask_is_carried_to_the_next_slice_around_other_lesions():
    labels = np.stack([disc(60, 60, 20), disc(60, 100, 10) * 2, np.zeros(SHAPE, np.uint8)])
    labels[1, 0, 0] = 1
    out = mask_tools.carry(labels, 1, 0, 1)
    np.testing.assert_array_equal(out[1] == 2, labels[1] == 2)
    np.testing.assert_array_equal(out[1] == 1, (labels[0] == 1) & (labels[1] != 2))
    np.testing.assert_array_equal(out[[0, 2]], labels[[0, 2]])
    with pytest.raises(FetalSegError, match="empty"):
        mask_tools.carry(labels, 1, 2, 1)


def planes(text):
    """``.`` is an empty plane, ``m`` as the model left it, ``e`` corrected."""
    return np.array([c != "." for c in text]), np.array([c == "e" for c in text])


@pytest.mark.parametrize(
    ("text", "at", "pairs"),
    [
        (".e...m.", 3, [(1, 5)]),
        ("mm..mm", 2, [(1, 4)]),
        ("memmmem", 3, [(1, 5)]),
        ("e...e...e", 4, [(0, 4), (4, 8)]),
        ("e...e", 4, [(0, 4)]),
        ("memmem", 4, [(1, 4)]),
        ("eeeee..e", 4, [(4, 7)]),
    ],
)
def test_which_planes_are_meant(text, at, pairs):
    assert mask_tools.gaps(*planes(text), at) == pairs


@pytest.mark.parametrize(
    ("text", "at"), [("mmmmm", 2), ("m....", 3), (".....", 2), ("eeeee", 2), ("emmmm", 2), ("e", 0)]
)
def test_nothing_to_interpolate_is_a_sentence(text, at):
    with pytest.raises(FetalSegError, match=r"nothing to interpolate.*frame"):
        mask_tools.gaps(*planes(text), at, "frame")


def test_slices_that_a_person_changed_are_known_though_lesions_were_numbered_anew():
    model = np.stack([disc(60, 40, 10) + 2 * disc(60, 100, 8)] * 5)
    now = np.where(model == 2, 7, model)
    assert not mask_tools.edited_planes(now, model, 7).any()
    now[3] = mask_tools.grow(now[3], 7, 2)
    now[1, 0, 0] = 1
    assert list(np.flatnonzero(mask_tools.edited_planes(now, model, 7))) == [3]
    now[2, :5, :5] = 9
    assert list(np.flatnonzero(mask_tools.edited_planes(now, model, 9))) == [2]


# An ellipse from points


@st.composite
def heads(draw):
    a = draw(st.floats(60, 300))
    return Ellipse(
        draw(st.floats(0, 800)), draw(st.floats(0, 500)), a, a * draw(st.floats(0.6, 0.97)), draw(st.floats(0, 179.9))
    )


def on(ellipse, degrees):
    return ellipses.outline(ellipse, 3600)[(np.asarray(degrees) * 10).astype(int) % 3600]


def same_hc(found, truth, relative):
    hc = [ellipses.circumference(e.semi_major, e.semi_minor) for e in (found, truth)]
    assert hc[0] == pytest.approx(hc[1], rel=relative)


def near(found, truth, relative=1e-4):
    same_hc(found, truth, relative)
    assert found.semi_minor == pytest.approx(truth.semi_minor, rel=2 * relative)
    assert (found.center_x, found.center_y) == pytest.approx(
        (truth.center_x, truth.center_y), abs=2 * relative * truth.semi_major
    )


@given(heads(), st.sampled_from([(1.0, 1.0), (0.5, 1.0), (0.3, 0.2)]), st.permutations(range(4)))
def test_four_points_are_the_ends_of_the_diameters_in_any_order(truth, pixel, order):
    row, column = pixel
    points = on(truth, [0, 90, 180, 270])[list(order)] / (column, row)
    near(ellipse_points.fit(points, pixel), ellipses.scaled(truth, 1 / column, 1 / row))


@given(heads(), st.floats(0, 89))
def test_four_points_at_other_conjugate_diameters_leave_hc_nearly_right(truth, turn):
    """Their squares add up to the same (Apollonius), so that what a person takes for the axes hardly matters to HC."""
    points = on(truth, np.array([0, 90, 180, 270]) + turn)
    try:
        found = ellipse_points.fit(points)
    except FetalSegError:
        return
    same_hc(found, truth, 0.02)


@given(heads(), st.integers(0, 10_000))
def test_callipers_set_by_hand_give_hc_within_two_percent(truth, seed):
    random = np.random.default_rng(seed)
    points = on(truth, np.array([0, 90, 180, 270]) + random.uniform(-6, 6, 4))
    same_hc(ellipse_points.fit(points + random.normal(0, 0.005 * truth.semi_minor, (4, 2))), truth, 0.02)


@given(heads(), st.integers(5, 8), st.floats(0, 359), st.integers(0, 10_000), st.sampled_from([1.0, 0.5, 2.0]))
def test_five_to_eight_points_anywhere_around_find_the_ellipse(truth, count, start, seed, row):
    turns = np.random.default_rng(seed).uniform(0.6, 1.4, count)
    points = on(truth, start + np.cumsum(turns / turns.sum() * 360)) / (1, row)
    near(ellipse_points.fit(points, (row, 1.0)), ellipses.scaled(truth, 1.0, 1 / row))


@given(heads(), st.integers(0, 10_000))
def test_eight_points_clicked_by_hand_give_hc_within_two_percent(truth, seed):
    random = np.random.default_rng(seed)
    points = on(truth, np.arange(8) * 45 + random.uniform(-10, 10, 8))
    same_hc(ellipse_points.fit(points + random.normal(0, 0.006 * truth.semi_minor, (8, 2))), truth, 0.02)


CIRCLE = Ellipse(200, 200, 100, 80, 30)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        (np.zeros((0, 2)), "at least 4"),
        (on(CIRCLE, [0, 90, 180]), "at least 4"),
        (np.repeat(on(CIRCLE, [0, 90, 180]), 3, axis=0), "at least 4"),
        (on(CIRCLE, np.arange(9) * 40), "8 points are enough"),
        (on(CIRCLE, [20, 80, 200, 260]), "Four points have to be"),
        (on(CIRCLE, [0, 30, 60, 90]), "Four points have to be"),
        ([[0, 0], [10, 0], [20, 0], [30, 0]], "Four points have to be"),
        ([[0, 0], [100, 5], [200, 0], [100, -5]], "almost on a line"),
        ([[0, 0], [10, 0], [20, 0], [30, 0], [40, 0]], "almost on a line|No ellipse"),
        (np.vstack([on(CIRCLE, np.arange(7) * 50), [[200, 200]]]), "one of them is far off"),
        (on(CIRCLE, [0, 20, 50, 90, 120, 160]), "one side"),
    ],
)
def test_points_that_determine_no_ellipse_are_refused_in_a_sentence(points, why):
    with pytest.raises(FetalSegError, match=why):
        ellipse_points.fit(points)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 400)), max_size=10))
def test_whatever_is_clicked_gives_a_sound_ellipse_or_a_sentence(points):
    try:
        found = ellipse_points.fit(np.array(points).reshape(-1, 2))
    except FetalSegError:
        return
    assert 0 < found.semi_minor <= found.semi_major < 1e5
    assert np.abs(ellipses.radius(found, np.array(points)) - 1).max() < 0.5
