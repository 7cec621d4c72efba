"""What a run returns and every door shows: `Segmentation`, `Measurement`, `Result`.

All are values: an edit makes a new `Result` that names the one it was made from.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fetalseg.scan import Region, Spacing

Origin = Literal["model", "mask", "ellipse", "calipers"]


class State(StrEnum):
    """How far a measurement can be trusted, on the product's own evidence."""

    ACCEPT = "accept"
    CHECK = "check"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in one plane. The unit is its holder's: pixels, or mm.

    Parameters
    ----------
    center_x, center_y : float
        x to the right, y down; in pixels, (0, 0) is the centre of the first pixel.
    semi_major, semi_minor : float
        Half the axes, ``semi_major >= semi_minor``.
    angle_deg : float
        Of the major axis, from +x towards +y, in [0, 180).
    """

    center_x: float
    center_y: float
    semi_major: float
    semi_minor: float
    angle_deg: float


@dataclass(frozen=True)
class Caliper:
    """A measured line in a frame: `name` of the value it shows, and its ends (x, y) in pixels."""

    name: str
    start_xy: tuple[float, float]
    end_xy: tuple[float, float]


@dataclass(frozen=True)
class Flag:
    """One doubt about a measurement: a stable `code`, the `text` shown to people, and how grave it is."""

    code: str
    text: str
    state: State


@dataclass(frozen=True)
class Measurement:
    """The numbers of one finding (a head, a lesion) and how far they can be trusted.

    Parameters
    ----------
    values : mapping of str to float or None
        By names that carry their unit (``hc_mm``, ``area_mm2``); None is *not known*.
    intervals : mapping of str to (float, float)
        95 % range of those values that have one.
    ellipse : Ellipse or None
        In pixels, as drawn on the picture.
    calipers : tuple of Caliper
        In pixels.
    confidence : float or None
        0 (no trust) to 1.
    flags : tuple of Flag
    state : State
    parts : tuple of Measurement
        What this one sums up: a volume's measurement holds those of its lesions.
    slice : int or None
        The slice of a volume on which ellipse and calipers lie, from 0.
    texts : mapping of str to str
        What is said in words: ``{"lesion": "1", "measurable": "no: only one slice"}``.
    evidence : mapping of str to float
        What the confidence was made of (`quality.Evidence`); empty where a person drew.
    """

    values: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ellipse: Ellipse | None = None
    calipers: tuple[Caliper, ...] = ()
    confidence: float | None = None
    flags: tuple[Flag, ...] = ()
    state: State = State.ACCEPT
    parts: tuple[Measurement, ...] = ()
    slice: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether there is anything to measure."""
        return self.ellipse is not None or bool(self.parts)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A mask at the scan's own resolution.

    Parameters
    ----------
    mask : ndarray of uint8 or uint16, shape (rows, columns), or (slices, rows, columns) for a volume
        0 outside, 1 inside; in a volume the number of the lesion.
    outline_xy : ndarray of float, shape (points, 2), optional
        The sub-pixel outline that the ellipse was fitted to, in pixels.
    """

    mask: NDArray[Any]
    outline_xy: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Provenance:
    """Where a result's numbers come from."""

    model: str
    model_sha256: str
    device: str
    backend: str
    settings: Mapping[str, Any]
    product_version: str


@dataclass(frozen=True, eq=False)
class Result:
    """All that is known of one frame after a run or an edit.

    Parameters
    ----------
    scan_name : str
    scan_sha256 : str or None
    frame : int
        From 0; 0 for a volume as a whole.
    task : str
    segmentation : Segmentation
    measurement : Measurement
    spacing : Spacing or None
    provenance : Provenance
    origin : {"model", "mask", "ellipse", "calipers"}
        What the numbers were computed from: the model's own output, or a mask, an ellipse or a lesion's diameters
        that a person changed.
    study_date : str or None
        Of the scan, as an ISO date.
    machine : str or None
        Maker and model of what made the scan.
    regions : tuple of Region
        Of the frame; the one that holds the head gives its spacing.
    parent : Result or None
        What an edit was made from; the chain ends at the model's own result.
    id : str
    """

    scan_name: str
    scan_sha256: str | None
    frame: int
    task: str
    segmentation: Segmentation
    measurement: Measurement
    spacing: Spacing | None
    provenance: Provenance
    origin: Origin = "model"
    study_date: str | None = None
    machine: str | None = None
    regions: tuple[Region, ...] = ()
    parent: Result | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def edited(self) -> bool:
        """Whether a person changed the mask or the ellipse."""
        return self.origin != "model"

    @property
    def original(self) -> Result:
        """The model's own result that this one goes back to."""
        result = self
        while result.parent is not None:
            result = result.parent
        return result

    def edit(self, segmentation: Segmentation, measurement: Measurement, origin: Origin) -> Result:
        """Return a new result that was made from this one by a person's edit.

        Only the model's original is kept as the parent, so a long session of edits does not keep
        every mask in memory.
        """
        return replace(
            self,
            segmentation=segmentation,
            measurement=measurement,
            origin=origin,
            parent=self.original,
            id=uuid.uuid4().hex,
        )
