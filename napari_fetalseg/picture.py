"""A picture in a dock, drawn in the background at the dock's width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QImage, QPainter, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_fetalseg import workers

_NARROWEST = 360


class Picture(QWidget):
    """A picture that is drawn in the background; of several asked for, the last.

    Parameters
    ----------
    name : str
        For those who do not see it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self._draw: Callable[[int, int, float], NDArray[np.uint8]] | None = None
        self._jobs = workers.Jobs(self)
        self._job: workers.Job | None = None
        self._stale = False
        self.pixels: NDArray[np.uint8] | None = None
        self._shown = QPixmap()
        self.failed: Callable[[Exception], Any] = lambda error: None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(40)
        self._soon.timeout.connect(self._start)

    @property
    def busy(self) -> bool:
        """Whether a picture is being drawn, or will be."""
        return self._soon.isActive() or self._job is not None

    def show_picture(self, draw: Callable[[int, int, float], NDArray[np.uint8]]) -> None:
        """Show what a function draws.

        Parameters
        ----------
        draw : callable
            Called in a thread with width and height in pixels and pixels an inch; returns RGBA.
        """
        self._draw = draw
        self._soon.start()

    def clear(self) -> None:
        """Show nothing until the next picture is drawn; one that is being drawn now is not wanted any more."""
        if self._job is not None:
            self._job.drop()
            self._job, self._stale = None, False
        self._shown = QPixmap()
        self.update()

    def stop(self) -> None:
        """Draw no more: the dock is going away."""
        self._soon.stop()
        self._draw = None
        if self._job is not None:
            self._job.drop()
            self._job = None

    def _start(self) -> None:
        if self._draw is None:
            return
        if self._job is not None:
            self._stale = True
            return
        ratio = self.devicePixelRatioF()
        width, height = round(max(self.width(), _NARROWEST) * ratio), round(self.height() * ratio)
        draw, dpi = self._draw, self.logicalDpiX() * ratio
        self._job = self._jobs.call(lambda: draw(width, height, dpi), self._take, self._fail)

    def _take(self, pixels: NDArray[np.uint8]) -> None:
        self._job = None
        self.pixels = np.ascontiguousarray(pixels)
        rows, columns = pixels.shape[:2]
        image = QImage(self.pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
        self._shown = QPixmap.fromImage(image.copy())
        self._shown.setDevicePixelRatio(self.devicePixelRatioF())
        self.update()
        self._again()

    def _fail(self, error: Exception) -> None:
        self._job = None
        self.failed(error)
        self._again()

    def _again(self) -> None:
        if self._stale:
            self._stale = False
            self._soon.start()

    def height_at(self, width: int) -> int:
        """Return the height at a width."""
        return width // 2

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at the present width."""
        width = max(self.width(), _NARROWEST)
        return QSize(width, self.height_at(width))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Draw anew at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.setFixedHeight(self.sizeHint().height())
            if self._draw is not None:
                self._soon.start(150 if self.pixels is not None else 40)

    def paintEvent(self, _event: Any) -> None:  # noqa: N802
        """Show the last picture; while the width changes, scaled."""
        if self._shown.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._shown.size() / self._shown.devicePixelRatio()
        if size != self.size():
            size.scale(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter.drawPixmap(0, 0, size.width(), size.height(), self._shown)
        painter.end()
