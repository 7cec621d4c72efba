"""What a training came to: old against new on the same kept-out exams, and which of them is used from now on."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from fetalseg.result import State
from napari_fetalseg import workers
from napari_fetalseg.session import Session
from napari_fetalseg.train import verdict
from napari_fetalseg.train.progress import Training
from napari_fetalseg.widgets import AMBER, ErrorBox, WrappedLabel
from napari_fetalseg.wording import STATES

if TYPE_CHECKING:
    from fetalseg.evaluation.promotion import Comparison

_GREEN = STATES[State.ACCEPT][0]


class Outcome(QWidget):
    """Compares, and asks. Takes no room before a training has ended.

    Parameters
    ----------
    session : Session
        Is told when another model is the default.

    Signals
    -------
    kept()
        The old model stays.
    changed()
        It is compared, or decided.
    """

    kept, changed = Signal(), Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._jobs = workers.Jobs(self)
        self._training: Training | None = None
        self.comparison: Comparison | None = None
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.comparing = WrappedLabel("Comparing the old and the new model on what was kept out …")
        self.figures, self.sentence, self.doubt = WrappedLabel(), WrappedLabel(), WrappedLabel()
        self.why = QLineEdit()
        self.why.setPlaceholderText("why it is to be used all the same")
        self.why.setAccessibleName("Reason")
        self.why.setToolTip("Is kept in the model's card, with the comparison")
        self.use_button, self.keep_button = QPushButton("Use the new model"), QPushButton("Keep the old")
        self.data_button = QPushButton("What was it trained on? …")
        self.again_button = QPushButton("Compare again")
        self.error = ErrorBox()
        self._lay_out()
        self.why.textChanged.connect(self._show_buttons)
        self.use_button.clicked.connect(self.use)
        self.keep_button.clicked.connect(self.kept.emit)
        self.data_button.clicked.connect(self._ask_data)
        self.again_button.clicked.connect(self._again)
        self.clear()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.use_button)
        buttons.addWidget(self.keep_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.bar, self.comparing, self.figures, self.sentence, self.doubt, self.why):
            layout.addWidget(part)
        layout.addLayout(buttons)
        for part in (self.data_button, self.error, self.again_button):
            layout.addWidget(part)

    @property
    def busy(self) -> bool:
        """Whether models are compared, or one is installed."""
        return self._jobs.busy

    def clear(self) -> None:
        """Show nothing."""
        self.stop()
        self._training = self.comparison = None
        self.error.clear()
        self.why.clear()
        for part in (self.figures, self.sentence, self.doubt, self.data_button, self.again_button):
            part.hide()
        self._show_bar(False)
        self._show_buttons()
        self.hide()

    def stop(self) -> None:
        """Compare no more; a process that does is ended."""
        self._jobs.drop()

    def show_training(self, training: Training) -> None:
        """Compare a training's model with the default, once."""
        if self._training is training:
            return
        self.clear()
        self._training = training
        self.show()
        data = training.given("--data")
        if data:
            self.compare(data)
        else:
            self.data_button.show()

    def compare(self, data: str) -> None:
        """Compare on what a data set holds that the new model never saw."""
        training = self._training
        assert training is not None
        self.data_button.hide()
        self.again_button.hide()
        self.error.clear()
        self._show_bar(True)
        device = training.given("--device")

        def end(_how: workers.End, error: Exception | None) -> None:
            self._show_bar(False)
            if error is not None:
                self.error.show_error(error)
                self.again_button.show()

        self._jobs.start(lambda token: verdict.compare(training.folder, data, device, token), self._take, end)

    def use(self) -> None:
        """Install the new model and make it the default."""
        training, comparison, why = self._training, self.comparison, self.why.text()
        if training is None or comparison is None:
            return
        self.error.clear()
        self.use_button.setEnabled(False)
        self.keep_button.setEnabled(False)

        def fail(error: Exception) -> None:
            self.error.show_error(error)
            self._show_buttons()

        self._jobs.call(lambda: verdict.use(training.folder, comparison, why), self._used, fail)

    def _take(self, comparison: Comparison | None) -> None:
        self._show_bar(False)
        self.sentence.show()
        if comparison is None:
            self.sentence.setText(f"<span style='color:{_GREEN}'><b>✓</b></span> This model is the default.")
            self.changed.emit()
            return
        self.comparison = comparison
        self.figures.setText(f"<b>{html.escape(verdict.figures(comparison))}</b>")
        self.figures.setToolTip(comparison.sentence)
        self.figures.show()
        better = comparison.better
        colour, sign = (_GREEN, "✓") if better else (AMBER, "!")
        says = comparison.sentence.rsplit(": ", 1)[-1]
        self.sentence.setText(
            f"<span style='color:{colour}'><b>{sign}</b></span> {html.escape(says[:1].upper() + says[1:])} "
            f"{html.escape(verdict.more(comparison))}"
        )
        self.doubt.setText(f"<span style='color:{AMBER}'><b>!</b></span> {html.escape(comparison.doubt)}")
        self.doubt.setVisible(bool(comparison.doubt))
        self._show_buttons()
        self.changed.emit()

    def _used(self, model: Any) -> None:
        card = model.card
        self.comparison = None
        self._show_buttons()
        self.doubt.hide()
        self.sentence.setText(
            f"<span style='color:{_GREEN}'><b>✓</b></span> '{html.escape(card.name)}' is the default now: "
            "Segment uses it. What was found is in its card."
        )
        self._session.models_changed.emit(card.task)
        self.changed.emit()

    def _show_buttons(self) -> None:
        comparison = self.comparison
        ask = comparison is not None and not comparison.better
        self.why.setVisible(ask)
        for button in (self.use_button, self.keep_button):
            button.setVisible(comparison is not None)
        allowed = comparison is not None and (comparison.better or bool(self.why.text().strip()))
        self.use_button.setEnabled(allowed)
        self.use_button.setToolTip("" if allowed else "It was not found better: say first why it is to be used")
        self.keep_button.setEnabled(True)
        self.keep_button.setToolTip("The new model stays in its folder, and can be opened again")

    def _show_bar(self, on: bool) -> None:
        self.bar.setVisible(on)
        self.comparing.setVisible(on)

    def _ask_data(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "What was it trained on?")
        if folder:
            self.compare(str(Path(folder)))

    def _again(self) -> None:
        training = self._training
        if training is not None:
            self._training = None
            self.show_training(training)
