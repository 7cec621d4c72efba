"""DICOM files: which there are in a folder, and which of its series is meant."""

from __future__ import annotations

import functools
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import SettingsError, UnreadableError

_log = logging.getLogger(__name__)

FLAIR = "flair"
"""What a series' description holds that is taken where nobody chose."""

ULTRASOUND = ("US", "IVUS")
"""Modalities whose files are pictures and loops, each a scan of its own."""
MAYBE_ULTRASOUND = (*ULTRASOUND, "OT", "SC", "")
"""The same, with those that captured screens and careless exports have."""
DAMAGED = "damaged"

_NO_PICTURES = ("SEG", "SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "REG", "DOC", "AU", "ECG")
_TAGS = [
    *("Modality", "SeriesInstanceUID", "SeriesDescription", "SeriesNumber", "Rows", "ImageOrientationPatient"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
_PLANES = ("sagittal", "coronal", "axial")
# Direction cosines of one series differ in their last digits.
_SAME = 0.01


@dataclass(frozen=True)
class Series:
    """The files of one folder that make one volume: of one series, of one orientation.

    Parameters
    ----------
    label : str
        The description, made distinct among the series of a folder.
    files : tuple of Path
    damaged : bool
        A file whose header can't be read: of which series it is nobody knows.
    """

    label: str
    files: tuple[Path, ...]
    damaged: bool = False


@dataclass(frozen=True, eq=False)
class _Head:
    path: Path
    uid: str
    description: str
    number: str
    directions: NDArray[np.float64] | None
    damaged: bool = False


def is_dicom(path: str | Path) -> bool:
    """Whether a file is DICOM by its content, whatever its ending."""
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def modality(path: str | Path) -> str | None:
    """Return the modality of a DICOM file with a picture; `DAMAGED` where it can't be told, None without a picture."""
    try:
        dataset = parse(path, stop_before_pixels=True, specific_tags=["Modality", "SOPClassUID", "Rows"])
        told = str(dataset.get("Modality") or "").strip().upper()
        kind = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
        name = str(getattr(kind, "name", ""))
    except Exception:  # a forged header raises what it likes
        _log.debug("no DICOM header in %s", path)
        return DAMAGED
    if told in _NO_PICTURES:
        return None
    if "Rows" not in dataset:
        return DAMAGED if "Image Storage" in name else None
    return "US" if "Ultrasound" in name else told


def picked(series: str | None, instances: str | None) -> Callable[[Path], bool] | None:
    """Return what tells of a DICOM file whether it was chosen; None where all are.

    Parameters
    ----------
    series : str, optional
        A part of the series' description, or its number or UID.
    instances : str, optional
        Instance numbers and ranges of them, as in ``"1,4-9"``.

    Raises
    ------
    SettingsError
    """
    if series is None and instances is None:
        return None
    numbers = _numbers(instances) if instances is not None else []
    tags = ["SeriesDescription", "SeriesNumber", "SeriesInstanceUID", "InstanceNumber"]

    def chosen(path: Path) -> bool:
        try:
            dataset = parse(path, stop_before_pixels=True, specific_tags=tags)
            number = int(dataset.get("InstanceNumber") or 0)
        except Exception:  # damaged: read, so that its row says so
            return True
        told = " ".join(str(dataset.get("SeriesDescription") or "").split()).casefold()
        exact = (str(dataset.get("SeriesNumber") or ""), str(dataset.get("SeriesInstanceUID") or ""))
        of_series = series is None or series.casefold() in told or series in exact
        return of_series and (not numbers or any(low <= number <= high for low, high in numbers))

    return chosen


def _numbers(text: str) -> list[tuple[int, int]]:
    found = [re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part) for part in text.split(",")]
    ranges = [(int(part[1]), int(part[2] or part[1])) for part in found if part]
    if len(ranges) < len(found) or any(low > high for low, high in ranges):
        raise SettingsError(f"Instances are chosen by their numbers, such as 1 or 1,4-9; not by '{text}'.")
    return ranges


#: Columns of the tables where identifiers are kept, and the DICOM elements that they hold.
IDENTIFIERS = {
    "patient_id": "PatientID",
    "accession_number": "AccessionNumber",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "sop_instance_uid": "SOPInstanceUID",
}


def identifiers(path: str | Path, series: str | None = None) -> dict[str, str]:
    """Return what a DICOM file tells of patient and study, by the names of `IDENTIFIERS`; empty for other files.

    Parameters
    ----------
    path : path
        Of a file, or of a folder with a series, whose files have no one instance.
    series : str, optional
        The label of the series in the folder.
    """
    path = Path(path)
    try:
        file = path
        if path.is_dir():
            file = next(found.files[0] for found in series_in(path) if series in (None, found.label))
        if not is_dicom(file):
            return {}
        dataset = parse(file, stop_before_pixels=True, specific_tags=list(IDENTIFIERS.values()))
        told = {name: " ".join(str(dataset.get(tag) or "").split()) for name, tag in IDENTIFIERS.items()}
    except Exception:  # a forged header raises what it likes
        _log.debug("no identifiers in %s", path)
        return {}
    return told if file == path else told | {"sop_instance_uid": ""}


def parse(source: Any, **options: Any) -> Any:
    """Return a file's data set, as `pydicom.dcmread` does."""
    from pydicom import dcmread

    _quiet()
    return dcmread(source, **options)


@functools.cache
def _quiet() -> None:
    # pydicom's warnings quote what stands in the file; nothing of a patient is to appear on a terminal or in a log.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\b")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def series_in(folder: str | Path) -> list[Series]:
    """Return the series of pictures in a folder, not of those below it, sorted by label."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file())
    return series_of(path for path in (Path(folder) / name for name in names) if is_dicom(path))


def series_of(paths: Iterable[Path]) -> list[Series]:
    """Return the series that DICOM files belong to, sorted by label; what holds no picture is left out."""
    groups: list[list[_Head]] = []
    for head in (known for path in paths if (known := _head(path)) is not None):
        fitting = (group for group in groups if group[0].uid == head.uid and _alike(group[0], head))
        group = next(fitting, None)
        if group is None:
            groups.append([head])
        else:
            group.append(head)
    labels = _labels([group[0] for group in groups])
    found = [
        Series(label, tuple(head.path for head in group), group[0].damaged)
        for label, group in zip(labels, groups, strict=True)
    ]
    return sorted(found, key=lambda series: series.label)


def choose(found: Sequence[Series], wanted: str | None, name: str) -> Series:
    """Return the series whose description holds `wanted`, or "flair" where nobody said which.

    Raises
    ------
    UnreadableError
        If none or several fit; it lists them. If a damaged file may be a slice of it.
    """
    for series in found:
        if series.damaged:
            raise UnreadableError(
                f"{name}: {series.files[0].name} is a damaged DICOM file; which series lacks it can't be told. Copy it "
                "again from its source, or move it out of the folder."
            )
    if len(found) == 1 and wanted is None:
        return found[0]
    text = (FLAIR if wanted is None else wanted).casefold()
    exact = [series for series in found if series.label.casefold() == text]
    fitting = exact or [series for series in found if text in series.label.casefold()]
    if len(fitting) == 1:
        return fitting[0]
    several = f"{len(fitting)} of them fit" if fitting else "none of them fits"
    listed = ", ".join(f"'{series.label}'" for series in (fitting or found)[:20])
    raise UnreadableError(
        f"{name} holds {len(found)} DICOM series, and {several} '{FLAIR if wanted is None else wanted}': {listed}. "
        "Choose one by a part of its description with --series, or open one of its files."
    )


def directions(text: Any) -> NDArray[np.float64] | None:
    """Return ImageOrientationPatient as two rows of unit length (along a row, along a column); None if it is none."""
    try:
        pair = np.array([float(value) for value in text], np.float64).reshape(2, 3)
    except (TypeError, ValueError):
        return None
    lengths = np.linalg.norm(pair, axis=1)
    if not np.isfinite(pair).all() or (abs(lengths - 1) > 0.05).any() or abs(pair[0] @ pair[1]) > 0.05:
        return None
    unit: NDArray[np.float64] = pair / lengths[:, None]
    return unit


def group_item(dataset: Any, number: int, sequence: str) -> Any:
    """Return an enhanced file's functional group for a frame, its own or the shared one; None where it has none."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for item in (*per_frame[number : number + 1], *shared[:1]):
        inner = item.get(sequence)
        if inner:
            return inner[0]
    return None


def _head(path: Path) -> _Head | None:
    try:
        dataset = parse(path, stop_before_pixels=True, specific_tags=_TAGS)
        if dataset.get("Modality") in _NO_PICTURES:
            return None
        if "Rows" not in dataset:
            kind = dataset.file_meta.get("MediaStorageSOPClassUID")
            if kind is not None and "Image Storage" in kind.name:
                raise ValueError("cut short within its header")
            return None
        plane = group_item(dataset, 0, "PlaneOrientationSequence") or dataset
        return _Head(
            path,
            str(dataset.get("SeriesInstanceUID", "")),
            " ".join(str(dataset.get("SeriesDescription") or "").split()),
            str(dataset.get("SeriesNumber") or ""),
            directions(plane.get("ImageOrientationPatient")),
        )
    except Exception:  # a forged header raises what it likes; the file belongs to a series without a name
        _log.debug("no DICOM header in %s", path)
        return _Head(path, f"damaged {path.name}", f"damaged file {path.name}", "", None, True)


def _alike(one: _Head, other: _Head) -> bool:
    if one.directions is None or other.directions is None:
        return one.directions is other.directions
    return bool(abs(one.directions - other.directions).max() < _SAME)


def _labels(heads: Sequence[_Head]) -> list[str]:
    """Return a distinct label a group: the description, where needed with its plane, its number, or counted."""
    named = [replace(h, description=h.description or f"series {h.number}".strip()) for h in heads]
    of_series = Counter(head.uid for head in named)
    labels = [h.description if of_series[h.uid] == 1 else f"{h.description} ({_plane(h)})" for h in named]
    count = Counter(labels)
    labels = [t if count[t] == 1 else f"{t} #{h.number}" for t, h in zip(labels, named, strict=True)]
    seen: Counter[str] = Counter()
    distinct = []
    for label in labels:
        seen[label] += 1
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return distinct


def _plane(head: _Head) -> str:
    if head.directions is None:
        return "no orientation"
    return _PLANES[int(np.argmax(abs(np.cross(*head.directions))))]
