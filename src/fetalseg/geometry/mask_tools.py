"""Tools that correct a mask beside a brush. Pure functions of arrays: each returns a new one.

A mask is an array of lesion numbers, shape (rows, columns), or (slices, rows, columns) for a volume; of a head or a
brain the number is 1. A tool changes one lesion: it takes pixels of the background only, never another lesion's.

`spacing` is the distance between neighbours along each axis, in any unit, such as mm; pixels by default. The distance
between slices may be None: then each slice is taken for itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import FetalSegError

Labels = NDArray[np.unsignedinteger]
Mask = NDArray[np.bool_]
Spacings = Sequence[float | None]

# Smoothing blurs over this share of the root of the area, and over a pixel at least.
_BLUR = 0.015
# The level that keeps the area is looked for between these.
_LEVELS = (0.35, 0.65)
# So many pixels apart, or more, slices have nothing to do with each other.
_APART = 1e6


def grow(labels: Labels, lesion: int, by: float, spacing: Spacings | None = None) -> Labels:
    """Return the mask with a lesion grown by a distance.

    Parameters
    ----------
    by : float
        In the unit of `spacing`, between pixel centres. Steps smaller than a pixel change nothing.

    Raises
    ------
    FetalSegError
        If there is no such lesion, as with all tools here.
    """
    inside, steps = _inside(labels, lesion), _steps(labels, spacing)
    box = _box(inside, by, steps)
    return _put(labels, lesion, box, _distance(~inside[box], steps) <= by * (1 + 1e-9))


def shrink(labels: Labels, lesion: int, by: float, spacing: Spacings | None = None) -> Labels:
    """Return the mask with a lesion shrunk by a distance; where it is cut by the picture's border, it stays cut.

    Raises
    ------
    FetalSegError
        If nothing of it would be left.
    """
    inside, steps = _inside(labels, lesion), _steps(labels, spacing)
    box = _box(inside, by, steps)
    left = _distance(inside[box], steps) > by * (1 + 1e-9)
    if not left.any():
        raise FetalSegError("Nothing would be left of it: shrink by a smaller step, or erase it.")
    return _put(labels, lesion, box, left)


def smooth(labels: Labels, lesion: int, spacing: Spacings | None = None, blur: float | None = None) -> Labels:
    """Return the mask with a lesion's outline smoothed and its area kept.

    The mask is blurred and cut at the level, near one half, that leaves as many pixels inside as before: a head's
    circumference is not made smaller by being smoothed.

    Parameters
    ----------
    blur : float, optional
        Standard deviation in the unit of `spacing`; by default it grows with the mask.

    Raises
    ------
    FetalSegError
        If the lesion is too small to be left.
    """
    from scipy import ndimage

    inside, steps = _inside(labels, lesion), _steps(labels, spacing)
    if blur is None:
        row, column = steps[-2:]
        largest = int(inside.reshape(-1, *inside.shape[-2:]).sum(axis=(1, 2)).max())
        blur = max(row, column, _BLUR * math.sqrt(largest * row * column))
    box = _box(inside, 4 * blur, steps)
    field = ndimage.gaussian_filter(inside[box].astype(np.float32), [blur / s for s in steps], mode="nearest")
    count = int(inside.sum())
    level = float(np.partition(field, field.size - count, axis=None)[field.size - count])
    kept = field >= np.clip(level, *_LEVELS)
    if not kept.any():
        raise FetalSegError("It is too small to be smoothed.")
    return _put(labels, lesion, box, kept)


def fill_holes(labels: Labels, lesion: int) -> Labels:
    """Return the mask with the holes in a lesion filled, slice by slice; what another lesion fills stays its own."""
    from scipy import ndimage

    inside = _inside(labels, lesion)
    planes = inside.reshape(-1, *inside.shape[-2:])
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in planes])
    return _put(labels, lesion, (), filled.reshape(inside.shape))


def keep_largest(labels: Labels, lesion: int) -> Labels:
    """Return the mask with only the largest region of a lesion; pixels that touch by a corner are connected."""
    from scipy import ndimage

    inside = _inside(labels, lesion)
    regions, _ = ndimage.label(inside, structure=np.ones((3,) * inside.ndim))
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    return _put(labels, lesion, (), regions == int(sizes.argmax()))


def draw(labels: Labels, lesion: int, wanted: NDArray[np.generic]) -> Labels:
    """Return the mask in which a lesion is what is not 0 in `wanted`, other lesions' pixels left out."""
    return _put(labels, lesion, (), np.asarray(wanted) != 0)


# Between slices or frames


def interpolate(labels: Labels, lesion: int, first: int, last: int, spacing: Spacings | None = None) -> Labels:
    """Return a stack in which a lesion is interpolated on all planes between two on which it is drawn.

    Parameters
    ----------
    labels : ndarray, shape (slices or frames, rows, columns)
    first, last : int
        The planes it is taken from; they stay as they are.
    spacing : sequence of two floats, optional
        Of rows and columns.

    Raises
    ------
    FetalSegError
        If it is missing on one of the two.
    """
    out = labels
    numbers = range(first + 1, last)
    ends = _inside(labels[first], lesion), _inside(labels[last], lesion)
    shares = [(number - first) / (last - first) for number in numbers]
    for number, plane in zip(numbers, between(*ends, shares, spacing), strict=True):
        out = _put(out, lesion, (number,), plane)
    return out


def between(first: Mask, last: Mask, shares: Sequence[float], spacing: Spacings | None = None) -> list[Mask]:
    """Return masks that lie between two, by their signed distances.

    Both are moved onto the same centre of mass, which itself moves from one to the other: shapes that lie apart, or
    shift from slice to slice, do not vanish half way.

    Parameters
    ----------
    first, last : ndarray of bool, shape (rows, columns)
        Neither empty.
    shares : sequence of float
        How far from the first to the last, 0 to 1.

    References
    ----------
    Raya SP, Udupa JK. Shape-based interpolation of multidimensional objects. IEEE Trans Med Imaging 1990;9:32-42.
    """
    from scipy import ndimage

    fields = [signed_distance(mask, spacing) for mask in (first, last)]
    centres = [np.array([axis.mean() for axis in np.nonzero(mask)]) for mask in (first, last)]
    found = []
    for share in shares:
        centre = (1 - share) * centres[0] + share * centres[1]
        moved = [
            ndimage.shift(field, centre - own, order=1, mode="nearest")
            for field, own in zip(fields, centres, strict=True)
        ]
        found.append(np.asarray((1 - share) * moved[0] + share * moved[1] < 0))
    return found


def signed_distance(inside: Mask, spacing: Spacings | None = None) -> NDArray[np.float64]:
    """Return each pixel's distance to the edge, which runs half a pixel outside the mask; negative inside."""
    steps = _steps(inside, spacing)
    half = min(steps[-2:]) / 2
    signed = np.where(inside, half - _distance(inside, steps), _distance(~inside, steps) - half)
    return np.asarray(signed, np.float64)


def carry(labels: Labels, lesion: int, source: int, target: int) -> Labels:
    """Return a stack in which a lesion is on one plane as it is on another.

    Raises
    ------
    FetalSegError
        If it is missing there.
    """
    return _put(labels, lesion, (target,), _inside(labels[source], lesion))


def edited_planes(labels: Labels, original: Labels, lesion: int) -> Mask:
    """Return on which slices a lesion is not what a model had found, shape (slices,).

    Lesions may have been numbered anew: the model's lesion is the one that this one covers most of.
    """
    inside = labels == lesion
    counts = np.bincount(original[inside].ravel(), minlength=1)
    counts[0] = 0
    was = original == int(counts.argmax()) if counts.any() else np.zeros_like(inside)
    return np.asarray((inside != was).any(axis=(1, 2)))


def gaps(present: Mask, edited: Mask, at: int, word: str = "slice") -> list[tuple[int, int]]:
    """Return the pairs of planes between which to interpolate, as a person means it who is on one of them.

    An empty plane is filled from its nearest neighbours. A plane as the model left it is made anew from the nearest
    planes that the person corrected. From a corrected plane, it goes to the nearest corrected ones on both sides.

    Parameters
    ----------
    present, edited : ndarray of bool, shape (planes,)
        Where there is anything, and where a person corrected it.
    at : int
        The plane on the screen.
    word : {"slice", "frame"}

    Raises
    ------
    FetalSegError
        If there is nothing to interpolate.
    """
    known = np.flatnonzero(present & edited if present[at] else present)
    below, above = known[known < at], known[known > at]
    low = int(below[-1]) if below.size else None
    high = int(above[0]) if above.size else None
    sides = [(low, at), (at, high)] if present[at] and edited[at] else [(low, high)]
    found = [(a, b) for a, b in sides if a is not None and b is not None and b - a > 1]
    if not found:
        how = "drawn" if not present[at] else "drawn or corrected by hand"
        raise FetalSegError(
            f"There is nothing to interpolate: it needs two {word}s on which the mask is {how}, with others between "
            f"them. Go to a {word} between the two."
        )
    return found


# What all have in common


def _inside(labels: NDArray[np.generic], lesion: int) -> Mask:
    inside = np.asarray(labels) == lesion
    if not inside.any():
        what = "The mask is empty here" if lesion == 1 else f"There is no lesion {lesion} here"
        raise FetalSegError(f"{what}: draw it first.")
    return np.asarray(inside)


def _steps(array: NDArray[np.generic], spacing: Spacings | None) -> list[float]:
    if spacing is None:
        return [1.0] * array.ndim
    plane = [float(s) for s in spacing[-2:] if s is not None]
    lead = [_APART * max(plane) if s is None else float(s) for s in spacing[:-2]]
    if len(plane) != 2 or len(lead) != array.ndim - 2:
        raise ValueError(f"{len(spacing)} distances for an array of {array.ndim} axes")
    return [*lead, *plane]


def _box(inside: Mask, margin: float, steps: Sequence[float]) -> tuple[slice, ...]:
    """Where the lesion is, with a margin: what is far from it needs no work."""
    box = []
    for axis, step in enumerate(steps):
        there = np.flatnonzero(inside.any(axis=tuple(i for i in range(inside.ndim) if i != axis)))
        wide = math.ceil(margin / step) + 1
        box.append(slice(max(0, int(there[0]) - wide), int(there[-1]) + 1 + wide))
    return tuple(box)


def _distance(inside: Mask, steps: Sequence[float]) -> NDArray[np.float64]:
    """Distance of each pixel inside to the nearest one outside; 0 outside, and infinite where nothing is outside."""
    from scipy import ndimage

    if inside.all():
        return np.full(inside.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(inside, sampling=steps), np.float64)


def _put(labels: Labels, lesion: int, where: tuple[slice | int, ...], wanted: Mask) -> Labels:
    """Make a lesion, in a part of the mask, what is wanted of the background and of its own pixels."""
    out = np.array(labels)
    part = out[where]
    part[(part == lesion) & ~wanted] = 0
    part[(part == 0) & wanted] = lesion
    return out
