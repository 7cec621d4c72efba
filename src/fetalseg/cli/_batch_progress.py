"""How a run over many scans is shown: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fetalseg.batch.telling import Rate, left, pace

if TYPE_CHECKING:
    from fetalseg.batch.run import Event

Show = Callable[["Event"], None]
_EVERY_S = 10.0


@contextmanager
def shown(*, watching: bool = False) -> Iterator[Show]:
    """Yield what shows a run's events: how many are done, the rate, the time left, and each failure as it happens."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, watching) as show:
            yield show
    else:
        yield _Lines(watching)


class _Lines:
    """A line every ten seconds, and one a failure; when watching, one a scan."""

    def __init__(self, watching: bool) -> None:
        self._watching, self._rate, self._told = watching, Rate(), time.monotonic()
        if watching:
            print("watching; Ctrl-C ends it", file=sys.stderr, flush=True)

    def __call__(self, event: Event) -> None:
        if event.kind == "started":
            return
        rate, rest = self._rate(event)
        if event.kind == "failed":
            print(f"failed: {event.error}", file=sys.stderr, flush=True)
        elif self._watching and event.kind == "done":
            print(f"measured: {event.name}", file=sys.stderr, flush=True)
        if self._watching or time.monotonic() - self._told < _EVERY_S:
            return
        self._told = time.monotonic()
        parts = [f"{event.done} of {event.total}", pace(rate), f"{left(rest)} left" if rest else ""]
        parts.append(f"{event.failed} failed" if event.failed else "")
        print(" · ".join(part for part in parts if part), file=sys.stderr, flush=True)


@contextmanager
def _bar(console: object, watching: bool) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    assert isinstance(console, Console)
    about = TextColumn("{task.fields[about]}")
    with Progress(BarColumn(30), about, TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task("watching; Ctrl-C ends it" if watching else "", total=None, about="")
        rates = Rate()

        def show(event: Event) -> None:
            if event.kind == "started":
                bar.update(task, description=event.name[-40:], total=None if watching else event.total)
                return
            rate, rest = rates(event)
            if event.kind == "failed":
                bar.console.print(f"failed: {event.error}", style="red", markup=False, highlight=False)
            parts = [f"{event.done} of {event.total}"]
            parts += [f"{event.done} measured"] if watching else [pace(rate), f"{left(rest)} left" if rest else ""]
            parts.append(f"{event.failed} failed" if event.failed else "")
            about = " · ".join(part for part in parts[watching:] if part)
            bar.update(task, completed=event.done, total=None if watching else event.total, about=about)

        yield show
