"""Four kept-out cases as the network sees them now, the worst first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_fetalseg import workers

COUNT, _COLUMNS = 4, 2
_RATIO = 0.36  # before a picture is there
# Below each picture the engine writes its Dice, too small to be read here: a strip of so much of the width.
_STRIP = 22 / 772


class CasesView(QWidget):
    """Shows pictures that a training writes each epoch; takes no room before the first ones."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs = workers.Jobs(self)
        self._wanted: list[Path] = []
        self.pictures = [_Scaled() for _ in range(COUNT)]
        self.words = [QLabel() for _ in range(COUNT)]
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for at, picture in enumerate(self.pictures):
            grid.addWidget(picture, 2 * (at // _COLUMNS), at % _COLUMNS)
            grid.addWidget(self.words[at], 2 * (at // _COLUMNS) + 1, at % _COLUMNS)
        self.hide()

    @property
    def busy(self) -> bool:
        """Whether pictures are being read."""
        return self._jobs.busy

    def show_cases(self, folder: Path, cases: dict[str, Any]) -> None:
        """Show the pictures that an event names.

        Parameters
        ----------
        folder : Path
            The training's.
        cases : dict
            With files, dice and epoch; empty: nothing is shown.
        """
        paths = [folder / name for name in cases.get("files", ())][:COUNT]
        if not paths:
            self.clear()
        if not paths or paths == self._wanted:
            return
        self.stop()
        self._wanted = paths
        told = [f"Dice {100 * dice:.1f} %" for dice in cases.get("dice", ())][: len(paths)]
        told += [""] * (len(paths) - len(told))

        def read() -> list[QImage]:
            return [QImage(str(path)) for path in paths]

        self._jobs.call(read, lambda images: self._take(images, paths, told), lambda error: self._take([], [], []))

    def clear(self) -> None:
        """Show nothing."""
        self.stop()
        self._wanted = []
        self.hide()

    def stop(self) -> None:
        """Read no more."""
        self._jobs.drop()

    def _take(self, images: list[QImage], paths: list[Path], told: list[str]) -> None:
        there = [(i, p, t) for i, p, t in zip(images, paths, told, strict=True) if not i.isNull()]
        for at, (picture, label) in enumerate(zip(self.pictures, self.words, strict=True)):
            picture.setVisible(at < len(there))
            label.setVisible(at < len(there))
            if at < len(there):
                image, path, words = there[at]
                picture.show_image(image, words)
                picture.setToolTip(f"<p>Left the truth, right what was found</p><img src='{path.as_posix()}'>")
                label.setText(f"<small>{words}</small>")
        self.setVisible(bool(there))


class _Scaled(QWidget):
    """A picture as wide as its place, in its own shape."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.pixmap = QPixmap()

    def show_image(self, image: QImage, words: str) -> None:
        self.pixmap = QPixmap.fromImage(image.copy(0, 0, image.width(), image.height() - round(_STRIP * image.width())))
        self.setAccessibleName(f"Kept-out case, {words}")
        self._fit()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        size = self.pixmap.size()
        ratio = size.height() / size.width() if size.width() else _RATIO
        return QSize(self.width(), round(self.width() * ratio))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, _event: Any) -> None:  # noqa: N802
        if self.pixmap.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self.pixmap.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter.drawPixmap(0, 0, size.width(), size.height(), self.pixmap)
        painter.end()

    def _fit(self) -> None:
        wanted = self.sizeHint().height()
        if wanted != self.height():
            self.setFixedHeight(wanted)
