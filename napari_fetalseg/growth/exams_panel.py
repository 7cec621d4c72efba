"""The pregnancy in the Growth dock: its exams, and New, Open, Save, Add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
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

from fetalseg.errors import FetalSegError, GrowthError
from fetalseg.growth import pregnancy as files
from fetalseg.growth.dating import ga_text
from fetalseg.growth.pregnancy import Exam, Pregnancy
from fetalseg.growth.wording import signed
from napari_fetalseg import wording
from napari_fetalseg.growth.case import Case, Cases
from napari_fetalseg.widgets import WrappedLabel

_COLUMNS = {
    "Date": "Of the scan",
    "Age": "By the pregnancy's dating",
    "HC mm": "With its spread over the frames of which it is the mean",
    "Centile": "On the chosen chart",
    "z": "On the chosen chart",
}
_SAVE = "Save dates and exams as a small file (JSON); there is no name in it"
_FILES = "Pregnancies (*.json)"


class ExamsPanel(QWidget):
    """Lists a pregnancy's exams, and adds, removes, opens and saves.

    Parameters
    ----------
    cases : Cases
    work : callable
        Runs a function in a worker and hands its value to another one.

    Signals
    -------
    changed(), switched()
        The current pregnancy changed; another one is current.
    failed(Exception)
    """

    changed = Signal()
    switched = Signal()
    failed = Signal(object)

    def __init__(self, cases: Cases, work: Callable[[Callable[[], Any], Callable[[Any], Any]], None]) -> None:
        super().__init__()
        self._cases, self._work = cases, work
        self._exam: Exam | None = None
        self._at: tuple[Any, Any] = (None, None)  # image and series of the exam
        self._armed = ""  # the button that drops what is not saved when it is pressed again
        self._make_parts()
        self._lay_out()
        self.new_button.clicked.connect(self.new)
        self.open_button.clicked.connect(self._ask_open)
        self.save_button.clicked.connect(self._ask_save)
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(lambda: self.remove(self.table.currentRow()))
        self.table.itemSelectionChanged.connect(self._selected)
        self.machine.editingFinished.connect(self._machine_typed)

    def _make_parts(self) -> None:
        self.title = WrappedLabel()
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.new_button, self.open_button = QPushButton("New"), QPushButton("Open…")
        self.save_button = QPushButton("Save…")
        self.new_button.setToolTip("Begin another pregnancy: empty dates, no exams")
        self.open_button.setToolTip("Open a pregnancy's file (JSON)")
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        for column, tip in enumerate(_COLUMNS.values()):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setTabKeyNavigation(False)  # Tab leaves the table
        self.table.verticalHeader().hide()
        self.remove_button = QPushButton("Remove exam")
        self.machine = QLineEdit()
        self.machine.setPlaceholderText("not needed")
        self.machine.setToolTip(
            "Ultrasound machine, from the scan's file where it tells one: growth is not worked out between two of them"
        )
        self.add_button = QPushButton("Add this exam")
        self.reason = WrappedLabel()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.new_button, self.open_button, self.save_button):
            buttons.addWidget(button)
        self.machine_row = QWidget()
        row = QHBoxLayout(self.machine_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Machine"))
        row.addWidget(self.machine, 1)
        row.addWidget(self.remove_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        layout.addLayout(buttons)
        for part in (self.table, self.machine_row, self.add_button, self.reason):
            layout.addWidget(part)

    def show_exam(self, exam: Exam | None, at: tuple[Any, Any], problem: str) -> None:
        """Show the current pregnancy.

        Parameters
        ----------
        exam : Exam or None
            What is looked at.
        at : (image layer, Series)
            Where; both None without a scan.
        problem : str
            Why it can't be added; empty where it can.
        """
        self._exam, self._at = exam, at
        case = self._cases.current
        pregnancy = case.pregnancy
        name = case.path.name if case.path else "not saved yet" if case.unsaved else "no exam yet"
        state = ", changed since it was saved" if case.path and case.unsaved else ""
        self.title.setText(f"Pregnancy: {name}{state}")
        there = bool(pregnancy.exams)
        self.table.setVisible(there)
        self.remove_button.setVisible(there)
        self.save_button.setEnabled(there)
        self.save_button.setToolTip(_SAVE if there else "Add an exam first")
        if not self.machine.hasFocus():
            self.machine.setText(self._machine_told())
        self.machine_row.setVisible(at[0] is not None)
        self._fill(pregnancy)
        known = exam is not None and exam in pregnancy.exams
        again = exam is not None and len(case.without(exam, at[0])) < len(pregnancy.exams)
        self.add_button.setText("Update this exam" if again and not known else "Add this exam")
        why = "This exam is in the pregnancy." if known else problem
        self.add_button.setEnabled(not why)
        self.add_button.setToolTip(why or "Add this exam to the pregnancy: later scans are compared with it")
        self.reason.setText(why)
        self.reason.setVisible(bool(why))

    def _fill(self, pregnancy: Pregnancy) -> None:
        self.table.setRowCount(len(pregnancy.exams))
        for row, exam in enumerate(pregnancy.exams):
            for column, text in enumerate(_cells(pregnancy, exam)):
                item = QTableWidgetItem(text)
                if column > 0:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self.table.resizeRowsToContents()
        tall = sum(self.table.rowHeight(row) for row in range(len(pregnancy.exams)))
        self.table.setFixedHeight(self.table.horizontalHeader().sizeHint().height() + tall + 4)
        self._selected()

    def _selected(self) -> None:
        chosen = bool(self.table.selectedItems())
        self.remove_button.setEnabled(chosen)
        self.remove_button.setToolTip("Take the chosen row out of the pregnancy" if chosen else "Click a row first")

    # What the buttons do

    def add(self) -> None:
        """Add this exam; where it is in the pregnancy as it was before an edit, in its place."""
        case, exam, image = self._cases.current, self._exam, self._at[0]
        if exam is None:
            return
        try:
            kept = replace(case.pregnancy, exams=tuple(case.without(exam, image)))
            case.pregnancy = kept.with_exam(exam)
        except FetalSegError as error:
            self.failed.emit(error)
            return
        if image is not None:
            case.added[image] = exam
        self._armed = ""
        self.changed.emit()

    def remove(self, number: int) -> None:
        """Take an exam out of the pregnancy."""
        case = self._cases.current
        if 0 <= number < len(case.pregnancy.exams):
            case.pregnancy = case.pregnancy.without(number)
            self._armed = ""
            self.changed.emit()

    def new(self) -> None:
        """Begin another pregnancy with the scan that is looked at."""
        if self._may_drop("New"):
            self._switch(self._cases.another(self._cases.current.pregnancy.chart))

    def open_file(self, path: str | Path) -> None:
        """Open a pregnancy's file; the scan that is looked at is taken for one of it."""
        self._work(
            lambda: files.read(path), lambda found: self._switch(Case.of(found, Path(path), self._cases.formula))
        )

    def save(self, path: str | Path) -> None:
        """Save the pregnancy's file."""
        case, saved = self._cases.current, self._cases.current.pregnancy
        try:
            if case.doubt:
                raise GrowthError(f"{case.doubt} Mend that first, then save.")
            for exam in saved.exams:  # an impossible date must not reach the file
                saved.assess(exam)
        except FetalSegError as error:
            self.failed.emit(error)
            return

        def done(_: Any) -> None:
            case.saved, case.path = saved, Path(path)
            self.changed.emit()

        self._work(lambda: files.write(path, saved), done)

    def _switch(self, case: Case) -> None:
        self._armed = ""
        self._cases.swap(case, *self._at)
        self.switched.emit()

    def _may_drop(self, button: str) -> bool:
        """Whether what is not saved may go: it is lost only when the button is pressed twice."""
        if not self._cases.current.unsaved or self._armed == button:
            return True
        self._armed = button
        told = f"This pregnancy is not saved. Save it, or press {button} again to go on without it."
        self.failed.emit(GrowthError(told))
        return False

    def _ask_open(self) -> None:
        if not self._may_drop("Open"):
            return
        path, _ = QFileDialog.getOpenFileName(self, "Open pregnancy", "", _FILES)
        if path:
            self.open_file(path)

    def _ask_save(self) -> None:
        there = str(self._cases.current.path or "pregnancy.json")
        path, _ = QFileDialog.getSaveFileName(self, "Save pregnancy", there, _FILES)
        if path:
            self.save(path)

    def _machine_told(self) -> str:
        """The machine as typed; else as the file tells."""
        typed = self._cases.current.machines.get(self._at[0]) if self._at[0] is not None else ""
        told = self._exam.machine or "" if self._exam is not None else ""
        return told if typed is None else typed

    def _machine_typed(self) -> None:
        image, text = self._at[0], self.machine.text().strip()
        if image is not None and self._machine_told() != text:
            self._cases.current.machines[image] = text
            self.changed.emit()


def _cells(pregnancy: Pregnancy, exam: Exam) -> Sequence[str]:
    unknown = wording.UNKNOWN
    date = exam.scan_date.isoformat() if exam.scan_date else unknown
    spread = f" ({exam.spread_mm:.1f})" if exam.spread_mm is not None else ""
    size = f"{exam.hc_mm:.1f}{spread}"
    dating = pregnancy.dating
    if dating is not None and dating.on is None and len(pregnancy.exams) > 1:
        return date, unknown, size, unknown, unknown  # an age at one scan is none of the others
    try:
        found = pregnancy.assess(exam)
    except FetalSegError:
        return date, unknown, size, unknown, unknown
    age = ga_text(found.ga_days) if found.ga_days is not None else unknown
    z = signed(found.hc.z) if found.hc.z is not None else unknown
    return date, age, size, found.hc.centile_text or unknown, z
