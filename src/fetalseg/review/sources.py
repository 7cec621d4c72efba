"""Where a queue comes from: scans are put into the data set to wait there, with what a model drew.

From a folder of scans, which are segmented as they come; from what ``fetalseg segment`` wrote; from results that are
open. What is in the data set already is met again, and what a person decided there stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fetalseg import tasks
from fetalseg.dataset import folder as datasets
from fetalseg.dataset.adding import Coming, New, Report, add
from fetalseg.dataset.annotation import Prediction
from fetalseg.dataset.layouts import ImportOptions
from fetalseg.dataset.layouts import results as layout
from fetalseg.dataset.layouts.common import exam_of, with_spacing
from fetalseg.dataset.store import Store
from fetalseg.errors import Cancelled, DatasetError, FetalSegError
from fetalseg.io import folders
from fetalseg.pipeline import Cancel, Pipeline
from fetalseg.result import Result
from fetalseg.scan import Scan
from fetalseg.settings import SegmentSettings

_log = logging.getLogger(__name__)
# A lock, and the whole table, are written for what came together in so many seconds.
_TOGETHER_S = 1.0


@dataclass
class Filled:
    """How far the queue is filled: `done` of `total` scans, 0 where the total is not known."""

    done: int
    total: int
    report: Report = field(default_factory=Report)


def fill(store: Store, coming: Iterable[Coming], total: int = 0, cancel: Cancel | None = None) -> Iterator[Filled]:
    """Put scans into the data set as they come; yield now and then how far it is.

    Raises
    ------
    OutputError
        If the data set can't be written; what was added before stays.
    Cancelled
    """
    told = Filled(0, total)
    chunk: list[Coming] = []
    last = time.monotonic()
    for new in coming:
        if cancel is not None and cancel.is_set():
            raise Cancelled()
        chunk.append(new)
        told.done += 1
        if time.monotonic() - last > _TOGETHER_S:
            _add(store, chunk, told.report)
            chunk, last = [], time.monotonic()
            yield told
    _add(store, chunk, told.report)
    yield told


def _add(store: Store, chunk: Sequence[Coming], report: Report) -> None:
    if not chunk:
        return
    more = add(store, chunk)
    for outcome, number in more.counts.items():
        report.counts[outcome] += number
    report.told += more.told


def list_scans(store: Store, folder: Path, pattern: str | None = None) -> list[folders.Input]:
    """Return the scans of a folder, for the data set's task.

    Raises
    ------
    DatasetError
        If it holds none, or is a data set itself.
    """
    if datasets.is_one(folder):
        raise DatasetError(f"{folder} is an annotation data set itself: choose it as the data set.")
    found = folders.expand([folder], pattern=pattern, volumes=tasks.get(store.task).VOLUME).items
    if not found or all(item.error for item in found):
        raise DatasetError(found[0].error if found else f"{folder} holds no scan.")
    return list(found)


def scans(
    store: Store, inputs: Sequence[folders.Input], settings: SegmentSettings, cancel: Cancel | None = None
) -> Iterator[Coming]:
    """Yield the scans of a folder with what the model draws on them, frame by frame; see `list_scans`.

    What the data set has a drawing of already, by a model or by a person, is not segmented again.
    """
    volume = tasks.get(store.task).VOLUME
    stems = folders.stems([item.name for item in inputs])
    pipeline: Pipeline | None = None
    try:
        pipeline = Pipeline.load(settings)
    except FetalSegError as error:  # the scans wait without a drawing
        yield "The model", str(error)
    for item in inputs:
        try:
            scan = with_spacing(item.read(), ImportOptions())
        except FetalSegError as error:
            yield item.name, str(error)
            continue
        known = _known(store)
        for frame in [None] if volume else range(scan.frames):
            of_loop = frame if scan.frames > 1 else None
            new = _new(scan, stems[item.name], exam_of(Path(item.name), volume=volume), of_loop)
            if pipeline is not None and (new.sha256, new.frame or 0) not in known:
                wanted = None if frame is None else [frame]
                try:
                    result = next(iter(pipeline.segment(scan, frames=wanted, cancel=cancel)))
                    new = replace(new, prediction=Prediction.of_result(result))
                except Cancelled:
                    raise
                except FetalSegError:  # it waits without a drawing; when it is looked at the sentence is shown
                    _log.exception("segmenting %s", item.name)
            yield new


def _known(store: Store) -> set[tuple[str, int]]:
    """What a model has drawn, or a person has decided, by file and frame."""
    rows = store.table().rows.values()
    return {
        (row["source_sha256"], int(row["frame"] or 0)) for row in rows if row["prediction"] or row["state"] != "to-do"
    }


def _new(scan: Scan, stem: str, group: str, frame: int | None) -> New:
    if frame is None:
        return New(scan, stem, group)
    return New(scan, f"{stem}_f{frame:04d}", group, frame)


def images_of(results: Path) -> Path | None:
    """Return the folder that holds the scans of some results, where it lies beside them; None where it must be asked.

    Raises
    ------
    DatasetError
        If the folder holds no results.
    """
    names = layout.names(results)
    near = [results, results.parent, *sorted(p for p in results.parent.iterdir() if p.is_dir())]
    return next((folder for folder in near if all((folder / name).exists() for name in names[:3])), None)


def results(store: Store, folder: Path, images: Path) -> Iterator[Coming]:
    """Yield what ``fetalseg segment`` wrote, with its masks; see `fetalseg.dataset.layouts.results`."""
    return layout.scans(store, folder, ImportOptions(images=images))


def opened(store: Store, found: Iterable[tuple[Scan, Result, int | None]]) -> Iterator[Coming]:
    """Yield results that are open.

    Parameters
    ----------
    store : Store
    found : iterable of (Scan, Result, int or None)
        A scan of one frame, or a volume, its result, and which frame of a loop it is. That of a loop has no path: its
        file holds the other frames as well.
    """
    volume = tasks.get(store.task).VOLUME
    for scan, result, frame in found:
        if result.task != store.task:
            yield scan.name, f"{scan.name}: the result is of the task '{result.task}', the data set of '{store.task}'."
            continue
        stem = folders.stems([scan.name])[scan.name]
        new = _new(scan, stem, exam_of(Path(scan.name), volume=volume), frame)
        own = "" if scan.path is not None else (result.scan_sha256 or "")
        yield replace(new, prediction=Prediction.of_result(result), source_sha256=own)
