"""Small parts that the docks share."""

from __future__ import annotations

import html
import logging
import threading
import traceback
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from fetalseg.errors import FetalSegError
from fetalseg.result import State
from napari_fetalseg.placing import dock_of, fit, place, remembered, shows_all
from napari_fetalseg.wording import STATES

log = logging.getLogger("napari_fetalseg")
RED = STATES[State.REFUSE][0]
AMBER = STATES[State.CHECK][0]
_LAID_OUT_MS = 100


class Dock(QWidget):
    """A docked widget that lets go of the viewer when it is closed.

    napari sends no close event to a dock and keeps a closed one alive while anything refers to it. The
    subclass lists what undoes its connections in `_undo`.

    Attributes
    ----------
    BELOW : bool
        Whether it opens below the picture; else at the right.
    viewer : napari.Viewer
        The subclass sets it.
    """

    BELOW = False
    viewer: Any

    def __init__(self) -> None:
        super().__init__()
        self._placing = self._timer(0, self.place)  # napari puts a dock into its window after the widget into the dock
        self._fitting = self._timer(0, self._fit_height)
        # Of all that was shown before the dock took its room, once that is laid out.
        self._showing = self._timer(_LAID_OUT_MS, self._show_all)
        self._placed = self._showed_all = False
        self._known = remembered()
        self._undo: list[Callable[[], Any]] = []
        self._docked = False
        self._gone = threading.Event()

    def _timer(self, ms: int, slot: Callable[[], Any]) -> QTimer:
        """Return a timer that, once started, calls a slot one time."""
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(ms)
        timer.timeout.connect(slot)
        return timer

    @property
    def open(self) -> bool:
        """Whether the dock is still in use."""
        return not self._gone.is_set()

    def event(self, event: QEvent) -> bool:
        """Notice being taken out of the window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                if not self._docked:
                    self._showed_all = shows_all(self.viewer)
                self._docked = True
                self._placing.start()
            elif self._docked:
                self.release()
        return bool(super().event(event))

    def place(self) -> None:
        """Put the dock where it belongs, once: later it stands where a person moves it."""
        if not self._placed and self.open and dock_of(self) is not None:
            self._placed = True
            place(self, Dock, self.BELOW, self._known)
            self._fitting.start()
            if self._showed_all:
                self._showing.start()

    def _fit_height(self) -> None:
        if self.open and self.BELOW:
            fit(self)

    def _show_all(self) -> None:
        if self.open:
            self.viewer.reset_view()

    def release(self) -> None:
        """Let go of viewer and session."""
        if self._gone.is_set():
            return
        self._gone.set()
        for undo in self._undo:
            try:
                undo()
            except (RuntimeError, ValueError, TypeError) as error:  # already gone with the viewer
                log.debug("While closing a dock: %s", error)
        self._undo.clear()

    def _fill(self, inside: QWidget) -> None:
        """Fill the dock with a form that scrolls where there is too little height, and is never cut off at its side."""
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(_Scrolled(inside))

    def _listen(self, signal: Any, slot: Callable[..., Any]) -> None:
        signal.connect(slot)
        self._undo.append(lambda: signal.disconnect(slot))


class _Scrolled(QScrollArea):
    """Scrolls up and down only, and is as wide as what is inside needs beside the bar."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setWidget(inside)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the width that cuts nothing off."""
        needed = self.widget().minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        least = self.fontMetrics().averageCharWidth() * 52
        return QSize(max(needed, least), super().minimumSizeHint().height())

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Hear that what is inside needs another width."""
        taken = bool(super().eventFilter(watched, event))
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return taken


class TextDialog(QDialog):
    """A window with text that can be copied; it blocks nothing."""

    def __init__(self, title: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda: QApplication.clipboard().setText(self.text.toPlainText()))
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * 84, metrics.height() * 26)


class ErrorBox(QWidget):
    """A red sentence where the error happened, with details that can be copied. Empty, it takes no room."""

    def __init__(self) -> None:
        super().__init__()
        self.label = WrappedLabel()
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QPushButton("Details")
        self.dismiss = QPushButton("Dismiss")
        self.details.clicked.connect(self._open)
        self.dismiss.clicked.connect(self.clear)
        self._text = ""
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.details)
        row.addWidget(self.dismiss)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addLayout(row)
        self.hide()

    def show_error(self, error: Exception) -> None:
        """Show an error; one that was not meant is logged as well."""
        if isinstance(error, FetalSegError):
            sentence = str(error)
        else:
            log.error("Unexpected error", exc_info=error)
            sentence = (
                f"Something went wrong that was not foreseen ({type(error).__name__}: {error}). Older results stay."
            )
        self._text = f"{sentence}\n\n{''.join(traceback.format_exception(error))}\n{_versions()}"
        self.label.setText(f"<span style='color:{RED}'><b>✕</b> {html.escape(sentence)}</span>")
        self.show()

    def clear(self) -> None:
        """Show nothing."""
        self.label.setText("")
        self.hide()

    def sentence(self) -> str:
        """Return what is shown, without its colour."""
        return self._text.split("\n", 1)[0] if self.label.text() else ""

    def _open(self) -> None:
        TextDialog("Details", self._text, self).show()


class WrappedLabel(QLabel):
    """Text that wraps, never makes its dock wider, and is exactly as tall as it needs.

    Qt asks a wrapped label for its height at another width than it gets, above all in a scroll area.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._later = QTimer(self)  # a child: it goes with the label
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self.updateGeometry)

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Return False: a form would ask for the height at a width that a row beside it has."""
        return False

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at the present width."""
        hint = super().sizeHint()
        return QSize(hint.width(), max(self.heightForWidth(self.width()), 0) if self.text() else 0)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the height at the present width."""
        return QSize(0, self.sizeHint().height())

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Ask for another height when the width changed."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._later.start()


def link(name: str, text: str = "") -> str:
    """Return a link for a `LinkLabel`, in a blue that is read on dark and on light."""
    return f"<a href='{name}' style='color:#3b8eea'>{text or name}</a>"


def primary_style(theme: str) -> str:
    """Return the look of a dock's one primary button in napari's theme."""
    from napari.utils.theme import get_theme

    colors = get_theme(theme)
    return (
        "QPushButton { font-weight: 600; padding: 0.5em; "
        f"background-color: {colors.current.as_hex()}; color: {colors.text.as_hex()}; }}"
        f"QPushButton:disabled {{ background-color: {colors.foreground.as_hex()}; }}"
        f"QPushButton:hover {{ background-color: {colors.highlight.as_hex()}; }}"
    )


class LinkLabel(WrappedLabel):
    """Small text with links, each of which calls a function."""

    def __init__(self, **actions: Callable[[], Any]) -> None:
        super().__init__()
        self._actions = actions
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByKeyboard | Qt.TextInteractionFlag.LinksAccessibleByMouse
        )
        self.linkActivated.connect(self._follow)

    def _follow(self, name: str) -> None:
        if name in self._actions:
            self._actions[name]()


def _versions() -> str:
    from fetalseg import __version__
    from fetalseg.report.manifest import libraries

    listed = ", ".join(f"{name} {version}" for name, version in libraries().items())
    return f"napari-fetalseg {__version__}; {listed}"
