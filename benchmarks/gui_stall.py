"""How long the window stands still while a stack is segmented.

A timer in the GUI thread ticks every 5 ms; a tick that comes late tells how long something else held the
thread. The same is measured before the run (an idle window) and while napari draws the canvas alone (the
slider is moved), so that what the drawing itself costs on this computer is told apart.

    python benchmarks/gui_stall.py [--frames 60] [--rows 540 --columns 800]
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np


class Ticks:
    """Gaps between ticks of the event loop beyond the timer's own interval, in ms."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.late: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1000 - 5))
        self._last = now

    def start(self) -> None:
        self.late = []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self, what: str) -> None:
        self._timer.stop()
        late = np.array(self.late or [0.0])
        over = int((late > 50).sum())
        print(f"{what:<34} longest {late.max():6.1f} ms   99 % {np.percentile(late, 99):6.1f} ms   over 50 ms: {over}")


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--frames", type=int, default=60)
    given.add_argument("--rows", type=int, default=540)
    given.add_argument("--columns", type=int, default=800)
    options = given.parse_args()

    os.environ["NAPARI_CONFIG"] = ""  # what is chosen here is not remembered
    import napari
    from qtpy.QtTest import QTest

    from fetalseg import samples
    from fetalseg.io.registry import read
    from napari_fetalseg.actions import open_docks

    loop = read(samples.folder() / samples.names()[0]).pixels
    shape = (options.rows, options.columns)
    row, column = (np.arange(n) * m // n for n, m in zip(shape, loop.shape[1:], strict=True))
    stack = np.repeat(loop[:1][:, row[:, None], column], options.frames, axis=0)
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    viewer.add_image(stack, contrast_limits=(0, 255), rgb=False, name="stack")
    segment, _ = open_docks(viewer)
    QTest.qWait(1000)
    segment.press()  # load the model first: importing torch holds Python's lock for moments of its own
    _wait(lambda: not segment.session.running)

    ticks = Ticks()
    ticks.start()
    QTest.qWait(1500)
    ticks.stop("idle window")
    ticks.start()
    for frame in range(0, options.frames, 2):
        viewer.dims.set_current_step(0, frame)
        QTest.qWait(30)
    ticks.stop("slider moved (napari's drawing)")
    segment.all_frames.setChecked(True)
    begun = time.perf_counter()
    known = len(segment.session.rows())
    ticks.start()
    segment.press()
    _wait(lambda: len(segment.session.rows()) > known)
    QTest.qWait(800)
    ticks.stop("first result: napari adds 3 layers")
    ticks.start()
    _wait(lambda: not segment.session.running)
    ticks.stop(f"the other frames of {options.frames}")
    print(f"{options.frames} frames in {time.perf_counter() - begun:.1f} s")
    viewer.close()


def _wait(done) -> None:
    from qtpy.QtTest import QTest

    while not done():
        QTest.qWait(10)


if __name__ == "__main__":
    main()
