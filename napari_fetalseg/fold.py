"""A line with an arrow that folds away what is seldom needed."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QWidget


class Fold(QToolButton):
    """Shows and hides a widget; folded at first.

    Parameters
    ----------
    title : str
    inside : QWidget
    """

    def __init__(self, title: str, inside: QWidget) -> None:
        super().__init__()
        self.setText(title)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setArrowType(Qt.ArrowType.RightArrow)
        self.toggled.connect(inside.setVisible)
        self.toggled.connect(self._turn)
        inside.hide()

    def _turn(self, on: bool) -> None:
        self.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
