"""The ellipse and its callipers as Shapes layers.

An ellipse is drawn as its box. Rows are multiplied by the pixels' aspect and the layer's scale is
isotropic in the plane: on oblong pixels napari would shear an ellipse that is turned.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Caliper, Ellipse
from napari_fetalseg import _compat
from napari_fetalseg.layers.image import Geometry
from napari_fetalseg.layers.mask import set_transform

ELLIPSE_COLOR = "yellow"
CALIPER_COLOR = "white"
# A box that moved less than this, in pixels, was not moved: boxes are stored as 32-bit floats.
STILL = 1e-2


def to_box(ellipse: Ellipse, geometry: Geometry, frame: int) -> NDArray[np.float64]:
    """Return the four corners of an ellipse's turned box, in the shapes' coordinates, with the frame's index."""
    drawn = ellipses.scaled(ellipse, 1.0, geometry.row_stretch)
    angle = math.radians(drawn.angle_deg)
    long = drawn.semi_major * np.array([math.sin(angle), math.cos(angle)])
    short = drawn.semi_minor * np.array([math.cos(angle), -math.sin(angle)])
    centre = np.array([drawn.center_y, drawn.center_x])
    corners = np.array([centre - long - short, centre + long - short, centre + long + short, centre - long + short])
    return with_frame(corners, geometry, frame)


def from_box(box: NDArray[np.floating], geometry: Geometry) -> Ellipse | None:
    """Return the ellipse in pixels of a box; None where it has no area."""
    corners = np.asarray(box, float)[:, -2:]
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    long, short = float(np.hypot(*first)), float(np.hypot(*second))
    if short > long:
        first, long, short = second, short, long
    if short < 1e-3:
        return None
    angle = math.degrees(math.atan2(first[0], first[1])) % 180.0
    drawn = Ellipse(float(centre[1]), float(centre[0]), long, short, angle)
    return ellipses.scaled(drawn, 1.0, 1 / geometry.row_stretch)


def with_frame(points: NDArray[np.float64], geometry: Geometry, frame: int) -> NDArray[np.float64]:
    """Return points (row, column) with the index of their frame before them."""
    index = geometry.index(frame)
    return np.column_stack([np.tile(index, (len(points), 1)), points]) if index else points


class Shapes(ABC):
    """A Shapes layer in which each shape knows its frame by a feature, whatever the order."""

    def __init__(self, geometry: Geometry, name: str, width: float, features: dict[str, Any], **looks: Any) -> None:
        from napari import layers

        self._geometry = geometry
        self._width = width
        self._busy = False
        self.layer = layers.Shapes(
            ndim=len(geometry.shape), name=name, features=pd.DataFrame(features), **looks, **geometry.square_transform
        )

    def frames(self) -> list[int]:
        """Return the frame of each shape, in the layer's order."""
        return [int(f) for f in self.layer.features["frame"]]

    def _add(
        self,
        shapes: list[NDArray[np.float64]],
        kind: str,
        width: float | list[float],
        features: pd.DataFrame,
        quiet: bool,
        color: Any = None,
    ) -> None:
        if not shapes:
            return
        self._busy = True
        # Shapes of frames that are not on the screen need no drawing: the slider brings them.
        hush = self.layer.events.set_data.blocker() if quiet else nullcontext()
        try:
            before = self.layer.features
            looks = {"edge_width": width, "edge_color": color or self._color(), "face_color": "transparent"}
            with hush, self.layer.block_thumbnail_update():
                self.layer.add(shapes, shape_type=kind, **looks)
                self.layer.features = pd.concat([before, features], ignore_index=True) if len(before) else features
        finally:
            self._busy = False

    def widen(self, width: float) -> None:
        """Draw the lines with another width, in the shapes' coordinates."""
        if abs(width / self._width - 1) < 0.2:
            return
        self._width = width
        self._busy = True
        try:
            self.layer.edge_width = width
            self.layer.refresh(extent=False)
        finally:
            self._busy = False

    @abstractmethod
    def _color(self) -> str:
        """Return the colour of the lines."""

    def _remove(self, indices: list[int]) -> None:
        if not indices:
            return
        self._busy = True
        try:
            self.layer.remove(indices)
        finally:
            self._busy = False


class EllipseLayer(Shapes):
    """The fitted ellipses, one a frame, that a person can move, turn and resize, and draw anew.

    Parameters
    ----------
    geometry : Geometry
    name : str
    width : float
        Of the line, in the shapes' coordinates.
    on_edit : callable
        Called with the frame and the ellipse in pixels at the end of a drag.
    on_select : callable
        Called with the frame of the ellipse that was selected.
    on_remove : callable
        Called with the frames whose ellipse a person deleted.
    """

    def __init__(
        self,
        geometry: Geometry,
        name: str,
        width: float,
        on_edit: Callable[[int, Ellipse], None],
        on_select: Callable[[int], None],
        on_remove: Callable[[set[int]], None],
    ) -> None:
        super().__init__(geometry, name, width, {"frame": np.zeros(0, int)}, edge_color=ELLIPSE_COLOR)
        self._on_edit, self._on_select, self._on_remove = on_edit, on_select, on_remove
        self._going: set[int] = set()
        self.layer.current_edge_color = ELLIPSE_COLOR
        self.layer.current_face_color = "transparent"
        self.layer.current_edge_width = width
        self.layer.events.data.connect(self._edited)
        self.layer.selected_data.events.items_changed.connect(self._selected)

    def _color(self) -> str:
        return ELLIPSE_COLOR

    def show(self, found: Mapping[int, Ellipse | None], quiet: bool = False) -> None:
        """Draw the ellipses of some frames, in place of those that were there.

        Parameters
        ----------
        found : mapping of int to Ellipse or None
        quiet : bool
            None of the frames is on the screen.
        """
        at = {frame: i for i, frame in enumerate(self.frames())}
        gone = [at[f] for f, e in found.items() if e is None and f in at]
        new = {f: e for f, e in found.items() if e is not None and f not in at}
        for frame, ellipse in found.items():
            if ellipse is not None and frame in at:
                box = to_box(ellipse, self._geometry, frame)
                if np.abs(box - self.layer.data[at[frame]]).max() > STILL:
                    _compat.replace_shape(self.layer, at[frame], box)
        boxes = [to_box(e, self._geometry, f) for f, e in new.items()]
        self._add(boxes, "ellipse", self._width, pd.DataFrame({"frame": list(new)}), quiet)
        self._remove(gone)

    def select(self, frame: int) -> None:
        """Select a frame's ellipse, with its handles."""
        if frame not in (frames := self.frames()):
            return
        self._busy = True
        try:
            self.layer.mode = "select"
            self.layer.selected_data = {frames.index(frame)}
        finally:
            self._busy = False

    def deselect(self) -> None:
        """Select nothing."""
        self._busy = True
        try:
            self.layer.selected_data = set()
        finally:
            self._busy = False

    def place(self, geometry: Geometry, found: Mapping[int, Ellipse | None]) -> None:
        """Follow the image to another place or scale."""
        self._geometry = geometry
        set_transform(self.layer, geometry.square_transform)
        self.show(found)

    def _selected(self, _added: Any, _removed: Any) -> None:
        if self._busy or len(self.layer.selected_data) != 1:
            return
        index, frames = next(iter(self.layer.selected_data)), self.frames()
        if index < len(frames):
            self._on_select(frames[index])

    def _edited(self, event: Any) -> None:
        if self._busy:
            return
        action = str(getattr(event.action, "value", event.action))
        if action == "removing":
            frames = self.frames()
            self._going = {frames[i] for i in event.data_indices if i < len(frames)}
        elif action == "removed":
            self._on_remove(self._going)
        elif action == "added":
            self._drawn_by_hand()
        elif action == "changed":
            frames = self.frames()
            for i in event.data_indices:
                self._tell(frames[i], self.layer.data[i])

    def _drawn_by_hand(self) -> None:
        """The ellipse drawn last is its frame's; one that was there goes."""
        last = len(self.layer.data) - 1
        if last < 0:
            return
        box = self.layer.data[last]
        if self.layer.shape_type[last] not in ("ellipse", "rectangle"):
            return
        index = tuple(round(float(v)) for v in box[0][:-2])
        frame = int(np.ravel_multi_index(index, self._geometry.lead_shape)) if index else 0
        features = self.layer.features.copy()
        features.loc[last, "frame"] = frame
        self.layer.features = features
        self._remove([i for i, f in enumerate(self.frames()[:-1]) if f == frame])
        self._tell(frame, box)

    def _tell(self, frame: int, box: NDArray[np.floating]) -> None:
        ellipse = from_box(box, self._geometry)
        if ellipse is not None:
            self._on_edit(frame, ellipse)


class CaliperLayer(Shapes):
    """The callipers of the ellipses with their values; they can't be dragged."""

    def __init__(self, geometry: Geometry, name: str, width: float) -> None:
        text = {"string": "{label}", "size": 9, "color": CALIPER_COLOR, "anchor": "upper_left"}
        features = {"frame": np.zeros(0, int), "name": np.zeros(0, str), "label": np.zeros(0, str)}
        super().__init__(geometry, name, width, features, text=text, edge_color=CALIPER_COLOR)
        self.layer.events.editable.connect(self._lock)
        self._lock()

    def _color(self) -> str:
        return CALIPER_COLOR

    def show(self, found: Mapping[int, list[tuple[Caliper, str]]], quiet: bool = False) -> None:
        """Draw the callipers of some frames, each with its label, in place of those that were there."""
        at = {(f, n): i for i, (f, n) in enumerate(zip(self.frames(), self.layer.features["name"], strict=True))}
        wanted = {(frame, c.name): (c, label) for frame, lines in found.items() for c, label in lines}
        labels = list(self.layer.features["label"])
        for key in wanted.keys() & at.keys():
            line, label = wanted[key]
            _compat.replace_shape(self.layer, at[key], self._line(line, key[0]))
            labels[at[key]] = label
        if labels != list(self.layer.features["label"]):
            self.layer.features = self.layer.features.assign(label=labels)
        new = {k: v for k, v in wanted.items() if k not in at}
        rows = [{"frame": k[0], "name": k[1], "label": v[1]} for k, v in new.items()]
        self._add([self._line(v[0], k[0]) for k, v in new.items()], "line", self._width, pd.DataFrame(rows), quiet)
        self._remove([i for (f, n), i in at.items() if f in found and (f, n) not in wanted])

    def place(self, geometry: Geometry, found: Mapping[int, list[tuple[Caliper, str]]]) -> None:
        """Follow the image to another place or scale."""
        self._geometry = geometry
        set_transform(self.layer, geometry.square_transform)
        self.show(found)

    def _lock(self, _event: Any = None) -> None:
        # napari makes a layer editable again whenever the view turns to 2-D.
        if self.layer.editable:
            self.layer.editable = False

    def _line(self, line: Caliper, frame: int) -> NDArray[np.float64]:
        ends = np.array([[y * self._geometry.row_stretch, x] for x, y in (line.start_xy, line.end_xy)])
        return with_frame(ends, self._geometry, frame)
