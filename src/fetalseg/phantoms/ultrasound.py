"""A B-mode picture of a fetal head, calculated from scatterers.

Tissue is a map of scattering strength; random scatterers of that strength are blurred by the beam's
point-spread function in beam coordinates (so speckle widens with depth), the envelope is
log-compressed and converted to the picture's grid. The skull reflects like a mirror: strong where the
beam meets it square, faint at its sides, and it shades what lies behind. The outer edge of the bone
is the true ellipse.

References
----------
Wagner RF et al. Statistics of speckle in ultrasound B-scans. IEEE Trans Sonics Ultrason 1983;30:156-163.
doi:10.1109/T-SU.1983.31404
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse

Array = NDArray[np.float64]

_BEAMS, _SAMPLES = 420, 900
# Pictures of independent speckle that are averaged, as scanners do by steering the beam.
_COMPOUND = 4


@dataclass(frozen=True)
class Head:
    """A head in a picture.

    Parameters
    ----------
    ellipse : Ellipse
        Outer edge of the skull, in pixels.
    pixel_mm : float
        Size of a (square) pixel.
    shape : (rows, columns)
    bone_mm : float
        Thickness of the skull.
    skull, brain : float
        Strength of the skull's and of the brain's echoes; 1 is usual.
    fluid : float
        How much of the surroundings is amniotic fluid, 0 to 1.
    half_angle_deg : float
        Half of the sector's opening.
    gain_db : float
    """

    ellipse: Ellipse
    pixel_mm: float
    shape: tuple[int, int] = (540, 800)
    bone_mm: float = 2.2
    skull: float = 1.0
    brain: float = 1.0
    fluid: float = 0.5
    half_angle_deg: float = 36.0
    gain_db: float = 0.0

    @property
    def hc_mm(self) -> float:
        """True head circumference."""
        return ellipses.circumference(self.ellipse.semi_major, self.ellipse.semi_minor) * self.pixel_mm


def picture(head: Head, rng: Generator) -> NDArray[np.uint8]:
    """Return the B-mode picture, uint8 of the head's shape; black outside the sector."""
    from scipy import ndimage

    beam = _Beam(head)
    x, y = beam.positions()
    strength, mirror, shade = _tissue(head, x, y, beam, rng)
    # The skull's echo is coherent: one phase, roughened a little along the bone.
    rough = ndimage.gaussian_filter(rng.standard_normal(x.shape), (14, 7))
    mirror = mirror * np.exp(0.35 * rough / rough.std())
    blur = (0.40 / beam.step_mm, 1.3)  # samples along the beam, beams across: so the width in mm grows with depth
    envelope = np.zeros(x.shape)
    for _ in range(_COMPOUND):
        scatterers = (rng.standard_normal(x.shape) + 1j * rng.standard_normal(x.shape)) * np.sqrt(strength) + mirror
        field = ndimage.gaussian_filter(scatterers.real, blur) + 1j * ndimage.gaussian_filter(scatterers.imag, blur)
        envelope += np.abs(field) / _COMPOUND
    decibel = 20 * np.log10(np.maximum(envelope * shade, 1e-6)) + head.gain_db
    return beam.to_picture(compress(decibel))


def compress(decibel: Array) -> Array:
    """Return the grey value of an echo: 58 dB over the 255 greys, on a curve that spares the dark ones."""
    return np.asarray(np.clip((decibel + 52) / 58, 0, 1) ** 1.4 * 255)


def expand(grey: Array) -> Array:
    """Return the echo in dB of a grey value; the inverse of `compress`."""
    return np.asarray((grey / 255) ** (1 / 1.4) * 58 - 52)


class _Beam:
    """The fan of beams, and the way from its coordinates to the picture's."""

    def __init__(self, head: Head) -> None:
        self.head = head
        rows, columns = head.shape
        half = math.radians(head.half_angle_deg)
        # The probe's curved face spans 60 % of the picture's width at its upper edge; below, the picture cuts the fan.
        self.radius = 0.30 * columns / math.sin(half)
        self.apex = ((columns - 1) / 2, -self.radius * math.cos(half))
        self.end = rows * 1.10 - self.apex[1]
        self.angles = np.linspace(-half, half, _BEAMS)
        self.depths = np.linspace(self.radius, self.end, _SAMPLES)
        self.step_mm = float(self.depths[1] - self.depths[0]) * head.pixel_mm

    def positions(self) -> tuple[Array, Array]:
        """Picture coordinates of each sample, shape (samples, beams)."""
        depth, angle = self.depths[:, None], self.angles[None, :]
        return self.apex[0] + depth * np.sin(angle), self.apex[1] + depth * np.cos(angle)

    def to_picture(self, values: Array) -> NDArray[np.uint8]:
        """Scan conversion."""
        from scipy import ndimage

        y, x = np.mgrid[: self.head.shape[0], : self.head.shape[1]]
        dx, dy = x - self.apex[0], y - self.apex[1]
        depth, angle = np.hypot(dx, dy), np.arctan2(dx, dy)
        row = (depth - self.depths[0]) / (self.depths[1] - self.depths[0])
        column = (angle - self.angles[0]) / (self.angles[1] - self.angles[0])
        out = ndimage.map_coordinates(values, [row, column], order=1, cval=0.0)
        return np.round(out).astype(np.uint8)


def _tissue(head: Head, x: Array, y: Array, beam: _Beam, rng: Generator) -> tuple[Array, Array, Array]:
    """Scattering strength, the skull's mirror echo, and the share of sound that gets through."""
    from scipy import ndimage

    e = head.ellipse
    points = np.stack([x, y], axis=-1)
    # Distance to the outer edge in mm, negative inside: the first-order distance of an implicit curve.
    u, v, radius = _own_axes(e, points)
    gradient = np.hypot(u / e.semi_major**2, v / e.semi_minor**2) / np.maximum(radius, 1e-3)
    outside = (radius - 1) / np.maximum(gradient, 1e-6) * head.pixel_mm
    inside = outside < 0

    mottle = ndimage.gaussian_filter(rng.standard_normal(x.shape), (40, 18))
    mottle = np.clip(mottle / mottle.std(), -2.5, 2.5)
    strength = 0.09 * np.exp(0.8 * mottle)  # uterine wall and placenta
    pool = ndimage.gaussian_filter(rng.standard_normal(x.shape), (90, 50))
    fluid = (pool / pool.std() > 1.2 - 2.4 * head.fluid) & (outside < 30) & ~inside
    strength = np.where(fluid, 0.0007, strength)
    strength = np.where((outside > 0) & (outside < 2.0), 0.012, strength)  # skin
    strength = np.where(inside, 0.010 * head.brain * np.exp(0.9 * mottle), strength)
    strength = np.where(inside, strength + _brain(head, u, v), strength)

    bone = (outside <= 0) & (outside >= -head.bone_mm)
    dx, dy = x - beam.apex[0], y - beam.apex[1]
    angle = math.radians(e.angle_deg)
    nu, nv = u / e.semi_major**2, v / e.semi_minor**2
    normal_x, normal_y = nu * math.cos(angle) - nv * math.sin(angle), nu * math.sin(angle) + nv * math.cos(angle)
    square = np.abs(normal_x * dx + normal_y * dy) / np.maximum(np.hypot(normal_x, normal_y) * np.hypot(dx, dy), 1e-9)
    # Seen from the side, bone is faint but seldom gone.
    mirror = np.where(bone, head.skull * (0.10 + 1.1 * square**4), 0.0)
    shade = np.exp(-np.cumsum(bone * (0.10 + 0.25 * (1 - square)), axis=0) * beam.step_mm * 0.35)
    depth = np.linspace(0, 1, x.shape[0])[:, None]
    return strength, mirror, shade * (1.0 - 0.25 * depth)


def _own_axes(e: Ellipse, points: Array) -> tuple[Array, Array, Array]:
    """Coordinates along the ellipse's axes, and how far out: 1 on its edge."""
    angle = math.radians(e.angle_deg)
    dx, dy = points[..., 0] - e.center_x, points[..., 1] - e.center_y
    u = dx * math.cos(angle) + dy * math.sin(angle)
    v = -dx * math.sin(angle) + dy * math.cos(angle)
    return u, v, np.hypot(u / e.semi_major, v / e.semi_minor)


def _brain(head: Head, u: Array, v: Array) -> Array:
    """Extra strength of the midline, the cavum's walls, the thalami and the choroid plexus."""
    e = head.ellipse
    s, t = u / e.semi_major, v / e.semi_minor
    extra = np.zeros_like(u)
    line = np.abs(v * head.pixel_mm) < 0.5
    extra += np.where(line & (np.abs(s) < 0.75) & ~((s > 0.30) & (s < 0.55)), 0.30, 0.0)
    walls = (
        (np.abs(np.abs(v * head.pixel_mm) - 0.03 * e.semi_minor * head.pixel_mm * 2) < 0.4) & (s > 0.30) & (s < 0.55)
    )
    extra += np.where(walls, 0.12, 0.0)
    for side in (-1, 1):
        extra += 0.02 * np.exp(-(((s + 0.05) / 0.18) ** 2 + ((t - 0.25 * side) / 0.18) ** 2))
        extra += 0.05 * np.exp(-(((s + 0.42) / 0.10) ** 2 + ((t - 0.45 * side) / 0.10) ** 2))
        extra += np.where(np.abs(np.hypot(s / 0.75, (t - 0.1 * side) / 0.62) - 1) < 0.012, 0.01, 0.0)
    return extra
