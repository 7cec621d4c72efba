"""Segment files and folders: reading, network and writing overlap; each scan is on disk before the next is.

One bad file never stops the others: it gets a row with its reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fetalseg import tasks
from fetalseg.errors import Cancelled, FetalSegError, SettingsError, SpacingError
from fetalseg.io import atomic, folders, spacing_csv, volumes
from fetalseg.pipeline import Cancel, Pipeline, Progress
from fetalseg.report import manifest, montage, overlay, structured, table
from fetalseg.result import Result, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import BatchSettings, GrowthSettings, SegmentSettings

if TYPE_CHECKING:
    from fetalseg.growth.assessment import Assessment
    from fetalseg.growth.exams import Growth

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
    warnings : list of str
        What was asked for and could not be given, such as a centile.
    """

    files: int = 0
    frames: int = 0
    failed: int = 0
    empty: int = 0
    skipped: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Done:
    """A scan that was segmented, or why it was not.

    `assessments` holds one a result where there are exams; `report` is the structured report, encoded.
    """

    name: str
    stem: str
    scan: Scan | FetalSegError
    results: Sequence[Result]
    error: str
    assessments: Sequence[Assessment | None] = ()
    report: bytes | None = None

    @property
    def shown(self) -> int:
        """Of a stack, the frame that can be trusted most stands for all."""
        trust = [(list(State).index(r.measurement.state), -(r.measurement.confidence or 0)) for r in self.results]
        return trust.index(min(trust))

    @property
    def assessment(self) -> Assessment | None:
        """Of the frame that stands for all."""
        return self.assessments[self.shown] if self.assessments else None


def run(
    inputs: Sequence[Path],
    out: Path,
    settings: SegmentSettings,
    batch: BatchSettings | None = None,
    *,
    growth: GrowthSettings | None = None,
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
        Gets ``measurements.csv``, ``masks/``, ``overlays/``, where asked for ``sr/``, and ``run.json``.
    settings : SegmentSettings
    batch : BatchSettings, optional
    growth : GrowthSettings, optional
        The chart that heads are assessed on where `batch` names exams.
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
        If the inputs hold no scan, or the exams or their chart can't be used.
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
    by = _growth(settings, batch, growth or GrowthSettings())
    pipeline = Pipeline.load(settings)
    stems = folders.stems([item.name for item in found.items])
    outcome = Outcome(files=len(found.items), skipped=found.skipped)
    record = manifest.Manifest(out, command, pipeline, batch, by.to_dict() if by else None)
    with (
        table.MeasurementsWriter(out / "measurements.csv", task=settings.task, model=pipeline.provenance.model) as rows,
        ThreadPoolExecutor(1) as writing,
    ):
        written: Future[None] | None = None
        try:
            for number, (name, scan) in enumerate(_read_ahead(found.items, batch)):
                progress(number, len(found.items), name)
                results, error = _segment(pipeline, scan, name, cancel)
                assessments, warnings = _assess(by, scan, results)
                done = _Done(name, stems[name], scan, results, error, assessments)
                done, missing = _report(done, batch)
                warnings += missing
                if written is not None:
                    written.result()
                # Written behind the network's back: the row goes with the files.
                written = writing.submit(_write, out, done, batch, rows, by)
                empty = _count(outcome, results, name, error)
                outcome.warnings += warnings
                record.add(scan if isinstance(scan, Scan) else None, name, error, empty=empty, warnings=warnings)
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
    several = any(region.differs for regions in scan.regions for region in regions)
    if scan.spacing is not None or several or scan.path is None:
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


def _growth(settings: SegmentSettings, batch: BatchSettings, growth: GrowthSettings) -> Growth | None:
    """Return what heads are assessed by; None where no exams are given."""
    if batch.exams is None:
        return None
    if settings.task != "head":
        raise SettingsError(f"Exams date fetal heads in ultrasound; the task is '{settings.task}'. Leave them out.")
    from fetalseg.growth.exams import Growth

    return Growth.load(batch.exams, growth)


def _assess(
    by: Growth | None, scan: Scan | FetalSegError, results: Sequence[Result]
) -> tuple[list[Assessment | None], list[str]]:
    """Return an assessment a result, and what is missing in sentences."""
    if by is None or isinstance(scan, FetalSegError):
        return [], []
    told = [by.assess(result, scan.study_date) for result in results]
    # Frames of a loop lack the same.
    return [assessment for assessment, _ in told], list(dict.fromkeys(text for _, text in told if text))


def _report(done: _Done, batch: BatchSettings) -> tuple[_Done, list[str]]:
    """Add the structured report where one is asked for, or say why there is none."""
    if not batch.sr or isinstance(done.scan, FetalSegError) or not done.results:
        return done, []
    data, why = structured.report(done.scan, done.results[done.shown], done.assessment)
    return replace(done, report=data), [why] if why else []


def _write(out: Path, done: _Done, batch: BatchSettings, rows: table.MeasurementsWriter, by: Growth | None) -> None:
    scan, results = done.scan, done.results
    if isinstance(scan, FetalSegError) or not results:
        rows.add_error(done.name, done.error)
        return
    if tasks.get(results[0].task).VOLUME:
        _write_volume(out, done.stem, scan, results[0], batch)
        rows.add(results)
        return
    masks = np.stack([r.segmentation.mask for r in results])
    atomic.write_mask(out / "masks" / f"{done.stem}_mask.tif", masks.reshape(scan.shape))
    shown = results[done.shown]
    if batch.overlays:
        growth = by.line(done.assessment) if by else ""
        picture = scan.pixels[shown.frame]
        overlay.write_overlay(out / "overlays" / f"{done.stem}.png", picture, shown, frames=scan.frames, growth=growth)
    report = done.report
    if report is not None:
        atomic.atomic_write(out / "sr" / f"{done.stem}_sr.dcm", lambda file: file.write(report))
    rows.add(results, done.assessments)


def _write_volume(out: Path, stem: str, scan: Scan, result: Result, batch: BatchSettings) -> None:
    """Write a volume's masks in the file's own shape, and the montage of its slices."""
    volumes.write_labels(out, stem, scan, result.segmentation.mask)
    if batch.overlays:
        about = overlay.small_print(result)
        picture = montage.montage(
            scan.pixels, result.segmentation.mask, result.measurement, spacing=scan.spacing, about=about
        )
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
