"""Where the docks open: tabs at the right that each get the whole height, the table below the picture."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QScrollArea, QTabBar

from napari_fetalseg.actions import PLUGIN, open_docks, open_measurements
from napari_fetalseg.placing import dock_of

BELOW, RIGHT, LEFT = (
    Qt.DockWidgetArea.BottomDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.LeftDockWidgetArea,
)


@pytest.fixture(params=[(1280, 720), (1920, 1080)])
def viewer(make_napari_viewer, qtbot, request, predictor):
    made = make_napari_viewer(show=True)
    window = made.window._qt_window
    window.resize(*request.param)
    qtbot.waitUntil(lambda: (window.width(), window.height()) == request.param, timeout=5000)
    qtbot.wait(200)
    return made


def _open(viewer, qtbot, name: str):
    """As the menu does."""
    dock, _ = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    qtbot.wait(300)
    return dock


def test_docks_at_the_right_share_their_height_as_tabs(viewer, qtbot):
    window = viewer.window._qt_window
    segment, followup = (_open(viewer, qtbot, name) for name in ("Segment", "Follow-up"))
    assert segment in window.tabifiedDockWidgets(followup)
    assert followup.visibleRegion().isEmpty() is False, "what was opened is in front"
    assert segment.visibleRegion().isEmpty()
    tabs = [bar.tabText(i) for bar in window.findChildren(QTabBar) for i in range(bar.count())]
    assert {"Segment", "Follow-up"} <= set(tabs), "a tab is not wide enough for the plugin's name"
    segment.raise_()
    qtbot.wait(100)
    assert segment.height() > 0.6 * window.height()


def test_all_docks_fit_the_screen_and_the_picture_keeps_its_place(viewer, qtbot):
    window = viewer.window._qt_window
    wanted = window.size()
    open_docks(viewer)
    _open(viewer, qtbot, "Follow-up")
    assert window.size() == wanted, "no dock makes the window grow"
    canvas = viewer.window._qt_viewer.canvas.native
    assert canvas.height() > 0.5 * window.height()


def test_the_table_opens_below_also_from_the_menu(viewer, qtbot):
    window = viewer.window._qt_window
    _open(viewer, qtbot, "Segment")
    table = _open(viewer, qtbot, "Measurements")
    assert window.dockWidgetArea(table) == BELOW
    assert not window.tabifiedDockWidgets(table)
    qtbot.waitUntil(lambda: 0.2 * window.height() <= table.height() <= 0.3 * window.height(), timeout=5000)


def test_what_a_person_moved_stays_there(viewer, qtbot):
    window = viewer.window._qt_window
    dock = dock_of(open_measurements(viewer))
    assert isinstance(dock, QDockWidget)
    window.addDockWidget(LEFT, dock)
    open_measurements(viewer)
    _open(viewer, qtbot, "Segment")
    assert window.dockWidgetArea(dock) == LEFT


def test_a_place_in_naparis_settings_counts(viewer, qtbot):
    from napari.settings import get_settings

    get_settings().application.plugin_widget_positions = {f"Measurements ({PLUGIN})": "right"}
    dock = _open(viewer, qtbot, "Measurements")
    assert viewer.window._qt_window.dockWidgetArea(dock) == RIGHT


def test_docks_of_other_plugins_are_left_alone(viewer, qtbot):
    other = viewer.window.add_dock_widget(QLabel("other"), name="other", area="right")
    segment = _open(viewer, qtbot, "Segment")
    assert not viewer.window._qt_window.tabifiedDockWidgets(other)
    assert viewer.window._qt_window.dockWidgetArea(segment) == RIGHT


@pytest.mark.parametrize("name", ["Segment", "Follow-up"])
def test_no_dock_is_cut_off_at_its_side(viewer, qtbot, name):
    dock = _open(viewer, qtbot, name)
    scroll = dock.findChild(QScrollArea)
    wide = QLabel("word " * 20)
    scroll.widget().layout().addWidget(wide)
    qtbot.wait(200)
    assert scroll.widget().width() <= scroll.viewport().width()
    assert wide.width() >= wide.sizeHint().width()


def test_a_picture_that_was_shown_whole_stays_whole_and_a_chosen_view_stays(viewer, qtbot):
    viewer.add_image(np.zeros((540, 800), np.uint8))
    viewer.reset_view()
    qtbot.wait(100)
    before = viewer.scene.camera.zoom
    open_docks(viewer)
    canvas = viewer.window._qt_viewer.canvas.native
    whole = lambda: viewer.scene.camera.zoom <= min(canvas.height() / 540, canvas.width() / 800)  # noqa: E731
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom < before and whole(), timeout=5000)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 9.0, (0.0, 100.0, 90.0)
    _open(viewer, qtbot, "Follow-up")
    assert viewer.scene.camera.zoom == 9.0
    assert viewer.scene.camera.center == (0.0, 100.0, 90.0)
