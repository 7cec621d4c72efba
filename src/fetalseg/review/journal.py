"""The journal of a review: what a person draws and decides, on the disk as it happens.

It lies beside the data set, a folder an annotator, so that it outlives a data set that is moved or deleted::

    NAME.review/ANNOTATOR/journal.jsonl    a line a deed, appended and synchronised
    NAME.review/ANNOTATOR/drawings/        masks that are not accepted yet

A decision is in the journal before the next case is shown, and stays there as *waiting* until the data set has it. So
whoever is killed loses at most what was drawn since the last line.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.dataset.folder import now
from fetalseg.errors import DatasetError, OutputError
from fetalseg.io.atomic import make_folder, output_error, write_mask
from fetalseg.review import standing as standings
from fetalseg.review.standing import Decision, Drawing, Standing, Verdict
from fetalseg.scan import Spacing

_log = logging.getLogger(__name__)
_FILE, _DRAWINGS, _LOCK = "journal.jsonl", "drawings", ".lock"


def folder_of(dataset: Path, annotator: str) -> Path:
    """Return where an annotator's journal of a data set lies."""
    dataset = dataset.absolute()
    name = re.sub(r"[^\w.-]+", "_", annotator.strip()).strip("._") or "annotator"
    if name != annotator.strip():  # two names that are written the same way are two people
        name += "-" + hashlib.sha256(annotator.strip().encode()).hexdigest()[:6]
    return dataset.with_name(f"{dataset.name}.review") / name.casefold()


def standing(dataset: Path, annotator: str) -> Standing | None:
    """Return where a review stands without opening it; None where there is none.

    Raises
    ------
    DatasetError
        If its journal can't be read.
    """
    path = folder_of(dataset, annotator) / _FILE
    return standings.read(path) if path.exists() else None


class Journal:
    """A review's journal, open for writing; one window at a time has it.

    Parameters
    ----------
    folder : Path
        See `folder_of`.

    Raises
    ------
    DatasetError
        If it is open in another window, or can't be read.
    OutputError
        If it can't be written.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock, Timeout

        self.folder = folder
        self._path = folder / _FILE
        self._guard = threading.Lock()
        make_folder(folder / _DRAWINGS)
        # Opened in a worker and closed in the window: the lock belongs to no thread.
        self._lock = FileLock(folder / _LOCK, thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise DatasetError(
                f"The review in {folder} is open in another window. Close it there, or give another name."
            ) from error
        except OSError as error:
            raise output_error(self._path, error) from error
        try:
            self._length = _whole_length(self._path)
            self.standing = standings.read(self._path) if self._length else Standing()
            self._forget_files()
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Let another window have it."""
        with self._guard:
            self._lock.release()

    @property
    def open(self) -> bool:
        """Whether it is this window's."""
        return bool(self._lock.is_locked)

    # Deeds

    def choose(self, **choices: Any) -> None:
        """Keep order and filter."""
        self._write({"do": "choose", "choices": choices})

    def show(self, item: str) -> None:
        """Keep which case is looked at."""
        self._write({"do": "show", "item": item})

    def look(self, item: str, seconds: float) -> None:
        """Keep how long a case has been looked at, where nothing was drawn."""
        self._write({"do": "look", "item": item, "seconds": round(seconds, 3)})

    def draw(self, item: str, drawing: Drawing) -> None:
        """Keep a case as it is now, in place of what was kept of it before.

        Raises
        ------
        OutputError
        """
        with self._guard:
            old = self.standing.drafts.get(item, {}).get("mask", "")
            self._append(self._drawn(item, drawing) | {"do": "draw"})
            self._forget(old)

    def decide(
        self,
        item: str,
        verdict: Verdict,
        drawing: Drawing,
        *,
        seen: tuple[str, str, str] = ("", "", ""),
        spacing: Spacing | None = None,
    ) -> Decision:
        """Keep a decision, with the drawing that it is about; it waits until `done`.

        Raises
        ------
        OutputError
        """
        with self._guard:
            number = self.standing.number + 1
            line = self._drawn(item, drawing) | {"do": "decide", "verdict": verdict, "number": number}
            line |= {"seen": list(seen), "spacing": asdict(spacing) if spacing else None}
            old = self.standing.drafts.get(item, {}).get("mask", "")
            self._append(line)
            self._forget(old)
            return self.standing.waiting[number]

    def done(self, decision: Decision) -> None:
        """Note that the data set has a decision; its drawing is not needed any more."""
        with self._guard:
            self._append({"do": "done", "number": decision.number})
            self._forget(decision.mask)

    def refused(self, decision: Decision, why: str) -> None:
        """Note that the data set did not take a decision: the case is to be looked at again, its drawing stays."""
        self._write({"do": "refused", "number": decision.number, "why": why})

    # What is kept

    def drawing(self, item: str) -> Drawing | None:
        """Return what was drawn on a case that is not decided; None where nothing was.

        Raises
        ------
        DatasetError
            If its mask can't be read.
        """
        line = self.standing.drafts.get(item)
        if line is None:
            return None
        seconds = self.standing.seconds.get(item, 0.0)
        return Drawing(self.mask(line["mask"]), standings.ellipse_of(line["ellipse"]), seconds)

    def mask(self, name: str) -> NDArray[Any] | None:
        """Return a drawing's mask; None for no name.

        Raises
        ------
        DatasetError
        """
        if not name:
            return None
        import tifffile

        try:
            return np.asarray(tifffile.imread(self.folder / _DRAWINGS / name))
        except Exception as error:  # decoders raise what they like on damaged bytes
            raise DatasetError(f"The drawing {name} of the review can't be read ({type(error).__name__}).") from error

    def _drawn(self, item: str, drawing: Drawing) -> dict[str, Any]:
        """Write a drawing's mask and return what the line tells of it."""
        name = ""
        if drawing.mask is not None:
            name = f"{item}.{os.urandom(5).hex()}.tif"
            write_mask(self.folder / _DRAWINGS / name, drawing.mask, sync=True)
        ellipse = asdict(drawing.ellipse) if drawing.ellipse else None
        return {"item": item, "mask": name, "ellipse": ellipse, "seconds": round(drawing.seconds, 3)}

    def _write(self, line: dict[str, Any]) -> None:
        with self._guard:
            self._append(line)

    def _append(self, line: dict[str, Any]) -> None:
        """Add a line at the end, onto the disk, all of it or nothing."""
        line["at"] = now()
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        if self._length and not self._path.exists():
            raise OutputError(f"{self._path} is not there any more: was the review's folder moved or deleted?")
        try:
            with self._path.open("ab", buffering=0) as file:
                file.truncate(self._length)  # what a crash, or a full disk, cut off
                try:
                    written = 0
                    while written < len(data):  # an unbuffered file may take less than all
                        written += file.write(data[written:])
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(self._length)
                    raise
        except OSError as error:
            raise output_error(self._path, error) from error
        self._length += len(data)
        standings.take(self.standing, line)

    def _forget(self, name: str) -> None:
        """Delete a drawing that no line needs any more."""
        if name and name not in self._needed():
            with suppress(OSError):
                (self.folder / _DRAWINGS / name).unlink()

    def _needed(self) -> set[str]:
        drafts = {line["mask"] for line in self.standing.drafts.values()}
        return drafts | {decision.mask for decision in self.standing.waiting.values()}

    def _forget_files(self) -> None:
        """Delete what a crash left: half-written files, and drawings whose line was not written."""
        needed = self._needed()
        for path in (self.folder / _DRAWINGS).iterdir():
            if path.name not in needed:
                with suppress(OSError):
                    path.unlink()


def _whole_length(path: Path) -> int:
    """Length up to the end of the last whole line."""
    try:
        return path.read_bytes().rfind(b"\n") + 1
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}.") from error
