"""A volume's mask as a surface in napari's own 3-D view, and the flat view again as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# From the front and a little from above, the head upright: slices run from foot to head, rows from front to back.
_FROM, _UP = (-0.35, 1.0, 0.0), (1.0, 0.0, 0.0)


@dataclass(eq=False)
class Surface:
    """A switch; what it changes in the viewer it puts back.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    viewer: Any
    _before: list[tuple[Any, str, Any]] = field(default_factory=list)
    _on: bool = False

    def start(self, mask: Any, image: Any) -> None:
        """Show the mask's surface inside the image, which becomes a shade."""
        if self._on:
            return
        viewer = self.viewer
        self._on = True
        self._set(viewer.scene.camera, "angles", viewer.scene.camera.angles)
        self._set(viewer.dims, "current_step", viewer.dims.current_step)
        self._set(viewer.scene.camera, "center", viewer.scene.camera.center)
        self._set(viewer.scene.camera, "zoom", viewer.scene.camera.zoom)
        self._set(mask, "opacity", 1.0)
        self._set(mask, "blending", "translucent_no_depth")
        self._set(mask, "iso_gradient_mode", "smooth")
        self._set(mask, "visible", True)
        if image is not None and image in viewer.layers:
            self._set(image, "rendering", "attenuated_mip")
            self._set(image, "opacity", 0.5)
        for layer in viewer.layers:
            if layer is not mask and layer is not image:
                self._set(layer, "visible", False)
        # napari's own orientation shows volumes mirrored: the patient's left would be on the wrong side.
        self._set(viewer.scene.camera, "orientation", ("away", "down", "right"))
        viewer.dims.ndisplay = 3
        viewer.reset_view()
        viewer.scene.camera.set_view_direction(_FROM, _UP)

    def stop(self) -> None:
        """Back to the flat view."""
        if not self._on:
            return
        self._on = False
        self.viewer.dims.ndisplay = 2
        for thing, name, value in reversed(self._before):
            setattr(thing, name, value)
        self._before.clear()

    def _set(self, thing: Any, name: str, value: Any) -> None:
        if hasattr(thing, name):
            self._before.append((thing, name, getattr(thing, name)))
            setattr(thing, name, value)
