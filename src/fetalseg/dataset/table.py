"""The table of a data set, ``items.csv``, and the journal of what was done, ``history.csv``: one row an item, a deed.

Plain UTF-8 with commas. Cells that this program does not know (a column that a person added) are kept as they are.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from fetalseg.dataset.entry import COLUMNS, Entry
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.io.atomic import atomic_write, output_error

ITEMS, HISTORY = "items.csv", "history.csv"


class Table:
    """The rows of ``items.csv`` by item, in their order.

    Parameters
    ----------
    columns : list of str
        Known ones first, then those that others added.
    rows : dict of item to cells
    doubled : tuple of str
        Items with more than one row: the last one counts.
    """

    def __init__(
        self,
        columns: list[str] | None = None,
        rows: dict[str, dict[str, str]] | None = None,
        doubled: Iterable[str] = (),
    ) -> None:
        self.columns = list(COLUMNS) if columns is None else columns
        self.rows = {} if rows is None else rows
        self.doubled = tuple(doubled)
        self._parsed: dict[str, tuple[dict[str, str], Entry]] = {}

    def copy(self) -> Table:
        """Return a table that can be changed without changing this one."""
        other = Table(self.columns, dict(self.rows), self.doubled)
        other._parsed = dict(self._parsed)
        return other

    @classmethod
    def read(cls, path: Path) -> Table:
        """Read it.

        Raises
        ------
        DatasetError
            If it is missing, no such table, or not readable as a csv.
        """
        text = _read(path)
        reader = csv.reader(io.StringIO(text, newline=""))
        try:
            header = next(reader, [])
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise DatasetError(
                    f"{path} is no table of a data set: its first line lacks {', '.join(missing[:4])}"
                    f"{', ...' if len(missing) > 4 else ''}. A spreadsheet may have saved it with other signs between "
                    "the columns; restore it, or save it with commas."
                )
            place, rows, doubled = header.index("item"), {}, []
            for cells in reader:
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    raise DatasetError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells where the header names {len(header)}."
                    )
                item = cells[place]
                if item in rows:
                    doubled.append(item)
                rows[item] = dict(zip(header, cells, strict=False))  # of one length, see above: strict costs a fifth
        except csv.Error as error:
            raise DatasetError(f"{path}, line {reader.line_num}: not readable as a csv ({error}).") from error
        return cls(header, rows, doubled)

    def entry(self, item: str) -> Entry:
        """Return an item.

        Raises
        ------
        DatasetError
            If there is none of that name, or a cell of its row is damaged.
        """
        row = self.rows.get(item)
        if row is None:
            raise DatasetError(f"The data set holds no item '{item}'.")
        parsed = self._parsed.get(item)
        if parsed is not None and parsed[0] is row:
            return parsed[1]
        try:
            made = Entry.from_row(row)
        except (ValueError, KeyError, FetalSegError) as error:
            raise DatasetError(f"{ITEMS}, item '{item}': a cell can't be right ({error}).") from error
        self._parsed[item] = row, made
        return made

    def entries(self) -> list[Entry]:
        """Return all items."""
        return [self.entry(item) for item in self.rows]

    def put(self, entry: Entry) -> None:
        """Set an item's row; what others added to it stays."""
        extra = self.rows.get(entry.item) or dict.fromkeys(self.columns, "")
        self.rows[entry.item] = {**extra, **entry.to_row()}

    def write(self, path: Path) -> None:
        """Write it, whole or not at all, and onto the disk.

        Raises
        ------
        OutputError
        """
        text = _to_csv(self.columns, self.rows.values())
        atomic_write(path, lambda file: file.write(text), sync=True)


def _to_csv(columns: list[str], rows: Iterable[dict[str, str]], *, header: bool = True) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([[row[name] for name in columns] for row in rows])
    return text.getvalue().encode("utf-8", "backslashreplace")


def history(path: Path) -> list[Entry]:
    """Return what was done, oldest first: each item as it stood after a deed.

    A last line that a crash cut off is left out.
    """
    if not path.exists():
        return []
    text = _read(path)
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    try:
        return [Entry.from_row(row) for row in reader]
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DatasetError(f"{path}, line {reader.line_num}: a cell can't be right ({error}).") from error


def append_history(path: Path, entries: Iterable[Entry]) -> None:
    """Add deeds at the end, onto the disk; a line that a crash cut off before is taken away first.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    try:
        with path.open("ab", buffering=0) as file:
            length = _whole_length(path)
            file.truncate(length)
            data = _to_csv(list(COLUMNS), (entry.to_row() for entry in entries), header=length == 0)
            try:
                written = 0
                while written < len(data):  # an unbuffered file may take less than all, as on a full disk
                    written += file.write(data[written:])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(length)
                raise
    except OSError as error:
        raise output_error(path, error) from error


def _whole_length(path: Path) -> int:
    """Length up to the end of the last whole line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            end = start
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is not there any more: was the data set moved or deleted?") from error
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: another program saved it. Save it as UTF-8.") from error
