"""The list of cases: a sign, a name, and what to look at or what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from fetalseg.dataset.entry import Entry, Status
from fetalseg.result import State
from fetalseg.review import queue
from napari_fetalseg.wording import STATES, UNKNOWN

_SIGN, _NAME, _WORDS = range(3)
_DONE = {Status.ACCEPTED: State.ACCEPT, Status.EDITED: State.ACCEPT, Status.REJECTED: State.REFUSE}


def words(entry: Entry) -> str:
    """Return what to look at, or what was decided."""
    if entry.state is Status.EDITED and entry.hc_change_mm is not None:
        return f"edited, HC {entry.hc_change_mm:+.1f} mm"
    if entry.state is Status.EDITED and entry.dice is not None:
        return f"edited, Dice {entry.dice:.3f}"
    if entry.state.done:
        return entry.state.value
    if not entry.prediction:
        return "not segmented yet"
    return ", ".join(flag.code.replace("_", " ") for flag in queue.flags(entry)) or UNKNOWN


def state(entry: Entry) -> State | None:
    """Return the state whose colour and sign a case has: the model's while it waits, then the person's."""
    return _DONE.get(entry.state) or queue.trust(entry)


class QueueModel(QAbstractTableModel):
    """The cases as they are listed."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: Sequence[Entry] = ()
        self.broken: Mapping[str, str] = {}

    def show(self, entries: Sequence[Entry], broken: Mapping[str, str]) -> None:
        """Show other cases, or the same in other states."""
        self.beginResetModel()
        self.entries, self.broken = entries, dict(broken)
        self.endResetModel()

    def find(self, item: str | None) -> int | None:
        """Return a case's row."""
        return next((row for row, entry in enumerate(self.entries) if entry.item == item), None)

    def rowCount(self, parent: Any = QModelIndex()) -> int:  # noqa: B008, N802
        """Number of cases."""
        return 0 if parent.isValid() else len(self.entries)

    def columnCount(self, parent: Any = QModelIndex()) -> int:  # noqa: B008, N802
        """Sign, name, words."""
        return 0 if parent.isValid() else 3

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        entry, column = self.entries[index.row()], index.column()
        broken = self.broken.get(entry.item)
        found = State.REFUSE if broken else state(entry)
        if role == Qt.ItemDataRole.DisplayRole:
            if column == _NAME:
                return entry.item
            if column == _SIGN:
                return STATES[found][1] if found is not None else "·"
            return "can't be read" if broken else words(entry)
        if role == Qt.ItemDataRole.ForegroundRole and column == _SIGN and found is not None:
            return QColor(STATES[found][0])
        if role == Qt.ItemDataRole.TextAlignmentRole and column == _SIGN:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return broken or "\n".join(flag.text for flag in queue.flags(entry)) or entry.item
        return None


class QueueView(QTableView):
    """Shows them; a click, or Enter, goes to a case."""

    def __init__(self, model: QueueModel) -> None:
        super().__init__()
        self._model = model
        self.setModel(model)
        self.setAccessibleName("Cases")
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalHeader().hide()
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(0)
        row = round(self.fontMetrics().height() * 1.5)
        self.verticalHeader().setDefaultSectionSize(row)
        self.setMinimumHeight(row * 5)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(self.fontMetrics().averageCharWidth() * 3)
        header.setSectionResizeMode(_SIGN, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self.setColumnWidth(_SIGN, self.fontMetrics().averageCharWidth() * 4)
        self.setColumnWidth(_NAME, self.fontMetrics().averageCharWidth() * 20)

    def mark(self, item: str | None) -> None:
        """Show which case is looked at."""
        row = self._model.find(item)
        if row is None:
            self.clearSelection()
            return
        self.selectRow(row)
        self.scrollTo(self._model.index(row, _NAME))

    def item_at(self, index: Any) -> str:
        """Return the case of a row."""
        return self._model.entries[index.row()].item
