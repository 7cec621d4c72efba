"""Masks that know whether they are as a run wrote them, so that no run writes over a person's correction.

Each mask carries the hash of its own pixels. Whatever program changes and saves it leaves that hash out, or leaves one
that no longer fits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.io import nifti as nifti_files
from fetalseg.io.atomic import write_mask

_MARK = "as_written"


def tiff(path: Path, mask: NDArray[Any], keep: Container[Path] = ()) -> Path | None:
    """Write a mask as TIFF with its mark; return None where `keep` holds the path."""
    return None if path in keep else write_mask(path, mask, about={_MARK: _digest(mask)})


def nifti(path: Path, mask: NDArray[Any], header: Any, keep: Container[Path] = ()) -> Path | None:
    """The same as NIfTI; see `fetalseg.io.nifti.write`."""
    return None if path in keep else nifti_files.write(path, mask, header, f"{_MARK} {_digest(mask)}")


def is_as_written(path: Path, data: bytes) -> bool:
    """Whether a mask file's pixels are those that a run wrote; `data` are the file's bytes."""
    try:
        mask, mark = _decode(path, data)
    except Exception:  # another program's file raises what it likes
        return False
    return mark == _digest(mask)


def read(path: Path) -> NDArray[Any]:
    """Return a mask's whole numbers, whoever wrote it.

    Raises
    ------
    UnreadableError
    """
    try:
        mask, _ = _decode(path, path.read_bytes())
    except Exception as error:
        raise UnreadableError(f"{path.name} can't be read as a mask ({type(error).__name__}: {error}).") from error
    if mask.min(initial=0) < 0 or mask.max(initial=0) > np.iinfo(np.uint16).max or not (mask == np.rint(mask)).all():
        raise UnreadableError(f"{path.name} is no mask: it holds numbers that are no labels.")
    return np.asarray(mask, np.uint16)


def _decode(path: Path, data: bytes) -> tuple[NDArray[Any], str]:
    """Return a mask file's numbers and its mark."""
    if path.name.endswith(".nii.gz"):
        import gzip

        from nibabel.nifti1 import Nifti1Image
        from nibabel.nifti2 import Nifti2Image

        plain = gzip.decompress(data)
        second = 540 in (int.from_bytes(plain[:4], "little"), int.from_bytes(plain[:4], "big"))
        image = (Nifti2Image if second else Nifti1Image).from_bytes(plain)
        about = bytes(image.header["descrip"].tobytes()).split(b"\0")[0].decode("ascii", "replace")
        return np.asarray(image.dataobj), about.removeprefix(f"{_MARK} ")
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as file:
        told: dict[str, Any] = (file.shaped_metadata or ({},))[0]
        return file.asarray(), str(told.get(_MARK, ""))


def _digest(mask: NDArray[Any]) -> str:
    plain = np.ascontiguousarray(mask, "<u2")
    return hashlib.sha256(repr(plain.shape).encode() + plain.tobytes()).hexdigest()
