"""What happens to a training when napari's window is closed: a person is asked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QMessageBox

from fetalseg.errors import FetalSegError
from fetalseg.training import events
from napari_fetalseg import _compat, processes

log = logging.getLogger(__name__)


class CloseGuard(QObject):
    """Asks before a window is closed whose training runs. It lives with the window: the dock may be closed before."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self.folder: Path | None = None
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Ask when the window is to be closed."""
        if event.type() == QEvent.Type.Close and watched is self.parent() and not self._may_close(watched):
            event.ignore()
            return True
        return False

    def _may_close(self, window: Any) -> bool:
        folder = self.folder
        if folder is None or not window.isVisible() or _compat.being_torn_down(window) or not processes.alive(folder):
            return True  # a program that closes its viewer is not asked: the training goes on
        box = QMessageBox(window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("A training is running")
        box.setText(f"The training '{folder.name}' is still running.")
        box.setInformativeText(
            "It runs beside napari and can go on without it; the Train dock finds it again when it is opened next."
        )
        keep = box.addButton("Keep training", QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton("Stop, keep the best", QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(stay)
        box.exec()
        chosen = box.clickedButton()
        box.deleteLater()
        if chosen is stop:
            try:
                events.steer(folder, "stop")
            except FetalSegError as error:
                log.error("The training could not be asked to stop: %s", error)
        return chosen in (keep, stop)


def guard(window: Any, folder: Path | None) -> None:
    """Let a window ask about the training in a folder when it is closed; about none with None."""
    if not isinstance(window, QMainWindow):
        return
    made = window.findChild(CloseGuard) or (CloseGuard(window) if folder is not None else None)
    if made is not None:
        made.folder = folder
