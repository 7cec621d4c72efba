"""Tasks: what differs between a head and a tumour. One file a task, one line here.

A task module has `NAME`, `TITLE` and the functions of `Task`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import SettingsError
from fetalseg.models.card import Card
from fetalseg.result import Ellipse, Measurement, Segmentation
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings

#: Prepared inputs (n, channels, rows, columns) to probabilities (n, rows, columns).
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

NAMES = ("head",)


class Task(Protocol):
    """What the pipeline asks of a task."""

    NAME: str
    TITLE: str

    def segment(
        self,
        frame: NDArray[np.generic],
        spacing: Spacing | None,
        network: Network,
        card: Card,
        settings: SegmentSettings,
        notes: tuple[str, ...],
    ) -> tuple[Segmentation, Measurement]:
        """Segment and measure one frame."""

    def measure_mask(
        self, mask: NDArray[np.generic], spacing: Spacing | None, card: Card | None
    ) -> tuple[Segmentation, Measurement]:
        """Measure a mask that a person drew. Intervals are the model's with its card, else a reader's."""

    def measure_ellipse(self, ellipse: Ellipse, spacing: Spacing | None, card: Card | None) -> Measurement:
        """Measure an ellipse, in pixels. Intervals are the model's with its card, else a reader's."""


def get(name: str) -> Task:
    """Return a task.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    from importlib import import_module

    if name not in NAMES:
        raise SettingsError(f"Unknown task '{name}'; known are {', '.join(NAMES)}.")
    return cast(Task, import_module(f"{__name__}.{name}"))
