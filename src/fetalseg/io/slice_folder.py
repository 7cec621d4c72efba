"""A folder of numbered pictures as one volume, as the LGG set of FLAIR slices is downloaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.io import orientation, pictures, tiff
from fetalseg.io.decoded import Decoded, check_size
from fetalseg.scan import Spacing

_NUMBERED = re.compile(r"(?P<stem>.*?)[ _.-]?(?P<number>\d+)(?P<end>\.(tiff?|png|jpe?g))", re.IGNORECASE)
_FLAIR_CHANNEL = 1  # before contrast, FLAIR, after contrast: Buda et al., doi:10.1016/j.compbiomed.2019.05.002


@dataclass(frozen=True)
class Slices:
    """The numbered pictures of one name in a folder.

    Parameters
    ----------
    label : str
        What stands before the number.
    files : tuple of Path
        By number.
    numbers : tuple of int
    """

    label: str
    files: tuple[Path, ...]
    numbers: tuple[int, ...]


def find(paths: Iterable[Path]) -> list[Slices]:
    """Return the pictures that are numbered slices: two or more of one name and ending, one page each.

    Parameters
    ----------
    paths : paths of files, annotations already left out.
    """
    groups: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in paths:
        match = _NUMBERED.fullmatch(path.name)
        if match is not None:
            key = match["stem"], match["end"].lower()
            groups.setdefault(key, []).append((int(match["number"]), path))
    found = []
    for (stem, end), members in sorted(groups.items()):
        single = [(n, path) for n, path in sorted(members) if not end.startswith(".tif") or _one_page(path)]
        if len(single) > 1:
            numbers, files = zip(*single, strict=True)
            found.append(Slices(stem or files[0].parent.name, files, numbers))
    return found


def read(slices: Slices, name: str) -> tuple[Decoded, str]:
    """Read the pictures as one volume; return it and the sha256 of their bytes in order.

    Of a TIFF with three channels the second, FLAIR, is taken, with the note ``flair_channel``.

    Raises
    ------
    UnreadableError
        If a number is missing or given twice, sizes differ, or a picture is damaged or in colour.
    """
    _complete(slices, name)
    digest = hashlib.sha256()
    planes: list[NDArray[Any]] = []
    notes: dict[str, None] = {}
    spacings: dict[Spacing | None, None] = {}
    for path in slices.files:
        label = f"{name}: {path.name}"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UnreadableError(f"{label} can't be read: {error.strerror}.") from error
        digest.update(data)
        decoded = _decoded(data, label)
        if decoded.pixels.shape[0] != 1:
            raise UnreadableError(f"{label} holds {len(decoded.pixels)} pages; each slice is to be one picture.")
        planes.append(decoded.pixels[0])
        if planes[0].shape != planes[-1].shape:
            (rows, columns), (other_rows, other_columns) = planes[0].shape, planes[-1].shape
            raise UnreadableError(
                f"{label} is {other_columns} x {other_rows} pixels, the first slice {columns} x {rows}: these are no "
                "slices of one volume. Give the pictures one by one, or in folders of their own."
            )
        check_size(name, planes[0].shape[0], planes[0].shape[1], len(slices.files))
        notes.update(dict.fromkeys(decoded.notes))
        spacings.setdefault(decoded.spacing and replace(decoded.spacing, source=f"{name} (its slices)"))
    stack = np.stack(planes)
    layout = orientation.layout(stack.shape, None, "slices")
    spacing = next(iter(spacings)) if len(spacings) == 1 else None
    return Decoded(stack, stack.shape, spacing, tuple(notes), layout=layout), digest.hexdigest()


def _complete(slices: Slices, name: str) -> None:
    for before, after in zip(slices.numbers, slices.numbers[1:], strict=False):
        if after == before:
            raise UnreadableError(f"{name} holds slice {after} twice, differently written. Keep one of them.")
        if after > before + 1:
            lost = f"slice {before + 1} is" if after == before + 2 else f"slices {before + 1} to {after - 1} are"
            raise UnreadableError(
                f"{name}: {lost} missing between {slices.label}'s slices {before} and {after}. Copy the folder again, "
                "or give the pictures one by one."
            )


def _one_page(path: Path) -> bool:
    """Whether a TIFF holds one picture; one that can't be read counts as one, so that reading it says why."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            return len(tif.pages) == 1 and tif.series[0].ndim - ("S" in tif.series[0].axes) == 2
    except Exception:
        return True


def _decoded(data: bytes, label: str) -> Decoded:
    is_tiff = data.startswith((b"II", b"MM"))
    if is_tiff:
        flair = _flair(data)
        if flair is not None:
            return Decoded(flair[None], flair.shape, notes=("flair_channel",))
    decode: Callable[[bytes, str], Decoded] = tiff.decode if is_tiff else pictures.decode
    decoded = decode(data, label)
    if not is_tiff and "colour" in decoded.notes:
        raise UnreadableError(f"{label} is a colour picture, no slice of grey values.")
    return decoded


def _flair(data: bytes) -> NDArray[Any] | None:
    """Return the second of three channels; None of any other TIFF, and of what can't be read."""
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as tif:
            page, axes = tif.pages[0], tif.pages[0].axes
            if len(tif.pages) != 1 or "S" not in axes or page.samplesperpixel != 3:
                return None
            check_size("", page.imagelength, page.imagewidth)
            return np.ascontiguousarray(np.moveaxis(page.asarray(), axes.index("S"), -1)[..., _FLAIR_CHANNEL])
    except Exception:  # the reader of TIFFs says what is wrong with it
        return None
