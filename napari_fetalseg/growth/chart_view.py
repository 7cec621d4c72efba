"""The chart of the Growth dock: one tab a chart, and the picture, drawn in the background at the dock's width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer, Signal
from qtpy.QtGui import QImage, QPainter, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QTabBar, QVBoxLayout, QWidget

from fetalseg.growth import charts
from fetalseg.growth.charts import Chart
from napari_fetalseg import workers

# How tall the picture is: a share of its width, and inches for its words, which take more lines in a narrow one.
_SHARE, _WORDS, _MORE_WORDS, _NARROW = 0.52, 1.75, 2.2, 5.0
_NARROWEST = 360


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
        self.picture = Picture()
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


class Picture(QWidget):
    """A picture that is drawn in the background; of several asked for, the last."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Growth chart")
        self._draw: Callable[[int, int, float], NDArray[np.uint8]] | None = None
        self._job: workers.Job | None = None
        self._stale = False
        self.pixels: NDArray[np.uint8] | None = None
        self._shown = QPixmap()
        self.failed: Callable[[Exception], Any] = lambda error: None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(40)
        self._soon.timeout.connect(self._start)

    @property
    def busy(self) -> bool:
        """Whether a picture is being drawn, or will be."""
        return self._soon.isActive() or self._job is not None

    def show_picture(self, draw: Callable[[int, int, float], NDArray[np.uint8]]) -> None:
        """Show what a function draws.

        Parameters
        ----------
        draw : callable
            Called in a thread with width and height in pixels and pixels an inch; returns RGBA.
        """
        self._draw = draw
        self._soon.start()

    def clear(self) -> None:
        """Show nothing until the next picture is drawn; one that is being drawn now is not wanted any more."""
        if self._job is not None:
            self._job.drop()
            self._job, self._stale = None, False
        self._shown = QPixmap()
        self.update()

    def stop(self) -> None:
        """Draw no more: the dock is going away."""
        self._soon.stop()
        self._draw = None
        if self._job is not None:
            self._job.drop()
            self._job = None

    def _start(self) -> None:
        if self._draw is None:
            return
        if self._job is not None:
            self._stale = True
            return
        ratio = self.devicePixelRatioF()
        width, height = round(max(self.width(), _NARROWEST) * ratio), round(self.height() * ratio)
        draw, dpi = self._draw, self.logicalDpiX() * ratio
        self._job = workers.call(lambda: draw(width, height, dpi), self._take, self._fail)

    def _take(self, pixels: NDArray[np.uint8]) -> None:
        self._job = None
        self.pixels = np.ascontiguousarray(pixels)
        rows, columns = pixels.shape[:2]
        image = QImage(self.pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
        self._shown = QPixmap.fromImage(image.copy())
        self._shown.setDevicePixelRatio(self.devicePixelRatioF())
        self.update()
        self._again()

    def _fail(self, error: Exception) -> None:
        self._job = None
        self.failed(error)
        self._again()

    def _again(self) -> None:
        if self._stale:
            self._stale = False
            self._soon.start()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at the present width."""
        width = max(self.width(), _NARROWEST)
        words = _WORDS if width > _NARROW * self.logicalDpiX() else _MORE_WORDS
        return QSize(width, round(_SHARE * width + words * self.logicalDpiX()))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Draw anew at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.setFixedHeight(self.sizeHint().height())
            if self._draw is not None:
                self._soon.start(150 if self.pixels is not None else 40)

    def paintEvent(self, _event: Any) -> None:  # noqa: N802
        """Show the last picture; while the width changes, scaled."""
        if self._shown.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._shown.size() / self._shown.devicePixelRatio()
        if size != self.size():
            size.scale(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter.drawPixmap(0, 0, size.width(), size.height(), self._shown)
        painter.end()
