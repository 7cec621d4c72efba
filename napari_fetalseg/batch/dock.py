"""The Batch dock: choose a folder, press Start batch, look at what is doubtful."""

from __future__ import annotations

import html
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from fetalseg import RESEARCH
from fetalseg.report.page.folder import Case
from napari_fetalseg import _compat, workers
from napari_fetalseg.batch import said
from napari_fetalseg.batch.choice import Choice
from napari_fetalseg.batch.form import BatchForm
from napari_fetalseg.batch.opener import Opener
from napari_fetalseg.batch.rows import Rows
from napari_fetalseg.batch.runner import Ended, Runner, Step, make_report
from napari_fetalseg.batch.table import Table
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.placing import dock_of
from napari_fetalseg.widgets import Dock, ErrorBox, LinkLabel, WrappedLabel, primary_style

if TYPE_CHECKING:
    import napari.viewer

# Rows are shown together, so that quick scans do not keep the window busy with drawing.
_TOGETHER_MS = 150
_EMPTY = (
    "Each scan becomes a row here: what failed or is doubtful on top, with the reason.\n"
    "A click on a row opens the scan with its mask and ellipse."
)


class BatchWidget(Dock):
    """Segments a folder of scans.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self.session = drawing_of(self.viewer).session
        self.runner = Runner()
        self.opener = Opener(self.viewer, self.session, self._on_opened, self._on_failed)
        self._jobs = workers.Jobs(self)
        self._steps: list[Step] = []
        self._last: Step | None = None
        self._unchanged, self._ran, self._scale = 0, "", ""
        self._together = self._timer(_TOGETHER_MS, self._flush)
        self._make_parts()
        self._lay_out()
        self._connect()
        self.refresh()

    # Building

    def _make_parts(self) -> None:
        self.form = BatchForm()
        self.title, self.change = WrappedLabel(), QPushButton("Change…")
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.change.setCheckable(True)
        self.heading = QWidget()
        self.button, self.pause_button = QPushButton("Start batch"), QPushButton("Pause")
        self.reason = WrappedLabel()
        self.progress = QProgressBar()
        keep = self.progress.sizePolicy()
        keep.setRetainSizeWhenHidden(True)  # nothing moves when it appears
        self.progress.setSizePolicy(keep)
        self.progress.hide()
        self.told = LinkLabel(folder=self.open_folder)
        self.error = ErrorBox()
        self.rows = Rows()
        self.rows.setParent(self)
        self.table = Table(self.rows)
        self.empty = WrappedLabel(_EMPTY)
        self.note = WrappedLabel()
        self.report_button, self.review_button = QPushButton("Open report"), QPushButton("Review the flagged")
        self.status = WrappedLabel()

    def _lay_out(self) -> None:
        top = QHBoxLayout(self.heading)
        top.setContentsMargins(0, 0, 0, 0)
        top.addWidget(self.title, 1)
        top.addWidget(self.change)
        buttons, after = QHBoxLayout(), QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.pause_button)
        for button in (self.report_button, self.review_button):
            after.addWidget(button)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.heading)
        layout.addWidget(self.form)
        layout.addLayout(buttons)
        for part in (self.reason, self.progress, self.error, self.told, self.empty):
            layout.addWidget(part)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.note)
        layout.addLayout(after)
        layout.addStretch()
        layout.addWidget(self.status)
        self._fill(inside)

    def _connect(self) -> None:
        runner = self.runner
        self.button.clicked.connect(self.press)
        self.pause_button.clicked.connect(self.pause)
        self.change.toggled.connect(lambda _: self.refresh())
        self.form.changed.connect(self.refresh)
        self.table.asked.connect(self.open_case)
        self.report_button.clicked.connect(self.open_report)
        self.review_button.clicked.connect(self.review)
        for signal, slot in (
            (runner.planned, self._on_planned),
            (runner.stepped, self._on_step),
            (runner.reporting, self._on_reporting),
            (runner.ended, self._on_ended),
            (runner.failed, self._on_failed),
            (self.session.models_changed, self.form.reload_models),
            (self.viewer.events.theme, self._on_theme),
        ):
            self._listen(signal, slot)
        self._on_theme()
        self._undo[:0] = [runner.drop, self.form.stop, self.rows.thumbs.clear, self._jobs.drop, self.opener.release]
        self._undo.append(self._together.stop)
        self.destroyed.connect(partial(_let_go, self._gone, runner, self.opener))

    def place(self) -> None:
        """Put the dock where it belongs, and hear when the window goes."""
        super().place()
        dock = dock_of(self)
        if dock is not None and dock.parent() is not None:
            dock.parent().installEventFilter(self)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:  # noqa: N802
        """Stop the run when the window was closed, while napari waits for its workers: a close may be refused."""
        if event.type() == QEvent.Type.Hide and not event.spontaneous() and self.open:
            self.runner.cancel()
        return bool(super().eventFilter(watched, event))

    def release(self) -> None:
        """Stop the run, and let go of viewer and session, for good."""
        if self.open:
            super().release()
            self.deleteLater()

    @property
    def choice(self) -> Choice | None:
        """What was run last, or is run."""
        return self.runner.choice

    # Doing

    def press(self) -> None:
        """Start, or cancel."""
        if not self.open:
            return
        if self.runner.running:
            self.runner.cancel()
        elif not self.form.problem():
            self._start(self.form.choice())
        self.refresh()

    def _start(self, choice: Choice) -> None:
        self.form.remember()
        self.form.more.anew.setChecked(False)  # once: the next start goes on
        self._together.stop()
        self._steps, self._last, self._unchanged, self._ran = [], None, 0, ""
        self.rows.clear()
        self.table.setColumnHidden(0, not choice.batch.overlays)
        for part in (self.error, self.told):
            part.clear()
        self._say("")
        self._scale = self.form.scale.rule.currentText()
        self.change.setChecked(False)
        self.runner.start(choice)

    def pause(self) -> None:
        """Pause, or go on."""
        self.runner.pause()
        self._show_progress()
        self.refresh()

    def open_case(self, case: Case) -> None:
        """Open a row's scan; of one that failed, say why."""
        choice, item = self.choice, self.runner.items.get(case.name)
        if choice is None or item is None:
            return
        if case.failed:
            self._say(html.escape(case.error))
            return
        self.error.clear()
        self._say(f"Opening {html.escape(case.name)} …")
        self.opener.open(case, item, choice)

    def open_report(self) -> None:
        """Make the report of what is in the folder now, and open it in the browser."""
        if self.choice is None or self._jobs.busy or self.runner.running:
            return
        out = self.choice.out
        self.error.clear()
        self._say("Making the report …")

        def make(token: workers.Token) -> Any:
            yield make_report(out, token)

        def take(item: Any) -> None:
            if isinstance(item, Path):
                self._say(f"The report is {html.escape(item.name)} in the folder of the results.")
                QDesktopServices.openUrl(QUrl.fromLocalFile(str(item)))
            else:
                self._say("Making the report: {} of {} …".format(*item))

        def end(_how: workers.End, error: Exception | None) -> None:
            if error is not None:
                self._say("")
                self.error.show_error(error)
            self.refresh()

        self._jobs.start(make, take, end)
        self.refresh()

    def review(self) -> None:
        """Ask for the flagged scans to be reviewed."""
        from napari_fetalseg.actions import open_review

        if self.choice is not None and not self.review_problem():
            open_review(self.viewer)
            self.session.review_asked.emit(self.choice.out, self.choice.folder, self.choice.settings.task)

    def open_folder(self) -> None:
        """Show the folder of the results."""
        if self.choice is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.choice.out)))

    # Hearing the run

    def _on_planned(self, number: int) -> None:
        self.progress.setRange(0, number)
        self.told.setText(f"{number} scans; what runs the network is loaded with the first …")
        self.refresh()

    def _on_step(self, step: Step) -> None:
        self._steps.append(step)
        if not self._together.isActive():
            self._together.start()

    def _flush(self) -> None:
        """Show the rows that came."""
        steps, self._steps = self._steps, []
        if not steps:
            return
        if self._last is None:
            self.progress.setRange(0, steps[-1].event.total)
        self._last, self._ran = steps[-1], steps[-1].ran
        self._unchanged += sum(step.event.kind == "unchanged" for step in steps)
        at_top = self.table.verticalScrollBar().value() == 0
        self.rows.add(step.case for step in steps if step.case is not None)
        if self.rows.cases and self.runner.running:
            self.told.clear()
        if at_top:  # the gravest come into sight; who scrolled is left where they are
            self.table.scrollToTop()
        self._show_progress()
        self.refresh()

    def _show_progress(self) -> None:
        step = self._last
        if step is None or not self.runner.running:
            return
        words = said.progress(step.event, self.runner.rate, self._unchanged, paused=self.runner.paused)
        # A bar that changes repaints the whole window at once; so it is painted with the rest, later.
        self.progress.setUpdatesEnabled(False)
        self.progress.setFormat(words)
        self.progress.setValue(step.event.done)
        self.progress.setUpdatesEnabled(True)

    def _on_reporting(self, done: int, total: int) -> None:
        self._flush()
        self.progress.setRange(0, total)
        self.progress.setFormat(f"report: {done} of {total}")
        self.progress.setValue(done)

    def _on_ended(self, end: Ended | None) -> None:
        self._together.stop()
        self._flush()
        if end is not None:
            self._ran = end.summary.ran
            self.told.setText(said.ended(end))
        self.refresh()

    def _on_failed(self, error: Exception) -> None:
        self._say("")
        self.error.show_error(error)

    def _on_opened(self, case: Case) -> None:
        self._say(
            f"{html.escape(case.name)} is open: correct its mask or drag its "
            f"{'diameters' if case.task == 'tumour' else 'ellipse'}; Review accepts it, among <i>the results that are "
            "open</i>."
        )

    # Showing

    def _say(self, words: str) -> None:
        self.note.setText(words)
        self.note.setVisible(bool(words))

    def review_problem(self) -> str:
        """Return why nothing can be reviewed; nothing where it can."""
        if self.runner.running:
            return "The run is going on."
        if self.choice is None or not self.rows.cases:
            return "There are no results yet: press Start batch first."
        return "" if self.rows.flagged() else "No scan of this run is flagged."

    def refresh(self) -> None:
        """Bring form, buttons and words to how the run stands."""
        if not self.open:
            return
        running, rows = self.runner.running, bool(self.rows.cases)
        begun = running or rows
        self.heading.setVisible(begun)
        self.change.setVisible(not running)
        self.form.setVisible(not begun or (self.change.isChecked() and not running))
        if self.choice is not None:
            self.title.setText(said.heading(self.choice))
            self.title.setToolTip(f"{self.choice.folder}\n{self.choice.out}")
        self._show_buttons(running)
        self.empty.setVisible(not begun)
        self.table.setVisible(begun)
        self.progress.setVisible(running)
        if running and self._last is None:
            self.progress.setRange(0, 0)
            self.progress.setFormat("")
        self._show_after(running, rows)
        self._show_status()

    def _show_buttons(self, running: bool) -> None:
        problem = "" if running else self.form.problem()
        self.button.setText("Stopping…" if self.runner.stopping else "Cancel" if running else "Start batch")
        self.button.setEnabled(not problem and not self.runner.stopping)
        self.button.setToolTip(problem)
        self.reason.setText(html.escape(problem))
        self.reason.setVisible(bool(problem))
        self.pause_button.setVisible(running and not self.runner.stopping)
        self.pause_button.setText("Go on" if self.runner.paused else "Pause")

    def _show_after(self, running: bool, rows: bool) -> None:
        waiting = "The run is going on." if running else "" if rows else "There are no results yet."
        making = "The report is being made." if self._jobs.busy else ""
        for button, problem in ((self.report_button, waiting or making), (self.review_button, self.review_problem())):
            button.setVisible(running or rows)
            button.setEnabled(not problem)
            button.setToolTip(problem)

    def _show_status(self) -> None:
        settings = self.choice.settings if self.choice is not None else None
        card = self.form.model.card
        model = f"{card.name} {card.version}" if card is not None else "no network"
        if self.rows.cases and settings is not None:
            model = next((case.row["model"] for case in self.rows.cases if case.row.get("model")), model)
        words = [self._ran, model, self._scale or self.form.scale.rule.currentText()]
        line = html.escape(" · ".join(word for word in words if word))
        self.status.setText(f"{line}<br><small>{RESEARCH}</small>")

    def _on_theme(self, _event: Any = None) -> None:
        self.button.setStyleSheet(primary_style(self.viewer.theme))


def _let_go(gone: threading.Event, runner: Runner, opener: Opener, *_: Any) -> None:
    """The widget went with its window: end the run, and tell nobody."""
    if not gone.is_set():
        gone.set()
        runner.drop()
        opener.drop()
