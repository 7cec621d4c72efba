"""The Growth dock: dates on the left, the chart with this exam on the right; below each other where it is narrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMainWindow, QVBoxLayout

from fetalseg import RESEARCH
from fetalseg.errors import FetalSegError
from fetalseg.growth.assessment import Assessment, assess
from fetalseg.growth.charts import Chart
from fetalseg.growth.dating import Dating, redating_note
from fetalseg.growth.pregnancy import Exam, exam_of
from fetalseg.growth.results import refusal
from fetalseg.growth.wording import age_at_scan_text
from fetalseg.result import Result
from napari_fetalseg import _compat, workers
from napari_fetalseg.growth.case import Case
from napari_fetalseg.growth.chart_choice import ChartChoice, recall_formula, remember_formula
from napari_fetalseg.growth.dating_form import DatingForm
from napari_fetalseg.growth.exam_choice import ExamChoice
from napari_fetalseg.growth.exams_panel import ExamsPanel
from napari_fetalseg.growth.layout import NARROW, BesideOrBelow, Column
from napari_fetalseg.growth.question import Question
from napari_fetalseg.growth.result_view import ResultView
from napari_fetalseg.growth.standing import scan_day, scan_lmp
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.placing import dock_of
from napari_fetalseg.series import Series
from napari_fetalseg.widgets import Dock, ErrorBox, LinkLabel, WrappedLabel, link, primary_style

if TYPE_CHECKING:
    import napari.viewer

_CSV, _PICTURES = "Charts (*.csv)", "Pictures (*.png *.svg *.pdf)"
# Of the window's width, for a dock at its side.
_SHARE = 0.3
_SIDES = (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea)


class GrowthWidget(Dock):
    """Shows where the selected head stands on a growth chart.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self.session = drawing_of(self.viewer).session
        self.cases = self.session.pregnancies
        self.exam: Exam | None = None
        self._shown: tuple[Case, Any] | None = None  # what the form shows: a case, at an image
        self._jobs = workers.Jobs(self)
        self._make_parts()
        self._connect()
        self.charts.recall()
        recall_formula(self.cases)
        self.reload()

    @property
    def case(self) -> Case:
        """The pregnancy that is shown."""
        return self.cases.current

    @property
    def found(self) -> Assessment | None:
        """How the chosen chart sees this exam."""
        return self.result.found

    # Building

    def _make_parts(self) -> None:
        self.empty = LinkLabel(sample=self.open_sample)
        self.empty.setText(
            "Segment a fetal head, then type the scan's date and the last period (or another dating): where the head "
            f"stands on the growth chart is shown here. {link('sample', 'Open sample')}"
        )
        self.question = Question()
        self.form = DatingForm()
        self.choice = ExamChoice(self.session)
        self.error = ErrorBox()
        self.result = ResultView(self.cases)
        self.view = self.result.view
        self.charts = ChartChoice(self.cases, self.view, self._work, self.error.show_error)
        self.exams = ExamsPanel(self.cases, self._work)
        dates = Column(self.empty, self.question, self.form, self.choice, self.error)
        self.scroll = BesideOrBelow(dates, self.result, Column(self.exams, WrappedLabel(RESEARCH)))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.scroll)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * NARROW)

    def _connect(self) -> None:
        session = self.session
        for signal in (session.selected, session.changed, session.removed, session.added, session.spacing_changed):
            self._listen(signal, self._on_session)
        self._listen(self.viewer.events.theme, self._on_theme)
        self._on_theme()
        self.form.changed.connect(self.reload)
        self.form.formula_chosen.connect(lambda key: remember_formula(self.cases, key))
        self.choice.use.activated.connect(lambda _: self.reload())
        self.view.chosen.connect(self.reload)
        self.view.picture.failed = self.error.show_error
        self.view.add_button.clicked.connect(self._ask_chart)
        self.view.export_button.clicked.connect(self._ask_picture)
        self.question.answered.connect(self.answer)
        self.exams.changed.connect(self.reload)
        self.exams.switched.connect(self._switched)
        self.exams.failed.connect(self.error.show_error)
        self._undo.append(self.view.picture.stop)
        self._undo.append(self._jobs.drop)

    def _on_theme(self, _event: Any = None) -> None:
        self.exams.add_button.setStyleSheet(primary_style(self.viewer.theme))

    def place(self) -> None:
        """Put the dock where it belongs, and give the chart room."""
        if self._placed:
            return
        super().place()
        dock = dock_of(self)
        window = dock.parent() if dock is not None else None
        if self._placed and isinstance(window, QMainWindow) and window.dockWidgetArea(dock) in _SIDES:
            width = max(self.minimumWidth(), round(_SHARE * window.width()))
            window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)

    def begin(self) -> None:
        """Put the cursor where the next thing must be typed."""
        self.form.begin()

    # What is looked at

    def _selected(self) -> tuple[Series, int, Result] | None:
        """The selected head."""
        chosen, result = self.session.selection, self.session.selected_result()
        if chosen is None or result is None or result.task != "head" or not result.measurement.found:
            return None
        return *chosen, result

    def _on_session(self, *_: Any) -> None:
        if self.open:
            self.reload()

    def reload(self, final: bool = True) -> None:
        """Show where the selected head stands, by what is typed.

        Parameters
        ----------
        final : bool
            Whether typing has ended: until then what is no date yet is no error.
        """
        selected = self._selected()
        series = selected[0] if selected else None
        image = (series.image() or series) if series else None
        ask = series is not None and not self.cases.find(image, series)
        self.empty.setVisible(selected is None)
        self.question.setVisible(ask)
        self.form.setEnabled(not ask)
        self.error.clear()
        self.exam = None
        problem = "Say first whether it is the same pregnancy." if ask else "Segment a fetal head first."
        if ask and series is not None:
            self.choice.hide()
            self.question.ask(series.title)
            self.form.say("")
            self.result.show_nothing(None)
        else:
            self._follow_case()
            self._show_form(selected, image)
            problem = self._show_exam(selected, image, final) if selected else self._show_dates(final) or problem
        self.exams.show_exam(self.exam, (image, series), problem)
        self.cases.tell()

    def _follow_case(self) -> None:
        """Show the chart of the case, where another case is current now."""
        if self._shown is None or self._shown[0] is not self.case:
            self.charts.follow()
        else:
            self.charts.keep()

    def _show_form(self, selected: tuple[Series, int, Result] | None, image: Any) -> None:
        if self._shown is not None and self._shown[0] is self.case and self._shown[1] is image:
            return
        self._shown = (self.case, image)
        if image is not None:
            self.case.look_at(image)
        day, lmp = (scan_day(selected[0], selected[2]), scan_lmp(selected[0])) if selected is not None else ("", "")
        self.case.offer_lmp(lmp)
        self.form.show_case(self.case, image, day, lmp)
        if selected is None:
            self.choice.hide()

    def answer(self, same: bool) -> None:
        """Take the selected scan for one of this pregnancy, or of another one."""
        selected = self._selected()
        if selected is None:
            return
        if not same:
            self.cases.begin(self.cases.another(self.view.chart.key))
        self.cases.join(selected[0].image() or selected[0], selected[0])
        self.reload()
        self.begin()

    def _switched(self) -> None:
        self.reload()
        self.begin()

    # What it means

    def _date(self, final: bool) -> Dating | None:
        """Take what is typed for the pregnancy's dating.

        Raises
        ------
        DatingError
        """
        case = self.case
        try:
            dating = case.dating(self.form.day(final), final)
        except FetalSegError as error:
            case.doubt = str(error)
            raise
        case.doubt = ""
        case.pregnancy = replace(case.pregnancy, dating=dating)
        return dating

    def _show_dates(self, final: bool) -> str:
        """Show a pregnancy without a scan; return what is wrong with it."""
        try:
            self._date(final)
        except FetalSegError as error:
            self.error.show_error(error)
            self.result.show_nothing(None)
            return "First mend what is said in red."
        self.form.say("")
        self.result.show_nothing(self.case.pregnancy)
        return ""

    def _show_exam(self, selected: tuple[Series, int, Result], image: Any, final: bool) -> str:
        """Show where the head stands; return what is wrong, where that can't be told."""
        series, frame, _ = selected
        self.choice.show_series(series)
        try:
            dating = self._date(final)
            results, day = self.choice.results(series, frame), self.form.day(final)
            if day is None and len(results) > 1:
                exam_of(results)  # it refuses results of different days
            exam = exam_of(results, day, machine=self.case.machines.get(image))
            exam = replace(exam, scan_date=day)
            waits = dating is not None and dating.on is not None and day is None
            found = [(chart, _assess(exam, None if waits else dating, chart)) for chart in self.view.charts]
        except FetalSegError as error:
            self.error.show_error(error)
            self.form.say("")
            self.result.show_nothing(None)
            return "First mend what is said in red."
        self.exam = exam
        self._say(found[0][1], image, waits, final)
        refused = sum(bool(refusal(result)) for result in results)
        self.result.show_exam(exam, found, self.case.with_this(exam, image), refused)
        return ""

    def _say(self, found: Assessment, image: Any, waits: bool, final: bool) -> None:
        """Say under the form what it gives."""
        if waits:
            self.form.say("Type the scan's date as well: then the age at the scan is known.", doubtful=True)
            return
        if found.ga_days is None:
            self.form.say("No age yet, and so no centile: type a date above.", doubtful=True)
            return
        notes = []
        case, dating = self.case, self.case.pregnancy.dating
        by_lmp = case.other_dating(final)
        if by_lmp is not None and dating is not None:
            notes.append(redating_note(by_lmp, dating) or "")
        others = case.without(self.exam, image) if self.exam is not None else ()
        if others and case.saved.dating is not None and dating != case.saved.dating:
            notes.append("The file has another dating. What is typed here holds for all exams of the pregnancy.")
        self.form.say(age_at_scan_text(found), tuple(note for note in notes if note))

    # Charts, pictures, samples

    def _ask_chart(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Add a chart", "", _CSV)
        if path:
            self.add_chart(path)

    def add_chart(self, path: str | Path) -> None:
        """Add a chart from a csv of age, mean and SD, and choose it."""
        self.charts.add(path)

    def _ask_picture(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export picture", "growth.png", _PICTURES)
        if path:
            self.export(path)

    def export(self, path: str | Path) -> None:
        """Save the picture as PNG, SVG or PDF."""
        self._work(self.result.save_picture(path), lambda _: None)

    def open_sample(self) -> None:
        """Open the first sample."""
        from fetalseg import samples

        try:
            self.viewer.open_sample("napari-fetalseg", Path(samples.names()[0]).stem)
        except (KeyError, FetalSegError, IndexError) as error:
            self.error.show_error(error)

    def _work(self, function: Callable[[], Any], done: Callable[[Any], Any]) -> None:
        self.error.clear()
        self._jobs.call(function, done, self.error.show_error)


def _assess(exam: Exam, dating: Dating | None, chart: Chart) -> Assessment:
    return assess(
        exam.hc_mm,
        dating=dating,
        scan_date=exam.scan_date,
        bpd_mm=exam.bpd_mm,
        ofd_mm=exam.ofd_mm,
        hc_interval_mm=exam.hc_interval_mm,
        chart=chart,
    )
