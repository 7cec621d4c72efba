"""Watches a training's folder from the window: looks at it twice a second in the background, and steers it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QObject, QTimer, Signal

from fetalseg.errors import FetalSegError
from fetalseg.training import events
from napari_fetalseg import processes, workers
from napari_fetalseg.train.progress import Seen, Training

_LOOKS_APART_MS = 500


class Watch(QObject):
    """One training at a time.

    Signals
    -------
    looked(list)
        The folder was looked at; what it told since the last time. `training` is as it stands now.
    failed(object)
        An error: what was wanted could not be done.

    Attributes
    ----------
    training : Training or None
    starting : bool
        Whether a process is being started.
    """

    looked = Signal(list)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.training: Training | None = None
        self.starting = False
        self._jobs = workers.Jobs(self)
        self._looking = False
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOKS_APART_MS)
        self._timer.timeout.connect(self.look)

    @property
    def active(self) -> bool:
        """Whether a training is at work, or about to be."""
        return self.starting or (self.training is not None and self.training.phase.active)

    def start(self, arguments: Sequence[str], folder: Path) -> None:
        """Start a training in a process of its own, and watch it."""
        self.close()
        self.starting = True
        training = Training(folder)

        def run() -> None:
            training.skip()
            events.clear(folder)
            processes.detach(arguments, folder)

        self._jobs.call(run, lambda _: self._watch(training), self._not_started)

    def go_on(self) -> None:
        """Start a training that ended again, where it stood."""
        assert self.training is not None
        folder = self.training.folder
        known = processes.started(folder)
        if known is None:
            self.failed.emit(
                FetalSegError(
                    f"{folder} was not started from here: go on with the command that it was started with, "
                    "'fetalseg train … --resume'."
                )
            )
            return
        self.start([*(a for a in known.arguments if a != "--resume"), "--resume"], folder)

    def open(self, folder: Path) -> None:
        """Watch what is in a folder, whether it runs or has ended."""
        self.close()
        self._watch(Training(folder))

    def close(self) -> None:
        """Watch no more; the training itself goes on."""
        self._timer.stop()
        self._jobs.drop()
        self._looking = False
        self.training, self.starting = None, False

    def ask(self, do: events.Do) -> None:
        """Ask the training to run, pause or stop."""
        training = self.training
        if training is None:
            return

        def steer() -> None:
            # Of a folder that was deleted nothing is made anew.
            if training.folder.is_dir():
                events.steer(training.folder, do)

        training.asked = do
        self._jobs.call(steer, lambda _: self.look(), self.failed.emit)

    def end_now(self) -> None:
        """End the process, whatever it does: after its last whole epoch it can go on."""
        if self.training is not None:
            folder = self.training.folder
            self._jobs.call(lambda: processes.end(folder), lambda _: self.look(), self.failed.emit)

    def look(self) -> None:
        """Look now; not while the last look still lasts."""
        training = self.training
        if training is None or self._looking:
            return
        self._looking = True
        self._jobs.call(training.look, lambda seen: self._take(training, seen), self._not_seen)

    def _watch(self, training: Training) -> None:
        self.training, self.starting = training, False
        self._timer.start()
        self.look()

    def _take(self, training: Training, seen: Seen) -> None:
        self._looking = False
        training.take(seen)
        if not training.phase.active:
            self._timer.stop()
        self.looked.emit(seen.told)

    def _not_seen(self, error: Exception) -> None:
        self._looking = False
        self._timer.stop()
        self.failed.emit(error)

    def _not_started(self, error: Exception) -> None:
        self.starting = False
        self.failed.emit(error)
