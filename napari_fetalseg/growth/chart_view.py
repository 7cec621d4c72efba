"""The chart of the Growth dock: one tab a chart, and the picture, drawn in the background at the dock's width."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTabBar, QVBoxLayout, QWidget

from fetalseg.growth.charts import Chart
from napari_fetalseg.growth.case import Cases
from napari_fetalseg.picture import Picture

# How tall the picture is: a share of its width, and inches for its words, which take more lines in a narrow one.
_SHARE, _WORDS, _MORE_WORDS, _NARROW = 0.52, 1.75, 2.2, 5.0
_MEASURES = {
    "hc": "Head circumference",
    "bpd": "Biparietal diameter, outer to outer edge",
    "ofd": "Occipitofrontal diameter, outer to outer edge",
}


class ChartView(QWidget):
    """Tabs, what the picture is of, the picture, and the way to more of both.

    Parameters
    ----------
    cases : Cases
        Holds the charts.

    Signals
    -------
    chosen()
        Another chart, or another measure.
    picked(str)
        A person chose another chart, by its key.
    """

    chosen = Signal()
    picked = Signal(str)

    def __init__(self, cases: Cases) -> None:
        super().__init__()
        self._cases = cases
        self._by_program = False
        self.tabs = QTabBar()
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setAccessibleName("Growth chart")
        self._make_switch()
        self.add_button = QPushButton("Add chart…")
        self.add_button.setToolTip("A chart of your own: a csv with the columns ga (weeks), mean and sd of HC in mm")
        self.export_button = QPushButton("Export picture…")
        self.export_button.setToolTip("Save the chart as PNG, SVG or PDF")
        self.picture = GrowthChart("Growth chart")
        buttons = QHBoxLayout()
        buttons.addWidget(self.switch)
        buttons.addStretch()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.tabs)
        layout.addLayout(buttons)
        layout.addWidget(self.picture)
        self.show_charts()
        self.tabs.currentChanged.connect(self._chosen)
        self.switch.currentChanged.connect(self._switched)

    def _make_switch(self) -> None:
        self._measure = "hc"
        self.switch = QTabBar()
        self.switch.setExpanding(False)
        self.switch.setDrawBase(False)
        self.switch.setAccessibleName("What the picture is of")
        for at, (measure, name) in enumerate(_MEASURES.items()):
            self.switch.addTab(measure.upper())
            self.switch.setTabToolTip(at, name)

    @property
    def charts(self) -> list[Chart]:
        """Those to choose from."""
        return self._cases.charts

    @property
    def chart(self) -> Chart:
        """The chosen chart."""
        return self.charts[max(self.tabs.currentIndex(), 0)]

    @property
    def measure(self) -> str:
        """What the picture is of: what was chosen, where the chart has it."""
        return self._measure if self._measure in self.chart.measures else "hc"

    def choose(self, chart: Chart) -> None:
        """Choose a chart that is among `charts`; nobody picked it."""
        self._by_program = True
        self.tabs.setCurrentIndex(self.charts.index(chart))
        self._by_program = False

    def show_charts(self) -> None:
        """Show a tab a chart; the chosen place stays."""
        for at, chart in enumerate(self.charts):
            if at == self.tabs.count():
                self.tabs.addTab("")
            self.tabs.setTabText(at, f"{chart.title}\n{chart.range_text.replace(' 0d', '')}")
            self.tabs.setTabToolTip(at, f"{chart.title} ({chart.version}): {chart.range_text}\n{chart.source}")
        self._show_switch()

    def _show_switch(self) -> None:
        """Offer the measures that the chart has; what was chosen comes back with a chart that has it."""
        self.switch.blockSignals(True)
        for at, measure in enumerate(_MEASURES):
            self.switch.setTabVisible(at, measure in self.chart.measures)
        self.switch.setCurrentIndex(list(_MEASURES).index(self.measure))
        self.switch.blockSignals(False)
        self.switch.setVisible(len(self.chart.measures) > 1)

    def _chosen(self, _at: int) -> None:
        self._show_switch()
        if not self._by_program:
            self.picked.emit(self.chart.key)
        self.chosen.emit()

    def _switched(self, at: int) -> None:
        self._measure = list(_MEASURES)[at]
        self.chosen.emit()


class GrowthChart(Picture):
    """The chart: as tall as its words need beside it."""

    def height_at(self, width: int) -> int:
        """Return the height at a width."""
        words = _WORDS if width > _NARROW * self.logicalDpiX() else _MORE_WORDS
        return round(_SHARE * width + words * self.logicalDpiX())
