"""What dates the heads of a run, and the chart that they stand on."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from fetalseg.growth import charts
from fetalseg.settings import GrowthSettings
from napari_fetalseg.growth.chart_choice import remembered, remembered_formula
from napari_fetalseg.image_choice import narrow
from napari_fetalseg.path_choice import PathChoice


class DatingRule(QWidget):
    """Chooses a csv of exams and, where there is one, a chart.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.exams = PathChoice("a csv of exams", "Tables (*.csv);;All files (*)")
        self.exams.line.setPlaceholderText("a csv of exams; without one, no centile")
        self.exams.setToolTip(
            "A line an exam: file, scan_date, and one of lmp, edd, ivf, crl_mm with crl_date, or ga_weeks.\n"
            "Each head then stands on the growth chart at its age, with z-score and centile."
        )
        self.chart = QComboBox()
        self.chart.setAccessibleName("Growth chart")
        narrow(self.chart)
        own, chosen = remembered()
        for name in charts.NAMES:
            self.chart.addItem(charts.get(name).title, name)
        for path in own:
            self.chart.addItem(Path(path).name, path)
        self.show_chart(chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.exams)
        layout.addWidget(self.chart)
        self.exams.changed.connect(self._turn)
        self.chart.currentIndexChanged.connect(lambda _: self.changed.emit())
        self._turn()

    def show_chart(self, name: str) -> None:
        """Choose a chart; the default where it is not among them."""
        self.chart.setCurrentIndex(max(self.chart.findData(name), self.chart.findData(charts.DEFAULT)))

    def problem(self) -> str:
        """Return what is missing; nothing where all is there."""
        path = self.exams.path
        return f"{path} is no file: choose the csv of exams, or clear its line." if path and not path.is_file() else ""

    def values(self) -> dict[str, str]:
        """Return the csv as `BatchSettings` takes it."""
        return {"exams": str(self.exams.path)} if self.exams.path is not None else {}

    def growth(self) -> GrowthSettings:
        """Return chart and formula."""
        formula = remembered_formula() or GrowthSettings().crl_formula
        return GrowthSettings(str(self.chart.currentData()), formula)

    def _turn(self) -> None:
        self.chart.setVisible(self.exams.path is not None)
        self.changed.emit()
