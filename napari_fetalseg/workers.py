"""The only place that starts threads.

napari's workers swallow some errors, leave a stopped generator suspended, deliver late items to widgets
that are gone, and abort a program that ends as they begin. So a worker here never raises, is stopped by a
token of its own, its slots ask first whether anyone still listens, and a program's end waits for it.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from weakref import WeakSet

from fetalseg.errors import Cancelled

log = logging.getLogger(__name__)

End = Literal["done", "cancelled", "error"]
#: Makes the generator to run; it gets the token and should look at it between frames.
Make = Callable[["Token"], Iterator[Any]]

# How long a cancelled run is waited for before its thread is left to end by itself, in ms.
_PATIENCE_MS = 800

_jobs: WeakSet[Job] = WeakSet()


class Token(threading.Event):
    """Set, it stops a run; with `tell` a run hands over something before its next item, from its own thread."""

    def __init__(self) -> None:
        super().__init__()
        self.tell: Callable[[Any], None] = lambda item: None


@dataclass(eq=False)
class Job:
    """A run in a thread.

    Attributes
    ----------
    alive : bool
        Whether its items and its end are still wanted.
    """

    on_end: Callable[[End, Exception | None], None]
    token: Token = field(default_factory=Token)
    alive: bool = True

    def cancel(self) -> None:
        """Stop: at once where the run looks at its token, and within a second for whoever listens."""
        if self.token.is_set() or not self.alive:
            return
        from qtpy.QtCore import QTimer

        self.token.set()
        QTimer.singleShot(_PATIENCE_MS, lambda: self._end("cancelled", None))

    def drop(self) -> None:
        """Stop, and tell nobody: for docks and viewers that are going away."""
        self.alive = False
        self.token.set()

    def _end(self, how: End, error: Exception | None) -> None:
        if self.alive:
            self.alive = False
            self.on_end(how, error)


def start(make: Make, on_item: Callable[[Any], None], on_end: Callable[[End, Exception | None], None]) -> Job:
    """Run a generator in a thread.

    Parameters
    ----------
    make : callable
        Called in the thread with the token.
    on_item : callable
        Called in the GUI thread with each item.
    on_end : callable
        Called in the GUI thread exactly once with how it ended, unless the job was dropped.
    """
    from napari.qt.threading import create_worker

    job = Job(on_end)

    def hear(message: tuple[str, Any]) -> None:
        kind, value = message
        if not job.alive:
            return
        if kind != "item":
            job._end(kind, value)  # type: ignore[arg-type]
            return
        try:
            on_item(value)
        except Exception as error:  # a fault in drawing must not leave the dock busy for ever
            log.exception("A result could not be shown")
            job.token.set()
            job._end("error", error)

    worker = create_worker(_guarded, make, job.token, _start_thread=False, _ignore_errors=True)
    worker.yielded.connect(hear)
    job.token.tell = lambda item: worker.yielded.emit(("item", item))
    # After a foreign quit() (napari closing) there is no end message.
    worker.finished.connect(lambda: job._end("cancelled", None))
    _jobs.add(job)
    _wait_at_exit()
    worker.start()
    return job


@cache
def _wait_at_exit() -> None:
    """Have all runs ended before the program is: one that began while Qt's objects go would abort it."""
    from napari.qt.threading import WorkerBase

    def wait() -> None:
        for job in list(_jobs):
            job.drop()
        WorkerBase.await_workers()

    atexit.register(wait)  # after Qt's own, and so called before it


def call(function: Callable[[], Any], on_done: Callable[[Any], None], on_error: Callable[[Exception], None]) -> Job:
    """Run one function in a thread and hand its value back in the GUI thread."""

    def make(_token: Token) -> Iterator[Any]:
        yield function()

    def end(how: End, error: Exception | None) -> None:
        if how == "error" and error is not None:
            on_error(error)

    return start(make, on_done, end)


def when_destroyed(owner: Any, function: Callable[[], Any]) -> None:
    """Call a function, which may not refer to the owner, when Qt destroys the owner."""
    owner.destroyed.connect(_Call(function))


class _Call:
    """Calls a function, if it is still whole.

    Garbage that hangs together is emptied before Qt hears of it: a lambda has lost its variables by then, and what it
    would stop has long ended.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def __call__(self, *_: Any) -> None:
        with suppress(AttributeError):
            self._function()


class Jobs:
    """What a widget lets run in the background. All of it is dropped when the widget goes, with the window or alone.

    Parameters
    ----------
    owner : QObject
    """

    def __init__(self, owner: Any) -> None:
        self._jobs: list[Job] = []
        when_destroyed(owner, self.drop)

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return any(job.alive for job in self._jobs)

    def call(
        self, function: Callable[[], Any], on_done: Callable[[Any], None], on_error: Callable[[Exception], None]
    ) -> Job:
        """See `call`."""
        return self._keep(call(function, on_done, on_error))

    def start(self, make: Make, on_item: Callable[[Any], None], on_end: Callable[[End, Exception | None], None]) -> Job:
        """See `start`."""
        return self._keep(start(make, on_item, on_end))

    def drop(self) -> None:
        """Stop everything and tell nobody."""
        for job in self._jobs:
            job.drop()
        self._jobs.clear()

    def _keep(self, job: Job) -> Job:
        self._jobs = [other for other in self._jobs if other.alive] + [job]
        return job


def _guarded(make: Make, token: Token) -> Iterator[tuple[str, Any]]:
    items = None
    try:
        items = make(token)
        for item in items:
            yield "item", item
        yield ("cancelled" if token.is_set() else "done"), None
    except Cancelled:
        yield "cancelled", None
    except Exception as error:
        log.debug("The run ended with an error", exc_info=error)
        yield "error", error
    finally:
        close = getattr(items, "close", None)
        if close:
            close()
