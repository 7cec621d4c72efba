"""From pressing Accept to the next case's picture on the screen, in a real window.

Cases come from a folder of scans, or are phantom heads with noise of their own. Each is accepted once the next one has
been read ahead, as it is when a person looks at a case for a few seconds; every third one is drawn on before. The time
is up when napari's canvas has painted the next picture; that of all of its layers is told as well.

    python benchmarks/review_next.py [FOLDER] [--cases 40] [--task head]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("folder", nargs="?", type=Path)
    given.add_argument("--cases", type=int, default=40)
    given.add_argument("--task", default="head")
    options = given.parse_args()

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
        painted = [0.0]
        canvas._scene_canvas.events.draw.connect(lambda _: painted.__setitem__(0, time.perf_counter()), position="last")
        drawing = drawing_of(viewer)
        first, whole = [], []
        for number in range(min(options.cases, len(desk.entries)) - 1):
            wait(lambda: not desk.busy)
            if number % 3 == 0:
                labels = drawing.layers_of(desk.shown.series).mask.layer
                at = tuple(np.full(9, n // 2) for n in labels.data.shape[:-1])
                labels.data_setitem((*at, np.arange(9)), 1)
                wait(lambda: not desk.busy)
            item, begun = desk.item, time.perf_counter()
            desk.decide("accept")
            wait(lambda item=item: desk.item not in (None, item))
            shown = time.perf_counter()
            wait(lambda shown=shown: painted[0] > shown)
            first.append(painted[0] - begun)
            wait(lambda: not drawing.layers_of(desk.shown.series).waiting)
            whole.append(time.perf_counter() - begun)
        tell("accept to the next picture painted", first)
        tell("accept to all of its layers there", whole)
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


def wait(done) -> None:
    from qtpy.QtTest import QTest

    while not done():
        QTest.qWait(2)


if __name__ == "__main__":
    main()
