"""A volume's slices in one picture: lesions outlined, diameters drawn, numbers below."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fetalseg.result import Measurement

NOTE = "Research use only. Not for diagnosis."
# Okabe and Ito's colours, told apart by people who do not see all colours.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
_TILE = 256
_MOST = 20
_STRIP = 56


def montage(volume: NDArray[np.generic], labels: NDArray[np.generic], measurement: Measurement) -> NDArray[np.uint8]:
    """Return the slices that hold lesion, and one on either side, in a grid; at most 20, evenly chosen.

    Parameters
    ----------
    volume : ndarray, shape (slices, rows, columns)
    labels : ndarray, same shape
        Lesion numbers.
    measurement : Measurement
        Of the volume; its parts' diameters are drawn on their slices.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    chosen = _choose(labels, {part.slice for part in measurement.parts if part.slice is not None})
    low, high = np.percentile(np.asarray(volume[chosen], np.float32), [1, 99.7])
    across = int(np.ceil(np.sqrt(len(chosen) * 4 / 3)))
    down = -(-len(chosen) // across)
    picture = Image.new("RGB", (across * _TILE, down * _TILE + _STRIP))
    for place, number in enumerate(chosen):
        tile = _tile(volume[number], labels[number], float(low), float(high), number, measurement)
        picture.paste(tile, (place % across * _TILE, place // across * _TILE))
    draw = ImageDraw.Draw(picture)
    draw.text((8, down * _TILE + 6), _caption(measurement), font=ImageFont.load_default(16), fill=(255, 255, 255))
    draw.text((8, down * _TILE + 32), NOTE, font=ImageFont.load_default(14), fill=(190, 190, 190))
    return np.asarray(picture)


def _choose(labels: NDArray[np.generic], wanted: set[int]) -> list[int]:
    """Slices to show; those that carry diameters always."""
    count = len(labels)
    filled = np.flatnonzero(np.asarray(labels != 0).any(axis=(1, 2)))
    if len(filled):
        pool = sorted({int(n) + d for n in filled for d in (-1, 0, 1) if 0 <= n + d < count})
    else:
        pool = list(range(count))
    room = max(1, _MOST - len(wanted))
    if len(pool) > room:
        pool = [pool[i] for i in np.unique(np.linspace(0, len(pool) - 1, room).round().astype(int))]
    return sorted({*pool, *sorted(wanted)[:_MOST]})


def _tile(
    layer: NDArray[np.generic],
    labels: NDArray[np.generic],
    low: float,
    high: float,
    number: int,
    measurement: Measurement,
) -> Image.Image:
    from skimage.measure import find_contours

    grey = np.clip((layer.astype(np.float32) - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    scale = _TILE / max(layer.shape)
    size = (max(1, round(layer.shape[1] * scale)), max(1, round(layer.shape[0] * scale)))
    left, top = (_TILE - size[0]) // 2, (_TILE - size[1]) // 2
    tile = Image.new("RGB", (_TILE, _TILE))
    tile.paste(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR), (left, top))
    draw = ImageDraw.Draw(tile)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    for lesion in np.unique(labels):
        if lesion:
            for line in find_contours(np.pad(labels == lesion, 1).astype(float), 0.5):
                draw.line([at(x - 1, y - 1) for y, x in line], fill=colour(int(lesion)), width=1)
    for part in measurement.parts:
        if part.slice == number:
            for caliper in part.calipers:
                width = 2 if caliper.name == "longest" else 1
                draw.line([at(*caliper.start_xy), at(*caliper.end_xy)], fill=(255, 255, 255), width=width)
    draw.text((6, 4), str(number), font=ImageFont.load_default(14), fill=(255, 255, 255))
    return tile


def colour(lesion: int) -> tuple[int, int, int]:
    """Return a lesion's colour."""
    return COLOURS[(lesion - 1) % len(COLOURS)]


def _caption(measurement: Measurement) -> str:
    values = measurement.values
    if not measurement.parts:
        return "No tumour was found."
    count = len(measurement.parts)
    size = _number(values, "volume_ml", "ml", 1) or _number(values, "volume_voxels", "voxels", 0)
    product = _number(values, "product_mm2", "sq mm", 0) or _number(values, "product_px2", "sq pixels", 0)
    return f"{count} lesion{'s' if count > 1 else ''} · volume {size} · product {product} · {measurement.state.value}"


def _number(values: Mapping[str, float | None], name: str, unit: str, digits: int) -> str:
    value = values.get(name)
    return "" if value is None else f"{value:.{digits}f} {unit}"
