"""A lesion's two diameters: known shapes, concave ones, oblong pixels, and what must hold for any mask."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from fetalseg.geometry.diameters import diameters, length_mm, rano


def lengths(mask, row_mm=1.0, column_mm=1.0):
    return tuple(length_mm(line, row_mm, column_mm) for line in diameters(mask, row_mm, column_mm))


def turned(a, b, degrees, shape=(120, 130), row_mm=1.0, column_mm=1.0):
    """A filled ellipse whose semi-axes are in mm."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = (columns - shape[1] / 2.1) * column_mm, (rows - shape[0] / 1.9) * row_mm
    t = math.radians(degrees)
    return ((x * math.cos(t) + y * math.sin(t)) / a) ** 2 + ((y * math.cos(t) - x * math.sin(t)) / b) ** 2 <= 1


def box(shape, *spans):
    """Rectangles of pixels: (first row, last row, first column, last column), ends not included."""
    mask = np.zeros(shape, bool)
    for top, bottom, left, right in spans:
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("degrees", range(0, 180, 13))
def test_turned_ellipse(degrees):
    """Twice the semi-axes; the outline of whole pixels lies up to half a pixel outside at the two ends."""
    longest, perpendicular = lengths(turned(40, 25, degrees))
    assert -0.3 < longest - 80 < 0.9
    assert -0.3 < perpendicular - 50 < 0.9


def test_ellipses_read_half_a_pixel_long_in_the_mean():
    """The longest of many lines between the steps of a digital outline: the bias that the docstring names."""
    found = np.array([lengths(turned(40 + k / 7, 25 + k / 9, 11 * k)) for k in range(16)])
    truth = np.array([(80 + 2 * k / 7, 50 + 2 * k / 9) for k in range(16)])
    assert (found - truth).mean(axis=0) == pytest.approx((0.5, 0.35), abs=0.15)


@pytest.mark.parametrize(("row_mm", "column_mm"), [(1.0, 2.0), (0.5, 1.3), (1.6, 0.8)])
@pytest.mark.parametrize("degrees", [0, 30, 75, 120])
def test_oblong_pixels(row_mm, column_mm, degrees):
    mask = turned(36, 20, degrees, (240, 150), row_mm, column_mm)
    longest, perpendicular = diameters(mask, row_mm, column_mm)
    assert length_mm(longest, row_mm, column_mm) == pytest.approx(72, abs=max(row_mm, column_mm))
    assert length_mm(perpendicular, row_mm, column_mm) == pytest.approx(40, abs=max(row_mm, column_mm))
    along = math.degrees(
        math.atan2(
            (longest.end_xy[1] - longest.start_xy[1]) * row_mm, (longest.end_xy[0] - longest.start_xy[0]) * column_mm
        )
    )
    assert abs((along - degrees + 90) % 180 - 90) < 8  # the longest direction of a digital ellipse is a flat maximum


@pytest.mark.parametrize(("high", "wide"), [(20, 40), (33, 35), (7, 60)])
def test_rectangle_has_its_diagonal(high, wide):
    longest, perpendicular = lengths(box((70, 80), (5, 5 + high, 9, 9 + wide)))
    # The corners of the outline are cut by half a pixel.
    assert math.hypot(high, wide) - 0.8 < longest < math.hypot(high, wide)
    # Across the diagonal: from one long side to the other, or to the near short side when it is steeper.
    assert perpendicular == pytest.approx(high * math.hypot(high, wide) / wide, abs=0.8)


def test_pixel_and_lines_of_pixels():
    assert lengths(box((5, 5), (2, 3, 2, 3))) == pytest.approx((1, 1), abs=1e-3)
    assert lengths(box((5, 5), (2, 3, 2, 3)), 2.0, 3.0) == pytest.approx((3, 2), abs=1e-3)
    assert lengths(box((1, 7), (0, 1, 0, 7))) == pytest.approx((7, 1), abs=1e-3)
    assert lengths(box((9, 1), (0, 9, 0, 1))) == pytest.approx((9, 1), abs=1e-3)
    longest, perpendicular = lengths(np.eye(40))
    assert longest == pytest.approx(40 * math.sqrt(2) - 0.5 * math.sqrt(2), abs=0.2)
    assert perpendicular < 1.1


def test_c_shape_is_not_crossed():
    """Arms of 10 pixels around a bay of 30 by 30, open to the right: the line leans through the back."""
    longest, perpendicular = lengths(box((60, 60), (5, 55, 5, 15), (5, 15, 5, 45), (45, 55, 5, 45)))
    # From one end of the outer edge, past the inner corner 40 away, to the other end 50 away.
    assert longest == pytest.approx(math.hypot(50, 10 * 50 / 40), abs=0.5)
    assert perpendicular == pytest.approx(math.hypot(40, 10), abs=0.6)


def test_l_shape_is_not_crossed():
    """Unlike the hull's diameter (64 pixels), the line stays in the longer arm."""
    longest, _ = lengths(box((60, 60), (5, 55, 5, 15), (45, 55, 5, 45)))
    assert longest == pytest.approx(math.hypot(50, 12.5), abs=0.5)


def test_ring_is_not_crossed():
    """The longest line of a ring touches its hole: 2 sqrt(R^2 - r^2)."""
    longest, _ = lengths(turned(50, 50, 0) & ~turned(30, 30, 0))
    assert longest == pytest.approx(80, abs=1.2)
    assert lengths(turned(50, 50, 0))[0] == pytest.approx(100, abs=0.9)


def test_a_second_smaller_region_does_not_count():
    mask = box((60, 90), (5, 25, 5, 25))
    both = mask | box((60, 90), (5, 8, 30, 89))
    assert lengths(both) == pytest.approx(lengths(mask))
    assert diameters(both) == diameters(mask)


def test_empty_and_wrong_shape():
    assert diameters(np.zeros((5, 6))) is None
    with pytest.raises(ValueError, match="one slice"):
        diameters(np.ones((2, 3, 4)))


def test_place_in_the_picture_does_not_matter():
    small = turned(20, 9, 33, (60, 70))
    large = np.zeros((200, 210), bool)
    large[100:160, 120:190] = small
    for here, there in zip(diameters(small), diameters(large), strict=True):
        assert np.subtract(there.start_xy, here.start_xy) == pytest.approx((120, 100), abs=0.02)
        assert np.subtract(there.end_xy, here.end_xy) == pytest.approx((120, 100), abs=0.02)


def inside(mask, line, steps=60):
    """The least bilinear value of a mask along a line: 0.5 on the outline, a little less where it cuts a corner."""
    along = np.linspace(line.start_xy, line.end_xy, steps)[:, ::-1] + 1
    return ndimage.map_coordinates(np.pad(mask.astype(float), 1), along.T, order=1).min()


masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.booleans())


@given(masks, st.sampled_from([(1.0, 1.0), (1.0, 2.5), (0.7, 0.4)]))
def test_any_mask(mask, pixel):
    row_mm, column_mm = pixel
    found = diameters(mask, row_mm, column_mm)
    assert (found is None) == (not mask.any())
    if found is None:
        return
    longest, perpendicular = found
    assert (longest.name, perpendicular.name) == ("longest", "perpendicular")
    long, across = (length_mm(line, row_mm, column_mm) for line in found)
    assert long >= across > 0
    size = np.array([column_mm, row_mm])
    one, other = (np.subtract(line.end_xy, line.start_xy) * size for line in found)
    assert abs(one @ other) <= 1e-6 * long * across
    for line in found:
        # Between pixels that touch at a corner only, the value at the joint's rim is 0.375.
        assert inside(mask, line) > 0.37


@given(masks)
def test_any_mask_is_at_least_as_long_as_its_rows(mask):
    """A row of pixels in the largest region is a line inside it."""
    found = diameters(mask)
    if found is None:
        return
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    region = labels == 1 + int(np.argmax(sizes))
    for view in (region, region.T):
        runs, count = ndimage.label(np.pad(view, 1), [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
        assert length_mm(found[0], 1, 1) >= np.bincount(runs.ravel())[1:].max() - 1e-3, count


@given(arrays(float, (14, 17), elements=st.floats(0, 1)), st.integers(0, 3), st.booleans())
def test_turning_and_flipping_change_nothing(noise, quarter, flip):
    soft = ndimage.gaussian_filter(noise, 2.0)
    mask = soft >= np.median(soft)
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))  # of equally large regions the same one
    other = np.rot90(mask[:, ::-1] if flip else mask, quarter)
    pixel, turned_pixel = ((0.7, 1.1), (1.1, 0.7)) if quarter % 2 else ((0.7, 1.1), (0.7, 1.1))
    assert lengths(other, *turned_pixel) == pytest.approx(lengths(mask, *pixel), abs=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_no_line_between_outline_points_is_longer(seed):
    """Against every pair of pixel-edge points of a bent region, looked at one by one."""
    rng = np.random.default_rng(seed)
    soft = ndimage.gaussian_filter(rng.normal(size=(40, 40)), 3.5)
    labels, _ = ndimage.label(soft > 0)
    mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    places = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    far = np.hypot(*(places[:, np.newaxis] - places[np.newaxis]).transpose(2, 0, 1))
    longest = length_mm(diameters(mask)[0], 1, 1)
    for i, k in np.argwhere(np.triu(far) > longest + 0.1):
        along = np.linspace(places[i], places[k], 200)
        assert ndimage.map_coordinates(mask.astype(float), along.T, order=1, mode="constant").min() < 0.5


@pytest.mark.parametrize(
    ("given_", "measurable", "words"),
    [
        ((5, 34.2, 21.0, 5.0), True, "yes: 34.2 x 21.0 mm, on 5 slices"),
        ((2, 10.0, 10.0, 1.0), True, "yes"),
        ((5, 34.2, 7.1, 5.0), False, "no: the perpendicular (7.1 mm) is under 10 mm"),
        ((5, 34.2, 9.98, 5.0), False, "(9.980 mm) is under 10 mm"),
        ((5, 9.0, 7.1, 5.0), False, "no: the longest diameter (9.0 mm)"),
        ((5, 34.2, 11.0, 6.0), False, "under 12 mm (twice the slice thickness of 6 mm)"),
        ((5, 34.2, 12.0, 6.0), True, "yes"),
        ((1, 34.2, 21.0, 5.0), False, "on one slice only"),
        ((1, None, None, None), False, "on one slice only"),
        ((5, None, None, None), None, "not known: without a pixel spacing"),
        ((5, 34.2, 21.0, None), None, "slice thickness is not known"),
        ((5, 34.2, 7.1, None), False, "no: the perpendicular"),
    ],
)
def test_measurable_by_rano(given_, measurable, words):
    found, why = rano(*given_)
    assert found is measurable
    assert words in why
