"""A lane: functions that run in a worker one after another, in the order in which they were asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from napari_fetalseg import workers

# How long a window that closes waits for what is being written.
_PATIENCE_S = 10.0


@dataclass(eq=False)
class _Task:
    function: Callable[[], Any]
    done: Callable[[Any], Any]
    failed: Callable[[Exception], Any]
    key: object = None
    finished: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Any:
        try:
            return self.function()
        finally:
            self.finished.set()


class Lane:
    """Runs one function at a time; `done` and `failed` are called in the GUI thread."""

    def __init__(self) -> None:
        self._waiting: deque[_Task] = deque()
        self._running: _Task | None = None
        self._job: workers.Job | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return self._running is None and not self._waiting

    def runs(self, key: object) -> bool:
        """Whether the function that runs now was put under a key."""
        return self._running is not None and self._running.key == key

    def put(
        self,
        function: Callable[[], Any],
        done: Callable[[Any], Any] = lambda value: None,
        failed: Callable[[Exception], Any] = lambda error: None,
        *,
        key: object = None,
    ) -> None:
        """Run a function after those that wait.

        Parameters
        ----------
        key : optional
            One that still waits under the same key is not run any more.
        """
        if key is not None:
            self._waiting = deque(task for task in self._waiting if task.key != key)
        self._waiting.append(_Task(function, done, failed, key))
        self._next()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def finish(self) -> None:
        """Run what waits to its end, here and now, and tell nobody: what must be on the disk when a window closes."""
        if self._job is not None:
            self._job.drop()
        if self._running is not None:
            self._running.finished.wait(_PATIENCE_S)
        self._running = self._job = None
        waiting, self._waiting = self._waiting, deque()
        for task in waiting:
            task.run()

    def drop(self) -> None:
        """Forget what waits and what runs."""
        self.clear()
        if self._job is not None:
            self._job.drop()
        self._running = self._job = None

    def _next(self) -> None:
        if self._running is not None or not self._waiting:
            return
        task = self._running = self._waiting.popleft()
        self._job = workers.call(task.run, lambda value: self._end(task, value), lambda error: self._fail(task, error))

    def _end(self, task: _Task, value: Any) -> None:
        self._free(task)
        try:
            task.done(value)
        finally:
            self._next()

    def _fail(self, task: _Task, error: Exception) -> None:
        self._free(task)
        try:
            task.failed(error)
        finally:
            self._next()

    def _free(self, task: _Task) -> None:
        if self._running is task:
            self._running = self._job = None
