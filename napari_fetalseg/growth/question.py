"""The question of the Growth dock, whether a scan is of the pregnancy whose dates are shown."""

from __future__ import annotations

import html

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_fetalseg.widgets import WrappedLabel


class Question(QWidget):
    """A sentence and two answers.

    Signals
    -------
    answered(bool)
        Whether it is the same pregnancy.
    """

    answered = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.text = WrappedLabel()
        self.same, self.other = QPushButton("The same pregnancy"), QPushButton("Another one")
        self.same.clicked.connect(lambda: self.answered.emit(True))
        self.other.clicked.connect(lambda: self.answered.emit(False))
        row = QHBoxLayout()
        row.addWidget(self.same)
        row.addWidget(self.other)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(row)

    def ask(self, title: str) -> None:
        """Ask about a scan."""
        self.text.setText(f"The dates here are another scan's. Is {html.escape(title)} of the same pregnancy?")
