"""The fan of beams of a curved probe, and the way from its coordinates to the picture's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BEAMS, SAMPLES = 420, 900


class Fan:
    """A curvilinear sector: beams fan out from an apex behind the probe's curved face.

    Parameters
    ----------
    shape : (rows, columns)
        Of the picture.
    half_angle_deg : float
        Half of the sector's opening.
    pixel_mm : float

    Notes
    -----
    The face spans 62 % of the picture's width; its ends lie above the picture and its middle a little
    below the upper edge. The sides leave the picture half way down, as on most scanners.
    """

    def __init__(self, shape: tuple[int, int], half_angle_deg: float, pixel_mm: float) -> None:
        rows, columns = shape
        self.shape = shape
        half = math.radians(half_angle_deg)
        self.face = 0.31 * columns / math.sin(half)
        self.apex = (0.5 * (columns - 1), 0.05 * rows - self.face)
        self.angles = np.linspace(-half, half, BEAMS)
        self.depths = np.linspace(self.face, 1.01 * rows - self.apex[1], SAMPLES)
        self.step_mm = float(self.depths[1] - self.depths[0]) * pixel_mm

    def positions(self) -> tuple[Array, Array]:
        """Picture coordinates x, y of each sample, shape (samples, beams), in pixels."""
        depth, angle = self.depths[:, None], self.angles[None, :]
        return self.apex[0] + depth * np.sin(angle), self.apex[1] + depth * np.cos(angle)

    def depth_mm(self) -> Array:
        """Depth below the probe's face, shape (samples, 1)."""
        return np.asarray(np.arange(SAMPLES, dtype=np.float64)[:, None] * self.step_mm)

    def to_picture(self, values: Array) -> NDArray[np.uint8]:
        """Scan conversion of grey values, shape (samples, beams); black outside the sector."""
        from scipy import ndimage

        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        dx, dy = x - self.apex[0], y - self.apex[1]
        depth, angle = np.hypot(dx, dy), np.arctan2(dx, dy)
        row = (depth - self.depths[0]) / (self.depths[1] - self.depths[0])
        column = (angle - self.angles[0]) / (self.angles[1] - self.angles[0])
        out = ndimage.map_coordinates(values, [row, column], order=1, cval=0.0)
        return np.round(out).astype(np.uint8)
