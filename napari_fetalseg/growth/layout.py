"""How the Growth dock lies: the chart beside the form where there is room, else below it; it scrolls."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QScrollArea, QVBoxLayout, QWidget

# In letters: the narrowest the chart is read at, and from where on form and chart stand side by side.
NARROW, _WIDE = 66, 120


class Column(QWidget):
    """Widgets below each other, without a margin.

    Parameters
    ----------
    *widgets : QWidget
    """

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            layout.addWidget(widget)


class BesideOrBelow(QScrollArea):
    """Three parts: `first`, `chart` beside or below it, `last`.

    Attributes
    ----------
    wide : bool or None
        Whether the chart stands beside the form.
    """

    def __init__(self, first: QWidget, chart: QWidget, last: QWidget) -> None:
        super().__init__()
        self._parts = (first, chart, last)
        body = QWidget()
        self.grid = QGridLayout(body)
        self.wide: bool | None = None
        self._arrange(False)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setWidget(body)

    def _arrange(self, wide: bool) -> None:
        if wide == self.wide:
            return
        self.wide = wide
        first, chart, last = self._parts
        for part in self._parts:
            self.grid.removeWidget(part)
        self.grid.addWidget(first, 0, 0)
        self.grid.addWidget(chart, *((0, 1, 3, 1) if wide else (1, 0, 1, 1)))
        self.grid.addWidget(last, *((1, 0, 1, 1) if wide else (2, 0, 1, 1)))
        self.grid.setColumnStretch(0, 2)
        self.grid.setColumnStretch(1, 3 if wide else 0)
        for row in range(4):
            self.grid.setRowStretch(row, row == (2 if wide else 3))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Put the chart beside the form where there is room."""
        super().resizeEvent(event)
        self._arrange(event.size().width() >= _WIDE * self.fontMetrics().averageCharWidth())
