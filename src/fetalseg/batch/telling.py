"""How a run over many scans goes, in the words that all doors use: its pace, the time left, what was done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fetalseg.batch.run import Event, Summary


class Rate:
    """Scans a second and the time left, by what was measured; what earlier runs did takes no time, nor a pause."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._held: float | None = None
        self._unchanged = 0

    def __call__(self, event: Event) -> tuple[float, float]:
        """Return scans a second and the seconds that are left, 0 where they are not known."""
        self._unchanged += event.kind == "unchanged"
        took, done = (self._held or time.monotonic()) - self._began, event.done - self._unchanged
        rate = done / took if took > 0 else 0.0
        return rate, (event.total - event.done) / rate if rate > 0 else 0.0

    def hold(self) -> None:
        """Stop the clock."""
        self._held = self._held or time.monotonic()

    def go_on(self) -> None:
        """Let the clock go on."""
        if self._held is not None:
            self._began += time.monotonic() - self._held
        self._held = None


def pace(rate: float) -> str:
    """Return a rate in words: ``"3.1 a second"``, ``"2.4 s each"``."""
    return "" if rate <= 0 else f"{rate:.1f} a second" if rate >= 1 else each(rate)


def each(rate: float) -> str:
    """Return what one scan takes, in words: ``"0.8 s each"``."""
    return "" if rate <= 0 else f"{1 / rate:.{1 if rate < 10 else 2}f} s each"


def left(seconds: float) -> str:
    """Return a time in words: ``"40 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def done(summary: Summary, *, volume: bool) -> str:
    """Return what a run did: ``"58 of 60 files, 58 frames measured by OpenVINO on CPU, 2 failed, see errors.csv"``."""
    parts = [
        f"{summary.files - summary.failed - summary.left} of {summary.files} files",
        f"{summary.frames} {'volumes' if volume else 'frames'} measured"
        + (f" by {summary.ran}" if summary.ran else "")
        + (f" ({summary.unchanged} files unchanged since an earlier run)" if summary.unchanged else ""),
        f"{summary.empty} with nothing found" if summary.empty else "",
        f"{summary.failed} failed, see errors.csv" if summary.failed else "",
        f"{summary.skipped} file{'s' * (summary.skipped != 1)} of other kinds skipped" if summary.skipped else "",
    ]
    return ", ".join(part for part in parts if part)


def elsewhere(summary: Summary, out: object) -> str:
    """Return what is to be known of scans that earlier runs put into the same folder; nothing where there are none."""
    if not summary.elsewhere:
        return ""
    return (
        f"{out} holds {summary.elsewhere} more scans of earlier runs that are not among these inputs; their masks "
        "stay, their rows are not in the table."
    )
