"""The pictures of the report: small ones for the table, large ones as far as the page's size allows.

A page holds at most `PAGE_BYTES`. Each case has its small picture in it, `ROW_BYTES` being set aside for that and its
numbers. What is left goes to large views, those of the cases that ask for a look first before the others. They are
made at the first of `WIDTHS` where there is room for all of them, else at the second; those that do not fit even so
are links to the files beside the page.
"""

from __future__ import annotations

import base64
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from PIL import Image

from fetalseg.report import montage, overlay
from fetalseg.report.page.folder import Case, Folder, number

PAGE_BYTES, ROW_BYTES = 52_000_000, 10_000
#: Of a large view, in pixels, and its JPEG quality.
WIDTHS, QUALITY = ((1200, 110_000), (900, 0)), 78
THUMBNAIL, THUMBNAIL_QUALITY = (168, 112), 72
_AT_ONCE = 4


@dataclass(frozen=True)
class Pictures:
    """Of a case, as the page has them.

    Parameters
    ----------
    small, large : str
        JPEG in base64; empty where there is none.
    link : str
        The large view beside the page, where it is not in it: a relative address.
    """

    small: str = ""
    large: str = ""
    link: str = ""


def gather(folder: Folder, tick: Callable[[str], None] = lambda name: None) -> Iterator[Pictures]:
    """Yield each case's pictures in the order of the cases.

    Parameters
    ----------
    folder : Folder
    tick : callable
        Told of each case as it is done.
    """
    cases = folder.cases
    room = max(0, PAGE_BYTES - ROW_BYTES * len(cases))
    each = room / max(1, sum(case.picture is not None for case in cases))
    width = next(width for width, least in WIDTHS if each >= least)
    full = threading.Event()
    for case, (small, large) in zip(cases, _drawn(cases, width, full), strict=True):
        if len(large) > room:
            full.set()  # later ones are not tried: the order stays the page's
        if full.is_set():
            large = ""
        room -= len(large)
        link = quote(case.picture.relative_to(folder.path).as_posix()) if case.picture and not large else ""
        yield Pictures(small, large, link)
        tick(case.name)


def thumbnail(case: Case, picture: Image.Image) -> Image.Image:
    """Return a case's small picture: the segmented half, or the slice with the longest outline."""
    box = _box(case, picture)
    small = picture.crop(box) if box else picture
    small.thumbnail(THUMBNAIL, Image.Resampling.BOX, reducing_gap=2.0)
    return small


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """Return a picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def opened(case: Case) -> Image.Image | None:
    """Return a case's picture; None where there is none, or none that can be read."""
    if case.picture is None:
        return None
    try:
        with Image.open(case.picture) as file:
            return file.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _drawn(cases: Sequence[Case], width: int, full: threading.Event) -> Iterator[tuple[str, str]]:
    """Yield small and large pictures; a few are worked on at once, and no more are held."""
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        waiting: deque[Future[tuple[str, str]]] = deque()
        try:
            for case in cases:
                waiting.append(pool.submit(_encoded, case, width, full))
                if len(waiting) > 2 * _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _encoded(case: Case, width: int, full: threading.Event) -> tuple[str, str]:
    picture = opened(case)
    if picture is None:
        return "", ""
    small = _text(jpeg(thumbnail(case, picture), THUMBNAIL_QUALITY))
    if full.is_set():
        return small, ""
    if picture.width > width:
        size = (width, max(1, round(picture.height * width / picture.width)))
        picture = picture.resize(size, Image.Resampling.HAMMING)
    return small, _text(jpeg(picture, QUALITY))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _box(case: Case, picture: Image.Image) -> tuple[int, int, int, int] | None:
    """Where the part lies that a small picture shows."""
    import numpy as np

    if case.task != "head":
        return montage.telling_tile(np.asarray(picture))
    shape = _shape(case)
    if shape is None:
        return None
    x, y = number(case.row, "spacing_x_mm") or 1.0, number(case.row, "spacing_y_mm") or 1.0
    box = overlay.marked_box(shape, (y, x))
    return box if box[2] <= picture.width and box[3] <= picture.height else None


def _shape(case: Case) -> tuple[int, int] | None:
    """Return rows and columns of a head's scan, by its mask."""
    import tifffile

    try:
        with tifffile.TiffFile(case.mask) as file:  # type: ignore[arg-type]
            rows, columns = file.pages[0].shape[-2:]
            return int(rows), int(columns)
    except Exception:  # a damaged mask costs the crop only
        return None
