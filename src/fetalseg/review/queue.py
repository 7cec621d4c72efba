"""The queue: a data set's items in the order in which a person looks at them, and how many are done."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal

from fetalseg.dataset.entry import Entry, Status
from fetalseg.quality import known_flag, worst
from fetalseg.result import Flag, State

Order = Literal["worst", "given"]
Show = Literal["to-do", "accepted", "edited", "rejected", "all"]
ORDERS: tuple[Order, ...] = ("worst", "given")
SHOWS: tuple[Show, ...] = ("to-do", "accepted", "edited", "rejected", "all")

# The gravest first; what no model has seen yet comes last.
_RANK = {State.REFUSE: 0, State.CHECK: 1, State.ACCEPT: 2, None: 3}


def flags(entry: Entry) -> tuple[Flag, ...]:
    """Return the doubts about an item's prediction, the gravest first."""
    found = [known_flag(code) for code in entry.flags]
    return tuple(sorted(found, key=lambda flag: _RANK[flag.state]))


def trust(entry: Entry) -> State | None:
    """Return how far the model's version of an item can be trusted; None where no model drew one."""
    return worst(flags(entry)) if entry.prediction else None


def arranged(entries: Sequence[Entry], order: Order = "worst", show: Show = "to-do") -> list[Entry]:
    """Return the items to look at, in their order.

    Parameters
    ----------
    entries : sequence of Entry
        In the data set's order.
    order : {"worst", "given"}
        Worst first is by state, then by how many flags were raised, then by confidence.
    show : {"to-do", "accepted", "edited", "rejected", "all"}
        *accepted* holds the edited ones as well.
    """
    shown = [entry for entry in entries if _shown(entry, show)]
    if order == "given":
        return shown
    return sorted(shown, key=lambda e: (_RANK[trust(e)], -len(e.flags), 1.0 if e.confidence is None else e.confidence))


def _shown(entry: Entry, show: Show) -> bool:
    if show == "all":
        return True
    return entry.state.truth if show == "accepted" else entry.state.value == show


def upcoming(
    queue: Sequence[Entry],
    item: str | None,
    leave_out: Container[str] = (),
    skipped: Sequence[str] | None = None,
) -> list[str]:
    """Return the items that come after the one that is looked at.

    Parameters
    ----------
    queue : sequence of Entry
    item : str or None
        What is looked at; it need not be in the queue.
    leave_out : container of str
        Items that can't be shown.
    skipped : sequence of str, optional
        Where it is given, the first of the queue comes next, wherever `item` stands, and those that were skipped come
        last. Else those after `item` come, and after the last the first.
    """
    names = [entry.item for entry in queue]
    if skipped is None:
        at = names.index(item) + 1 if item in names else 0
        names = names[at:] + names[:at]
    else:
        there = set(names)
        names = [name for name in names if name not in skipped] + [name for name in skipped if name in there]
    return [name for name in names if name != item and name not in leave_out]


@dataclass(frozen=True)
class Counts:
    """How far a queue is: items to do, accepted, untouched among those, and rejected."""

    todo: int
    accepted: int
    untouched: int
    rejected: int

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Counts:
        """Count."""
        states = [entry.state for entry in entries]
        untouched = states.count(Status.ACCEPTED)
        return cls(
            states.count(Status.TODO), untouched + states.count(Status.EDITED), untouched, states.count(Status.REJECTED)
        )

    def line(self) -> str:
        """Return ``37 to do · 12 accepted (9 untouched) · 1 rejected``."""
        untouched = f" ({self.untouched} untouched)" if self.accepted else ""
        return f"{self.todo} to do · {self.accepted} accepted{untouched} · {self.rejected} rejected"
