"""NIfTI volumes (.nii, .nii.gz): axial slices whatever order their axes are stored in, and files of the same order."""

from __future__ import annotations

import gzip
import math
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.io import orientation
from fetalseg.io.atomic import atomic_write
from fetalseg.io.decoded import Decoded, check_size, finite
from fetalseg.scan import Layout, Spacing

_GZIP = b"\x1f\x8b"
_HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 has 348
_FIRST_VOXEL = {348: 352, 540: 544}
_MM = {"mm": 1.0, "meter": 1e3, "micron": 1e-3, "unknown": 1.0}
"""NIfTI's affines are in mm where no unit is written, as its predecessor's sizes are."""
_SINGLE = 1e-6  # a few roundings of single precision
_KEPT = (
    *("pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y"),
    *("qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units"),
)
"""What a mask's header takes over: where its voxels lie. Words in the header may name a patient; they stay behind."""


def decode(data: bytes, name: str) -> Decoded:
    """Read a NIfTI-1 or NIfTI-2 volume (.nii) from its bytes.

    Any of the 48 orders of axes, and oblique affines by their closest axes, become axial slices. Where the header
    tells no orientation (both codes 0), the note is ``no_orientation``; where it is damaged, ``bad_affine``.

    Raises
    ------
    UnreadableError
        If it is no NIfTI, damaged, cut short, empty or too large, holds several volumes, colours or complex numbers.
    """
    if data.startswith(_GZIP):
        raise UnreadableError(f"{name} is compressed; rename it to end in .nii.gz.")
    with BytesIO(data) as file:
        return _guarded(file, name)


def decode_compressed(data: bytes, name: str) -> Decoded:
    """Read a compressed volume (.nii.gz) as `decode` does; no more of it is unpacked than its header announces."""
    if not data.startswith(_GZIP):
        raise UnreadableError(f"{name} is not compressed, although its ending says so; rename it to end in .nii.")
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        return _guarded(file, name)


def _guarded(file: Any, name: str) -> Decoded:
    try:
        return _decode(file, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _cut(name) from error
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # a forged header raises what it likes
        text = " ".join(str(error).split())[:100] or type(error).__name__
        raise UnreadableError(f"{name} can't be decoded ({text}). It is damaged or of an unknown kind.") from error


def _cut(name: str) -> UnreadableError:
    return UnreadableError(f"{name} is cut short or damaged: not all of its voxels are there. Copy it again.")


def _decode(file: Any, name: str) -> Decoded:
    start = file.read(_HEADER_BYTES)
    header = _header(start, name)
    shape = _shape(header, name)
    stored = _voxels(file, start, header, shape, name)
    pixels, notes = finite(stored, name)
    affine, note = _affine(header)
    layout = orientation.layout(shape, affine, "nifti", _bare(header))
    volume = np.ascontiguousarray(layout.from_stored(pixels))
    return Decoded(
        volume,
        volume.shape,
        _spacing(header, layout, note, name.rsplit("/", 1)[-1]),
        (*notes, note) if note else notes,
        layout=layout,
        oriented=affine is not None,
    )


def _header(start: bytes, name: str) -> Any:
    """Return the header as it was written; nibabel's own check would put 1 in place of a voxel size of 0."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    if not start:
        raise UnreadableError(f"{name} is empty. Copy it again from its source.")
    sizes = {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")}
    if 348 in sizes and start[344:348] == b"n+1\0":
        return Nifti1Header(start[:348], check=False)
    if 540 in sizes and start[4:8] == b"n+2\0" and len(start) == _HEADER_BYTES:
        return Nifti2Header(start, check=False)
    if start[344:347] == b"ni1" or start[4:7] == b"ni2":
        raise UnreadableError(f"{name} is a NIfTI header without its voxels (.hdr and .img); save both as one .nii.")
    raise UnreadableError(f"{name} is no NIfTI volume, although its ending says so.")


def _shape(header: Any, name: str) -> tuple[int, ...]:
    """Return the shape of the one volume, two or three axes."""
    dim = [int(n) for n in header["dim"]]
    if not 1 <= dim[0] <= 7:
        raise UnreadableError(f"{name} is damaged: its header names {dim[0]} axes.")
    shape = tuple(dim[1 : dim[0] + 1])
    if len(shape) < 2:
        raise UnreadableError(f"{name} has no rows and columns (its shape is {shape}).")
    check_size(name, shape[1], shape[0], math.prod(shape[2:3]))
    volumes = math.prod(shape[3:])
    if volumes != 1:
        if volumes < 1:
            raise UnreadableError(f"{name} has no voxels (its shape is {shape}).")
        raise UnreadableError(
            f"{name} holds {volumes} volumes (its shape is {' x '.join(map(str, shape))}), as a series in time or "
            "several contrasts do. Save the one to measure as a file of its own (fslroi, or nibabel's four_to_three)."
        )
    return shape[:3]


def _voxels(file: Any, start: bytes, header: Any, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """Return the voxels of the stored shape, scaled as the header says."""
    try:
        dtype = header.get_data_dtype()
    except KeyError as error:
        kind = int(header["datatype"])
        raise UnreadableError(f"{name} is damaged: no kind of numbers has the code {kind} that it names.") from error
    if dtype.fields is not None:
        raise UnreadableError(f"{name} is a colour picture (RGB), no volume of grey values. Save one channel of it.")
    if dtype.kind not in "uif":
        raise UnreadableError(f"{name} holds numbers of the kind {dtype}, which are no grey values.")
    first = max(int(header["vox_offset"]), _FIRST_VOXEL[int(header["sizeof_hdr"])])
    size = math.prod(shape) * dtype.itemsize
    raw = bytearray((start + file.read(max(0, first - len(start))))[first:])
    raw += file.read(max(0, size - len(raw)))
    if len(raw) < size:
        raise _cut(name)
    while file.read(1 << 20):  # gzip checks its sum at the end only
        pass
    array: NDArray[Any] = np.frombuffer(raw, dtype, math.prod(shape)).reshape(shape, order="F")
    slope, inter = header.get_slope_inter()
    if slope is not None and (slope, inter) != (1, 0):
        # Python's floats take the array's own width.
        wide: NDArray[Any] = array.astype(np.float32 if dtype.itemsize <= 2 else np.float64)
        wide *= float(slope)
        wide += float(inter or 0)
        return wide
    if dtype.kind == "f" and dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _affine(header: Any) -> tuple[NDArray[np.float64] | None, str]:
    """Return the affine in mm, or None and the note that says why."""
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        return None, "no_orientation"
    if header["sform_code"] > 0:
        affine = header.get_sform()
    else:
        known = header.copy()
        if known["pixdim"][0] not in (-1, 1):
            known["pixdim"][0] = 1  # as the standard says of a sign that is not written
        try:
            affine = known.get_qform()
        except Exception:  # numbers that are no rotation
            return None, "bad_affine"
    affine = np.array(affine, np.float64)
    affine[:3] *= _MM.get(header.get_xyzt_units()[0], 1.0)
    return (affine, "") if orientation.sound(affine) else (None, "bad_affine")


def _spacing(header: Any, layout: Layout, note: str, base: str) -> Spacing | None:
    """Return the size of a voxel: of the affine, else as the header lists it and only where it can be told from none.

    A damaged affine leaves no trust in a size whose unit is not written; and sizes of 1 without a unit are what
    a writer that knew none left behind.
    """
    unit = header.get_xyzt_units()[0]
    written = np.array(header["pixdim"][1:4], np.float64) * _MM.get(unit, 1.0)
    if layout.affine is not None:
        sizes = np.linalg.norm(layout.affine[:3, :3], axis=0)
        # A turned affine's lengths are the written sizes but for its own rounding.
        sizes = np.where(np.isclose(sizes, written, rtol=_SINGLE, atol=0), written, sizes)
    else:
        told = unit != "unknown" and (note != "bad_affine" or unit == "mm")
        if not told and (note == "bad_affine" or (written == 1).all()):
            return None
        sizes = written
    slices, rows, columns = (_decimal(sizes[axis]) for axis in layout.axes)
    positive = [math.isfinite(size) and size > 0 for size in (slices, rows, columns)]
    if not all(positive[1:]):
        return None
    known = positive[0] and len(layout.stored_shape) > 2
    return Spacing(rows, columns, f"{base} (NIfTI header)", slices if known else None)


def _decimal(size: float) -> float:
    """Return a size as it was meant: 1.1 where single precision holds 1.10000002384."""
    with np.errstate(over="ignore"):
        return float(str(np.float32(size)))


def _bare(header: Any) -> Any:
    """Return a header of the same kind and byte order that knows the volume's place alone."""
    own = type(header)(endianness=header.endianness)
    for field in _KEPT:
        own[field] = header[field]
    try:
        own.get_qform()
    except Exception:  # numbers that are no rotation: programs refuse the whole file for them
        own["qform_code"] = own["quatern_b"] = own["quatern_c"] = own["quatern_d"] = 0
    return own


def write(path: str | Path, stored: NDArray[Any], header: Any, about: str = "") -> Path:
    """Write integers of the stored shape as .nii.gz that lies where the volume of `header` lies.

    Parameters
    ----------
    path : path
    stored : ndarray of uint8 or uint16
        In the order of the volume's own axes.
    header : nibabel.Nifti1Header or Nifti2Header
        Affine, codes, sizes and units are taken over bit by bit; the numbers are not scaled.
    about : str
        Up to 79 ASCII characters for the header's description.
    """
    own = _bare(header)
    own["descrip"] = about.encode("ascii")
    own.set_data_dtype(stored.dtype)
    own.set_data_shape(stored.shape)
    own["vox_offset"] = _FIRST_VOXEL[int(own["sizeof_hdr"])]
    own["scl_slope"], own["scl_inter"] = 1, 0
    own["magic"] = b"n+1" if int(own["sizeof_hdr"]) == 348 else b"n+2\0\r\n\x1a\n"
    voxels = np.asarray(stored, own.get_data_dtype()).tobytes(order="F")

    def write_to(file: BinaryIO) -> None:
        # No name and no time inside: the same mask is the same file.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            packed.write(own.binaryblock + b"\0" * 4 + voxels)

    return atomic_write(path, write_to)


def header_of(affine: NDArray[np.float64]) -> Any:
    """Return a header for a volume of another kind whose affine (RAS+, mm) is known."""
    from nibabel.nifti1 import Nifti1Header

    header = Nifti1Header()
    header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner")
    header.set_xyzt_units("mm")
    return header
