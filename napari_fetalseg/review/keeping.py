"""Keeping what a person draws: soon after each stroke, and before a case is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QTimer

from fetalseg.errors import FetalSegError
from fetalseg.review.journal import Journal
from napari_fetalseg.review.clock import Clock
from napari_fetalseg.review.lane import Lane
from napari_fetalseg.review.stage import Stage

# From a stroke to its being written; where that failed, to the next attempt.
_SOON_MS, _AGAIN_MS = 400, 5000


class Keeper:
    """Writes the case on the stage into the journal.

    Parameters
    ----------
    stage : Stage
    on_saved : callable
        Called in the GUI thread once the case is on the disk.
    on_failed : callable
        Called with the error where it can't be written: what was drawn is in the window, and it is tried again.

    Attributes
    ----------
    clock : Clock
    saved_at : float or None
        When the case was last written, by `time.monotonic`; None while that is not so.
    failed : bool
        Whether the last attempt to write failed.
    leaving : bool
        Whether the case is being left, and nothing more is to be asked of it.
    """

    def __init__(self, stage: Stage, on_saved: Callable[[], Any], on_failed: Callable[[Exception], Any]) -> None:
        self._stage, self._on_saved, self._on_failed = stage, on_saved, on_failed
        self._lane = Lane()
        self._soon = QTimer()
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.save)
        self.journal: Journal | None = None
        self.reset()
        stage.session.touched.connect(self._on_touched)
        stage.session.changed.connect(self._on_changed)

    def reset(self) -> None:
        """Forget the last case and the last review."""
        self.clock = Clock()
        self.saved_at: float | None = None
        self.leaving = self.failed = False
        self._drawn_on = False

    def release(self) -> None:
        """Listen to the session no more."""
        self._stage.session.touched.disconnect(self._on_touched)
        self._stage.session.changed.disconnect(self._on_changed)

    @property
    def pending(self) -> bool:
        """Whether the last stroke, or anything else, is not on the disk yet."""
        return self._soon.isActive() or not self._lane.idle

    def begin(self, item: str, seconds: float) -> None:
        """A case is shown that was looked at for so long before."""
        self._drawn_on, self.saved_at, self.failed = False, None, False
        self.clock = Clock(seconds)
        journal = self.journal
        if journal is not None:
            self._lane.put(lambda: journal.show(item), failed=self._on_failed, key="show")

    def choose(self, **choices: Any) -> None:
        """Keep order and filter."""
        journal = self.journal
        if journal is not None:
            self._lane.put(lambda: journal.choose(**choices), failed=self._on_failed, key="choices")

    def save(self) -> None:
        """Write what was drawn on the case."""
        if self._stage.shown is None or self.leaving or not self._drawn_on:
            return
        try:
            keep = self._keep()
        except FetalSegError as error:
            self._failed(error)
            return
        self._lane.put(keep, self._saved, self._failed, key="draw")

    def leave(self, then: Callable[[Any], Any], write: Callable[[], Any] | None = None) -> None:
        """Write the case, or what was decided on it, and go on once that is on the disk."""
        if self.leaving:
            return
        try:
            keep = write or self._keep()
        except FetalSegError as error:
            self._on_failed(error)
            return
        self._soon.stop()
        self.leaving = True

        def done(value: Any) -> None:
            self.leaving = False
            self._saved()
            then(value)

        def failed(error: Exception) -> None:
            self.leaving = False
            self._failed(error)

        self._lane.put(keep, done, failed, key="draw")

    def flush(self) -> None:
        """Write what was drawn on the case here and now; the window may be about to go."""
        if self._stage.shown is not None and self._drawn_on and not self.leaving:
            self._keep()()

    def finish(self) -> None:
        """Write all that is not written yet, here and now."""
        self._soon.stop()
        if self._stage.shown is not None and not self.leaving:
            self._lane.put(self._keep())
        self._lane.finish()

    def _keep(self) -> Callable[[], Any]:
        """Return what writes the case as it is: what was drawn, or how long it was looked at."""
        shown, journal = self._stage.shown, self.journal
        if shown is None or journal is None:
            return lambda: None
        item, seconds = shown.case.entry.item, self.clock.seconds()
        if not self._drawn_on:
            return lambda: journal.look(item, seconds)
        drawing = self._stage.drawing(seconds)
        return lambda: journal.draw(item, drawing)

    def _saved(self, _: Any = None) -> None:
        self.saved_at, self.failed = time.monotonic(), False
        self._on_saved()

    def _failed(self, error: Exception) -> None:
        self.saved_at, self.failed = None, True
        self._on_failed(error)
        if self._drawn_on:
            self._soon.start(_AGAIN_MS)

    def _on_touched(self, series: Any, _frame: int) -> None:
        shown = self._stage.shown
        if shown is not None and series is shown.series:
            self.clock.touch()
            self._drawn_on = True
            if not self._soon.isActive() or self._soon.interval() != _SOON_MS:
                self._soon.start(_SOON_MS)

    def _on_changed(self, series: Any, _frames: Any, change: str) -> None:
        if change != "scale":
            self._on_touched(series, 0)
