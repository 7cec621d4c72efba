"""The two diameters of each lesion as lines whose ends a person can drag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fetalseg.result import Caliper
from napari_fetalseg import _compat
from napari_fetalseg.layers.image import Geometry
from napari_fetalseg.layers.mask import lesion_color, set_transform
from napari_fetalseg.layers.shapes import STILL, Shapes, with_frame

# The longest diameter is wider than an ellipse's line by the first factor, the perpendicular by the second.
_WIDE, _THIN = 1.5, 0.75


@dataclass(frozen=True)
class Line:
    """A lesion's diameter on a slice, with its label."""

    lesion: str
    slice: int
    caliper: Caliper
    label: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.lesion, self.caliper.name


class DiameterLayer(Shapes):
    """The longest diameter of each lesion and its perpendicular; ends can be dragged, lines moved.

    Parameters
    ----------
    geometry : Geometry
    name : str
    width : float
        Of the longest diameter's line, in the shapes' coordinates.
    on_edit : callable
        Called with the lesion and its callipers, in pixels, at the end of a drag.
    on_select : callable
        Called with the lesion whose line was selected.
    on_tell : callable
        Called with a sentence for the person.
    """

    def __init__(
        self,
        geometry: Geometry,
        name: str,
        width: float,
        on_edit: Callable[[str, tuple[Caliper, ...]], None],
        on_select: Callable[[str], None],
        on_tell: Callable[[str], None],
    ) -> None:
        text = {"string": "{label}", "size": 9, "color": "white", "anchor": "upper_left"}
        empty = np.zeros(0, str)
        features = {"frame": np.zeros(0, int), "lesion": empty, "name": empty, "label": empty}
        super().__init__(geometry, name, width, features, text=text, opacity=1.0)
        self._on_edit, self._on_select, self._on_tell = on_edit, on_select, on_tell
        self._drawn: dict[tuple[str, str], Line] = {}
        self.layer.mode = "direct"
        self.layer.events.data.connect(self._edited)
        self.layer.selected_data.events.items_changed.connect(self._selected)

    def ids(self) -> list[tuple[str, str]]:
        """Return lesion and name of each line, in the layer's order."""
        features = self.layer.features
        return [(str(a), str(b)) for a, b in zip(features["lesion"], features["name"], strict=True)]

    def _color(self) -> str:
        return "white"

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines, and no others."""
        wanted = {line.key: line for line in lines}
        types = list(self.layer.shape_type)
        at = {key: i for i, key in enumerate(self.ids()) if types[i] == "line"}
        stale = [i for i, key in enumerate(self.ids()) if key not in wanted or at.get(key) != i]
        self._remove(stale)
        at = {key: i for i, key in enumerate(self.ids())}
        for key in at.keys() & wanted.keys():
            ends = self._ends(wanted[key])
            if np.abs(ends - self.layer.data[at[key]]).max() > STILL:
                _compat.replace_shape(self.layer, at[key], ends)
        if at:
            kept = [wanted[key] for key in self.ids()]
            told = {"frame": [line.slice for line in kept], "label": [line.label for line in kept]}
            if any(list(self.layer.features[name]) != values for name, values in told.items()):
                self.layer.features = self.layer.features.assign(**told)
        new = [line for key, line in wanted.items() if key not in at]
        rows = [{"frame": x.slice, "lesion": x.lesion, "name": x.caliper.name, "label": x.label} for x in new]
        colors = [lesion_color(int(line.lesion)) for line in new]
        widths = [self._width_of(line.caliper.name) for line in new]
        self._add([self._ends(line) for line in new], "line", widths, pd.DataFrame(rows), False, colors)
        self._drawn = wanted

    def select(self, lesion: str) -> None:
        """Select the lines of a lesion, with their ends; none of all lesions."""
        self._busy = True
        try:
            self.layer.mode = "direct"
            self.layer.selected_data = {i for i, key in enumerate(self.ids()) if key[0] == lesion}
        finally:
            self._busy = False

    def widen(self, width: float) -> None:
        """Draw the lines with another width, in the shapes' coordinates."""
        if abs(width / self._width - 1) < 0.2:
            return
        self._width = width
        if len(self.layer.data):
            self._busy = True
            try:
                self.layer.edge_width = [self._width_of(name) for _, name in self.ids()]
                self.layer.refresh(extent=False)
            finally:
                self._busy = False

    def place(self, geometry: Geometry, lines: Sequence[Line]) -> None:
        """Follow the image to another place or scale."""
        self._geometry = geometry
        set_transform(self.layer, geometry.square_transform)
        self.show(lines)

    def _width_of(self, name: str) -> float:
        return self._width * (_WIDE if name == "longest" else _THIN)

    def _ends(self, line: Line) -> NDArray[np.float64]:
        ends = [[y * self._geometry.row_stretch, x] for x, y in (line.caliper.start_xy, line.caliper.end_xy)]
        return with_frame(np.array(ends), self._geometry, line.slice)

    def _caliper(self, name: str, points: NDArray[np.floating]) -> Caliper:
        """The straight line from the first to the last point of a shape."""
        first, last = (np.asarray(points[i], float)[-2:] for i in (0, -1))
        stretch = self._geometry.row_stretch
        return Caliper(name, (float(first[1]), float(first[0] / stretch)), (float(last[1]), float(last[0] / stretch)))

    def _selected(self, _added: Any, _removed: Any) -> None:
        if self._busy or not self.layer.selected_data:
            return
        keys = self.ids()
        chosen = {keys[i][0] for i in self.layer.selected_data if i < len(keys)}
        if len(chosen) == 1:
            self._on_select(chosen.pop())

    def _edited(self, event: Any) -> None:
        if self._busy:
            return
        action = str(getattr(event.action, "value", event.action))
        if action == "removed":
            self._on_tell("The diameters stay in the table; a click on the row draws them again.")
        elif action == "added":
            self._remove([len(self.layer.data) - 1])
            self._on_tell("Only the two diameters of each lesion are here: drag their ends.")
        elif action == "changed":
            keys = self.ids()
            for lesion in {keys[i][0] for i in event.data_indices if i < len(keys)}:
                self._moved(lesion)

    def _moved(self, lesion: str) -> None:
        """Tell a lesion's lines as they are now, unless none of them was moved."""
        now = dict(zip(self.ids(), self.layer.data, strict=True))
        before = [line for line in self._drawn.values() if line.lesion == lesion]
        calipers = [self._caliper(x.caliper.name, now[x.key]) if x.key in now else x.caliper for x in before]
        still = all(
            np.abs(np.array([c.start_xy, c.end_xy]) - np.array([x.caliper.start_xy, x.caliper.end_xy])).max() < STILL
            for c, x in zip(calipers, before, strict=True)
        )
        if still:
            self.show(list(self._drawn.values()))  # also where a point was put into a line, or its slice was left
        else:
            self._on_edit(lesion, tuple(calipers))
