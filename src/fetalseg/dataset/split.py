"""``split.csv``: which scans a model was trained on, calibrated on, and is only reported on."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from fetalseg.errors import DatasetError
from fetalseg.io.atomic import write_text

NAME = "split.csv"
_COLUMNS = ["filename", "exam", "part"]
_PARTS = ("train", "calibrate", "report")


class Named(Protocol):
    """A picture or a volume of a data set."""

    @property
    def name(self) -> str:
        """Path relative to the data set."""

    @property
    def group(self) -> str:
        """Exam or patient."""


@dataclass(frozen=True)
class Split:
    """The part of each scan.

    Parameters
    ----------
    parts : mapping of name to (exam or patient, part)
        A part is ``"train"``, ``"calibrate"`` or ``"report"``.

    Raises
    ------
    DatasetError
        If an exam lies in two parts, so that what is measured would have been trained on, or a part is unknown.
    """

    parts: Mapping[str, tuple[str, str]]

    def __post_init__(self) -> None:
        found: dict[str, set[str]] = defaultdict(set)
        for name, (group, part) in self.parts.items():
            if part not in _PARTS:
                raise DatasetError(f"{name}: '{part}' is no part of a split; known are {', '.join(_PARTS)}.")
            found[group].add(part)
        torn = sorted(group for group, parts in found.items() if len(parts) > 1)
        if torn:
            others = f" and {len(torn) - 1} more" if len(torn) > 1 else ""
            sides = " and ".join(sorted(found[torn[0]]))
            raise DatasetError(
                f"Exam '{torn[0]}'{others} would lie on both sides of the split ({sides}): all scans of an exam or "
                "patient must lie in one part."
            )

    @classmethod
    def of(cls, items: Iterable[Named], parts: Mapping[str, str]) -> Split:
        """Make a split of items and the part of each by its name; items without one are left out."""
        return cls({item.name: (item.group, parts[item.name]) for item in items if item.name in parts})

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read a ``split.csv``. Raises `DatasetError`."""
        try:
            with path.open(newline="", encoding="utf-8-sig") as handle:
                return cls({row["filename"]: (row["exam"], row["part"]) for row in csv.DictReader(handle)})
        except OSError as error:
            raise DatasetError(f"{path} can't be read: {error.strerror}.") from error
        except (KeyError, UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{path} is no split: its columns must be {', '.join(_COLUMNS)}.") from error
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Write as ``split.csv``. Raises `OutputError`."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        writer.writerows([name, *where] for name, where in self.parts.items())
        write_text(path, text.getvalue())

    def parts_of(self, items: Iterable[Named]) -> dict[str, str]:
        """Return the part of each item that the split names: by its whole path, else by a file name that is unique."""
        files = Counter(PurePosixPath(name).name for name in self.parts)
        by_file = {PurePosixPath(n).name: part for n, (_, part) in self.parts.items()}
        found = {}
        for item in items:
            file = PurePosixPath(item.name).name
            if item.name in self.parts:
                found[item.name] = self.parts[item.name][1]
            elif files[file] == 1:
                found[item.name] = by_file[file]
        return found

    def groups(self, part: str) -> set[str]:
        """Return the exams or patients of a part."""
        return {group for group, where in self.parts.values() if where == part}
