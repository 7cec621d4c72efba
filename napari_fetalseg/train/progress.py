"""How far a training is, as its events tell. No Qt."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from fetalseg.training import events
from napari_fetalseg import processes

# Of the newest steps: what the time left of the first epoch is told from.
_RECENT = 20
_MOST_STEPS = 2000


class Phase(Enum):
    """What a training does."""

    PREPARING = "preparing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # it said why
    DIED = "died"  # it did not

    @property
    def active(self) -> bool:
        """Whether its process is at work."""
        return self in (Phase.PREPARING, Phase.RUNNING)


@dataclass
class Progress:
    """What a training has told since its last start.

    Attributes
    ----------
    about : dict
        Of the start: epochs, steps, device, batch_size, counts, seed.
    rows : list of dict
        An epoch each, as ``curves.csv`` has them.
    steps : list of (float, float)
        Epochs behind, with their fraction, and the loss.
    best : int or None
        The best epoch so far.
    cases : dict
        The newest pictures of validation cases: epoch, files, dice.
    notes : list of str
    reason : str
        Why it ended: done, stopped or early; empty before.
    error : str
    """

    about: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)
    best: int | None = None
    cases: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    reason: str = ""
    error: str = ""
    _seen: list[tuple[float, float]] = field(default_factory=list, repr=False)  # (clock, epochs behind)
    _left: tuple[float, float] | None = field(default=None, repr=False)  # (clock, seconds left then)

    def take(self, told: Iterable[dict[str, Any]]) -> None:
        """Take events; one of a kind that is not known is passed over."""
        for event in told:
            take = getattr(self, f"_take_{event['event']}", None)
            if take is not None:
                take(event)

    @property
    def epochs(self) -> int:
        """How many are asked for; 0 before it is known."""
        return int(self.about.get("epochs", 0))

    @property
    def behind(self) -> float:
        """Epochs that are behind, with the fraction of the one that runs."""
        return max([float(len(self.rows)), *(at for at, _ in self.steps[-1:])])

    def seconds_left(self) -> float | None:
        """Return how long it will take still; None where nothing tells."""
        if self._left is not None:
            return max(0.0, self._left[1] - (time.monotonic() - self._left[0]))
        if len(self._seen) < 2 or not self.epochs:
            return None
        (first, from_), (last, to) = self._seen[0], self._seen[-1]
        return (self.epochs - to) * (last - first) / (to - from_) if to > from_ else None

    def _take_start(self, event: dict[str, Any]) -> None:
        self.__dict__.update(Progress(about=event).__dict__)

    def _take_step(self, event: dict[str, Any]) -> None:
        at = event["epoch"] - 1 + event["step"] / max(1, self.about.get("steps", 1))
        self.steps.append((at, event["loss"]))
        if len(self.steps) > _MOST_STEPS:  # a long training is drawn as quickly as a short one
            self.steps = self.steps[::2]
        self._seen = [*self._seen, (time.monotonic(), at)][-_RECENT:]

    def _take_epoch(self, event: dict[str, Any]) -> None:
        self.rows.append(event)
        if event.get("best"):
            self.best = event["epoch"]
        left = event.get("seconds_left")
        self._left = None if left is None else (time.monotonic(), left)

    def _take_cases(self, event: dict[str, Any]) -> None:
        self.cases = event

    def _take_note(self, event: dict[str, Any]) -> None:
        self.notes.append(event["text"])

    def _take_end(self, event: dict[str, Any]) -> None:
        self.reason = event["reason"]

    def _take_error(self, event: dict[str, Any]) -> None:
        self.error = event["text"]


@dataclass(frozen=True)
class Seen:
    """What a look at a training's folder found.

    Parameters
    ----------
    told : list of dict
        New events.
    alive : bool
        Whether its process lives.
    asked : str
        What it was asked to do: run, pause or stop.
    last_words : str
        The last line of its log, of one that does not live.
    arguments : tuple of str
        Of ``fetalseg``, as the training was started with; empty where nobody knows.
    """

    told: list[dict[str, Any]]
    alive: bool
    asked: str
    last_words: str
    arguments: tuple[str, ...]


@dataclass
class Training:
    """A training's folder, watched.

    Parameters
    ----------
    folder : Path
        What ``fetalseg train`` writes to.
    """

    folder: Path
    progress: Progress = field(default_factory=Progress)
    phase: Phase = Phase.PREPARING
    asked: str = "run"
    last_words: str = ""
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._reader = events.Reader(self.folder)

    def given(self, name: str) -> str:
        """Return what an option of the training's command was given; nothing where it was not."""
        arguments = self.arguments
        return arguments[arguments.index(name) + 1] if name in arguments[:-1] else ""

    def skip(self) -> None:
        """Pass over what was told so far: by a training that went before, in the same folder."""
        self._reader.new()

    def look(self) -> Seen:
        """Look at the folder: for a worker's thread, one at a time."""
        # Before reading: what it wrote before its end is read then. The lock tells of one that was started elsewhere.
        alive = processes.alive(self.folder) or events.running(self.folder)
        told, asked = self._reader.new(), events.Steering(self.folder).asked()
        known = processes.started(self.folder)
        words = "" if alive else processes.last_words(self.folder)
        return Seen(told, alive, asked, words, known.arguments if known is not None else ())

    def take(self, seen: Seen) -> None:
        """Take what a look found."""
        progress = self.progress
        progress.take(seen.told)
        self.asked, self.last_words, self.arguments = seen.asked, seen.last_words, seen.arguments
        if progress.reason:
            self.phase = Phase.DONE
        elif seen.alive:
            self.phase = Phase.RUNNING if progress.about else Phase.PREPARING
        else:
            self.phase = Phase.FAILED if progress.error else Phase.DIED
