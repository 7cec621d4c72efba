"""A run's output folder: its lock, its journal, and the tables that are made of the journal."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from fetalseg.batch.journal import Journal
from fetalseg.batch.work import Item, Outcome
from fetalseg.errors import OutputError
from fetalseg.io import folders
from fetalseg.io.atomic import make_folder, output_error
from fetalseg.report import parquet, table
from fetalseg.report.manifest import Manifest, entry
from fetalseg.settings import BatchSettings, SegmentSettings

_log = logging.getLogger(__name__)

_LOCK = ".fetalseg-lock"
# While a run goes on its tables are written anew now and then, and for no more than a share of the time; where nothing
# else is to be done at once, and for more of it.
_EVERY_S, _SHARE, _IDLE_SHARE = 30.0, 0.02, 0.2
# Network shares that know no locks.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.EOPNOTSUPP)}


@dataclass(frozen=True)
class _Through:
    """What is kept in memory of a scan that was done."""

    status: str
    frames: int
    empty: int
    unchanged: bool

    @classmethod
    def of(cls, known: Mapping[str, Any], *, unchanged: bool) -> Self:
        return cls(known["status"], known.get("frames", 0), known.get("empty", 0), unchanged)


class Output:
    """The folder that one run writes to.

    The tables hold the rows of this run's inputs, whoever did them, in the order of their names: they tell of inputs,
    model and settings, and not of how often a run was stopped and taken up.

    Parameters
    ----------
    out : Path
    settings : SegmentSettings
    batch : BatchSettings
    manifest : Manifest

    Raises
    ------
    OutputError
        If another run holds it, or it can't be written.
    """

    def __init__(self, out: Path, settings: SegmentSettings, batch: BatchSettings, manifest: Manifest) -> None:
        self.out = out
        self._settings, self._batch, self._manifest = settings, batch, manifest
        self._lock = _locked(out)
        try:
            self._journal = Journal(out, settings.task)
        except BaseException:
            self._lock.release()
            raise
        self._stems: dict[str, str] = {}
        self._through: dict[str, _Through] = {}
        self._sums = dict.fromkeys(("failed", "frames", "empty_frames", "unchanged"), 0)
        self._ran: Mapping[str, Any] = {}
        self._written, self._cost, self._dirty, self._open = time.monotonic(), 0.0, True, True

    @property
    def elsewhere(self) -> int:
        """How many scans of earlier runs are no inputs of this one."""
        return sum(name not in self._stems for name in self._journal)

    @property
    def counts(self) -> dict[str, int]:
        """How many inputs there are, were done, failed, ..., as in ``run.json``."""
        return {"files": len(self._stems), "done": len(self._through), **self._sums}

    def items(self, found: Sequence[folders.Input], *, anew: bool) -> list[Item]:
        """Take up inputs: return what is to be done, with what is known of each."""
        given = folders.stems([one.name for one in found], self._stems_before | self._stems)
        self._stems |= given
        items = []
        for one in found:
            before = self._journal.get(one.name)
            key = "" if anew or before.get("status") in (None, "error") else before.get("key", "")
            items.append(Item(one, given[one.name], key, before.get("files", {})))
        return items

    @cached_property
    def _stems_before(self) -> dict[str, str]:
        """Those that the journal held at the beginning."""
        return {one["name"]: one["stem"] for one in self._journal.entries(self._journal) if "stem" in one}

    def take_all(self) -> None:
        """Take the scans of earlier runs into the tables as they are, but for those that failed."""
        for one in self._journal.entries(self._journal):
            if one.get("status") != "error":
                self._stems[one["name"]] = one["stem"]
                self._pass(one, unchanged=True)

    def record(self, outcome: Outcome) -> tuple[Mapping[str, Any], bool]:
        """Note what became of a scan; return what is known of it, and whether this is the first that is heard."""
        name, unchanged = outcome["name"], outcome["status"] == "unchanged"
        first = name not in self._through
        if unchanged:
            known: Mapping[str, Any] = self._journal.get(name)
        else:
            known = outcome
            self._journal.put(outcome)
            self._ran = outcome.get("ran") or self._ran
        self._pass(known, unchanged=unchanged)
        self._dirty = True
        return known, first

    def _pass(self, known: Mapping[str, Any], *, unchanged: bool) -> None:
        """Count a scan as done; one that is done again counts as what it is now."""
        now, before = _Through.of(known, unchanged=unchanged), self._through.get(known["name"])
        for sign, one in ((1, now), (-1, before)):
            if one is not None:
                self._sums["failed"] += sign * (one.status == "error")
                self._sums["frames"] += sign * one.frames
                self._sums["empty_frames"] += sign * one.empty
                self._sums["unchanged"] += sign * one.unchanged
        self._through[known["name"]] = now

    def refresh(self, skipped: int, *, idle: bool = False) -> None:
        """Write the tables now and then while a run goes on, and where it has nothing else to do.

        A table that can't be written now waits for the end.
        """
        since = time.monotonic() - self._written
        rest = self._cost / _IDLE_SHARE if idle else max(_EVERY_S, self._cost / _SHARE)
        if not self._dirty or since < rest:
            return
        with contextlib.suppress(OutputError):
            self._tables(skipped)

    def close(self, skipped: int) -> None:
        """Write the tables, close the journal and let go of the lock; a second call does nothing.

        Raises
        ------
        OutputError
        """
        if not self._open:
            return
        self._open = False
        try:
            self._tables(skipped)
            if self._batch.parquet or (len(self._stems) > 1 and parquet.available()):
                parquet.write(self.out / "measurements.parquet", self._rows(), self._columns)
            self._journal.close()
        finally:
            with contextlib.suppress(OutputError):
                self._journal.close()
            self._lock.release()

    @property
    def _columns(self) -> tuple[str, ...]:
        return table.columns(self._settings.task, identifiers=self._batch.keep_identifiers)

    def _tables(self, skipped: int) -> None:
        began, counts = time.monotonic(), self.counts | {"skipped": skipped}
        table.write(self.out / "measurements.csv", self._rows(), self._columns)
        errors = self.out / "errors.csv"
        if counts["failed"]:
            failed = (row for one in self._entries() if one["status"] == "error" for row in one["rows"])
            table.write(errors, failed, ("file", "error"))
        else:
            with contextlib.suppress(OSError):
                errors.unlink(missing_ok=True)
        inputs = (entry(one, unchanged=self._through[one["name"]].unchanged) for one in self._entries())
        finished = counts["done"] >= counts["files"]
        self._manifest.write(counts, inputs, finished=finished, ran=self._ran)
        self._written, self._dirty = time.monotonic(), False
        self._cost = self._written - began

    def _entries(self) -> Iterator[dict[str, Any]]:
        """What is known of this run's inputs so far, in the order of their names."""
        return self._journal.entries(sorted(self._through))

    def _rows(self) -> Iterator[dict[str, str]]:
        return (row for one in self._entries() for row in one.get("rows", ()))


def _locked(out: Path) -> Any:
    """Hold the folder's lock; it ends with the process that holds it, however that ends."""
    from filelock import FileLock, Timeout

    make_folder(out)
    lock = FileLock(out / _LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"Another run is writing to {out}. Wait until it ends, or choose another folder for these results."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise output_error(out / _LOCK, error) from error
        _log.warning("%s is on a disk without locks: do not run twice into it at the same time.", out)
    return lock
