"""`View`: a window of a picture as a network sees it, and the way back.

Pixel centres lie at whole numbers; a picture of 800 columns spans -0.5 to 799.5. A view has square
pixels in mm (or in the picture's own pixels while the spacing is unknown), whatever the picture's
size and aspect; what lies beyond the picture is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.result import Ellipse


@dataclass(frozen=True)
class View:
    """A window on a picture.

    Parameters
    ----------
    left, top : float
        Edge of the window in picture coordinates.
    step_x, step_y : float
        Picture pixels per view pixel.
    rows, columns : int
        Size of the view.
    """

    left: float
    top: float
    step_x: float
    step_y: float
    rows: int
    columns: int

    @classmethod
    def whole(cls, shape: tuple[int, int], size: tuple[int, int], pixel: tuple[float, float] = (1.0, 1.0)) -> View:
        """Return the smallest view that holds the whole picture.

        Parameters
        ----------
        shape : (rows, columns) of the picture.
        size : (rows, columns) of the view.
        pixel : (row, column)
            Size of a picture's pixel; only the ratio matters.
        """
        height, width = shape[0] * pixel[0], shape[1] * pixel[1]
        step = max(height / size[0], width / size[1])
        return cls._centered((shape[1] - 1) / 2, (shape[0] - 1) / 2, step, size, pixel)

    @classmethod
    def around(
        cls,
        ellipse: Ellipse,
        size: tuple[int, int],
        pixel: tuple[float, float] = (1.0, 1.0),
        fill: tuple[float, float] = (0.80, 0.72),
    ) -> View:
        """Return a view in which the ellipse (in picture pixels) fills that share of rows or of columns."""
        angle = np.deg2rad(ellipse.angle_deg)
        half_x = float(np.hypot(ellipse.semi_major * np.cos(angle), ellipse.semi_minor * np.sin(angle)))
        half_y = float(np.hypot(ellipse.semi_major * np.sin(angle), ellipse.semi_minor * np.cos(angle)))
        step = max(2 * half_y * pixel[0] / (fill[0] * size[0]), 2 * half_x * pixel[1] / (fill[1] * size[1]))
        return cls._centered(ellipse.center_x, ellipse.center_y, step, size, pixel)

    @classmethod
    def _centered(cls, x: float, y: float, step: float, size: tuple[int, int], pixel: tuple[float, float]) -> View:
        step_x, step_y = step / pixel[1], step / pixel[0]
        return cls(x - size[1] * step_x / 2, y - size[0] * step_y / 2, step_x, step_y, size[0], size[1])

    def to_picture(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn points (x, y) of the view into points of the picture."""
        return np.column_stack(
            [
                self.left + (points_xy[:, 0] + 0.5) * self.step_x,
                self.top + (points_xy[:, 1] + 0.5) * self.step_y,
            ]
        )

    def look(self, picture: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return what the window shows of a picture (rows, columns), averaged where it shrinks.

        Each view pixel is a weighted mean with a triangle as wide as the shrinking asks for, so fine
        speckle neither aliases nor shifts an edge.
        """
        rows, row_weights = _shrinking(self.top, self.step_y, self.rows, picture.shape[0])
        columns, column_weights = _shrinking(self.left, self.step_x, self.columns, picture.shape[1])
        part = picture[rows, columns].astype(np.float32)
        return np.asarray((column_weights @ (row_weights @ part).T).T, dtype=np.float32)

    def spread(self, values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the view's values at the picture's own pixels, linearly between; 0 outside the window."""
        row_weights = _linear(self.top, self.step_y, self.rows, shape[0])
        column_weights = _linear(self.left, self.step_x, self.columns, shape[1])
        return np.asarray((column_weights @ (row_weights @ values).T).T, dtype=np.float32)


def _shrinking(start: float, step: float, count: int, length: int) -> tuple[slice, Any]:
    """Weights (count, part of length) of a triangle filter, and the part of the axis that they touch."""
    from scipy.sparse import csr_array

    width = max(step, 1.0)
    centers = start + (np.arange(count) + 0.5) * step
    first = np.floor(centers - width).astype(int)
    taps = int(np.ceil(2 * width)) + 2
    index = first[:, None] + np.arange(taps)
    weight = np.maximum(0.0, 1 - np.abs(index - centers[:, None]) / width)
    weight /= weight.sum(axis=1, keepdims=True)
    inside = (index >= 0) & (index < length) & (weight > 0)
    if not inside.any():
        return slice(0, 1), csr_array((count, 1), dtype=np.float32)
    low, high = int(index[inside].min()), int(index[inside].max()) + 1
    row = np.broadcast_to(np.arange(count)[:, None], index.shape)[inside]
    data = weight[inside].astype(np.float32)
    return slice(low, high), csr_array((data, (row, index[inside] - low)), shape=(count, high - low))


def _linear(start: float, step: float, count: int, length: int) -> Any:
    """Weights (length, count) of linear interpolation from a view's axis to a picture's."""
    from scipy.sparse import csr_array

    position = (np.arange(length) - start) / step - 0.5
    inside = (position >= -0.5) & (position <= count - 0.5)
    where = np.flatnonzero(inside)
    clipped = np.clip(position[inside], 0, count - 1)
    low = np.minimum(clipped.astype(int), max(count - 2, 0))
    high = np.minimum(low + 1, count - 1)
    part = (clipped - low).astype(np.float32)
    return csr_array(
        (
            np.concatenate([1 - part, part]).astype(np.float32),
            (np.concatenate([where, where]), np.concatenate([low, high])),
        ),
        shape=(length, count),
    )
