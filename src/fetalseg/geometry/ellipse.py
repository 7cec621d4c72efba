"""Ellipses: fit, circumference, change of unit, drawing. Pure functions of arrays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fetalseg.result import Caliper, Ellipse

Points = NDArray[np.float64]


def circumference(semi_major: float, semi_minor: float) -> float:
    """Circumference of an ellipse by Ramanujan's second approximation.

    Off by less than 1e-9 of the length for the axis ratios of heads. The unit is the axes' unit.

    References
    ----------
    Ramanujan S. Modular equations and approximations to pi. Quart. J. Math. 1914;45:350-372.
    """
    total = semi_major + semi_minor
    if total <= 0:
        return 0.0
    h = ((semi_major - semi_minor) / total) ** 2
    return math.pi * total * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))


def area(ellipse: Ellipse) -> float:
    """Area of an ellipse, in its unit squared."""
    return math.pi * ellipse.semi_major * ellipse.semi_minor


def fit(points_xy: ArrayLike, weights: ArrayLike | None = None) -> Ellipse | None:
    """Fit an ellipse to points by direct least squares.

    Parameters
    ----------
    points_xy : array, shape (n, 2)
        x and y; at least 6 points.
    weights : array, shape (n,), optional
        Not negative.

    Returns
    -------
    Ellipse or None
        None where the points determine no ellipse (too few, on a line, on a hyperbola).

    References
    ----------
    Halir R, Flusser J. Numerically stable direct least squares fitting of ellipses. WSCG 1998.
    """
    points = np.asarray(points_xy, dtype=np.float64)
    if points.ndim != 2 or len(points) < 6 or not np.isfinite(points).all():
        return None
    mean = points.mean(axis=0)
    size = float(np.sqrt(((points - mean) ** 2).sum(axis=1).mean()))
    if size == 0:
        return None
    x, y = ((points - mean) / size).T
    w = np.ones_like(x) if weights is None else np.sqrt(np.asarray(weights, dtype=np.float64))
    quadratic = np.column_stack([x * x, x * y, y * y]) * w[:, None]
    linear = np.column_stack([x, y, np.ones_like(x)]) * w[:, None]
    s1, s2, s3 = quadratic.T @ quadratic, quadratic.T @ linear, linear.T @ linear
    try:
        t = -np.linalg.solve(s3, s2.T)
        m = s1 + s2 @ t
        # Inverse of the constraint matrix of 4ac - b^2 = 1, applied to m.
        m = np.array([m[2] / 2, -m[1], m[0] / 2])
        _, vectors = np.linalg.eig(m)
    except np.linalg.LinAlgError:
        return None
    vectors = np.real(vectors)
    inside = 4 * vectors[0] * vectors[2] - vectors[1] ** 2
    if not (inside > 0).any():
        return None
    first = vectors[:, int(np.argmax(inside))]
    a, b, c = first
    d, e, f = t @ first
    found = _from_conic(np.array([[a, b / 2], [b / 2, c]]), np.array([d, e]), float(f))
    if found is None:
        return None
    return Ellipse(
        found.center_x * size + mean[0],
        found.center_y * size + mean[1],
        found.semi_major * size,
        found.semi_minor * size,
        found.angle_deg,
    )


def _from_conic(form: NDArray[np.float64], linear: NDArray[np.float64], constant: float) -> Ellipse | None:
    """Ellipse of ``x' form x + linear' x + constant = 0``."""
    try:
        center = -np.linalg.solve(form, linear) / 2
    except np.linalg.LinAlgError:
        return None
    value = float(center @ form @ center + linear @ center + constant)
    if value == 0:
        return None
    eigenvalues, directions = np.linalg.eigh(-form / value)
    if not (np.isfinite(eigenvalues).all() and (eigenvalues > 0).all()):
        return None
    axes = 1 / np.sqrt(eigenvalues)  # eigh sorts upwards: the first axis is the longer one
    direction = directions[:, 0]
    angle = math.degrees(math.atan2(direction[1], direction[0])) % 180.0
    if not np.isfinite(axes).all():
        return None
    return Ellipse(float(center[0]), float(center[1]), float(axes[0]), float(axes[1]), angle)


def scaled(ellipse: Ellipse, factor_x: float, factor_y: float) -> Ellipse:
    """Return the ellipse after x and y are multiplied by factors, as when pixels become mm.

    With unequal factors the axes turn as well: the image of an ellipse is found by its quadratic
    form, not by multiplying the axes.
    """
    form = _form(ellipse)
    shrink = np.diag([1 / factor_x, 1 / factor_y])
    found = _from_conic(shrink @ form @ shrink, np.zeros(2), -1.0)
    if found is None:  # only for axes of 0, which no fit returns
        raise ValueError(f"{ellipse} has no area")
    turned = found.angle_deg if found.semi_major > found.semi_minor * (1 + 1e-12) else ellipse.angle_deg % 180.0
    return Ellipse(ellipse.center_x * factor_x, ellipse.center_y * factor_y, found.semi_major, found.semi_minor, turned)


def outline(ellipse: Ellipse, n: int = 360) -> Points:
    """Return `n` points (x, y) on the ellipse."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    c, s = math.cos(math.radians(ellipse.angle_deg)), math.sin(math.radians(ellipse.angle_deg))
    x, y = ellipse.semi_major * np.cos(t), ellipse.semi_minor * np.sin(t)
    return np.column_stack([ellipse.center_x + x * c - y * s, ellipse.center_y + x * s + y * c])


def radius(ellipse: Ellipse, points_xy: ArrayLike) -> NDArray[np.float64]:
    """How far out each point lies: 1 on the ellipse, 0 at its centre. Shape (...,)."""
    points = np.asarray(points_xy, dtype=np.float64)
    c, s = math.cos(math.radians(ellipse.angle_deg)), math.sin(math.radians(ellipse.angle_deg))
    dx, dy = points[..., 0] - ellipse.center_x, points[..., 1] - ellipse.center_y
    along, across = dx * c + dy * s, -dx * s + dy * c
    return np.asarray(np.hypot(along / ellipse.semi_major, across / ellipse.semi_minor))


def mask(ellipse: Ellipse, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the filled ellipse as 0/1, shape (rows, columns): 1 where a pixel's centre is inside.

    Row by row between the two crossings, so memory stays that of the mask for pictures of any size.
    """
    (a, b), (_, c) = _form(ellipse)
    dy = np.arange(shape[0]) - ellipse.center_y
    root = (b * dy) ** 2 - a * (c * dy**2 - 1)
    half = np.sqrt(np.maximum(root, 0)) / a
    middle = ellipse.center_x - b * dy / a
    x = np.arange(shape[1])
    inside = (x >= (middle - half)[:, None]) & (x <= (middle + half)[:, None]) & (root >= 0)[:, None]
    return np.asarray(inside, dtype=np.uint8)


def _form(ellipse: Ellipse) -> NDArray[np.float64]:
    """Return the symmetric matrix F with ``(p - center)' F (p - center) = 1`` on the ellipse."""
    angle = math.radians(ellipse.angle_deg)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(rotation @ np.diag([ellipse.semi_major**-2.0, ellipse.semi_minor**-2.0]) @ rotation.T)


def calipers(ellipse: Ellipse, major: str, minor: str) -> tuple[Caliper, Caliper]:
    """Return the two axes as lines, named `major` and `minor`."""
    lines = []
    for name, half, turn in ((major, ellipse.semi_major, 0.0), (minor, ellipse.semi_minor, 90.0)):
        t = math.radians(ellipse.angle_deg + turn)
        dx, dy = half * math.cos(t), half * math.sin(t)
        x, y = ellipse.center_x, ellipse.center_y
        lines.append(Caliper(name, (x - dx, y - dy), (x + dx, y + dy)))
    return lines[0], lines[1]
