"""Spacing from a csv beside the pictures, as HC18 has it.

The first line names the columns: ``filename`` and ``pixel size(mm)`` (or ``pixel_size_mm``), or
``filename``, ``spacing_x_mm`` and ``spacing_y_mm``. Other columns are ignored. Commas, semicolons (then
with decimal commas too) and tabs divide columns. A column without its unit is not taken.
"""

from __future__ import annotations

import csv
import io
import os
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath

from fetalseg.errors import SpacingError
from fetalseg.scan import Spacing

_FILE, _SIZE, _X, _Y = "filename", "pixelsizemm", "spacingxmm", "spacingymm"
_HEADER_BYTES = 65536
_TICK_NS = 3_000_000_000


@dataclass(frozen=True)
class _Row:
    parts: tuple[str, ...]
    spacing: Spacing | None
    error: str


@dataclass(frozen=True)
class _Columns:
    file: int
    x: int
    y: int


def find_beside(picture: str | Path) -> Path | None:
    """Return the spacing csv in the picture's folder or the one above it.

    One that lists the picture comes first, then the nearer one, then one whose name speaks of
    spacing or pixel size. None where no csv's header fits.
    """
    picture = Path(picture)
    folder = picture.absolute().parent
    found: list[tuple[bool, int, bool, str, Path]] = []
    for distance, place in enumerate(dict.fromkeys((folder, folder.parent))):
        for path in _csv_files(place):
            try:
                listed = any(_match(row.parts, _parts(picture)) for row in _table(path).get(picture.name, ()))
            except SpacingError:
                continue
            named = bool(re.search(r"spacing|pixel.?size", path.name.lower()))
            found.append((not listed, distance, not named, path.name, path))
    return min(found)[-1] if found else None


def lookup(csv_path: str | Path, name: str | Path) -> Spacing | None:
    """Return the spacing that a csv gives for a picture; None where it does not list it.

    Parameters
    ----------
    csv_path : path of the csv.
    name : str or Path
        The picture's path or relative path. A row fits when its path ends this one or this one ends it,
        so a plain file name fits in any folder. A Path is made absolute first, and so knows its folders.

    Raises
    ------
    SpacingError
        If the csv can't be read, its header does not fit, the picture's row holds no positive number,
        or two rows that fit contradict each other.
    """
    path, wanted = Path(csv_path), _parts(name)
    table = _table(path)
    rows = [row for row in table.get(wanted[-1], ()) if _match(row.parts, wanted)] if wanted else []
    exact = [row for row in rows if row.parts == wanted]
    rows = exact or rows
    for row in rows:
        if row.error:
            raise SpacingError(row.error)
    sizes = {row.spacing.row_column for row in rows if row.spacing}
    if len(sizes) > 1:
        raise SpacingError(f"{path.name} gives {len(sizes)} different pixel sizes for {name}; keep the right one.")
    return rows[0].spacing if rows else None


def _match(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]


def _parts(name: str | PurePath) -> tuple[str, ...]:
    text = (os.path.abspath(name) if isinstance(name, PurePath) else name).replace("\\", "/")
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when the file changes: the caches below are held by it."""
    try:
        status = path.stat()
    except OSError:
        return (0, -1)
    return status.st_mtime_ns, status.st_size


def _csv_files(folder: Path) -> list[Path]:
    stamp = _stamp(folder)
    # A folder that changed just now may change again within the same tick of its disk's clock.
    fresh = time.time_ns() - stamp[0] < _TICK_NS
    names = _csv_names.__wrapped__(folder, stamp) if fresh else _csv_names(folder, stamp)
    paths = (folder / name for name in names)
    return [path for path in paths if path.is_file() and _fits(path, _stamp(path))]


@lru_cache(maxsize=64)
def _csv_names(folder: Path, stamp: tuple[int, int]) -> tuple[str, ...]:  # noqa: ARG001
    """Listing a folder of thousands for each of its pictures would take most of a run's time."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return ()
    return tuple(name for name in names if name.lower().endswith(".csv") and not name.startswith("."))


@lru_cache(maxsize=256)
def _fits(path: Path, stamp: tuple[int, int]) -> bool:  # noqa: ARG001 (the stamp keys the cache)
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError:
        return False
    lines = _text(head).splitlines()
    return bool(lines) and _columns(next(csv.reader([lines[0]], delimiter=_delimiter(lines[0])), [])) is not None


def _table(path: Path) -> dict[str, tuple[_Row, ...]]:
    return _read(path, _stamp(path))


@lru_cache(maxsize=32)
def _read(path: Path, stamp: tuple[int, int]) -> dict[str, tuple[_Row, ...]]:  # noqa: ARG001
    """Return the rows by the pictures' base names."""
    try:
        text = _text(path.read_bytes())
    except FileNotFoundError as error:
        raise SpacingError(f"{path.name}: there is no such spacing csv. Check the path.") from error
    except OSError as error:
        raise SpacingError(f"{path.name} can't be read: {error.strerror}.") from error
    delimiter = _delimiter(text.split("\n", 1)[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    table: dict[str, list[_Row]] = {}
    try:
        columns = _columns(next(reader, []))
        if columns is None:
            raise SpacingError(
                f"{path.name} is no spacing csv: its first line must name the columns 'filename' and 'pixel size(mm)', "
                "or 'filename', 'spacing_x_mm' and 'spacing_y_mm'."
            )
        for cells in reader:
            file = cells[columns.file].strip() if len(cells) > columns.file else ""
            parts = _parts(file)
            if parts:
                table.setdefault(parts[-1], []).append(_row(path, reader.line_num, parts, cells, columns, delimiter))
    except csv.Error as error:
        raise SpacingError(f"{path.name}, line {reader.line_num}: not readable as a csv ({error}).") from error
    return {name: tuple(rows) for name, rows in table.items()}


def _row(path: Path, line: int, parts: tuple[str, ...], cells: list[str], columns: _Columns, delimiter: str) -> _Row:
    """Make a row; what is wrong with it is told when its own picture is asked for, not for all others."""
    values = []
    for index in (columns.y, columns.x):
        text = cells[index].strip() if len(cells) > index else ""
        try:
            value = float(text.replace(",", ".") if delimiter == ";" else text)
        except ValueError:
            value = float("nan")
        if not (value > 0 and value < float("inf")):
            what = f"'{text}' is no positive number" if text else "the pixel size is missing"
            return _Row(parts, None, f"{path.name}, line {line}, {'/'.join(parts)}: {what}. Give mm per pixel.")
        values.append(value)
    return _Row(parts, Spacing(values[0], values[1], path.name), "")


def _columns(header: list[str]) -> _Columns | None:
    names = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in header]
    if _FILE not in names:
        return None
    file = names.index(_FILE)
    if _X in names and _Y in names:
        return _Columns(file, names.index(_X), names.index(_Y))
    return _Columns(file, names.index(_SIZE), names.index(_SIZE)) if _SIZE in names else None


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # what older spreadsheets write; never fails
