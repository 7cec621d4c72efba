"""From pressing Accept to the next case's picture on the screen, in a real window.

Cases come from a folder of scans, or are phantom heads with noise of their own. Each is looked at for a second, and
accepted once the next one has been read ahead; every third one is drawn on before. The time is up when napari's canvas
has painted the next picture; that of all of its layers is told as well, and how long the window stood still at most
while a case was looked at.

    python benchmarks/review_next.py [FOLDER] [--cases 40] [--task head] [--look 1.0]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("folder", nargs="?", type=Path)
    given.add_argument("--cases", type=int, default=40)
    given.add_argument("--task", default="head")
    given.add_argument("--look", type=float, default=1.0, help="seconds that each is looked at")
    options = given.parse_args()

    os.environ["NAPARI_CONFIG"] = ""  # what is chosen here is not remembered
    import napari

    from napari_fetalseg.layers.drawing import drawing_of
    from napari_fetalseg.review import filling

    with tempfile.TemporaryDirectory() as work:
        folder = options.folder or phantoms(Path(work) / "scans", options.cases)
        viewer = napari.Viewer()
        viewer.window._qt_window.resize(1280, 800)
        _, widget = viewer.window.add_plugin_dock_widget("napari-fetalseg", "Review")
        desk = widget.desk
        widget.start(Path(work) / "set", "benchmark", options.task, filling.FromFolder(folder))
        wait(lambda: desk.review is not None and desk.shown is not None and not desk.busy)
        canvas = viewer.window._qt_viewer.canvas
        drawing = drawing_of(viewer)
        # All of these may come within one call of `pause`, so the times are noted where it happens.
        shown, painted, there = [0.0], [0.0], [0.0]
        desk.showing.connect(lambda _: shown.__setitem__(0, time.perf_counter()))

        def on_draw(_event) -> None:
            if painted[0] < shown[0]:
                painted[0] = time.perf_counter()
            if there[0] < shown[0] and not drawing.layers_of(desk.shown.series).waiting:
                there[0] = time.perf_counter()

        canvas._scene_canvas.events.draw.connect(on_draw, position="last")
        first, whole, still = [], [], []
        for number in range(min(options.cases, len(desk.entries)) - 1):
            still.append(looked_at(options.look))
            wait(lambda: not desk.busy)
            if number % 3 == 0:
                labels = drawing.layers_of(desk.shown.series).mask.layer
                at = tuple(np.full(9, n // 2) for n in labels.data.shape[:-1])
                labels.data_setitem((*at, np.arange(9)), 1)
                wait(lambda: not desk.busy)
            begun = time.perf_counter()
            desk.decide("accept")
            wait(lambda begun=begun: there[0] > shown[0] > begun)
            first.append(painted[0] - begun)
            whole.append(there[0] - begun)
        tell("accept to the next picture painted", first)
        tell("accept to all of its layers there", whole)
        tell("longest standstill while looked at", still[1:])
        widget.release()
        viewer.close()


def phantoms(folder: Path, number: int) -> Path:
    """Write phantom heads of 540 x 800 pixels, each with noise of its own."""
    import tifffile

    from fetalseg import samples
    from fetalseg.io.registry import read

    folder.mkdir()
    still = read(samples.folder() / samples.names()[0]).pixels[0].astype(np.float32)
    rows, columns = (np.arange(n) * m // n for n, m in zip((540, 800), still.shape, strict=True))
    still = still[rows[:, None], columns]
    for i in range(number):
        noise = np.random.default_rng(i).normal(0, 4, still.shape)
        tifffile.imwrite(folder / f"{i:03}_HC.tif", np.clip(still + noise, 0, 255).astype(np.uint8))
    return folder


def tell(what: str, seconds: list[float]) -> None:
    """Print median, 95th percentile and the longest, in ms."""
    ms = np.array(seconds) * 1000
    print(
        f"{what:<38} median {np.median(ms):6.0f} ms   95 % {np.percentile(ms, 95):6.0f} ms   longest {ms.max():6.0f} ms"
    )


def looked_at(seconds: float) -> float:
    """Let the window work for so long; return how long it did not answer at most."""
    end, last, longest = time.perf_counter() + seconds, time.perf_counter(), 0.0
    while last < end:
        pause()
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    return longest


def wait(done) -> None:
    while not done():
        pause()


def pause() -> None:
    from qtpy.QtTest import QTest

    QTest.qWait(2)


if __name__ == "__main__":
    main()
