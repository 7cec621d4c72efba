"""Ultrasound DICOM files made here: pixels in every encoding, regions with any values."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

#: Nothing of these may reach an output.
PATIENT = {"PatientName": "Mustermann^Erika", "PatientID": "PID-4711", "PatientBirthDate": "19911213"}
#: How a picture can be stored.
ENCODINGS = (
    *("MONOCHROME2", "MONOCHROME1", "16 bit", "RGB", "RGB planar", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR"),
    *("RLE", "RLE RGB", "JPEG", "JPEG RGB", "JPEG 2000", "JPEG 2000 RGB"),
)
#: Those that keep each grey value.
EXACT = tuple(name for name in ENCODINGS if not name.startswith(("JPEG", "YBR")) or name.startswith("JPEG 2000"))


def region(box: tuple[int, int, int, int], x_cm: float = 0.05, y_cm: float | None = None, **values: Any) -> Dataset:
    """A 2-D tissue region; `box` is first row, last row, first column, last column."""
    made = Dataset()
    made.RegionSpatialFormat, made.RegionDataType, made.RegionFlags = 1, 1, 2
    made.RegionLocationMinY0, made.RegionLocationMaxY1, made.RegionLocationMinX0, made.RegionLocationMaxX1 = box
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = 3
    made.PhysicalDeltaX, made.PhysicalDeltaY = x_cm, x_cm if y_cm is None else y_cm
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def whole(pixels: np.ndarray, x_cm: float = 0.05, y_cm: float | None = None, **values: Any) -> Dataset:
    """A 2-D tissue region of the whole picture."""
    return region((0, pixels.shape[-2] - 1, 0, pixels.shape[-1] - 1), x_cm, y_cm, **values)


def dicom(
    path: Path, pixels: np.ndarray, regions: tuple[Dataset, ...] = (), encoding: str = "MONOCHROME2", **values: Any
) -> FileDataset:
    """Write a still (rows, columns), or a loop (frames, rows, columns), of 8-bit grey values."""
    stack = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    kind = UltrasoundImageStorage if pixels.ndim == 2 else UltrasoundMultiFrameImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.Modality, made.StudyDate, made.StudyTime = "US", "20240520", "101112"
    for keyword, value in PATIENT.items():
        setattr(made, keyword, value)
    made.Rows, made.Columns = stack.shape[1:]
    if pixels.ndim == 3:
        made.NumberOfFrames = len(stack)
    if regions:
        made.SequenceOfUltrasoundRegions = list(regions)
    _fill(made, np.ascontiguousarray(stack), encoding)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return made


def _fill(made: FileDataset, stack: np.ndarray, encoding: str) -> None:
    """Store pixels as `encoding` says."""
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    if encoding.endswith("RGB") or encoding in ("RGB planar", "YBR_FULL", "YBR_FULL_422"):
        made.SamplesPerPixel, made.PlanarConfiguration = 3, 0
        made.PhotometricInterpretation = encoding if encoding.startswith("YBR") else "RGB"
    colour = np.repeat(stack[..., np.newaxis], made.SamplesPerPixel, axis=-1) if made.SamplesPerPixel > 1 else stack
    if encoding == "MONOCHROME1":
        made.PhotometricInterpretation, colour = encoding, 255 - stack
    elif encoding == "16 bit":
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
        colour = stack.astype("<u2") * 16
    elif encoding == "RGB planar":
        made.PlanarConfiguration, colour = 1, np.moveaxis(colour, -1, 1)
    elif encoding == "YBR_FULL":
        colour[..., 1:] = 128
    elif encoding == "YBR_FULL_422":  # two grey values share their colours
        pairs = stack.reshape(*stack.shape[:2], -1, 2)
        colour = np.concatenate([pairs, np.full_like(pairs, 128)], axis=-1)
    elif encoding == "PALETTE COLOR":  # the table runs backwards: what is bright has a low number
        made.PhotometricInterpretation, colour = encoding, 255 - stack
        for channel in ("Red", "Green", "Blue"):
            setattr(made, f"{channel}PaletteColorLookupTableDescriptor", [256, 0, 16])
            table = (np.arange(255, -1, -1, dtype="<u2") * 257).tobytes()
            setattr(made, f"{channel}PaletteColorLookupTableData", table)
    made.PixelData = np.ascontiguousarray(colour).tobytes()
    if encoding.startswith("RLE"):
        made.compress(RLELossless, generate_instance_uid=False)
    elif encoding.startswith("JPEG"):
        newer = encoding.startswith("JPEG 2000")
        frames = [_encoded(frame, "JPEG2000" if newer else "JPEG") for frame in colour]
        made.PixelData = encapsulate(frames)
        made.file_meta.TransferSyntaxUID = JPEG2000Lossless if newer else JPEGBaseline8Bit
        if made.SamplesPerPixel > 1:
            made.PhotometricInterpretation = "YBR_RCT" if newer else "YBR_FULL_422"


def _encoded(frame: np.ndarray, form: str) -> bytes:
    file = BytesIO()
    options = {"irreversible": False, "no_jp2": True, "mct": 1} if form == "JPEG2000" else {"quality": 95}
    if frame.ndim == 2:
        options.pop("mct", None)
    Image.fromarray(frame).save(file, form, **options)
    return file.getvalue()
