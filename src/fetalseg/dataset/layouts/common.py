"""What several layouts share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg.dataset import hc18
from fetalseg.dataset.adding import New
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.layouts import ImportOptions
from fetalseg.io import spacing_csv
from fetalseg.scan import Scan, Spacing


def own_spacing(options: ImportOptions) -> Spacing | None:
    """Return the spacing that was typed in."""
    if options.spacing_mm is None:
        return None
    x, y, *between = options.spacing_mm
    return Spacing(y, x, source="typed in", slice_mm=between[0] if between else None)


def with_spacing(scan: Scan, options: ImportOptions) -> Scan:
    """Return the scan with its spacing by the first source that speaks: typed in, the file, a csv beside it."""
    typed = own_spacing(options)
    if typed is not None or scan.spacing is not None or scan.path is None:
        return scan.with_spacing(typed or scan.spacing)
    beside = spacing_csv.find_beside(scan.path)
    return scan.with_spacing(spacing_csv.lookup(beside, scan.path) if beside else None)


def drawn(new: New, annotation: Annotation, options: ImportOptions, by: str) -> New:
    """Return what comes with its annotation: accepted by who drew it, or to be accepted first.

    Parameters
    ----------
    by : str
        Who drew it, where no one is named.
    """
    who = options.annotator or by
    if options.waiting:
        return replace(new, prediction=Prediction(annotation, model=who))
    return replace(new, annotation=annotation, annotator=who)


def exam_of(path: Path, *, volume: bool) -> str:
    """Return the group that a file's name tells: as HC18 names pictures, or as patients' volumes are dated."""
    stem = path.name.split(".", 1)[0]
    if not volume:
        return hc18.exam(stem)
    parts = stem.removesuffix("_flair").split("_")
    dated = len(parts) > 1 and parts[-1].isdigit() and len(parts[-1]) == 8
    return "_".join(parts[:-1] if dated else parts)


def eight_bit(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a picture as uint8: as it is, or stretched from its darkest to its brightest value."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = float(pixels.min()), float(pixels.max())
    return np.asarray(np.round((pixels.astype(np.float64) - low) * (255 / (high - low or 1))), np.uint8)
