"""Ultrasound DICOM: a still, or a loop as a stack of frames, as grey values with its regions' millimetres."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.growth.dating import parse_date, possible_lmp
from fetalseg.io import dicom, dicom_regions
from fetalseg.io.decoded import Decoded, check_size, coloured, finite, grey

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420", "YBR_PARTIAL_422")
_PALETTE = "PALETTE COLOR"
_EMPTY = "holds no picture"


def decode(data: bytes, name: str) -> Decoded:
    """Read an ultrasound DICOM file from its bytes.

    Grey (also inverted), colour, palette; uncompressed, RLE, JPEG (baseline, lossless, LS, 2000). No one's name, number
    or birthday is taken from the file; of the patient only the last period, by which the head's age is told.

    Raises
    ------
    UnreadableError
        If it is damaged, cut short, too large, of another kind, or holds no picture.
    """
    try:
        dataset = dicom.parse(BytesIO(data))
        _check(dataset, name)
        frames = int(dataset.get("NumberOfFrames") or 1)
        shape = (int(dataset.Rows), int(dataset.Columns))
        check_size(name, *shape, frames)
        pixels, colours = _pixels(dataset, frames, shape)
        regions, spacing = dicom_regions.scales(dataset, name.rsplit("/", 1)[-1], frames, shape)
        told = _about(dataset)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # decoders raise what they like on forged bytes
        text = " ".join(str(error).split())[:100] or type(error).__name__
        raise UnreadableError(f"{name} is damaged or cut short ({text}). Copy it again from its source.") from error
    values, notes = finite(pixels, name)
    notes = (*notes, "colour") if colours else notes
    return Decoded(
        values, values.shape if frames > 1 else shape, spacing, notes, regions=regions, modality="US", **told
    )


def _check(dataset: Any, name: str) -> None:
    """Raise for what is no ultrasound picture."""
    modality = str(dataset.get("Modality") or "").strip().upper()
    kind = str(getattr(dataset.get("SOPClassUID"), "name", ""))
    if modality not in dicom.MAYBE_ULTRASOUND and "Ultrasound" not in kind:
        raise UnreadableError(
            f"{name} is a DICOM file of the modality {modality}, no ultrasound picture. Volumes are for the tasks "
            "tumour and fetal-brain."
        )
    if "Rows" not in dataset or not any(f"{kind}PixelData" in dataset for kind in ("", "Float", "DoubleFloat")):
        if "Image Storage" in kind:
            raise UnreadableError(f"{name} is damaged or cut short (no pixels). Copy it again from its source.")
        raise UnreadableError(f"{name} is a DICOM file that {_EMPTY}.")
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    if photometric not in (*_GREY, *_COLOUR, _PALETTE):
        raise UnreadableError(
            f"{name} holds pixels of the kind '{photometric}', which can't be read here; export it as RGB or "
            "MONOCHROME2."
        )


def _pixels(dataset: Any, frames: int, shape: tuple[int, int]) -> tuple[NDArray[Any], bool]:
    """Return grey values (frames, rows, columns), and whether there are colours.

    One frame after another, so that a loop in colour is never whole in memory.
    """
    stack: NDArray[Any] | None = None
    colours, number = False, 0
    for number, frame in enumerate(_frames(dataset, frames), start=1):
        picture, colour = _grey(np.asarray(frame), dataset)
        if number > frames or picture.shape != shape:
            raise ValueError("its pixels are not those that its header tells of")
        if stack is None:
            stack = np.empty((frames, *shape), picture.dtype)
        stack[number - 1] = picture
        colours = colours or colour
    if stack is None or number < frames:
        raise ValueError(f"{number} of {frames} frames are there")
    return stack, colours


def _frames(dataset: Any, frames: int) -> Iterator[Any]:
    """Yield the frames decoded, colours as red, green and blue."""
    from pydicom.pixels import iter_pixels, pixel_array

    from fetalseg.io import dicom_codecs

    dicom_codecs.register()
    native = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    if native and dataset.PhotometricInterpretation == "YBR_FULL_422" and frames > 1:
        # Iterating, pydicom 3 takes the frames after the first for larger than they are.
        yield from (pixel_array(dataset, index=number) for number in range(frames))
    else:
        yield from iter_pixels(dataset)


def _grey(frame: NDArray[Any], dataset: Any) -> tuple[NDArray[Any], bool]:
    """Return a frame's grey values, black being low, and whether it has colours."""
    from pydicom.pixels import apply_color_lut

    photometric = str(dataset.PhotometricInterpretation)
    if photometric == _PALETTE:
        frame = np.asarray(apply_color_lut(frame, dataset))
    if frame.ndim == 3:
        return np.asarray(grey(frame)), coloured(frame)
    if photometric == "MONOCHROME1":
        bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
        top = {"i": -1, "u": (1 << bits) - 1}.get(frame.dtype.kind, 0)
        frame = np.asarray(top - frame, frame.dtype)
    return frame.astype(frame.dtype.newbyteorder("="), copy=False), False


def about(path: str | Path) -> dict[str, Any]:
    """Return what the header of a file tells of its scan, without reading the picture.

    Returns
    -------
    dict
        ``study_date``, ``lmp`` (both ISO) and ``machine``, each None where the file does not tell it, and
        ``description``.

    Raises
    ------
    UnreadableError
        If it can't be read or is no DICOM file.
    """
    path = Path(path)
    try:
        if not dicom.is_dicom(path):
            there = "is no DICOM file" if path.is_file() else "is not there"
            raise UnreadableError(f"{path} {there}, so it tells no scan date and no machine.")
        return _about(dicom.parse(path, stop_before_pixels=True))
    except UnreadableError:
        raise
    except Exception as error:  # a forged header raises what it likes
        raise UnreadableError(f"{path} is damaged: its header can't be read.") from error


def _about(dataset: Any) -> dict[str, Any]:
    """Return the day of the study, the machine, the series' description, and of the patient the last period."""
    dates = (_date(dataset.get(f"{what}Date")) for what in ("Study", "Series", "Acquisition", "Content"))
    study_date = next((date for date in dates if date), None)
    maker, model = (_words(dataset.get(name)) for name in ("Manufacturer", "ManufacturerModelName"))
    machine = model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}".strip()
    return {
        "description": _words(dataset.get("SeriesDescription")),
        "study_date": study_date,
        "lmp": _last_period(dataset, study_date),
        "machine": machine or None,
    }


def _last_period(dataset: Any, study_date: str | None) -> str | None:
    """Return the last period that a file tells, where it can be that of its own day: records keep those of before."""
    lmp = _date(dataset.get("LastMenstrualDate"))
    if lmp is None or study_date is None:
        return None
    return lmp if possible_lmp(parse_date(lmp), parse_date(study_date)) else None


def _words(value: Any) -> str:
    return " ".join(str(value or "").split())


def _date(value: Any) -> str | None:
    try:  # old machines wrote points between
        return datetime.datetime.strptime(str(value or "").replace(".", ""), "%Y%m%d").date().isoformat()
    except ValueError:
        return None
