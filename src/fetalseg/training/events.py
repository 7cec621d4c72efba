"""A running training tells and obeys through its output folder, so that any process can watch and steer it.

``events.jsonl`` holds one JSON object a line, each flushed as it happens:

=========  ===========================================================================================
``event``  with
=========  ===========================================================================================
start      epochs, steps (an epoch), device, batch_size, counts, seed
step       epoch, step (of the epoch, from 1), loss; at most twice a second
epoch      the row of ``curves.csv``, best (whether it is the best so far), seconds_left
cases      epoch, files (up to four PNG paths relative to the folder, worst first), dice
note       text, such as that the batch was halved
end        reason: done, stopped or early
error      text
=========  ===========================================================================================

A training that goes on writes ``start`` again, then the rows of the epochs that are behind it: what stands before
the last ``start`` is past. ``control.json`` is ``{"do": "run"}``, ``"pause"`` or ``"stop"``, written by whoever steers.
A training that was killed tells no end: `running` knows whether one is at work.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from fetalseg.errors import OutputError
from fetalseg.io.atomic import make_folder, output_error, write_text

EVENTS = "events.jsonl"
CONTROL = "control.json"
_LOCK = ".fetalseg-lock"

Do = Literal["run", "pause", "stop"]
Reason = Literal["done", "stopped", "early"]

_STEPS_APART_S = 0.5
_LOOKS_APART_S = 0.2


class Writer:
    """Appends to a folder's ``events.jsonl``.

    Raises
    ------
    OutputError
        Here and in every method, if the file can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = make_folder(folder) / EVENTS
        self._last_step = -_STEPS_APART_S
        # A training that was killed may have left half a line.
        with contextlib.suppress(OSError):
            if not self._path.read_bytes().endswith(b"\n"):
                self._append("\n")

    def start(
        self, *, epochs: int, steps: int, device: str, batch_size: int, counts: Mapping[str, int], seed: int
    ) -> None:
        """Tell what is about to run."""
        about = {"epochs": epochs, "steps": steps, "device": device, "batch_size": batch_size}
        self._tell("start", {**about, "counts": dict(counts), "seed": seed})

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Tell a step's loss; dropped where the last one told is under half a second old."""
        now = time.monotonic()
        if now - self._last_step >= _STEPS_APART_S:
            self._last_step = now
            self._tell("step", {"epoch": epoch, "step": step, "loss": loss})

    def epoch(self, row: Mapping[str, Any], *, best: bool, seconds_left: float) -> None:
        """Tell an epoch's row of ``curves.csv``."""
        self._tell("epoch", {**row, "best": best, "seconds_left": round(seconds_left, 1)})

    def cases(self, epoch: int, files: Sequence[str], dice: Sequence[float]) -> None:
        """Tell where the pictures of validation cases lie, relative to the folder, the worst first."""
        self._tell("cases", {"epoch": epoch, "files": list(files), "dice": [round(d, 4) for d in dice]})

    def note(self, text: str) -> None:
        """Tell something that a person should know."""
        self._tell("note", {"text": text})

    def end(self, reason: Reason) -> None:
        """Tell that model and card are written."""
        self._tell("end", {"reason": reason})

    def error(self, text: str) -> None:
        """Tell why the training ended without a model."""
        self._tell("error", {"text": text})

    def _tell(self, event: str, values: Mapping[str, Any]) -> None:
        self._append(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            raise output_error(self._path, error) from error


class Reader:
    """Reads a folder's ``events.jsonl`` as it grows.

    Examples
    --------
    >>> reader = Reader(folder)  # doctest: +SKIP
    >>> reader.new()  # what was told since the last call  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._place = 0

    def new(self) -> list[dict[str, Any]]:
        """Return the events since the last call; a line that is still being written waits, a damaged one is left out.

        A file that became shorter is another training's: it is read from its start.
        """
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._place:
                    self._place = 0
                file.seek(self._place)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        found = []
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    found.append(event)
        return found


def latest(folder: Path) -> list[dict[str, Any]]:
    """Return what the latest training of a folder has told, from its ``start`` on; empty where there is none."""
    events = Reader(folder).new()
    starts = [place for place, event in enumerate(events) if event["event"] == "start"]
    return events[starts[-1] :] if starts else events


def steer(folder: Path, do: Do) -> None:
    """Ask the training in a folder to run, pause or stop.

    Raises
    ------
    OutputError
    """
    write_text(folder / CONTROL, json.dumps({"do": do}) + "\n")


def clear(folder: Path) -> None:
    """Forget what was asked of an earlier training."""
    with contextlib.suppress(OSError):
        (folder / CONTROL).unlink()


class Steering:
    """What is asked of the training in a folder; the file is looked at five times a second at most."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CONTROL
        self._looked = -_LOOKS_APART_S
        self._do: Do = "run"

    def asked(self) -> Do:
        """Return what is asked; a missing or damaged file asks to run."""
        now = time.monotonic()
        if now - self._looked >= _LOOKS_APART_S:
            self._looked = now
            self._do = self._read()
        return self._do

    def wait(self) -> None:
        """Wait until it is worth looking again."""
        time.sleep(_LOOKS_APART_S)

    def _read(self) -> Do:
        try:
            do = json.loads(self._path.read_text(encoding="utf-8"))["do"]
        except (OSError, ValueError, KeyError, TypeError):
            return "run"
        return do if do in ("run", "pause", "stop") else "run"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder while a training writes to it; it is free again when the process ends, however it ends.

    Raises
    ------
    OutputError
        If another training holds it, or it can't be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(make_folder(folder) / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"Another training is running in {folder}; stop it first, or choose another folder."
        ) from error
    except OSError as error:
        raise output_error(folder / _LOCK, error) from error
    try:
        yield
    finally:
        lock.release()


def running(folder: Path) -> bool:
    """Return whether a training is at work in a folder."""
    if not (folder / _LOCK).exists():
        return False
    try:
        with held(folder):
            return False
    except OutputError:
        return True
