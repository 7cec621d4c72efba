"""Files that arrive in folders while a run waits for them.

The folders are looked at again and again: network shares tell of no changes. A picture is taken once it can be read,
another file once its size and time stand still too; one that stands still for longer and can't be read is taken all the
same: its row says why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fetalseg import tasks
from fetalseg.errors import FetalSegError
from fetalseg.io import folders
from fetalseg.pipeline import Cancel
from fetalseg.settings import BatchSettings, SegmentSettings

# Looked at so often, and on slow shares for no more than a part of the time.
_EVERY_S, _SHARE = 0.2, 0.2
# A file stands still for so long before it is read; a folder of slices, whose copying may pause between two.
_STILL_S, _STILL_FOLDER_S = 0.2, 2.0
# Cut short they can't be read, nor filled up with zeros, as some copying makes them first: they need not stand still.
_TELL_THEIR_END = (".png", ".jpg", ".jpeg")
# A file that can't be read may be one whose copying pauses.
_PATIENCE_S = 5.0

_Stamp = tuple[int, int]


@dataclass
class _Seen:
    stamp: _Stamp
    since: float
    taken: bool = False


class Arrivals:
    """What arrives in folders.

    Parameters
    ----------
    inputs : sequence of Path
        Folders, and files that may be written anew.
    settings : SegmentSettings
    batch : BatchSettings
    """

    def __init__(self, inputs: Sequence[Path], settings: SegmentSettings, batch: BatchSettings) -> None:
        self._inputs, self._batch = list(inputs), batch
        self._volumes = tasks.get(settings.task).VOLUME
        self._seen: dict[str, _Seen] = {}  # strings: a look at many files takes a third of the time

    def wait(self, cancel: Cancel | None) -> Iterator[folders.Inputs]:
        """Yield what has arrived, with nothing in it where nothing has; ends when the token is set."""
        while cancel is None or not cancel.is_set():
            began = time.monotonic()
            found = self.look()
            took = time.monotonic() - began  # the look alone, not what is done with what was found
            yield found
            _sleep(max(_EVERY_S, took / _SHARE) - took, cancel)

    def look(self) -> folders.Inputs:
        """Return what has arrived and stands still since the last look."""
        now = time.monotonic()
        there = dict(_files(self._inputs))
        for path in self._seen.keys() - there.keys():
            del self._seen[path]
        for path, stamp in there.items():
            if path not in self._seen or self._seen[path].stamp != stamp:
                self._seen[path] = _Seen(stamp, now)
        ready = self._ready_folders(now) if self._volumes else self._ready_files(now)
        if not ready:
            return folders.Inputs(())
        batch = self._batch
        found = folders.expand(
            [path for path in self._inputs if path.is_dir() or str(path) in ready],
            batch.pattern,
            volumes=self._volumes,
            series=batch.series,
            instances=batch.instances,
            only=lambda path: str(path) in ready,
        )
        items = [item for item in found.items if item.path.is_dir() or not self._seen[str(item.path)].taken]
        waiting = {str(item.path) for item in items if not self._whole(item, now)}
        for path in ready - waiting:
            if _parent(path) not in waiting:
                self._seen[path].taken = True
        return folders.Inputs(tuple(item for item in items if str(item.path) not in waiting), found.skipped)

    def _ready_files(self, now: float) -> set[str]:
        return {
            path
            for path, seen in self._seen.items()
            if not seen.taken and (now - seen.since >= _STILL_S or path.lower().endswith(_TELL_THEIR_END))
        }

    def _ready_folders(self, now: float) -> set[str]:
        """The files of the folders that something new came into, once all in them stands still."""
        by_folder: dict[str, list[str]] = {}
        for path in self._seen:
            by_folder.setdefault(_parent(path), []).append(path)
        ready: set[str] = set()
        for paths in by_folder.values():
            states = [self._seen[path] for path in paths]
            if not all(seen.taken for seen in states) and all(now - seen.since >= _STILL_FOLDER_S for seen in states):
                ready.update(paths)
        return ready

    def _whole(self, item: folders.Input, now: float) -> bool:
        """Whether a scan can be read, or has stood still for so long that it will never be."""
        own = str(item.path)
        inside = [own] if own in self._seen else [path for path in self._seen if _parent(path) == own]
        if now - max((self._seen[path].since for path in inside), default=0.0) >= _PATIENCE_S:
            return True
        try:
            item.read()
        except FetalSegError:
            return False
        except Exception:  # its row will say so
            return True
        return True


def _files(inputs: Sequence[Path]) -> Iterator[tuple[str, _Stamp]]:
    """Yield the files in folders, and those named, with what changes while they are copied."""
    for path in _paths(inputs):
        try:
            status = os.stat(path)  # not what the folder says of it: that is late on Windows
        except OSError:  # gone again
            continue
        yield path, (status.st_size, status.st_mtime_ns)


def _paths(inputs: Sequence[Path]) -> Iterator[str]:
    for given in inputs:
        if not given.is_dir():
            yield str(given)
            continue
        for folder, below, names in os.walk(given, followlinks=False):
            below[:] = [name for name in below if not name.startswith(".")]
            inside = "" if folder == os.curdir else str(Path(folder))  # as `folders.expand` writes it
            yield from (os.path.join(inside, name) for name in names if not name.startswith("."))


def _parent(path: str) -> str:
    return os.path.dirname(path) or os.curdir


def _sleep(seconds: float, cancel: Cancel | None) -> None:
    """Sleep, but for no longer than until the token is set."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not (cancel is not None and cancel.is_set()):
        time.sleep(min(left, 0.1))
