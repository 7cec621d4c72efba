"""One slice of a volume, segmented anew, put among its neighbours. Arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def merge(labels: NDArray[Any], number: int, found: NDArray[Any], smallest_voxels: int = 0) -> NDArray[Any]:
    """Return lesion numbers in which one slice is another.

    Each region of the new slice gets the number of the lesion that it overlaps most on the slices before and after
    it, or else on its own slice as it was; a region that touches none becomes a lesion of its own.

    Parameters
    ----------
    labels : ndarray, shape (slices, rows, columns)
        Lesion numbers.
    number : int
        The slice, from 0.
    found : ndarray, shape (rows, columns)
        What is inside on this slice now; not 0.
    smallest_voxels : int
        A region that touches no lesion and has fewer is dropped.
    """
    from scipy import ndimage

    out = np.array(labels, np.uint16)
    regions, count = ndimage.label(np.asarray(found) != 0, structure=np.ones((3, 3), bool))
    beside = [out[n] for n in (number - 1, number + 1) if 0 <= n < len(out)]
    plane = np.zeros_like(out[number])
    free = int(out.max(initial=0)) + 1
    for region in range(1, count + 1):
        inside = regions == region
        wide = ndimage.binary_dilation(inside, structure=np.ones((3, 3), bool))
        lesion = _most([layer[wide] for layer in beside]) or _most([out[number][inside]])
        if not lesion:
            if inside.sum() < smallest_voxels:
                continue
            lesion, free = free, free + 1
        plane[inside] = lesion
    out[number] = plane
    return out.astype(np.uint8) if out.max(initial=0) < 256 else out


def _most(values: list[NDArray[Any]]) -> int:
    """The lesion that is most among some voxels; 0 where there is none."""
    counts = np.bincount(np.concatenate([np.ravel(v) for v in values])) if values else np.zeros(1, int)
    counts[:1] = 0
    return int(counts.argmax()) if counts.any() else 0
