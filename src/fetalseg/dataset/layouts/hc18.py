"""HC18's layout: pictures, the annotated ellipse as an outline, and a csv of pixel sizes and circumferences.

References
----------
van den Heuvel TLA et al. PLoS ONE 2018;13(8):e0200412. doi:10.1371/journal.pone.0200412
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg.dataset import hc18
from fetalseg.dataset.adding import Coming, New, group_of
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.layouts import Exported, ImportOptions, Progress, file_name
from fetalseg.dataset.layouts.common import drawn, eight_bit, own_spacing
from fetalseg.dataset.store import Store
from fetalseg.errors import FetalSegError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io import registry
from fetalseg.io.atomic import atomic_write, write_png, write_text
from fetalseg.result import Ellipse

TASKS = ("head",)
FOLDER, TABLE = "training_set", "training_set_pixel_size_and_HC.csv"
_HEADER = ("filename", "pixel size(mm)", "head circumference (mm)")
_ELLIPSES = (
    *("filename", "exam", "center_x_px", "center_y_px", "semi_major_px", "semi_minor_px", "angle_deg"),
    *("pixel_size_mm", "hc_mm"),
)
# HC18's line is 3 pixels wide around the ellipse.
_HALF_LINE = 1.36


def scans(store: Store, source: Path, options: ImportOptions) -> Iterator[Coming]:
    """Yield the annotated pictures of a folder."""
    items = hc18.read(source)
    given = hc18.given_sizes(source)
    for item in items:
        assert item.truth is not None
        try:
            scan = registry.read(item.path, name=item.name, volumes=False)
            scan = scan.with_spacing(own_spacing(options) or item.spacing)
            stem = item.path.name.rsplit(".", 1)[0]
            group = group_of(item.name, options.group, item.group)
        except FetalSegError as error:
            yield item.name, str(error)
            continue
        found = Annotation.of(store.task, scan.frame_shape, scan.spacing, ellipse=item.truth)
        hc = (given.get(item.path.name) or given.get(stem) or ("", ""))[1]
        yield drawn(New(scan, stem, group, given_hc_mm="" if options.waiting else hc), found, options, "HC18")


def export(store: Store, entries: Sequence[Entry], out: Path, progress: Progress) -> Exported:
    """Write the folder; pictures go out byte by byte where they are PNG or JPEG."""
    done = Exported()
    rows: list[tuple[str, Entry, float]] = []
    taken: set[str] = set()
    for number, entry in enumerate(entries):
        progress(number, len(entries), entry.item)
        why = _unfit(entry)
        if why:
            done.left_out.append((entry.item, why))
            continue
        assert entry.spacing is not None
        assert entry.ellipse is not None
        plain = entry.image.rsplit(".", 1)[1] in ("png", "jpg", "jpeg")
        name = file_name(entry, taken, None if plain else ".png")
        _write_picture(store, entry, out / FOLDER / name, plain)
        outline = draw_outline(entry.ellipse, (entry.shape[0], entry.shape[1]))
        write_png(out / FOLDER / f"{name.rsplit('.', 1)[0]}_Annotation.png", outline)
        rows.append((name, entry, entry.spacing.row_mm))
    rows.sort(key=lambda row: row[0])
    _write_tables(out, rows)
    done.written = len(rows)
    return done


def _unfit(entry: Entry) -> str:
    if entry.ellipse is None:
        return "it holds no head, and HC18's layout has no room for that"
    if entry.spacing is None:
        return "its pixel size is not known"
    if abs(entry.spacing.row_mm - entry.spacing.column_mm) > 1e-6 * entry.spacing.row_mm:
        return "its pixels are oblong, and HC18's layout has one pixel size"
    return ""


def _write_picture(store: Store, entry: Entry, path: Path, plain: bool) -> None:
    if plain:
        data = (store.folder / entry.image).read_bytes()
        atomic_write(path, lambda file: file.write(data))
        return
    write_png(path, eight_bit(store.image(entry).pixels[0]))


def _write_tables(out: Path, rows: Sequence[tuple[str, Entry, float]]) -> None:
    text, exact = io.StringIO(newline=""), io.StringIO(newline="")
    sizes, numbers = csv.writer(text), csv.writer(exact, lineterminator="\n")
    sizes.writerow(_HEADER)
    numbers.writerow(_ELLIPSES)
    for name, entry, pixel in rows:
        ellipse = entry.ellipse
        assert ellipse is not None
        hc = entry.given_hc_mm or f"{pixel * ellipses.circumference(ellipse.semi_major, ellipse.semi_minor):.2f}"
        sizes.writerow([name, repr(pixel), hc])
        axes = (ellipse.center_x, ellipse.center_y, ellipse.semi_major, ellipse.semi_minor, ellipse.angle_deg)
        numbers.writerow([name, entry.group, *(repr(float(value)) for value in axes), repr(pixel), hc])
    write_text(out / TABLE, text.getvalue())
    write_text(out / "ellipses.csv", exact.getvalue())


def draw_outline(ellipse: Ellipse, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw an ellipse as HC18 does: a line of 3 pixels whose middle is the ellipse.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        0 and 255.
    """
    outer, inner = (
        replace(ellipse, semi_major=ellipse.semi_major + half, semi_minor=max(ellipse.semi_minor + half, 1e-3))
        for half in (_HALF_LINE, -_HALF_LINE)
    )
    # Between two ellipses the line's width varies by 1 % on a head's axes, on both sides alike.
    return np.where(ellipses.mask(outer, shape) > ellipses.mask(inner, shape), 255, 0).astype(np.uint8)
