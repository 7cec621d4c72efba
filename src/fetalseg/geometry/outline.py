"""The sub-pixel outline of a probability or a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def regions(field: NDArray[np.floating], level: float) -> tuple[NDArray[np.signedinteger], NDArray[np.float64]]:
    """Number the connected regions above a level.

    Returns
    -------
    labels : ndarray of int, the field's shape
        0 outside, regions from 1.
    sizes : ndarray, shape (regions,)
        Number of pixels of each.
    """
    from scipy import ndimage

    labels, count = ndimage.label(field > level)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.float64)
    return labels, sizes


def keep_region(
    field: NDArray[np.floating], level: float, labels: NDArray[np.signedinteger], number: int
) -> NDArray[np.float32]:
    """Return the field with one region left, its holes filled and its slopes to the outside kept.

    The pixels next to the region keep their values, so the outline between them stays sub-pixel.
    """
    from scipy import ndimage

    region = ndimage.binary_fill_holes(labels == number)
    near = ndimage.binary_dilation(region, structure=np.ones((3, 3), bool))
    kept = np.where(near, np.minimum(field, np.where(region, np.inf, level - 1e-3)), 0).astype(np.float32)
    # A hole is as far inside as can be; nothing between it and the region may fall under the level.
    return np.where(region & (field <= level), np.float32(1), kept)


def trace(field: NDArray[np.floating], level: float) -> NDArray[np.float64]:
    """Trace where a field crosses a level, between pixels (marching squares).

    Parameters
    ----------
    field : ndarray, shape (rows, columns)
        With one region, as `keep_region` returns it.
    level : float

    Returns
    -------
    ndarray, shape (points, 2)
        x and y of the crossings. A region that is cut by the field's edge has an open outline: the
        edge is no part of it.

    References
    ----------
    Lorensen WE, Cline HE. Marching cubes. SIGGRAPH 1987. doi:10.1145/37401.37422
    """
    from skimage.measure import find_contours

    if min(field.shape) < 2:
        return np.empty((0, 2))
    pieces = find_contours(np.asarray(field, np.float64), level)
    return np.concatenate([piece[:, ::-1] for piece in pieces]) if pieces else np.empty((0, 2))
