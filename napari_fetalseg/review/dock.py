"""The Review dock: one case after another, accepted, corrected or rejected."""

from __future__ import annotations

import html
import logging
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from fetalseg import RESEARCH
from fetalseg.dataset.summary import summarize
from fetalseg.errors import FetalSegError
from fetalseg.review import queue
from fetalseg.review.sources import Filled
from napari_fetalseg import _compat, keys, preferences, wording
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.mask_tools import MaskTools
from napari_fetalseg.placing import dock_of
from napari_fetalseg.review import said
from napari_fetalseg.review.desk import Desk
from napari_fetalseg.review.queue_view import QueueModel, QueueView
from napari_fetalseg.review.setup_panel import SetupPanel
from napari_fetalseg.review.stage import Shown, Stage
from napari_fetalseg.widgets import AMBER, Dock, ErrorBox, LinkLabel, TextDialog, WrappedLabel, link, primary_style

if TYPE_CHECKING:
    import napari.viewer

log = logging.getLogger(__name__)

_ORDERS = {"worst": "worst first", "given": "in order"}
_SHOWS = {"to-do": "to do", "accepted": "accepted", "edited": "edited", "rejected": "rejected", "all": "all"}
# Key and words of each button, in the order in which they stand.
_ACCEPT = ("N", "Accept and next")
_BUTTONS = {
    "reject": ("Shift-R", "Reject"),
    "skip": ("K", "Skip"),
    "back": ("J", "Back"),
    "revert": ("H", "Model's version"),
}


class ReviewWidget(Dock):
    """Works through the cases of an annotation data set.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        drawer = drawing_of(self.viewer)
        self.session = drawer.session
        self.desk = Desk(Stage(self.viewer, drawer))
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self._tick)
        self._make_parts()
        self._lay_out()
        self._connect()
        self._on_opened(None)

    # Building

    def _make_parts(self) -> None:
        self.title, self.change = QLabel(), QPushButton("Change…")
        self.change.setCheckable(True)
        self.setup = SetupPanel(self.session)
        self.order, self.show_only = QComboBox(), QComboBox()
        for box, choices, name in ((self.order, _ORDERS, "Order"), (self.show_only, _SHOWS, "Filter")):
            box.setAccessibleName(name)
            for value, words in choices.items():
                box.addItem(words, value)
        self.counts, self.sums = WrappedLabel(), WrappedLabel()
        self.model = QueueModel()
        self.list = QueueView(self.model)
        self.progress, self.stop_button = QProgressBar(), QPushButton("Stop")
        self.case = WrappedLabel()
        self.tools = MaskTools(self.viewer, self.session, keys_in=self)
        self.accept = QPushButton(f"{_ACCEPT[1]}   ({_ACCEPT[0]})")
        self.buttons = {name: QPushButton(f"{words}   ({key})") for name, (key, words) in _BUTTONS.items()}
        self.note = WrappedLabel()
        self.error = ErrorBox()
        self.status = LinkLabel(again=self.desk.again, keys=self.show_keys)
        self.at_work, self.room = QWidget(), QWidget()  # below the questions there is room where there are no cases

    def _lay_out(self) -> None:
        top, choices, coming = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row, parts in (
            (top, ((self.title, 1), (self.change, 0))),
            (choices, ((self.order, 1), (self.show_only, 1))),
            (coming, ((self.progress, 1), (self.stop_button, 0))),
        ):
            for part, stretch in parts:
                row.addWidget(part, stretch)
        buttons = QGridLayout()
        for number, button in enumerate(self.buttons.values()):
            buttons.addWidget(button, *divmod(number, 2))
        work = QVBoxLayout(self.at_work)
        work.setContentsMargins(0, 0, 0, 0)
        for part in (choices, self.counts, self.sums, coming, self.list, self.case, self.tools, self.accept, buttons):
            if isinstance(part, QWidget):
                work.addWidget(part, int(part is self.list))
            else:
                work.addLayout(part)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addLayout(top)
        for widget in (self.setup, self.at_work, self.note, self.error, self.room):
            layout.addWidget(widget, int(widget in (self.at_work, self.room)))
        layout.addWidget(self.status)
        self._fill(inside)

    def _connect(self) -> None:
        desk, session = self.desk, self.session
        self.change.toggled.connect(self._show_setup)
        self.setup.start.connect(self.start)
        self.setup.failed.connect(self._on_failed)
        self.order.activated.connect(lambda _: self._act(partial(desk.arrange, order=self.order.currentData())))
        self.show_only.activated.connect(lambda _: self._act(partial(desk.arrange, show=self.show_only.currentData())))
        self.list.clicked.connect(self._on_row)
        self.list.activated.connect(self._on_row)
        self.stop_button.clicked.connect(desk.stop_filling)
        actions: dict[str, Any] = {
            "accept": partial(self._act, partial(desk.decide, "accept")),
            "reject": partial(self._act, partial(desk.decide, "reject")),
            "skip": partial(self._act, desk.skip),
            "back": partial(self._act, desk.back),
            "revert": partial(self._act, desk.revert),
        }
        self.accept.clicked.connect(lambda: actions["accept"]())
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, go=actions[name]: go())
        bound = {_ACCEPT[0]: actions["accept"]} | {key: actions[name] for name, (key, _) in _BUTTONS.items()}
        self._undo.append(keys.bind(self.viewer, self, bound))
        for signal, slot in (
            (desk.opened, self._on_opened),
            (desk.listed, self._on_listed),
            (desk.showing, self._on_showing),
            (desk.reading, self._on_reading),
            (desk.saved, self._tick),
            (desk.filled, self._on_filled),
            (desk.failed, self._on_failed),
            (desk.told, self._on_told),
            (session.changed, self._on_changed),
            (session.added, self._on_rows),
            (session.removed, self._on_rows),
            (self.viewer.dims.events.current_step, self._on_activity),
            (self.viewer.scene.camera.events.zoom, self._on_activity),
            (self.viewer.events.theme, self._on_theme),
        ):
            self._listen(signal, slot)
        self._listen(session.review_asked, self._on_review_asked)
        self._on_theme()
        # In this order: what is drawn is written before anything is let go of.
        self._undo[:0] = [self.desk.release, self.setup.stop, self.tools.release, self._second.stop]
        self.destroyed.connect(partial(_let_go, self._gone, self.setup, self.desk))

    def place(self) -> None:
        """Put the dock where it belongs, and hear when the window closes."""
        super().place()
        dock = dock_of(self)
        if dock is not None and dock.parent() is not None:
            dock.parent().installEventFilter(self)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:  # noqa: N802
        """Write the last stroke before the window closes."""
        if event.type() == QEvent.Type.Close and self.open:
            try:
                self.desk.keeper.flush()
            except FetalSegError as error:
                log.warning("While closing the window: %s", error)
        return bool(super().eventFilter(watched, event))

    def release(self) -> None:
        """Let go of viewer and session, for good: keys and buttons would keep the widget alive."""
        if self.open:
            super().release()
            self.deleteLater()

    # Starting

    def start(self, folder: Path, annotator: str, task: str, bring: Any = None) -> None:
        """Open a data set, made where the folder is new, and let cases come into it."""
        self.error.clear()
        self.note.setText("")
        self.setup.button.setEnabled(False)
        preferences.remember("review", "dataset", str(folder))
        preferences.remember("review", "annotator", annotator)
        self.desk.open(Path(folder), annotator, preferences.load(task), bring)

    def _on_opened(self, review: Any) -> None:
        if not self.open:
            return
        self.at_work.setVisible(review is not None)
        self.room.setVisible(review is None)
        self.change.setVisible(review is not None)
        self.change.setChecked(review is None)
        self._show_setup(review is None)
        self._on_filled(None)
        if review is None:
            self.title.setText("<b>Review</b>")
            self._second.stop()
        else:
            name = html.escape(review.store.folder.name)
            self.title.setText(f"<b>{name}</b> · {html.escape(review.annotator)}")
            self.title.setToolTip(str(review.store.folder))
            self._second.start()
        self._tick()

    def _on_review_asked(self, results: Path, images: Path, task: str) -> None:
        """Another dock has results to be reviewed: all that is left to choose is the data set."""
        self._show_setup(True)
        self.change.setChecked(True)
        self.setup.offer(results, images, task)
        self.order.setCurrentIndex(self.order.findData("worst"))
        self.order.activated.emit(self.order.currentIndex())

    def _show_setup(self, on: bool) -> None:
        self.setup.setVisible(on)
        if on:
            self.setup.look()

    # What the desk tells

    def _act(self, action: Any) -> None:
        if self.open and self.desk.review is not None:
            self.error.clear()
            self.note.setText("")
            action()

    def _on_row(self, index: Any) -> None:
        self._act(partial(self.desk.jump, self.list.item_at(index)))

    def _on_listed(self) -> None:
        desk = self.desk
        for box, value in ((self.order, desk.order), (self.show_only, desk.show)):
            box.setCurrentIndex(box.findData(value))
        self.model.show(desk.queue(), desk.broken)
        self.list.mark(desk.item)
        self.counts.setText(queue.Counts.of(desk.entries).line())
        words = said.sums(summarize(desk.entries))
        self.sums.setText(f"<small>{html.escape(words)}</small>" if words else "")
        if desk.shown is None:
            self._say_nothing()
        self._tick()

    def _on_showing(self, shown: Shown | None) -> None:
        self.note.setText("")
        self.list.mark(self.desk.item)
        problem = "" if shown is not None else "There is no case in this list."
        for button in (self.accept, *self.buttons.values()):
            button.setEnabled(not problem)
            button.setToolTip(problem)
        self.tools.setVisible(shown is not None)
        if shown is None:
            self._say_nothing()
        self._on_changed()
        self._tick()

    def _say_nothing(self) -> None:
        """What stands where the case would: what to do next."""
        desk = self.desk
        if desk.filling:
            words = "The first case is being read …"
        elif not desk.entries:
            words = "The data set holds no cases yet. Press Change… and choose where they come from."
        elif not desk.queue():
            words = f"Nothing is left in <i>{_SHOWS[desk.show]}</i>."
            if desk.show == "to-do":
                words = "All cases are done. Choose another filter to look at them again, or train on them."
        else:
            words = f"No case of this list can be shown. {link('again', 'Try again')}"
        self.case.setText(words)

    def _on_reading(self, item: str) -> None:
        self.note.setText(f"Reading {html.escape(item)} …")

    def _on_changed(self, *_: Any) -> None:
        shown = self.desk.shown
        result = shown.result if shown is not None else None
        if shown is not None and result is not None:
            self.case.setText(said.heading(shown.case.entry.item, result))

    def _on_rows(self, *_: Any) -> None:
        if self.setup.isVisible():
            self.setup.refresh()

    def _on_filled(self, told: Filled | None) -> None:
        coming = self.desk.filling and told is not None
        for part in (self.progress, self.stop_button):
            part.setVisible(coming)
        if told is None:
            if self.desk.shown is None and self.desk.review is not None:
                self._say_nothing()
            return
        self.progress.setRange(0, told.total)
        self.progress.setValue(told.done)
        self.progress.setFormat(f"{told.done} of {told.total} read and segmented" if told.total else "")
        lost = [sentence for _, outcome, sentence in told.report.told if outcome == "failed"]
        if lost and told.done >= told.total:
            more = f" {len(lost) - 1} more could not be read." if len(lost) > 1 else ""
            self.note.setText(f"<span style='color:{AMBER}'><b>!</b> {html.escape(lost[0])}{more}</span>")
            self.note.setToolTip("\n".join(lost[:40]))

    def _on_failed(self, error: Exception) -> None:
        self.error.show_error(error)
        self.setup.refresh()
        self._tick()

    def _on_told(self, sentence: str) -> None:
        self.note.setText(html.escape(sentence))

    def _on_activity(self, _event: Any = None) -> None:
        self.desk.keeper.clock.touch()

    def _on_theme(self, _event: Any = None) -> None:
        self.accept.setStyleSheet(primary_style(self.viewer.theme))
        self.setup.follow_theme(self.viewer.theme)

    def _tick(self) -> None:
        """Say how long ago the case was saved, how long it took, and how much was changed."""
        if not self.open:
            return
        desk, keeper, parts = self.desk, self.desk.keeper, []
        shown = desk.shown
        if shown is not None:
            result = shown.result
            if keeper.pending:
                parts.append("Saving …")
            elif keeper.saved_at is not None:
                parts.append(f"Saved {said.ago(time.monotonic() - keeper.saved_at)}")
            elif keeper.failed:
                parts.append(f"<span style='color:{AMBER}'><b>!</b> not saved</span>")
            parts.append(f"this case {said.lasted(keeper.clock.seconds())}")
            if result is not None:
                parts.append(html.escape(said.changed(result)))
            parts.append(html.escape(said.origin(shown.case.entry)))
        if desk.waiting and not desk.busy:
            some = f"{desk.waiting} decision{'s wait' if desk.waiting > 1 else ' waits'} in the journal"
            parts.append(f"<span style='color:{AMBER}'><b>!</b> {some}</span> {link('again', 'try again')}")
        small = f"<small>{RESEARCH} {link('keys', 'Keys')}</small>"
        self.status.setText("<br>".join(part for part in (" · ".join(parts), small) if part))

    def show_keys(self) -> None:
        """Show the plugin's keys."""
        TextDialog("Keys", "\n".join(f"{key:<10} {what}" for key, what in wording.KEYS.items()), self).show()


def _let_go(gone: threading.Event, setup: SetupPanel, desk: Desk, *_: Any) -> None:
    """The widget went with its window: write what is left, and tell nobody."""
    gone.set()
    setup.stop()
    desk.release()
