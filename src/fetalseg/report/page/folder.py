"""What a run left in its folder, as the report shows it: cases, the run's own record, files that failed."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from fetalseg import quality, tasks
from fetalseg.errors import UnreadableError
from fetalseg.growth.flags import text_of as growth_text
from fetalseg.io import folders
from fetalseg.report import manifest
from fetalseg.result import State

TABLE, RECORD, ERRORS = "measurements.csv", "run.json", "errors.csv"
#: A file that gave no result has no state; people see it beside the three that results have.
FAILED = "failed"
#: Of a case, what asks most for a look first.
ORDER = (FAILED, State.REFUSE.value, State.CHECK.value, State.ACCEPT.value)

Row = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """A file of the run, with all rows of the table that are about it.

    Parameters
    ----------
    name : str
        As the table has it: relative to what was segmented.
    task : str
    row : mapping of str to str
        The row that stands for all: of a loop the frame that can be trusted most, as its picture shows it; of a
        volume the row of all lesions.
    parts : tuple of mapping
        The rows of all frames, where there are several, or of the lesions.
    picture : Path or None
        The side-by-side picture or the montage.
    mask : Path or None
        Of a head, the mask as TIFF.
    notes : tuple of str
        Sentences of the run's record, such as why there is no centile.
    sha256 : str
        Of the file; empty where the record does not tell.
    """

    name: str
    task: str
    row: Row
    parts: tuple[Row, ...] = ()
    picture: Path | None = None
    mask: Path | None = None
    notes: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def failed(self) -> bool:
        """Whether the file gave no result."""
        return self.row.get("status") == "error"

    @property
    def state(self) -> str:
        """One of `ORDER`; a state of another version asks for a check."""
        if self.failed:
            return FAILED
        state = self.row.get("state", "")
        return state if state in ORDER else State.CHECK.value

    @property
    def error(self) -> str:
        """Why it failed, in a sentence."""
        return self.row.get("error", "") or ("It could not be measured." if self.failed else "")

    @cached_property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """Code and sentence of each flag, those of growth after the others."""
        found = [(code, quality.known_flag(code).text) for code in codes(self.row, "flags")]
        return (*found, *((code, growth_text(code)) for code in codes(self.row, "growth_flags")))

    @property
    def confidence(self) -> float | None:
        """0 (no trust) to 1."""
        return number(self.row, "confidence")


@dataclass(frozen=True)
class Folder:
    """An output folder of ``fetalseg segment``.

    Parameters
    ----------
    path : Path
    task : str
    cases : tuple of Case
        Those that ask for a look first, the least sure of them before the others.
    record : mapping
        ``run.json``; empty where it is missing or damaged.
    errors : tuple of (str, str)
        Name and sentence of each file that failed.
    """

    path: Path
    task: str
    cases: tuple[Case, ...]
    record: Mapping[str, Any]
    errors: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """The task, as people read it."""
        title: str = tasks.get(self.task).TITLE
        return title

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many cases there are of each state, in `ORDER`."""
        found = Counter(case.state for case in self.cases)
        return {state: found[state] for state in ORDER}

    @property
    def dated(self) -> bool:
        """Whether any head has an age."""
        return any(case.row.get("ga_days") for case in self.cases)


def read(folder: str | Path) -> Folder:
    """Read an output folder.

    Raises
    ------
    UnreadableError
        If it holds no table of ``fetalseg segment``.
    """
    path = Path(folder)
    rows = _rows(path)
    record = _record(path / RECORD)
    by_file: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_file.setdefault(row["file"], []).append(row)
    task = next((row["task"] for row in rows if row.get("task") in tasks.NAMES), str(record.get("task", "")))
    if task not in tasks.NAMES:
        raise UnreadableError(f"{path / TABLE} does not tell its task: it is no table of this product's, or damaged.")
    stems = folders.stems(by_file, manifest.stems(path))
    told = {str(entry.get("name")): entry for entry in _entries(record)}
    cases = [case_of(path, stems[name], own, task, told.get(name, {})) for name, own in by_file.items()]
    cases.sort(key=urgency)
    return Folder(path, task, tuple(cases), record, _errors(path / ERRORS, cases))


def number(row: Row, name: str) -> float | None:
    """Return a cell as a number; None where it is empty or none."""
    try:
        value = float(row.get(name) or "nan")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def codes(row: Row, name: str) -> list[str]:
    """Return the codes of a cell, as ``"a;b"``."""
    return [code for code in row.get(name, "").split(";") if code]


def urgency(case: Case) -> tuple[int, bool, float, str]:
    """Return the key by which cases are sorted: state, then what growth asks to look at, then the least sure."""
    sure = case.confidence
    return ORDER.index(case.state), not codes(case.row, "growth_flags"), 0.0 if sure is None else sure, case.name


def _rows(folder: Path) -> list[dict[str, str]]:
    path = folder / TABLE
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            rows = [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]
            columns = set(reader.fieldnames or ())
    except FileNotFoundError as error:
        if (folder / folders.JOURNAL).exists():
            raise UnreadableError(
                f"{folder}: the run was broken off before its table was whole. Run 'fetalseg segment' again first."
            ) from error
        raise UnreadableError(f"{folder} holds no {TABLE}: give the folder that 'fetalseg segment' wrote.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableError(f"{path} can't be read as a table: {error}.") from error
    if not {"file", "status", "task"} <= columns:
        raise UnreadableError(f"{path} is no table of 'fetalseg segment': file, status and task are missing.")
    return rows


def _record(path: Path) -> dict[str, Any]:
    """Return the run's record. A report of numbers without it is worth more than none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _entries(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inputs = record.get("inputs")
    return [entry for entry in inputs if isinstance(entry, dict)] if isinstance(inputs, list) else []


def case_of(folder: Path, stem: str, rows: Sequence[Row], task: str, told: Mapping[str, Any]) -> Case:
    """Return the case that a scan's rows of the table are.

    Parameters
    ----------
    folder : Path
        The run's.
    stem : str
        Of the scan's outputs.
    rows : sequence of mapping
        At least one.
    task : str
    told : mapping
        What else is known of the scan: its hash as ``sha256``, sentences as ``warnings``.
    """
    name = rows[0]["file"]
    parts: Sequence[Row]
    if tasks.get(task).VOLUME:
        first = next((row for row in rows if row.get("lesion") == "all"), rows[0])
        parts = [row for row in rows if row is not first]
    else:
        trust = [
            (State(row["state"]) if row.get("state") in ORDER else State.REFUSE, number(row, "confidence"))
            for row in rows
        ]
        first = rows[quality.most_trusted(trust)]
        parts = rows if len(rows) > 1 else ()
    notes = told.get("warnings")
    return Case(
        name=name,
        task=task,
        row=first,
        parts=tuple(parts),
        picture=_output(folder / "overlays", stem, name, ".png"),
        mask=_output(folder / "masks", stem, name, "_mask.tif"),
        notes=tuple(str(note) for note in notes) if isinstance(notes, list) else (),
        sha256=str(told.get("sha256") or ""),
    )


def _output(folder: Path, stem: str, name: str, ending: str) -> Path | None:
    """Return an output of a case. A table names no file outside its folder, whatever a cell says."""
    for own in (stem, name):  # a run that was stopped has told names apart of files that its table lacks
        if ".." in PurePosixPath(own).parts or own.startswith("/"):
            continue
        path = folder / f"{own}{ending}"
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):
            continue
    return None


def _errors(path: Path, cases: Sequence[Case]) -> tuple[tuple[str, str], ...]:
    """Return what failed: by the table, and what only the list of errors tells."""
    found = {case.name: case.error for case in cases if case.failed}
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            for row in csv.DictReader(handle):
                if row.get("file"):
                    found.setdefault(row["file"], row.get("error") or "It could not be measured.")
    except (OSError, UnicodeDecodeError, csv.Error):
        pass  # the table has told the same
    return tuple(sorted(found.items()))
