"""Tasks: what differs between a head and a tumour. One file a task, one line here.

A task module has `NAME`, `TITLE`, `VOLUME` (whether it takes a volume as a whole), `MODEL` (whether it needs a
network) and the functions of `Task` or `VolumeTask`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import SettingsError
from fetalseg.models.card import Card
from fetalseg.result import Ellipse, Measurement, Segmentation
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings

#: Prepared inputs (n, channels, [slices,] rows, columns) to probabilities without the channels.
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

NAMES = ("head", "tumour", "fetal-brain")


class Task(Protocol):
    """What the pipeline asks of a task."""

    NAME: str
    TITLE: str
    VOLUME: bool
    MODEL: bool

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


class VolumeTask(Protocol):
    """What the pipeline asks of a task that takes a volume as a whole."""

    NAME: str
    TITLE: str
    VOLUME: bool
    MODEL: bool

    def told(self, scan: Scan) -> tuple[str, ...]:
        """Return the codes of flags that the file's own words raise, such as its modality."""

    def segment_volume(
        self,
        pixels: NDArray[np.generic],
        spacing: Spacing | None,
        network: Network,
        card: Card | None,
        settings: SegmentSettings,
        notes: tuple[str, ...],
        slices: Sequence[int] | None,
    ) -> tuple[Segmentation, Measurement]:
        """Segment and measure a volume, or some of its slices."""

    def measure_mask(
        self, mask: NDArray[np.generic], spacing: Spacing | None, card: Card | None
    ) -> tuple[Segmentation, Measurement]:
        """Measure a mask that a person drew."""


def names(*, volume: bool) -> tuple[str, ...]:
    """Return the tasks that take volumes as a whole, or those that take frames."""
    return tuple(name for name in NAMES if volume == get(name).VOLUME)


def get(name: str) -> Any:
    """Return a task, a `Task` or a `VolumeTask`.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    from importlib import import_module

    if name not in NAMES:
        raise SettingsError(f"Unknown task '{name}'; known are {', '.join(NAMES)}.")
    return import_module(f"{__name__}.{name.replace('-', '_')}")
