"""COCO's masks: run lengths, plain or packed into text, and polygons.

Run lengths count pixels down the columns, zeros first. Polygons are in pixels from the picture's upper left corner, so
the middle of the first pixel is (0.5, 0.5).

References
----------
Lin TY et al. Microsoft COCO: common objects in context. ECCV 2014. doi:10.1007/978-3-319-10602-1_48; the packing is
that of the authors' ``maskApi.c`` (github.com/cocodataset/cocoapi).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import DatasetError

# Of each character 5 bits are the number's and the sixth says that more follow; 48 makes them printable.
_BITS, _MORE, _SIGN, _ZERO = 5, 0x20, 0x10, 48


def decode(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the mask of an annotation's ``segmentation``, whichever of its forms it has.

    Parameters
    ----------
    segmentation : list of polygons, or mapping with ``counts`` (list or text) and ``size``
    shape : tuple of int
        Rows and columns of the picture.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)

    Raises
    ------
    DatasetError
        If it has none of these forms, or another size.
    """
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str):
        polygons = [segmentation] if segmentation and not isinstance(segmentation[0], Sequence) else segmentation
        return from_polygons(polygons, shape)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise DatasetError("A segmentation is neither polygons nor run lengths.")
    if tuple(segmentation.get("size", shape)) != shape:
        raise DatasetError(f"Run lengths are of {segmentation['size']} rows and columns, the picture of {list(shape)}.")
    counts = segmentation["counts"]
    if isinstance(counts, str):
        counts = unpack(counts)
    return from_counts(counts, shape)


def from_counts(counts: Sequence[int], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the mask of run lengths."""
    lengths = np.asarray(counts, dtype=np.int64)
    if (lengths < 0).any() or lengths.sum() != shape[0] * shape[1]:
        raise DatasetError(f"Run lengths sum up to {int(lengths.sum())} pixels; the picture has {shape[0] * shape[1]}.")
    values = np.arange(len(lengths)) % 2
    return np.asarray(np.repeat(values, lengths).reshape(shape[1], shape[0]).T, np.uint8)


def to_counts(mask: NDArray[np.generic]) -> list[int]:
    """Return the run lengths of a mask, shape (rows, columns)."""
    flat = (np.asarray(mask) != 0).T.ravel()
    if not flat.size:
        return []
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def unpack(text: str) -> list[int]:
    """Return the run lengths that a text holds: from the fourth on each is a difference to the one two before."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place >= len(text):
                raise DatasetError("Run lengths are cut short.")
            code = ord(text[place]) - _ZERO
            value |= (code & 0x1F) << shift
            more = bool(code & _MORE)
            place, shift = place + 1, shift + _BITS
            if not more and code & _SIGN:
                value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def pack(counts: Sequence[int]) -> str:
    """Return run lengths as text."""
    out = []
    for number, count in enumerate(counts):
        value = count - counts[number - 2] if number > 2 else count
        while True:
            code = value & 0x1F
            value >>= _BITS
            more = value != (-1 if code & _SIGN else 0)
            out.append(chr((code | (_MORE if more else 0)) + _ZERO))
            if not more:
                break
    return "".join(out)


def from_polygons(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the mask of polygons, each ``[x, y, x, y, ...]``: pixels whose middle lies in any of them."""
    from skimage.draw import polygon

    mask = np.zeros(shape, np.uint8)
    for flat in polygons:
        if len(flat) < 6 or len(flat) % 2:
            raise DatasetError(f"A polygon of {len(flat)} numbers is none: it takes pairs of x and y, three or more.")
        points = np.asarray(flat, dtype=np.float64).reshape(-1, 2) - 0.5
        mask[polygon(points[:, 1], points[:, 0], shape)] = 1
    return mask


def to_polygons(mask: NDArray[np.generic]) -> list[list[float]] | None:
    """Return polygons that give exactly this mask; None where there are none, as around a hole."""
    from skimage.measure import find_contours

    inside = np.pad((np.asarray(mask) != 0).astype(np.uint8), 1)
    # The pad moves points by one pixel, COCO's corner by half of one back.
    pieces = [piece[:-1, ::-1] - 0.5 for piece in find_contours(inside, 0.5)]
    polygons = [piece.ravel().tolist() for piece in pieces if len(piece) > 2]
    drawn = from_polygons(polygons, inside[1:-1, 1:-1].shape)
    return polygons if np.array_equal(drawn, inside[1:-1, 1:-1]) else None
