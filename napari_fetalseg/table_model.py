"""The rows of the Measurements dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from fetalseg import tasks
from fetalseg.result import Result
from napari_fetalseg import spacing as spacings
from napari_fetalseg import wording
from napari_fetalseg.series import ALL, Series, lesions, view
from napari_fetalseg.session import Session

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
    tasks: tuple[str, ...] = tasks.NAMES


HEAD, TUMOUR, BRAIN = tasks.NAMES


def _quantity(title: str, name: str, shown: tuple[str, ...] = tasks.NAMES) -> Column:
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

    return Column(title, lambda s, r: wording.value(r, name), lambda s, r: wording.number(r, name), tip, True, shown)


def _confidence(result: Result) -> str:
    value = result.measurement.confidence
    return wording.UNKNOWN if value is None else f"{value:.2f}"


def _scale(result: Result) -> str:
    if result.spacing is None:
        return spacings.UNKNOWN
    volume = bool(tasks.get(result.task).VOLUME)
    return f"{spacings.text(result.spacing, volume)} · {result.spacing.source}"


_ORDER = list(wording.STATES)
_LESION_TIP = "The number on the mask; 'all' sums up volumes, and the products of the measurable lesions."


def _lesion(result: Result) -> str:
    return result.measurement.texts.get("lesion", ALL)


def _lesion_key(result: Result) -> int:
    return 0 if _lesion(result) == ALL else int(_lesion(result))


COLUMNS: tuple[Column, ...] = (
    Column(
        "File", lambda s, r: s.title, lambda s, r: s.title.lower(), lambda s, r: str(s.source.path or s.source.name)
    ),
    Column(
        "Frame", lambda s, r: str(r.frame), lambda s, r: r.frame, lambda s, r: "from 0, as in the slider", True, (HEAD,)
    ),
    Column("Lesion", lambda s, r: _lesion(r), lambda s, r: _lesion_key(r), lambda s, r: _LESION_TIP, True, (TUMOUR,)),
    Column(
        "State",
        lambda s, r: wording.state(r),
        lambda s, r: _ORDER.index(r.measurement.state),
        lambda s, r: wording.doubts(r),
    ),
    _quantity("Volume", "volume", (TUMOUR, BRAIN)),
    _quantity("HC", "hc", (HEAD, BRAIN)),
    _quantity("BPD", "bpd", (HEAD, BRAIN)),
    _quantity("OFD", "ofd", (HEAD, BRAIN)),
    _quantity("CI", "ci", (HEAD, BRAIN)),
    _quantity("Area", "area"),
    Column(
        "On slice",
        lambda s, r: wording.UNKNOWN if r.measurement.slice is None else str(r.measurement.slice),
        lambda s, r: r.measurement.slice,
        lambda s, r: "where the area is largest and the diameters are taken; from 0, as in the slider",
        True,
        (TUMOUR, BRAIN),
    ),
    _quantity("Longest", "longest", (TUMOUR,)),
    _quantity("Perpendicular", "perpendicular", (TUMOUR,)),
    _quantity("Product", "product", (TUMOUR,)),
    _quantity("Slices", "slices", (TUMOUR,)),
    Column(
        "Measurable",
        lambda s, r: wording.measurable(r),
        lambda s, r: r.measurement.values.get("measurable"),
        lambda s, r: f"By RANO. {wording.why_measurable(r)}",
        tasks=(TUMOUR,),
    ),
    Column("Confidence", lambda s, r: _confidence(r), lambda s, r: r.measurement.confidence, numeric=True),
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
        self._rows = session.table()

    def row_at(self, row: int) -> tuple[Series, int]:
        """Return series and frame of a row."""
        return self._rows[row][:2]

    def lesion_at(self, row: int) -> str:
        """Return the lesion of a row of a volume, or `ALL`; empty for a frame."""
        return self._rows[row][2]

    def result_at(self, row: int) -> Result:
        """Return the result that a row belongs to, of a volume as a whole."""
        series, frame = self.row_at(row)
        return series.results[frame]

    def find(self, series: Series, frame: int, lesion: str = "") -> int | None:
        """Return the row of a result, or of a lesion of it."""
        wanted = (series, frame, lesion)
        return next((i for i, row in enumerate(self._rows) if row == wanted), None)

    def columns(self) -> list[int]:
        """Return the columns that say something of any row."""
        there = {series.settings.task for series, _, _ in self._rows} or {HEAD}
        return [i for i, column in enumerate(COLUMNS) if there & set(column.tasks)]

    def reload(self) -> None:
        """Take the session's rows anew: some were removed, or came in between."""
        self.beginResetModel()
        self._rows = self._session.table()
        self.endResetModel()

    def extend(self) -> None:
        """Take the session's new rows; where they stand at the end, the others are left alone."""
        rows = self._session.table()
        known = len(self._rows)
        if rows[:known] != self._rows:
            self.reload()
        elif len(rows) > known:
            self.beginInsertRows(QModelIndex(), known, len(rows) - 1)
            self._rows = rows
            self.endInsertRows()

    def update(self, series: Series, frames: list[int]) -> bool:
        """Show the present values of some rows; return whether rows came or went, as lesions do."""
        if self._session.table() != self._rows:
            self.reload()
            return True
        rows = [i for i, (s, f, _) in enumerate(self._rows) if s is series and f in frames]
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), len(COLUMNS) - 1))
        return False

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
        series, frame, lesion = self._rows[index.row()]
        whole = series.results.get(frame)
        if whole is None or lesion not in lesions(whole):
            return None
        result = view(whole, lesion)
        column = COLUMNS[index.column()]
        known = series.settings.task in column.tasks
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(series, result) if known else wording.UNKNOWN
        if role == Qt.ItemDataRole.UserRole:
            key = column.key(series, result) if known else None
            return -1.0 if key is None else key
        if role == Qt.ItemDataRole.ToolTipRole:
            return (column.tip(series, result) or column.text(series, result)) if known else ""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column.numeric else _LEFT
        if role == Qt.ItemDataRole.ForegroundRole and column.title == "State":
            return QColor(wording.STATES[result.measurement.state][0])
        if role == Qt.ItemDataRole.FontRole and (result.edited or lesion == ALL):
            font = QFont()
            font.setItalic(result.edited)
            font.setBold(lesion == ALL)
            return font
        return None
