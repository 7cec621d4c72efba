"""What is open: the results of an image, and an edit of one of them. No Qt."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fetalseg import tasks
from fetalseg.result import Measurement, Result
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from napari_fetalseg.layers.image import Geometry, Source

#: What made a result change: a stroke, a drag, the ellipse made the mask, the ellipse fitted to the mask, lesions
#: numbered anew, one lesion erased, one slice segmented anew, back to the model, another scale.
Change = Literal["mask", "ellipse", "calipers", "convert", "fit", "number", "erase", "slice", "revert", "scale"]
#: Edits that a program writes into the mask; the mask may have been painted on since they were asked for.
PROGRAM: tuple[Change, ...] = ("convert", "number", "erase", "slice", "revert")
#: Who selected: the dock's row, a layer, the viewer's slider, the end of a run, or who opened the scan with its result.
Chooser = Literal["row", "layer", "frame", "run", "opened"]
#: The row that stands for all lesions of a volume.
ALL = "all"


@dataclass(eq=False)
class Series:
    """The results of one image by one model and one set of settings, by frame; a volume's only one is that of frame 0.

    Attributes
    ----------
    title : str
        The image's name, with a number from the second series on.
    image : weak reference to the image layer
    results : dict of int to Result
    deleted : dict of int to Result
        What a person deleted: undo on the mask brings it back.
    fits : dict of int to (Result, Result)
        Before and after an ellipse was fitted to the mask again: undo and redo go from one to the other.
    """

    title: str
    number: int
    image: weakref.ref[Any]
    geometry: Geometry
    settings: SegmentSettings
    source: Source
    spacing: Spacing | None
    results: dict[int, Result] = field(default_factory=dict)
    deleted: dict[int, Result] = field(default_factory=dict)
    fits: dict[int, tuple[Result, Result]] = field(default_factory=dict)

    @property
    def volume(self) -> bool:
        """Whether the image is taken as one volume, not as frames of their own."""
        return bool(tasks.get(self.settings.task).VOLUME)

    def base(self, frame: int) -> Result | None:
        """What an edit of a frame starts from."""
        return self.results.get(frame) or self.deleted.get(frame)

    def put(self, frame: int, result: Result, change: Change) -> bool:
        """Keep a frame's new result; return whether it had one."""
        known = frame in self.results
        if change == "fit" and known:
            self.fits[frame] = self.results[frame], result
        self.results[frame] = result
        self.deleted.pop(frame, None)
        return known

    def same_mask(self, frame: int, result: Result) -> Result:
        """Return what becomes of a result after a step on its mask that changed no pixel."""
        before, after = self.fits.get(frame, (result, result))
        return after if result is before else before if result is after else result

    def takes(self, source: Source, settings: SegmentSettings) -> bool:
        """Whether slices of an image as it is now, segmented by these settings, can be put into the mask."""
        same = (self.settings.task, self.settings.model) == (settings.task, settings.model)
        return same and self.geometry.shape == source.geometry.shape

    def planes(self) -> dict[int, Measurement]:
        """Return the measurements with something to draw, by the frame or slice that they lie on."""
        found = {frame: result.measurement for frame, result in self.results.items()}
        return {m.slice: m for m in found.values() if m.slice is not None} if self.volume else found


@dataclass(frozen=True, eq=False)
class Edit:
    """What a person asked for: `value` is a mask, an ellipse, callipers, a slice or a spacing, as `change` says.

    `part` is the lesion that it is about; empty for the whole result.
    """

    series: Series
    frame: int
    change: Change
    value: Any
    part: str = ""

    def replaces(self, older: Edit) -> bool:
        """Whether an older edit that still waits needs not be done any more."""
        mine = (self.series, self.frame, self.change, self.part)
        return mine == (older.series, older.frame, older.change, older.part) and self.change != "slice"


def series_for(
    there: Sequence[Series],
    layer: Any,
    source: Source,
    settings: SegmentSettings,
    frames: Sequence[int],
    spacing: Spacing | None,
) -> Series:
    """Return the newest series of an image when it has none of these frames yet; else a new one: an edit stays."""
    mine = [s for s in there if s.image() is layer]
    if mine:
        last = mine[-1]
        fits = last.settings == settings and last.geometry.shape == source.geometry.shape
        if fits and last.results and not any(last.base(f) for f in frames):
            return last
    number = max((s.number for s in mine), default=0) + 1
    title = layer.name if number == 1 else f"{layer.name} [{number}]"
    return Series(title, number, weakref.ref(layer), source.geometry, settings, source, spacing)


def merges_into(there: Sequence[Series], layer: Any, source: Source, settings: SegmentSettings) -> Series | None:
    """Return the newest series of an image where it is by the same model: single slices are put into it."""
    mine = [s for s in there if s.image() is layer and s.volume and s.results]
    return mine[-1] if mine and mine[-1].takes(source, settings) else None


def lesions(result: Result) -> list[str]:
    """Return the rows of a result: one of a frame; of a volume, `ALL` and its lesions."""
    if not tasks.get(result.task).VOLUME:
        return [""]
    return [ALL, *(part.texts["lesion"] for part in result.measurement.parts)]


def part_of(measurement: Measurement, lesion: str) -> Measurement | None:
    """Return a lesion's measurement, or that of all."""
    if lesion in ("", ALL):
        return measurement
    return next((part for part in measurement.parts if part.texts["lesion"] == lesion), None)


def view(result: Result, lesion: str) -> Result:
    """Return a result as if a lesion were all of it, for the words and numbers of its row."""
    part = part_of(result.measurement, lesion)
    if part is None or part is result.measurement:
        return result
    parent = result.parent
    if parent is not None:
        before = part_of(parent.measurement, lesion)
        parent = replace(parent, measurement=before or Measurement(values={}))
    return replace(result, measurement=part, parent=parent)
