"""A volume's masks, in the order and at the place of the volume itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.io import nifti
from fetalseg.io.atomic import write_mask
from fetalseg.scan import Scan


def write_labels(folder: str | Path, stem: str, scan: Scan, labels: NDArray[np.generic]) -> tuple[Path, ...]:
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
    written = []
    for what, array in (("mask", (lesions > 0).astype(np.uint8)), ("lesions", lesions)):
        written.append(write_mask(beside / f"{stem}_{what}.tif", array))
        if layout is None:
            continue
        if layout.kind == "nifti":
            written.append(nifti.write(beside / f"{stem}_{what}.nii.gz", array, layout.origin))
        elif layout.affine is not None:
            # NIfTI counts columns first, slices last.
            three = array.reshape((1,) * (3 - array.ndim) + array.shape).transpose(2, 1, 0)
            header = nifti.header_of(layout.affine[:, [2, 1, 0, 3]])
            written.append(nifti.write(beside / f"{stem}_{what}.nii.gz", three, header))
    return tuple(written)
