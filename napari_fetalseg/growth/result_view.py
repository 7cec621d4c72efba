"""The right side of the Growth dock: the chart with this exam, and what is said of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from fetalseg.growth.assessment import Assessment
from fetalseg.growth.charts import Chart
from fetalseg.growth.pregnancy import Exam, Pregnancy
from fetalseg.growth.velocity import velocities
from fetalseg.growth.wording import exam_text, sentence, velocity_text
from napari_fetalseg.growth import said
from napari_fetalseg.growth.case import Cases
from napari_fetalseg.growth.chart_view import ChartView
from napari_fetalseg.widgets import WrappedLabel


class ResultView(QWidget):
    """Chart, the sentence under it, each chart's numbers side by side, flags and growth.

    Parameters
    ----------
    cases : Cases
        Holds the charts.
    """

    def __init__(self, cases: Cases) -> None:
        super().__init__()
        self.view = ChartView(cases)
        self.head, self.flags = WrappedLabel(), WrappedLabel()
        self.comparison, self.text = WrappedLabel(), WrappedLabel()
        self._labels = (self.head, self.flags, self.comparison, self.text)
        for label in self._labels:
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._drawn: tuple[Chart, Pregnancy | None, Assessment | None, str] | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.view, *self._labels):
            layout.addWidget(part)
        layout.addStretch()

    @property
    def chart(self) -> Chart:
        """The chosen chart."""
        return self.view.chart

    @property
    def found(self) -> Assessment | None:
        """What is shown on the chosen chart."""
        return self._drawn[2] if self._drawn else None

    def show_nothing(self, pregnancy: Pregnancy | None) -> None:
        """Show the chart without this exam, with those of a pregnancy."""
        for label in self._labels:
            label.setText("")
            label.hide()
        if self.found is not None:
            self.view.picture.clear()  # what was true of another exam goes at once
        self._paint(pregnancy, None)

    def show_exam(
        self, exam: Exam, found: Sequence[tuple[Chart, Assessment]], pregnancy: Pregnancy, refused: int = 0
    ) -> None:
        """Show an exam.

        Parameters
        ----------
        exam : Exam
        found : sequence of (Chart, Assessment)
            The exam on each chart.
        pregnancy : Pregnancy
            With the exam in it.
        refused : int
            How many frames were left out because their measurement is refused.
        """
        chart = self.chart
        mine = next(assessment for on, assessment in found if on is chart)
        edited = " · <i>edited by a person</i>" if exam.edited else ""
        mean = exam_text(exam, refused)
        told = f"<b>{html.escape(sentence(mine, chart, exam.hc_interval_mm))}</b>{edited}"
        self.head.setText("<br>".join([told, *([html.escape(mean)] if mean else [])]))
        table = said.comparison(found, chart)
        grown = html.escape(_growth(exam, pregnancy, chart))
        self.flags.setText(said.flags(mine))
        self.comparison.setText(table)
        self.text.setText(said.sentences(mine) + (f"<p>{grown}</p>" if grown else ""))
        for label in self._labels:
            label.setVisible(bool(label.text()))
        self._paint(pregnancy, mine)

    def save_picture(self, path: str | Path) -> Any:
        """Return the function that writes the picture as it is shown; for a worker."""
        chart, pregnancy, found, measure = self._drawn or (self.chart, None, None, self.view.measure)

        def write() -> None:
            from fetalseg.growth import curves

            curves.save(path, chart, measure=measure, pregnancy=pregnancy, assessment=found)

        return write

    def _paint(self, pregnancy: Pregnancy | None, found: Assessment | None) -> None:
        """Draw the chart, where anything on it changed."""
        chart, measure = self.chart, self.view.measure
        if (chart, pregnancy, found, measure) == self._drawn:
            return
        self._drawn = (chart, pregnancy, found, measure)

        def draw(width: int, height: int, dpi: float) -> Any:
            from fetalseg.growth import curves  # in the worker: matplotlib takes its time

            about: dict[str, Any] = {"measure": measure, "pregnancy": pregnancy, "assessment": found}
            return curves.render(chart, width, height, dpi=dpi, **about)

        self.view.picture.show_picture(draw)


def _growth(exam: Exam, pregnancy: Pregnancy, chart: Chart) -> str:
    """How fast the head grew up to an exam; to the last one where this is the first."""
    found = velocities(pregnancy, chart)
    mine = [velocity for velocity in found if velocity.later is exam] or list(found[-1:])
    return velocity_text(mine[-1]) if mine else ""
