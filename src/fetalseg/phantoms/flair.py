"""A FLAIR of a head with two lesions, calculated: what is where is known to a fraction of a voxel.

Anatomy is a set of smooth bodies in mm, painted on a grid finer than the voxels and averaged (partial volume),
then given a coil's uneven gain and Rician noise. Greys follow FLAIR: fat and lesions bright, fluid and bone dark,
grey matter a little above white. A lesion is an ellipsoid with a gently uneven surface; at its true surface the
grey is half way between tissue and lesion, and its true volume and diameters come from the surface itself.

References
----------
Gudbjartsson H, Patz S. The Rician distribution of noisy MRI data. Magn Reson Med 1995;34:910-914.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]

VOLUME, TRUTH = "flair_phantom.nii.gz", "flair_truth.json"
SEED = 2025

#: Slices foot to head, rows front to back, columns from the patient's right to left; and the voxel's size.
SHAPE = (48, 200, 176)
STEP_MM = (3.0, 1.1, 1.1)
_FINE = (3, 2, 2)  # samples a voxel along each axis
_CENTER = (22.0, 96.0, 87.5)  # the voxel at the middle of the brain
_UNIT = 400.0  # stored grey of normal brain
_NOISE, _BLUR_MM = 0.018, 0.45


@dataclass(frozen=True)
class Lesion:
    """An ellipsoid whose surface swells and sinks by a few per cent.

    Parameters
    ----------
    center_mm, axes_mm : (z, y, x)
        From the middle of the brain; z to the head, y to the back, x to the patient's left.
    turn_deg : float
        In the axial plane.
    waves : tuple of (z, y, x, phase, share)
        Each adds ``share * cos(direction . (z, y, x) + phase)`` to the radius, as a share of it.
    grey : float
        In units of normal brain.
    """

    center_mm: tuple[float, float, float]
    axes_mm: tuple[float, float, float]
    turn_deg: float
    waves: tuple[tuple[float, float, float, float, float], ...]
    grey: float = 1.62

    def outside_mm(self, z: Array, y: Array, x: Array) -> Array:
        """Signed distance from the surface, negative inside; exact on it, good near it."""
        turn = math.radians(self.turn_deg)
        dz, dy, dx = z - self.center_mm[0], y - self.center_mm[1], x - self.center_mm[2]
        along, across = dy * math.cos(turn) + dx * math.sin(turn), dx * math.cos(turn) - dy * math.sin(turn)
        a, b, c = self.axes_mm
        w, v, u = dz / a, along / b, across / c
        out = np.sqrt(w * w + v * v + u * u) + 1e-9
        far = np.sqrt(dz * dz + along * along + across * across) + 1e-9
        # The distance along the ray, shortened by the slant of the ellipsoid's surface to it.
        slant = np.sqrt((w / a) ** 2 + (v / b) ** 2 + (u / c) ** 2) * far / out**2
        return np.asarray((out - self.radius(w / out, v / out, u / out)) * far / out / np.maximum(slant, 1.0))

    def near(self, z_mm: float) -> bool:
        """Whether an axial plane may touch it."""
        return abs(z_mm - self.center_mm[0]) < 1.3 * max(self.axes_mm)

    def radius(self, w: Array, v: Array, u: Array) -> Array:
        """Radius in a direction, as a share of the ellipsoid's."""
        swell = np.ones(np.broadcast_shapes(w.shape, v.shape, u.shape))
        for k, m, n, phase, share in self.waves:
            swell += share * np.cos(k * w + m * v + n * u + phase)
        return swell

    @property
    def volume_ml(self) -> float:
        """Volume by integration over all directions."""
        nodes, weights = np.polynomial.legendre.leggauss(128)
        angles = np.linspace(0, 2 * math.pi, 256, endpoint=False)
        ring = np.sqrt(1 - nodes**2)[:, None]
        r = self.radius(nodes[:, None] + 0 * angles, ring * np.cos(angles), ring * np.sin(angles))
        solid = float((weights[:, None] * r**3).sum()) * 2 * math.pi / len(angles) / 3
        return solid * math.prod(self.axes_mm) / 1000

    def outline(self, z_mm: float) -> Array:
        """Outline in an axial plane, (y, x) in mm, shape (points, 2); empty where the plane misses the lesion."""
        from skimage.measure import find_contours

        step, half = 0.1, 1.3 * max(self.axes_mm)
        line = np.arange(-half, half + step, step)
        field = self.outside_mm(
            np.float64(z_mm) + np.zeros((1, 1)), line[:, None] + self.center_mm[1], line[None, :] + self.center_mm[2]
        )
        pieces = find_contours(field, 0.0)
        return np.asarray(max(pieces, key=len) * step) if pieces else np.empty((0, 2))


LESIONS = (
    Lesion(
        (31.0, -18.0, 31.0),
        (18.0, 24.5, 15.5),
        12.0,
        ((1.5, 2.5, -2.0, 0.4, 0.05), (-2.5, 1.0, 3.5, 1.3, 0.04), (3.0, -3.5, 1.0, 2.2, 0.03)),
    ),
    Lesion(
        (20.0, 34.0, -33.0),
        (9.5, 13.0, 9.0),
        -20.0,
        ((2.0, -2.0, 2.0, 1.0, 0.05), (-1.0, 3.0, 2.5, 0.2, 0.04)),
        1.55,
    ),
)


def truth() -> dict[str, Any]:
    """Return the true measurements, in ml and mm, the largest lesion first."""
    rows = [_measure(number, lesion) for number, lesion in enumerate(LESIONS, start=1)]
    total = round(sum(row["volume_ml"] for row in rows), 4)
    return {"file": VOLUME, "volume_ml": total, "lesions": rows}


def _measure(number: int, lesion: Lesion) -> dict[str, Any]:
    heights = (np.arange(SHAPE[0]) - _CENTER[0]) * STEP_MM[0]
    outlines = {k: line for k, z in enumerate(heights) if len(line := lesion.outline(float(z))) > 2}
    areas = {k: _area(line) for k, line in outlines.items()}
    largest = max(areas, key=lambda k: areas[k])
    longest, perpendicular = _diameters(outlines[largest])
    return {
        "lesion": number,
        "side": "left" if lesion.center_mm[2] > 0 else "right",
        "volume_ml": round(lesion.volume_ml, 4),
        "area_mm2": round(areas[largest], 2),
        "largest_slice": largest,
        "longest_mm": round(longest, 3),
        "perpendicular_mm": round(perpendicular, 3),
        "slices": len(outlines),
    }


def _area(line: Array) -> float:
    y, x = line.T
    return float(abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2)


def _diameters(line: Array) -> tuple[float, float]:
    """Longest line between two points of an outline, and the longest across it at a right angle."""
    from scipy.spatial.distance import cdist

    apart = cdist(line, line)
    first, second = np.unravel_index(int(apart.argmax()), apart.shape)
    along = (line[second] - line[first]) / apart.max()
    turned = np.roll(line[:-1] - line[first], -int(first), axis=0)
    t, s = turned @ along, turned @ np.array([-along[1], along[0]])
    end = int(t.argmax())
    steps = np.linspace(0, apart.max(), 2001)[1:-1]
    sides = [np.interp(steps, *_rising(t[part], s[part])) for part in (slice(0, end + 1), slice(end, None))]
    return float(apart.max()), float(np.abs(sides[0] - sides[1]).max())


def _rising(t: Array, s: Array) -> tuple[Array, Array]:
    order = np.argsort(t, kind="stable")
    return t[order], s[order]


class _Field:
    """A smooth random field of mean 0 and deviation about 1 whose detail is `size_mm` wide."""

    def __init__(self, rng: Generator, size_mm: float, axes: tuple[Array, Array, Array]) -> None:
        self.size_mm = size_mm
        self.weights = []
        for axis in axes:
            knots = np.arange(axis[0] - 3 * size_mm, axis[-1] + 3 * size_mm, size_mm)
            w = np.exp(-(((axis[:, None] - knots) / size_mm) ** 2) / 2)
            self.weights.append(w / np.sqrt((w * w).sum(axis=1, keepdims=True)))
        self.knots = rng.standard_normal([w.shape[1] for w in self.weights])

    def layer(self, number: int) -> Array:
        """The field in one plane, shape (rows, columns)."""
        plane = np.tensordot(self.weights[0][number], self.knots, 1)
        return np.asarray(self.weights[1] @ plane @ self.weights[2].T)


def _step(distance_mm: Array, width_mm: float = 0.8) -> Array:
    """1 well inside (negative distance), 0 well outside, one half on the surface."""
    return np.clip(0.5 - distance_mm / width_mm, 0, 1)


def _ball(at: tuple[Any, Array, Array], center: tuple[float, float, float], axes: tuple[Any, Any, Any]) -> Array:
    """Distance from an ellipsoid's surface in mm, to first order."""
    parts = [(p - c) / a for p, c, a in zip(at, center, axes, strict=True)]
    out = np.sqrt(sum(p * p for p in parts)) + 1e-9
    slope = np.sqrt(sum((p / a) ** 2 for p, a in zip(parts, axes, strict=True))) + 1e-9
    return np.asarray((out - 1) * out / slope)


def _over(grey: Array, value: Array | float, share: Array) -> Array:
    return grey + (value - grey) * share


class _Anatomy:
    """The head, layer by layer."""

    def __init__(self, rng: Generator, axes: tuple[Array, Array, Array]) -> None:
        self.z, y, x = axes
        self.y, self.x = y[:, None], x[None, :]
        self.folds = _Field(rng, 5.6, axes)
        self.depth = _Field(rng, 12.0, axes)
        self.folia = _Field(rng, 14.0, axes)
        self.patches = _Field(rng, 6.0, axes)
        self.fine = _Field(rng, 2.5, axes)
        self.gain = _Field(rng, 70.0, axes)
        self.specks = rng.uniform((-66, -60, -62), (-42, 62, 62), (26, 3))

    def layer(self, number: int) -> Array:
        """Grey in units of normal brain, shape (rows, columns)."""
        z = self.z[number]
        at = (z, self.y, self.x)
        cerebrum = self._cerebrum(z)
        fossa = _ball(at, (-42.0, 40.0, 0.0), (27.0, 33.0, 50.0))
        stem = np.maximum(np.hypot((self.y - 14 + 0.1 * z) / 1.15, self.x) - 12, z + 18)
        inside = np.minimum(np.minimum(cerebrum, fossa), stem)
        grey = self._around(number, at, inside)
        grey = _over(grey, 0.24, _step(inside - 2.6))  # fluid
        cerebellum = 0.98 - 0.12 * np.sin(1.5 * (fossa + 2.5 * self.folia.layer(number))) ** 8 * (fossa > -22)
        grey = _over(grey, cerebellum, _step(fossa + 1.0))
        grey = _over(grey, self._brain(number, at, cerebrum), _step(cerebrum))
        grey = _over(grey, 0.93, _step(stem))
        grey = _over(grey, 0.2, _step(_ball(at, (-40.0, 27.0, 0.0), (12.0, 4.0, 6.0))))  # fourth ventricle
        grey = grey * (1 + 0.025 * self.fine.layer(number) * (inside < 0))
        for lesion in (found for found in LESIONS if found.near(z)):
            share = _step(lesion.outside_mm(np.full((1, 1), z), self.y, self.x), 3.2)
            grey = _over(grey, lesion.grey * (1 + 0.04 * self.patches.layer(number)), share)
        return np.asarray(grey * (1 + 0.045 * self.gain.layer(number)))

    def _cerebrum(self, z: float) -> Array:
        """Distance from the hull of the cerebrum; narrower in front, flat below."""
        width = 65.0 + 0.055 * np.clip(self.y, -80, 30)
        return _ball((z, self.y, self.x), (0.0, 0.0, 0.0), (70.0 if z > 0 else 46.0, 83.0, width))

    def _around(self, number: int, at: tuple[Any, Array, Array], inside: Array) -> Array:
        """Air, scalp and bone; below the brain muscle, fat, eyes, airways and bright specks."""
        z = at[0]
        shrink = math.sqrt(max(1 - (z / 81) ** 2, 0.0)) if z > 0 else 1 - 0.10 * (z / 66) ** 2
        if shrink < 0.02:
            return np.zeros((self.y.size, self.x.size))
        skin = np.maximum(_ball((0.0, self.y, self.x), (0.0, 0.0, 0.0), (1.0, 95 * shrink, 76 * shrink)), z - 81)
        if z > 0:  # seen aslant, the scalp is wider
            skin = np.maximum(skin * shrink, _ball(at, (0.0, 0.0, 0.0), (81.0, 95.0, 76.0)))
        low = float(np.clip(-(z + 22) / 10, 0, 1))
        patches = self.patches.layer(number)
        muscle = 0.42 + 0.16 * np.tanh(2 * patches)
        grey = _over(np.zeros(skin.shape), 0.10 + low * (muscle - 0.10), _step(skin))
        fat = (1.75 - 0.5 * low) * (1 + 0.10 * patches)
        grey = _over(grey, fat, _step(skin + 0.6) * _step(-skin - 5.0 - 0.8 * self.depth.layer(number), 1.6))
        if low > 0:
            grey = self._face(grey, at)
        return _over(grey, 0.09, _step(inside - 7.0) * _step(skin + 5))

    def _face(self, grey: Array, at: tuple[Any, Array, Array]) -> Array:
        for side in (-1, 1):
            grey = _over(grey, 1.25, _step(_ball(at, (-37.0, -66.0, 31.0 * side), (16.0, 24.0, 17.0))))
            grey = _over(grey, 0.28, _step(_ball(at, (-37.0, -74.0, 31.0 * side), (12.0, 12.0, 12.0))))
            grey = _over(grey, 0.06, _step(_ball(at, (-52.0, -48.0, 24.0 * side), (14.0, 15.0, 12.0))))
        grey = _over(grey, 0.05, _step(_ball(at, (-54.0, -55.0, 0.0), (26.0, 30.0, 9.0))))
        for center in self.specks:
            grey = _over(grey, 2.1, _step(_ball(at, tuple(center), (3.0, 2.5, 3.5)), 2.0))
        return grey

    def _brain(self, number: int, at: tuple[Any, Array, Array], cerebrum: Array) -> Array:
        """White matter, folded cortex with its sulci, deep nuclei, ventricles."""
        z = at[0]
        deep = -cerebrum
        # Of a random field of this detail, value over slope is about the distance to its zero.
        fold = np.abs(self.folds.layer(number)) * 1.25 * self.folds.size_mm
        fold = fold + np.maximum(deep - 17 - 3 * self.depth.layer(number), 0)
        midline = np.abs(self.x + 0.6 * self.depth.layer(number)) + np.maximum(
            32 - np.hypot((z - 8) * 1.25, self.y * 0.62), 0
        )
        nearest = np.minimum(np.minimum(deep, fold - 0.5), midline - 0.8)
        grey = 0.93 + 0.19 * _step(nearest - 3.4, 1.6)
        for side in (-1, 1):
            grey = _over(grey, 1.06, _step(_ball(at, (2.0, 8.0, 11.0 * side), (9.0, 14.0, 8.0)), 1.5))
            grey = _over(grey, 1.05, _step(_ball(at, (3.0, -8.0, 25.0 * side), (9.0, 18.0, 5.0)), 1.5))
        grey = _over(grey, 0.24, _step(fold - 0.55 + 0.03 * deep))
        grey = _over(grey, 0.24, _step(midline - 0.9))
        for side in (-1, 1):
            bend = 7.0 + 0.004 * (self.y - 2) ** 2
            body = np.abs(self.x - side * bend) / 5.0
            body = np.sqrt(body**2 + ((self.y - 4) / 36) ** 2 + ((z - 12) / 8) ** 2)
            grey = _over(grey, 0.20, _step((body - 1) * 5.0, 1.2))
        return _over(grey, 0.22, _step(_ball(at, (-3.0, 6.0, 0.0), (9.0, 13.0, 2.2))))


def make(seed: int = SEED, slices: Sequence[int] | None = None) -> NDArray[np.int16]:
    """Return the volume, shape `SHAPE`: axial slices foot to head, the same at every call with the same seed.

    Parameters
    ----------
    slices : sequence of int, optional
        Only these, as they are in the whole volume.
    """
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    axes = tuple(
        ((np.arange(n * fine) + 0.5) / fine - 0.5 - center) * step
        for n, fine, center, step in zip(SHAPE, _FINE, _CENTER, STEP_MM, strict=True)
    )
    anatomy = _Anatomy(rng, (axes[0], axes[1], axes[2]))
    wanted = range(SHAPE[0]) if slices is None else slices
    planes = []
    sigma = [_BLUR_MM * fine / step for fine, step in zip(_FINE[1:], STEP_MM[1:], strict=True)]
    for number in wanted:
        layers = [anatomy.layer(number * _FINE[0] + k) for k in range(_FINE[0])]
        plane = ndimage.gaussian_filter(np.mean(layers, axis=0), sigma)
        planes.append(plane.reshape(SHAPE[1], _FINE[1], SHAPE[2], _FINE[2]).mean(axis=(1, 3)))
    real, imaginary = _NOISE * rng.standard_normal((2, *SHAPE))[:, list(wanted)]
    grey = _UNIT * np.hypot(np.stack(planes) + real, imaginary)
    return np.asarray(np.round(grey), dtype=np.int16)


def affine() -> Array:
    """Return the way from the stored voxels, (rows, slices from the head down, columns), to RAS+ mm: oblique."""
    tilt, yaw = math.radians(12.0), math.radians(-10.5)
    about_x = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    about_z = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    columns = [(0, -STEP_MM[1], 0), (0, 0, -STEP_MM[0]), (-STEP_MM[2], 0, 0)]
    out = np.eye(4)
    out[:3, :3] = about_z @ about_x @ np.array(columns).T
    middle = np.array([_CENTER[1], SHAPE[0] - 1 - _CENTER[0], _CENTER[2]])
    out[:3, 3] = (3.0, 14.0, 21.0) - out[:3, :3] @ middle
    return out


def write(folder: Path, seed: int = SEED) -> None:
    """Write the volume and its truth, the same bytes at every call."""
    import nibabel as nib

    stored = make(seed)[::-1].transpose(1, 0, 2)
    image = nib.Nifti1Image(stored, None)  # type: ignore[no-untyped-call]
    for put in (image.set_sform, image.set_qform):
        put(affine(), code=1)
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    image.header["descrip"] = b"Phantom AX FLAIR, two lesions"
    stored_bytes = image.to_bytes()  # type: ignore[no-untyped-call]
    (folder / VOLUME).write_bytes(gzip.compress(stored_bytes, compresslevel=9, mtime=0))
    (folder / TRUTH).write_bytes((json.dumps(truth(), indent=2) + "\n").encode())
