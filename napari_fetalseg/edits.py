"""Edits that wait for their numbers: what a person drew stands at once, and is measured in a worker. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fetalseg.result import Result
from napari_fetalseg import work, workers
from napari_fetalseg.series import PROGRAM, Edit


class Edits:
    """Measures edits, those of one frame after each other.

    Parameters
    ----------
    measured : callable
        Gets each edit with its result; with None where the frame was deleted or changed meanwhile.
    failed : callable
        Gets an error.
    """

    def __init__(self, measured: Callable[[Edit, Result | None], Any], failed: Callable[[Exception], Any]) -> None:
        self._measured, self._failed = measured, failed
        self._waiting: list[Edit] = []
        self._job: workers.Job | None = None

    @property
    def busy(self) -> bool:
        """Whether anything waits, or is being measured."""
        return self._job is not None or bool(self._waiting)

    def put(self, edit: Edit) -> None:
        """Take up an edit, in the place of an older one that it makes needless."""
        self._waiting = [e for e in self._waiting if not edit.replaces(e)]
        self._waiting.append(edit)

    def work(self) -> None:
        """Measure what waits, unless that is being done."""
        if self._job is not None or not self._waiting:
            return
        # One frame's edits build on each other, so only one of each frame goes out at a time.
        batch: list[Edit] = []
        for edit in self._waiting:
            if not any(b.series is edit.series and b.frame == edit.frame for b in batch):
                batch.append(edit)
        self._waiting = [e for e in self._waiting if e not in batch]
        todo = [(e, base) for e in batch if (base := e.series.base(e.frame)) is not None]

        def make(_token: workers.Token) -> Iterator[Any]:
            for edit, base in todo:
                yield edit, base, work.apply(edit, base)

        def item(value: tuple[Edit, Result, Result]) -> None:
            edit, base, result = value
            waiting = any((e.series, e.frame) == (edit.series, edit.frame) for e in self._waiting)
            again = edit.change in PROGRAM and waiting  # painted on meanwhile: the stroke comes first
            if again:
                self._waiting.append(edit)
            self._measured(edit, result if not again and edit.series.base(edit.frame) is base else None)

        def end(_how: workers.End, error: Exception | None) -> None:
            self._job = None
            if error is not None:
                self._failed(error)
            self.work()

        self._job = workers.start(make, item, end)

    def drop(self) -> None:
        """Stop, and tell nobody."""
        if self._job is not None:
            self._job.drop()
        self._job = None
        self._waiting.clear()
