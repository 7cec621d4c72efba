"""What the sound meets: surroundings, skull and brain, as echo strengths in beam coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fetalseg.phantoms.beams import Fan
from fetalseg.phantoms.head import Head
from fetalseg.result import Ellipse

Array = NDArray[np.float64]

_GRID = 256  # samples of a texture that is fixed to the head, over 2.4 semi-axes each way


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What is random in a scan and stays the same from frame to frame; each of mean 0 and deviation 1.

    Parameters
    ----------
    coarse, streaks, grain : ndarray, shape (samples, beams)
        Textures of the surroundings (patches, and layers along the probe's face) and of the bone.
    lobes_width, lobes_bone : ndarray, shape (k, 2)
        Strength and phase of waves around the head: width of the fluid, and brightness of the bone.
    brain, fine : ndarray, shape (256, 256)
        Textures fixed to the head.
    suture : ndarray, shape (3,)
        Where around the head the bone has gaps, in radians.
    home : Ellipse
        Where the head lay when the fluid was laid around it.
    """

    coarse: Array
    streaks: Array
    lobes_width: Array
    lobes_bone: Array
    grain: Array
    brain: Array
    fine: Array
    suture: Array
    home: Ellipse

    @classmethod
    def draw(cls, head: Head, fan: Fan, rng: Generator) -> Anatomy:
        """Draw the textures of a scan."""
        shape = (len(fan.depths), len(fan.angles))
        return cls(
            coarse=_texture(rng, shape, (70, 35)),
            streaks=_texture(rng, shape, (0.6 / fan.step_mm, 22)),
            lobes_width=_waves(rng, 4),
            lobes_bone=_waves(rng, 7),
            grain=_texture(rng, shape, (0.5 / fan.step_mm, 6)),
            brain=_texture(rng, (_GRID, _GRID), (14, 14)),
            fine=_texture(rng, (_GRID, _GRID), (2.5, 5)),
            suture=rng.uniform(-math.pi, math.pi, 3),
            home=head.ellipse,
        )


@dataclass(frozen=True, eq=False)
class _Place:
    """Where each sample lies, seen from the head; arrays of shape (samples, beams).

    `s` and `t` are 1 at the ends of the long and the short axis, `t` positive in the half away from
    the probe; `u_mm`, `v_mm` the same in mm; `outside` the distance to the outline in mm (negative
    inside), `around` the angle around the head, `square` the cosine between beam and the outline's normal.
    """

    s: Array
    t: Array
    u_mm: Array
    v_mm: Array
    outside: Array
    around: Array
    square: Array


def echoes(head: Head, fan: Fan, anatomy: Anatomy) -> tuple[Array, Array, Array]:
    """Return scattering strength (power), mirror echo and transmitted share (both amplitudes).

    Each has shape (samples, beams).
    """
    x, y = fan.positions()
    place = _place(head.ellipse, head.pixel_mm, x, y, fan)
    home = place if head.ellipse == anatomy.home else _place(anatomy.home, head.pixel_mm, x, y, fan)
    inside = _step(-place.outside, 0.3)
    scalp = _step(place.outside, 0.3) * _step(head.scalp_mm - place.outside, 1.0)
    around = _surroundings(head, fan, anatomy, home)
    around = around * (1 - scalp) + _power(head.wall_db + 2) * scalp
    strength = around * (1 - inside) + _brain(head, fan, anatomy, place, inside) * inside
    mirror, bone = _skull(head, anatomy, place)
    # Met aslant, bone bends and takes away more of the sound.
    loss_db = np.cumsum(bone * (0.4 + 2.2 * (1 - place.square) ** 2), axis=0) * fan.step_mm
    shade = _soften(10 ** (-loss_db / 20), (2.0, 7.0))
    gain = 10 ** (-head.loss_db / 20 * fan.depth_mm() / fan.depth_mm()[-1])
    return strength + _power(-50), mirror, shade * gain


def _place(e: Ellipse, pixel_mm: float, x: Array, y: Array, fan: Fan) -> _Place:
    angle = math.radians(e.angle_deg)
    dx, dy = x - e.center_x, y - e.center_y
    u = dx * math.cos(angle) + dy * math.sin(angle)
    v = -dx * math.sin(angle) + dy * math.cos(angle)
    s, t = u / e.semi_major, v / e.semi_minor
    radius = np.hypot(s, t)
    # First-order distance to an implicit curve: exact on it, good near it.
    nu, nv = u / e.semi_major**2, v / e.semi_minor**2
    slope = np.maximum(np.hypot(nu, nv), 1e-9)
    outside = (radius - 1) * np.maximum(radius, 1e-3) / slope * pixel_mm
    nx, ny = nu * math.cos(angle) - nv * math.sin(angle), nu * math.sin(angle) + nv * math.cos(angle)
    bx, by = x - fan.apex[0], y - fan.apex[1]
    square = np.abs(nx * bx + ny * by) / (slope * np.hypot(bx, by))
    down = 1.0 if math.cos(angle) >= 0 else -1.0
    return _Place(s, t * down, u * pixel_mm, v * pixel_mm * down, outside, np.arctan2(t * down, s), square)


def _surroundings(head: Head, fan: Fan, anatomy: Anatomy, home: _Place) -> Array:
    """Power of the layers under the probe, the uterine wall, the placenta and the fluid."""
    depth = fan.depth_mm()
    near = np.exp(-((depth / (0.16 * depth[-1])) ** 2))
    wall_db = head.wall_db + 4.0 * anatomy.coarse + 2.5 * anatomy.streaks + near * (4.0 + 3.0 * anatomy.streaks)
    width = head.fluid_mm * (1.0 + 0.7 * _around(anatomy.lobes_width, home.around))
    fluid = _step(width - home.outside, 1.5) * (1 - near)
    # The wall of the fluid is a smooth face: bright where the beam meets it square.
    face = np.exp(-(((home.outside - width) / 1.2) ** 2)) * home.square**4 * _step(width - 4.0, 2.0)
    return np.asarray(_power(wall_db + 6 * face) * (1 - fluid) + _power(head.fluid_db) * fluid)


def _skull(head: Head, anatomy: Anatomy, place: _Place) -> tuple[Array, Array]:
    """Mirror echo (amplitude) and share of bone."""
    waves = _around(anatomy.lobes_bone, place.around)
    thick = head.bone_mm * (1 + 0.15 * waves)
    bone = _step(-place.outside, 0.3) * _step(place.outside + thick, 0.6)
    apart = np.angle(np.exp(1j * (place.around[..., None] - anatomy.suture)))
    size_mm = head.pixel_mm * math.sqrt(head.ellipse.semi_major * head.ellipse.semi_minor)
    gaps = np.exp(-((apart * size_mm / 1.2) ** 2)).sum(axis=-1)
    # Seen from the side, bone is faint but seldom gone.
    met = 0.06 + 0.94 * place.square**3
    grain = anatomy.grain + 0.8 * _on_head(anatomy.fine, place)
    level_db = head.skull_db + 2.0 * waves + 1.5 * grain
    # The outer table reflects most; the echo fades towards the brain.
    table = 0.55 + 0.45 * np.clip(1 + place.outside / thick, 0, 1)
    return bone * table * 10 ** (level_db / 20) * met * (1 - 0.6 * np.clip(gaps, 0, 1)), bone


def _brain(head: Head, fan: Fan, anatomy: Anatomy, place: _Place, inside: Array) -> Array:
    """Power of the brain's tissue and of its bright structures."""
    patches, fine = _on_head(anatomy.brain, place), _on_head(anatomy.fine, place)
    path = np.cumsum(inside, axis=0) * fan.step_mm
    haze = 5.0 * np.exp(-path / 8.0)  # sound goes to and fro under the near bone
    rim = np.exp(-(((place.outside + head.bone_mm + 2.5) / 2.0) ** 2)) * (place.t > 0)  # fluid over the far cortex
    tissue = _power(head.brain_db + 2.5 * patches + 2.5 * fine + haze - 5 * rim)
    s, t, far = place.s, place.t, _step(place.t - 0.05, 0.2)
    plexus = head.plexus
    for side, share in ((-1.0, 0.35), (1.0, 1.0)):  # the near half is veiled
        reach = np.hypot((s + 0.45 - 0.8 * plexus) / (1.5 * plexus), (t - 0.36 * side) / plexus)
        tissue = tissue + share * _power(head.brain_db + 11 + 3 * fine) * _step(1 - reach, 0.5)
    hollow = np.hypot((s + 0.42) / 0.26, (t - 0.40) / 0.16)  # the far ventricle
    thalamus = np.hypot((s + 0.02) / 0.20, (np.abs(t) - 0.17) / 0.13)
    tissue = tissue * 10 ** (
        -0.3 * _step(1 - hollow, 0.6) * _step(hollow - plexus, 0.5) - 0.25 * _step(1 - thalamus, 0.6)
    )
    lines = _lines(head, place, far)
    return np.asarray(tissue + lines * 10 ** (0.45 * fine + 0.25 * patches))


def _lines(head: Head, place: _Place, far: Array) -> Array:
    """Power of the midline, the cavum's walls, the ventricle's walls and the insula."""
    s, u, v = place.s, place.u_mm, place.v_mm
    half = head.ellipse.semi_minor * head.pixel_mm
    across = max(0.35, 0.012 * half)
    cavum = _span(s, 0.32, 0.56)
    rows = (
        (0.0, _span(s, -0.72, 0.80) * (1 - cavum), 15.0),
        (0.055 * half, cavum, 15.0),
        (-0.055 * half, cavum, 15.0),
        (0.26 * half, _span(s, -0.62, -0.10) * far, 14.0),
        (0.55 * half, _span(s, -0.62, 0.05) * far, 11.0),
        (0.60 * half - 1.2 * s * s * half, _span(s, 0.0, 0.34) * far, 14.0),
    )
    met = 0.25 + 0.75 * np.exp(-((u / (0.8 * head.ellipse.semi_major * head.pixel_mm)) ** 2))
    out = np.zeros_like(s)
    for offset, span, above_db in rows:
        out += _power(head.brain_db + above_db) * met * span * np.exp(-(((v - offset) / across) ** 2))
    return out


def _texture(rng: Generator, shape: tuple[int, int], blur: tuple[float, float]) -> Array:
    """Smooth noise of mean 0 and deviation 1, without outliers."""
    from scipy import ndimage

    values = ndimage.gaussian_filter(rng.standard_normal(shape), blur)
    return np.asarray(np.clip((values - values.mean()) / values.std(), -2.5, 2.5))


def _waves(rng: Generator, count: int) -> Array:
    """Strengths and phases of the first waves around a circle; the squares of the strengths sum to 2."""
    strength = rng.uniform(0.5, 1.0, count) / np.sqrt(np.arange(1, count + 1))
    strength *= math.sqrt(2 / (strength**2).sum())
    return np.column_stack([strength, rng.uniform(0, 2 * math.pi, count)])


def _around(waves: Array, angle: Array) -> Array:
    """Sum of waves at an angle around the head."""
    out = np.zeros_like(angle)
    for k, (strength, phase) in enumerate(waves, start=1):
        out += strength * np.cos(k * angle + phase)
    return out


def _on_head(texture: Array, place: _Place) -> Array:
    """Values of a texture that is fixed to the head; rows across, columns along its long axis."""
    from scipy import ndimage

    scale = _GRID / 2.4
    return np.asarray(
        ndimage.map_coordinates(texture, [(place.t + 1.2) * scale, (place.s + 1.2) * scale], order=1, mode="nearest")
    )


def _soften(values: Array, blur: tuple[float, float]) -> Array:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(values, blur, mode="nearest"))


def _power(decibel: Array | float) -> Array:
    return np.asarray(10 ** (np.asarray(decibel) / 10))


def _step(value: Array, width: float) -> Array:
    """0 below, 1 above, a straight ramp of a width around 0: edges between pixels stay exact."""
    return np.asarray(np.clip(value / width + 0.5, 0, 1))


def _span(value: Array, start: float, stop: float) -> Array:
    """1 between start and stop, with soft ends."""
    return _step(value - start, 0.05) * _step(stop - value, 0.05)
