"""Where the plugin's docks go when they open: as tabs of each other, the wide table below the picture.

napari stacks what opens at the right and gives nearly all of the height to the newest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

PLUGIN = "napari-fetalseg"
_RIGHT, _BELOW = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
# The share of the window's height that a dock below the picture gets.
_SHARE = 0.25


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget stands in."""
    parent: Any = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent


def remembered() -> frozenset[str]:
    """Return the docks whose place napari's settings hold; opening one adds it to them at once."""
    from napari.settings import get_settings

    return frozenset(get_settings().application.plugin_widget_positions)


def place(widget: QWidget, kind: type[QWidget], below: bool, known: frozenset[str]) -> None:
    """Put a widget's dock where it belongs, in front of the other docks of its kind that are there.

    Parameters
    ----------
    widget : QWidget
        What the dock holds.
    kind : type
        Of the widgets whose docks are gathered as tabs.
    below : bool
        Whether it goes below the picture. Where it was asked to stand elsewhere than at the right, which is napari's
        own choice, it stays.
    known : frozenset of str
        Docks whose place was `remembered` before this one was opened: they stay there.
    """
    dock = dock_of(widget)
    window = dock.parent() if dock is not None else None
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    if below and window.dockWidgetArea(dock) == _RIGHT and dock.objectName() not in known:
        shown = not dock.isHidden()
        window.addDockWidget(_BELOW, dock)
        dock.setVisible(shown)
    dock.setWindowTitle(dock.windowTitle().removesuffix(f" ({PLUGIN})"))  # on a tab there is room for a word
    area = window.dockWidgetArea(dock)
    beside = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and not other.isHidden()
        and not other.isFloating()
        and window.dockWidgetArea(other) == area
        and other.findChild(kind) is not None
    ]
    if beside:
        window.tabifyDockWidget(beside[-1], dock)
        dock.show()
        dock.raise_()


def shows_all(viewer: Any) -> bool:
    """Return whether the viewer stands about as napari sets it to show all that is open, flat.

    At the first image it does so before the picture has its final place: a twentieth is lost.
    """
    if not viewer.layers or viewer.dims.ndisplay != 2:
        return False
    camera = viewer.scene.camera
    before = (camera.zoom, camera.center)
    viewer.reset_view()
    same = np.allclose([camera.zoom, *camera.center], [before[0], *before[1]], rtol=0.1)
    if not same:
        camera.zoom, camera.center = before
    return bool(same)


def fit(widget: QWidget) -> None:
    """Give a dock below the picture its share of the window's height, once the window has laid it out."""
    dock = dock_of(widget)
    window = dock.parent() if dock is not None else None
    if dock is not None and isinstance(window, QMainWindow) and window.dockWidgetArea(dock) == _BELOW:
        window.resizeDocks([dock], [round(window.height() * _SHARE)], Qt.Orientation.Vertical)
