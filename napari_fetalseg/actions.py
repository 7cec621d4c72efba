"""What menus call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari.viewer

PLUGIN = "napari-fetalseg"


def open_docks(viewer: napari.viewer.Viewer) -> tuple[Any, Any]:
    """Open the Segment dock on the right and the Measurements dock below; return the two widgets."""
    _, segment = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    return segment, open_measurements(viewer)


def open_measurements(viewer: napari.viewer.Viewer) -> Any:
    """Open the Measurements dock below the picture; where it is open, show it."""
    from qtpy.QtCore import Qt

    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Measurements")
    window = dock.parent()
    if hasattr(window, "addDockWidget"):
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        dock.show()
    return widget
