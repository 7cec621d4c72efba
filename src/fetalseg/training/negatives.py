"""Synthetic pictures that hold no head: what a careless user may open."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage


def synthetic(size: tuple[int, int], rng: Generator) -> NDArray[np.float32]:
    """Return a picture of 0..1, shape `size`: noise, clouds, overlapping shapes, or an empty sector."""
    kind = rng.choice(["noise", "clouds", "leaves", "sector", "flat"])
    picture = {"noise": _noise, "clouds": _clouds, "leaves": _leaves, "sector": _sector, "flat": _flat}[kind](size, rng)
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def _noise(size: tuple[int, int], rng: Generator) -> NDArray[np.float64]:
    blurred: NDArray[np.float64] = ndimage.gaussian_filter(rng.random(size), rng.uniform(0, 1.5))
    blurred *= rng.uniform(0.3, 1.2)
    return blurred


def _clouds(size: tuple[int, int], rng: Generator) -> NDArray[np.float64]:
    """Noise with a 1/f spectrum, the statistics of photographs."""
    fy, fx = np.meshgrid(np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1]), indexing="ij")
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(size)) ** rng.uniform(0.8, 1.6)
    phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
    picture: NDArray[np.float64] = np.fft.irfft2(amplitude * phase, s=size)
    picture -= picture.min()
    return picture / (float(picture.max()) + 1e-9)


def _leaves(size: tuple[int, int], rng: Generator) -> NDArray[np.float64]:
    """Overlapping half-planes and stripes with texture: edges without a head."""
    y, x = np.mgrid[: size[0], : size[1]]
    picture = np.full(size, rng.random())
    for _ in range(rng.integers(5, 40)):
        angle, low = rng.uniform(0, np.pi), rng.uniform(-size[1], size[1])
        along = x * np.cos(angle) + y * np.sin(angle)
        across = -x * np.sin(angle) + y * np.cos(angle)
        start = rng.uniform(-size[0], size[0])
        stripe = (along > low) & (along < low + rng.uniform(5, size[1] / 2))
        picture[stripe & (across > start) & (across < start + rng.uniform(5, size[0] / 1.5))] = rng.random()
    return ndimage.gaussian_filter(picture, rng.uniform(0, 2)) + rng.normal(0, 0.03, size)


def _sector(size: tuple[int, int], rng: Generator) -> NDArray[np.float64]:
    """A fan of speckle without anatomy."""
    y, x = np.mgrid[: size[0], : size[1]]
    apex = (-rng.uniform(0, 0.4) * size[0], size[1] * rng.uniform(0.4, 0.6))
    depth, angle = np.hypot(y - apex[0], x - apex[1]), np.arctan2(x - apex[1], y - apex[0])
    speckle = ndimage.gaussian_filter(rng.rayleigh(0.3, size), (rng.uniform(0.5, 1.5), rng.uniform(0.5, 3)))
    tissue = speckle * (
        0.3 + ndimage.gaussian_filter(rng.standard_normal(size), rng.uniform(8, 30)) * rng.uniform(0, 8)
    )
    inside = (np.abs(angle) < rng.uniform(0.4, 0.9)) & (depth < size[0] * rng.uniform(0.9, 1.3)) & (depth > -apex[0])
    return np.where(inside, tissue, 0)


def _flat(size: tuple[int, int], rng: Generator) -> NDArray[np.float64]:
    return np.full(size, rng.random() if rng.random() < 0.5 else 0.0) + rng.normal(0, 0.01, size)
