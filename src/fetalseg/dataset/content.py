"""Pictures and masks in a data set's folder. A mask's file is named by its content's hash and never written over."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import tasks
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.entry import Entry
from fetalseg.errors import DatasetError, UnreadableError
from fetalseg.io import nifti, registry
from fetalseg.io.atomic import atomic_write, write_mask
from fetalseg.result import Ellipse
from fetalseg.scan import Layout, Scan

IMAGES, MASKS, PREDICTIONS = "images", "masks", "predictions"
FOLDERS = (IMAGES, MASKS, PREDICTIONS)
_HASH_DIGITS = 12
_LONGEST = 80


@dataclass(frozen=True, eq=False)
class Image:
    """A scan's file as the data set keeps it.

    Parameters
    ----------
    ending : str
        With the dot.
    source : Path or bytes
        What is copied, or written.
    sha256 : str
    """

    ending: str
    source: Path | bytes
    sha256: str


def image_of(scan: Scan, frame: int | None, task: str) -> Image:
    """Return the file that stands for a scan, or for one of its frames.

    A file that holds just that is copied byte by byte. Frames of loops and DICOM become PNG (whole numbers up to
    16 bit) or TIFF, DICOM series and numbered slices NIfTI, so that no name of a patient comes along.
    """
    if scan.path is not None and scan.path.is_file() and scan.sha256 is not None:
        ending = registry.ending(scan.path)
        if ending is not None and (tasks.get(task).VOLUME or scan.frames == 1):
            return Image(ending, scan.path, scan.sha256)
    ending, data = _encoded(scan, frame, volume=tasks.get(task).VOLUME)
    return Image(ending, data, hashlib.sha256(data).hexdigest())


def _encoded(scan: Scan, frame: int | None, *, volume: bool) -> tuple[str, bytes]:
    import imagecodecs
    import tifffile

    if volume and scan.layout is not None and scan.layout.affine is not None:
        return ".nii.gz", nifti_bytes(scan)
    array = scan.pixels if volume else scan.pixels[frame or 0]
    if not volume and array.dtype in (np.uint8, np.uint16):
        return ".png", bytes(imagecodecs.png_encode(np.ascontiguousarray(array)))
    file = BytesIO()
    tifffile.imwrite(file, array, photometric="minisblack", compression="zlib", software="napari-fetalseg")
    return ".tif", file.getvalue()


def nifti_bytes(scan: Scan) -> bytes:
    """Return a volume as a compressed NIfTI file, in its own place in space where that is known."""
    layout = scan.layout
    if layout is not None and layout.affine is not None and layout.kind != "nifti":
        return _nifti_file(columns_first(layout.to_stored(scan.pixels)), layout.affine[:, [2, 1, 0, 3]])
    if layout is not None and layout.affine is not None:
        return _nifti_file(layout.to_stored(scan.pixels), layout.affine)
    return _nifti_file(columns_first(scan.pixels), affine_of(scan))


def affine_of(scan: Scan) -> NDArray[np.float64]:
    """Return the affine (columns, rows, slices to RAS mm) of axial slices whose place is not known.

    Columns run to the patient's left and rows to the back, as slices are looked at; 1 mm where no spacing is known.
    """
    spacing = scan.spacing
    sizes = (spacing.column_mm, spacing.row_mm, spacing.slice_mm or 1.0) if spacing else (1.0, 1.0, 1.0)
    return np.diag([-sizes[0], -sizes[1], sizes[2], 1.0])


def columns_first(array: NDArray[Any]) -> NDArray[Any]:
    """Return (slices, rows, columns) or (rows, columns) as NIfTI counts: (columns, rows, slices)."""
    return array.reshape((1,) * (3 - array.ndim) + array.shape).transpose(2, 1, 0)


def _nifti_file(array: NDArray[Any], affine: NDArray[np.float64]) -> bytes:
    import gzip

    import nibabel

    if array.dtype == np.int64 or array.dtype == np.uint64:  # what few programs read
        array = array.astype(np.int32)
    image = nibabel.Nifti1Image(np.ascontiguousarray(array), affine)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def save_image(folder: Path, item: str, image: Image) -> str:
    """Write an item's picture; return its path relative to the data set."""
    relative = f"{IMAGES}/{item}{image.ending}"
    source = image.source
    if isinstance(source, bytes):
        atomic_write(folder / relative, lambda file: file.write(source))
        return relative
    try:
        data = source.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{source.name} can't be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise UnreadableError(f"{source.name} changed while it was read. Import it again.")
    atomic_write(folder / relative, lambda file: file.write(data))
    return relative


def save_mask(folder: Path, kind: str, item: str, annotation: Annotation, layout: Layout | None) -> str:
    """Write a mask in the shape and order of its picture's file; return its path relative to the data set.

    Parameters
    ----------
    folder : Path
        The data set.
    kind : {"masks", "predictions"}
    item : str
    annotation : Annotation
    layout : Layout or None
        Of a volume.
    """
    relative = f"{kind}/{item}.{annotation.version[:_HASH_DIGITS]}{'.nii.gz' if _as_nifti(layout) else '.tif'}"
    path = folder / relative
    if path.exists():
        return relative
    stored = layout.to_stored(annotation.mask) if layout is not None else annotation.mask
    if layout is not None and _as_nifti(layout):
        nifti.write(path, stored, layout.origin)
    else:
        write_mask(path, stored)
    return relative


def _as_nifti(layout: Layout | None) -> bool:
    return layout is not None and layout.kind == "nifti"


def read_image(folder: Path, entry: Entry) -> Scan:
    """Read an item's picture with the data set's spacing.

    Raises
    ------
    UnreadableError
    """
    scan = registry.read(folder / entry.image, name=entry.item)
    return scan.with_spacing(entry.spacing)


def read_mask(folder: Path, relative: str, entry: Entry, ellipse: Ellipse | None) -> Annotation:
    """Read a mask as the item's scan lies.

    Raises
    ------
    UnreadableError, DatasetError
        If it can't be read or has another size than its picture.
    """
    mask = registry.read(folder / relative, name=relative).pixels
    if len(entry.shape) == 2 and len(mask) == 1:
        mask = mask[0]
    if mask.shape != entry.shape:
        raise DatasetError(
            f"{relative} is {size_text(mask.shape)}, its picture {size_text(entry.shape)}: it belongs to another one."
        )
    if mask.dtype not in (np.uint8, np.uint16):
        mask = mask.astype(np.uint16)
    return Annotation(mask, ellipse)


def size_text(shape: tuple[int, ...]) -> str:
    """Return a size in words: ``800 x 540 pixels``, with slices where there are."""
    plane = f"{shape[-1]} x {shape[-2]} pixels"
    return f"{plane} in {shape[0]} slices" if len(shape) == 3 else plane


def item_name(wanted: str, taken: Iterable[str]) -> str:
    """Return a name that any disk takes and that no other item has, whatever the capitals.

    Parameters
    ----------
    wanted : str
    taken : names in lower case (`str.casefold`).
    """
    name = re.sub(r"[^\w.-]+", "_", wanted.replace("/", "_")).strip("._ ")[:_LONGEST] or "item"
    known = set(taken) if not isinstance(taken, set) else taken
    made, number = name, 2
    while made.casefold() in known:
        made, number = f"{name}~{number}", number + 1
    return made
