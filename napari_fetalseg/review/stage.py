"""Puts a case into the viewer, reads what a person made of it, and takes it away again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fetalseg import tasks
from fetalseg.dataset.content import size_text
from fetalseg.errors import DatasetError
from fetalseg.result import Result
from fetalseg.review.case import Case
from fetalseg.review.standing import Drawing
from fetalseg.settings import SegmentSettings
from napari_fetalseg import reader
from napari_fetalseg.layers.drawing import Drawing as Drawer
from napari_fetalseg.series import Series

# What a person chose for the brush and the look of a mask stays from case to case.
_KEPT = ("mode", "brush_size", "opacity", "contour", "n_edit_dimensions", "preserve_labels")


@dataclass(frozen=True, eq=False)
class Shown:
    """The case in the viewer, with its image layer and its series."""

    case: Case
    layer: Any
    series: Series

    @property
    def result(self) -> Result | None:
        """The case as it is measured now; None where a person deleted its row."""
        return self.series.base(0)


class Stage:
    """One case at a time.

    Parameters
    ----------
    viewer : napari.Viewer
    drawer : napari_fetalseg.layers.drawing.Drawing
        What draws the viewer's session.
    """

    def __init__(self, viewer: Any, drawer: Drawer) -> None:
        self._viewer, self._drawer = viewer, drawer
        self.session = drawer.session
        self.shown: Shown | None = None
        self._kept: dict[str, Any] = {}
        self._going: list[Any] = []

    def show(self, case: Case, settings: SegmentSettings) -> Shown:
        """Show a case in place of the one that was there, whose image is hidden until `sweep`."""
        from napari.layers import Layer

        viewer = self._viewer
        volume = bool(tasks.get(case.entry.task).VOLUME)
        data, looks, kind = reader.layer_of(case.scan, film=not volume)
        looks["name"] = case.entry.item
        layer = Layer.create(data, looks, kind)
        viewer.dims.ndisplay = 2  # each case is looked at, and painted on, flat
        old = self.shown
        if old is not None and not self._makes_room(old, layer):
            self.clear()
            old = None
        viewer.layers.insert(viewer.layers.index(old.layer) + 1 if old is not None else len(viewer.layers), layer)
        before = old.series if old is not None else None
        series = self.session.adopt(layer, [case.result], settings, case.entry.spacing, before)
        self.shown = Shown(case, layer, series)
        if old is not None:
            self._going.append(old.layer)
        viewer.reset_view(layers=[layer])
        self.session.select(series, 0, "opened")
        self._make_ready(series)
        return self.shown

    def _makes_room(self, old: Shown, layer: Any) -> bool:
        """Hide the image of the case before, where the next one can stand in its layers."""
        fits = old.layer in self._viewer.layers and (old.layer.ndim, old.layer.units) == (layer.ndim, layer.units)
        if fits:
            old.layer.visible = False
        return fits

    def _make_ready(self, series: Series) -> None:
        """Make the mask active, with the brush as it was."""
        drawn = self._drawer.layers_of(series)
        if drawn is None:
            return
        drawn.active = drawn.mask.layer
        for name, value in self._kept.items():
            setattr(drawn.mask.layer, name, value)
        self._kept = {}
        if drawn.mask.layer in self._viewer.layers:
            self._viewer.layers.selection.active = drawn.mask.layer

    def clear(self) -> None:
        """Take the case away."""
        self.sweep()
        shown, self.shown = self.shown, None
        if shown is None:
            return
        drawn = self._drawer.layers_of(shown.series)
        if drawn is not None:
            self._kept = {name: getattr(drawn.mask.layer, name) for name in _KEPT}
        self.session.drop(shown.series)
        if shown.layer in self._viewer.layers:
            self._viewer.layers.remove(shown.layer)

    def sweep(self) -> None:
        """Remove the images of cases that were left: with each napari collects garbage, for longer than it paints."""
        going, self._going = self._going, []
        for layer in going:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def drawing(self, seconds: float) -> Drawing:
        """Return the case as a person made it.

        Raises
        ------
        DatasetError
            If the mask has another size than the picture: somebody put another array into its layer.
        """
        shown = self.shown
        assert shown is not None
        result = shown.result or shown.case.result
        entry = shown.case.entry
        mask = self._mask(shown, result)
        if mask.shape != entry.shape:
            raise DatasetError(
                f"{entry.item}: the mask is {size_text(mask.shape)}, the picture {size_text(entry.shape)}. "
                "Press Model's version (H), or put a mask of the picture's size into its layer."
            )
        own = result.original.segmentation.mask
        labels = entry.task == "tumour"
        same = np.array_equal(mask, own) if labels else np.array_equal(mask != 0, own != 0)
        placed = result.origin == "ellipse" and entry.task == "head"
        return Drawing(None if same else mask, result.measurement.ellipse if placed else None, seconds)

    def _mask(self, shown: Shown, result: Result) -> Any:
        """The mask in its layer, which may be newer than what is measured."""
        drawn = self._drawer.layers_of(shown.series)
        if drawn is None:
            return result.segmentation.mask
        data = np.asarray(drawn.mask.layer.data)
        if data.shape != shown.series.geometry.shape:
            return data
        return drawn.mask.frame(0)

    def revert(self) -> None:
        """Go back to the model's version; it can be undone."""
        shown = self.shown
        if shown is None:
            return
        drawn = self._drawer.layers_of(shown.series)
        if drawn is not None and drawn.mask.layer.data.shape != shown.series.geometry.shape:
            drawn.mask.layer.data = np.zeros(shown.series.geometry.shape, drawn.mask.layer.dtype)
        self.session.revert(shown.series, 0)
