"""What the Review dock does: the queue, the case that is looked at, and what is written. No widgets.

Two lanes write beside the window, the journal's and the data set's. The next case is shown once the journal has the
decision on this one. All else waits until its picture is painted: the data set, and reading ahead.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QTimer

from fetalseg.dataset.entry import Entry, Status
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.review import queue
from fetalseg.review.case import Case
from fetalseg.review.queue import Order, Show
from fetalseg.review.review import Review, begin
from fetalseg.review.standing import Decision, Verdict
from fetalseg.settings import SegmentSettings
from napari_fetalseg import workers
from napari_fetalseg.review import filling
from napari_fetalseg.review.ahead import Ahead
from napari_fetalseg.review.filling import Bring, Step
from napari_fetalseg.review.keeping import Keeper
from napari_fetalseg.review.lane import Lane
from napari_fetalseg.review.stage import Shown, Stage

log = logging.getLogger(__name__)

# So many cases are read and segmented ahead.
_AHEAD = 2

# From a case's being shown to what can wait: napari paints a few ms after it was asked to.
_PAINT_MS = 50


class Desk:
    """A review in a viewer.

    Signals run in the GUI thread.

    Attributes
    ----------
    review : Review or None
    entries : list of Entry
        The data set's items, as known last.
    broken : dict of item to sentence
        Cases that can't be read.
    keeper : Keeper
        Knows when the case was last written, and how long it has been looked at.
    """

    opened = Signal(object)  # Review, or None when it was closed
    listed = Signal()  # entries, order or filter changed
    showing = Signal(object)  # Shown, or None
    reading = Signal(str)  # the case that is waited for
    saved = Signal()
    filled = Signal(object)  # fetalseg.review.sources.Filled, or None at the end
    failed = Signal(object)  # exception
    told = Signal(str)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.order: queue.Order = "worst"
        self.show: queue.Show = "to-do"
        self.keeper = Keeper(stage, self.saved.emit, self.failed.emit)
        self._writing = Lane()
        self._ahead = Ahead(self._on_case, self._unreadable)
        self._behind = QTimer()
        self._behind.setSingleShot(True)
        self._behind.timeout.connect(self._catch_up)
        self._filling: workers.Job | None = None
        self._opening: workers.Job | None = None
        self.review: Review | None = None
        self._reset()

    def _reset(self) -> None:
        self.entries: list[Entry] = []
        self.broken: dict[str, str] = {}
        self._wanted: str | None = None
        self._decided = False  # what the data set was not told yet
        self._before: list[str] = []  # cases that Back goes to, and those that it came from
        self._after: list[str] = []
        self._skipped: list[str] = []

    @property
    def shown(self) -> Shown | None:
        """The case that is looked at."""
        return self._stage.shown

    @property
    def item(self) -> str | None:
        """Its name."""
        return self.shown.case.entry.item if self.shown is not None else None

    @property
    def busy(self) -> bool:
        """Whether anything is still being read or written."""
        at_work = self.keeper.pending or self._filling is not None or self._opening is not None
        return at_work or self._behind.isActive() or not (self._writing.idle and self._ahead.idle)

    @property
    def filling(self) -> bool:
        """Whether cases are still coming."""
        return self._filling is not None

    @property
    def waiting(self) -> int:
        """How many decisions the data set does not hold yet."""
        return len(self.review.journal.standing.waiting) if self.review is not None else 0

    def queue(self) -> list[Entry]:
        """Return the cases as they are listed."""
        return queue.arranged(self.entries, self.order, self.show)

    def _upcoming(self) -> list[str]:
        """The cases that come after this one."""
        worst = self.order == "worst" and self.show == "to-do"
        found = queue.upcoming(self.queue(), self.item, self.broken, self._skipped if worst else None)
        back = [item for item in reversed(self._after) if item not in self.broken]
        return [*back, *(item for item in found if item not in back)]

    def _next(self) -> str | None:
        return next(iter(self._upcoming()), None)

    # Opening and closing

    def open(self, folder: Path, annotator: str, settings: SegmentSettings, bring: Bring | None = None) -> None:
        """Open a data set in the background, go on where its review stood, and let scans come into it."""
        self.close()

        def done(found: tuple[Review, list[Entry], list[str]]) -> None:
            self._opening = None
            self.review, self.entries, told = found
            self.keeper.journal = self.review.journal
            standing = self.review.journal.standing
            self.order = standing.choices.get("order", self.order)
            self.show = standing.choices.get("show", self.show)
            self.opened.emit(self.review)
            self.listed.emit()
            self._tell(told)
            self._filling = filling.start(self.review, bring, self._came, self._all_came)
            listed = {entry.item for entry in self.queue()}
            self.go_to(standing.current if standing.current in listed else self._next())

        def failed(error: Exception) -> None:
            self._opening = None
            self.failed.emit(error)

        self._opening = workers.call(lambda: begin(folder, annotator, settings), done, failed)

    def close(self) -> None:
        """Write what is not written yet, and let go of the data set."""
        for job in (self._opening, self._filling):
            if job is not None:
                job.drop()
        self._opening = self._filling = None
        self._behind.stop()
        self._ahead.drop()
        review = self.review
        if review is None:
            return
        if self._decided:
            self._carry_out()
        # Short, and the window is about to go: here nothing may wait for a worker to come back.
        for write in (self.keeper.finish, self._writing.finish):
            try:
                write()
            except Exception as error:
                log.warning("While closing the review: %s", error)
                self.failed.emit(error)
        review.close()
        self.review = self.keeper.journal = None
        self.keeper.reset()
        self._stage.clear()
        self._reset()
        self.showing.emit(None)
        self.opened.emit(None)

    def release(self) -> None:
        """Close, and listen to the session no more."""
        self.close()
        self.keeper.release()

    def _came(self, step: Step) -> None:
        told, self.entries = step
        self.listed.emit()
        self.filled.emit(told)
        if self.shown is None and self._wanted is None:
            self.go_to(self._next())
        else:
            self._read_ahead()

    def _all_came(self, _how: workers.End, error: Exception | None) -> None:
        self._filling = None
        if error is not None:
            self.failed.emit(error)
        self.filled.emit(None)

    def stop_filling(self) -> None:
        """Let no more come; what came stays."""
        if self._filling is not None:
            self._filling.cancel()

    # Going from case to case

    def arrange(self, order: Order | None = None, show: Show | None = None) -> None:
        """Choose order and filter."""
        self.order, self.show = order or self.order, show or self.show
        self.listed.emit()
        if self.review is None:
            return
        self.keeper.choose(order=self.order, show=self.show)
        if self.shown is None:
            self.go_to(self._next())
        else:
            self._read_ahead()

    def decide(self, verdict: Verdict) -> None:
        """Accept or reject the case, and go on to the next."""
        shown, review = self.shown, self.review
        if shown is None or review is None or self.keeper.leaving:
            return
        entry, result, then = shown.case.entry, shown.result, self._next()
        spacing = result.spacing if result is not None else entry.spacing
        try:
            drawing = self._stage.drawing(self.keeper.clock.seconds())
        except FetalSegError as error:
            self.failed.emit(error)
            return

        def done(decision: Decision) -> None:
            self._mark(decision)
            self._decided = True
            self._leave_for(then)
            self._behind.start(_PAINT_MS)

        self.keeper.leave(done, lambda: review.decide(entry, verdict, drawing, spacing))

    def skip(self) -> None:
        """Leave the case as it is and go on to the next."""
        if self.shown is None or self.item is None:
            return
        self._skipped = [*(item for item in self._skipped if item != self.item), self.item]
        self._turn(self._next())

    def jump(self, item: str) -> None:
        """Go to a case of the list."""
        if item != self.item:
            self._turn(item)

    def back(self) -> None:
        """Go back to the case that was looked at before."""
        self._before = [item for item in self._before if item not in self.broken]
        if not self._before:
            self.told.emit("This is the first case that was looked at.")
        elif self.review is not None:
            self.keeper.leave(self._go_back)

    def _go_back(self, _: Any = None) -> None:
        if self.item is not None:
            self._after.append(self.item)
            self._ahead.forget(self.item)
        self.go_to(self._before.pop())

    def revert(self) -> None:
        """Go back to the model's version of the case."""
        self._stage.revert()

    def again(self) -> None:
        """Try again what could not be read or written."""
        self.broken.clear()
        self._carry_out()
        if self.shown is None:
            self.go_to(self._next())

    def _turn(self, item: str | None) -> None:
        """Go to another case; this one stays to be done."""
        if item is None:
            self.told.emit("There is no other case in this list.")
        elif self.review is not None:
            self.keeper.leave(lambda _: self._leave_for(item))

    def _leave_for(self, item: str | None) -> None:
        """The case is safe: show another one."""
        if self.item is not None:
            self._before.append(self.item)
            self._ahead.forget(self.item)
        if self._after and self._after[-1] == item:
            self._after.pop()
        else:
            self._after.clear()
        self.go_to(item)

    def go_to(self, item: str | None) -> None:
        """Show a case, as soon as it is read; None for none."""
        self._wanted = item
        review = self.review
        if item is None or review is None:
            self._stage.clear()
            self.showing.emit(None)
            return
        case = self._ahead.take(item)
        if case is not None:
            self._display(case)
        else:
            self.reading.emit(item)
            self._ahead.read(review, [item])

    def _display(self, case: Case) -> None:
        review = self.review
        if review is None:
            return
        self._wanted = None
        shown = self._stage.show(case, review.settings)
        self.keeper.begin(case.entry.item, case.seconds)
        self.showing.emit(shown)
        for sentence in case.told:
            self.told.emit(sentence)
        self._behind.start(_PAINT_MS)

    def _catch_up(self) -> None:
        """Do what could wait for the picture."""
        self._stage.sweep()
        if self._decided:
            self._carry_out()
        self._read_ahead()

    # Reading

    def _read_ahead(self) -> None:
        if self.shown is None or self.review is None or self._wanted is not None:
            return
        self._ahead.read(self.review, self._upcoming()[:_AHEAD])

    def _on_case(self, case: Case) -> None:
        if case.entry.item == self._wanted:
            self._display(case)
        elif case.entry.item != self.item:
            self._ahead.keep(case)

    def _unreadable(self, item: str, error: Exception) -> None:
        review = self.review
        if review is None:
            return
        self.failed.emit(error)
        if not review.there:  # none of them can be read: it is the data set that is gone
            if item == self._wanted:
                self.go_to(None)
            return
        self.broken[item] = str(error)
        self.listed.emit()
        if item == self._wanted:
            self.go_to(self._next())
        else:
            self._read_ahead()

    # Writing

    def _tell(self, refused: list[str]) -> None:
        for sentence in refused:
            self.failed.emit(DatasetError(f"{sentence} What you drew is kept; look at the case again."))

    def _mark(self, decision: Decision) -> None:
        """Count a decision before the data set has it."""
        state = Status.REJECTED
        if decision.verdict == "accept":
            state = Status.EDITED if decision.mask or decision.ellipse else Status.ACCEPTED
        self.entries = [replace(e, state=state) if e.item == decision.item else e for e in self.entries]
        self.listed.emit()

    def _carry_out(self) -> None:
        review = self.review
        if review is None:
            return
        self._decided = False

        def done(found: tuple[list[str], list[Entry]]) -> None:
            told, entries = found
            if not self.waiting:  # else more was decided since
                self.entries = entries
                self.listed.emit()
            self._tell(told)

        self._writing.put(lambda: (review.carry_out(), review.entries()), done, self.failed.emit, key="carry out")
