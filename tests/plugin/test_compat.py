"""Each use of napari's private API, held by what it is used for."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.components.grid import GridCanvas
from napari.layers import Image, Labels, Shapes

from napari_fetalseg import _compat


def test_the_proxy_of_a_viewer_is_taken_off(make_napari_viewer):
    from napari.utils._proxies import PublicOnlyProxy

    viewer = make_napari_viewer()
    assert _compat.real_viewer(PublicOnlyProxy(viewer)) is viewer
    assert _compat.real_viewer(viewer) is viewer


def test_a_window_that_a_program_closes_is_told_from_one_that_a_person_closes(make_napari_viewer):
    from qtpy.QtCore import QEvent, QObject

    class Ear(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Close and watched is window:
                heard.append(_compat.being_torn_down(window))
                event.ignore()
                return len(heard) == 1  # the first time the window stays
            return False

    heard: list[bool] = []
    viewer = make_napari_viewer(show=True)
    window, ear = viewer.window._qt_window, Ear()
    window.installEventFilter(ear)
    assert not window.close()
    viewer.close()
    assert heard == [False, True]


def test_the_picture_gets_the_keys(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.setFocus()
    _compat.focus_canvas(viewer)
    assert viewer.window._qt_window.focusWidget() is viewer.window._qt_viewer.canvas.native


def test_undo_and_redo_are_noticed_with_the_frames_they_touch():
    labels = Labels(np.zeros((4, 20, 20), np.uint8))
    assert _compat.history_depth(labels) == (0, 0)
    labels.data_setitem((np.array([1, 3]), np.array([5, 5]), np.array([5, 5])), 1)
    assert _compat.history_depth(labels) == (1, 0)
    labels.undo()
    assert _compat.history_depth(labels) == (0, 1)
    assert _compat.touched(_compat.undone_step(labels), (4,)) == {1, 3}
    labels.redo()
    assert _compat.touched(_compat.done_step(labels), (4,)) == {1, 3}
    _compat.forget_history(labels)
    assert _compat.history_depth(labels) == (0, 0)


@pytest.mark.parametrize("shape", [(20, 20), (3, 20, 20), (2, 3, 20, 20)])
@pytest.mark.parametrize("tool", ["paint", "fill", "polygon", "setitem"])
def test_what_a_tool_touched_is_told_by_its_event(shape, tool):
    labels = Labels(np.zeros(shape, np.uint8))
    heard = []
    labels.events.paint.connect(lambda event: heard.extend(event.value))
    lead = shape[:-2]
    if tool == "paint":
        labels.paint((*(0,) * len(lead), 10, 10), 1)
    elif tool == "fill":
        labels.fill((*(0,) * len(lead), 10, 10), 1)
    elif tool == "polygon":
        corners = np.array([[2, 2], [2, 9], [9, 9], [9, 2]])
        labels.paint_polygon(np.column_stack([np.zeros((4, len(lead))), corners]) if lead else corners, 1)
    else:
        labels.data_setitem((*(np.array([0]) for _ in lead), np.array([4]), np.array([4])), 1)
    assert _compat.touched(heard, lead) == {0}


def test_one_shape_is_replaced_and_stays_selected():
    box = np.array([[10, 10], [10, 50], [40, 50], [40, 10]], float)
    shapes = Shapes([box, box + 5], shape_type="ellipse")
    shapes.selected_data = {1}
    _compat.replace_shape(shapes, 1, box + 20)
    np.testing.assert_allclose(shapes.data[0], box)
    np.testing.assert_allclose(shapes.data[1], box + 20)
    assert set(shapes.selected_data) == {1}
    np.testing.assert_allclose(shapes._selected_box[:8].min(axis=0), (30, 30))


def test_the_grid_can_be_split_by_layer_and_back():
    layers = [Image(np.zeros((4, 4))) for _ in range(4)]
    grid = GridCanvas(shape=(1, 2), enabled=True)
    _compat.split_grid(grid, layers[2])
    assert [grid.position(i, layers) for i in range(4)] == [(0, 1), (0, 1), (0, 0), (0, 1)]
    layers[0].visible = False
    assert grid.position(0, layers) == (-1, -1)
    _compat.unsplit_grid(grid)
    assert [grid.position(i, layers) for i in range(1, 3)] == [(0, 0), (0, 1)]


def test_a_layer_is_removed_while_the_canvas_is_current(make_napari_viewer, monkeypatch):
    """What a part of the canvas still had to upload is flushed when a layer goes: elsewhere it would be lost."""
    from napari_fetalseg.layers.drawing import drawing_of

    viewer = make_napari_viewer()
    held = drawing_of(viewer)
    viewer.add_image(np.zeros((9, 9)))
    told = []
    monkeypatch.setattr(viewer.window._qt_viewer.canvas.native, "makeCurrent", lambda: told.append(len(viewer.layers)))
    viewer.layers.clear()
    assert told == [1], "before the layer goes"
    _compat.make_canvas_current(ViewerModel())  # without a window
    assert held.session is not None
