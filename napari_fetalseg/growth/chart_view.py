"""The chart of the Growth dock: one tab a chart, and the picture, drawn in the background at the dock's width."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTabBar, QVBoxLayout, QWidget

from fetalseg.growth import charts
from fetalseg.growth.charts import Chart
from napari_fetalseg.picture import Picture

# How tall the picture is: a share of its width, and inches for its words, which take more lines in a narrow one.
_SHARE, _WORDS, _MORE_WORDS, _NARROW = 0.52, 1.75, 2.2, 5.0


class ChartView(QWidget):
    """Tabs, picture, and the way to more of both.

    Signals
    -------
    chosen()
        Another chart was chosen.
    """

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.charts: list[Chart] = []
        self.tabs = QTabBar()
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setAccessibleName("Growth chart")
        self.add_button = QPushButton("Add chart…")
        self.add_button.setToolTip("A chart of your own: a csv with the columns ga (weeks), mean and sd of HC in mm")
        self.export_button = QPushButton("Export picture…")
        self.export_button.setToolTip("Save the chart as PNG, SVG or PDF")
        self.picture = GrowthChart("Growth chart")
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addStretch()
        buttons.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.tabs)
        layout.addWidget(self.picture)
        layout.addLayout(buttons)
        for name in charts.NAMES:
            self._add(charts.get(name))
        self.tabs.currentChanged.connect(lambda _: self.chosen.emit())

    @property
    def chart(self) -> Chart:
        """The chosen chart."""
        return self.charts[max(self.tabs.currentIndex(), 0)]

    def choose(self, key: str) -> None:
        """Choose a chart by its key, or by the path of a csv.

        Raises
        ------
        GrowthError
            If there is none.
        """
        found = next((at for at, chart in enumerate(self.charts) if chart.key == key), None)
        chart = self.charts[found] if found is not None and self.charts[found].path is None else charts.get(key)
        at = next((at for at, other in enumerate(self.charts) if other.key == chart.key), None)
        if at is None:
            at = self._add(chart)
        self.charts[at] = chart  # a csv may have changed since
        self.tabs.setCurrentIndex(at)

    def add_chart(self, path: str | Path) -> None:
        """Add a person's own chart and choose it.

        Raises
        ------
        GrowthError
            If the csv holds none.
        """
        self.choose(charts.get(Path(path)).key)

    def _add(self, chart: Chart) -> int:
        self.charts.append(chart)
        at = self.tabs.addTab(f"{chart.title}\n{chart.range_text.replace(' 0d', '')}")
        self.tabs.setTabToolTip(at, f"{chart.title} ({chart.version}): {chart.range_text}\n{chart.source}")
        return at


class GrowthChart(Picture):
    """The chart: as tall as its words need beside it."""

    def height_at(self, width: int) -> int:
        """Return the height at a width."""
        words = _WORDS if width > _NARROW * self.logicalDpiX() else _MORE_WORDS
        return round(_SHARE * width + words * self.logicalDpiX())
