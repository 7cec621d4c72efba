"""``journal.jsonl``: what a run has finished, a line of JSON a scan, on disk before the next is begun.

A run that was killed is taken up from it; the tables are made from it. A later line of the same scan stands in place
of an earlier one. A last line that a kill or a full disk cut short is taken away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from fetalseg.errors import OutputError
from fetalseg.io.atomic import atomic_write, make_folder, output_error
from fetalseg.io.folders import JOURNAL

VERSION = 1
_FORMAT = "fetalseg batch"
# The share of lines that no longer stand at which the file is written anew.
_STALE = 0.1


class Journal:
    """The journal of an output folder, open for one writer.

    Parameters
    ----------
    out : Path
        Made where it is missing.
    task : str
        What an output folder holds the results of.

    Raises
    ------
    OutputError
        If it can't be written, holds results of another task, or belongs to a newer version.
    """

    def __init__(self, out: Path, task: str) -> None:
        self.path = Path(out) / JOURNAL
        self._places: dict[str, tuple[int, int]] = {}
        self._stale = 0
        make_folder(self.path.parent)
        try:
            self._file: BinaryIO = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise output_error(self.path, error) from error
        try:
            self._length = self._index(task)
            self._file.truncate(self._length)
        except OSError as error:
            self._file.close()
            raise output_error(self.path, error) from error
        except BaseException:
            self._file.close()
            raise
        if not self._length:
            self._append({"format": _FORMAT, "version": VERSION, "task": task})

    def _index(self, task: str) -> int:
        """Find each scan's last line; return where the last whole line ends."""
        self._file.seek(0)
        at = 0
        with self.path.open("rb") as lines:  # buffered, and let go of again
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry = _parsed(line)
                if at == 0:
                    self._check(entry, task)
                elif isinstance(entry.get("name"), str):
                    self._stale += entry["name"] in self._places
                    self._places[entry["name"]] = (at, len(line))
                at += len(line)
        return at

    def _check(self, head: Mapping[str, Any], task: str) -> None:
        if head.get("format") != _FORMAT:
            raise OutputError(f"{self.path} belongs to another program. Choose another folder for the results.")
        if not isinstance(head.get("version"), int) or head["version"] > VERSION:
            raise OutputError(f"{self.path} is of a newer version. Update napari-fetalseg, or choose another folder.")
        if head.get("task") != task:
            raise OutputError(
                f"{self.path.parent} holds results of the task '{head.get('task')}', not of '{task}'. Choose another "
                "folder."
            )

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def get(self, name: str) -> dict[str, Any]:
        """Return what is known of a scan; an empty one where nothing is.

        Raises
        ------
        OutputError
        """
        if name not in self._places:
            return {}
        at, length = self._places[name]
        try:
            with self.path.open("rb") as file:
                file.seek(at)
                return _parsed(file.read(length))
        except OSError as error:
            raise OutputError(f"{self.path} can't be read: {error.strerror}.") from error

    def entries(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield what is known of scans, in the order of their names as given; the file is opened once."""
        with self.path.open("rb") as file:
            for name in names:
                place = self._places.get(name)
                if place is not None:
                    file.seek(place[0])
                    yield _parsed(file.read(place[1]))

    def put(self, entry: Mapping[str, Any]) -> None:
        """Add a scan's line; it is on the disk when this returns.

        Raises
        ------
        OutputError
            Then nothing of it is there.
        """
        at = self._length
        self._append(entry)
        self._stale += entry["name"] in self._places
        self._places[entry["name"]] = (at, self._length - at)

    def _append(self, entry: Mapping[str, Any]) -> None:
        data = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        try:
            written = 0
            while written < len(data):  # an unbuffered file may take less than all, as on a full disk
                written += self._file.write(data[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._length)
            raise output_error(self.path, error) from error
        self._length += len(data)

    def close(self) -> None:
        """Close it; where many lines no longer stand it is written anew without them.

        Raises
        ------
        OutputError
        """
        if self._file.closed:
            return
        self._file.close()
        if self._stale > _STALE * len(self._places):
            atomic_write(self.path, self._copy, sync=True)

    def _copy(self, into: BinaryIO) -> None:
        with self.path.open("rb") as file:
            into.write(file.readline())
            for at, length in self._places.values():
                file.seek(at)
                into.write(file.read(length))


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:  # of a disk that failed: the scan is done again
        return {}
    return entry if isinstance(entry, dict) else {}
