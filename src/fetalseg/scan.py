"""`Scan`: pixels with their spacing, its source, its regions, and the identity of the file they came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import SpacingError, UnreadableError


@dataclass(frozen=True)
class Spacing:
    """Distance between neighbouring pixel centres, in mm.

    Parameters
    ----------
    row_mm, column_mm : float
        Distance between neighbouring rows (y) and columns (x).
    source : str
        Where the figures come from, in words a person reads: ``"scan.csv"``, ``"typed in"``.
    slice_mm : float, optional
        Distance between neighbouring slices of a volume; None for stills and cine loops.

    Raises
    ------
    SpacingError
        If a distance is not a positive, finite number.
    """

    row_mm: float
    column_mm: float
    source: str
    slice_mm: float | None = None

    def __post_init__(self) -> None:
        for value in (self.row_mm, self.column_mm, self.slice_mm):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SpacingError(
                    f"A pixel spacing of {value} mm ({self.source}) can't be right; give a positive number."
                )

    @property
    def row_column(self) -> tuple[float, float]:
        """Row and column spacing in mm."""
        return self.row_mm, self.column_mm

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel in ml; None where the distance between slices is not known."""
        return None if self.slice_mm is None else self.row_mm * self.column_mm * self.slice_mm / 1000


@dataclass(frozen=True)
class Region:
    """A part of an ultrasound picture with a scale of its own, as its file tells.

    Parameters
    ----------
    rows, columns : tuple of int
        The first, and the one after the last.
    kind : {"tissue", "colour", "other"}
        Grey tissue in two dimensions; colour flow in two dimensions; what is no picture of tissue (M-mode, spectra,
        traces) or in units that are no lengths.
    spacing : Spacing or None
        None where the file gives none that can be used.
    on_top : bool
        Whether it hides the regions that it overlaps.
    differs : bool
        Whether the scan's regions have several scales, so that the scan has none.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    kind: Literal["tissue", "colour", "other"]
    spacing: Spacing | None = None
    on_top: bool = True
    differs: bool = False

    def scale(self, spacing: Spacing | None) -> Spacing | None:
        """Return the scale under the scan's spacing, which is what all its regions have, or what someone chose."""
        return self.spacing if spacing is None and self.differs else spacing

    @property
    def area(self) -> int:
        """Number of its pixels."""
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])

    @property
    def part(self) -> tuple[slice, slice]:
        """What to index a picture with."""
        return slice(*self.rows), slice(*self.columns)


@dataclass(frozen=True, eq=False)
class Layout:
    """How a volume lies in its file, so that a mask finds its way back into the file's own order.

    Parameters
    ----------
    axes : tuple of int
        The stored axes that became slices, rows and columns.
    flips : tuple of bool
        Whether slices, rows and columns run against their stored axis.
    stored_shape : tuple of int
        The shape as stored, of two axes for a single slice.
    affine : ndarray, shape (4, 4), or None
        From the stored voxel index to mm (RAS+: right, anterior and superior are positive); None where unknown.
    kind : {"tiff", "nifti", "dicom", "slices"}
    origin : optional
        What a writer of the same format needs besides.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    stored_shape: tuple[int, ...]
    affine: NDArray[np.float64] | None
    kind: Literal["tiff", "nifti", "dicom", "slices"]
    origin: Any = None

    def from_stored(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the stored shape as (slices, rows, columns); a view."""
        missing = (1,) * (3 - len(self.stored_shape))
        # NIfTI counts its slices by the last axis, all others by the first.
        three = (*self.stored_shape, *missing) if self.kind == "nifti" else (*missing, *self.stored_shape)
        return array.reshape(three).transpose(self.axes)[self._turned]

    def to_stored(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array (slices, rows, columns) in the stored shape and order."""
        first, second, third = (self.axes.index(axis) for axis in range(3))
        return array[self._turned].transpose((first, second, third)).reshape(self.stored_shape)

    @property
    def _turned(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)


@dataclass(frozen=True, eq=False)
class Scan:
    """A still, a cine loop or a volume, as grey values.

    Of a volume whose file tells an orientation the slices are axial, foot to head; rows run from front to back and
    columns from the patient's right to the left, as radiologists look at it.

    Parameters
    ----------
    pixels : ndarray, shape (frames, rows, columns)
        Grey values as stored (any integer or float dtype); colour is already turned to grey.
        NaN and infinities are already replaced.
    name : str
        What a person calls it: the path relative to the chosen folder, or the layer's name.
    spacing : Spacing or None
        None when no source speaks: then there are no millimetres anywhere.
    shape : tuple of int
        The shape that a mask of this scan is written in: ``(rows, columns)`` for a still,
        ``(frames, rows, columns)`` for a stack.
    path : Path, optional
        The file, when there is one.
    sha256 : str, optional
        Hash of the file's bytes, or of the pixels where there is no file.
    notes : tuple of str
        What a reader had to do to it, as flags' codes (see `fetalseg.quality`).
    layout : Layout, optional
        How the pixels lie in the file; None where they lie as they are here.
    modality, description : str, optional
        The file's own words: ``"MR"``, ``"AX T2 FLAIR"``.
    study_date : str, optional
        ISO: ``"2000-09-02"``.
    machine : str, optional
        Maker and model of the ultrasound machine or scanner, as the file tells them.
    oriented : bool
        Whether the file told which way the patient lies.
    regions : tuple of tuple of Region
        One item for all frames, or one a frame; empty where the file tells of none. `spacing` is then None where
        they have several scales.
    lmp : str, optional
        ISO: the first day of the last menstrual period, where an ultrasound file tells one that can be of its day. It
        dates the pregnancy and is written nowhere.
    """

    pixels: NDArray[np.generic]
    name: str
    spacing: Spacing | None
    shape: tuple[int, ...]
    path: Path | None = None
    sha256: str | None = None
    notes: tuple[str, ...] = field(default=())
    layout: Layout | None = None
    modality: str | None = None
    description: str = ""
    study_date: str | None = None
    machine: str | None = None
    oriented: bool = False
    regions: tuple[tuple[Region, ...], ...] = ()
    lmp: str | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3:
            raise UnreadableError(f"{self.name}: a scan has frames, rows and columns, not shape {self.pixels.shape}.")
        if 0 in self.pixels.shape:
            raise UnreadableError(f"{self.name} has no pixels (shape {self.pixels.shape}).")

    @property
    def frames(self) -> int:
        """Number of frames or slices."""
        return int(self.pixels.shape[0])

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of one frame."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def regions_of(self, frame: int) -> tuple[Region, ...]:
        """Return a frame's regions; empty where none are known."""
        if not self.regions:
            return ()
        return self.regions[frame if len(self.regions) > 1 else 0]

    def with_spacing(self, spacing: Spacing | None) -> Scan:
        """Return the same scan with another spacing."""
        return replace(self, spacing=spacing)

    @classmethod
    def from_array(cls, pixels: NDArray[np.generic], name: str = "array", spacing: Spacing | None = None) -> Scan:
        """Make a scan of an array of shape (rows, columns) or (frames, rows, columns), without a file."""
        array = np.asarray(pixels)
        stack = array[np.newaxis] if array.ndim == 2 else array
        return cls(pixels=stack, name=name, spacing=spacing, shape=array.shape)
