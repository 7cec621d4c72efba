"""Keys of the docks: over the picture, and in a dock that has the focus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QWidget

from napari_fetalseg import wording
from napari_fetalseg.widgets import TextDialog

Action = Callable[[], Any]


class _Key:
    """What the viewer calls; `before` had the key until then, and has it again afterwards."""

    def __init__(self, action: Action) -> None:
        self.__name__ = getattr(action, "__name__", "action")  # napari looks at the names of its keys' functions
        self._action = action
        self.before: Any = None

    def __call__(self, _viewer: Any) -> None:
        self._action()


def bind(viewer: Any, widget: QWidget, actions: Mapping[str, Action]) -> Callable[[], None]:
    """Give keys to actions.

    Several docks may offer the same action by the same key: the one opened last has it, and when it closes the
    others have it again, in whatever order they go.

    Parameters
    ----------
    viewer : napari.Viewer
    widget : QWidget
        In it, and in what it holds, the keys work as well.
    actions : mapping of str to callable
        By keys as napari writes them: ``"Shift-S"``.

    Returns
    -------
    callable
        Takes the keys away again.
    """
    bound, shortcuts = {}, []
    for name, action in actions.items():
        bound[name] = key = _Key(action)
        key.before = viewer.bind_key(name, key, overwrite=True)
        shortcuts.append(_shortcut(widget, name, action))

    def release() -> None:
        for name, key in bound.items():
            _unbind(viewer, name, key)
        for shortcut in shortcuts:
            shortcut.setEnabled(False)

    return release


def show(parent: QWidget) -> None:
    """Show the list of keys."""
    TextDialog("Keys", "\n".join(f"{key:<10} {what}" for key, what in wording.KEYS.items()), parent).show()


def _shortcut(widget: QWidget, name: str, action: Action) -> QShortcut:
    shortcut = QShortcut(QKeySequence(name.replace("-", "+")), widget)
    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    shortcut.activated.connect(action)
    return shortcut


def _unbind(viewer: Any, name: str, key: _Key) -> None:
    top = viewer.bind_key(name, None)
    if top is key:
        top = key.before
    else:
        above = top
        while isinstance(above, _Key) and above.before is not key:
            above = above.before
        if isinstance(above, _Key):
            above.before = key.before
    if top is not None:
        viewer.bind_key(name, top, overwrite=True)
