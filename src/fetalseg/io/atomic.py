"""Writers that leave a whole file or none: written beside, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import OutputError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REASONS = {
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENOTDIR: "a part of its path is a file and no folder",
    errno.EEXIST: "a part of its path is a file and no folder",
    errno.EISDIR: "a folder of that name is in its place",
}


def atomic_write(path: str | Path, writer: Callable[[BinaryIO], object], *, sync: bool = False) -> Path:
    """Write a file so that at any moment the old one or the whole new one is there.

    Parameters
    ----------
    path : path
        Missing folders are made.
    writer : callable
        Gets a binary file, open for writing.
    sync : bool
        Wait until the disk has it: for what must outlive a power cut.

    Returns
    -------
    Path
        The path that was written.

    Raises
    ------
    OutputError
        If it can't be written. Nothing half-written is left, whatever was raised.
    """
    path = Path(path)
    # Hidden, so that a run over this folder does not take it for an input, and short: names have a limit.
    beside = path.with_name(f".fetalseg-{secrets.token_hex(6)}.part")
    try:
        make_folder(path.parent)
        with beside.open("xb") as file:  # not tempfile: its files can be read by their owner only
            writer(file)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return path


def make_folder(folder: str | Path) -> Path:
    """Make a folder and those above it.

    Raises
    ------
    OutputError
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


def is_full(error: OutputError) -> bool:
    """Whether a file was not written because the disk is full: then no other will be."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the sentence for a file that can't be written."""
    if error.errno in _FULL:
        return OutputError(f"{path} was not written: the disk is full. Make room and run again; finished files stay.")
    if isinstance(error, PermissionError):
        return OutputError(
            f"{path} was not written: you have no permission there, or another program holds it open. "
            "Close it or choose another folder."
        )
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return OutputError(f"{path} was not written: {reason}. Choose another folder.")


def write_text(path: str | Path, text: str, *, sync: bool = False) -> Path:
    """Write text as UTF-8, lines ending in a line feed. A file name's undecodable bytes are escaped."""
    return atomic_write(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")), sync=sync)


def write_mask(
    path: str | Path, mask: NDArray[np.generic], *, about: Mapping[str, str] | None = None, sync: bool = False
) -> Path:
    """Write a mask as compressed TIFF in its own shape: uint8, or uint16 where it is given as that.

    Parameters
    ----------
    path : path
    mask : ndarray, shape (..., rows, columns)
        0 or False outside; other labels are kept.
    about : mapping, optional
        Goes into the file's description.
    sync : bool
        See `atomic_write`.
    """
    import tifffile

    array = np.ascontiguousarray(mask, np.uint16 if mask.dtype == np.uint16 else np.uint8)
    told = {"compression": "zlib", "software": "napari-fetalseg", "metadata": about or {}}

    def write(file: BinaryIO) -> None:
        # minisblack: a stack of three frames is no colour picture. The shape is kept by tifffile's description.
        tifffile.imwrite(file, array, photometric="minisblack", **told)

    return atomic_write(path, write, sync=sync)


def write_png(path: str | Path, picture: NDArray[np.uint8]) -> Path:
    """Write a picture, shape (rows, columns) or (rows, columns, 3), as PNG."""
    import imagecodecs

    # Fast: one filter for all rows and the lowest level take a third of the time for a few more bytes.
    filter_up = 0x20
    data = imagecodecs.png_encode(np.ascontiguousarray(picture, np.uint8), level=1, filter=filter_up)
    return atomic_write(path, lambda file: file.write(data))
