"""Whether a volume looks like a FLAIR of a head, told without a network from what anatomy and physics ask for.

Is there a head: is the outline of the tissue an ellipse? Is fluid dark, as FLAIR makes it? And is the tissue beside
the fluid, which is mostly grey matter, as bright as the tissue farther away, mostly white matter: brighter in FLAIR,
darker in T1? Where the file itself names what it is, that is read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.geometry.view import View
from fetalseg.scan import Scan
from fetalseg.tasks.tumour_input import Scale

_SIZE = (144, 120)  # rows and columns that a slice is looked at with: about 1.4 mm of an adult's head
_SLICES = 16
_MIDDLE = (0.15, 0.85)  # the part of the stack's filled slices that is looked at, whichever end is the head's
_TISSUE = 0.3  # of the tissue's median

# Set on 88 FLAIR volumes and on volumes that are none (T1 of one patient before and after contrast, a T1 template,
# fetal T2 of 22 to 26 weeks, ultrasound, noise, photographs, contrasts calculated from tissue maps).
# A whole head has this many slices (FLAIR 20 and more) and fills less of the end ones: below 0.6 of the most in all.
_LONG, _TAPER = 12, 0.6
# Outline: FLAIR 0.935 and more; ultrasound to 0.83, filled frames (noise, photographs) 0.85.
_SHAPE = 0.89
# Of fewer slices: 0.849 and more in any four of the middle of a FLAIR; single ultrasound pictures 0.53 to 0.81.
_SHAPE_OF_FEW = 0.80
# Dark share: FLAIR 0.041 and more; fetal T2 to 0.017, calculated T2 and proton density 0.013. T1 has as much as FLAIR.
_DARK = 0.028
# Beside fluid: FLAIR 0.991 and more; T1 0.926 to 0.952, where the tail is -0.08 and less; fetal T2 to 0.842.
_BESIDE, _TAIL = 0.97, -0.04
_FAR_DARKER = 0.90

# A lesion of what is refused has no confidence, of what is doubted at most this much.
_CEILINGS = {
    **dict.fromkeys(("not_flair", "other_modality", "colour"), 0.0),
    **dict.fromkeys(("not_flair_contrast", "fluid_not_dark", "other_sequence"), 0.3),
}

# What a file calls itself. "T2 FLAIR" is meant here, "T1 FLAIR" is a T1, "FLAIR in T1 space" a FLAIR.
_T1_FLAIR = re.compile(r"T1[A-Z]{0,2}[ _-]*((FSE|TSE|SE|3D|AX|TRA)[ _-]*)*(DARK[ _-]*FLUID|FLAIR)", re.IGNORECASE)
_FLAIR = re.compile(r"FLAIR|DARK[ _-]*FLUID|TIRM", re.IGNORECASE)
_OTHER = re.compile(
    r"(?<![A-Z0-9])(T1|T2|PD|DWI|ADC|SWI|DTI|EPI|BOLD|ASL|TOF|MRA|MPRAGE|BRAVO|HASTE|SSFSE|FIESTA)(?![0-9])|MP2?-?RAGE",
    re.IGNORECASE,
)
_MODALITIES = {"US", "IVUS", "CT", "PT", "NM", "XA", "RF", "CR", "DX", "MG", "ES", "OP", "OPT", "XC", "SM", "GM"}


@dataclass(frozen=True)
class Appearance:
    """What is seen of a volume; None where it can't be told.

    Parameters
    ----------
    long, whole : bool
        Whether the stack is long enough for a whole head, and gets smaller towards an end as well.
    shape : float or None
        Overlap (intersection over union) of the tissue's filled outline with the ellipse of its second moments;
        median over the slices of a long stack, else of the slice where it is best.
    dark : float or None
        Share of the head's inside that is far darker than what surrounds it; mean over the slices.
    beside : float or None
        Brightness of tissue 3 to 5 mm from what is dark over that of tissue farther than 8 mm; median over the slices.
    tail : float or None
        Quartile skewness (Bowley) of the brain's grey values, the coil's uneven gain taken out: negative where the
        fewer voxels are the darker ones. Median over the slices; None where the tissue has one grey value.
    """

    long: bool = False
    whole: bool = False
    shape: float | None = None
    dark: float | None = None
    beside: float | None = None
    tail: float | None = None


def told(scan: Scan) -> tuple[str, ...]:
    """Return the codes of flags that the file's own words raise: its modality, its description."""
    if (scan.modality or "").upper() in _MODALITIES:
        return ("other_modality",)
    words = scan.description
    if _T1_FLAIR.search(words) or (_OTHER.search(words) and not _FLAIR.search(words)):
        return ("other_sequence",)
    return ()


def seen(pixels: NDArray[Any], scale: Scale, view: View) -> tuple[str, ...]:
    """Return the codes of flags that the pixels raise.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)
    scale, view
        As `fetalseg.tasks.tumour_input.look` found them.
    """
    return judge(appearance(pixels, scale, view))


def ceiling(codes: Iterable[str]) -> float:
    """Return the highest confidence that a lesion can have under the flags of what it was found in."""
    return min((_CEILINGS[code] for code in codes if code in _CEILINGS), default=1.0)


def judge(found: Appearance) -> tuple[str, ...]:
    """Return the codes of flags that an appearance raises, the gravest alone."""
    if found.shape is None:
        return ()
    if found.shape < (_SHAPE if found.long else _SHAPE_OF_FEW):
        return ("not_flair",)
    if not found.whole or found.tail is None or found.dark is None:
        return ()
    if found.dark < _DARK:
        return ("fluid_not_dark",)
    if found.beside is None:
        return ()
    if found.beside < _FAR_DARKER or (found.beside < _BESIDE and found.tail < _TAIL):
        return ("not_flair_contrast",)
    return ()


def appearance(pixels: NDArray[Any], scale: Scale, view: View) -> Appearance:
    """Look at a volume.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)
    scale, view
        As `fetalseg.tasks.tumour_input.look` found them.
    """
    height, width = view.rows * view.step_y, view.columns * view.step_x
    coarse = View(view.left, view.top, width / _SIZE[1], height / _SIZE[0], *_SIZE)
    level = scale.background + _TISSUE * (scale.tissue - scale.background)
    filled = (pixels[:, ::4, ::4] > level).mean(axis=(1, 2))
    looks = (_slice(coarse.look(scale.apply(pixels[number]))) for number in _chosen(filled))
    found = [values for values in looks if values is not None]
    if not found:
        return Appearance()
    shapes, darks, besides, tails = zip(*found, strict=True)
    there = filled[np.flatnonzero(filled)]
    long = len(there) >= _LONG
    whole = long and bool(min(there[0], there[-1]) < _TAPER * there.max())
    shape = float(np.median(shapes)) if long else max(shapes)
    return Appearance(long, whole, shape, float(np.mean(darks)), _median(besides), _median(tails))


def _median(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _chosen(filled: NDArray[np.float64]) -> list[int]:
    """Slices spread over the middle of those that are filled, given the share of each that is."""
    there = np.flatnonzero(filled > 0.25 * filled.max(initial=0))
    if not there.size:
        return []
    first, last = int(there[0]), int(there[-1])
    low, high = (first + share * (last - first) for share in _MIDDLE)
    return sorted({round(float(number)) for number in np.linspace(low, high, _SLICES)})


def _slice(values: NDArray[np.float32]) -> tuple[float, float, float | None, float | None] | None:
    """Shape, dark, beside and tail of one slice, given in medians of the tissue; None where it holds none."""
    from scipy import ndimage

    head = _head(values > _TISSUE)
    if head.sum() < 0.02 * head.size:
        return None
    radius = _radius(head)
    ellipse, brain = radius <= 1, radius < 0.72
    shape = float((ellipse & head).sum() / (ellipse | head).sum())
    middle = float(np.median(values[brain]))
    good = brain & (values > 0.6 * middle) & (values < 1.6 * middle)
    if good.sum() < 200:
        return shape, float((values[brain] < 0.6 * middle).mean()), None, None
    weight = ndimage.gaussian_filter(good.astype(np.float32), 10)
    even = values * weight / np.maximum(ndimage.gaussian_filter(np.where(good, values, 0), 10), 1e-6)
    low, half, high = np.percentile(even[good], [25, 50, 75])
    tail = float((high + low - 2 * half) / (high - low)) if high - low > 0.01 else None
    fluid = brain & (even < 0.6)
    apart = ndimage.distance_transform_edt(~fluid)
    inner = good & (radius < 0.65)
    near, far = inner & (apart >= 2.2) & (apart < 4), inner & (apart >= 6)
    known = min(near.sum(), far.sum()) >= 50
    beside = float(np.median(even[near]) / np.median(even[far])) if known else None
    return shape, float(fluid.sum() / brain.sum()), beside, tail


def _head(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest region of tissue, closed and filled."""
    from scipy import ndimage

    labels, count = ndimage.label(tissue)
    if not count:
        return tissue
    largest = np.pad(labels == 1 + np.bincount(labels.ravel())[1:].argmax(), 4)
    closed = ndimage.binary_closing(largest, iterations=3)[4:-4, 4:-4]
    return np.asarray(ndimage.binary_fill_holes(closed), dtype=bool)


def _radius(head: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each pixel from the middle of a region, 1 on the ellipse with the region's second moments."""
    y, x = np.nonzero(head)
    middle = np.array([y.mean(), x.mean()])
    spread = np.cov(np.stack([y, x])) + 1e-6 * np.eye(2)
    grid = np.indices(head.shape).transpose(1, 2, 0) - middle
    return np.asarray(np.sqrt(np.einsum("...i,ij,...j", grid, np.linalg.inv(spread), grid)) / 2)
