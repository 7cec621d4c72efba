"""The rows of the Measurements dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from fetalseg import tasks
from fetalseg.growth.dating import ga_text
from fetalseg.growth.wording import age_at_scan_text, sentence, signed
from fetalseg.result import Result
from napari_fetalseg import spacing as spacings
from napari_fetalseg import wording
from napari_fetalseg.growth.standing import Standing, standing_of
from napari_fetalseg.series import ALL, Series, lesions, view
from napari_fetalseg.session import Session

_LOWEST = -1e9  # below any z-score
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class Column:
    """A column: its title, what it shows, what it sorts by, its tooltip.

    Those with `growth` are handed a head's `Standing` instead of its result, and only where there is one.
    """

    title: str
    text: Callable[[Series, Any], str]
    key: Callable[[Series, Any], Any]
    tip: Callable[[Series, Any], str] = lambda s, r: ""
    numeric: bool = False
    tasks: tuple[str, ...] = tasks.NAMES
    growth: bool = False


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


def _growth(
    title: str, text: Callable[[Standing], str], key: Callable[[Standing], Any], tip: Callable[[Standing], str]
) -> Column:
    """A column on where a head stands on its chart; why not, where it must not be read on one."""

    def told(_series: Series, standing: Standing) -> str:
        return tip(standing) if standing.found.ga_days is not None else standing.found.reason or ""

    numeric = title not in ("Chart", "Growth flags")
    return Column(title, lambda s, at: text(at) or wording.UNKNOWN, lambda s, at: key(at), told, numeric, (HEAD,), True)


def _z(standing: Standing) -> str:
    return "" if standing.found.hc.z is None else signed(standing.found.hc.z)


def _centile_key(standing: Standing) -> float | None:
    """Beyond the ends of a chart of quantiles there is no centile, yet an order."""
    hc = standing.found.hc
    return {"<": -0.5, ">": 100.5}.get(hc.centile_text[:1]) if hc.centile is None else hc.centile


def _place_tip(standing: Standing) -> str:
    found = standing.found
    return "\n".join([sentence(found, standing.chart), *found.sentences, *([found.reason] if found.reason else [])])


def _flag_words(standing: Standing) -> str:
    if not standing.found.ga_source:
        return "not read"
    return ", ".join(flag.code.replace("_", " ") for flag in standing.found.flags)


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
    _growth(
        "GA",
        lambda at: "" if at.found.ga_days is None else ga_text(at.found.ga_days),
        lambda at: at.found.ga_days,
        lambda at: f"Age at the scan: {age_at_scan_text(at.found)}",
    ),
    _growth("Centile", lambda at: at.found.hc.centile_text, _centile_key, _place_tip),
    _growth("z-score", _z, lambda at: at.found.hc.z, _place_tip),
    _growth(
        "Chart",
        lambda at: at.chart.title if at.found.ga_days is not None else "",
        lambda at: at.chart.title,
        lambda at: f"{at.chart.title}, version {at.chart.version}; {at.chart.range_text}\n{at.chart.source}",
    ),
    _growth(
        "Growth flags",
        _flag_words,
        lambda at: len(at.found.flags),
        lambda at: "\n".join(f"{flag.text} [{flag.source}]" for flag in at.found.flags),
    ),
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

    def standing_at(self, row: int) -> Standing | None:
        """Return where the head of a row stands on its pregnancy's chart, where that is known."""
        series, frame, _ = self._rows[row]
        result = series.results.get(frame)
        return standing_of(self._session.pregnancies, series, result) if result is not None else None

    def find(self, series: Series, frame: int, lesion: str = "") -> int | None:
        """Return the row of a result, or of a lesion of it."""
        wanted = (series, frame, lesion)
        return next((i for i, row in enumerate(self._rows) if row == wanted), None)

    def columns(self) -> list[int]:
        """Return the columns that say something of any row."""
        there = {series.settings.task for series, _, _ in self._rows} or {HEAD}
        dated = any(self.standing_at(row) is not None for row in range(len(self._rows)))
        return [i for i, column in enumerate(COLUMNS) if there & set(column.tasks) and (dated or not column.growth)]

    def growth_changed(self) -> None:
        """Show where heads stand anew."""
        at = [i for i, column in enumerate(COLUMNS) if column.growth]
        if self._rows:
            self.dataChanged.emit(self.index(0, at[0]), self.index(len(self._rows) - 1, at[-1]))

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
        about: Any = self.standing_at(index.row()) if column.growth else result
        known = series.settings.task in column.tasks and about is not None
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(series, about) if known else wording.UNKNOWN
        if role == Qt.ItemDataRole.UserRole:
            key = column.key(series, about) if known else None
            return (_LOWEST if column.growth else -1.0) if key is None else key
        if role == Qt.ItemDataRole.ToolTipRole:
            return (column.tip(series, about) or column.text(series, about)) if known else ""
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
