"""A training as it is watched: how far it is, its curves, four cases, what it noted."""

from __future__ import annotations

import html
import time

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_fetalseg.train import said
from napari_fetalseg.train.cases_view import CasesView
from napari_fetalseg.train.curves_view import CurvesView
from napari_fetalseg.train.progress import Phase, Training
from napari_fetalseg.widgets import WrappedLabel

_FINE = 1000
_NOTES = 3
_EPOCHS_APART_S, _STEPS_APART_S = 1.0, 3.0


class Live(QWidget):
    """Shows a training; takes no room without one."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setRange(0, _FINE)
        self.bar.setTextVisible(False)
        self.told = WrappedLabel()
        self.curves = CurvesView()
        self.cases_title = WrappedLabel()
        self.cases = CasesView()
        self.notes = WrappedLabel()
        self.notes.setTextFormat(Qt.TextFormat.RichText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.bar, self.told, self.notes, self.curves, self.cases_title, self.cases):
            layout.addWidget(part)
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = 0.0
        self.hide()

    @property
    def busy(self) -> bool:
        """Whether something is being drawn."""
        return self.curves.busy or self.cases.busy

    def show_training(self, training: Training | None, colour: str) -> None:
        """Show a training as it stands, with words in a colour."""
        self.setVisible(training is not None)
        if training is None:
            self._drawn = ()
            self.curves.clear()
            self.cases.clear()
            return
        progress = training.progress
        self._show_bar(training)
        self.notes.setText("<br>".join(html.escape(note) for note in progress.notes[-_NOTES:]))
        self._show_curves(training, colour)
        if not (training.phase.active and self.cases.busy):
            self.cases.show_cases(training.folder, progress.cases)
        epoch = progress.cases.get("epoch")
        self.cases_title.setText(f"The worst kept-out cases after epoch {epoch}" if epoch else "")

    def _show_curves(self, training: Training, colour: str) -> None:
        """Draw what is new: an epoch at once, steps now and then, for drawing takes time from the training."""
        progress = training.progress
        drawn = bool(progress.rows or progress.steps)
        self.curves.setVisible(drawn)
        now = (training.folder, len(progress.rows), colour)
        since = time.monotonic() - self._drawn_at
        wait = 0.0 if not training.phase.active else _EPOCHS_APART_S if now != self._drawn else _STEPS_APART_S
        if drawn and since >= wait and (training.phase.active or now != self._drawn):
            self._drawn, self._drawn_at = now, time.monotonic()
            self.curves.show_progress(progress, colour)

    def stop(self) -> None:
        """Draw no more."""
        self.curves.stop()
        self.cases.stop()

    def _show_bar(self, training: Training) -> None:
        self.bar.setVisible(training.phase.active)
        if training.phase is Phase.PREPARING:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _FINE)
            done = training.progress.behind / max(1, training.progress.epochs)
            self.bar.setValue(round(_FINE * min(1.0, done)))
        self.told.setText(said.bar(training))
        self.told.setVisible(training.phase.active)
