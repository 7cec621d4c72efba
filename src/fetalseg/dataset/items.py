"""`Item`: a picture with its truth, as training and evaluation read it; and the split by exam."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fetalseg.result import Ellipse
from fetalseg.scan import Spacing

Part = Literal["train", "calibrate", "report"]


@dataclass(frozen=True)
class Item:
    """A picture and what is known of it.

    Parameters
    ----------
    name : str
        Path relative to the data set's folder, with ``/``.
    path : Path
    group : str
        Exam or patient: items of one group never lie on both sides of a split.
    spacing : Spacing or None
    truth : Ellipse or None
        The annotated ellipse in pixels; None for a picture that holds no head.
    hc_mm : float or None
        The annotated head circumference.
    """

    name: str
    path: Path
    group: str
    spacing: Spacing | None
    truth: Ellipse | None
    hc_mm: float | None


def split(items: Sequence[Item], kept_out: float, seed: int) -> dict[str, Part]:
    """Split items by group into training, calibration and report.

    The group's name and the seed alone decide, so that an item keeps its side when others are added.

    Parameters
    ----------
    items : sequence of Item
    kept_out : float
        Share of the groups that is kept out of training; half of it calibrates (outline level, confidence), the
        other half is touched only to report.
    seed : int

    Returns
    -------
    dict of item name to part
    """
    parts: dict[str, Part] = {}
    for item in items:
        digest = hashlib.sha256(f"{seed}:{item.group}".encode()).digest()
        position = int.from_bytes(digest[:8], "big") / 2**64
        if position >= kept_out:
            parts[item.name] = "train"
        else:
            parts[item.name] = "calibrate" if position < kept_out / 2 else "report"
    return parts


def groups(items: Iterable[Item]) -> set[str]:
    """Return the names of the groups."""
    return {item.group for item in items}
