"""The phantoms of ``sample_data/``: what they are, and how they are written."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg.phantoms import flair
from fetalseg.phantoms.head import Head
from fetalseg.phantoms.ultrasound import loop, picture
from fetalseg.result import Ellipse

STILLS: dict[str, Head] = {
    "second_trimester.png": Head(Ellipse(402.3, 268.7, 244.0, 192.0, 8.0), 0.1280),
    "third_trimester.jpg": Head(
        Ellipse(514.6, 392.4, 312.0, 249.0, 156.0),
        0.1720,
        shape=(768, 1024),
        bone_mm=2.8,
        scalp_mm=3.5,
        fluid_mm=2.0,
        brain_db=-38.0,
        wall_db=-35.0,
        pulse_mm=0.45,
        loss_db=6.0,
    ),
    "first_trimester.tif": Head(
        Ellipse(421.4, 300.2, 150.0, 124.0, 32.0),
        0.0868,
        bone_mm=1.5,
        scalp_mm=0.6,
        fluid_mm=7.0,
        plexus=0.38,
        skull_db=-8.0,
        brain_db=-34.0,
        pulse_mm=0.28,
    ),
}
CINE = "cine_loop.tif"
CINE_FRAMES = 10


def cine() -> list[Head]:
    """Return the loop's heads: moving and turning gently, a little smaller as the plane tilts."""
    start = Head(Ellipse(250.0, 168.0, 148.0, 116.0, 172.0), 0.2060, shape=(336, 504))
    heads = []
    for frame in range(CINE_FRAMES):
        phase = 2 * math.pi * frame / CINE_FRAMES
        size = 1 - 0.02 * (1 - math.cos(phase))
        e = start.ellipse
        moved = Ellipse(
            e.center_x + 9 * math.sin(phase),
            e.center_y + 4 * math.sin(2 * phase),
            e.semi_major * size,
            e.semi_minor * size,
            (e.angle_deg + 6 * math.sin(phase)) % 180,
        )
        heads.append(replace(start, ellipse=moved))
    return heads


def render(name: str) -> NDArray[np.uint8]:
    """Return a still's pixels, the same at every call."""
    return picture(STILLS[name], np.random.default_rng([2024, list(STILLS).index(name)]))


def render_cine() -> NDArray[np.uint8]:
    """Return the loop, shape (frames, rows, columns)."""
    return loop(cine(), np.random.default_rng([2024, len(STILLS)]))


def write(folder: Path) -> None:
    """Write all files of ``sample_data/``: pictures, ``pixel_size.csv`` and ``truth.csv``, and the FLAIR."""
    import tifffile
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    sizes = [["filename", "pixel size(mm)", "head circumference (mm)"]]
    axes = ("center_x_px", "center_y_px", "semi_major_px", "semi_minor_px", "angle_deg")
    truth = [["filename", "frame", *axes, "pixel_size_mm", "hc_mm"]]
    for name, head in STILLS.items():
        pixels = render(name)
        if name.endswith(".tif"):
            tifffile.imwrite(folder / name, pixels, compression="zlib", predictor=True)
        else:
            Image.fromarray(pixels).save(folder / name, quality=93)  # a PNG has no use for the quality
        sizes.append([name, str(head.pixel_mm), f"{head.hc_mm:.2f}"])
        truth.append(_row(name, 0, head))
    tifffile.imwrite(folder / CINE, render_cine(), compression="zlib", predictor=True, photometric="minisblack")
    sizes.append([CINE, str(cine()[0].pixel_mm), f"{cine()[0].hc_mm:.2f}"])
    truth += [_row(CINE, frame, head) for frame, head in enumerate(cine())]
    for file, rows in (("pixel_size.csv", sizes), ("truth.csv", truth)):
        with (folder / file).open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle, lineterminator="\n").writerows(rows)
    flair.write(folder)


def _row(name: str, frame: int, head: Head) -> list[str]:
    e = head.ellipse
    numbers = (e.center_x, e.center_y, e.semi_major, e.semi_minor, e.angle_deg)
    return [name, str(frame), *(f"{n:.4f}" for n in numbers), str(head.pixel_mm), f"{head.hc_mm:.4f}"]
