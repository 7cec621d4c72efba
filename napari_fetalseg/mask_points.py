"""Clicking points on an outline: a layer for the points, and the ellipse through them, both gone at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import FetalSegError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry import ellipse_points
from fetalseg.result import Ellipse
from napari_fetalseg import _compat
from napari_fetalseg.layers.image import Geometry, current_frame
from napari_fetalseg.layers.shapes import ELLIPSE_COLOR

POINTS, PREVIEW = "points on the outline", "ellipse through the points"
_COLOR = "#E69F00"


class OutlinePoints:
    """A mode in which a person clicks 4 to 8 points on one frame or slice; Enter and Escape end it.

    Parameters
    ----------
    viewer : napari.Viewer
    on_change : callable
        Called with a sentence on how it stands.
    on_finish, on_cancel : callable
        What Enter and Escape call over the picture.
    on_gone : callable
        Called when a person closed the layer.
    """

    def __init__(
        self,
        viewer: Any,
        on_change: Callable[[str], Any],
        on_finish: Callable[[], Any],
        on_cancel: Callable[[], Any],
        on_gone: Callable[[], Any],
    ) -> None:
        self._viewer = viewer
        self._on_change, self._on_finish, self._on_cancel, self._on_gone = on_change, on_finish, on_cancel, on_gone
        self._points: Any = None
        self._preview: Any = None
        self._before: Any = None

    @property
    def active(self) -> bool:
        """Whether points are being clicked."""
        return self._points is not None

    @property
    def layer(self) -> Any:
        """The layer of the points, while they are being clicked."""
        return self._points

    def start(self, geometry: Geometry, pixel: tuple[float, float]) -> None:
        """Add the layer; `pixel` is the row and column spacing."""
        self._geometry, self._pixel = geometry, pixel
        self._before = self._viewer.layers.selection.active
        size = max(geometry.plane) / 70
        self._preview = self._viewer.add_shapes(
            ndim=len(geometry.shape), name=PREVIEW, edge_color=ELLIPSE_COLOR, opacity=0.8, **geometry.transform
        )
        self._points = self._viewer.add_points(
            ndim=len(geometry.shape),
            name=POINTS,
            size=size,
            face_color="transparent",
            border_color=_COLOR,
            border_width=0.2,
            **geometry.transform,
        )
        self._points.mode = "add"
        self._points.events.data.connect(self._changed)
        self._points.bind_key("Enter", lambda _layer: self._on_finish(), overwrite=True)
        self._points.bind_key("Escape", lambda _layer: self._on_cancel(), overwrite=True)
        self._viewer.layers.selection.active = self._points
        self._viewer.layers.events.removed.connect(self._removed)
        _compat.focus_canvas(self._viewer)
        self._on_change(self._standing())

    def stop(self) -> None:
        """Take the layers away; what was active is active again."""
        mine, self._points, self._preview = (self._preview, self._points), None, None
        if mine[1] is None:
            return
        layers = self._viewer.layers
        layers.events.removed.disconnect(self._removed)
        for layer in mine:
            if layer in layers:
                layers.remove(layer)
        if self._before in layers:
            layers.selection.active = self._before
        self._before = None

    def plane(self) -> int:
        """Return the frame or slice that the points lie on.

        Raises
        ------
        FetalSegError
            If they lie on several.
        """
        lead = self._geometry.lead_shape
        if not lead or not len(self._points.data):
            return current_frame(self._viewer, self._points, self._geometry)
        index = np.clip(np.round(self._points.data[:, : len(lead)]).astype(int), 0, np.array(lead) - 1)
        planes = set(np.ravel_multi_index(tuple(index.T), lead).tolist())
        if len(planes) > 1:
            raise FetalSegError("The points lie on several slices; click all on one.")
        return int(planes.pop())

    def ellipse(self) -> Ellipse:
        """Return the ellipse through the points, in pixels.

        Raises
        ------
        FetalSegError
            If they determine none.
        """
        self.plane()
        return ellipse_points.fit(self._places(), self._pixel)

    def _places(self) -> NDArray[np.float64]:
        """The points as x and y in pixels."""
        return np.asarray(self._points.data, float)[:, -2:][:, ::-1]

    def _removed(self, event: Any) -> None:
        if event.value is self._points:
            self.stop()
            self._on_gone()

    def _changed(self, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        if self._points is not None and action in ("added", "removed", "changed"):
            self._on_change(self._standing())

    def _standing(self) -> str:
        """Draw the ellipse as far as there is one, and say how it stands."""
        count = len(self._points.data)
        ellipse, why = None, ""
        if count >= ellipse_points.FEWEST:
            try:
                ellipse = self.ellipse()
            except FetalSegError as error:
                why = str(error)
        self._draw(ellipse)
        if count < ellipse_points.FEWEST:
            return (
                f"{count} of 4 to 8 points: click on the outer edge, 4 at the ends of the longest and the shortest "
                "diameter, or 5 and more anywhere around. Backspace takes the last away."
            )
        return why or f"{count} points: Enter draws the ellipse, Escape cancels."

    def _draw(self, ellipse: Ellipse | None) -> None:
        preview = self._preview
        if preview not in self._viewer.layers:
            return
        if len(preview.data):
            preview.remove(list(range(len(preview.data))))
        if ellipse is not None:
            outline = ellipses.outline(ellipse, 120)[:, ::-1]
            index = self._geometry.index(self.plane())
            lead = np.tile(index, (len(outline), 1)).reshape(len(outline), len(index))
            width = max(self._geometry.plane) / 400
            preview.add_polygons(
                np.column_stack([lead, outline]), edge_width=width, edge_color=ELLIPSE_COLOR, face_color="transparent"
            )
