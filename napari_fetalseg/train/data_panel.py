"""Which data set is trained on, what it holds, and how it is split."""

from __future__ import annotations

import html
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from fetalseg import tasks
from napari_fetalseg import workers
from napari_fetalseg.train.data import Data, read
from napari_fetalseg.widgets import RED, WrappedLabel

_EMPTY = (
    "Choose a folder of annotated scans: a data set of 'fetalseg dataset', of which what was accepted or edited is "
    "learnt from; or pictures in HC18's layout, or volumes with tumour masks."
)


class DataPanel(QWidget):
    """Chooses a folder and says what is in it; it is read in the background.

    Signals
    -------
    changed()
        Another folder was read, or can't be.

    Attributes
    ----------
    data : Data or None
        What was read.
    problem : str
        Why nothing was.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.data: Data | None = None
        self.problem = "Choose a data set first."
        self._jobs = workers.Jobs(self)
        self.path = QLineEdit()
        self.path.setPlaceholderText("a folder")
        self.path.setAccessibleName("Data set")
        self.choose_button = QPushButton("Choose…")
        self.told = WrappedLabel(_EMPTY)
        self.told.setTextFormat(Qt.TextFormat.RichText)
        row = QHBoxLayout()
        row.addWidget(self.path, 1)
        row.addWidget(self.choose_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.told)
        self.choose_button.clicked.connect(self._ask)
        self.path.editingFinished.connect(self._typed)

    @property
    def busy(self) -> bool:
        """Whether a folder is being read."""
        return self._jobs.busy

    def show_folder(self, folder: str | Path) -> None:
        """Read a folder, though it is the one that is shown: it may have changed."""
        self.stop()
        text = str(folder).strip()
        self.path.setText(text)
        self.path.setToolTip(text)
        self.data, self.problem = None, "Choose a data set first."
        if text:
            self.problem = "The data set is being read …"
            self.told.setText(self.problem)
            path = Path(text).expanduser().absolute()
            self._jobs.call(lambda: read(path), self._take, self._fail)
        else:
            self.told.setText(_EMPTY)
        self.changed.emit()

    def stop(self) -> None:
        """Stop reading."""
        self._jobs.drop()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a data set", self.path.text())
        if folder:
            self.show_folder(folder)

    def _typed(self) -> None:
        if self.path.text().strip() != self.path.toolTip():
            self.show_folder(self.path.text())

    def _take(self, data: Data) -> None:
        self.data, self.problem = data, ""
        self.told.setText(said(data))
        self.changed.emit()

    def _fail(self, error: Exception) -> None:
        self.problem = str(error)
        self.told.setText(f"<span style='color:{RED}'><b>✕</b> {html.escape(self.problem)}</span>")
        self.changed.emit()


def said(data: Data) -> str:
    """Return what a data set holds, as lines of HTML."""
    what = "volumes" if data.volumes else "pictures"
    lines = [f"{tasks.get(data.task).TITLE} · {len(data.items)} {what} of {counted(data.groups, data.group)}"]
    states = " · ".join(f"{state} {number}" for state, number in data.states.items() if number)
    return "<br>".join(html.escape(line) for line in (*lines, states) if line)


def split_said(data: Data, kept_out: float, seed: int) -> str:
    """Return how many of a data set's groups would train, calibrate and only be reported on."""
    parts = {part: groups for part, (groups, _) in data.parts(kept_out, seed).items()}
    return f"{counted(parts['train'], data.group)} train · {parts['calibrate']} calibrate · {parts['report']} report"


def split_problem(data: Data, kept_out: float, seed: int) -> str:
    """Return why a split can't be trained on; nothing where it can."""
    parts = data.parts(kept_out, seed)
    if not parts["train"][0]:
        return f"No {data.group} is left to train on: keep fewer out, or choose another seed."
    if not parts["report"][0] and not parts["calibrate"][0]:
        return f"No {data.group} is kept out, so nobody could tell whether the model is better: keep more out."
    return ""


def counted(number: int, what: str) -> str:
    """Return ``1 exam`` or ``2 exams``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
