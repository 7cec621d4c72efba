"""Where the brain is in a volume from which all else was cut away, or why it can't be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# A volume has at least this many slices, rows and columns.
_SMALLEST = 8
# Tissue is brighter than this share of the way from the background to the median of what is not background.
_TISSUE = 0.5
# Cut away means: this share of what is no tissue has exactly one value, voxels half filled by tissue aside.
_CONSTANT = 0.95
# Share of a face of the volume that tissue may touch: a tight crop touches it, a cut through a brain fills it.
_FACE = 0.05
# Share of the tissue that may lie apart from the largest piece.
_APART = 0.03
# Of the outer layer (down to this share of the greatest depth) this share may be as dark as bone or air.
_OUTER, _BONE, _DARK = 0.35, 0.25, 0.03
# A rim this much darker than the layer under it is the margin that the stripping left.
_MARGIN = 0.92
# ... where the cut is sharp: no more than this share just outside is half filled.
_SOFT = 0.2


@dataclass(frozen=True, eq=False)
class Found:
    """The brain's mask, or the code of the flag that says why there is none."""

    mask: Mask
    refused: str | None = None


def find(pixels: NDArray[Any]) -> Found:
    """Find the brain in a skull-stripped volume.

    Threshold half way between background and tissue, closing, holes filled, largest piece. The volume is refused
    where it was not stripped: where what surrounds the tissue is no constant, where tissue fills a face of the
    volume or lies apart from the largest piece, or where a dark layer such as bone lies shortly under the surface.
    A bright rim is no reason: cerebrospinal fluid around a fetal brain is bright in T2.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)

    Returns
    -------
    Found
        Of the same shape; empty where refused (`no_brain`, `not_a_volume`, `not_skull_stripped`).
    """
    nothing = np.zeros(pixels.shape, bool)
    if pixels.ndim != 3 or min(pixels.shape) < _SMALLEST or not np.isfinite(pixels).all():
        return Found(nothing, "not_a_volume")
    background = _background(pixels)
    other = pixels[pixels != background]
    if not other.size:
        return Found(nothing, "no_brain")
    level = float(np.median(other.astype(np.float64))) - background
    if level <= 0:
        return Found(nothing, "not_skull_stripped")
    tissue = pixels > background + _TISSUE * level
    if not _stripped(pixels, tissue, background):
        return Found(nothing, "not_skull_stripped")
    place = _box(tissue)
    inside, apart = _solid(tissue[place])
    values = pixels[place].astype(np.float32) - background
    if apart > _APART or _bone_under_surface(inside, values < _BONE * level):
        return Found(nothing, "not_skull_stripped")
    mask = nothing.copy()
    mask[place] = _without_margin(inside, values)
    return Found(mask) if mask.any() else Found(nothing, "no_brain")


def _background(pixels: NDArray[Any]) -> float:
    """The value that most voxels on the volume's six faces have."""
    faces = [pixels.take(end, axis=axis).ravel() for axis in range(3) for end in (0, -1)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    return float(values[int(counts.argmax())])


def _stripped(pixels: NDArray[Any], tissue: Mask, background: float) -> bool:
    """Whether tissue keeps off the volume's faces and what surrounds it is of one value."""
    from scipy import ndimage

    for axis in range(3):
        if any(tissue.take(end, axis=axis).mean() > _FACE for end in (0, -1)):
            return False
    around = ~ndimage.binary_dilation(tissue, iterations=2)
    return bool(around.any()) and float((pixels[around] == background).mean()) >= _CONSTANT


def _box(tissue: Mask) -> tuple[slice, ...]:
    """The tissue's box, with the voxels around it that closing and filling need."""
    margin = 3
    found = []
    for axis in range(3):
        there = np.flatnonzero(tissue.any(axis=tuple(i for i in range(3) if i != axis)))
        found.append(slice(max(0, int(there[0]) - margin), int(there[-1]) + 1 + margin))
    return tuple(found)


def _solid(tissue: Mask) -> tuple[Mask, float]:
    """Close gaps, keep the largest piece and fill it; and the share of the tissue that lies apart from it."""
    from scipy import ndimage

    padded = np.pad(tissue, 1)  # closing must not see the end of the array as an edge
    closed = ndimage.binary_closing(padded)[1:-1, 1:-1, 1:-1] | tissue
    labels, count = ndimage.label(closed)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    largest = labels == int(sizes.argmax()) + 1
    return np.asarray(ndimage.binary_fill_holes(largest)), float(1 - sizes.max() / sizes.sum())


def _bone_under_surface(inside: Mask, dark: Mask) -> bool:
    """Whether a dark layer lies near the surface. Ventricles, dark in other sequences, lie deep."""
    from scipy import ndimage

    # The box's ends are the volume's where tissue touches them; depth counts from there too.
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1, 1:-1]
    outer = inside & (depth < _OUTER * depth.max())
    return bool((dark & outer).sum() > _DARK * outer.sum())


def _without_margin(inside: Mask, values: NDArray[np.float32]) -> Mask:
    """Take off a rim one voxel deep where the stripping left a margin.

    Where the cut is sharp (just outside all is background) and the rim is darker than the layer under it, its
    voxels hold more of the surroundings than of the brain.
    """
    from scipy import ndimage

    padded = np.pad(inside, 2)
    core = ndimage.binary_erosion(padded)[2:-2, 2:-2, 2:-2]
    under = core & ~ndimage.binary_erosion(padded, iterations=2)[2:-2, 2:-2, 2:-2]
    shell = ndimage.binary_dilation(inside) & ~inside
    rim = inside & ~core
    if not under.any() or not rim.any() or (values[shell] != 0).mean() > _SOFT:
        return inside
    darker = np.median(values[rim]) < _MARGIN * np.median(values[under])
    return np.asarray(core) if darker else inside
