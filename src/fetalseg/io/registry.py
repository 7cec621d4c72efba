"""Which reader reads which ending. A new format is one new file and one line here."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from fetalseg.errors import UnreadableError
from fetalseg.io import pictures, tiff
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

HEADERS: dict[str, Callable[[Path], Spacing | None]] = {".tif": tiff.stored_spacing, ".tiff": tiff.stored_spacing}
"""What reads the spacing alone, for the kinds that can hold one."""


def ending(name: str | Path) -> str | None:
    """Return the known ending of a file name, in lower case; None where no reader knows it."""
    text = Path(name).name.lower()
    known = [end for end in ENDINGS if text.endswith(end) and len(text) > len(end)]
    return max(known, key=len) if known else None


def readable(path: str | Path) -> bool:
    """Whether a reader knows the ending; the file is not touched."""
    return ending(path) is not None


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


def read(path: str | Path, *, name: str | None = None, spacing: Spacing | None = None) -> Scan:
    """Read a scan.

    Parameters
    ----------
    path : path of the file.
    name : str, optional
        What people call it; the file's name by default.
    spacing : Spacing, optional
        Stands in place of what the file itself says.

    Returns
    -------
    Scan
        With the sha256 of the file's bytes.

    Raises
    ------
    UnreadableError
        One sentence with the name: missing, a folder, empty, cut short, not what its ending says, ...
    """
    path = Path(path)
    name = path.name if name is None else name
    end = ending(path)
    if end is None and path.is_file():  # told before gigabytes of a film are read
        raise UnreadableError(f"{name} is of no kind that can be read here; these are: {', '.join(sorted(ENDINGS))}.")
    data = _bytes(path, name)
    if not data:
        raise UnreadableError(f"{name} is empty (0 bytes). Copy it again from its source.")
    try:
        decoded = ENDINGS[end or ""](data, name)
    except MemoryError as error:
        raise UnreadableError(f"{name} does not fit into this computer's memory; save a smaller copy of it.") from error
    return Scan(
        pixels=decoded.pixels,
        name=name,
        spacing=decoded.spacing if spacing is None else spacing,
        shape=decoded.shape,
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        notes=decoded.notes,
    )


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
