"""A run in the background: what the engine tells, as the dock hears it. No widgets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psygnal import Signal

from fetalseg.batch.run import Batch, Event, Item, Summary
from fetalseg.batch.telling import Rate
from fetalseg.errors import Cancelled
from fetalseg.report import page
from fetalseg.report.page.folder import Case, case_of
from napari_fetalseg import workers
from napari_fetalseg.batch.choice import Choice

#: What ``run.json`` says instead of a command line.
_COMMAND = "napari, Batch dock"


@dataclass(frozen=True)
class Step:
    """A scan was begun, or is through: an event without its masks, which would fill the memory.

    Parameters
    ----------
    event : Event
    case : Case or None
        Its row; None where it was begun.
    ran : str
        What the network ran by so far.
    """

    event: Event
    case: Case | None
    ran: str


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Parameters
    ----------
    choice : Choice
    summary : Summary
    stopped : bool
        By a person.
    report : Path or None
    """

    choice: Choice
    summary: Summary
    stopped: bool
    report: Path | None = None


@dataclass(frozen=True)
class _Planned:
    items: dict[str, Item]


class Runner:
    """Runs a choice, one at a time.

    Signals run in the GUI thread.

    Attributes
    ----------
    choice : Choice or None
        Of the run that goes on, or was the last.
    items : mapping of str to Item
        Its scans, by name.
    rate : Rate
    """

    planned = Signal(int)  # number of scans
    stepped = Signal(object)  # Step
    reporting = Signal(int, int)  # the report: cases done, total
    ended = Signal(object)  # Ended, or None after an error
    failed = Signal(object)  # exception

    def __init__(self) -> None:
        self.choice: Choice | None = None
        self.items: Mapping[str, Item] = {}
        self.rate = Rate()
        self._job: workers.Job | None = None
        self._pause = threading.Event()

    @property
    def running(self) -> bool:
        """Whether a run is going on, or ending."""
        return self._job is not None

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._job is not None and self._job.token.is_set()

    @property
    def paused(self) -> bool:
        """Whether it was told to pause."""
        return self._pause.is_set()

    def start(self, choice: Choice) -> None:
        """Start a run."""
        assert not self.running
        self.choice, self.items, self.rate = choice, {}, Rate()
        self._pause = pause = threading.Event()
        self._job = workers.start(lambda token: _run(choice, token, pause), self._take, self._end)

    def pause(self) -> None:
        """Begin no further scan, or go on."""
        if self.paused:
            self._pause.clear()
            self.rate.go_on()
        else:
            self._pause.set()
            self.rate.hold()

    def cancel(self) -> None:
        """Stop; what is finished stays. Its end is waited for: until then the folder is held."""
        if self._job is not None:
            self._job.token.set()

    def drop(self) -> None:
        """Stop, and tell nobody: the dock is going away."""
        if self._job is not None:
            self._job.drop()
        self._job = None

    def _take(self, item: Any) -> None:
        if isinstance(item, _Planned):
            self.items, self.rate = item.items, Rate()
            if self.paused:
                self.rate.hold()
            self.planned.emit(len(item.items))
        elif isinstance(item, Step):
            self.stepped.emit(item)
        elif isinstance(item, Ended):
            self._job = None
            self.ended.emit(item)
        else:
            self.reporting.emit(*item)

    def _end(self, _how: workers.End, error: Exception | None) -> None:
        if error is not None:
            self.failed.emit(error)
        if self._job is not None:
            self._job = None
            self.ended.emit(None)


def _run(choice: Choice, token: workers.Token, pause: threading.Event) -> Iterator[Any]:
    """Run; it tells instead of yielding, so that napari's own end can't leave it suspended between two scans."""
    stopped = True
    with Batch(
        [choice.folder],
        choice.out,
        choice.settings,
        choice.batch,
        growth=choice.growth,
        command=_COMMAND,
        overwrite=choice.anew,
    ) as batch:
        items = {item.name: item for item in batch.plan()}
        token.tell(_Planned(items))
        with suppress(Cancelled):
            for event in batch.events(token, pause):
                token.tell(_step(choice, items, event, batch.summary.ran))
            stopped = False
    report = None
    with suppress(Cancelled):
        if choice.report and not stopped:
            report = make_report(choice.out, token)
    yield Ended(choice, batch.summary, stopped, report)


def make_report(out: Path, token: workers.Token) -> Path:
    """Make a run's report, and tell how far it is.

    Raises
    ------
    Cancelled, UnreadableError, OutputError
    """

    def tick(done: int, total: int, _name: str) -> None:
        if token.is_set():
            raise Cancelled()
        token.tell((done, total))

    return page.write(out, tick=tick).path


def _step(choice: Choice, items: Mapping[str, Item], event: Event, ran: str) -> Step:
    case = None
    if event.kind != "started":
        told = {"warnings": list(event.warnings)}
        stem = items[event.name].stem
        case = case_of(choice.out, stem, event.rows, choice.settings.task, told)
    light = Event(event.kind, event.name, event.done, event.failed, event.total, error=event.error)
    return Step(light, case, ran)
