"""The rows of the Batch dock: what failed and what is doubtful on top, each with its sentence."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from fetalseg.report.page import cells
from fetalseg.report.page.folder import FAILED, Case, urgency
from fetalseg.result import State
from napari_fetalseg.batch.thumbs import Thumbs
from napari_fetalseg.wording import STATES

PICTURE, ABOUT = range(2)
_COLOURS = {state.value: colour for state, (colour, _, _) in STATES.items()} | {FAILED: STATES[State.REFUSE][0]}


def state(case: Case) -> tuple[str, str]:
    """Return sign and word, and their colour."""
    return f"{cells.SIGNS[case.state]} {case.state}", _COLOURS[case.state]


def sentence(case: Case) -> str:
    """Return what to look at: why it failed, where a head stands at its age or why nowhere, and what is doubtful."""
    if case.failed:
        return case.error
    centile, age = cells.centile(case.row).text, cells.age(case.row).text
    stands = case.row.get("growth_reason") or " ".join(case.notes)
    if centile != cells.UNKNOWN:
        stands = f"{centile} centile at {age}."
    told = [text for _, text in case.flags] or [cells.of_frames(case) or cells.edited(case)]
    return " ".join(words for words in (stands, *told) if words)


def size(case: Case) -> str:
    """Return the number that matters most."""
    return cells.UNKNOWN if case.failed else cells.columns(case.task)[0].cell(case).text


class Rows(QAbstractTableModel):
    """A row a scan, always in order of urgency; it can hold very many."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: list[Case] = []
        self._keys: list[tuple[int, bool, float, str]] = []
        self.thumbs = Thumbs(self._pictured)
        self.thumbs.setParent(self)

    def clear(self) -> None:
        """Show none."""
        self.beginResetModel()
        self.cases, self._keys = [], []
        self.thumbs.clear()
        self.endResetModel()

    def add(self, cases: Iterable[Case]) -> None:
        """Put rows where they belong."""
        for case in cases:
            key = urgency(case)
            at = bisect_left(self._keys, key)
            self.beginInsertRows(QModelIndex(), at, at)
            self._keys.insert(at, key)
            self.cases.insert(at, case)
            self.endInsertRows()

    def flagged(self) -> int:
        """Return how many were measured and ask for a look."""
        return sum(case.state in (State.CHECK.value, State.REFUSE.value) for case in self.cases)

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802, D102
        return 0 if parent.isValid() else len(self.cases)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802, D102
        return 0 if parent.isValid() else 2

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: D102
        if not index.isValid() or index.row() >= len(self.cases):
            return None
        case, column = self.cases[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole and column == ABOUT:
            return f"{case.state}: {case.name}, {size(case)}. {sentence(case)}"
        if role == Qt.ItemDataRole.UserRole:
            return case
        if role == Qt.ItemDataRole.DecorationRole and column == PICTURE:
            return self.thumbs.get(case)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(case)
        return None

    def _pictured(self, case: Case) -> None:
        at = bisect_left(self._keys, urgency(case))
        if at < len(self.cases) and self.cases[at].name == case.name:
            index = self.index(at, PICTURE)
            self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])


def _tip(case: Case) -> str:
    """Return all that fits into no cell."""
    lines = [case.name, case.error or cells.headline(case)]
    lines += [text for _, text in case.flags]
    lines += case.notes
    lines += [f"{label}: {cell.full or cell.text}" for label, cell in cells.details(case)] if not case.failed else []
    return "\n".join(line for line in lines if line)
