"""A pregnancy: its dating, its exams, and the one chart that all of them are read on. Nothing in it needs a name.

A file of it keeps what was measured and never a z-score: those are read anew, so that no two charts can mix.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from fetalseg.errors import FetalSegError, GrowthError, UnreadableError
from fetalseg.growth import charts
from fetalseg.growth.assessment import Assessment, assess, check_sizes
from fetalseg.growth.dating import Dating, check_day, parse_date
from fetalseg.growth.results import refusal
from fetalseg.result import Result

FORMAT = "fetalseg pregnancy"
VERSION = 1
_BEST = 3
# Two measurements of one head by one reader agree within 3 % in 95 % of cases (Sarris 2012).
_APART = 0.03


@dataclass(frozen=True)
class Frame:
    """One measured frame of an exam.

    Parameters
    ----------
    hc_mm : float
    bpd_mm, ofd_mm : float or None
    result : str
        Hash of the result, see `result_hash`.
    used : bool
        Whether the exam's mean is made of it.
    outlier : bool
        Whether its HC lies more than 3 % from the median of three or more frames.
    """

    hc_mm: float
    bpd_mm: float | None
    ofd_mm: float | None
    result: str
    used: bool = True
    outlier: bool = False


@dataclass(frozen=True)
class Exam:
    """The head in one exam.

    Parameters
    ----------
    scan_date : date or None
    hc_mm : float
        The mean of the frames that are used.
    hc_interval_mm : (float, float) or None
        95 % interval.
    bpd_mm, ofd_mm : float or None
        Outer to outer edge.
    spread_mm : float or None
        From the smallest to the largest HC that is used; None for one frame.
    frames : tuple of Frame
    machine : str or None
    edited : bool
        Whether a person changed an outline of it.
    """

    scan_date: datetime.date | None
    hc_mm: float
    hc_interval_mm: tuple[float, float] | None = None
    bpd_mm: float | None = None
    ofd_mm: float | None = None
    spread_mm: float | None = None
    frames: tuple[Frame, ...] = ()
    machine: str | None = None
    edited: bool = False

    def __post_init__(self) -> None:
        check_sizes(self.hc_mm, self.bpd_mm, self.ofd_mm, self.hc_interval_mm)
        check_day(self.scan_date, "The scan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "scan_date": self.scan_date.isoformat() if self.scan_date else None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make it of plain values; unknown names are an error."""
        date, interval = values.get("scan_date"), values.get("hc_interval_mm")
        return cls(
            **{
                **values,
                "scan_date": parse_date(date) if date is not None else None,
                "hc_interval_mm": (float(interval[0]), float(interval[1])) if interval is not None else None,
                "frames": tuple(Frame(**frame) for frame in values.get("frames", ())),
            }
        )


@dataclass(frozen=True)
class Pregnancy:
    """Dating, exams by date (those without a date last), and the one chart that all are read on.

    Parameters
    ----------
    dating : Dating or None
    exams : tuple of Exam
    chart : str
        What `fetalseg.growth.charts.get` finds it by.
    """

    dating: Dating | None = None
    exams: tuple[Exam, ...] = ()
    chart: str = charts.DEFAULT

    def __post_init__(self) -> None:
        order = sorted(self.exams, key=lambda exam: exam.scan_date or datetime.date.max)
        object.__setattr__(self, "exams", tuple(order))

    def with_exam(self, exam: Exam) -> Self:
        """Return the pregnancy with one more exam.

        Raises
        ------
        GrowthError
            If a result of the exam is in the pregnancy already.
        DatingError
            If the exam's date does not fit the dating.
        """
        if self.dating is not None and self.dating.on is None and self.exams:
            raise GrowthError("This pregnancy's age is known at one scan only; date it by a day to add more exams.")
        if self.dating is not None and exam.scan_date is not None:
            self.dating.at(exam.scan_date)
        known = {frame.result for other in self.exams for frame in other.frames if frame.result}
        if any(frame.result in known for frame in exam.frames):
            raise GrowthError("This result is in the pregnancy already.")
        return replace(self, exams=(*self.exams, exam))

    def without(self, index: int) -> Self:
        """Return the pregnancy without one of its exams."""
        kept = list(self.exams)
        del kept[index]
        return replace(self, exams=tuple(kept))

    def assess(self, exam: Exam) -> Assessment:
        """Read one of its exams on its chart."""
        return assess(
            exam.hc_mm,
            dating=self.dating,
            scan_date=exam.scan_date,
            bpd_mm=exam.bpd_mm,
            ofd_mm=exam.ofd_mm,
            hc_interval_mm=exam.hc_interval_mm,
            chart=self.chart,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "dating": self.dating.to_dict() if self.dating else None,
            "chart": self.chart,
            "exams": [exam.to_dict() for exam in self.exams],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make it of plain values."""
        dating = values["dating"]
        exams = tuple(Exam.from_dict(exam) for exam in values["exams"])
        return cls(Dating.from_dict(dating) if dating is not None else None, exams, str(values["chart"]))


def exam_of(results: Sequence[Result], scan_date: datetime.date | None = None, *, machine: str | None = None) -> Exam:
    """Sum up the results of one exam as sonographers do: the mean of the best three frames.

    The best are those a person edited, then the most confident. A frame whose HC lies more than 3 % from the median is
    marked, and not used while two others are left. The interval is not narrowed by averaging: frames of one head,
    outlined by one model, are wrong together.

    Parameters
    ----------
    results : sequence of Result
        Of heads with sizes in mm; those that are refused are left out.
    scan_date : date, optional
        By default that of the results; empty for not known.
    machine : str, optional
        By default that of the results; empty for not known.

    Raises
    ------
    GrowthError
        If there is none to sum up, or the results are of different days.
    """
    sized = [r for r in results if r.measurement.values.get("hc_mm")]
    if not sized:
        raise GrowthError("No result holds a head circumference in mm: give the pixel size.")
    usable = [r for r in sized if not refusal(r)]
    if not usable:
        raise GrowthError(f"{refusal(sized[0])} Mend its outline, or measure another picture.")
    if scan_date is None:
        days = {r.study_date for r in usable} - {None}
        if len(days) > 1:
            raise GrowthError(
                f"These results are of different days ({', '.join(sorted(map(str, days)))}): one exam each."
            )
        scan_date = parse_date(str(days.pop())) if days else None
    sizes = [_size(r, "hc_mm") or 0.0 for r in usable]
    middle = statistics.median(sizes)
    outlier = [len(sizes) >= _BEST and abs(size - middle) > _APART * middle for size in sizes]
    alone = outlier.count(False) < 2
    kept = [k for k in range(len(usable)) if alone or not outlier[k]]
    best = sorted(kept, key=lambda k: -_trust(usable[k]))[:_BEST]
    frames = tuple(
        Frame(sizes[k], _size(r, "bpd_mm"), _size(r, "ofd_mm"), result_hash(r), k in best, outlier[k])
        for k, r in enumerate(usable)
    )
    used = [frame for frame in frames if frame.used]
    hc = statistics.fmean(frame.hc_mm for frame in used)
    intervals = [usable[k].measurement.intervals.get("hc_mm") for k in best]
    halves = [(i[1] - i[0]) / 2 for i in intervals if i is not None]
    half = statistics.fmean(halves) if len(halves) == len(best) else None
    return Exam(
        scan_date=scan_date,
        hc_mm=hc,
        hc_interval_mm=None if half is None else (hc - half, hc + half),
        bpd_mm=_mean([frame.bpd_mm for frame in used]),
        ofd_mm=_mean([frame.ofd_mm for frame in used]),
        spread_mm=max(f.hc_mm for f in used) - min(f.hc_mm for f in used) if len(used) > 1 else None,
        frames=frames,
        machine=_machine(usable) if machine is None else machine or None,
        edited=any(usable[k].edited for k in best),
    )


def result_hash(result: Result) -> str:
    """Return a hash of what a result measured: the same scan, frame, model and outline give the same one."""
    values = {name: result.measurement.values.get(name) for name in ("hc_mm", "bpd_mm", "ofd_mm")}
    ellipse = result.measurement.ellipse
    told = [result.scan_sha256 or result.scan_name, result.frame, result.task, result.provenance.model_sha256]
    text = json.dumps([*told, result.origin, values, asdict(ellipse) if ellipse else None], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: str | Path) -> Pregnancy:
    """Read a pregnancy's file.

    Raises
    ------
    UnreadableError
        If it can't be read or is none.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableError(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise UnreadableError(f"{path} is no pregnancy file: it is no JSON.") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UnreadableError(f"{path} is no pregnancy file.")
    if values.get("version") != VERSION:
        raise UnreadableError(f"{path} is of version {values.get('version')}; this program reads version {VERSION}.")
    try:
        return Pregnancy.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, FetalSegError) as error:
        told = str(error) if isinstance(error, FetalSegError) else f"a value is missing or wrong ({error})."
        raise UnreadableError(f"{path} is a damaged pregnancy file: {told}") from error


def write(path: str | Path, pregnancy: Pregnancy) -> Path:
    """Write a pregnancy's file, whole or not at all.

    Raises
    ------
    OutputError
    """
    from fetalseg.io.atomic import write_text

    text = json.dumps(pregnancy.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n", sync=True)


def _machine(results: Sequence[Result]) -> str | None:
    """The machine that all results are from, where their files tell one."""
    told = {result.machine for result in results}
    return told.pop() if len(told) == 1 else None


def _trust(result: Result) -> float:
    """How much a frame is trusted: what a person edited most."""
    return math.inf if result.edited else result.measurement.confidence or 0.0


def _size(result: Result, name: str) -> float | None:
    value = result.measurement.values.get(name)
    return None if value is None else float(value)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
