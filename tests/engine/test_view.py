"""Views: what the network sees, and the way back to the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry import outline as outlines
from fetalseg.geometry.view import View
from fetalseg.result import Ellipse

SIZE = (192, 288)


def coverage(truth: Ellipse, shape) -> np.ndarray:
    """Share of each pixel inside the ellipse."""
    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(float)
    return np.clip(0.5 - (ellipses.radius(truth, grid) - 1) * truth.semi_minor, 0, 1)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(540, 800), (542, 800), (661, 959), (768, 1024), (800, 540), (300, 300), (1000, 1300)]),
    st.floats(0.12, 0.42),
    st.floats(0.65, 0.95),
    st.floats(0, 180),
    st.floats(-3, 3),
    st.sampled_from([(1.0, 1.0), (0.1, 0.2), (0.3, 0.2)]),
)
def test_an_ideal_mask_shrunk_and_back_gives_its_circumference(shape, size, ratio, angle, shift, pixel):
    a = size * min(shape) * 0.95
    truth = Ellipse(shape[1] / 2 + shift, shape[0] / 2 - shift, a, a * ratio, angle)
    view = View.whole(shape, SIZE, pixel)
    seen = view.look(coverage(truth, shape))
    labels, _ = outlines.regions(seen, 0.5)
    points = view.to_picture(outlines.trace(outlines.keep_region(seen, 0.5, labels, 1), 0.5))
    row, column = pixel
    found = ellipses.fit(points * (column, row))
    true = ellipses.scaled(truth, column, row)
    hc, expected = (ellipses.circumference(e.semi_major, e.semi_minor) for e in (found, true))
    assert hc == pytest.approx(expected, rel=2e-3)
    assert (found.center_x / column, found.center_y / row) == pytest.approx(
        (truth.center_x, truth.center_y), abs=max(0.1, 0.03 * max(view.step_x, view.step_y))
    )


def test_views_have_square_pixels_in_mm():
    view = View.whole((540, 800), SIZE, (0.1, 0.2))
    assert view.step_x * 0.2 == pytest.approx(view.step_y * 0.1)


def test_a_view_around_a_head_holds_it_with_a_margin():
    head = Ellipse(300, 200, 80, 60, 30)
    view = View.around(head, SIZE)
    x, y = ellipses.outline(head).T
    u, v = (x - view.left) / view.step_x, (y - view.top) / view.step_y
    assert u.min() > 0.1 * SIZE[1]
    assert u.max() < 0.9 * SIZE[1]
    assert v.min() > 0.09 * SIZE[0]
    assert max(np.ptp(u) / SIZE[1] / 0.72, np.ptp(v) / SIZE[0] / 0.80) == pytest.approx(1, abs=0.01)


def test_a_constant_picture_stays_constant_inside_and_black_outside():
    view = View.whole((300, 300), SIZE)  # wider than the picture: black at its sides
    seen = view.look(np.full((300, 300), 50, np.uint8))
    assert np.allclose(seen[5:-5, SIZE[1] // 2 - 80 : SIZE[1] // 2 + 80], 50, rtol=1e-5)
    assert not seen[:, :40].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (2, 2), (3000, 20)])
def test_any_shape_can_be_looked_at_and_spread_back(shape):
    view = View.whole(shape, SIZE)
    seen = view.look(np.ones(shape, np.uint16))
    assert seen.shape == SIZE
    assert np.isfinite(seen).all()
    assert view.spread(seen, shape).shape == shape


def test_spread_is_where_look_came_from():
    shape = (540, 800)
    truth = Ellipse(333.25, 222.5, 120, 90, 40)
    view = View.around(truth, SIZE)
    back = view.spread(view.look(coverage(truth, shape)), shape) > 0.5
    drawn = ellipses.mask(truth, shape).astype(bool)
    assert (back ^ drawn).sum() < 0.006 * drawn.sum()


def test_one_region_is_kept_with_its_holes_filled():
    field = np.zeros((60, 80), np.float32)
    field[10:40, 10:50] = 0.9
    field[20:25, 20:25] = 0.1  # a hole
    field[50:55, 60:70] = 0.9  # a second region
    labels, sizes = outlines.regions(field, 0.5)
    assert sorted(sizes) == [50, 30 * 40 - 25]
    kept = outlines.keep_region(field, 0.5, labels, int(sizes.argmax()) + 1)
    assert (kept > 0.5).sum() == 30 * 40
    points = outlines.trace(kept, 0.5)
    assert points[:, 0].min() == pytest.approx(9.5, abs=0.1)
    assert points[:, 0].max() == pytest.approx(49.5, abs=0.1)
