"""A volume's masks, in the order and at the place of the volume itself."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.io import nifti, written
from fetalseg.scan import Scan


def write_labels(
    folder: str | Path, stem: str, scan: Scan, labels: NDArray[np.generic], *, keep: Container[Path] = ()
) -> tuple[Path, ...]:
    """Write the mask and the lesion numbers of a volume.

    Parameters
    ----------
    folder : path
        Of the run's output; gets ``masks/<stem>_mask.tif`` (0 and 1) and ``masks/<stem>_lesions.tif``, and both
        as ``.nii.gz`` where the volume's place in space is known or it was NIfTI itself.
    stem : str
    scan : Scan
    labels : ndarray, shape (slices, rows, columns)
        Lesion numbers as the scan lies; 0 outside.
    keep : container of Path
        What is there already and stays as it is: a person's work.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    OutputError
    """
    labels = np.asarray(labels)
    layout = scan.layout
    stored = layout.to_stored(labels) if layout is not None else labels.reshape(scan.shape)
    lesions: NDArray[Any] = stored.astype(np.uint8 if stored.max(initial=0) < 256 else np.uint16)
    beside = Path(folder) / "masks"
    made = []
    for what, array in (("mask", (lesions > 0).astype(np.uint8)), ("lesions", lesions)):
        made.append(written.tiff(beside / f"{stem}_{what}.tif", array, keep))
        if layout is None:
            continue
        path = beside / f"{stem}_{what}.nii.gz"
        if layout.kind == "nifti":
            made.append(written.nifti(path, array, layout.origin, keep))
        elif layout.affine is not None:
            header = nifti.header_of(layout.affine[:, [2, 1, 0, 3]])
            made.append(written.nifti(path, _as_nifti(array), header, keep))
    return tuple(path for path in made if path is not None)


def _as_nifti(array: NDArray[Any]) -> NDArray[Any]:
    """NIfTI counts columns first, slices last."""
    return array.reshape((1,) * (3 - array.ndim) + array.shape).transpose(2, 1, 0)


def read_labels(path: Path, scan: Scan) -> NDArray[Any] | None:
    """Return the numbers in a file of `write_labels` as the scan lies; None where they are of another shape.

    Parameters
    ----------
    path : Path
        A person may have changed it.
    scan : Scan

    Raises
    ------
    UnreadableError
    """
    labels, layout = written.read(path), scan.layout
    stored = scan.shape if layout is None else layout.stored_shape
    turned = path.name.endswith(".nii.gz") and (layout is None or layout.kind != "nifti")
    if turned:
        labels = labels.transpose()
    if labels.squeeze().shape != tuple(n for n in stored if n != 1):
        return None
    labels = labels.reshape(stored)
    return np.ascontiguousarray(labels.reshape(scan.pixels.shape) if layout is None else layout.from_stored(labels))
