"""A lesion's two diameters on a slice, as RANO measures them: lines that stay inside the lesion.

All is one function: how long the longest line inside the region is in a given direction. The longest diameter
lies where it is largest, the perpendicular one at a right angle to that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fetalseg.result import Caliper

Floats = NDArray[np.float64]

_COARSE = 90  # directions tried first, 2 degrees apart; even, so that a turned mask is looked at the same way
_FEW, _RAGGED = 30, 6000  # directions for an outline of so many corners: noise, for which a rough answer will do
_LINES = (48, 256)  # at least and at most so many parallel lines in each
_STARTS = 32  # directions that are refined
_NEAR = 32  # outline points beside a line that its refined neighbours may touch
_MANY = 300  # corners of an outline from which on only those near a line are looked at
_TIE = 0.01  # lines are equally long when they differ by less than this part of a pixel
MIN_MM, THICK_MM, MIN_SLICES = 10.0, 5.0, 2


@dataclass(frozen=True)
class _Outline:
    """Closed polygons in mm: corners, the edges' ends as numbers of corners, and the smallest side of a pixel."""

    corners: Floats
    begins: NDArray[np.intp]
    ends: NDArray[np.intp]
    pixel: float

    def near(self, angles: Floats, lines: Floats, width: float) -> _Outline:
        """Return those edges that reach a strip along any of the lines, `width` to either side."""
        x, y = self.corners.T
        kept = np.zeros(len(self.begins), bool)
        for angle, (cx, cy) in zip(angles, lines.mean(axis=1), strict=True):
            across = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle)
            side = (across > width).astype(np.int8) - (across < -width)
            kept |= side[self.begins] * side[self.ends] <= 0
        used, again = np.unique(np.concatenate([self.begins[kept], self.ends[kept]]), return_inverse=True)
        begins, ends = np.split(again, 2)
        return _Outline(self.corners[used], begins, ends, self.pixel)


@dataclass(frozen=True)
class _Chords:
    """Lines inside the region: number of the direction (ascending), offset across it, and both ends along it."""

    direction: NDArray[np.intp]
    offset: Floats
    low: Floats
    high: Floats

    def longest(self, count: int) -> NDArray[np.intp]:
        """Return which chord is the longest of each of `count` directions; -1 where there is none."""
        out = np.full(count, -1, np.intp)
        order = np.lexsort((self.high - self.low, self.direction))
        out[self.direction[order]] = order  # of equal places the last is kept
        return out


def diameters(mask: ArrayLike, row_mm: float = 1.0, column_mm: float = 1.0) -> tuple[Caliper, Caliper] | None:
    """Find the longest line inside a mask's largest region, and the longest line inside at a right angle to it.

    Both stay inside the region everywhere: they cross no notch and no hole. Of lines that are equally long the
    one with the longer perpendicular is taken. The mask's steps make the longest of all lines read half a pixel
    too long in the mean (up to 0.9 on drawn ellipses).

    Parameters
    ----------
    mask : array, shape (rows, columns)
        Inside where not 0. Pixels that touch at a corner are connected.
    row_mm, column_mm : float
        Size of a pixel; lengths and right angles are those in mm. Any other unit does as well.

    Returns
    -------
    tuple of (Caliper, Caliper) or None
        Named ``longest`` and ``perpendicular``, ends in pixels on the outline half-way between inside and
        outside (a lone pixel measures 1 by 1 pixel). None where the mask is empty.

    References
    ----------
    van den Bent MJ et al. Response assessment in neuro-oncology (RANO) for diffuse low-grade gliomas. Lancet
    Oncol 2011;12:583-593.
    """
    outline = _trace(np.asarray(mask) != 0, row_mm, column_mm)
    if outline is None:
        return None
    angle, line = _search(outline)
    across = _perpendicular(outline, angle, line)
    if _length(across) > _length(line):  # by less than the search's own precision
        line, across = across, line
    size = np.array([column_mm, row_mm])
    return _caliper("longest", line / size), _caliper("perpendicular", across / size)


def length_mm(caliper: Caliper, row_mm: float, column_mm: float) -> float:
    """Return a calliper's length in mm."""
    (x0, y0), (x1, y1) = caliper.start_xy, caliper.end_xy
    return math.hypot((x1 - x0) * column_mm, (y1 - y0) * row_mm)


def rano(
    slices_on: int, longest_mm: float | None, perpendicular_mm: float | None, slice_mm: float | None
) -> tuple[bool | None, str]:
    """Tell whether a lesion is measurable by RANO: both diameters 10 mm or more, seen on two slices or more.

    Where slices are thicker than 5 mm the diameters must reach twice their thickness.

    Parameters
    ----------
    slices_on : int
        Number of slices that hold the lesion.
    longest_mm, perpendicular_mm, slice_mm : float or None
        None where the spacing is not known.

    Returns
    -------
    measurable : bool or None
        None where it can't be told.
    why : str
        A sentence's worth that starts with *yes*, *no* or *not known*.

    References
    ----------
    Wen PY et al. RANO 2.0. J Clin Oncol 2023;41:5187-5199. doi:10.1200/JCO.23.01059
    """
    if slices_on < MIN_SLICES:
        seen = "is on one slice only" if slices_on == 1 else "is on no slice"
        return False, f"no: it {seen}, and RANO asks for two or more"
    if longest_mm is None or perpendicular_mm is None:
        return None, "not known: without a pixel spacing there are no millimetres"
    thick = slice_mm is not None and slice_mm > THICK_MM
    least = 2 * slice_mm if thick and slice_mm is not None else MIN_MM
    why = f" (twice the slice thickness of {slice_mm:g} mm)" if thick else ""
    for name, value in (("longest diameter", longest_mm), ("perpendicular", perpendicular_mm)):
        if value < least:
            return False, f"no: the {name} ({_under(value, least)} mm) is under {least:g} mm{why}"
    if slice_mm is None:
        return None, "not known: both diameters reach 10 mm, but the slice thickness is not known"
    return True, f"yes: {longest_mm:.1f} x {perpendicular_mm:.1f} mm, on {slices_on} slices"


def _under(value: float, least: float) -> str:
    """A number that is too small, never rounded up to the limit it misses."""
    text = f"{value:.1f}"
    return text if float(text) < least else f"{math.floor(value * 1000) / 1000:.3f}"


def _trace(mask: NDArray[np.bool_], row_mm: float, column_mm: float) -> _Outline | None:
    """Return the outline of the largest region with its holes, in mm."""
    from scipy import ndimage
    from skimage.measure import find_contours

    if mask.ndim != 2:
        raise ValueError(f"diameters are measured on one slice, not on shape {mask.shape}")
    labels, count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    if count == 0:
        return None
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    rows, columns = ndimage.find_objects(labels, largest)[largest - 1]
    region = np.pad(labels[rows, columns] == largest, 1).astype(np.float64)
    corners, following, begin = [], [], 0
    for loop in find_contours(region, 0.5, fully_connected="high"):
        points = _without_straight(loop[:-1])
        corners.append(points)
        following.append(begin + (np.arange(len(points)) + 1) % len(points))
        begin += len(points)
    corner = np.array([columns.start - 1, rows.start - 1])
    corners_mm = (np.concatenate(corners)[:, ::-1] + corner) * (column_mm, row_mm)
    return _Outline(corners_mm, np.arange(len(corners_mm)), np.concatenate(following), min(row_mm, column_mm))


def _without_straight(points: Floats) -> Floats:
    """Leave out the points where the outline runs straight on."""
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    return np.asarray(points[turns])


def _chords(outline: _Outline, angles: Floats, offsets: Floats) -> _Chords:
    """Cut the region with parallel lines.

    Parameters
    ----------
    angles : ndarray, shape (directions,)
        Of the lines, in radians.
    offsets : ndarray, shape (directions, lines)
        Where the lines lie across their direction, ascending.
    """
    x, y = outline.corners.T
    cosine, sine = np.cos(angles)[:, np.newaxis], np.sin(angles)[:, np.newaxis]
    along, across = x * cosine + y * sine, y * cosine - x * sine
    # All directions on one axis, one behind the other, so that one search serves them all.
    apart = 2 * (np.abs(across).max() + np.abs(offsets).max()) + 1
    shift = np.arange(len(angles))[:, np.newaxis] * apart
    places = (across + shift).ravel()
    lines = np.sort((offsets + shift).ravel())
    rank = np.searchsorted(lines, places).reshape(across.shape)  # an edge's half-open span: no corner counts twice
    first, last = rank[:, outline.begins], rank[:, outline.ends]
    low, high = np.minimum(first, last).ravel(), np.maximum(first, last).ravel()
    number = high - low
    edge = np.repeat(np.arange(len(number)), number)
    line = np.arange(len(edge)) + np.repeat(low - np.cumsum(number) + number, number)
    direction, edge = np.divmod(edge, len(outline.begins))
    corner, other = outline.begins[edge], outline.ends[edge]
    flat = offsets.ravel()[line]
    start, end = across[direction, corner], across[direction, other]
    part = np.clip((flat - start) / np.where(end == start, 1.0, end - start), 0, 1)
    cut = along[direction, corner] * (1 - part) + along[direction, other] * part
    order = np.lexsort((cut, line))
    cut, line = cut[order], line[order]
    return _Chords(line[::2] // offsets.shape[1], offsets.ravel()[line[::2]], cut[::2], cut[1::2])


def _search(outline: _Outline) -> tuple[float, Floats]:
    """Return direction (radians) and ends (2, 2) of the longest line inside."""
    coarse = _COARSE if len(outline.corners) < _RAGGED else _FEW
    angles = np.arange(coarse) * math.pi / coarse
    centre = (outline.corners.min(axis=0) + outline.corners.max(axis=0)) / 2
    radius = float(np.hypot(*(outline.corners - centre).T).max())
    count = int(np.clip(math.ceil(2 * radius / outline.pixel), *_LINES))
    middle = centre[1] * np.cos(angles) - centre[0] * np.sin(angles)
    offsets = middle[:, np.newaxis] + radius * ((np.arange(count) + 0.5) / count * 2 - 1)
    chords = _chords(outline, angles, offsets)
    best = chords.longest(coarse)
    length = np.where(best >= 0, (chords.high - chords.low)[best], 0)
    starts = np.argsort(-length, kind="stable")[: _STARTS if coarse == _COARSE else 2]
    starts = starts[length[starts] > 0]
    angles, lines = angles[starts], _ends(chords, best[starts], angles[starts])
    # What no grid of directions is fine enough for: a thin line of pixels.
    far = outline.corners[np.argmax(np.hypot(*(outline.corners - centre).T))]
    to = outline.corners[np.argmax(np.hypot(*(outline.corners - far).T))]
    angles = np.append(angles, math.atan2(*(to - far)[::-1]) % math.pi)
    lines = np.concatenate([lines, [[far, to]]])
    return _refine(outline, angles, lines, math.pi / coarse / 2)


def _refine(outline: _Outline, angles: Floats, lines: Floats, step: float) -> tuple[float, Floats]:
    """Turn lines by ever smaller angles as long as they grow; return the longest."""
    turns = np.arange(-2, 3)
    size = float(np.hypot(*np.ptp(outline.corners, axis=0)))
    length, part = np.zeros(len(angles)), outline
    while step > 1e-5:
        sideways = 2 * step * size + outline.pixel
        if len(outline.corners) > _MANY:  # the strip holds all lines that are tried
            part = outline.near(angles, lines, sideways + 2 * step * size + outline.pixel)
        tried = (angles[:, np.newaxis] + turns * step).ravel()
        middles = np.repeat(lines.mean(axis=1), len(turns), axis=0)
        chords = _chords(part, tried, _touching(part, tried, middles, sideways))
        best = chords.longest(len(tried))
        found = np.where(best >= 0, (chords.high - chords.low)[best], 0).reshape(-1, len(turns))
        # A turn must be worth it.
        pick = np.arange(len(angles)) * len(turns) + np.argmax(found - 1e-9 * outline.pixel * np.abs(turns), axis=1)
        length, angles, lines = found.ravel()[pick], tried[pick], _ends(chords, best[pick], tried[pick])
        step /= 2
        worth = length > length.max() - max(8 * step * length.max(), 2 * _TIE * outline.pixel)
        length, angles, lines = length[worth], angles[worth], lines[worth]
    equal = np.flatnonzero(length > length.max() - _TIE * outline.pixel)
    across = [_length(_perpendicular(outline, float(angles[i]), lines[i])) for i in equal]
    chosen = int(equal[int(np.argmax(across))])
    return float(angles[chosen]), lines[chosen]


def _touching(outline: _Outline, angles: Floats, middles: Floats, sideways: float = math.inf) -> Floats:
    """Offsets at which to look for a direction's longest line: it touches a corner, so just beside the corners.

    With `sideways` only beside the corners nearest to the line through the direction's middle.
    """
    x, y = outline.corners.T
    cosine, sine = np.cos(angles)[:, np.newaxis], np.sin(angles)[:, np.newaxis]
    own = middles[:, 1:] * cosine - middles[:, :1] * sine
    across = y * cosine - x * sine - own
    if not math.isfinite(sideways):
        across = np.sort(across, axis=1)[:, :: math.ceil(len(x) / _RAGGED)]
    elif len(x) > _NEAR:
        index = np.argpartition(np.abs(across), _NEAR - 1, axis=1)[:, :_NEAR]
        across = np.take_along_axis(across, index, axis=1)
    across = np.where(np.abs(across) < sideways, across, 0)
    beside = 1e-7 * outline.pixel
    return np.asarray(np.sort(np.concatenate([across - beside, across + beside, 0 * own], axis=1), axis=1) + own)


def _perpendicular(outline: _Outline, angle: float, line: Floats) -> Floats:
    """Return the ends of the longest line inside across a line; of equals the nearest to its middle."""
    angles, middle = np.array([angle + math.pi / 2]), line.mean(axis=0)
    chords = _chords(outline, angles, _touching(outline, angles, middle[np.newaxis]))
    length = chords.high - chords.low
    own = middle[1] * math.cos(angles[0]) - middle[0] * math.sin(angles[0])
    equal = np.flatnonzero(length > length.max() - _TIE * outline.pixel)
    chosen = equal[np.argmin(np.abs(chords.offset[equal] - own))]
    return np.asarray(_ends(chords, np.array([chosen]), angles)[0])


def _ends(chords: _Chords, which: NDArray[np.intp], angles: Floats) -> Floats:
    """Return the ends of some chords, shape (chords, 2, 2), as x and y in mm."""
    cosine, sine = np.cos(angles), np.sin(angles)
    offset = chords.offset[which]
    return np.stack(
        [
            np.column_stack([s * cosine - offset * sine, s * sine + offset * cosine])
            for s in (chords.low[which], chords.high[which])
        ],
        axis=1,
    )


def _length(line: Floats) -> float:
    return float(np.hypot(*(line[1] - line[0])))


def _caliper(name: str, ends: Floats) -> Caliper:
    """A calliper from left to right, so that the same line is always told the same way."""
    start, end = sorted((float(x), float(y)) for x, y in ends)
    return Caliper(name, start, end)
