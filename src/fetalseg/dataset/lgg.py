"""Volumes with tumour masks: ``<patient>_flair.tif`` and ``<patient>_mask.tif``, or NIfTI of the same names.

References
----------
Buda M, Saha A, Mazurowski MA. Association of genomic subtypes of lower-grade gliomas with shape features
automatically extracted by a deep learning algorithm. Comput Biol Med 2019;109:218-225.
doi:10.1016/j.compbiomed.2019.05.002
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.dataset.items import Part
from fetalseg.errors import DatasetError
from fetalseg.scan import Scan


@dataclass(frozen=True)
class Volume:
    """A volume and its truth.

    Parameters
    ----------
    name : str
        Path relative to the data set's folder.
    path, mask_path : Path
    group : str
        The patient.
    institution : str
        Where the scan was made: patients are split within each.
    """

    name: str
    path: Path
    mask_path: Path
    group: str
    institution: str

    def read(self) -> tuple[Scan, NDArray[np.bool_]]:
        """Return the scan and its mask (slices, rows, columns).

        Raises
        ------
        DatasetError
            If their shapes differ.
        """
        from fetalseg.io.registry import read

        scan, mask = read(self.path, name=self.name), read(self.mask_path).pixels != 0
        if scan.pixels.shape != mask.shape:
            raise DatasetError(f"{self.mask_path.name} has the shape {mask.shape}, its volume {scan.pixels.shape}.")
        return scan, mask


def read(folder: Path) -> list[Volume]:
    """List a folder's volumes that have a mask, sorted by name.

    The patient is the name up to its last ``_`` part but one where that is a date (``TCGA_CS_4941_19960909``), else
    the whole name; the institution is the second part of a TCGA name.

    Raises
    ------
    DatasetError
        If there is none.
    """
    found = []
    for path in sorted(p for p in folder.rglob("*_flair.*") if p.is_file()):
        stem, ending = path.name.split("_flair.", 1)
        mask = path.with_name(f"{stem}_mask.{ending}")
        if not mask.exists():
            continue
        parts = stem.split("_")
        dated = len(parts) > 1 and parts[-1].isdigit() and len(parts[-1]) == 8
        patient = "_".join(parts[:-1]) if dated else stem
        found.append(Volume(path.relative_to(folder).as_posix(), path, mask, patient, institution(stem)))
    if not found:
        raise DatasetError(f"{folder} holds no volume '*_flair.tif' with its '*_mask.tif' beside it.")
    return found


def institution(stem: str) -> str:
    """Return where a scan was made, as a TCGA name tells; empty for other names."""
    parts = stem.split("_")
    return parts[1] if parts[0] == "TCGA" and len(parts) > 2 else ""


def split(volumes: Sequence[Volume], kept_out: float, seed: int) -> dict[str, Part]:
    """Split by patient, in each institution alike, into training, calibration and report.

    Patients are put in an order that their names and the seed decide, institution by institution; every so many of that
    order is kept out, calibration and report in turn.
    """
    by_place: dict[str, set[str]] = defaultdict(set)
    for volume in volumes:
        by_place[volume.institution].add(volume.group)

    def position(patient: str) -> str:
        return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()

    order = [p for place in sorted(by_place) for p in sorted(by_place[place], key=position)]
    part: dict[str, Part] = dict.fromkeys(order, "train")
    kept = [order[int((i + 0.5) / kept_out)] for i in range(round(len(order) * kept_out))] if kept_out else []
    for number, patient in enumerate(kept):
        part[patient] = "report" if number % 2 else "calibrate"
    return {volume.name: part[volume.group] for volume in volumes}


def without_tumour(folder: Path) -> list[Any]:
    """List readable scans in a folder in which no tumour is to be found."""
    from fetalseg.io import folders

    return [item for item in folders.expand([folder], volumes=True).items if not item.error]
