"""A stand-in network that knows bright from dark, and pictures it finds heads in."""

from __future__ import annotations

from typing import Any

import numpy as np

from fetalseg.geometry import ellipse as ellipses
from fetalseg.models.card import Card
from fetalseg.result import Ellipse
from fetalseg.tasks.head_input import MEAN, SD


def make_card(**values: Any) -> Card:
    """A stand-in's card, of a head network unless told otherwise."""
    head: dict[str, Any] = {
        "name": "standin",
        "task": "head",
        "arch": "none",
        "title": "Stand-in",
        "version": "1.0",
        "parameters": {},
        "input_rows": 192,
        "input_columns": 288,
        "sha256": "0" * 64,
    }
    return Card(**head | values)


def bright(batch: np.ndarray) -> np.ndarray:
    """Probability that a pixel is bright: linear around the middle, so edges stay sub-pixel."""
    unit = batch[:, 0] * SD + MEAN
    return np.clip((unit - 0.5) * 1.0 + 0.5, 0, 1).astype(np.float32)


def disc(truth: Ellipse, shape: tuple[int, int], high: float = 200.0) -> np.ndarray:
    """A bright filled ellipse with soft edges on black, as uint8."""
    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(float)
    return (high * np.clip(0.5 - (ellipses.radius(truth, grid) - 1) * truth.semi_minor, 0, 1)).round().astype(np.uint8)


#: A small picture and the head in it, for tests in a window.
SHAPE = (180, 240)
TRUTH = Ellipse(120.0, 90.0, 70.0, 50.0, 25.0)


def loop(frames: int = 6) -> np.ndarray:
    """A cine loop in which the head moves to the right by 3 pixels a frame."""
    return np.stack([disc(Ellipse(110.0 + 3 * k, 90.0, 60.0, 45.0, 10.0), SHAPE) for k in range(frames)])
