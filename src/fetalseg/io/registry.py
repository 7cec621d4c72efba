"""Which reader reads which ending. A new format is one new file and one line here."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from fetalseg.errors import UnreadableError
from fetalseg.io import dicom, dicom_ultrasound, dicom_volume, nifti, pictures, slice_folder, tiff
from fetalseg.io.decoded import Decoded
from fetalseg.scan import Scan, Spacing

_log = logging.getLogger(__name__)

Reader = Callable[[bytes, str], Decoded]

ENDINGS: dict[str, Reader] = {
    ".png": pictures.decode,
    ".jpg": pictures.decode,
    ".jpeg": pictures.decode,
    ".tif": tiff.decode,
    ".tiff": tiff.decode,
}
"""Endings in lower case, with the dot; an ending may have two parts."""

VOLUME_ENDINGS: dict[str, Reader] = {".nii": nifti.decode, ".nii.gz": nifti.decode_compressed}
"""The same, of files that hold a volume and nothing else."""
_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
_MASKS = tuple(f"_{what}{end}" for what in ("mask", "lesions") for end in (".tif", *VOLUME_ENDINGS))

HEADERS: dict[str, Callable[[Path], Spacing | None]] = {".tif": tiff.stored_spacing, ".tiff": tiff.stored_spacing}
"""What reads the spacing alone, for the kinds that can hold one."""


def ending(name: str | Path) -> str | None:
    """Return the known ending of a file name, in lower case; None where no reader knows it."""
    text = Path(name).name.lower()
    known = [end for end in (*ENDINGS, *VOLUME_ENDINGS) if text.endswith(end) and len(text) > len(end)]
    return max(known, key=len) if known else None


def readable(path: str | Path, *, volumes: bool = False) -> bool:
    """Whether a reader knows the ending, also of files that hold volumes alone; the file is not touched."""
    end = ending(path)
    return end in ENDINGS or (volumes and end in VOLUME_ENDINGS)


def is_annotation(name: str) -> bool:
    """Whether a file name is HC18's annotation (``*_Annotation.*``) or this product's mask (``*_mask.tif``, ...)."""
    base = name.rsplit("/", 1)[-1].lower()
    return base.endswith(_MASKS) or base.rsplit(".", 1)[0].endswith("_annotation")


def kinds(*, volumes: bool) -> str:
    """Return the endings that can be read, for a sentence."""
    known = (*ENDINGS, *VOLUME_ENDINGS) if volumes else ENDINGS
    return f"{', '.join(sorted(known))}, and DICOM"


def stored_spacing(path: str | Path) -> Spacing | None:
    """Return the spacing that a file itself gives, without reading its pixels; None where it gives none."""
    header = HEADERS.get(ending(path) or "")
    if header is None:
        return None
    try:
        return header(Path(path))
    except Exception:  # a damaged header holds no spacing; `read` says what is wrong with the file
        _log.debug("no spacing in %s", path, exc_info=True)
        return None


def read(
    path: str | Path,
    *,
    name: str | None = None,
    spacing: Spacing | None = None,
    series: str | None = None,
    volumes: bool = True,
) -> Scan:
    """Read a scan.

    Parameters
    ----------
    path : path
        Of a file; of a folder with a DICOM series or with numbered slices; of one file of a DICOM series.
    name : str, optional
        What people call it; the file's name by default.
    spacing : Spacing, optional
        Stands in place of what the file itself says.
    series : str, optional
        A part of the description of a folder's series, or of the name of its slices.
    volumes : bool
        Whether NIfTI, DICOM series and folders are read too; else DICOM is read as an ultrasound picture or loop.

    Returns
    -------
    Scan
        With the sha256 of the bytes of its file, or of its files in order.

    Raises
    ------
    UnreadableError
        One sentence with the name: missing, a folder, empty, cut short, not what its ending says, ...
    """
    path = Path(path)
    name = path.name if name is None else name
    try:
        decoded, sha256 = _decoded(path, name, series, volumes)
    except MemoryError as error:
        raise UnreadableError(f"{name} does not fit into this computer's memory; save a smaller copy of it.") from error
    return Scan(
        pixels=decoded.pixels,
        name=name,
        spacing=decoded.spacing if spacing is None else spacing,
        shape=decoded.shape,
        path=path,
        sha256=sha256,
        notes=decoded.notes,
        layout=decoded.layout,
        modality=decoded.modality,
        description=decoded.description,
        study_date=decoded.study_date,
        machine=decoded.machine,
        oriented=decoded.oriented,
        regions=decoded.regions,
        lmp=decoded.lmp,
    )


def sha256(path: str | Path, name: str) -> str:
    """Return the hash that the `Scan` of a file has, without decoding it; raises as `read` does."""
    return hashlib.sha256(_bytes(Path(path), name)).hexdigest()


def _decoded(path: Path, name: str, series: str | None, volumes: bool) -> tuple[Decoded, str]:
    """Return what is there, and its hash."""
    if volumes and path.is_dir():
        return _folder(path, name, series)
    readers = ENDINGS | VOLUME_ENDINGS if volumes else ENDINGS
    reader = readers.get(ending(path) or "")
    if reader is None and path.is_file():  # told before gigabytes of a film are read
        reader = _dicom_reader(path, name, volumes)
        if reader is None:
            return dicom_volume.read(_series_with(path, name), name)
    data = _bytes(path, name)
    if not data:
        raise UnreadableError(f"{name} is empty (0 bytes). Copy it again from its source.")
    assert reader is not None
    return reader(data, name), hashlib.sha256(data).hexdigest()


def _dicom_reader(path: Path, name: str, volumes: bool) -> Reader | None:
    """Return what reads a DICOM file by itself; None for a part of a series."""
    if dicom.is_dicom(path):
        return None if volumes and dicom.modality(path) not in dicom.ULTRASOUND else dicom_ultrasound.decode
    if path.suffix.lower() in _DICOM_ENDINGS:
        empty = " (0 bytes)" if path.stat().st_size == 0 else ""
        raise UnreadableError(f"{name} is no DICOM file, although its ending says so{empty}.")
    raise UnreadableError(f"{name} is of no kind that can be read here; these are: {kinds(volumes=volumes)}.")


def _series_with(path: Path, name: str) -> dicom.Series:
    """Return the series that a DICOM file belongs to, of the files of its folder."""
    found = next((s for s in dicom.series_in(path.absolute().parent) if path.absolute() in s.files), None)
    if found is None:
        raise UnreadableError(f"{name} is a DICOM file without a picture. Give a file of the series to measure.")
    return found


def _folder(folder: Path, name: str, series: str | None) -> tuple[Decoded, str]:
    """Read the one volume that a folder's own files make."""
    try:
        found = dicom.series_in(folder)
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    except OSError as error:
        raise UnreadableError(f"{name} is a folder that can't be opened: {error.strerror}.") from error
    stacks = slice_folder.find(path for path in files if readable(path) and not is_annotation(path.name))
    exact = [stack for stack in stacks if stack.label == series]
    if found and not exact:
        return dicom_volume.read(dicom.choose(found, series, name), name)
    fitting = exact or [stack for stack in stacks if series is None or series.casefold() in stack.label.casefold()]
    if len(fitting) == 1:
        return slice_folder.read(fitting[0], name)
    if len(fitting) > 1:
        listed = ", ".join(f"'{stack.label}'" for stack in fitting[:20])
        raise UnreadableError(f"{name} is a folder with the slices of several volumes: {listed}. Choose one of them.")
    raise UnreadableError(f"{name} is a folder, not a scan. Give a file in it.")


def _bytes(path: Path, name: str) -> bytes:
    """Return the file's bytes, read once: they are hashed and decoded from memory."""
    try:
        if path.is_dir():
            raise UnreadableError(f"{name} is a folder, not a scan. Give a file in it.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableError(f"{name} is not there. Check the path.") from error
    except PermissionError as error:
        raise UnreadableError(f"{name} may not be read: you have no permission. Change its access rights.") from error
    except MemoryError as error:
        raise UnreadableError(f"{name} does not fit into this computer's memory; save a smaller copy of it.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(f"{name} can't be read: {reason}.") from error
