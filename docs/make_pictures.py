"""Makes the pictures of the README: the real plugin, on the phantoms only.

xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_pictures.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "pictures"
SIZE = (1280, 760)


def main() -> None:
    """Drive the plugin and save what it looks like."""
    import napari

    from napari_fetalseg.actions import PLUGIN, open_docks

    OUT.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="napari")
    viewer.window._qt_window.resize(*SIZE)
    viewer.open_sample(PLUGIN, "second_trimester")
    segment, table = open_docks(viewer)
    _pause(800)
    viewer.reset_view()
    segment.press()
    _wait(lambda: not segment.session.running)
    _pause(600)
    _save(viewer, "segment.png")

    table.side_button.setChecked(True)
    _pause(800)
    _save(viewer, "side_by_side.png")
    table.side_button.setChecked(False)
    table.save_picture(OUT / "exported.png")

    series = segment.session.series[0]
    ellipse = segment.session.selected_result().measurement.ellipse
    from dataclasses import replace

    segment.session.edit_ellipse(series, 0, replace(ellipse, semi_minor=ellipse.semi_minor * 0.97))
    _wait(lambda: segment.session.selected_result().edited)
    segment.session.select(series, 0, "row")
    from napari_fetalseg.layers.drawing import drawing_of

    drawing_of(viewer).layers_of(series).ellipse.show({0: segment.session.selected_result().measurement.ellipse})
    _pause(600)
    _save(viewer, "edit.png")

    viewer.layers.clear()
    segment.session.delete(series, [0])
    viewer.open_sample(PLUGIN, "cine_loop")
    _pause(300)
    viewer.reset_view()
    segment.all_frames.setChecked(True)
    segment.press()
    _wait(lambda: not segment.session.running)
    _pause(600)
    _save(viewer, "cine_loop.png")
    viewer.close()


def _save(viewer: Any, name: str) -> None:
    """Save the window as a PNG of few colours' size: pictures are part of the checkout."""
    from PIL import Image

    shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    shot.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(OUT / name, optimize=True)


def _pause(ms: int) -> None:
    from qtpy.QtTest import QTest

    QTest.qWait(ms)


def _wait(done: Callable[[], bool], limit_s: float = 600.0) -> None:
    import time

    end = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the plugin did not finish")
        _pause(50)


if __name__ == "__main__":
    main()
