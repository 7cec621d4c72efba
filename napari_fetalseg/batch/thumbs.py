"""The small pictures of the table: made in the background for the rows that are looked at, and forgotten again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, QSize, Qt
from qtpy.QtGui import QImage, QPixmap

from fetalseg.report.page import pictures
from fetalseg.report.page.folder import Case
from napari_fetalseg import workers

#: So many are kept, and so many wait at most: who scrolls past a row does not wait for its picture.
_KEPT, _WAITING = 600, 40


class Thumbs(QObject):
    """Pictures by the name of their case.

    Parameters
    ----------
    ready : callable
        Called with a case whose picture is there now.
    """

    def __init__(self, ready: Callable[[Case], None]) -> None:
        super().__init__()
        self._ready = ready
        self._made: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._wanted: OrderedDict[str, Case] = OrderedDict()
        self._jobs = workers.Jobs(self)
        self.size = QSize(pictures.THUMBNAIL[0] // 2, pictures.THUMBNAIL[1] // 2)
        self.ratio = 1.0  # pixels of the screen in one of Qt's

    @property
    def busy(self) -> bool:
        """Whether pictures are being made."""
        return self._jobs.busy

    def get(self, case: Case) -> QPixmap | None:
        """Return a case's picture where it is there; else it is made."""
        if case.picture is None:
            return None
        if case.name in self._made:
            self._made.move_to_end(case.name)
            return self._made[case.name]
        self._wanted[case.name] = case
        self._wanted.move_to_end(case.name)
        while len(self._wanted) > _WAITING:
            self._wanted.popitem(last=False)
        self._work()
        return None

    def clear(self) -> None:
        """Forget all, and make no more."""
        self._jobs.drop()
        self._made.clear()
        self._wanted.clear()

    def _work(self) -> None:
        if self._jobs.busy or not self._wanted:
            return
        cases = list(reversed(self._wanted.values()))  # what was looked at last comes first
        size, self._wanted = self.size * self.ratio, OrderedDict()

        def make(token: workers.Token) -> Iterator[Any]:
            for case in cases:
                if token.is_set():
                    return
                yield case, _image(case, size)

        self._jobs.start(make, self._take, self._end)

    def _take(self, item: tuple[Case, QImage | None]) -> None:
        case, image = item
        pixmap = None
        if image is not None:
            pixmap = QPixmap.fromImage(image)
            pixmap.setDevicePixelRatio(self.ratio)
        self._made[case.name] = pixmap
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        self._ready(case)

    def _end(self, _how: workers.End, _error: Exception | None) -> None:
        self._work()


def _image(case: Case, size: QSize) -> QImage | None:
    """Read a case's picture, as the report shows it in its table."""
    picture = pictures.opened(case)
    if picture is None:
        return None
    small = pictures.thumbnail(case, picture)
    image = QImage(small.tobytes(), small.width, small.height, 3 * small.width, QImage.Format.Format_RGB888)
    return image.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
