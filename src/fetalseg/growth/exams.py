"""A csv of exams: when each was scanned and what its pregnancy is dated by; and how a run's results are read by it.

The first line names the columns. ``file`` (or ``exam``) tells which pictures a row is about, in the order in which it
is looked for: a picture's relative path or the end of it (``a/007_HC.png``), the same without its ending, the number
before the first ``_`` as HC18 has it (``7`` for ``007_HC.png`` and ``007_2HC.png``), a folder that the picture lies
in, or a pattern (``*_HC.png``). ``scan_date`` is the day of the scan; DICOM files know it themselves. The pregnancy is
dated by one of: ``lmp``, ``edd``, ``ivf`` (dates), ``crl_mm`` with ``crl_date``, or the age at this scan as
``ga_weeks`` (``20``, ``20.4`` or ``20+3``), ``ga_days`` (in all), or both (weeks and the days beyond them). Dates are
written as 2020-01-31. Other columns are ignored; a row without a dating is allowed. Where no row dates a picture, the
last period that its DICOM file tells does.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fetalseg.errors import FetalSegError, GrowthError, SettingsError
from fetalseg.growth import charts
from fetalseg.growth.assessment import Assessment
from fetalseg.growth.dating import CRL_FORMULAS, Dating, parse_date, parse_ga, possible_lmp
from fetalseg.growth.results import assess_result
from fetalseg.growth.wording import line
from fetalseg.result import Result
from fetalseg.settings import GrowthSettings

COLUMNS = ("file", "exam", "scan_date", "lmp", "edd", "ivf", "crl_mm", "crl_date", "ga_weeks", "ga_days")
#: What tables say where a DICOM file's own last period dates its picture; the date itself they never hold.
LMP_OF_FILE = "last menstrual period as the DICOM file tells it, 28-day cycle"
# Columns that each are a way of dating; the second of a pair goes with the first.
_WAYS = (("lmp",), ("edd",), ("ivf",), ("crl_mm", "crl_date"), ("ga_weeks", "ga_days"))
_MANY = 5


@dataclass(frozen=True)
class Exam:
    """A row of the csv.

    Parameters
    ----------
    key : str
        Which pictures it is about.
    line : int
        Of the csv, from 1, for sentences.
    scan_date : date or None
    dating : Dating or None
    """

    key: str
    line: int
    scan_date: datetime.date | None = None
    dating: Dating | None = None


@dataclass(frozen=True)
class Exams:
    """All rows of a csv.

    Parameters
    ----------
    name : str
        The csv's file name.
    sha256 : str
        Of its bytes.
    rows : tuple of Exam
    """

    name: str
    sha256: str
    rows: tuple[Exam, ...]

    def find(self, picture: str) -> Exam | str:
        """Return the row that a picture belongs to, or in a sentence why there is none.

        Parameters
        ----------
        picture : str
            Its relative path.
        """
        found = self._fitting(picture)
        if len({(row.scan_date, row.dating) for row in found}) > 1:
            lines = " and ".join(str(row.line) for row in found[:_MANY])
            return f"{picture}: lines {lines} of {self.name} contradict each other, so no centile is given."
        return found[0] if found else f"{picture} belongs to no exam of {self.name}, so no centile is given."

    def silent(self, picture: str) -> bool:
        """Whether no row dates a picture."""
        return all(row.dating is None for row in self._fitting(picture))

    def _fitting(self, picture: str) -> Sequence[Exam]:
        """Return the rows that are the nearest to a picture."""
        path = PurePosixPath(picture.replace("\\", "/"))
        return next((found for fits in _FITS if (found := [row for row in self.rows if fits(row.key, path)])), ())


def read(path: str | Path, *, crl_formula: str = "robinson1975") -> Exams:
    """Read a csv of exams.

    Parameters
    ----------
    path : path
    crl_formula : {"robinson1975", "intergrowth2014"}
        By which a crown-rump length dates.

    Raises
    ------
    SettingsError
        If it can't be read, lacks a column, or a row holds what is no date or age, dates twice, or is impossible. The
        lines are named.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"{path.name}: there is no such csv of exams. Check the path.") from error
    except OSError as error:
        raise SettingsError(f"{path.name} can't be read: {error.strerror}.") from error
    lines = _lines(data, path.name)
    rows, wrong = [], []
    for number, cells in lines:
        try:
            row = _row(number, cells, crl_formula)
        except FetalSegError as error:
            wrong.append(f"line {number}: {error}")
            continue
        if row is not None:
            rows.append(row)
    if wrong:
        more = f" And {len(wrong) - _MANY} more lines." if len(wrong) > _MANY else ""
        raise SettingsError(f"{path.name}, {' '.join(wrong[:_MANY])}{more}")
    if not rows:
        raise SettingsError(f"{path.name} holds no exam.")
    return Exams(path.name, hashlib.sha256(data).hexdigest(), tuple(rows))


def _lines(data: bytes, name: str) -> list[tuple[int, Mapping[str, str]]]:
    """Return the lines' numbers and cells by column."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # what older spreadsheets write; never fails
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        columns = [(column or "").strip().lower() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        out: list[tuple[int, Mapping[str, str]]] = [
            (reader.line_num, {k: (v or "").strip() for k, v in cells.items() if isinstance(k, str)})
            for cells in reader
        ]
    except csv.Error as error:
        raise SettingsError(f"{name} is not readable as a csv ({error}).") from error
    ways = [column for way in _WAYS for column in way if column in columns]
    if not {"file", "exam"} & set(columns) or not ways:
        raise SettingsError(
            f"{name} is no csv of exams: its first line must name 'file' or 'exam', and a way of dating: "
            "'lmp', 'edd', 'ivf', 'crl_mm' with 'crl_date', 'ga_weeks' or 'ga_days'; and 'scan_date' where the "
            "dating is a date."
        )
    return out


def _row(line: int, cells: Mapping[str, str], crl_formula: str) -> Exam | None:
    """Return a row; None for an empty one."""
    key = cells.get("file") or cells.get("exam") or ""
    if not any(cells.get(column) for column in COLUMNS):
        return None
    if not key:
        raise SettingsError("the file or exam is missing.")
    scan_date = parse_date(cells["scan_date"]) if cells.get("scan_date") else None
    dating = _dating(cells, scan_date, crl_formula)
    if dating is not None and (scan_date is not None or dating.on is None):
        dating.at(scan_date)  # impossible ages are told before the run
    return Exam(key.replace("\\", "/").strip("/"), line, scan_date, dating)


def _dating(cells: Mapping[str, str], scan_date: datetime.date | None, crl_formula: str) -> Dating | None:
    """Return what a row dates by; None where it dates by nothing."""
    given = [way for way in _WAYS if any(cells.get(column) for column in way)]
    if len(given) > 1:
        named = " and ".join(way[0] for way in given)
        raise SettingsError(f"it dates by {named}; keep the one that the pregnancy is dated by.")
    if not given:
        return None
    ways: dict[str, Callable[[datetime.date], Dating]] = {
        "lmp": Dating.from_lmp,
        "edd": Dating.from_edd,
        "ivf": Dating.from_ivf,
    }
    way = given[0][0]
    if way in ways:
        return ways[way](parse_date(cells[way]))
    if way == "ga_weeks":
        return Dating.from_ga(_age(cells.get("ga_weeks", ""), cells.get("ga_days", "")), scan_date)
    if not (cells.get("crl_mm") and cells.get("crl_date")):
        raise SettingsError("a crown-rump length dates only with both crl_mm and crl_date.")
    return Dating.from_crl(_number(cells["crl_mm"], "crl_mm"), parse_date(cells["crl_date"]), crl_formula)


def _age(weeks: str, days: str) -> float:
    if not weeks:
        return _number(days, "ga_days")
    if not days:
        return parse_ga(weeks.replace(",", "."))
    whole, beyond = _number(weeks, "ga_weeks"), _number(days, "ga_days")
    if whole != int(whole) or not 0 <= beyond < 7:
        raise SettingsError(
            f"with ga_weeks {weeks}, ga_days are those beyond whole weeks, 0 to 6, not {days}; give one of the two."
        )
    return 7 * whole + beyond


def _number(text: str, column: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SettingsError(f"{column} '{text}' is no number.")
    return value


def _same_path(key: str, path: PurePosixPath) -> bool:
    parts = PurePosixPath(key).parts
    return bool(parts) and path.parts[-len(parts) :] == parts


def _same_stem(key: str, path: PurePosixPath) -> bool:
    return _same_path(key, path.with_suffix("")) if path.name else False


def _same_number(key: str, path: PurePosixPath) -> bool:
    found = re.match(r"0*(\d+)(?=[_.]|$)", path.name)
    return bool(found) and key.isdecimal() and int(key) == int(found[1])  # type: ignore[index]


def _in_folder(key: str, path: PurePosixPath) -> bool:
    wanted = PurePosixPath(key).parts
    places = path.parent.parts
    return (
        any(places[at : at + len(wanted)] == wanted for at in range(len(places) - len(wanted) + 1)) if wanted else False
    )


def _pattern(key: str, path: PurePosixPath) -> bool:
    return any(sign in key for sign in "*?[") and path.match(key)


def _of_file(lmp: str | None, scan_date: datetime.date | None) -> Dating | None:
    """Return the dating by a file's own last period, where it can be that of the scan's day."""
    day = parse_date(lmp) if lmp else None
    if day is None or scan_date is None or not possible_lmp(day, scan_date):
        return None
    return replace(Dating.from_lmp(day), formula=LMP_OF_FILE)


_FITS: Sequence[Callable[[str, PurePosixPath], bool]] = (_same_path, _same_stem, _same_number, _in_folder, _pattern)


@dataclass(frozen=True)
class Growth:
    """The exams that results are assessed by, the chart, and by which formula crown-rump lengths date."""

    exams: Exams
    chart: charts.Chart
    crl_formula: str = GrowthSettings().crl_formula

    @classmethod
    def load(cls, exams: str | Path, settings: GrowthSettings) -> Growth:
        """Read exams and chart.

        Raises
        ------
        SettingsError
        """
        try:
            chart = charts.get(settings.chart)
            return cls(read(exams, crl_formula=settings.crl_formula), chart, settings.crl_formula)
        except GrowthError as error:  # wrong usage, before a run starts
            raise SettingsError(str(error)) from error

    def assess(
        self, result: Result, study_date: str | None = None, lmp: str | None = None
    ) -> tuple[Assessment | None, str]:
        """Return a result's assessment by its exam, and in a sentence what is missing.

        Parameters
        ----------
        result : Result
        study_date : str, optional
            Of the scan's own file, ISO; the csv's stands above it.
        lmp : str, optional
            Last period that the scan's own file tells, ISO; any dating of the csv stands above it.
        """
        if result.measurement.values.get("hc_mm") is None:
            return None, ""
        name = result.scan_name
        exam = self.exams.find(name)
        scan_date = None if isinstance(exam, str) else exam.scan_date
        if scan_date is None and study_date:
            scan_date = datetime.date.fromisoformat(study_date)
        dating = None if isinstance(exam, str) else exam.dating
        if self.exams.silent(name):
            dating = _of_file(lmp, scan_date)
        if dating is None:
            if isinstance(exam, str):
                return None, exam
            return None, f"{name}: line {exam.line} of {self.exams.name} dates by nothing, so no centile is given."
        try:
            found = assess_result(result, dating=dating, scan_date=scan_date, chart=self.chart)
        except FetalSegError as error:
            return None, f"{name}: {error}"
        if found is None or found.hc.centile_text:
            return found, ""
        return found, f"{name}: {found.reason}"

    def line(self, found: Assessment | None) -> str:
        """Return an assessment as pictures show it, or nothing. See `fetalseg.growth.wording.line`."""
        return line(found, self.chart)

    def to_dict(self) -> dict[str, str]:
        """Return plain values, as written to ``run.json``."""
        return {
            "chart": self.chart.name,
            "chart_version": self.chart.version,
            "chart_source": self.chart.source,
            "crl_formula": f"{self.crl_formula} ({CRL_FORMULAS[self.crl_formula]})",
            "exams": self.exams.name,
            "exams_sha256": self.exams.sha256,
        }
