"""Reading ahead: the cases that come next are read, and segmented where need be, while one is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fetalseg.review.case import Case
from fetalseg.review.review import Review
from napari_fetalseg.review.lane import Lane


class Ahead:
    """Cases that are read, or about to be.

    Parameters
    ----------
    on_case : callable
        Called in the GUI thread with each case that was read.
    on_unreadable : callable
        Called with the name of one that can't be read, and the error.
    """

    def __init__(self, on_case: Callable[[Case], None], on_unreadable: Callable[[str, Exception], None]) -> None:
        self._on_case, self._on_unreadable = on_case, on_unreadable
        self._lane = Lane()
        self._ready: dict[str, Case] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return self._lane.idle

    def take(self, item: str) -> Case | None:
        """Return a case that was read, once."""
        return self._ready.pop(item, None)

    def forget(self, item: str | None) -> None:
        """A case was drawn on, or decided: what was read of it is old."""
        self._ready.pop(item or "", None)

    def keep(self, case: Case) -> None:
        """Keep a case until it is taken."""
        self._ready[case.entry.item] = case

    def read(self, review: Review, items: Sequence[str]) -> None:
        """Read these, in this order, and nothing else; what was read of others is forgotten."""
        self._ready = {name: case for name, case in self._ready.items() if name in items}
        self._lane.clear()
        for item in items:
            if item not in self._ready and not self._lane.runs(item):
                self._put(review, item)

    def _put(self, review: Review, item: str) -> None:
        def work() -> Case:
            return review.load(item)

        self._lane.put(work, self._on_case, lambda error: self._on_unreadable(item, error), key=item)

    def drop(self) -> None:
        """Forget all."""
        self._lane.drop()
        self._ready = {}
