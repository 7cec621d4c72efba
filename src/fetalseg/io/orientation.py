"""From any order of a volume's axes to axial slices, foot to head, and back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fetalseg.scan import Layout

# What slices, rows and columns run towards: head, back, the patient's left.
_TOWARDS = ("S", "P", "L")
# Columns of an affine that lie in one plane up to this share of the box that they span hold no volume.
_FLAT = 1e-3


def sound(affine: NDArray[np.float64]) -> bool:
    """Whether an affine (4, 4) tells an orientation: finite, and its three axes span a volume."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not (lengths > 0).all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > _FLAT)


def axial(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return which stored axes become slices, rows and columns, and which of these are reversed.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Of the stored voxel index, RAS+. Of an oblique one the closest axes are taken.
    """
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    turn = ornt_transform(io_orientation(affine), axcodes2ornt(_TOWARDS))
    slices, rows, columns = (int(np.flatnonzero(turn[:, 0] == axis)[0]) for axis in range(3))
    axes = slices, rows, columns
    return axes, (bool(turn[slices, 1] < 0), bool(turn[rows, 1] < 0), bool(turn[columns, 1] < 0))


def layout(
    stored_shape: tuple[int, ...],
    affine: NDArray[np.float64] | None,
    kind: Literal["tiff", "nifti", "dicom", "slices"],
    origin: Any = None,
) -> Layout:
    """Return the layout that makes axial slices of what is stored.

    Without an affine the slices are taken as they are stored.
    """
    if affine is not None:
        axes, flips = axial(affine)
    else:
        axes, flips = ((2, 1, 0) if kind == "nifti" else (0, 1, 2)), (False, False, False)
    return Layout(axes, flips, stored_shape, affine, kind, origin)
