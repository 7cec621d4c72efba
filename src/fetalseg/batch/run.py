"""Segment files and folders: reading, network and writing overlap; each scan is on disk before the next is.

One bad file never stops the others: it gets a row with its reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fetalseg import tasks
from fetalseg.errors import Cancelled, FetalSegError, SettingsError, SpacingError
from fetalseg.io import atomic, folders, spacing_csv, volumes
from fetalseg.pipeline import Cancel, Pipeline, Progress
from fetalseg.report import manifest, montage, overlay, table
from fetalseg.result import Result, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import BatchSettings, SegmentSettings

_log = logging.getLogger(__name__)

#: Called with each scan's name and its results, or the sentence of its failure.
Heard = Callable[[str, Sequence[Result], str], None]


@dataclass
class Outcome:
    """What a run did.

    Parameters
    ----------
    files, frames, failed, empty, skipped : int
        Inputs, their frames, inputs that failed, frames without a finding, files of no known kind.
    errors : list of (name, sentence)
    """

    files: int = 0
    frames: int = 0
    failed: int = 0
    empty: int = 0
    skipped: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)


def run(
    inputs: Sequence[Path],
    out: Path,
    settings: SegmentSettings,
    batch: BatchSettings | None = None,
    *,
    command: str = "",
    progress: Progress = lambda done, total, text: None,
    cancel: Cancel | None = None,
    heard: Heard = lambda name, results, error: None,
) -> Outcome:
    """Segment all inputs into an output folder.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders.
    out : Path
        Gets ``measurements.csv``, ``masks/``, ``overlays/`` and ``run.json``.
    settings : SegmentSettings
    batch : BatchSettings, optional
    command : str
        As typed, for ``run.json``.
    progress : callable
        Called as (done, total, text) before each scan.
    cancel : token, optional
        Checked between frames. What was finished is kept and whole.
    heard : callable
        Told of each scan as it is done.

    Raises
    ------
    SettingsError
        If the inputs hold no scan.
    OutputError
        If the output can't be written.
    Cancelled
    """
    batch = batch or BatchSettings()
    as_volumes = tasks.get(settings.task).VOLUME
    found = folders.expand(inputs, pattern=batch.pattern, volumes=as_volumes, series=batch.series)
    if not found.items:
        raise SettingsError("There is nothing to segment: give files or folders.")
    if batch.spacing_csv is not None:
        try:
            spacing_csv.lookup(Path(batch.spacing_csv), "")
        except SpacingError as unreadable:  # wrong usage, before the run starts
            raise SettingsError(str(unreadable)) from unreadable
    pipeline = Pipeline.load(settings)
    stems = folders.stems([item.name for item in found.items])
    outcome = Outcome(files=len(found.items), skipped=found.skipped)
    record = manifest.Manifest(out, command, pipeline, batch)
    with (
        table.MeasurementsWriter(out / "measurements.csv", task=settings.task, model=pipeline.provenance.model) as rows,
        ThreadPoolExecutor(1) as writing,
    ):
        written: Future[None] | None = None
        try:
            for number, (name, scan) in enumerate(_read_ahead(found.items, batch)):
                progress(number, len(found.items), name)
                results, error = _segment(pipeline, scan, name, cancel)
                if written is not None:
                    written.result()
                # Written behind the network's back: the row goes with the files.
                written = writing.submit(_write, out, stems[name], name, scan, results, error, batch, rows)
                empty = _count(outcome, results, name, error)
                record.add(scan if isinstance(scan, Scan) else None, name, error, empty=empty)
                heard(name, results, error)
        finally:
            if written is not None:
                written.result()
            rows.finish()
            record.write(outcome.files, outcome.frames, outcome.failed, outcome.empty, outcome.skipped)
    progress(len(found.items), len(found.items), "")
    return outcome


def _read_ahead(items: Sequence[folders.Input], batch: BatchSettings) -> Iterator[tuple[str, Scan | FetalSegError]]:
    """Yield each scan, or why it can't be read, while the next is being read."""
    with ThreadPoolExecutor(1) as reading:
        waiting: list[tuple[str, Future[Scan | FetalSegError]]] = []
        try:
            for item in items:
                waiting.append((item.name, reading.submit(_read, item, batch)))
                if len(waiting) > 2:
                    ready, future = waiting.pop(0)
                    yield ready, future.result()
            while waiting:
                ready, future = waiting.pop(0)
                yield ready, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _read(item: folders.Input, batch: BatchSettings) -> Scan | FetalSegError:
    name = item.name
    try:
        scan = item.read()
        return scan.with_spacing(choose_spacing(scan, batch))
    except FetalSegError as error:
        return error
    except Exception as error:
        _log.exception("reading %s", name)
        return FetalSegError(f"{name} can't be read ({type(error).__name__}: {error}).")


def choose_spacing(scan: Scan, batch: BatchSettings) -> Spacing | None:
    """Return the spacing by the first source that speaks: typed in, the given csv, the file, a csv beside it."""
    if batch.spacing_mm is not None:
        x, y, *between = batch.spacing_mm
        return Spacing(y, x, source="typed in", slice_mm=between[0] if between else None)
    if batch.spacing_csv is not None:
        listed = spacing_csv.lookup(Path(batch.spacing_csv), scan.name)
        if listed is not None:
            return listed
    if scan.spacing is not None or scan.path is None:
        return scan.spacing
    beside = spacing_csv.find_beside(scan.path)
    return spacing_csv.lookup(beside, scan.path) if beside else None


def _segment(
    pipeline: Pipeline, scan: Scan | FetalSegError, name: str, cancel: Cancel | None
) -> tuple[list[Result], str]:
    if isinstance(scan, FetalSegError):
        if cancel is not None and cancel.is_set():
            raise Cancelled()
        return [], str(scan)
    try:
        return list(pipeline.segment(scan, cancel=cancel)), ""
    except Cancelled:
        raise
    except FetalSegError as error:
        return [], str(error)
    except Exception as error:
        _log.exception("segmenting %s", name)
        return [], f"{name} could not be segmented ({type(error).__name__}: {error})."


def _write(
    out: Path,
    stem: str,
    name: str,
    scan: Scan | FetalSegError,
    results: Sequence[Result],
    error: str,
    batch: BatchSettings,
    rows: table.MeasurementsWriter,
) -> None:
    if isinstance(scan, FetalSegError) or not results:
        rows.add_error(name, error)
        return
    if tasks.get(results[0].task).VOLUME:
        _write_volume(out, stem, scan, results[0], batch)
        rows.add(results)
        return
    masks = np.stack([r.segmentation.mask for r in results])
    atomic.write_mask(out / "masks" / f"{stem}_mask.tif", masks.reshape(scan.shape))
    if batch.overlays:
        # Of a stack, the frame that can be trusted most stands for all.
        shown = min(results, key=lambda r: (list(State).index(r.measurement.state), -(r.measurement.confidence or 0)))
        overlay.write_overlay(out / "overlays" / f"{stem}.png", scan.pixels[shown.frame], shown, frames=scan.frames)
    rows.add(results)


def _write_volume(out: Path, stem: str, scan: Scan, result: Result, batch: BatchSettings) -> None:
    """Write a volume's masks in the file's own shape, and the montage of its slices."""
    volumes.write_labels(out, stem, scan, result.segmentation.mask)
    if batch.overlays:
        picture = montage.montage(scan.pixels, result.segmentation.mask, result.measurement, spacing=scan.spacing)
        atomic.write_png(out / "overlays" / f"{stem}.png", picture)


def _count(outcome: Outcome, results: Sequence[Result], name: str, error: str) -> int:
    """Add a scan to the counts; return in how many of its frames nothing was found."""
    empty = sum(not r.measurement.found for r in results)
    outcome.frames += len(results)
    outcome.empty += empty
    if error:
        outcome.failed += 1
        outcome.errors.append((name, error))
    return empty
