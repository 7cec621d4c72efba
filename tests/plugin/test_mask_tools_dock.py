"""The correcting tools in a real window: by key and by button, one undo step each, numbers follow, nothing is left."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from mouse import click, key
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry import mask_tools as engine
from fetalseg.result import Ellipse
from napari_fetalseg import mask_points, wording
from napari_fetalseg.mask_edit import TOOLS
from napari_fetalseg.mask_tools import MaskTools
from standins import SHAPE, TRUTH, disc, loop
from tumours import MM, phantom

SHIFT = Qt.KeyboardModifier.ShiftModifier
KEYS = {tool.name: getattr(Qt.Key, f"Key_{tool.key[-1]}") for tool in TOOLS}


class Tools:
    """The widget in a window, with what tests ask of it."""

    def __init__(self, window) -> None:
        self.window, self.viewer = window, window.viewer
        self.widget = MaskTools(window.viewer, window.session)
        self.viewer.window.add_dock_widget(self.widget, name="Tools", area="right")
        window.qtbot.wait(50)

    def settle(self) -> None:
        self.window.qtbot.waitUntil(lambda: not self.widget.busy, timeout=10_000)
        self.window.settle()

    def use(self, name: str, by: str = "button") -> None:
        if by == "button":
            self.widget.buttons[name].click()
        elif by == "dock":
            self.widget.step.setFocus()
            QTest.keyClick(self.widget, KEYS[name], SHIFT)
        else:
            key(self.viewer, KEYS[name], SHIFT)
        self.settle()

    def said(self) -> str:
        from qtpy.QtGui import QTextDocument

        document = QTextDocument()
        document.setHtml(self.widget.said.text())
        return document.toPlainText().removesuffix("Keys").strip()

    def labels(self):
        return self.window.drawn().mask.layer

    def undo(self) -> None:
        self.viewer.layers.selection.active = self.labels()
        self.labels().undo()
        self.window.settle()


@pytest.fixture
def heads(window):
    yield from _with_tools(window)


@pytest.fixture
def shown_heads(shown):
    yield from _with_tools(shown)


@pytest.fixture
def lesions(volumes):
    yield from _with_tools(volumes)


@pytest.fixture
def shown_lesions(shown_volumes):
    yield from _with_tools(shown_volumes)


def _with_tools(window):
    """Lend the tools, and look that neither layers nor threads are left."""
    made = Tools(window)
    yield made
    made.settle()
    made.widget.cancel_points()
    made.viewer.window.remove_dock_widget(made.widget)
    assert not made.widget.open
    left = [layer.name for layer in made.viewer.layers if layer.name in (mask_points.POINTS, mask_points.PREVIEW)]
    assert not left
    assert not [k for k in ("Shift-W", "Shift-D") if made.viewer.bind_key(k, None)]
    made.window.qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if "worker" in t.name.lower()])


def hurt(mask: np.ndarray) -> np.ndarray:
    """A head's mask with a hole, a speck and a bump."""
    hurt = mask.copy()
    hurt[85:95, 110:130] = 0
    hurt[5:9, 5:9] = 1
    hurt[40:60, 85:92] |= 1
    return hurt


def begin(tools, head) -> np.ndarray:
    """Segment a head and damage its mask; return the damaged mask."""
    tools.window.add(head, scale=(0.5, 0.5), units="mm")
    tools.window.run()
    labels = tools.labels()
    damaged = hurt(labels.data)
    labels.data_setitem(np.nonzero(damaged != labels.data), damaged[damaged != labels.data])
    tools.settle()
    return labels.data.copy()


EXPECTED = {
    "grow": lambda m: engine.grow(m, 1, 0.5, (0.5, 0.5)),
    "shrink": lambda m: engine.shrink(m, 1, 0.5, (0.5, 0.5)),
    "smooth": lambda m: engine.smooth(m, 1, (0.5, 0.5)),
    "fill": lambda m: engine.fill_holes(m, 1),
    "largest": lambda m: engine.keep_largest(m, 1),
}


@pytest.mark.parametrize("by", ["button", "canvas", "dock"])
def test_each_tool_by_button_and_by_key_is_one_step_and_the_row_follows(shown_heads, head, by):
    tools, window = shown_heads, shown_heads.window
    damaged = begin(tools, head)
    labels = tools.labels()
    before = window.result()
    assert before.origin == "mask"
    for name, expected in EXPECTED.items():
        tools.use(name, by)
        wanted = expected(damaged)
        np.testing.assert_array_equal(labels.data, wanted, name)
        assert (wanted != damaged).any(), name
        after = window.result()
        np.testing.assert_array_equal(after.segmentation.mask, wanted)
        assert after.id != before.id
        if name in ("grow", "shrink"):
            assert (after.measurement.values["hc_mm"] > before.measurement.values["hc_mm"]) == (name == "grow")
            assert window.cell(0, "HC") == wording.value(after, "hc")
        tools.undo()
        np.testing.assert_array_equal(labels.data, damaged, f"one undo after {name}")
        assert window.result().measurement.values == pytest.approx(before.measurement.values)
        assert window.cell(0, "HC") == wording.value(before, "hc")


def test_the_step_is_what_the_field_says_and_presses_add_up(heads, head):
    damaged = begin(heads, head)
    heads.widget.step.setValue(3)
    heads.use("grow")
    np.testing.assert_array_equal(heads.labels().data, engine.grow(damaged, 1, 1.5, (0.5, 0.5)))
    heads.undo()
    heads.widget.step.setValue(1)
    for _ in range(3):
        heads.widget.use("grow")
    heads.settle()
    expected = damaged
    for _ in range(3):
        expected = engine.grow(expected, 1, 0.5, (0.5, 0.5))
    np.testing.assert_array_equal(heads.labels().data, expected)
    for _ in range(3):
        heads.undo()
    np.testing.assert_array_equal(heads.labels().data, damaged)


def test_oblong_pixels_grow_as_far_down_as_across(heads, head):
    heads.window.add(head, scale=(0.5, 1.0), units="mm")
    heads.window.run()
    before = heads.labels().data.copy()
    heads.use("grow")
    grown = heads.labels().data
    heights, widths = ([np.flatnonzero(m.any(axis=a)).size for m in (before, grown)] for a in (1, 0))
    assert heights[1] - heights[0] == 4
    assert widths[1] - widths[0] == 2


def test_a_mask_painted_with_another_number_is_still_the_head(heads, head):
    heads.window.add(head)
    heads.window.run()
    labels = heads.labels()
    labels.data_setitem((np.arange(60, 80), np.full(20, 120)), 2)
    heads.settle()
    before = labels.data.copy()
    heads.use("grow")
    assert (labels.data == 2).sum() == 20
    np.testing.assert_array_equal(labels.data != 0, engine.grow((before != 0).astype(np.uint8), 1, 1.0) != 0)


# Ellipse and mask


def _drag(tools, by) -> None:
    """Move the ellipse as a drag does."""
    shapes = tools.window.drawn().ellipse.layer
    with shapes.events.data.blocker():
        shapes.data = [shapes.data[0] + by]
    shapes.events.data(value=shapes.data, action="changed", data_indices=(0,), vertex_indices=((),))
    tools.settle()


@pytest.mark.parametrize("by", ["button", "canvas"])
def test_the_ellipse_becomes_the_mask_and_undo_brings_the_mask_back(heads, head, by):
    heads.window.add(head)
    heads.window.run()
    model, before = heads.window.result(), heads.labels().data.copy()
    _drag(heads, [6, -9])
    heads.use("to_mask", by)
    moved = heads.window.result()
    np.testing.assert_array_equal(heads.labels().data, ellipses.mask(moved.measurement.ellipse, SHAPE))
    heads.undo()
    np.testing.assert_array_equal(heads.labels().data, before)
    assert heads.window.result() is model


@pytest.mark.parametrize("by", ["button", "canvas"])
def test_the_mask_gives_the_ellipse_again_and_undo_gives_back_the_one_that_was_moved(heads, head, by):
    damaged = begin(heads, head)
    of_mask = heads.window.result().measurement.ellipse
    heads.use("to_ellipse", by)
    assert "already" in heads.said()
    _drag(heads, [6, -9])
    moved = heads.window.result()
    assert moved.origin == "ellipse"
    heads.use("to_ellipse", by)
    again = heads.window.result()
    assert again.origin == "mask"
    assert again.measurement.ellipse == of_mask
    assert heads.window.cell(0, "Edited") == "mask edited"
    np.testing.assert_array_equal(heads.labels().data, damaged)
    box = heads.window.drawn().ellipse.layer.data[0]
    np.testing.assert_allclose(box.mean(axis=0), (of_mask.center_y, of_mask.center_x), atol=0.02)
    heads.undo()
    assert heads.window.result() is moved
    np.testing.assert_array_equal(heads.labels().data, damaged)
    heads.labels().redo()
    heads.settle()
    assert heads.window.result() is again
    heads.undo()
    heads.undo()
    assert heads.window.result().origin == "model", "the step before is the damage"


# Points


def _places(ellipse, degrees):
    return ellipses.outline(ellipse, 360)[np.asarray(degrees)][:, ::-1]


def test_points_clicked_with_the_mouse_become_ellipse_and_mask(shown_heads, head):
    tools, window = shown_heads, shown_heads.window
    damaged = begin(tools, head)
    before, layers = window.result(), list(tools.viewer.layers)
    active = tools.viewer.layers.selection.active
    tools.use("points", "canvas")
    assert tools.widget.points.active
    assert tools.viewer.layers.selection.active is tools.widget.points.layer
    assert "0 of 4" in tools.said()
    assert not tools.widget.buttons["grow"].isEnabled()
    wanted = Ellipse(118.0, 92.0, 66.0, 46.0, 20.0)
    for y, x in _places(wanted, [10, 80, 150, 200, 260, 320]):
        click(tools.viewer, window.qtbot, (y * 0.5, x * 0.5))
    assert len(tools.widget.points.layer.data) == 6
    assert "6 points: Enter" in tools.said()
    preview = tools.viewer.layers[mask_points.PREVIEW]
    assert len(preview.data) == 1
    key(tools.viewer, Qt.Key.Key_Return)
    tools.settle()
    assert list(tools.viewer.layers) == layers, "no layer is left"
    assert tools.viewer.layers.selection.active is active
    after = window.result()
    found = after.measurement.ellipse
    assert (found.center_x, found.center_y) == pytest.approx((118, 92), abs=1.0)
    assert (found.semi_major, found.semi_minor) == pytest.approx((66, 46), rel=0.03)
    np.testing.assert_array_equal(tools.labels().data != 0, ellipses.mask(found, SHAPE) != 0)
    assert window.cell(0, "HC") == wording.value(after, "hc")
    assert window.cell(0, "Edited") == "ellipse edited"
    tools.undo()
    np.testing.assert_array_equal(tools.labels().data, damaged)
    assert window.result().measurement.values == pytest.approx(before.measurement.values)


@pytest.mark.parametrize("how", ["canvas", "button", "dock", "layer", "row", "close"])
def test_points_can_be_left_in_every_way_and_nothing_is_left(shown_heads, head, how):
    tools, window = shown_heads, shown_heads.window
    damaged = begin(tools, head)
    layers, before = list(tools.viewer.layers), window.result()
    tools.use("points")
    points = tools.widget.points.layer
    points.add(np.array([[40.0, 60.0], [90, 20]]))
    if how == "canvas":
        key(tools.viewer, Qt.Key.Key_Escape)
    elif how == "button":
        tools.widget.cancel.click()
    elif how == "dock":
        tools.widget.finish.setFocus()
        QTest.keyClick(tools.widget, Qt.Key.Key_Escape)
    elif how == "layer":
        tools.viewer.layers.remove(points)
    elif how == "row":
        window.session.select(None, None, "row")
    else:
        tools.widget.release()
    tools.window.qtbot.wait(20)
    assert list(tools.viewer.layers) == layers
    assert not tools.widget.points.active
    assert window.result() is before
    np.testing.assert_array_equal(tools.labels().data, damaged)


def test_points_that_make_no_ellipse_are_kept_and_told(heads, head):
    begin(heads, head)
    heads.use("points")
    points = heads.widget.points.layer
    heads.widget.finish_points()
    assert "at least 4" in heads.said()
    points.add(_places(TRUTH, [0, 20, 40, 60, 80]))
    assert "one side" in heads.said()
    heads.widget.finish.click()
    assert heads.widget.points.active
    assert "one side" in heads.said()
    points.add(_places(TRUTH, [180, 250]))
    heads.use("points", "canvas")
    assert not heads.widget.points.active, "its own key finishes too"
    assert heads.window.result().measurement.ellipse.semi_major == pytest.approx(TRUTH.semi_major, rel=1e-3)


def test_four_points_are_calliper_ends_on_oblong_pixels(heads, head):
    heads.window.add(head, scale=(0.8, 0.5), units="mm")
    heads.window.run()
    true = Ellipse(60.0, 72.0, 35.0, 27.0, 30.0)
    heads.use("points")
    heads.widget.points.layer.add(_places(true, [0, 90, 180, 270]) / (0.8, 0.5))
    heads.widget.finish_points()
    heads.settle()
    values = heads.window.result().measurement.values
    assert values["ofd_mm"] == pytest.approx(70, rel=1e-3)
    assert values["bpd_mm"] == pytest.approx(54, rel=1e-3)


# Frames


def test_a_mask_is_carried_on_to_the_next_frame(heads):
    heads.window.add(loop(4))
    heads.window.run(every=True)
    heads.viewer.dims.set_current_step(0, 1)
    before = heads.labels().data.copy()
    heads.use("carry", "canvas")
    assert heads.viewer.dims.current_step[0] == 2
    labels = heads.labels()
    np.testing.assert_array_equal(labels.data[2], before[1])
    assert heads.window.result(2).origin == "mask"
    assert heads.window.result(1).origin == "model"
    assert heads.window.session.selection[1] == 2
    heads.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert heads.window.result(2).origin == "model"
    heads.viewer.dims.set_current_step(0, 3)
    heads.use("carry")
    assert "last frame" in heads.said()


def test_frames_between_two_corrected_ones_are_interpolated(heads):
    heads.window.add(loop(6))
    heads.window.run(every=True)
    labels = heads.labels()
    for frame, radius in ((1, 30), (5, 50)):
        heads.viewer.dims.set_current_step(0, frame)
        shape = disc(Ellipse(120, 90, radius, radius, 0), SHAPE) > 100
        at = np.nonzero((labels.data[frame] != 0) != shape)
        labels.data_setitem((np.full(at[0].size, frame), *at), shape[at].astype(np.uint8))
    heads.settle()
    heads.viewer.dims.set_current_step(0, 3)
    before = labels.data.copy()
    heads.use("interpolate", "canvas")
    for frame, radius in ((2, 35), (3, 40), (4, 45)):
        values = heads.window.result(frame).measurement.values
        assert values["ofd_px"] == pytest.approx(2 * radius, abs=1.2)
        assert heads.window.result(frame).origin == "mask"
    np.testing.assert_array_equal(labels.data[[0, 1, 5]], before[[0, 1, 5]])
    heads.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert all(heads.window.result(f).origin == "model" for f in (0, 2, 3, 4))


def test_a_frame_that_was_not_segmented_is_not_painted(heads):
    heads.window.add(loop(4))
    heads.viewer.dims.set_current_step(0, 0)
    heads.window.run()
    before = heads.labels().data.copy()
    heads.use("carry")
    assert "Frame 1 has no result yet" in heads.said()
    np.testing.assert_array_equal(heads.labels().data, before)
    assert heads.viewer.dims.current_step[0] == 0
    heads.viewer.dims.set_current_step(0, 2)
    assert not heads.widget.buttons["grow"].isEnabled()
    assert "no result on the screen" in heads.said()


# Volumes


def begin_volume(tools, **looks):
    tools.window.add(phantom(), **(looks or MM))
    tools.window.run()
    tools.viewer.dims.set_current_step(0, 12)
    tools.window.pick(1)
    tools.settle()
    return tools.labels()


@pytest.mark.parametrize("by", ["button", "canvas"])
def test_a_lesion_grows_on_its_slice_and_no_other_changes(shown_lesions, by):
    tools, window = shown_lesions, shown_lesions.window
    labels = begin_volume(tools)
    before, volume = labels.data.copy(), window.row(2)["Volume"]
    voxels = window.result().measurement.parts[0].values["volume_voxels"]
    tools.use("grow", by)
    np.testing.assert_array_equal(labels.data[12], engine.grow(before[12], 1, 1.0))
    np.testing.assert_array_equal(np.delete(labels.data, 12, 0), np.delete(before, 12, 0))
    grown = window.result().measurement.parts[0].values["volume_voxels"]
    assert grown == voxels + (labels.data != before).sum() > voxels
    assert window.row(2)["Volume"] == volume
    tools.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert window.result().origin == "model"


def test_all_slices_grow_together_up_to_the_other_lesion(lesions):
    labels = begin_volume(lesions)
    before = labels.data.copy()
    lesions.widget.everywhere.setChecked(True)
    lesions.widget.step.setValue(12)
    lesions.use("grow")
    np.testing.assert_array_equal(labels.data == 2, before == 2)
    grown = (labels.data == 1) & (before != 1)
    touched = np.flatnonzero(grown.any(axis=(1, 2)))
    assert touched[0] < np.flatnonzero((before == 1).any(axis=(1, 2)))[0], "12 mm reach over slices of 3 mm"
    lesions.undo()
    np.testing.assert_array_equal(labels.data, before)


def test_the_row_chooses_the_lesion_of_brush_and_tools(lesions):
    labels = begin_volume(lesions)
    assert labels.selected_label == 1
    lesions.window.pick(2)
    lesions.settle()
    assert labels.selected_label == 2
    assert lesions.widget.what.text() == "Lesion 2"
    before = labels.data.copy()
    lesions.use("shrink")
    assert (labels.data == 1).sum() == (before == 1).sum()
    assert (labels.data == 2).sum() < (before == 2).sum()
    labels.selected_label = 7
    assert lesions.widget.what.text() == "Lesion 7"
    lesions.use("grow")
    assert "no lesion 7" in lesions.said()
    labels.selected_label = 0
    lesions.use("grow")
    assert "Choose a lesion" in lesions.said()


def test_a_new_lesion_drawn_on_two_slices_is_filled_in_between(lesions):
    labels = begin_volume(lesions)
    before = labels.data.copy()
    labels.selected_label = 3
    for number, radius in ((4, 4), (8, 8)):
        shape = disc(Ellipse(70, 90, radius, radius, 0), labels.data.shape[1:]) > 100
        shape &= before[number] == 0
        at = np.nonzero(shape)
        labels.data_setitem((np.full(at[0].size, number), *at), 3)
    lesions.settle()
    drawn = labels.data.copy()
    lesions.viewer.dims.set_current_step(0, 8)
    lesions.use("interpolate")
    for number, radius in ((5, 5), (6, 6), (7, 7)):
        assert (labels.data[number] == 3).sum() == pytest.approx(np.pi * radius**2, rel=0.15)
    np.testing.assert_array_equal(labels.data == 1, before == 1)
    np.testing.assert_array_equal(labels.data == 2, before == 2)
    assert lesions.window.row(3)["Lesion"] == "3"
    lesions.undo()
    np.testing.assert_array_equal(labels.data, drawn)


def test_a_lesion_is_carried_to_the_next_slice(lesions):
    labels = begin_volume(lesions)
    lesions.viewer.dims.set_current_step(0, 16)
    lesions.settle()
    before = labels.data.copy()
    lesions.use("carry")
    np.testing.assert_array_equal(labels.data[17] == 1, before[16] == 1)
    assert (before[16] == 1).sum() > (before[17] == 1).sum()
    assert lesions.viewer.dims.current_step[0] == 17
    lesions.undo()
    np.testing.assert_array_equal(labels.data, before)


def test_points_around_a_lesion_draw_it_on_that_slice(lesions):
    labels = begin_volume(lesions)
    before = labels.data.copy()
    labels.selected_label = 5
    lesions.use("points")
    wanted = Ellipse(70.0, 50.0, 10.0, 6.0, 40.0)
    places = _places(wanted, [0, 60, 120, 180, 240, 300])
    lesions.widget.points.layer.add(np.column_stack([np.full(6, 12), places]))
    lesions.widget.finish_points()
    lesions.settle()
    shape = ellipses.mask(wanted, before.shape[1:]) != 0
    np.testing.assert_array_equal(labels.data[12] == 5, shape & (before[12] == 0))
    np.testing.assert_array_equal(np.delete(labels.data, 12, 0), np.delete(before, 12, 0))
    lesions.undo()
    np.testing.assert_array_equal(labels.data, before)
    lesions.use("points")
    lesions.widget.points.layer.add(np.column_stack([[12, 12, 12, 12, 12, 13], places]))
    lesions.widget.finish_points()
    assert "several slices" in lesions.said()


def test_a_lesion_has_no_ellipse_and_the_button_says_so(lesions):
    begin_volume(lesions)
    for name in ("to_mask", "to_ellipse"):
        button = lesions.widget.buttons[name]
        assert not button.isEnabled()
        assert "diameters" in button.toolTip()


def test_a_brain_s_ellipse_becomes_the_mask_of_its_slice_and_the_mask_the_ellipse(lesions):
    z, y, x = np.meshgrid(*(np.arange(n) for n in (30, 110, 100)), indexing="ij")
    inside = ((z - 14) / 12) ** 2 + ((y - 55) / 44) ** 2 + ((x - 50) / 34) ** 2 <= 1
    texture = 400 + np.random.default_rng(3).normal(0, 18, inside.shape)
    lesions.window.add(np.where(inside, texture, 0).astype(np.uint16), scale=(2.0, 1.0, 1.0), units="mm")
    lesions.window.run(task="fetal-brain")
    labels, model = lesions.labels(), lesions.window.result()
    before, on = labels.data.copy(), model.measurement.slice
    _drag(lesions, [0, 5, -3])
    moved = lesions.window.result()
    lesions.viewer.dims.set_current_step(0, 3)
    lesions.use("to_mask")
    np.testing.assert_array_equal(labels.data[on], ellipses.mask(moved.measurement.ellipse, (110, 100)))
    np.testing.assert_array_equal(np.delete(labels.data, on, 0), np.delete(before, on, 0))
    assert lesions.window.result().measurement.ellipse.center_y == pytest.approx(
        moved.measurement.ellipse.center_y, abs=0.3
    )
    lesions.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert lesions.window.result() is model
    _drag(lesions, [0, 5, -3])
    moved = lesions.window.result()
    lesions.use("to_ellipse")
    assert lesions.window.result() is model
    lesions.undo()
    assert lesions.window.result() is moved
    np.testing.assert_array_equal(labels.data, before)


# Disabled, keys, closing


def test_without_a_result_the_tools_say_what_to_do_and_do_nothing(heads, head):
    assert "no result yet" in heads.said()
    for button in heads.widget.buttons.values():
        assert not button.isEnabled()
        assert "press Segment" in button.toolTip()
    for name in KEYS:
        heads.use(name, "canvas")
    heads.window.add(head)
    heads.use("grow", "canvas")
    assert "no result yet" in heads.said()
    heads.window.run()
    assert all(b.isEnabled() for n, b in heads.widget.buttons.items() if n not in ("interpolate", "carry"))
    assert "single frame" in heads.widget.buttons["carry"].toolTip()
    assert heads.said() == ""
    heads.window.session.delete(heads.window.session.series[0], [0])
    heads.settle()
    assert not heads.widget.buttons["grow"].isEnabled()


def test_the_3d_view_and_a_foreign_array_are_told(lesions):
    labels = begin_volume(lesions)
    lesions.viewer.dims.ndisplay = 3
    assert "2-D view" in lesions.said()
    lesions.viewer.dims.ndisplay = 2
    lesions.settle()
    assert lesions.widget.buttons["grow"].isEnabled()
    assert labels is lesions.labels()


def test_an_unforeseen_error_is_shown_and_the_tools_go_on(heads, head, monkeypatch):
    damaged = begin(heads, head)
    monkeypatch.setattr(engine, "smooth", lambda *_: 1 / 0)
    heads.use("smooth")
    assert "ZeroDivisionError" in heads.widget.error.sentence()
    np.testing.assert_array_equal(heads.labels().data, damaged)
    heads.use("grow")
    assert heads.widget.error.sentence() == ""
    assert (heads.labels().data != damaged).any()


def test_no_key_is_napari_s_and_each_is_listed_once():
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    taken = {str(coerce_keybinding(k)) for ks in default_shortcuts.values() for k in ks}
    mine = [str(coerce_keybinding(tool.key)) for tool in TOOLS]
    assert not taken & set(mine)
    assert len(set(mine)) == len(mine)
    assert all(tool.tip for tool in TOOLS)


def test_two_docks_share_their_keys_in_whatever_order_they_close(heads, head):
    begin(heads, head)
    other = MaskTools(heads.viewer)
    heads.viewer.window.add_dock_widget(other, name="Other")
    key(heads.viewer, KEYS["grow"], SHIFT)
    heads.window.qtbot.waitUntil(lambda: "Grow" in other.said.text())
    assert heads.said() == ""
    heads.settle()
    heads.viewer.window.remove_dock_widget(other)
    heads.window.segment.release()
    key(heads.viewer, KEYS["grow"], SHIFT)
    heads.settle()
    assert "Grow" in heads.said()
    key(heads.viewer, KEYS["to_mask"], SHIFT)
    heads.settle()
    assert heads.window.result().origin == "ellipse", "the key that another dock has as well still works"


def test_it_opens_from_the_menu_as_a_dock_of_its_own(window, head):
    window.add(head)
    window.run()
    _, widget = window.viewer.window.add_plugin_dock_widget("napari-fetalseg", "Correct")
    window.qtbot.wait(50)
    assert isinstance(widget, MaskTools)
    assert widget.session is window.session
    before = window.drawn().mask.layer.data.copy()
    widget.buttons["shrink"].click()
    window.qtbot.waitUntil(lambda: not widget.busy, timeout=10_000)
    window.settle()
    assert window.drawn().mask.layer.data.sum() < before.sum()
    window.viewer.window.remove_dock_widget(widget)
    assert not widget.open


def test_the_keys_are_shown(heads):
    heads.widget.show_keys()
    (dialog,) = [w for w in QApplication.topLevelWidgets() if w.windowTitle() == "Keys" and w.isVisible()]
    for tool in TOOLS:
        assert tool.key in dialog.text.toPlainText()
    dialog.close()
