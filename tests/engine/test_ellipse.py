"""Ellipses against known truths."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse

axes = st.floats(5, 500)
ratios = st.floats(0.5, 0.999)
angles = st.floats(0, 179.99)
centers = st.floats(-300, 900)


def made(x, y, a, ratio, angle):
    return Ellipse(x, y, a, a * ratio, angle)


def same_ellipse(found, truth, tolerance):
    """Compare by outline: the angle of a near-circle says nothing."""
    a, b = ellipses.outline(found), ellipses.outline(truth, 720)
    nearest = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min(1)
    step = 2 * math.pi * truth.semi_major / 720
    return nearest.max() < tolerance + step


# Exact circumference (arithmetic-geometric mean) of ellipses with OFD 115 mm, by cephalic index.
@pytest.mark.parametrize(
    ("ci", "exact"),
    [(90, 343.4567), (83, 331.2877), (78.3, 323.2777), (74, 316.0733), (70, 309.4862), (60, 293.5605)],
)
def test_circumference_matches_published_values(ci, exact):
    assert ellipses.circumference(57.5, 57.5 * ci / 100) == pytest.approx(exact, abs=6e-5)


def test_circumference_of_a_circle_and_of_nothing():
    assert ellipses.circumference(10, 10) == pytest.approx(20 * math.pi, rel=1e-12)
    assert ellipses.circumference(0, 0) == 0


@given(axes, ratios)
def test_circumference_lies_between_its_bounds(a, ratio):
    b = a * ratio
    hc = ellipses.circumference(a, b)
    assert math.pi * (a + b) <= hc * (1 + 1e-12)  # the simple formula always reads low
    assert hc <= 2 * math.pi * math.sqrt((a * a + b * b) / 2) * (1 + 1e-12)


@given(centers, centers, axes, ratios, angles)
def test_fit_finds_the_ellipse_that_points_lie_on(x, y, a, ratio, angle):
    truth = made(x, y, a, ratio, angle)
    found = ellipses.fit(ellipses.outline(truth, 60))
    assert found is not None
    assert found.semi_major == pytest.approx(truth.semi_major, rel=1e-6)
    assert found.semi_minor == pytest.approx(truth.semi_minor, rel=1e-6)
    assert (found.center_x, found.center_y) == pytest.approx((x, y), abs=1e-5 * a)
    if ratio < 0.99:
        assert abs((found.angle_deg - angle + 90) % 180 - 90) < 1e-3


@given(axes, ratios, angles, st.floats(0, 2 * math.pi), st.floats(2.5, 5))
def test_fit_completes_a_broken_ring(a, ratio, angle, start, arc):
    truth = made(100, 80, a, ratio, angle)
    t = np.linspace(start, start + arc, 80) / (2 * math.pi) * 7200
    found = ellipses.fit(ellipses.outline(truth, 7200)[t.astype(int) % 7200])
    assert found is not None
    assert ellipses.circumference(found.semi_major, found.semi_minor) == pytest.approx(
        ellipses.circumference(truth.semi_major, truth.semi_minor), rel=1e-4
    )


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        np.ones((20, 2)),
        np.column_stack([np.arange(20), np.arange(20)]),
        np.random.default_rng(0).random((4, 2)),
        np.full((10, 2), np.nan),
    ],
    ids=["none", "one spot", "a line", "too few", "no numbers"],
)
def test_fit_of_what_is_no_ellipse_is_none(points):
    found = ellipses.fit(points)
    assert found is None or min(found.semi_major, found.semi_minor) > 1e3  # a line may be a huge flat ellipse


@given(axes, ratios, angles, st.floats(0.3, 3), st.floats(0.3, 3))
def test_scaling_moves_every_point_of_the_ellipse(a, ratio, angle, factor_x, factor_y):
    truth = made(40, 60, a, ratio, angle)
    scaled = ellipses.scaled(truth, factor_x, factor_y)
    moved = ellipses.outline(truth, 90) * (factor_x, factor_y)
    assert np.allclose(ellipses.radius(scaled, moved), 1, atol=1e-6)
    assert scaled.semi_major >= scaled.semi_minor * (1 - 1e-9)
    back = ellipses.scaled(scaled, 1 / factor_x, 1 / factor_y)
    assert np.allclose(ellipses.radius(back, ellipses.outline(truth, 90)), 1, atol=1e-6)


@given(st.floats(30, 120), ratios, angles)
def test_mask_has_the_area_of_the_ellipse(a, ratio, angle):
    truth = made(150.3, 140.7, a, ratio, angle)
    mask = ellipses.mask(truth, (300, 320))
    assert mask.sum() == pytest.approx(ellipses.area(truth), rel=0.01)


def test_mask_outside_the_picture_is_empty_and_cut_at_its_edge():
    assert not ellipses.mask(Ellipse(-500, -500, 30, 20, 0), (50, 60)).any()
    assert ellipses.mask(Ellipse(0, 0, 30, 30, 0), (50, 60))[0, 0] == 1


@given(axes, ratios, angles)
def test_calipers_are_the_axes(a, ratio, angle):
    truth = made(10, 20, a, ratio, angle)
    long, short = ellipses.calipers(truth, "ofd", "bpd")
    assert math.dist(long.start_xy, long.end_xy) == pytest.approx(2 * a)
    assert math.dist(short.start_xy, short.end_xy) == pytest.approx(2 * a * ratio)
    assert np.allclose(ellipses.radius(truth, np.array([long.start_xy, short.end_xy])), 1)
