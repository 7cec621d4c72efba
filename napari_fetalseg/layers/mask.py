"""The mask as a Labels layer that a person can paint on, with undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_fetalseg import _compat
from napari_fetalseg.layers.image import Geometry

COLOR = "cyan"
# So many lesions have a colour of their own; those after them share one.
_COLORED = 60


def lesion_color(lesion: int) -> tuple[float, float, float, float]:
    """Return a lesion's colour, that of the engine's pictures."""
    from fetalseg.report.montage import COLOURS

    red, green, blue = COLOURS[(lesion - 1) % len(COLOURS)]
    return red / 255, green / 255, blue / 255, 1.0


class MaskLayer:
    """A Labels layer of the image's shape; hears every edit, undo and redo.

    Parameters
    ----------
    geometry : Geometry
    name : str
    on_edit : callable
        Called with the numbers of the frames that a person changed.
    lesions : bool
        Whether its values are lesion numbers, each with its colour.
    whole : bool
        Whether it belongs to a volume: then all of it is frame 0, of the shape (slices, rows, columns).
    """

    def __init__(
        self,
        geometry: Geometry,
        name: str,
        on_edit: Callable[[set[int]], None],
        *,
        lesions: bool = False,
        whole: bool = False,
    ) -> None:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        colors: dict[int | None, Any] = {None: COLOR, 0: "transparent", 1: COLOR}
        if lesions:
            colors |= {n: lesion_color(n) for n in range(1, _COLORED + 1)}
        self._geometry = geometry
        self._whole = whole
        self._on_edit = on_edit
        self._busy = False
        self._painted: set[int] = set()
        self._dirty: set[int] = set()
        self.layer = Labels(
            np.zeros(geometry.shape, np.uint16 if lesions else np.uint8),
            name=name,
            opacity=0.25,
            colormap=DirectLabelColormap(color_dict=colors),
            **geometry.transform,
        )
        self.layer.brush_size = max(5, round(min(geometry.plane) / 25))
        self._depth = _compat.history_depth(self.layer)
        self.layer.events.paint.connect(self._painted_on)
        self.layer.events.set_data.connect(self._maybe_undone)
        self.layer.events.data.connect(self._replaced)

    @property
    def _lead_shape(self) -> tuple[int, ...]:
        return () if self._whole else self._geometry.lead_shape

    def _index(self, frame: int) -> tuple[int, ...]:
        return () if self._whole else self._geometry.index(frame)

    def frame(self, frame: int) -> NDArray[Any]:
        """Return a copy of a frame's mask, or of the whole volume's."""
        mask = np.array(self.layer.data[self._index(frame)])
        return mask.reshape(-1, *self._geometry.plane) if self._whole else mask

    def write(self, masks: dict[int, NDArray[Any]], shown: int | None) -> None:
        """Write the masks of new results in place: no undo step, and no copy of a stack.

        Parameters
        ----------
        shown : int or None
            The frame on the screen: others need no drawing.
        """
        for frame, mask in masks.items():
            if frame in self._painted:  # old steps of the history must not write into the new mask
                self.replace(frame, mask)
            else:
                there = self.layer.data[self._index(frame)]
                there[...] = np.reshape(mask, there.shape)
        if shown is None or shown in masks:
            self._quietly(lambda: self.layer.refresh(extent=False))

    def replace(self, frame: int, mask: NDArray[Any]) -> None:
        """Write a frame's mask as one step that a person can undo."""
        index = self._index(frame)
        before = np.asarray(self.layer.data[index])
        mask = np.reshape(mask, before.shape)
        plane = np.nonzero(before != mask)
        if not plane[0].size:
            return
        lead = tuple(np.full(plane[0].size, i) for i in index)
        self._painted.add(frame)
        self._quietly(lambda: self.layer.data_setitem((*lead, *plane), mask[plane]))

    def mark(self, frame: int) -> None:
        """Leave a step that changes no pixel: who undoes it undoes what was done beside the mask."""
        at = tuple(np.array([i]) for i in (*self._index(frame), *(0,) * (self.layer.ndim - len(self._index(frame)))))
        value = int(self.layer.data[at][0])

        def there_and_back() -> None:
            with self.layer.block_history():
                self.layer.data_setitem(at, 1 - min(value, 1), refresh=False)
                self.layer.data_setitem(at, value, refresh=False)

        self._painted.add(frame)
        self._quietly(there_and_back)

    def place(self, geometry: Geometry) -> None:
        """Follow the image to another place or scale."""
        self._geometry = geometry
        self._quietly(lambda: set_transform(self.layer, geometry.transform))

    def restart(self, geometry: Geometry) -> None:
        """Begin anew on another image: an empty mask, and nothing to undo."""
        self._geometry = geometry
        self._painted, self._dirty = set(), set()

        def begin() -> None:
            set_transform(self.layer, geometry.transform)
            if self.layer.data.shape == geometry.shape:
                self.layer.data[...] = 0  # drawn with what is written next
            else:
                self.layer.data = np.zeros(geometry.shape, self.layer.dtype)
            _compat.forget_history(self.layer)

        self._quietly(begin)

    def _quietly(self, action: Callable[[], Any]) -> None:
        self._busy = True
        try:
            action()
        finally:
            self._busy = False
            self._depth = _compat.history_depth(self.layer)

    def _painted_on(self, event: Any) -> None:
        if self._busy:
            return
        self._depth = _compat.history_depth(self.layer)
        self._tell(_compat.touched(event.value, self._lead_shape))

    def _maybe_undone(self, _event: Any = None) -> None:
        # Undo and redo tell nothing but this, which a change of frame tells as well.
        depth = _compat.history_depth(self.layer)
        if self._busy or depth == self._depth:
            return
        undone = depth[1] > self._depth[1]
        self._depth = depth
        step = _compat.undone_step(self.layer) if undone else _compat.done_step(self.layer)
        self._tell(_compat.touched(step, self._lead_shape))

    def _replaced(self, _event: Any = None) -> None:
        if self._busy:
            return
        _compat.forget_history(self.layer)
        self._depth = _compat.history_depth(self.layer)
        if self.layer.data.shape == self._geometry.shape:
            self._tell({0} if self._whole else set(range(self._geometry.frames)))

    def _tell(self, frames: set[int]) -> None:
        self._painted |= frames
        if frames and not self._dirty:
            # napari tells of a fill or a bulk edit before it is done, so the mask is looked at afterwards.
            QTimer.singleShot(0, self._flush)
        self._dirty |= frames

    def _flush(self) -> None:
        frames, self._dirty = self._dirty, set()
        self._on_edit(frames)


def set_transform(layer: Any, transform: dict[str, Any]) -> None:
    """Give a layer another place in the world. Each change of one is drawn, so what is the same is left alone."""
    for name in ("units", "axis_labels", "scale", "translate", "rotate", "shear", "affine"):
        there, wanted = getattr(layer, name), transform[name]
        words = name in ("units", "axis_labels")
        if not (tuple(there) == tuple(wanted) if words else np.array_equal(np.asarray(there), np.asarray(wanted))):
            setattr(layer, name, wanted)
