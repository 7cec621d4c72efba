"""HC18's layout: pictures, annotation outlines and a csv with pixel sizes.

References
----------
van den Heuvel TLA et al. Automated measurement of fetal head circumference using 2D ultrasound images.
PLoS ONE 2018;13(8):e0200412. doi:10.1371/journal.pone.0200412
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from fetalseg.dataset.items import Item
from fetalseg.errors import DatasetError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse
from fetalseg.scan import Spacing

_PICTURES = {".png", ".jpg", ".jpeg"}


def read(folder: Path) -> list[Item]:
    """Read a folder in HC18's layout.

    Parameters
    ----------
    folder : Path
        Holds the pictures and ``NNN_HC_Annotation.png`` beside them, in itself or in ``training_set/``,
        and a csv of ``filename, pixel size(mm), head circumference (mm)``.

    Returns
    -------
    list of Item
        Sorted by name; only pictures that have an annotation.

    Raises
    ------
    DatasetError
        If there is no csv, no annotated picture, or an annotation that is no ellipse.
    """
    spacings = _pixel_sizes(folder)
    exact = _exact_ellipses(folder)
    items = []
    for annotation in sorted(folder.rglob("*_Annotation.png")):
        stem = annotation.name.removesuffix("_Annotation.png")
        picture = next((p for p in sorted(annotation.parent.glob(f"{stem}.*")) if p.suffix.lower() in _PICTURES), None)
        if picture is None:
            continue
        if picture.name not in spacings and stem not in spacings:
            raise DatasetError(f"{picture.name} has no line in the csv of pixel sizes in {folder}.")
        size, hc = spacings.get(picture.name) or spacings[stem]
        truth = exact.get(picture.name) or outline_ellipse(annotation)
        items.append(
            Item(
                name=picture.relative_to(folder).as_posix(),
                path=picture,
                group=exam(stem),
                spacing=Spacing(size, size, source="HC18 csv"),
                truth=truth,
                hc_mm=hc if hc is not None else ellipses.circumference(truth.semi_major, truth.semi_minor) * size,
            )
        )
    if not items:
        raise DatasetError(f"{folder} holds no picture with an '_Annotation.png' beside it.")
    return items


def negatives(folder: Path) -> list[Item]:
    """Read a folder of pictures that hold no fetal head; the group is the name up to its first ``_``."""
    found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _PICTURES]
    if not found:
        raise DatasetError(f"{folder} holds no PNG or JPEG picture.")
    return [Item(p.relative_to(folder).as_posix(), p, p.stem.split("_")[0], None, None, None) for p in found]


def outline_ellipse(annotation: Path) -> Ellipse:
    """Return the centre line of a drawn ellipse outline, in pixels."""
    from PIL import Image

    with Image.open(annotation) as picture:
        drawn = np.asarray(picture.convert("L")) > 127
    y, x = np.nonzero(drawn)
    found = ellipses.fit(np.column_stack([x, y]))
    if found is None:
        raise DatasetError(f"{annotation.name}: the annotation is no ellipse outline.")
    return found


def exam(stem: str) -> str:
    """Return the exam: ``012_2HC`` is a second picture of ``012``; other names are grouped up to their first ``_``."""
    match = re.match(r"(\d+)_\d*HC$", stem)
    return match.group(1) if match else stem.split("_")[0]


_exam = exam


def given_sizes(folder: Path) -> dict[str, tuple[str, str]]:
    """Return pixel size and head circumference (may be empty) as the csv writes them, by the file's name.

    Raises
    ------
    DatasetError
        If there is no csv, or a line of it holds no pixel size.
    """
    tables = sorted(folder.glob("*pixel_size*.csv")) or sorted(folder.glob("*/*pixel_size*.csv"))
    if not tables:
        raise DatasetError(f"{folder} has no csv of pixel sizes ('training_set_pixel_size_and_HC.csv').")
    sizes: dict[str, tuple[str, str]] = {}
    with tables[0].open(newline="", encoding="utf-8-sig") as handle:
        for line, row in enumerate(csv.reader(handle), start=1):
            if line == 1 or not row:
                continue
            try:
                size, hc = row[1], row[2] if len(row) > 2 else ""
                float(size), float(hc or 0)
            except (ValueError, IndexError) as error:
                raise DatasetError(f"{tables[0].name}, line {line}: no pixel size in '{','.join(row)}'.") from error
            sizes[row[0]] = size, hc
    return sizes


def _pixel_sizes(folder: Path) -> dict[str, tuple[float, float | None]]:
    return {name: (float(size), float(hc) if hc else None) for name, (size, hc) in given_sizes(folder).items()}


def _exact_ellipses(folder: Path) -> dict[str, Ellipse]:
    """Ellipses in sub-pixel numbers, where ``ellipses.csv`` gives them."""
    table = folder / "ellipses.csv"
    if not table.exists():
        return {}
    names = ("center_x_px", "center_y_px", "semi_major_px", "semi_minor_px", "angle_deg")
    with table.open(newline="", encoding="utf-8-sig") as handle:
        return {row["filename"]: Ellipse(*(float(row[n]) for n in names)) for row in csv.DictReader(handle)}
