"""Segment files and folders: reading, network and writing overlap; each scan is on disk before the next is.

`Batch` is what the doors use. It plans, hands out one scan at a time, records what became of it, and writes the
tables: `Batch.events` does all of it in this process; the workers of `fetalseg.batch.cluster` do what `Batch.plan`
returns, and what comes back goes to `Batch.record`. One bad file never stops the others: it gets a row with its reason.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from fetalseg import tasks
from fetalseg.batch import watch
from fetalseg.batch.output import Output
from fetalseg.batch.work import Item, Outcome, Work, Worker, picture_of
from fetalseg.errors import Cancelled, SettingsError
from fetalseg.io import folders
from fetalseg.pipeline import Cancel, Progress
from fetalseg.report import manifest, parquet
from fetalseg.result import Result
from fetalseg.settings import BACKEND_TITLES, BatchSettings, GrowthSettings, SegmentSettings

__all__ = ["Batch", "Event", "Item", "Outcome", "Summary", "Worker", "run"]

#: Called with each scan's name and its results, or the sentence of its failure.
Heard = Callable[[str, Sequence[Result], str], None]

# Scans that are read before their turn, and that wait to be written: enough to overlap, few enough for any memory.
_AHEAD, _BEHIND = 2, 2
_PAUSED_S = 0.05


@dataclass(frozen=True, eq=False)
class Event:
    """What happened to a scan.

    Parameters
    ----------
    kind : {"started", "done", "failed", "unchanged"}
        *unchanged* is what an earlier run did already; its rows come along.
    name : str
        Of the scan, as in the table's column ``file``.
    done, failed, total : int
        How many are through by now (failures too), how many of them failed, and how many there are.
    rows : tuple of dict
        Of the table; what is empty is left out. One a frame, or one for a volume and one a lesion.
    picture : Path or None
        The side-by-side picture, for a thumbnail.
    error : str
        The sentence, where it failed.
    warnings : tuple of str
        What was asked for and could not be given, such as a centile.
    results : sequence of Result
        Where this process segmented it just now; else empty: the rows and files tell all. Whoever keeps them keeps
        the masks of all scans in memory.
    """

    kind: Literal["started", "done", "failed", "unchanged"]
    name: str
    done: int = 0
    failed: int = 0
    total: int = 0
    rows: tuple[dict[str, str], ...] = ()
    picture: Path | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    results: Sequence[Result] = ()


@dataclass
class Summary:
    """What a run did.

    Parameters
    ----------
    files, frames, failed, empty, skipped, unchanged, left : int
        Inputs, their frames (or volumes), inputs that failed, frames without a finding, files of no known kind,
        inputs that an earlier run did, and inputs that a stopped run did not come to.
    elsewhere : int
        Scans that earlier runs put into the same folder and that are no inputs of this run.
    errors : list of (name, sentence)
    warnings : list of str
        What was asked for and could not be given, such as a centile.
    ran : str
        What the network ran by, in words; empty where it was not needed.
    """

    files: int = 0
    frames: int = 0
    failed: int = 0
    empty: int = 0
    skipped: int = 0
    unchanged: int = 0
    left: int = 0
    elsewhere: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ran: str = ""


class Batch:
    """A run over files and folders into an output folder.

    A context: it holds the folder's lock, and writes the tables at its end, whatever happened.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders.
    out : Path
        Gets ``measurements.csv`` and ``.parquet``, ``masks/``, ``overlays/``, where asked for ``sr/``, where some
        failed ``errors.csv``, ``run.json``, and ``journal.jsonl``, by which another run goes on.
    settings : SegmentSettings
    batch : BatchSettings, optional
    growth : GrowthSettings, optional
        The chart that heads are assessed on where `batch` names exams.
    command : str
        As typed, for ``run.json``.
    overwrite : bool
        Do all anew, also what an earlier run did with the same input, model and settings. A mask that a person
        corrected stays even so.
    watching : bool
        Wait for files to arrive in the folders; see `events`. What left the folders keeps its rows.

    Raises
    ------
    SettingsError, ModelError
        If the inputs hold no scan, or model, exams, chart or spacing csv can't be used.
    OutputError
        If the output can't be written, another run is writing to it, or it holds results of another task.

    Examples
    --------
    >>> with Batch([folder], out, SegmentSettings()) as batch:  # doctest: +SKIP
    ...     for event in batch.events():
    ...         print(event.kind, event.name)
    """

    def __init__(
        self,
        inputs: Sequence[Path],
        out: Path,
        settings: SegmentSettings,
        batch: BatchSettings | None = None,
        *,
        growth: GrowthSettings | None = None,
        command: str = "",
        overwrite: bool = False,
        watching: bool = False,
    ) -> None:
        batch = batch or BatchSettings()
        if batch.parquet:
            parquet.demand()
        self.worker = Worker(Path(out), settings, batch, growth or GrowthSettings())
        self.summary = Summary()
        self._watching, self._inputs, self._overwrite = watching, [Path(path) for path in inputs], overwrite
        self._arrivals = watch.Arrivals(self._inputs, settings, batch) if watching else None
        found = folders.Inputs(()) if watching else self._expand()
        if not found.items and not watching:
            raise SettingsError("There is nothing to segment: give files or folders.")
        by = self.worker.by
        model = (self.worker.model, self.worker.model_sha256)
        record = manifest.Manifest(out, command, settings, model, batch, by.to_dict() if by else None)
        self._output = Output(Path(out), settings, batch, record)
        if watching:
            self._output.take_all()
        self._planned = self.add(found)
        self.summary.elsewhere = self._output.elsewhere

    def _expand(self) -> folders.Inputs:
        batch = self.worker.batch
        volumes = tasks.get(self.worker.settings.task).VOLUME
        return folders.expand(
            self._inputs, batch.pattern, volumes=volumes, series=batch.series, instances=batch.instances
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.finish()
        except Exception:
            if kind is None:  # what ended the run tells more than tables that can't be written
                raise

    def plan(self) -> list[Item]:
        """Return all scans, in the order of their names; what is done already is found when it is read."""
        return list(self._planned)

    def add(self, found: folders.Inputs) -> list[Item]:
        """Take up inputs, and return them as scans to be done."""
        items = self._output.items(sorted(found.items, key=lambda item: item.name), anew=self._overwrite)
        self.summary.skipped += found.skipped
        _ = self._numbers
        return items

    def record(self, outcome: Outcome, results: Sequence[Result] = ()) -> Event:
        """Note what became of a scan, on disk when this returns; call it from one thread at a time.

        Now and then the tables are written anew.

        Parameters
        ----------
        outcome : dict
            What `Worker.do` returned. One that comes twice, from a worker that was thought lost, counts once.
        results : sequence of Result
            Handed on in the event.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        known, first = self._output.record(outcome)
        unchanged, status = outcome["status"] == "unchanged", known["status"]
        if ran := outcome.get("ran"):
            self.summary.ran = f"{BACKEND_TITLES.get(ran['backend'], ran['backend'])} on {ran['device'].upper()}"
        if first:
            self._tell(known)
        kind: Literal["failed", "unchanged", "done"]
        kind = "failed" if status == "error" else "unchanged" if unchanged else "done"
        self._output.refresh(self.summary.skipped)
        picture = picture_of(self.worker.out, known["stem"])
        return Event(
            kind,
            known["name"],
            *self._numbers,
            rows=tuple(known.get("rows", ())),
            picture=picture if kind != "failed" and self.worker.batch.overlays else None,
            error=known.get("error", ""),
            warnings=tuple(known.get("warnings", ())),
            results=results,
        )

    def _tell(self, known: Mapping[str, Any]) -> None:
        self.summary.warnings += known.get("warnings", ())
        if known["status"] == "error":
            self.summary.errors.append((known["name"], known["error"]))

    @property
    def _numbers(self) -> tuple[int, int, int]:
        """How many are done, failed, and there; the summary is kept up with it."""
        counts, summary = self._output.counts, self.summary
        summary.files, summary.failed, summary.frames = counts["files"], counts["failed"], counts["frames"]
        summary.empty, summary.unchanged = counts["empty_frames"], counts["unchanged"]
        summary.left = counts["files"] - counts["done"]
        return counts["done"], counts["failed"], counts["files"]

    def finish(self) -> None:
        """Write the tables, close the journal, and let go of the folder; a second call does nothing.

        Raises
        ------
        OutputError
        """
        self._output.close(self.summary.skipped)

    def events(self, cancel: Cancel | None = None, pause: Cancel | None = None) -> Iterator[Event]:
        """Do all scans here, and yield what happens to each.

        A *started* comes before the scan's network; *done*, *failed* or *unchanged* once it is on disk, in the same
        order. While watching it does not end by itself, and the model is loaded before anything has arrived.

        Parameters
        ----------
        cancel : token, optional
            Checked between frames. What was finished is kept and whole, and told of before this raises.
        pause : token, optional
            While it is set no further scan is begun.

        Raises
        ------
        Cancelled
        OutputError
            If the disk is full.
        ModelError, DeviceError
            If the model can't be loaded.
        """
        items: Iterable[Item | None] = self._planned if self._arrivals is None else self._arriving(cancel)
        with ThreadPoolExecutor(1) as writing:
            waiting: deque[Future[Event]] = deque()
            try:
                for work in self._read_ahead(items):
                    if work is None:
                        yield from _ready(waiting, 0)
                        self._output.refresh(self.summary.skipped, idle=True)
                        continue
                    if pause is not None and pause.is_set():
                        yield from _ready(waiting, 0)
                        _hold(pause, cancel)
                    yield Event("started", work.item.name, *self._numbers)
                    work = self.worker.segment(work, cancel)
                    yield from _ready(waiting, _BEHIND)
                    waiting.append(writing.submit(self._finish_one, work))
                yield from _ready(waiting, 0)
            except Cancelled:
                yield from _ready(waiting, 0)
                raise
            finally:
                for future in waiting:  # what the network did is not thrown away
                    future.exception()

    def _finish_one(self, work: Work) -> Event:
        """Write a scan's files and its line in the journal, behind the network's back."""
        return self.record(self.worker.write(work), work.results)

    def _read_ahead(self, items: Iterable[Item | None]) -> Iterator[Work | None]:
        """Yield each scan while the next is being read; None where there is none for the moment."""
        with ThreadPoolExecutor(1) as reading:
            waiting: deque[Future[Work]] = deque()
            try:
                for item in items:
                    if item is not None:
                        waiting.append(reading.submit(self.worker.read, item))
                    while waiting and (item is None or len(waiting) > _AHEAD):
                        yield waiting.popleft().result()
                    if item is None:
                        yield None
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _arriving(self, cancel: Cancel | None) -> Iterator[Item | None]:
        assert self._arrivals is not None
        self.worker.warm_up()
        for found in self._arrivals.wait(cancel):
            if found.items or found.skipped:
                yield from self.add(found)
            yield None


def _ready(waiting: deque[Future[Event]], left: int) -> Iterator[Event]:
    """Yield the events of what is written; wait until no more than `left` are under way."""
    while waiting and (len(waiting) > left or waiting[0].done()):
        yield waiting.popleft().result()


def _hold(pause: Cancel, cancel: Cancel | None) -> None:
    while pause.is_set():
        if cancel is not None and cancel.is_set():
            raise Cancelled()
        time.sleep(_PAUSED_S)


def run(
    inputs: Sequence[Path],
    out: Path,
    settings: SegmentSettings,
    batch: BatchSettings | None = None,
    *,
    growth: GrowthSettings | None = None,
    command: str = "",
    overwrite: bool = False,
    progress: Progress = lambda done, total, text: None,
    cancel: Cancel | None = None,
    heard: Heard = lambda name, results, error: None,
) -> Summary:
    """Segment all inputs into an output folder; parameters and errors are those of `Batch` and `Batch.events`.

    Parameters
    ----------
    progress : callable
        Called as (done, total, text) before each scan.
    heard : callable
        Told of each scan as it is done.
    """
    with Batch(inputs, out, settings, batch, growth=growth, command=command, overwrite=overwrite) as made:
        for event in made.events(cancel):
            if event.kind == "started":
                progress(event.done, event.total, event.name)
            else:
                heard(event.name, event.results, event.error)
        progress(made.summary.files, made.summary.files, "")
        return made.summary
