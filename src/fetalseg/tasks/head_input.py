"""How a grey picture becomes the head network's input: the same for training and for use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Mean and standard deviation of HC18's pictures after `grey_range`; any fixed pair would do.
MEAN, SD = 0.17, 0.19


def grey_range(view: NDArray[np.float32]) -> tuple[float, float]:
    """Return the grey values that count as black and white.

    Ultrasound pictures are black outside the sector, and white text or callipers may be the brightest
    thing in them: so black is the minimum and white the 99.8th percentile. This makes the result
    independent of the bit depth.
    """
    low = float(view.min())
    return low, max(float(np.percentile(view, 99.8)), low)


def normalize(view: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Scale grey values to 0..1 between `low` and `high`; a constant picture becomes 0."""
    if high <= low:
        return np.zeros_like(view)
    return np.asarray(np.clip((view - low) / (high - low), 0, 1), dtype=np.float32)


def standardize(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the network's input for values of 0..1."""
    return np.asarray((unit - MEAN) / SD, dtype=np.float32)
