"""What is open in one viewer: results, their edits, and what is selected. No Qt.

Docks ask it and listen to it; they never talk to each other.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from fetalseg import pipeline
from fetalseg.errors import FetalSegError, SpacingError
from fetalseg.result import Ellipse, Result
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from napari_fetalseg import spacing as spacings
from napari_fetalseg import torch_import, workers
from napari_fetalseg.layers.image import Geometry, Source

log = logging.getLogger(__name__)

#: What made a result change: a stroke, a drag, the ellipse made the mask, back to the model, another scale.
Change = Literal["mask", "ellipse", "convert", "revert", "scale"]
#: Who selected: the dock's row, a layer, the viewer's slider, the end of a run.
Chooser = Literal["row", "layer", "frame", "run"]

# Results are handed over together, so that fast frames do not keep the window busy with drawing.
_BATCH_S = 0.4


@dataclass(eq=False)
class Series:
    """The results of one image by one model and one set of settings, by frame.

    Attributes
    ----------
    title : str
        The image's name, with a number from the second series on.
    image : weak reference to the image layer
    results : dict of int to Result
    deleted : dict of int to Result
        What a person deleted: undo on the mask brings it back.
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

    def base(self, frame: int) -> Result | None:
        """What an edit of a frame starts from."""
        return self.results.get(frame) or self.deleted.get(frame)


@dataclass(frozen=True)
class Loaded:
    """The model is loaded; `text` says what runs where."""

    text: str


@dataclass(frozen=True, eq=False)
class _Edit:
    series: Series
    frame: int
    change: Change
    value: Any


class Session:
    """All results of a viewer.

    Signals run in the GUI thread.
    """

    started = Signal(object, int)  # series, number of frames
    progressed = Signal(int, int, float)  # done, total, seconds since the model was loaded
    ended = Signal(str)  # how
    failed = Signal(object)  # exception
    told = Signal(str)  # a sentence for the status line
    loaded = Signal(str)  # device and model
    added = Signal(object, object)  # series, frames
    changed = Signal(object, object, str)  # series, frames, change
    removed = Signal(object, object)  # series, frames
    selected = Signal(object, object, str)  # series or None, frame or None, chooser
    spacing_changed = Signal(object)  # image layer

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.selection: tuple[Series, int] | None = None
        self._spacings: weakref.WeakKeyDictionary[Any, Spacing | None] = weakref.WeakKeyDictionary()
        self._job: workers.Job | None = None
        self._edits: list[_Edit] = []
        self._edit_job: workers.Job | None = None
        self._running: Series | None = None

    # Running

    @property
    def running(self) -> bool:
        """Whether a segmentation is running."""
        return self._job is not None

    def segment(self, layer: Any, settings: SegmentSettings, frames: Sequence[int], shown: int | None = None) -> Series:
        """Segment frames of an image layer in the background.

        Parameters
        ----------
        layer : napari.layers.Image
        settings : SegmentSettings
        frames : sequence of int
        shown : int, optional
            The frame on the screen: its result becomes the selected one.

        Raises
        ------
        FetalSegError
            If the layer can't be a scan, or a run is going on.
        """
        if self.running:
            raise FetalSegError("A run is going on; wait for it or press Cancel.")
        source = Source.of(layer)
        try:
            spacing = self.spacing(layer)
        except SpacingError as error:
            spacing = None
            self.failed.emit(error)
        series = self._series_for(layer, source, settings, frames, spacing)
        first = [True]
        begun = [time.monotonic()]
        done = [0]

        def item(value: Any) -> None:
            if isinstance(value, Loaded):
                begun[0] = time.monotonic()
                self.loaded.emit(value.text)
                self.progressed.emit(0, len(frames), 0.0)
                return
            done[0] += len(value)
            self._add(series, value)
            there = [r.frame for r in value]
            if shown in there or first[0]:
                self.select(series, shown if shown in there else there[0], "run")
            first[0] = False
            self.progressed.emit(done[0], len(frames), time.monotonic() - begun[0])

        def end(how: workers.End, error: Exception | None) -> None:
            self._job = self._running = None
            if error is not None:
                self.failed.emit(error)
            self.ended.emit(how)

        def make(token: threading.Event) -> Iterator[Any]:
            return _segment(source, settings, list(frames), spacing, token)

        self._running = series
        self.started.emit(series, len(frames))
        self._job = workers.start(make, item, end)
        return series

    def cancel(self) -> None:
        """Stop the run; what is finished stays."""
        if self._job is not None:
            self._job.cancel()

    def image_removed(self, layer: Any) -> None:
        """Stop a run whose image was closed."""
        if self._running is not None and self._running.image() is layer:
            self.cancel()

    def close(self) -> None:
        """Stop everything and tell nobody: the viewer is going away."""
        for job in (self._job, self._edit_job):
            if job is not None:
                job.drop()
        self._job = self._edit_job = self._running = None
        self._edits.clear()

    def _series_for(
        self, layer: Any, source: Source, settings: SegmentSettings, frames: Sequence[int], spacing: Spacing | None
    ) -> Series:
        """The newest series of the image when it has none of these frames yet; else a new one: an edit stays."""
        mine = [s for s in self.series if s.image() is layer]
        if mine:
            last = mine[-1]
            fits = last.settings == settings and last.geometry.shape == source.geometry.shape
            if fits and last.results and not any(last.base(f) for f in frames):
                return last
        number = max((s.number for s in mine), default=0) + 1
        title = layer.name if number == 1 else f"{layer.name} [{number}]"
        return Series(title, number, weakref.ref(layer), source.geometry, settings, source, spacing)

    def _add(self, series: Series, results: list[Result]) -> None:
        if series.spacing != (results[0].spacing if results else None):
            results = [pipeline.recalibrate(r, series.spacing) for r in results]
        if series not in self.series:
            self.series.append(series)
        for result in results:
            series.results[result.frame] = result
        self.added.emit(series, [r.frame for r in results])

    # Editing

    def edit_mask(self, series: Series, frames: Mapping[int, NDArray[np.uint8]]) -> None:
        """Measure masks that a person changed."""
        for frame, mask in frames.items():
            self._queue(_Edit(series, frame, "mask", mask))

    def edit_ellipse(self, series: Series, frame: int, ellipse: Ellipse) -> None:
        """Measure an ellipse that a person changed; the mask stays."""
        self._queue(_Edit(series, frame, "ellipse", ellipse))

    def ellipse_to_mask(self, series: Series, frame: int) -> None:
        """Make a frame's ellipse its mask."""
        self._queue(_Edit(series, frame, "convert", None))

    def revert(self, series: Series, frame: int) -> None:
        """Go back to the model's own result; the edit can be undone on the mask."""
        result = series.base(frame)
        if result is not None:
            self._put(series, frame, _original(result), "revert")

    def delete(self, series: Series, frames: Sequence[int]) -> None:
        """Take results out of the table and off the picture."""
        gone = [f for f in frames if f in series.results]
        for frame in gone:
            series.deleted[frame] = series.results.pop(frame)
        if self.selection is not None and self.selection[0] is series and self.selection[1] in gone:
            self.select(None, None, "row")
        self.removed.emit(series, gone)

    def _queue(self, edit: _Edit) -> None:
        if edit.series.base(edit.frame) is None:
            self.told.emit(f"Frame {edit.frame} of {edit.series.title} has no result yet: segment it first.")
            return
        key = (edit.series, edit.frame, edit.change)
        self._edits = [e for e in self._edits if (e.series, e.frame, e.change) != key]
        self._edits.append(edit)
        self._work()

    def _work(self) -> None:
        if self._edit_job is not None or not self._edits:
            return
        # One frame's edits build on each other, so only one of each frame goes out at a time.
        batch: list[_Edit] = []
        for edit in self._edits:
            if not any(b.series is edit.series and b.frame == edit.frame for b in batch):
                batch.append(edit)
        self._edits = [e for e in self._edits if e not in batch]
        todo = [(e, base) for e in batch if (base := e.series.base(e.frame)) is not None]

        def make(_token: threading.Event) -> Iterator[Any]:
            for edit, base in todo:
                yield edit, base, _apply(edit, base)

        def item(value: tuple[_Edit, Result, Result]) -> None:
            edit, base, result = value
            if edit.series.base(edit.frame) is base:  # not deleted or changed meanwhile
                if result.spacing != edit.series.spacing:
                    result = pipeline.recalibrate(result, edit.series.spacing)
                self._put(edit.series, edit.frame, result, edit.change)

        def end(_how: workers.End, error: Exception | None) -> None:
            self._edit_job = None
            if error is not None:
                self.failed.emit(error)
            self._work()

        self._edit_job = workers.start(make, item, end)

    def _put(self, series: Series, frame: int, result: Result, change: Change) -> None:
        known = frame in series.results
        series.results[frame] = result
        series.deleted.pop(frame, None)
        if known:
            self.changed.emit(series, [frame], change)
        else:
            self.added.emit(series, [frame])

    # Scale

    def spacing(self, layer: Any) -> Spacing | None:
        """Return an image's spacing: what a person chose, or else what is known of the layer.

        Raises
        ------
        SpacingError
        """
        if layer in self._spacings:
            return self._spacings[layer]
        return spacings.automatic(layer)

    def set_spacing(self, layer: Any, spacing: Spacing | None) -> None:
        """Choose an image's spacing, or pixels only; its results change their millimetres."""
        self._spacings[layer] = spacing
        self.refresh_spacing(layer)

    def automatic_spacing(self, layer: Any) -> None:
        """Forget the choice."""
        self._spacings.pop(layer, None)
        self.refresh_spacing(layer)

    def refresh_spacing(self, layer: Any) -> None:
        """Bring an image's results to its present spacing."""
        try:
            spacing = self.spacing(layer)
        except SpacingError as error:
            self.failed.emit(error)
            spacing = None
        for series in self.series + ([self._running] if self._running not in (None, *self.series) else []):
            assert series is not None
            if series.image() is layer and series.spacing != spacing:
                series.spacing = spacing
                series.results = {f: pipeline.recalibrate(r, spacing) for f, r in series.results.items()}
                self.changed.emit(series, list(series.results), "scale")
        self.spacing_changed.emit(layer)

    # Selecting

    def select(self, series: Series | None, frame: int | None, chooser: Chooser) -> None:
        """Select a result, or nothing."""
        chosen = (series, frame) if series is not None and frame is not None and frame in series.results else None
        if chosen == self.selection and chooser in ("frame", "layer"):
            return
        self.selection = chosen
        self.selected.emit(*(chosen or (None, None)), chooser)

    def selected_result(self) -> Result | None:
        """Return the selected result."""
        if self.selection is None:
            return None
        series, frame = self.selection
        return series.results.get(frame)

    def rows(self) -> list[tuple[Series, int]]:
        """Return all results, by series and frame."""
        return [(s, f) for s in self.series for f in sorted(s.results)]


def _segment(
    source: Source,
    settings: SegmentSettings,
    frames: list[int],
    spacing: Spacing | None,
    token: threading.Event,
) -> Iterator[Any]:
    """Run in the worker: load the model, then yield results in small batches."""
    torch_import.import_torch()
    loaded = pipeline.Pipeline.load(settings)
    yield Loaded(loaded.describe)
    sha256 = source.sha256()
    batch: list[Result] = []
    last = time.monotonic()
    for frame in frames:
        if token.is_set():
            break
        for result in loaded.segment(source.scan(frame, spacing, sha256)):
            batch.append(replace(result, frame=frame))
        if time.monotonic() - last > _BATCH_S:
            yield batch
            batch, last = [], time.monotonic()
    if batch:
        yield batch


def _apply(edit: _Edit, base: Result) -> Result:
    """Run in the worker: measure an edit."""
    if edit.change == "mask":
        if np.array_equal(edit.value != 0, base.segmentation.mask != 0):
            return base
        if np.array_equal(edit.value != 0, base.original.segmentation.mask != 0):
            return _original(base)  # undone to the model's own
        return pipeline.edit_mask(base, edit.value)
    if edit.change == "ellipse":
        return pipeline.edit_ellipse(base, edit.value)
    if base.measurement.ellipse is None:
        raise FetalSegError(f"Frame {edit.frame} of {edit.series.title} has no ellipse that could become the mask.")
    return pipeline.edit_ellipse(base, base.measurement.ellipse, redraw_mask=True)


def _original(result: Result) -> Result:
    original = result.original
    return original if original.spacing == result.spacing else pipeline.recalibrate(original, result.spacing)
