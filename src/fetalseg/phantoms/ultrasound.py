"""A B-mode picture of a fetal head, calculated from scatterers.

Tissue is a map of scattering strength; random scatterers of that strength are blurred by the beam's
point-spread function in beam coordinates (so speckle widens with depth), the envelope is
log-compressed and converted to the picture's grid. The skull reflects like a mirror: strong where the
beam meets it square, faint at its sides, and it shades what lies behind. The outer edge of the bone
is the true ellipse: there the bone's own echo has fallen to half.

References
----------
Wagner RF et al. Statistics of speckle in ultrasound B-scans. IEEE Trans Sonics Ultrason 1983;30:156-163.
doi:10.1109/T-SU.1983.31404
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fetalseg.phantoms.beams import BEAMS, SAMPLES, Fan
from fetalseg.phantoms.head import Head

Array = NDArray[np.float64]

# Pictures of independent speckle that are averaged, as scanners do by steering the beam.
_COMPOUND = 5
# How much of the speckle stays from one frame of a loop to the next.
_KEPT = 0.6
_RANGE_DB, _FLOOR_DB, _CURVE = 58.0, -52.0, 1.4


def picture(head: Head, rng: Generator) -> NDArray[np.uint8]:
    """Return the B-mode picture, uint8 of the head's shape; black outside the sector."""
    return np.asarray(loop([head], rng)[0])


def loop(heads: Sequence[Head], rng: Generator) -> NDArray[np.uint8]:
    """Return the B-mode pictures of a head that moves, shape (frames, rows, columns).

    Surroundings stay where they are, what is in the head moves with it, and the speckle changes
    gradually. All heads have the first one's picture: shape, pixel size and sector.
    """
    from fetalseg.phantoms import tissue

    first = heads[0]
    fan = Fan(first.shape, first.half_angle_deg, first.pixel_mm)
    anatomy = tissue.Anatomy.draw(first, fan, rng)
    frames = []
    noise: NDArray[np.complex128] | None = None
    for head in heads:
        fresh = _noise(rng)
        noise = fresh if noise is None else _KEPT * noise + math.sqrt(1 - _KEPT**2) * fresh
        frames.append(_frame(head, fan, tissue.echoes(head, fan, anatomy), noise))
    return np.stack(frames)


def _noise(rng: Generator) -> NDArray[np.complex128]:
    """Scatterers of strength 1, independent in each compounded picture."""
    shape = (_COMPOUND, SAMPLES, BEAMS)
    return np.asarray((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2))


def _frame(
    head: Head, fan: Fan, echoes: tuple[Array, Array, Array], noise: NDArray[np.complex128]
) -> NDArray[np.uint8]:
    """Blur scatterers and mirror by the point-spread function; envelope, compression, scan conversion."""
    from scipy import ndimage

    strength, mirror, shade = echoes
    blur = (head.pulse_mm / fan.step_mm, head.beam)
    # White noise loses this share of its amplitude in the blur; speckle keeps its strength so.
    power = math.sqrt(4 * math.pi * blur[0] * blur[1])
    # A strong mirror shows the beam's side lobes too: a feathered edge, mostly across the beam.
    lobes = ndimage.gaussian_filter(mirror, (2.2 * blur[0], 4.0 * blur[1]))
    coherent = 0.85 * ndimage.gaussian_filter(mirror, blur) + 0.15 * lobes
    envelope = np.zeros(mirror.shape)
    for scatterers in noise * np.sqrt(strength):
        real, imag = (ndimage.gaussian_filter(part, blur) for part in (scatterers.real, scatterers.imag))
        envelope += np.hypot(real * power + coherent, imag * power) / _COMPOUND
    decibel = 20 * np.log10(np.maximum(envelope * shade, 1e-6)) + head.gain_db
    return fan.to_picture(compress(decibel))


def compress(decibel: Array) -> Array:
    """Return the grey value of an echo: 58 dB over the 255 greys, on a curve that spares the dark ones."""
    return np.asarray(np.clip((decibel - _FLOOR_DB) / _RANGE_DB, 0, 1) ** _CURVE * 255)


def expand(grey: Array) -> Array:
    """Return the echo in dB of a grey value; the inverse of `compress`."""
    return np.asarray((grey / 255) ** (1 / _CURVE) * _RANGE_DB + _FLOOR_DB)
