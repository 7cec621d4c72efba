"""Painting and dragging, with a real mouse: numbers follow, undo is sacred."""

from __future__ import annotations

import numpy as np
import pytest
from mouse import drag, key
from qtpy.QtCore import Qt

from fetalseg.geometry import ellipse as ellipses
from standins import TRUTH, loop


def _start(window, pixels, **looks):
    window.add(pixels, **looks)
    window.qtbot.wait(200)
    window.run()
    return window.session.series[0], window.drawn()


def test_a_stroke_changes_ellipse_and_row_and_undo_brings_them_back(shown, head):
    series, drawn = _start(shown, head, scale=(0.5, 0.5), units="mm")
    before, mask = shown.result(), drawn.mask.layer.data.copy()
    box = drawn.ellipse.layer.data[0].copy()
    labels = drawn.mask.layer
    shown.viewer.layers.selection.active = labels
    labels.mode, labels.selected_label, labels.brush_size = "paint", 1, 30
    drag(shown.viewer, shown.qtbot, (45, 95), (45, 105))
    shown.settle()
    painted = shown.result()
    assert painted.origin == "mask"
    assert painted.original is before
    assert painted.measurement.values["hc_mm"] != before.measurement.values["hc_mm"]
    assert np.abs(drawn.ellipse.layer.data[0] - box).max() > 0.5, "the ellipse follows"
    assert shown.cell(0, "Edited") == "mask edited"
    assert "mask edited" in shown.segment.result.text()
    key(shown.viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    shown.settle()
    np.testing.assert_array_equal(labels.data, mask)
    assert shown.result() is before
    np.testing.assert_allclose(drawn.ellipse.layer.data[0], box, atol=0.02)
    assert shown.cell(0, "Edited") == "—"
    key(shown.viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    shown.settle()
    np.testing.assert_array_equal(labels.data, painted.segmentation.mask)
    assert shown.result().measurement.values == pytest.approx(painted.measurement.values)


def test_erasing_all_is_a_row_without_numbers(window, head):
    _, drawn = _start(window, head)
    labels = drawn.mask.layer
    labels.data_setitem(np.nonzero(labels.data), 0)
    window.settle()
    assert window.cell(0, "HC") == "—"
    assert len(drawn.ellipse.layer.data) == 0
    assert len(drawn.callipers.layer.data) == 0
    labels.undo()
    window.settle()
    assert len(drawn.ellipse.layer.data) == 1
    assert len(drawn.callipers.layer.data) == 2


def test_dragging_the_ellipse_changes_the_row_and_not_the_mask(shown, head):
    series, drawn = _start(shown, head)
    mask = drawn.mask.layer.data.copy()
    before = shown.result()
    shapes = drawn.ellipse.layer
    shown.viewer.layers.selection.active = shapes
    shapes.mode = "select"
    drag(shown.viewer, shown.qtbot, (90, 120), (100, 135))
    shown.settle()
    moved = shown.result()
    assert moved.origin == "ellipse"
    assert moved.measurement.ellipse.center_x == pytest.approx(before.measurement.ellipse.center_x + 15, abs=1.5)
    assert moved.measurement.ellipse.center_y == pytest.approx(before.measurement.ellipse.center_y + 10, abs=1.5)
    assert moved.measurement.values["hc_px"] == pytest.approx(before.measurement.values["hc_px"], rel=1e-4)
    np.testing.assert_array_equal(drawn.mask.layer.data, mask)
    middle = np.mean([line.mean(axis=0) for line in drawn.callipers.layer.data], axis=0)
    np.testing.assert_allclose(middle, shapes.data[0].mean(axis=0), atol=0.05)
    assert shown.cell(0, "Edited") == "ellipse edited"
    shown.segment.result.go_back()
    shown.settle()
    assert shown.result() is before
    np.testing.assert_allclose(
        shapes.data[0].mean(axis=0),
        (before.measurement.ellipse.center_y, before.measurement.ellipse.center_x),
        atol=0.02,
    )


def test_resizing_the_ellipse_by_its_handle(shown, head):
    series, drawn = _start(shown, head)
    before = shown.result().measurement
    shapes = drawn.ellipse.layer
    shown.viewer.layers.selection.active = shapes
    shapes.mode, shapes.selected_data = "select", {0}
    shown.qtbot.wait(50)
    handle = np.array([shapes._selected_box[i] for i in range(8)])
    right = handle[np.argmax(handle[:, 1] - np.abs(handle[:, 0] - 90))]
    drag(shown.viewer, shown.qtbot, right, (right[0], right[1] - 20))
    shown.settle()
    after = shown.result().measurement
    assert after.values["hc_px"] < before.values["hc_px"] - 5
    assert shown.result().origin == "ellipse"


def test_a_click_that_moves_nothing_is_no_edit(shown, head):
    _, drawn = _start(shown, head)
    shapes = drawn.ellipse.layer
    shown.viewer.layers.selection.active = shapes
    shapes.mode = "direct"
    drag(shown.viewer, shown.qtbot, (90, 120), (90, 120))
    shown.settle()
    assert not shown.result().edited


def test_the_ellipse_becomes_the_mask_as_one_undo_step(window, head):
    series, drawn = _start(window, head)
    labels, shapes = drawn.mask.layer, drawn.ellipse.layer
    before, model = labels.data.copy(), window.result()
    with shapes.events.data.blocker():
        shapes.data = [shapes.data[0] + [6, -9]]
    shapes.events.data(value=shapes.data, action="changed", data_indices=(0,), vertex_indices=((),))
    window.settle()
    wanted = window.result().measurement.ellipse
    window.segment.result.convert()
    window.settle()
    np.testing.assert_array_equal(labels.data, ellipses.mask(wanted, labels.data.shape))
    np.testing.assert_array_equal(labels.data, window.result().segmentation.mask)
    assert window.result().measurement.ellipse == wanted
    labels.undo()
    window.settle()
    np.testing.assert_array_equal(labels.data, before)
    assert window.result() is model, "undone to the model's own mask, it is the model's result"
    labels.redo()
    window.settle()
    np.testing.assert_array_equal(labels.data, ellipses.mask(wanted, labels.data.shape))


def test_back_to_the_model_can_be_undone(window, head):
    series, drawn = _start(window, head)
    labels, model = drawn.mask.layer, window.result()
    labels.data_setitem((np.arange(20, 60), np.full(40, 120)), 1)
    window.settle()
    edited = labels.data.copy()
    window.measurements.revert([0])
    window.settle()
    assert window.result() is model
    np.testing.assert_array_equal(labels.data, model.segmentation.mask)
    labels.undo()
    window.settle()
    np.testing.assert_array_equal(labels.data, edited)
    assert window.result().origin == "mask"


def test_edits_of_a_loop_reach_their_own_frame(window):
    window.add(loop(5))
    window.run(every=True)
    drawn, before = window.drawn(), dict(window.session.series[0].results)
    labels = drawn.mask.layer
    window.viewer.dims.set_current_step(0, 3)
    labels.data_setitem((np.full(50, 3), np.arange(20, 70), np.full(50, 100)), 1)
    window.settle()
    window.viewer.dims.set_current_step(0, 0)
    window.settle()
    after = window.session.series[0].results
    assert [f for f in range(5) if after[f] is not before[f]] == [3]
    labels.undo()
    window.settle()
    assert all(after[f] is before[f] for f in range(5))
    boxes = dict(zip(drawn.ellipse.frames(), drawn.ellipse.layer.data, strict=True))
    np.testing.assert_allclose(boxes[3].mean(axis=0), (3, 90, 119), atol=0.5)


def test_an_array_set_by_others_is_measured_and_leaves_no_stale_undo(window, head):
    _, drawn = _start(window, head)
    labels = drawn.mask.layer
    labels.data_setitem((np.array([5]), np.array([5])), 1)
    window.settle()
    smaller = ellipses.mask(type(TRUTH)(100, 80, 40, 30, 0), labels.data.shape)
    labels.data = smaller.copy()
    window.settle()
    labels.undo()
    window.settle()
    np.testing.assert_array_equal(labels.data, smaller)
    assert window.result().measurement.values["ofd_px"] == pytest.approx(80, abs=1)


def test_results_that_arrive_on_a_painted_frame_leave_undo_right(window, predictor):
    window.add(loop(3))
    window.run()
    drawn = window.drawn()
    labels = drawn.mask.layer
    labels.data_setitem((np.full(9, 2), np.arange(9), np.arange(9)), 1)
    window.settle()
    assert "no result yet" in window.segment.reason.text()
    window.viewer.dims.set_current_step(0, 2)
    window.run()
    np.testing.assert_array_equal(labels.data[2], window.result(2).segmentation.mask)
    labels.undo()
    window.settle()
    stroke = np.zeros_like(labels.data[2])
    stroke[np.arange(9), np.arange(9)] = 1
    np.testing.assert_array_equal(labels.data[2], stroke)


def test_an_ellipse_drawn_by_hand_measures_a_frame_without_a_head(window):
    window.add(np.zeros((180, 240), np.uint8))
    window.run()
    assert window.cell(0, "HC") == "—"
    shapes = window.drawn().ellipse.layer
    shapes.add(np.array([[60, 80], [60, 160], [120, 160], [120, 80]]), shape_type="ellipse")
    window.settle()
    assert window.result().measurement.values["ofd_px"] == pytest.approx(80)
    assert window.result().measurement.values["bpd_px"] == pytest.approx(60)
    assert window.result().origin == "ellipse"
    shapes.add(np.array([[60, 80], [60, 180], [120, 180], [120, 80]]), shape_type="ellipse")
    window.settle()
    assert len(shapes.data) == 1, "the one drawn last is the frame's"
    assert window.result().measurement.values["ofd_px"] == pytest.approx(100)


def test_a_deleted_ellipse_comes_back_with_its_row(window, head):
    _, drawn = _start(window, head)
    shapes = drawn.ellipse.layer
    shapes.selected_data = {0}
    shapes.remove_selected()
    assert "row" in window.segment.reason.text()
    assert window.result().measurement.found
    window.measurements.table.clearSelection()
    window.session.select(window.session.series[0], 0, "row")
    assert len(shapes.data) == 1


def test_anisotropic_pixels_keep_a_turned_ellipse_an_ellipse(shown, head):
    series, drawn = _start(shown, head, scale=(0.8, 0.5), units="mm")
    result = shown.result()
    true = ellipses.scaled(TRUTH, 0.5, 0.8)
    assert result.measurement.values["hc_mm"] == pytest.approx(
        ellipses.circumference(true.semi_major, true.semi_minor), rel=0.01
    )
    shapes = drawn.ellipse.layer
    np.testing.assert_allclose(shapes.scale, (0.5, 0.5))
    world = np.array([shapes.data_to_world(corner) for corner in shapes.data[0]])
    sides = world[1] - world[0], world[3] - world[0]
    assert abs(sides[0] @ sides[1]) < 1e-3 * np.hypot(*sides[0]) * np.hypot(*sides[1]), "square in the world"
    np.testing.assert_allclose(world.mean(axis=0), (TRUTH.center_y * 0.8, TRUTH.center_x * 0.5), atol=0.3)
    before = result.measurement
    shown.viewer.layers.selection.active = shapes
    shapes.mode, shapes.selected_data = "select", {0}
    shapes._rotate_box(30, center=shapes.data[0].mean(axis=0))
    shapes._data_view.rotate(0, 30, center=shapes.data[0].mean(axis=0))
    shapes.events.data(value=shapes.data, action="changed", data_indices=(0,), vertex_indices=((),))
    shown.settle()
    after = shown.result().measurement
    assert after.values["bpd_mm"] == pytest.approx(before.values["bpd_mm"], rel=1e-4), "turning changes no length"
    assert after.values["ofd_mm"] == pytest.approx(before.values["ofd_mm"], rel=1e-4)
    assert after.values["hc_px"] != pytest.approx(before.values["hc_px"], rel=1e-3)
