"""What to review: the data set, who annotates, and where new cases come from."""

from __future__ import annotations

import getpass
import html
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from fetalseg import tasks
from fetalseg.dataset import folder as folders
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.review import journal, sources
from fetalseg.review.queue import Counts
from napari_fetalseg import preferences, workers
from napari_fetalseg.review import filling
from napari_fetalseg.session import Session
from napari_fetalseg.widgets import RED, WrappedLabel, primary_style

WAITING, FOLDER, RESULTS, OPEN = range(4)
_SOURCES = {
    WAITING: "what waits in the data set",
    FOLDER: "a folder of scans",
    RESULTS: "results of fetalseg segment",
    OPEN: "the results that are open",
}
_EMPTY = (
    "Accepted cases are kept in an annotation data set, a plain folder that models learn from. Choose one, or an empty "
    "folder to begin one."
)


@dataclass(frozen=True)
class Found:
    """What a folder is: the task of the data set in it, None where one can be made; and what to say."""

    task: str | None
    said: str
    stood: bool = False


def look_at(folder: Path, annotator: str) -> Found:
    """Return what a folder is.

    Raises
    ------
    DatasetError
        If it is neither a data set nor empty, or can't be read.
    """
    if not folders.is_one(folder):
        try:
            other = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        except OSError as error:
            raise DatasetError(f"{folder} can't be read: {error.strerror}.") from error
        if other:
            if (folder / folders.ABOUT).exists():
                Store.open(folder)  # it says what is wrong with one that is damaged
            raise DatasetError(f"{folder} holds other files. Choose a data set, or an empty folder to begin one.")
        return Found(None, "A new data set is begun here.")
    store = Store.open(folder)
    said = Counts.of(store.entries()).line()
    stood = journal.standing(folder, annotator) if annotator.strip() else None
    if stood is not None and stood.current:
        said += f". {annotator.strip()} stood at {stood.current}"
        if stood.drafts:
            said += f"; {len(stood.drafts)} case{'s' * (len(stood.drafts) > 1)} drawn on and not accepted"
        said += "."
    return Found(store.task, said, stood is not None)


class SetupPanel(QWidget):
    """Asks; `start` is emitted with data set, annotator, task, and what brings new cases (or None)."""

    start = Signal(object, str, str, object)
    failed = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.found: Found | None = None
        self._problem = "Choose a data set first."
        self._job: workers.Job | None = None
        self._asking: workers.Job | None = None
        self._offered: tuple[Path, Path] | None = None  # a run's results, and the scans that they are of
        self._make_parts()
        self._lay_out()
        self.choose.clicked.connect(self._ask_dataset)
        self.path.editingFinished.connect(self._typed)
        self.name.textChanged.connect(lambda _: self.refresh())
        self.name.editingFinished.connect(self.look)
        self.source.currentIndexChanged.connect(lambda _: self.refresh())
        self.choose_scans.clicked.connect(self._ask_scans)
        self.scans.textChanged.connect(lambda _: self.refresh())
        self.button.clicked.connect(self.press)
        self.path.setText(preferences.recall("review", "dataset"))
        self.look()

    def _make_parts(self) -> None:
        self.path, self.choose = QLineEdit(), QPushButton("Choose…")
        self.path.setPlaceholderText("a data set, or an empty folder")
        self.path.setAccessibleName("Data set")
        self.said = WrappedLabel(_EMPTY)
        self.task = QComboBox()
        for name in tasks.NAMES:
            self.task.addItem(tasks.get(name).TITLE, name)
        self.name = QLineEdit(preferences.recall("review", "annotator") or _login())
        self.name.setAccessibleName("Your name")
        self.name.setToolTip("The data set keeps who decided what")
        self.source = QComboBox()
        for title in _SOURCES.values():
            self.source.addItem(title)
        self.scans, self.choose_scans = QLineEdit(), QPushButton("Choose…")
        self.scans.setPlaceholderText("a folder")
        self.scans.setAccessibleName("Folder")
        self.button = QPushButton("Start")
        self.reason = WrappedLabel()
        self.reason.setTextFormat(Qt.TextFormat.PlainText)

    def _lay_out(self) -> None:
        data, come = QVBoxLayout(), QVBoxLayout()
        for column, row_of in ((data, (self.path, self.choose)), (come, (self.scans, self.choose_scans))):
            row = QHBoxLayout()
            row.addWidget(row_of[0], 1)
            row.addWidget(row_of[1])
            if column is come:
                column.addWidget(self.source)
            column.addLayout(row)
        data.addWidget(self.said)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for title, part in (("Data set", data), ("Find", self.task), ("Your name", self.name), ("Cases", come)):
            form.addRow(title, part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.button)
        layout.addWidget(self.reason)

    def follow_theme(self, theme: str) -> None:
        """Look as napari does."""
        self.button.setStyleSheet(primary_style(theme))

    def stop(self) -> None:
        """Stop reading."""
        for job in (self._job, self._asking):
            if job is not None:
                job.drop()

    # The data set

    @property
    def folder(self) -> Path:
        """The data set's folder."""
        return Path(self.path.text().strip()).expanduser().absolute()

    def show_folder(self, folder: str | Path) -> None:
        """Choose a data set."""
        self.path.setText(str(folder))
        self.look()

    def look(self) -> None:
        """Read what is in the chosen folder, in the background."""
        if self._job is not None:
            self._job.drop()
        self.found, self._problem = None, "Choose a data set first."
        self._read_path = self.path.text().strip()
        if self._read_path:
            self._problem = "The folder is being read …"
            folder, name = self.folder, self.name.text()
            self._job = workers.call(lambda: look_at(folder, name), self._take, self._fail)
        else:
            self.said.setText(_EMPTY)
        self.refresh()

    def _typed(self) -> None:
        if self.path.text().strip() != self._read_path:
            self.look()

    def _take(self, found: Found) -> None:
        self._job, self.found, self._problem = None, found, ""
        self.said.setText(html.escape(found.said))
        if found.task is not None:
            self.task.setCurrentIndex(self.task.findData(found.task))
        self.refresh()

    def _fail(self, error: Exception) -> None:
        self._job, self._problem = None, str(error)
        self.said.setText(f"<span style='color:{RED}'><b>✕</b> {html.escape(str(error))}</span>")
        self.refresh()

    def _ask_dataset(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a data set, or an empty folder", self.path.text())
        if folder:
            self.show_folder(folder)

    def _ask_scans(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, f"Choose {self.source.currentText()}", self.scans.text())
        if folder:
            self.scans.setText(folder)

    # Starting

    def offer(self, results: Path, images: Path, task: str) -> None:
        """Choose a run's results as what comes in; the data set is left for a person to choose."""
        self._offered = (results.absolute(), images)
        self.source.setCurrentIndex(RESULTS)
        self.scans.setText(str(results))
        if self.found is None or self.found.task is None:
            self.task.setCurrentIndex(self.task.findData(task))
        self.refresh()

    def problem(self) -> str:
        """Why it can't be started; nothing when it can."""
        source = self.source.currentIndex()
        if self.found is None:
            return self._problem
        if not self.name.text().strip():
            return "Type your name first: the data set keeps who decided what."
        if source in (FOLDER, RESULTS) and not self.scans.text().strip():
            return f"Choose {self.source.currentText()} first."
        if source == OPEN and not self._session.rows():
            return "No result is open: segment an image first."
        if source == WAITING and self.found.task is None:
            return "A new data set holds no cases yet: choose where they come from."
        return ""

    def refresh(self) -> None:
        """Bring button and reason to what is chosen."""
        self.task.setEnabled(self.found is not None and self.found.task is None)
        source = self.source.currentIndex()
        for part in (self.scans, self.choose_scans):
            part.setVisible(source in (FOLDER, RESULTS))
        going_on = self.found is not None and self.found.stood and source == WAITING
        self.button.setText("Go on with the review" if going_on else "Start the review")
        problem = self.problem()
        self.button.setEnabled(not problem)
        self.button.setToolTip(problem)
        # What is wrong with the folder stands under it already.
        there = problem == self._problem and html.escape(problem) in self.said.text()
        self.reason.setText("" if there else problem)

    def press(self) -> None:
        """Start."""
        if self.problem():
            self.refresh()
            return
        source = self.source.currentIndex()
        scans = Path(self.scans.text().strip()).expanduser().absolute()
        if source == RESULTS and self._offered is not None and self._offered[0] == scans:
            self._with_images(scans, self._offered[1])
        elif source == RESULTS:
            self._asking = workers.call(
                lambda: sources.images_of(scans), lambda found: self._with_images(scans, found), self.failed.emit
            )
        elif source == FOLDER:
            self._start(filling.FromFolder(scans))
        else:
            self._start(filling.FromOpen.of(self._session) if source == OPEN else None)

    def _with_images(self, results: Path, images: Path | None) -> None:
        """Results name their scans but do not hold them: ask, where they do not lie beside."""
        if images is None:
            asked = QFileDialog.getExistingDirectory(self, "Choose the folder that was segmented", str(results.parent))
            images = Path(asked) if asked else None
        if images is None:
            self.failed.emit(
                FetalSegError(f"{results.name} names its scans but does not hold them: choose their folder.")
            )
            return
        self._start(filling.FromResults(results, images))

    def _start(self, bring: filling.Bring | None) -> None:
        name = " ".join(self.name.text().split())
        self.start.emit(self.folder, name, str(self.task.currentData()), bring)
        self.source.setCurrentIndex(WAITING)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
