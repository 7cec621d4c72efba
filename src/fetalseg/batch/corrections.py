"""Masks in an output that a person corrected: they stay as they are, and are measured in place of the model's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fetalseg import tasks
from fetalseg.errors import FetalSegError
from fetalseg.io import volumes, written
from fetalseg.pipeline import edit_mask
from fetalseg.result import Result
from fetalseg.scan import Scan

# Numbers of lesions tell more than a mask, and NIfTI is what segmentation programs save.
_ENDS = ("_lesions.nii.gz", "_lesions.tif", "_mask.nii.gz", "_mask.tif")


@dataclass(frozen=True)
class Correction:
    """A scan's masks that a person changed.

    Parameters
    ----------
    path : Path
        The one that is measured.
    sha256 : str
        Of its bytes.
    kept : frozenset of Path
        All that are not written over.
    """

    path: Path
    sha256: str
    kept: frozenset[Path]


def find(out: Path, stem: str, known: Mapping[str, str]) -> Correction | None:
    """Return what a person corrected among a scan's masks in an output folder; None where nothing is.

    Parameters
    ----------
    out : Path
    stem : str
        Of the scan's outputs.
    known : mapping of str to str
        The hashes of what a run wrote, by relative path. Others are looked into.
    """
    found: list[tuple[Path, str]] = []
    for end in _ENDS:
        relative = f"masks/{stem}{end}"
        path = Path(out) / relative
        try:
            data = path.read_bytes()
        except OSError:
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        if known.get(relative) != sha256 and not written.is_as_written(path, data):
            found.append((path, sha256))
    return Correction(*found[0], frozenset(path for path, _ in found)) if found else None


def apply(correction: Correction, scan: Scan, results: Sequence[Result]) -> list[Result]:
    """Return the results with the corrected mask in place of the model's; a frame that is the same stays as it was.

    Raises
    ------
    FetalSegError
        If the mask can't be read or is of another shape. It is kept then, too.
    """
    labels = volumes.read_labels(correction.path, scan)
    if labels is None:
        raise FetalSegError(
            f"{scan.name}: {correction.path.name} in the results was changed and is of another shape than the scan. "
            "It is kept; correct it, or move it away to have the model's mask."
        )
    if not tasks.get(results[0].task).VOLUME:
        return [_frame(result, labels[result.frame]) for result in results]
    (result,) = results
    mask = result.segmentation.mask
    if np.array_equal(labels > 0, mask > 0) and (labels.max(initial=0) <= 1 or np.array_equal(labels, mask)):
        return [result]
    if "_mask." in correction.path.name:  # one number for all; lesions are regions
        from scipy import ndimage

        labels = ndimage.label(labels > 0, np.ones((3, 3, 3)))[0]
    return [edit_mask(result, labels)]


def _frame(result: Result, mask: np.ndarray) -> Result:
    inside = (mask > 0).astype(np.uint8)
    return result if np.array_equal(inside, result.segmentation.mask > 0) else edit_mask(result, inside)
