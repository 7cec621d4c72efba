"""The list of a task's models, with the figures of the chosen one and its card."""

from __future__ import annotations

import html
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QSpacerItem, QVBoxLayout, QWidget

from fetalseg import tasks
from fetalseg.models import catalogue
from napari_fetalseg import card_text
from napari_fetalseg.image_choice import narrow
from napari_fetalseg.widgets import AMBER, LinkLabel, TextDialog, link


class ModelChoice(QWidget):
    """Chooses a model.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._task, self._instead = "", ""
        self.list = QComboBox()
        self.list.setAccessibleName("Model")
        narrow(self.list)
        self.line = LinkLabel(card=self.show_card)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addWidget(self.line)
        # Without the list beside it the line alone would get no width.
        layout.addItem(QSpacerItem(0, 0, QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed))
        self.list.currentIndexChanged.connect(self._changed)

    @property
    def card(self) -> Any | None:
        """The chosen model's card."""
        model = self.list.currentData()
        return model.card if model is not None else None

    @property
    def name(self) -> str:
        """The chosen model's name; ``"default"`` is the task's own, whichever that will be."""
        return "default" if self.list.currentIndex() <= 0 or self.card is None else str(self.card.name)

    def problem(self) -> str:
        """Return why there is none; nothing where one is chosen, or none is needed."""
        if self.card is None and tasks.get(self._task).MODEL:
            return "No model is installed for this target; install one, or train it."
        return ""

    def show_task(self, task: str, name: str = "") -> None:
        """List a task's models anew, and choose one by its name; else the default."""
        self._task = task
        self.list.blockSignals(True)
        self.list.clear()
        for at, model in enumerate(catalogue.models(task) if tasks.get(task).MODEL else ()):
            self.list.addItem(card_text.title(model) + " (default)" * (at == 0), model)
            if model.card.name == name:
                self.list.setCurrentIndex(at)
        self.list.blockSignals(False)
        self._instead = catalogue.default_problem(task)
        self.list.setVisible(bool(tasks.get(task).MODEL))
        self.list.setToolTip(self.list.currentText())
        self._changed()

    def show_card(self) -> None:
        """Show the model's card."""
        if self.card is not None:
            TextDialog(f"Model card: {self.card.title}", card_text.text(self.card), self).show()

    def _changed(self, _index: int = 0) -> None:
        if not tasks.get(self._task).MODEL:
            self.line.setText(f"<small>No network. {html.escape(tasks.get(self._task).LIMITS)}</small>")
        elif self.card is None:
            self.line.setText(f"<span style='color:{AMBER}'><b>!</b> No model is installed for this.</span>")
        else:
            parts = [html.escape(figure) for figure in card_text.figures(self.card)]
            line = " · ".join([*parts, link("card")])
            if self._instead and self.name == "default":
                line += f"<br><span style='color:{AMBER}'><b>!</b> {html.escape(self._instead)}</span>"
            self.line.setText(line)
        self.changed.emit()
