"""The Train dock: choose data, press Train, watch, and take the new model if it is better."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from fetalseg import RESEARCH
from napari_fetalseg import _compat, preferences, processes
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.placing import dock_of
from napari_fetalseg.train import said
from napari_fetalseg.train.choice import trainings
from napari_fetalseg.train.closing import guard
from napari_fetalseg.train.form import TrainForm
from napari_fetalseg.train.live import Live
from napari_fetalseg.train.models_panel import ModelsPanel
from napari_fetalseg.train.outcome import Outcome
from napari_fetalseg.train.progress import Phase, Training
from napari_fetalseg.train.watch import Watch
from napari_fetalseg.widgets import AMBER, Dock, ErrorBox, LinkLabel, WrappedLabel, link, primary_style

if TYPE_CHECKING:
    import napari.viewer

_SECTION = "train"  # of what is remembered


class TrainWidget(Dock):
    """Trains a model in a process of its own, and watches it.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self.session = drawing_of(self.viewer).session
        self.watch = Watch(self)
        self._make_parts()
        self._lay_out()
        self._connect()
        self.form.data.show_folder(preferences.recall(_SECTION, "data"))
        last = preferences.recall(_SECTION, "folder")
        if last and processes.alive(Path(last)):
            self.open_training(Path(last))
        else:
            self.refresh()

    # Building

    def _make_parts(self) -> None:
        self.form = TrainForm()
        self.button, self.pause_button = QPushButton("Train"), QPushButton("Pause")
        self.reason = WrappedLabel()
        self.reason.setTextFormat(Qt.TextFormat.PlainText)
        self.live = Live()
        self.ended = WrappedLabel()
        self.ended.setTextFormat(Qt.TextFormat.RichText)
        self.again_button = QPushButton("Close this training")
        self.again_button.setToolTip("Back to the form; what the training wrote stays in its folder")
        self.error = ErrorBox()
        self.outcome = Outcome(self.session)
        self.models = ModelsPanel(self.session)
        self.others = LinkLabel(open=self._ask_training, last=self._open_last)
        self.status = LinkLabel()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.pause_button)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.form)
        layout.addLayout(buttons)
        for part in (self.reason, self.ended, self.error, self.outcome, self.live, self.again_button, self.others):
            layout.addWidget(part)
        layout.addWidget(self.models)
        layout.addStretch()
        layout.addWidget(self.status)
        self._fill(inside)

    def _connect(self) -> None:
        self.button.clicked.connect(self.press)
        self.pause_button.clicked.connect(self.pause)
        self.again_button.clicked.connect(self.close_training)
        self.form.changed.connect(self.refresh)
        self.watch.looked.connect(self._looked)
        self.watch.failed.connect(self._failed)
        self.outcome.kept.connect(self.close_training)
        self.outcome.changed.connect(self.refresh)
        self.live.curves.failed = self.error.show_error
        self._listen(self.session.models_changed, self._models_changed)
        self._listen(self.viewer.events.theme, self._on_theme)
        self._undo += [self.watch.close, self.form.data.stop, self.live.stop, self.outcome.stop, self.models.stop]
        self._on_theme()

    @property
    def training(self) -> Training | None:
        """The training that is watched."""
        return self.watch.training

    # Doing

    def press(self) -> None:
        """Train, stop, or go on: what the one button says."""
        if not self.open:
            return
        training = self.training
        if self.watch.starting:
            return
        if training is not None and training.phase.active:
            if training.asked == "stop":
                self.watch.end_now()
            else:
                self.watch.ask("stop")
        elif training is not None and training.phase in (Phase.DIED, Phase.FAILED):
            self.error.clear()
            preferences.remember(_SECTION, "folder", str(training.folder))
            self.watch.go_on()
        elif not self.form.problem():
            self._train()
        self.refresh()

    def pause(self) -> None:
        """Pause, or go on."""
        if self.training is not None and self.training.phase.active:
            self.watch.ask("run" if self.training.asked == "pause" else "pause")
            self.refresh()

    def open_training(self, folder: Path) -> None:
        """Watch the training in a folder, whether it runs or has ended."""
        self.error.clear()
        self.outcome.clear()
        preferences.remember(_SECTION, "folder", str(folder))
        self.watch.open(folder)
        self.refresh()

    def close_training(self) -> None:
        """Watch no more, and show the form again."""
        self.watch.close()
        self.outcome.clear()
        self.error.clear()
        guard(self._window(), None)
        self.refresh()

    def _train(self) -> None:
        choice = self.form.choice()
        self.error.clear()
        self.outcome.clear()
        preferences.remember(_SECTION, "data", str(choice.data.folder))
        preferences.remember(_SECTION, "folder", str(choice.out))
        self.watch.start(choice.arguments(), choice.out)

    def _window(self) -> Any:
        dock = dock_of(self)
        return dock.parent() if dock is not None else None

    def _ask_training(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a training", str(trainings()))
        if folder:
            self.open_training(Path(folder))

    def _open_last(self) -> None:
        last = preferences.recall(_SECTION, "folder")
        if last:
            self.open_training(Path(last))

    # Showing

    def _looked(self, _told: list[dict[str, Any]]) -> None:
        if not self.open:
            return
        training = self.training
        if training is not None and training.phase.active:
            guard(self._window(), training.folder)  # not before: a dock is made before it is put into a window
        if training is not None and training.phase is Phase.DONE:
            self.outcome.show_training(training)
        self.refresh()

    def _failed(self, error: Exception) -> None:
        if self.open:
            self.error.show_error(error)
            self.refresh()

    def _models_changed(self, _task: str) -> None:
        self.form.reload_starts()
        self.models.reload()

    def refresh(self) -> None:
        """Bring form, buttons, curves and words to how the training stands."""
        if not self.open:
            return
        training, active = self.training, self.watch.active
        watched = training is not None or self.watch.starting
        self.form.setVisible(not watched)
        self._show_buttons()
        self.live.show_training(training, self._text_colour())
        words = said.ended(training) if training is not None else ""
        bad = training is not None and training.phase in (Phase.DIED, Phase.FAILED)
        sign = f"<span style='color:{AMBER}'><b>!</b></span> " if bad else ""
        self.ended.setText(f"{sign}{html.escape(words)}")
        self.ended.setToolTip(training.last_words if training is not None and bad else "")
        # Who is asked which model to keep has two buttons for it.
        self.again_button.setVisible(training is not None and not active and self.outcome.comparison is None)
        self.others.setVisible(not watched)
        last = preferences.recall(_SECTION, "folder")
        more = f" · {link('last', f'the last one ({html.escape(Path(last).name)})')}" if last else ""
        self.others.setText(f"<small>{link('open', 'Open a training…')}{more}</small>")
        self._show_status()

    def _show_buttons(self) -> None:
        training = self.training
        problem, text, enabled = "", "Train", True
        if self.watch.starting:
            text, enabled = "Starting…", False
        elif training is None:
            problem = self.form.problem()
            enabled = not problem
        elif training.phase.active:
            text = "Stop, keep the best" if training.progress.rows else "Cancel"
            if training.asked == "stop":
                text = "Stopping… press again to end it at once"
        elif training.phase in (Phase.DIED, Phase.FAILED):
            text = "Go on"
        self.button.setVisible(training is None or training.phase is not Phase.DONE)
        self.button.setText(text)
        self.button.setEnabled(enabled)
        self.button.setToolTip(problem)
        self.reason.setText(problem)
        self.reason.setVisible(bool(problem))
        runs = training is not None and training.phase is Phase.RUNNING and training.asked != "stop"
        self.pause_button.setVisible(runs)
        self.pause_button.setText("Go on" if training is not None and training.asked == "pause" else "Pause")

    def _show_status(self) -> None:
        training = self.training
        idle = "Trains in a process of its own: napari stays usable, and may be closed."
        words = said.status(training) if training is not None else idle
        self.status.setText(f"{html.escape(words)}<br><small>{RESEARCH}</small>")

    def _text_colour(self) -> str:
        from napari.utils.theme import get_theme

        return str(get_theme(self.viewer.theme).text.as_hex())

    def _on_theme(self, _event: Any = None) -> None:
        for button in (self.button, self.outcome.use_button):
            button.setStyleSheet(primary_style(self.viewer.theme))
        self.refresh()
