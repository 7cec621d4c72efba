"""What is open in one viewer: results, their edits, and what is selected. No Qt.

Docks ask it and listen to it; they never talk to each other.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from psygnal import Signal

from fetalseg.errors import FetalSegError, SpacingError
from fetalseg.result import Caliper, Ellipse, Result
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from napari_fetalseg import spacing as spacings
from napari_fetalseg import work, workers
from napari_fetalseg.edits import Edits
from napari_fetalseg.growth.case import Cases
from napari_fetalseg.layers.image import Source
from napari_fetalseg.series import ALL, Change, Chooser, Edit, Series, lesions, merges_into, series_for


class Session:
    """All results of a viewer.

    Signals run in the GUI thread.

    Attributes
    ----------
    selection : tuple of (Series, int), or None
        The selected result: its series and frame.
    lesion : str
        Which row of it: a lesion of a volume, or `ALL`; empty for a frame.
    edits : Edits
        Those that are not measured yet.
    """

    started = Signal(object, int)  # series, number of frames
    progressed = Signal(int, int, float)  # done, total, seconds since the model was loaded
    ended = Signal(str)  # how
    failed = Signal(object)  # exception
    told = Signal(str)  # a sentence for the status line
    loaded = Signal(str)  # device and model
    touched = Signal(object, int)  # series, frame: a person changed it; its numbers follow with `changed`
    handed = Signal(object, object)  # a series that goes, and the one that takes its place
    added = Signal(object, object)  # series, frames
    changed = Signal(object, object, str)  # series, frames, change
    removed = Signal(object, object)  # series, frames
    selected = Signal(object, object, str)  # series or None, frame or None, chooser
    spacing_changed = Signal(object)  # image layer
    models_changed = Signal(str)  # task: a model was added or removed, or another one is the default
    review_asked = Signal(object, object, str)  # folder of a run's results, folder of its scans, task: the flagged ones

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.selection: tuple[Series, int] | None = None
        self.lesion = ""
        self._spacings: weakref.WeakKeyDictionary[Any, Spacing | None] = weakref.WeakKeyDictionary()
        self._job: workers.Job | None = None
        self.edits = Edits(self._measured, self.failed.emit)
        self._running: Series | None = None
        self.pregnancies = Cases()  # the dates of heads, and their charts

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
        source, spacing = self._begin(layer)
        series = series_for(self.series, layer, source, settings, frames, spacing)
        first = [True]

        def take(results: list[Result]) -> None:
            self._add(series, results)
            there = [r.frame for r in results]
            if shown in there or first[0]:
                self.select(series, shown if shown in there else there[0], "run")
            first[0] = False

        def make(token: workers.Token) -> Iterator[Any]:
            return work.segment_frames(source, settings, list(frames), series.spacing, token)

        self._run(series, make, take, len(frames))
        return series

    def segment_volume(self, layer: Any, settings: SegmentSettings, slices: Sequence[int] | None = None) -> Series:
        """Segment an image layer as one volume in the background.

        Parameters
        ----------
        layer : napari.layers.Image
            Shape (slices, rows, columns), or (rows, columns) for a single slice.
        settings : SegmentSettings
        slices : sequence of int, optional
            Only these slices. Where the model has a result already, they are put into its mask.

        Raises
        ------
        FetalSegError
            If the layer can't be a volume, or a run is going on.
        """
        source, spacing = self._begin(layer)
        source.check_volume()
        there = merges_into(self.series, layer, source, settings) if slices is not None else None
        series = there or series_for(self.series, layer, source, settings, [0], spacing)
        # What a slice's regions belong to is known beside their neighbours only: until then nothing is a speck.
        asked = replace(settings, smallest_lesion_voxels=0) if there else settings

        def take(results: list[Result]) -> None:
            base = series.base(0)
            if slices is None or base is None:
                self._add(series, results)
            else:
                for number in slices:
                    found = results[0].segmentation.mask[number]
                    self._queue(Edit(series, 0, "slice", (number, found)))
            self.select(series, 0, "run", self.lesion if self.selection == (series, 0) else ALL)

        def make(token: workers.Token) -> Iterator[Any]:
            wanted = None if slices is None else list(slices)
            return work.segment_volume(source, asked, wanted, series.spacing, token)

        self._run(series, make, take, series.geometry.frames if slices is None else len(slices))
        return series

    def _begin(self, layer: Any) -> tuple[Source, Spacing | None]:
        if self.running:
            raise FetalSegError("A run is going on; wait for it or press Cancel.")
        source = Source.of(layer)
        try:
            return source, self.spacing(layer)
        except SpacingError as error:
            self.failed.emit(error)
            return source, None

    def _run(self, series: Series, make: workers.Make, take: Callable[[list[Result]], None], total: int) -> None:
        """Run in the background; what it yields goes to `take`."""
        begun = [time.monotonic()]
        done = [0]

        def item(value: Any) -> None:
            if isinstance(value, work.Loaded):
                begun[0] = time.monotonic()
                self.loaded.emit(value.text)
            elif isinstance(value, work.Done):
                done[0] = value.slices
            else:
                done[0] = total if series.volume else done[0] + len(value)
                take(value)
            self.progressed.emit(done[0], total, time.monotonic() - begun[0])

        def end(how: workers.End, error: Exception | None) -> None:
            self._job = self._running = None
            if error is not None:
                self.failed.emit(error)
            self.ended.emit(how)

        self._running = series
        self.started.emit(series, total)
        self._job = workers.start(make, item, end)

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
        if self._job is not None:
            self._job.drop()
        self._job = self._running = None
        self.edits.drop()

    def adopt(
        self,
        layer: Any,
        results: Sequence[Result],
        settings: SegmentSettings,
        spacing: Spacing | None,
        instead_of: Series | None = None,
    ) -> Series:
        """Take results of an image layer that were made elsewhere, in the place of a series that goes.

        Raises
        ------
        FetalSegError
            If the layer can't be a scan.
        """
        self._spacings[layer] = spacing
        series = series_for(self.series, layer, Source.of(layer), settings, [r.frame for r in results], spacing)
        if instead_of is not None:
            self.handed.emit(instead_of, series)
        self._add(series, list(results))
        if instead_of is not None:
            self.drop(instead_of)
        return series

    def _add(self, series: Series, results: list[Result]) -> None:
        if not series.volume:
            results = [work.at_spacing(r, series.spacing) for r in results]
        if series not in self.series:
            self.series.append(series)
        for result in results:
            series.results[result.frame] = result
        self.added.emit(series, [r.frame for r in results])
        self._rescale(series)

    # Editing

    def edit_mask(self, series: Series, frames: Mapping[int, NDArray[Any]]) -> None:
        """Measure masks that a person changed."""
        for frame, mask in frames.items():
            self._queue(Edit(series, frame, "mask", mask))

    def edit_ellipse(self, series: Series, frame: int, ellipse: Ellipse) -> None:
        """Measure an ellipse that a person changed; the mask stays."""
        self._queue(Edit(series, frame, "ellipse", ellipse))

    def edit_calipers(self, series: Series, lesion: str, calipers: tuple[Caliper, ...]) -> None:
        """Measure a lesion's diameters that a person moved; the mask stays."""
        self._queue(Edit(series, 0, "calipers", calipers, lesion))

    def number_lesions(self, series: Series) -> None:
        """Number the lesions of a volume by connected region, the largest first."""
        self._queue(Edit(series, 0, "number", None))

    def ellipse_to_mask(self, series: Series, frame: int, ellipse: Ellipse | None = None) -> None:
        """Make a frame's ellipse its mask, or another one, in pixels, both ellipse and mask."""
        self._queue(Edit(series, frame, "convert", ellipse))

    def ellipse_from_mask(self, series: Series, frame: int) -> None:
        """Fit the ellipse to the mask again, after a person moved it; it can be undone on the mask."""
        self._queue(Edit(series, frame, "fit", None))

    def revert(self, series: Series, frame: int) -> None:
        """Go back to the model's own result; the edit can be undone on the mask."""
        result = series.base(frame)
        if series.volume:
            self._queue(Edit(series, frame, "revert", None))
        elif result is not None:
            self._put(series, frame, work.at_spacing(work.original(result), series.spacing), "revert")

    def erase(self, series: Series, lesions: Sequence[str]) -> None:
        """Erase lesions of a volume from its mask; it can be undone there."""
        for lesion in lesions:
            self._queue(Edit(series, 0, "erase", None, lesion))

    def delete(self, series: Series, frames: Sequence[int]) -> None:
        """Take results out of the table and off the picture."""
        gone = [f for f in frames if f in series.results]
        for frame in gone:
            series.deleted[frame] = series.results.pop(frame)
        if self.selection is not None and self.selection[0] is series and self.selection[1] in gone:
            self.select(None, None, "row")
        self.removed.emit(series, gone)

    def drop(self, series: Series) -> None:
        """Take all results of a series away for good: no edit that is still being measured brings one back."""
        self.delete(series, list(series.results))
        series.deleted.clear()

    def _queue(self, edit: Edit) -> None:
        if edit.series.base(edit.frame) is None:
            self.told.emit(f"Frame {edit.frame} of {edit.series.title} has no result yet: segment it first.")
            return
        self.edits.put(edit)
        self.touched.emit(edit.series, edit.frame)
        self.edits.work()

    def _measured(self, edit: Edit, result: Result | None) -> None:
        if result is not None:
            if not edit.series.volume:
                result = work.at_spacing(result, edit.series.spacing)
            self._put(edit.series, edit.frame, result, edit.change)
        self._rescale(edit.series)

    def _put(self, series: Series, frame: int, result: Result, change: Change) -> None:
        known = series.put(frame, result, change)
        if self.selection == (series, frame) and self.lesion not in (rows := lesions(result)):
            self.lesion = rows[0]  # the lesion is gone
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
                if series.volume:
                    self._rescale(series)
                    continue
                series.results = {f: work.at_spacing(r, series.spacing) for f, r in series.results.items()}
                self.changed.emit(series, list(series.results), "scale")
        self.spacing_changed.emit(layer)

    def _rescale(self, series: Series) -> None:
        """Bring a volume to the series' present spacing, in the background: all of its mask is measured."""
        result = series.results.get(0)
        if series.volume and result is not None and result.spacing != series.spacing:
            self._queue(Edit(series, 0, "scale", series.spacing))

    # Selecting

    def select(self, series: Series | None, frame: int | None, chooser: Chooser, lesion: str = "") -> None:
        """Select a result, or nothing; of a volume a lesion, or all of it."""
        chosen = (series, frame) if series is not None and frame is not None and frame in series.results else None
        if chosen is not None:
            there = lesions(chosen[0].results[chosen[1]])
            lesion = lesion if lesion in there else there[0]
        if chosen == self.selection and (lesion == self.lesion or chooser == "frame") and chooser in ("frame", "layer"):
            return
        self.selection = chosen
        self.lesion = lesion if chosen is not None else ""
        self.selected.emit(*(chosen or (None, None)), chooser)

    def selected_result(self) -> Result | None:
        """Return the selected result; of a volume as a whole."""
        return None if self.selection is None else self.selection[0].results.get(self.selection[1])

    def rows(self) -> list[tuple[Series, int]]:
        """Return all results, by series and frame."""
        return [(s, f) for s in self.series for f in sorted(s.results)]

    def table(self) -> list[tuple[Series, int, str]]:
        """Return all rows of the table: a result's, or those of a volume and its lesions."""
        return [(s, f, lesion) for s, f in self.rows() for lesion in lesions(s.results[f])]
