"""The rows of the Measurements dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from fetalseg.result import Result
from napari_fetalseg import spacing as spacings
from napari_fetalseg import wording
from napari_fetalseg.session import Series, Session

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class Column:
    """A column: its title, what it shows, what it sorts by, its tooltip."""

    title: str
    text: Callable[[Series, Result], str]
    key: Callable[[Series, Result], Any]
    tip: Callable[[Series, Result], str] = lambda s, r: ""
    numeric: bool = False


def _quantity(title: str, name: str) -> Column:
    def tip(_series: Series, result: Result) -> str:
        exact = wording.number(result, name)
        if exact is None:
            return "not known"
        words = f"{wording.name_of(result, name)} = {exact!r}"
        interval = result.measurement.intervals.get(wording.name_of(result, name))
        if interval:
            words += f"\n95 % interval: {interval[0]:.4f} to {interval[1]:.4f}"
        if result.edited:
            words += f"\nThe model's: {wording.value(result.original, name)}"
        return words

    return Column(title, lambda s, r: wording.value(r, name), lambda s, r: wording.number(r, name), tip, True)


def _confidence(result: Result) -> str:
    value = result.measurement.confidence
    return wording.UNKNOWN if value is None else f"{value:.2f}"


def _scale(result: Result) -> str:
    if result.spacing is None:
        return spacings.UNKNOWN
    return f"{spacings.text(result.spacing)} · {result.spacing.source}"


_ORDER = list(wording.STATES)
COLUMNS: tuple[Column, ...] = (
    Column(
        "File", lambda s, r: s.title, lambda s, r: s.title.lower(), lambda s, r: str(s.source.path or s.source.name)
    ),
    Column("Frame", lambda s, r: str(r.frame), lambda s, r: r.frame, lambda s, r: "from 0, as in the slider", True),
    _quantity("HC", "hc"),
    _quantity("BPD", "bpd"),
    _quantity("OFD", "ofd"),
    _quantity("CI", "ci"),
    _quantity("Area", "area"),
    Column("Confidence", lambda s, r: _confidence(r), lambda s, r: r.measurement.confidence, numeric=True),
    Column(
        "State",
        lambda s, r: wording.state(r),
        lambda s, r: _ORDER.index(r.measurement.state),
        lambda s, r: wording.doubts(r),
    ),
    Column(
        "Flags",
        lambda s, r: ", ".join(f.code.replace("_", " ") for f in r.measurement.flags) or wording.UNKNOWN,
        lambda s, r: len(r.measurement.flags),
        lambda s, r: "\n".join(f.text for f in r.measurement.flags),
    ),
    Column("Model", lambda s, r: r.provenance.model, lambda s, r: r.provenance.model),
    Column("Scale", lambda s, r: _scale(r), lambda s, r: _scale(r)),
    Column("Edited", lambda s, r: wording.edited(r) or wording.UNKNOWN, lambda s, r: r.origin),
)


class ResultsModel(QAbstractTableModel):
    """The session's results as a table; it asks the session and keeps no numbers of its own.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: list[tuple[Series, int]] = session.rows()

    def row_at(self, row: int) -> tuple[Series, int]:
        """Return series and frame of a row."""
        return self._rows[row]

    def result_at(self, row: int) -> Result:
        """Return the result of a row."""
        series, frame = self._rows[row]
        return series.results[frame]

    def find(self, series: Series, frame: int) -> int | None:
        """Return the row of a result."""
        return next((i for i, (s, f) in enumerate(self._rows) if s is series and f == frame), None)

    def reload(self) -> None:
        """Take the session's rows anew: some were removed, or came in between."""
        self.beginResetModel()
        self._rows = self._session.rows()
        self.endResetModel()

    def extend(self) -> None:
        """Take the session's new rows; where they stand at the end, the others are left alone."""
        rows = self._session.rows()
        known = len(self._rows)
        if rows[:known] != self._rows:
            self.reload()
        elif len(rows) > known:
            self.beginInsertRows(QModelIndex(), known, len(rows) - 1)
            self._rows = rows
            self.endInsertRows()

    def update(self, series: Series, frames: list[int]) -> None:
        """Show the present values of some rows."""
        rows = [i for i, (s, f) in enumerate(self._rows) if s is series and f in frames]
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), len(COLUMNS) - 1))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802, D102
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802, D102
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802, D102
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if COLUMNS[section].numeric else _LEFT
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: D102
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        series, frame = self._rows[index.row()]
        result = series.results.get(frame)
        if result is None:
            return None
        column = COLUMNS[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(series, result)
        if role == Qt.ItemDataRole.UserRole:
            key = column.key(series, result)
            return -1.0 if key is None else key
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip(series, result) or column.text(series, result)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column.numeric else _LEFT
        if role == Qt.ItemDataRole.ForegroundRole and column.title == "State":
            return QColor(wording.STATES[result.measurement.state][0])
        if role == Qt.ItemDataRole.FontRole and result.edited:
            font = QFont()
            font.setItalic(True)
            return font
        return None
