"""The form of the Growth dock: how the pregnancy is dated, and the scan's own date."""

from __future__ import annotations

import datetime
import html
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QWidget

from fetalseg.errors import DatingError
from fetalseg.growth.dating import CRL_FORMULAS, parse_date, today
from napari_fetalseg.growth.case import Case
from napari_fetalseg.image_choice import narrow
from napari_fetalseg.widgets import AMBER, WrappedLabel

#: Ways of dating in the order shown: their name, and what the date is called; nothing where there is none.
WAYS = {
    "lmp": ("Last menstrual period (LMP)", "First day"),
    "crl": ("Crown-rump length (CRL)", "Measured on"),
    "ivf": ("IVF: day of fertilisation", "Fertilised on"),
    "edd": ("Due date (EDD)", "Due on"),
    "earlier_scan": ("Age at an earlier scan", "Scanned on"),
    "ga": ("Age at this scan", ""),
}
_DATE = "year-month-day"


class DatingForm(QWidget):
    """The scan's date and one way of dating. It edits a `Case`; what it means is said below.

    Signals
    -------
    changed(bool)
        Something was typed; true when typing has ended.
    formula_chosen(str)
        A person chose by which formula a crown-rump length dates.
    """

    changed = Signal(bool)
    formula_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.case = Case()
        self._image: Any = None
        self._told = self._lmp = ""
        self._filling = False
        self.scan_date = _line(_DATE, "Day of this scan, as 2024-05-20")
        self.today = QPushButton("Today")
        self.today.setToolTip("The scan was made today")
        self.today.clicked.connect(self._today)
        self.scan_source = WrappedLabel()
        self.way = QComboBox()
        narrow(self.way)
        for source, (title, _) in WAYS.items():
            self.way.addItem(title, source)
        self.date = _line(_DATE, "As 2024-05-20")
        self.date_source = WrappedLabel()
        self.length = _line("mm", "Crown-rump length in mm, 45 to 84")
        self.formula = QComboBox()
        narrow(self.formula)
        for key, title in CRL_FORMULAS.items():
            self.formula.addItem(title, key)
        self.age = _line("20+3", "Weeks + days as 20+3, or weeks as 20.4")
        self.answer = WrappedLabel()
        self.answer.setAccessibleName("Age at the scan")
        self._lay_out()
        self.scan_date.returnPressed.connect(self._next)
        self.way.currentIndexChanged.connect(self._way_chosen)
        self.formula.activated.connect(self._formula_chosen)
        for line in (self.scan_date, self.date, self.length, self.age):
            line.textEdited.connect(lambda _text, at=line: self._typed(at))
            line.editingFinished.connect(lambda at=line: self._finished(at))
        self.show_case(self.case, None, "", "")

    def _lay_out(self) -> None:
        self.scan_row = QWidget()
        scan = QHBoxLayout(self.scan_row)
        scan.setContentsMargins(0, 0, 0, 0)
        scan.addWidget(self.scan_date, 1)
        scan.addWidget(self.today)
        self.form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Scan date", self.scan_row)
        form.addRow("", self.scan_source)
        for title, part in (
            *(("Dated by", self.way), ("First day", self.date), ("", self.date_source)),
            *(("Length, mm", self.length), ("Formula", self.formula), ("Age", self.age)),
        ):
            form.addRow(title, part)
        form.addRow(self.answer)

    # What is shown

    def show_case(self, case: Case, image: Any, told: str, lmp: str) -> None:
        """Show a case at a scan.

        Parameters
        ----------
        case : Case
        image : object
            What the scan's date is kept for.
        told : str
            The scan's date as its file tells it; empty where it does not.
        lmp : str
            The last period, the same.
        """
        self.case, self._image, self._told, self._lmp = case, image, told, lmp
        self._filling = True
        typed = case.scan_dates.get(image) if image is not None else None
        self._show(self.scan_date, told if typed is None else typed)
        self.form.setRowVisible(self.scan_row, image is not None)
        self.way.setCurrentIndex(list(WAYS).index(case.source))
        self._fill()
        self._filling = False

    def _fill(self) -> None:
        typed, source = self.case.fields(), self.case.source
        for line, text in ((self.date, typed.date), (self.length, typed.length), (self.age, typed.age)):
            self._show(line, text)
        self.formula.setCurrentIndex(max(self.formula.findData(typed.formula), 0))
        title = WAYS[source][1]
        self.form.setRowVisible(self.date, bool(title))
        self.form.labelForField(self.date).setText(title)
        for part in (self.length, self.formula):
            self.form.setRowVisible(part, source == "crl")
        self.form.setRowVisible(self.age, source in ("earlier_scan", "ga"))
        fixed = self.case.fixed
        away = (
            source == "ga"
            and fixed is not None
            and fixed.on is not None
            and fixed.on.isoformat() != self.scan_date.text()
        )
        self.form.labelForField(self.age).setText(f"Age on {fixed.on}" if away and fixed else "Age")
        self._source()

    def _show(self, line: QLineEdit, text: str) -> None:
        if line.text() != text:  # the cursor stays where it is typed
            line.setText(text)

    def _source(self) -> None:
        text = self.scan_date.text().strip()
        if self._told and text == self._told:
            words = "from the file"
        elif self._told:
            words = f"typed; the file says {self._told}"
        else:
            words = "" if text else "not in the file: type it"
        self._tell(self.scan_source, words if self._image is not None else "")
        self._tell(self.date_source, self._lmp_source() if self.case.source == "lmp" else "")

    def _tell(self, label: WrappedLabel, words: str) -> None:
        self.form.setRowVisible(label, bool(words))
        label.setText(f"<small>{html.escape(words)}</small>")

    def _lmp_source(self) -> str:
        """Where the last period that is shown comes from, where a scan's file tells one."""
        text = self.date.text().strip()
        if text and text == self._lmp:
            return "from the file"
        elsewhere = "from the file of another scan" if text and text == self.case.lmp_told else ""
        if not self._lmp:
            return elsewhere
        typed = "typed" if text and self.case.fixed is None else ""
        return "; ".join(part for part in (elsewhere or typed, f"the file says {self._lmp}") if part)

    def say(self, answer: str, notes: tuple[str, ...] = (), doubtful: bool = False) -> None:
        """Say what the form means: the age with its source, and notes on it."""
        text = f"<b>{html.escape(answer)}</b>"
        if doubtful:
            text = f"<span style='color:{AMBER}'><b>!</b> {html.escape(answer)}</span>"
        self.answer.setText("<br>".join([text if answer else "", *(f"<small>{html.escape(n)}</small>" for n in notes)]))

    def begin(self) -> None:
        """Put the cursor where the next thing must be typed."""
        typed = self.case.fields()
        wanted = [self.scan_date, self.date if WAYS[self.case.source][1] else self.age]
        if self.case.source == "crl" and not typed.length:
            wanted.append(self.length)
        line = next((line for line in wanted if not line.text()), wanted[-1])
        line.setFocus()
        line.selectAll()

    # What is typed

    def day(self, final: bool) -> datetime.date | None:
        """Return the scan's date; None where it is not known, or not typed to its end.

        Raises
        ------
        DatingError
            If it is none.
        """
        text = self.scan_date.text().strip()
        try:
            return parse_date(text) if text else None
        except DatingError:
            if final:
                raise
            return None

    def _today(self) -> None:
        self.scan_date.setText(today().isoformat())
        self._typed(self.scan_date)
        self.changed.emit(True)

    def _way_chosen(self, _index: int) -> None:
        if self._filling:
            return
        self.case.source = self.way.currentData()
        self.case.fixed = None
        self._filling = True
        self._fill()
        self._filling = False
        self.changed.emit(True)

    def _formula_chosen(self, _index: int) -> None:
        self._keep()
        self.formula_chosen.emit(self.formula.currentData())
        self.changed.emit(True)

    def _typed(self, line: QLineEdit) -> None:
        if line is self.scan_date:
            if self._image is not None:
                self.case.scan_dates[self._image] = line.text().strip()
        else:
            self._keep()
        self._source()
        self.changed.emit(False)

    def _keep(self) -> None:
        typed = self.case.fields()
        typed.date, typed.age = self.date.text().strip(), self.age.text().strip()
        typed.length, typed.formula = self.length.text().strip(), self.formula.currentData()
        self.case.fixed = None
        self.form.labelForField(self.age).setText("Age")

    def _next(self) -> None:
        """Go on from the scan's date to what else must be typed."""
        line = self.date if self.form.isRowVisible(self.date) else self.age
        if not line.text():
            line.setFocus()

    def _finished(self, line: QLineEdit) -> None:
        if line.isModified():  # leaving a line that was not touched says nothing
            line.setModified(False)
            self.changed.emit(True)


def _line(hint: str, tip: str) -> QLineEdit:
    made = QLineEdit()
    made.setPlaceholderText(hint)
    made.setToolTip(tip)
    return made
