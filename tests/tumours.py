"""A phantom volume with ellipsoids of known size, and a stand-in network that finds them."""

from __future__ import annotations

import numpy as np

from standins import make_card

SHAPE = (24, 120, 100)
MM = {"scale": (3.0, 1.0, 1.0), "units": "mm"}


CARD = make_card(task="tumour", arch="unet_slices", input_rows=96, input_columns=96)


def ellipsoid(center: tuple[float, float, float], semi: tuple[float, float, float]) -> np.ndarray:
    grid = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return sum(((g - c) / s) ** 2 for g, c, s in zip(grid, center, semi, strict=True)) <= 1


HEAD = ellipsoid((12, 60, 50), (14, 52, 42))
LARGE = ellipsoid((12, 45, 35), (5, 14, 9))
SMALL = ellipsoid((15, 80, 65), (3, 7, 6))


def phantom(*lesions: np.ndarray) -> np.ndarray:
    """Dark tissue with bright lesions, as uint8."""
    pixels = np.where(HEAD, 60, 0).astype(np.uint8)
    for lesion in lesions or (LARGE, SMALL):
        pixels[lesion] = 150
    return pixels


def bright_volume(batch: np.ndarray) -> np.ndarray:
    """Probability that a voxel is bright."""
    return (1 / (1 + np.exp(-12 * (batch[:, 0] * 0.7 + 0.7 - 1.7)))).astype(np.float32)
