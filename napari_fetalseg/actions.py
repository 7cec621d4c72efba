"""What menus call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_fetalseg.placing import PLUGIN

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["PLUGIN", "open_docks", "open_growth", "open_measurements", "open_review"]


def open_docks(viewer: napari.viewer.Viewer) -> tuple[Any, Any]:
    """Open the Segment dock on the right and the Measurements dock below; return the two widgets."""
    return _open(viewer, "Segment"), open_measurements(viewer)


def open_measurements(viewer: napari.viewer.Viewer) -> Any:
    """Open the Measurements dock below the picture; where it is open, show it."""
    return _open(viewer, "Measurements")


def open_growth(viewer: napari.viewer.Viewer) -> Any:
    """Open the Growth dock; where it is open, show it, ready to type."""
    widget = _open(viewer, "Growth")
    widget.begin()
    return widget


def open_review(viewer: napari.viewer.Viewer) -> Any:
    """Open the Review dock; where it is open, show it."""
    return _open(viewer, "Review")


def _open(viewer: napari.viewer.Viewer, name: str) -> Any:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    widget.place()
    dock.show()
    dock.raise_()
    return widget
