"""Studies of one patient: of results, and of the tables that ``fetalseg segment --task tumour`` writes."""

from __future__ import annotations

import csv
import datetime
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fetalseg.errors import SettingsError, UnreadableError
from fetalseg.followup.rano import Lesion, Study
from fetalseg.result import Result

TABLE = "measurements.csv"
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")
_PATIENT = re.compile(
    r"(?<![a-z0-9])(tcga[-_][a-z0-9]{2}[-_][a-z0-9]{4}|sub-[a-z0-9]+|(?:patient|pat|subject|subj|case)[-_]?\d+)", re.I
)

Row = Mapping[str, str]


def read(
    inputs: Sequence[Path], *, dates: Path | None = None, pattern: str | None = None
) -> tuple[list[Study], list[str]]:
    """Read the studies of one patient.

    Parameters
    ----------
    inputs : sequence of path
        Tables, or folders that hold ``measurements.csv`` themselves or in folders of their own.
    dates : path, optional
        A csv with the columns ``file`` and ``date``.
    pattern : str, optional
        Only files whose name fits; with ``*``, ``?`` or ``[`` the whole name, else a part of it.

    Returns
    -------
    studies : list of Study
        In the order they were read; the date is that of ``dates``, else of the table, else of the file's name.
    notes : list of str
        Sentences: what was left out, and why, and whether the names speak of several patients.

    Raises
    ------
    UnreadableError
        If a table can't be read or is none of tumours.
    SettingsError
        If no file fits the pattern.
    """
    known = read_dates(dates) if dates else {}
    studies, notes = [], []
    tables = find_tables(inputs)
    for table in tables:
        for name, rows in _by_file(table).items():
            if pattern and not _fits(name, pattern):
                continue
            if rows[0].get("status") == "error":
                notes.append(f"{name} was left out: {rows[0].get('error') or 'it could not be measured'}")
                continue
            if rows[0].get("state") == "refuse":
                notes.append(f"{name} was left out: its result is refused ({_words(rows[0])}).")
                continue
            if rows[0].get("state") == "check":
                notes.append(f"{name} is to be checked ({_words(rows[0])}).")
            studies.append(_study(name, rows, known, table))
    if pattern and not studies:
        raise SettingsError(f"No file of these results fits --patient '{pattern}'.")
    unused = sorted(set(known) - {s.name for s in studies} - {Path(s.name).name for s in studies})
    if unused and not pattern:
        notes.append(f"{dates.name if dates else ''} has dates for files that are not here: {', '.join(unused)}.")
    patients = patients_of(study.name for study in studies)
    if len(patients) > 1:
        notes.append(
            f"The file names speak of several patients ({', '.join(patients)}); a follow-up is of one. "
            "Choose by --patient."
        )
    return _told_apart(studies), notes


def find_tables(inputs: Sequence[Path]) -> list[Path]:
    """Return the tables of files and folders, each once."""
    found: dict[Path, Path] = {}
    for given in inputs:
        if given.is_dir():
            own = [given / TABLE] if (given / TABLE).is_file() else sorted(given.glob(f"*/{TABLE}"))
            if not own:
                raise UnreadableError(f"{given} holds no {TABLE}; run 'fetalseg segment --task tumour' first.")
            found |= {table.resolve(): table for table in own}
        elif given.is_file():
            found[given.resolve()] = given
        else:
            raise UnreadableError(f"{given} is not there.")
    return list(found.values())


def read_dates(path: Path) -> dict[str, datetime.date]:
    """Read a csv of ``file`` and ``date`` (2020-01-31 or 20200131)."""
    out = {}
    for row in _rows(path, ("file", "date")):
        date = parse_date(row["date"])
        if date is None:
            raise UnreadableError(f"{path}: '{row['date']}' of {row['file']} is no date; write it as 2020-01-31.")
        out[row["file"].strip().replace("\\", "/")] = date
    return out


def parse_date(text: str) -> datetime.date | None:
    """Return the date of ``2020-01-31`` or ``20200131``; None if it is none."""
    found = _DATE.fullmatch(text.strip())
    try:
        return datetime.date(int(found[1]), int(found[3]), int(found[4])) if found else None
    except ValueError:
        return None


def date_in_name(name: str) -> datetime.date | None:
    """Return the date in a file's name, else in its folders' names; None where there is none or more than one."""
    path = name.replace("\\", "/")
    for part in (path.rsplit("/", 1)[-1], path):
        found = {parse_date(match.group()) for match in _DATE.finditer(part)} - {None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def patients_of(names: Iterable[str]) -> list[str]:
    """Return the patients that file names speak of: TCGA's ids, ``sub-01``, ``patient_7``; sorted."""
    found = (_PATIENT.search(name) for name in names)
    return sorted({match.group(1).upper().replace("-", "_") for match in found if match})


def _words(row: Row) -> str:
    return row.get("flags", "").replace("_", " ").replace(";", ", ") or "without a reason given"


def _fits(name: str, pattern: str) -> bool:
    if any(sign in pattern for sign in "*?["):
        return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], pattern)
    return pattern in name


def _rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns = [column.strip() for column in reader.fieldnames or []]
            reader.fieldnames = columns
            rows = [{k: (v or "").strip() for k, v in row.items() if isinstance(k, str)} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableError(f"{path} can't be read as a csv: {error}.") from error
    missing = [name for name in needed if name not in columns]
    if missing:
        wanted = (
            "" if needed[-1] == "date" else " A follow-up needs a table that 'fetalseg segment --task tumour' wrote."
        )
        raise UnreadableError(f"{path} has no column {' and no '.join(missing)}.{wanted}")
    return rows


def _by_file(table: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of each file, the one of all lesions first."""
    out: dict[str, list[dict[str, str]]] = {}
    for row in _rows(table, ("file", "lesion")):
        if row.get("task") in (None, "", "tumour"):
            out.setdefault(row["file"], []).append(row)
    if not out:
        raise UnreadableError(f"{table} holds no tumour; run 'fetalseg segment --task tumour' first.")
    for name, rows in out.items():
        rows.sort(key=lambda row: row["lesion"] != "all")
        if rows[0]["lesion"] != "all" and rows[0].get("status") != "error":
            raise UnreadableError(f"{table}: {name} has no row 'all' of all lesions.")
    return out


def _study(name: str, rows: Sequence[Row], known: Mapping[str, datetime.date], table: Path) -> Study:
    everything, lesions = rows[0], rows[1:]

    def value(row: Row, column: str) -> float | None:
        text = row.get(column, "")
        try:
            number = float(text) if text else None
        except ValueError:
            number = float("nan")
        if number is not None and not 0 <= number < float("inf"):
            raise UnreadableError(f"{table}: {column} of {name} is '{text}', which is no size.")
        return number

    volume = value(everything, "volume_ml")
    date, source = _date(name, everything, known)
    return Study(
        name=name,
        date=date,
        product_mm2=_product(value(everything, "product_mm2"), volume, everything.get("status") != "empty"),
        volume_ml=volume,
        lesions=tuple(
            Lesion(row["lesion"], value(row, "product_mm2"), value(row, "volume_ml"), _yes(row.get("measurable", "")))
            for row in lesions
        ),
        edited=everything.get("edited", "") not in ("", "no"),
        description=everything.get("description", ""),
        slice_mm=value(everything, "slice_mm"),
        model=everything.get("model", ""),
        date_source=source,
    )


def of_result(
    name: str, result: Result, date: datetime.date | None, date_source: str = "", description: str = ""
) -> Study:
    """Return a volume's result as a study."""
    found = result.measurement
    lesions = []
    for part in found.parts:
        told = part.values.get("measurable")
        sizes = part.values.get("product_mm2"), part.values.get("volume_ml")
        lesions.append(Lesion(part.texts["lesion"], *sizes, None if told is None else bool(told)))
    volume = found.values.get("volume_ml")
    return Study(
        name,
        date,
        _product(found.values.get("product_mm2"), volume, found.found),
        volume,
        tuple(lesions),
        edited=result.edited,
        description=description,
        slice_mm=result.spacing.slice_mm if result.spacing else None,
        model=result.provenance.model,
        date_source=date_source,
    )


def _product(product: float | None, volume: float | None, found: bool) -> float | None:
    """The sum of products as a study has it: 0 of nothing, not known of lesions of which none is measurable."""
    if not found:
        return product if volume is None else 0.0
    return product or None


def _yes(text: str) -> bool | None:
    """What a table says of *measurable*: yes, no, or not known."""
    word = re.split(r"\W", text.lower(), maxsplit=1)[0]
    if word in ("yes", "true", "1"):
        return True
    return False if word in ("no", "false", "0") else None


def _date(name: str, row: Row, known: Mapping[str, datetime.date]) -> tuple[datetime.date | None, str]:
    """The study's date and where it comes from."""
    path = name.replace("\\", "/")
    for key in (path, path.rsplit("/", 1)[-1]):
        if key in known:
            return known[key], "csv of dates"
    told = parse_date(row.get("study_date", ""))
    if told is not None:
        return told, "scan"
    named = date_in_name(name)
    return (named, "file name") if named else (None, "")


def _told_apart(studies: Sequence[Study]) -> list[Study]:
    """Give studies of the same file name in different tables names of their own."""
    names = [study.name for study in studies]
    counts: dict[str, int] = {}
    out = []
    for study in studies:
        counts[study.name] = counts.get(study.name, 0) + 1
        number = f" ({counts[study.name]})" if names.count(study.name) > 1 else ""
        out.append(replace(study, name=study.name + number))
    return out
