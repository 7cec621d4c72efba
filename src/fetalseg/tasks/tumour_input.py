"""What the tumour network sees of a volume: the head's window of each slice, on a scale that no scanner setting moves.

Grey values of MRI have no unit. They are counted from the background and in units of the head's median, so that a
volume multiplied, shifted or stored in another type gives the same input; the window is the head's own, so that
empty borders change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.geometry.view import View

# Grey values above this many medians of the head are cut: scalp fat and vessels, not lesions.
CEILING = 4.0
# A voxel of tissue is brighter than this share of the way from the background to the brightest tissue.
_TISSUE = 0.10
# A row or column belongs to the head where this share of its voxels is tissue, as is this share of a slice.
_PRESENT = 0.01
_MARGIN = 0.03


@dataclass(frozen=True)
class Scale:
    """The grey values of a volume: of its background, and the median of its tissue."""

    background: float
    tissue: float

    @property
    def known(self) -> bool:
        """Whether there is any tissue."""
        return self.tissue > self.background

    def apply(self, pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return grey values in medians of the tissue above the background, cut to 0..`CEILING`."""
        values = (pixels.astype(np.float32) - self.background) / (self.tissue - self.background)
        return np.clip(values, 0, CEILING, out=values)


def look(pixels: NDArray[Any], size: tuple[int, int], pixel: tuple[float, float] = (1.0, 1.0)) -> tuple[Scale, View]:
    """Find a volume's grey scale and its head's window.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)
    size : (rows, columns)
        Of the network's input.
    pixel : (row, column)
        Size of a pixel; only the ratio matters.
    """
    shape = (pixels.shape[1], pixels.shape[2])
    background = float(np.percentile(pixels, 0.1))
    above = pixels[pixels > background]
    if not above.size:
        return Scale(background, background), View.whole(shape, size, pixel)
    bright = float(np.percentile(above, 99.5))
    tissue = pixels > background + _TISSUE * (bright - background)
    rows, columns = np.zeros(shape[0]), np.zeros(shape[1])
    filled = 0
    for layer in tissue:  # slices without tissue, such as padding, do not dilute the others
        if layer.mean() > _PRESENT / 2:
            rows += layer.mean(axis=1)
            columns += layer.mean(axis=0)
            filled += 1
    if not filled:
        return Scale(background, background), View.whole(shape, size, pixel)
    top, bottom = _extent(rows)
    left, right = _extent(columns)
    step = (1 + 2 * _MARGIN) * max((bottom - top) * pixel[0] / size[0], (right - left) * pixel[1] / size[1])
    step_y, step_x = step / pixel[0], step / pixel[1]
    view = View(
        (left + right) / 2 - size[1] * step_x / 2, (top + bottom) / 2 - size[0] * step_y / 2, step_x, step_y, *size
    )
    return Scale(background, float(np.median(pixels[tissue]))), view


def _extent(profile: NDArray[np.float64]) -> tuple[float, float]:
    """Edges of the part of an axis in which the head lies: where its profile exceeds a share of the highest."""
    inside = np.flatnonzero(profile > 0.08 * profile.max())
    return float(inside[0]) - 0.5, float(inside[-1]) + 0.5


def standardize(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn medians of the tissue into the network's input."""
    return np.asarray((values - 0.7) / 0.7, dtype=np.float32)
