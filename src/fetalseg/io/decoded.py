"""What every reader returns, and what readers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.scan import Layout, Region, Spacing

MAX_FRAME_PIXELS = 400_000_000
"""A larger frame is refused before it is decoded: a few bytes of a forged file may claim any size."""
MAX_PIXELS = 4_000_000_000

# Luma of ITU-R BT.601 (0.299, 0.587, 0.114) in 1/65536; the sum is 65536, so grey stays what it was.
_LUMA = (19595, 38470, 7471)


@dataclass(frozen=True)
class Decoded:
    """What a file holds.

    Parameters
    ----------
    pixels : ndarray, shape (frames, rows, columns)
        Grey values, finite.
    shape : tuple of int
        The input's own shape without its colours.
    spacing : Spacing or None
        Only where the file names its unit beyond doubt.
    notes : tuple of str
        Codes of what had to be changed.
    layout, modality, description, study_date, machine, oriented, regions, lmp
        As in `fetalseg.scan.Scan`.
    """

    pixels: NDArray[np.generic]
    shape: tuple[int, ...]
    spacing: Spacing | None = None
    notes: tuple[str, ...] = field(default=())
    layout: Layout | None = None
    modality: str | None = None
    description: str = ""
    study_date: str | None = None
    machine: str | None = None
    oriented: bool = False
    regions: tuple[tuple[Region, ...], ...] = ()
    lmp: str | None = None


def check_size(name: str, rows: int, columns: int, frames: int = 1) -> None:
    """Raise `UnreadableError` for a size that is no scan's: no pixels, or more than memory is meant for."""
    if rows < 1 or columns < 1 or frames < 1:
        raise UnreadableError(f"{name} has no pixels ({columns} x {rows}).")
    if rows * columns > MAX_FRAME_PIXELS:
        raise UnreadableError(
            f"{name} is {columns} x {rows} pixels, more than the {MAX_FRAME_PIXELS // 1_000_000} million that can be "
            "read; save a smaller copy of it."
        )
    if rows * columns * frames > MAX_PIXELS:
        raise UnreadableError(
            f"{name} holds {frames} frames of {columns} x {rows} pixels, more than can be read at once; split it."
        )


def finite(array: NDArray[Any], name: str) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    """Return the values with 0 in place of NaN and infinities, and the note that says so."""
    if array.dtype.kind != "f":
        return np.ascontiguousarray(array), ()
    good = np.isfinite(array)
    if good.all():
        return np.ascontiguousarray(array), ()
    if not good.any():
        raise UnreadableError(f"{name} holds no number that is finite (all are NaN or infinite).")
    return np.where(good, array, np.zeros((), array.dtype)), ("not_finite",)


def coloured(picture: NDArray[np.generic]) -> bool:
    """Whether a picture has colours in fact; grey ones are often stored as RGB, and JPEG rounds each channel by itself.

    Parameters
    ----------
    picture : ndarray, shape (..., rows, columns, 3 or more)
        Red, green, blue; what follows is ignored.
    """
    few = picture[..., ::2, ::2, :3].astype(np.float32)
    return bool((np.ptp(few, axis=-1) > 8 / 255 * max(float(few.max(initial=0)), 1e-30)).mean() > 0.01)


def grey(colour: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn colour into grey by luma; the kind of number stays.

    Parameters
    ----------
    colour : ndarray, shape (..., 3 or more)
        Red, green, blue; what follows (alpha) is ignored.
    """
    red, green, blue = (colour[..., i] for i in range(3))
    if colour.dtype in (np.uint8, np.uint16):
        wide = [np.asarray(c, np.uint32) for c in (red, green, blue)]
        # At most 65535 * 65536 + 32768, which 32 bits hold.
        total = wide[0] * np.uint32(_LUMA[0])
        total += wide[1] * np.uint32(_LUMA[1])
        total += wide[2] * np.uint32(_LUMA[2])
        return np.asarray((total + np.uint32(32768)) >> np.uint32(16), colour.dtype)
    value = sum(np.asarray(c, np.float64) * (w / 65536) for c, w in zip((red, green, blue), _LUMA, strict=True))
    if np.issubdtype(colour.dtype, np.integer):
        value = np.rint(value)
    return np.asarray(value, colour.dtype)
