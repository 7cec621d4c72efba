"""What a data set holds, in numbers: how far it is, how much people changed, how long it took them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fetalseg.dataset.entry import Entry, Status


@dataclass(frozen=True)
class Summary:
    """Counts and medians; None where nothing is known.

    Parameters
    ----------
    states : dict of state to number
    groups : int
        Exams or patients.
    untouched : float or None
        Share of the predictions taken as truth that were accepted as they were.
    judged : int
        So many predictions became truth.
    seconds : float or None
        Median time a person took for an item.
    dice : float or None
        Median between prediction and annotation, of those that were edited.
    hc_change_mm : float or None
        Median size of the change of HC, of those that were edited.
    annotators : dict of name to number
    models : dict of name to number
        Whose predictions they are.
    """

    states: dict[str, int]
    groups: int
    untouched: float | None
    judged: int
    seconds: float | None
    dice: float | None
    hc_change_mm: float | None
    annotators: dict[str, int]
    models: dict[str, int]

    def lines(self) -> list[str]:
        """Return it as lines that a person reads."""
        told = ", ".join(f"{number} {state}" for state, number in self.states.items() if number) or "nothing yet"
        lines = [f"{sum(self.states.values())} items of {self.groups} exams or patients: {told}"]
        if self.untouched is not None:
            lines.append(f"{100 * self.untouched:.0f} % of {self.judged} predictions were accepted untouched")
        changes = []
        if self.dice is not None:
            changes.append(f"Dice {self.dice:.3f}")
        if self.hc_change_mm is not None:
            changes.append(f"HC {self.hc_change_mm:.1f} mm")
        if changes:
            lines.append(f"an edit changed (median): {', '.join(changes)}")
        if self.seconds is not None:
            lines.append(f"median time an item: {self.seconds:.0f} s")
        if self.annotators:
            lines.append("by " + ", ".join(f"{name} {number}" for name, number in self.annotators.items()))
        return lines


def summarize(entries: Iterable[Entry]) -> Summary:
    """Sum up items."""
    entries = list(entries)
    done = [entry for entry in entries if entry.state.done]
    judged = [entry for entry in done if entry.state.truth and entry.prediction]
    edited = [entry for entry in judged if entry.state is Status.EDITED]
    states = Counter(entry.state.value for entry in entries)
    return Summary(
        states={state.value: states[state.value] for state in Status},
        groups=len({entry.group for entry in entries}),
        untouched=1 - len(edited) / len(judged) if judged else None,
        judged=len(judged),
        seconds=_median(entry.seconds for entry in done),
        dice=_median(entry.dice for entry in edited),
        hc_change_mm=_median(None if e.hc_change_mm is None else abs(e.hc_change_mm) for e in edited),
        annotators=dict(Counter(entry.annotator for entry in done if entry.annotator).most_common()),
        models=dict(Counter(entry.model for entry in entries if entry.model).most_common()),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
