"""An ellipse from a few points that a person clicked on an outline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fetalseg.errors import FetalSegError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse

FEWEST, MOST = 4, 8

# Four points: the two lines between opposite ones cross at this angle or more, and at the middle of both, but for
# this share of the shorter one.
_SQUARE_DEG, _OFF_MIDDLE = 70.0, 0.1
# Narrower than this is no head and no lesion, but points almost on a line.
_NARROW = 0.3
# A point lies this far off, as a share of the radius, where it was clicked by mistake.
_OFF = 0.12
# All points on less than half of the outline tell little about the other half.
_GAP_DEG = 190.0


def fit(points_xy: ArrayLike, pixel: tuple[float, float] = (1.0, 1.0)) -> Ellipse:
    """Return the ellipse through 4 to 8 points on its outline.

    Four points determine no ellipse; they are taken as the ends of its two diameters, as callipers are set, and the
    diameters are turned until they are at a right angle. Five and more may lie anywhere: direct least squares.

    Parameters
    ----------
    points_xy : array, shape (n, 2)
        x and y in pixels, in any order.
    pixel : tuple of float
        Row and column spacing in any unit: what is square and what is near is judged by it.

    Returns
    -------
    Ellipse
        In pixels.

    Raises
    ------
    FetalSegError
        If the points determine no ellipse that could be meant.
    """
    row, column = pixel
    points = np.asarray(points_xy, dtype=np.float64).reshape(-1, 2) * (column, row)
    points = _apart(points, min(pixel))
    if len(points) < FEWEST:
        raise FetalSegError(f"Click at least {FEWEST} points on the outline; there are {len(points)} that differ.")
    if len(points) > MOST:
        raise FetalSegError(f"{MOST} points are enough; there are {len(points)}. Take some away.")
    points = _around(points)
    found = _from_diameters(points) if len(points) == 4 else _least_squares(points)
    return ellipses.scaled(found, 1 / column, 1 / row)


def _apart(points: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Points without those that were clicked twice, less than a pixel from an earlier one."""
    kept: list[NDArray[np.float64]] = []
    for point in points:
        if all(math.dist(point, other) >= least for other in kept):
            kept.append(point)
    return np.array(kept).reshape(-1, 2)


def _around(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in their order around their middle."""
    x, y = (points - points.mean(axis=0)).T
    return np.asarray(points[np.argsort(np.arctan2(y, x), kind="stable")])


def _from_diameters(points: NDArray[np.float64]) -> Ellipse:
    """The ellipse whose axes' ends come nearest to four points."""
    one, other = (points[0] - points[2]) / 2, (points[1] - points[3]) / 2
    middles = (points[0] + points[2]) / 2, (points[1] + points[3]) / 2
    lengths = float(np.hypot(*one)), float(np.hypot(*other))
    shorter = min(lengths)
    cosine = abs(float(one @ other)) / (lengths[0] * lengths[1]) if shorter > 0 else 1.0
    if cosine > math.cos(math.radians(_SQUARE_DEG)) or math.dist(*middles) > 2 * _OFF_MIDDLE * shorter:
        raise FetalSegError(
            "Four points have to be the ends of the longest and the shortest diameter, as callipers are set. "
            "Click a fifth point; then they may lie anywhere on the outline."
        )
    # Of all right angles, the one along whose sides the two half diameters are longest.
    turned = np.array([other[1], -other[0]])
    _, axes = np.linalg.eigh(np.outer(one, one) + np.outer(turned, turned))
    along = axes[:, 1]
    across = np.array([-along[1], along[0]])
    a, b = abs(float(one @ along)), abs(float(other @ across))
    if b > a:
        a, b, along = b, a, across
    _check_width(a, b)
    angle = math.degrees(math.atan2(along[1], along[0])) % 180.0
    x, y = (middles[0] + middles[1]) / 2
    return Ellipse(float(x), float(y), a, b, angle)


def _least_squares(points: NDArray[np.float64]) -> Ellipse:
    # Five points lie on one conic exactly. The fit asks for six: counting one of them twice changes nothing.
    found = ellipses.fit(np.vstack([points, points[:1]]) if len(points) == 5 else points)
    if found is None:
        raise FetalSegError("No ellipse runs through these points: click them around the whole outline.")
    _check_width(found.semi_major, found.semi_minor)
    off = np.abs(ellipses.radius(found, points) - 1)
    if off.max() > _OFF:
        raise FetalSegError(
            "The points do not lie on one ellipse: one of them is far off. Take the last one away, or start again."
        )
    if _widest_gap(found, points) > _GAP_DEG:
        raise FetalSegError("The points lie on one side of the outline only: click some on the other side.")
    return found


def _check_width(semi_major: float, semi_minor: float) -> None:
    if not semi_minor > _NARROW * semi_major:
        raise FetalSegError("The points lie almost on a line: click them around the whole outline.")


def _widest_gap(ellipse: Ellipse, points: NDArray[np.float64]) -> float:
    """The widest stretch of the ellipse without a point, in degrees of its parameter."""
    turn = math.radians(ellipse.angle_deg)
    dx, dy = (points - (ellipse.center_x, ellipse.center_y)).T
    along = (dx * math.cos(turn) + dy * math.sin(turn)) / ellipse.semi_major
    across = (-dx * math.sin(turn) + dy * math.cos(turn)) / ellipse.semi_minor
    at = np.sort(np.degrees(np.arctan2(across, along)))
    return float(np.diff(np.append(at, at[0] + 360)).max())
