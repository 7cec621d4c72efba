"""The Follow-up dock: how a patient's tumour changed between the volumes that are open."""

from __future__ import annotations

import html
import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from fetalseg import RESEARCH
from fetalseg.errors import FetalSegError
from fetalseg.followup import rano
from fetalseg.followup.studies import date_in_name, of_result, parse_date
from napari_fetalseg import _compat, wording
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.series import Series
from napari_fetalseg.widgets import AMBER, Dock, ErrorBox, WrappedLabel

if TYPE_CHECKING:
    import napari.viewer

_EMPTY = "Open two or more volumes of one patient and segment each (target: brain tumour): they are compared here."
#: Of the table in the dock, with what each column holds.
_SHOWN = {
    "Study": "Its date, or its name where that is not known; under it what the size alone would mean by RANO",
    "Volume": "With its change against the baseline",
    "Product": "Of the measurable lesions' diameters, added up; with its change against the baseline",
    "mm per\nyear": "Growth of the mean diameter since the study before; not worked out over less than 90 days",
}
#: Of the copied table.
_COPIED = ("Study", "Date", "Volume", "Change", "Product", "Change", "Mean diameter, mm/year", "By size")


class FollowupWidget(Dock):
    """Lists the tumour volumes that are open, each with a date, and shows what changed.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self.session = drawing_of(self.viewer).session
        self._rows: list[_Row] = []
        self._typed: weakref.WeakKeyDictionary[Series, tuple[bool, str]] = weakref.WeakKeyDictionary()
        self.found: rano.Followup | None = None
        self._make_parts()
        for signal in (self.session.added, self.session.removed, self.session.changed):
            self._listen(signal, self.reload)
        self.reload()

    def _make_parts(self) -> None:
        self.empty = WrappedLabel(_EMPTY)
        self.studies = QGridLayout()
        self.baseline = QComboBox()
        self.baseline.setToolTip("Changes are told against this study; earlier ones are shown, not compared")
        self.baseline.activated.connect(self.compare)
        self.proposal, self.text = WrappedLabel(), WrappedLabel()
        for label in (self.proposal, self.text):
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table = QTableWidget(0, len(_SHOWN))
        self.table.setHorizontalHeaderLabels(list(_SHOWN))
        for column, tip in enumerate(_SHOWN.values()):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)  # a long name wraps, the numbers stay whole
        self._fit_soon = self._timer(0, self._fit)
        header.sectionResized.connect(lambda *_: self._fit_soon.start())
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy table and sentences as text")
        self.copy_button.clicked.connect(self.copy)
        self.error = ErrorBox()
        self.baseline_row = QWidget()
        row = QHBoxLayout(self.baseline_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Baseline"))
        row.addWidget(self.baseline, 1)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.empty)
        layout.addLayout(self.studies)
        layout.addWidget(self.baseline_row)
        for part in (self.error, self.proposal, self.table, self.text, self.copy_button):
            layout.addWidget(part)
        layout.addStretch()
        layout.addWidget(WrappedLabel(RESEARCH))
        self._fill(inside)

    # The studies

    def reload(self, *_: Any) -> None:
        """List the tumour volumes that are open; what was typed stays."""
        if not self.open:
            return
        there = [s for s in self.session.series if s.settings.task == "tumour" and 0 in s.results]
        if [row.series for row in self._rows] != there:
            self._list(there)
        self.compare()

    def _list(self, there: list[Series]) -> None:
        for row in self._rows:
            for part in row.parts:
                self.studies.removeWidget(part)
                part.deleteLater()
        self._rows = []
        newest = {id(series.image()): series for series in there}
        for at, series in enumerate(there):
            # Of several looks at one volume the newest counts; the others can be chosen instead.
            first = (newest[id(series.image())] is series, _known_date(series))
            used, date = self._typed.get(series, first)
            row = _Row(series, used, date)
            row.used.toggled.connect(self._edited)
            row.date.editingFinished.connect(self._edited)
            for column, part in enumerate(row.parts):
                self.studies.addWidget(part, at, column)
            self._rows.append(row)
        self.studies.setColumnStretch(0, 1)

    def _edited(self) -> None:
        for row in self._rows:
            self._typed[row.series] = (row.used.isChecked(), row.date.text())
        self.compare()

    def set_date(self, series: Series, date: str) -> None:
        """Type a study's date: ``2020-01-31``, or nothing where it is not known."""
        next(row for row in self._rows if row.series is series).date.setText(date)
        self._edited()

    # What changed

    def compare(self, *_: Any) -> None:
        """Compare the chosen studies; what is wrong is told."""
        used = [row for row in self._rows if row.used.isChecked()]
        enough = len(used) >= 2
        self.empty.setVisible(not enough)
        for part in (self.baseline_row, self.proposal, self.table, self.text, self.copy_button):
            part.setVisible(enough)
        self.error.clear()
        self.found = None
        if not enough:
            return
        try:
            studies = [row.study() for row in used]
            self._offer([study.name for study in studies])
            chosen = self.baseline.currentData()
            self.found = rano.compare(studies, chosen)
        except FetalSegError as error:
            self.error.show_error(error)
            for part in (self.proposal, self.table, self.text, self.copy_button):
                part.hide()
            return
        self._show(self.found)

    def _offer(self, names: list[str]) -> None:
        kept = self.baseline.currentData()
        self.baseline.blockSignals(True)
        self.baseline.clear()
        self.baseline.addItem("the first by date", None)
        for name in names:
            self.baseline.addItem(name, name)
        self.baseline.setCurrentIndex(max(self.baseline.findData(kept), 0))
        self.baseline.blockSignals(False)

    def _show(self, found: rano.Followup) -> None:
        self.proposal.setText(
            f"<span style='font-size:large; font-weight:600'>{html.escape(_capital(found.proposal))}</span>"
            "<br>A proposal for a person to judge."
        )
        self.table.setRowCount(len(found.changes))
        for at, change in enumerate(found.changes):
            for column, text in enumerate(_brief(change, found.baseline)):
                item = QTableWidgetItem(text)
                item.setToolTip(change.study.name if column == 0 else "")
                if column > 0:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(at, column, item)
        self._fit()
        self.text.setText(_paragraphs(found))

    def _fit(self) -> None:
        """Make the table as tall as its rows are at the present width: the dock scrolls, not the table."""
        self.table.resizeRowsToContents()
        rows = sum(self.table.rowHeight(i) for i in range(self.table.rowCount()))
        self.table.setFixedHeight(self.table.horizontalHeader().sizeHint().height() + rows + 4)

    def copy(self) -> None:
        """Copy table and sentences as text."""
        if self.found is None:
            return
        lines = ["\t".join(_COPIED)]
        lines += ["\t".join(_cells(change, self.found.baseline)) for change in self.found.changes]
        lines += ["", f"Proposal, for a person to judge: {self.found.proposal}."]
        lines += [line for title, told in self.found.told for line in (f"{title}:", *(f"- {one}" for one in told))]
        QApplication.clipboard().setText("\n".join([*lines, RESEARCH]))


class _Row:
    """A volume in the list: whether it is used, and its date."""

    def __init__(self, series: Series, used: bool, date: str) -> None:
        self.series = series
        self.used = QCheckBox(series.title)
        self.used.setChecked(used)
        self.date = QLineEdit(date)
        self.date.setPlaceholderText("date")
        self.date.setToolTip("Of the scan, as 2020-01-31; empty where it is not known")
        self.date.setFixedWidth(self.date.fontMetrics().horizontalAdvance("0000-00-00") * 3 // 2)

    @property
    def parts(self) -> tuple[QWidget, QWidget]:
        """The widgets, from left to right."""
        return self.used, self.date

    def study(self) -> rano.Study:
        """Return the volume's sizes.

        Raises
        ------
        FetalSegError
            If what was typed is no date.
        """
        text = self.date.text().strip()
        date = parse_date(text) if text else None
        if text and date is None:
            raise FetalSegError(f"'{text}' of {self.series.title} is no date; write it as 2020-01-31.")
        source = "" if date is None else "the volume" if text == _known_date(self.series) else "typed in"
        description = str(self.series.source.facts.get("description") or "")
        return of_result(self.series.title, self.series.results[0], date, source, description)


def _known_date(series: Series) -> str:
    """The study's date as the file tells it, else as its name does; nothing where neither does."""
    told = series.source.facts.get("study_date")
    if told:
        return str(told)
    named = date_in_name(series.source.name)
    return named.isoformat() if named else ""


def _cells(change: rano.Change, baseline: str) -> list[str]:
    study = change.study
    by_size = change.category or change.volume_category or wording.UNKNOWN
    return [
        study.name,
        study.date.isoformat() if study.date else wording.UNKNOWN,
        _cell(study.volume_ml, ".1f", " ml"),
        _cell(change.volume_pct, "+.0f", " %"),
        _cell(study.product_mm2, ".0f", " mm²"),
        _cell(change.product_pct, "+.0f", " %"),
        _cell(change.growth_mm_per_year, "+.1f", " mm"),
        "baseline" if study.name == baseline else by_size,
    ]


def _brief(change: rano.Change, baseline: str) -> list[str]:
    """The same in fewer, narrower columns."""
    name, date, volume, volume_change, product, product_change, grown, by_size = _cells(change, baseline)
    study = _breakable(name) if change.study.date is None else date
    both = [
        value if change == wording.UNKNOWN or by_size == "baseline" else f"{value}\n{change}"
        for value, change in ((volume, volume_change), (product, product_change))
    ]
    known = by_size != wording.UNKNOWN
    return [f"{study}\n{by_size}" if known else study, *both, grown.removesuffix(" mm")]


def _cell(value: float | None, how: str, unit: str) -> str:
    return wording.UNKNOWN if value is None else f"{value:{how}}{unit}"


def _paragraphs(found: rano.Followup) -> str:
    out = ""
    for title, sentences in found.told:
        head = f"<span style='color:{AMBER}'>! {title}</span>" if title == "Beware" else title
        # Qt's own lists waste a third of a narrow dock on their indent.
        points = "".join(f"<tr><td>•&nbsp;</td><td>{html.escape(sentence)}</td></tr>" for sentence in sentences)
        out += f"<p><b>{head}</b></p><table cellspacing='0' cellpadding='1'>{points}</table>"
    return out


def _breakable(text: str) -> str:
    """Let a long file name wrap after what joins its parts."""
    for mark in "_.-":
        text = text.replace(mark, f"{mark}\u200b")
    return text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
