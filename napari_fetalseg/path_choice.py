"""A line for a path, with a button that asks for it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget


class PathChoice(QWidget):
    """Chooses a folder, or a file.

    Parameters
    ----------
    name : str
        What is chosen, for the dialog and for screen readers.
    files : str
        The kinds of files, as Qt's dialog takes them; empty where a folder is chosen.

    Signals
    -------
    changed()
        Another path was typed, chosen or shown.
    """

    changed = Signal()

    def __init__(self, name: str, files: str = "") -> None:
        super().__init__()
        self._name, self._files, self._known = name, files, ""
        self.line, self.button = QLineEdit(), QPushButton("Choose…")
        self.line.setAccessibleName(name)
        self.line.setPlaceholderText("a file" if files else "a folder")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.button)
        self.button.clicked.connect(self._ask)
        self.line.editingFinished.connect(self._typed)

    @property
    def path(self) -> Path | None:
        """What is chosen; None where nothing is."""
        text = self.line.text().strip()
        return Path(text).expanduser().absolute() if text else None

    def show_path(self, path: str | Path) -> None:
        """Choose a path."""
        self.line.setText(str(path))
        self._typed()

    def suggest(self, path: Path | None) -> None:
        """Show what is taken where nothing is chosen."""
        self.line.setPlaceholderText(str(path) if path is not None else "a folder")
        self._tell()

    def _typed(self) -> None:
        self._tell()
        if self.line.text().strip() != self._known:
            self._known = self.line.text().strip()
            self.changed.emit()

    def _tell(self) -> None:
        self.line.setToolTip(self.line.text().strip() or self.line.placeholderText())

    def _ask(self) -> None:
        start = str(self.path or "")
        if self._files:
            chosen, _ = QFileDialog.getOpenFileName(self, f"Choose {self._name}", start, self._files)
        else:
            chosen = QFileDialog.getExistingDirectory(self, f"Choose {self._name}", start)
        if chosen:
            self.show_path(chosen)
