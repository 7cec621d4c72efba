"""A real mouse on napari's canvas."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication


def pixel(viewer, yx) -> QPoint:
    """Where a world point lies on the canvas."""
    transform = viewer.window._qt_viewer.canvas.view.scene.transform
    p = transform.map([yx[1], yx[0], 0, 1])
    return QPoint(round(p[0] / p[3]), round(p[1] / p[3]))


def drag(viewer, qtbot, start, end, steps: int = 8, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Press, move and release, in world coordinates (y, x)."""
    canvas = viewer.window._qt_viewer.canvas.native
    a, b = pixel(viewer, start), pixel(viewer, end)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    QTest.mouseMove(canvas, a)
    qtbot.wait(20)
    QTest.mousePress(canvas, left, modifier, a)
    for i in range(1, steps + 1):
        at = a + (b - a) * (i / steps)
        place, screen = QPointF(at), QPointF(canvas.mapToGlobal(at))
        QApplication.sendEvent(canvas, QMouseEvent(QEvent.Type.MouseMove, place, screen, none, left, modifier))
        qtbot.wait(10)
    QTest.mouseRelease(canvas, left, modifier, b)
    qtbot.wait(30)


def click(viewer, qtbot, at) -> None:
    """Click a world point."""
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(canvas, pixel(viewer, at))
    qtbot.wait(20)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, pixel(viewer, at))
    qtbot.wait(30)


def key(viewer, code, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key over the canvas."""
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, code, modifier)
