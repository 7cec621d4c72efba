"""``fetalseg growth``."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command, add_crl_formula
from fetalseg.errors import DatingError, GrowthError
from fetalseg.settings import GrowthSettings

MINUS = "\N{MINUS SIGN}"

if TYPE_CHECKING:
    from fetalseg.growth.assessment import Assessment
    from fetalseg.growth.charts import Chart
    from fetalseg.growth.dating import Dating
    from fetalseg.growth.pregnancy import Exam, Pregnancy


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "growth",
        run,
        "Place a head circumference on a growth chart: z-score, centile, their range, flags.\n"
        "Sizes are in mm. The age must be known from elsewhere than this head: without one only the age that the head\n"
        "itself suggests is told, and no centile, which would say nothing.\n\n"
        "With --pregnancy the exam is added to a small file, and growth between its exams is told.\n"
        "A prompt to look again, never a diagnosis.",
        "examples:\n"
        "  fetalseg growth --hc 180 --ga-weeks 20+3\n"
        "  fetalseg growth --hc 180 --bpd 49 --ofd 63 --lmp 2024-01-01 --scan-date 2024-05-20 --hc-interval 175 185\n"
        "  fetalseg growth --hc 180 --crl 60 --crl-date 2024-03-27 --scan-date 2024-05-20 --json\n"
        "  fetalseg growth --pregnancy p.json --lmp 2024-01-01 --hc 180 --scan-date 2024-05-20 --picture curve.png\n"
        "  fetalseg growth --pregnancy p.json --hc 251 --scan scan.dcm\n"
        "  fetalseg growth --pregnancy p.json\n\n"
        "exit code: 0 assessed, 1 a file can't be read or written, 2 wrong usage or impossible values",
    )
    _add_sizes(made)
    _add_dating(made)
    settings = GrowthSettings()
    made.add_argument(
        "--chart",
        metavar="NAME_OR_CSV",
        help="intergrowth21, hadlock84, who2017, or a csv with the columns ga, mean and sd of HC in mm "
        f"(default: the pregnancy's, else {settings.chart})",
    )
    made.add_argument("--pregnancy", type=Path, metavar="FILE", help="add this exam to a pregnancy's file, or read it")
    made.add_argument("--redate", action="store_true", help="give the pregnancy's file the dating that is given here")
    made.add_argument(
        "--machine",
        metavar="NAME",
        help="ultrasound machine, kept with the exam in the pregnancy: growth is not told between two of them",
    )
    made.add_argument("--picture", type=Path, metavar="FILE", help="draw the chart: .png, .svg or .pdf")
    made.add_argument(
        "--measure",
        default="hc",
        choices=("hc", "bpd", "ofd"),
        help="what the picture shows, where the chart has it (default: %(default)s)",
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")


def _add_sizes(made: argparse.ArgumentParser) -> None:
    sizes = made.add_argument_group("sizes")
    sizes.add_argument("--hc", type=float, metavar="MM", help="head circumference on the outer edge of the skull")
    sizes.add_argument("--bpd", type=float, metavar="MM", help="biparietal diameter")
    sizes.add_argument("--ofd", type=float, metavar="MM", help="occipitofrontal diameter, outer to outer edge")
    sizes.add_argument(
        "--bpd-calipers",
        default="outer-outer",
        choices=("outer-outer", "outer-inner"),
        help="how BPD was measured; a chart made the other way gives no number for it (default: %(default)s)",
    )
    sizes.add_argument("--hc-interval", nargs=2, type=float, metavar=("LOW", "HIGH"), help="95 %% interval of HC in mm")


def _add_dating(made: argparse.ArgumentParser) -> None:
    dates = made.add_argument_group("age of the pregnancy, by one of (dates as 2024-05-20)")
    dates.add_argument("--ga-weeks", metavar="W", help="age at the scan: 20.4 or 20+3")
    dates.add_argument("--ga-days", type=float, metavar="D", help="age at the scan in days")
    dates.add_argument("--lmp", metavar="DATE", help="first day of the last menstrual period")
    dates.add_argument("--ivf", metavar="DATE", help="day of fertilisation, not of the transfer")
    dates.add_argument("--edd", metavar="DATE", help="estimated date of delivery")
    dates.add_argument("--crl", type=float, metavar="MM", help="crown-rump length, with --crl-date")
    dates.add_argument("--earlier-ga", metavar="W", help="age at an earlier scan, with --earlier-date")
    more = made.add_argument_group("with it")
    more.add_argument("--scan-date", metavar="DATE", help="day of this scan")
    more.add_argument(
        "--scan",
        type=Path,
        metavar="FILE",
        help="DICOM file of this scan: its date, its machine and the last period, where they are not given",
    )
    more.add_argument("--crl-date", metavar="DATE", help="day on which the crown-rump length was measured")
    add_crl_formula(more)
    more.add_argument("--earlier-date", metavar="DATE", help="day of that earlier scan")


def run(given: argparse.Namespace) -> int:
    """Assess a head, or the exams of a pregnancy."""
    from fetalseg.growth import charts
    from fetalseg.growth.assessment import assess
    from fetalseg.growth.dating import Dating

    scan_date, notes, lmp = _scan(given)
    dating, more = dating_of(given, scan_date)
    notes += more
    if dating is None and lmp is not None and not (given.pregnancy and given.pregnancy.exists()):
        dating = Dating.from_lmp(lmp)
        notes.append(f"The last period, {lmp}, is taken from {given.scan.name}.")
    pregnancy = None
    if given.pregnancy:
        pregnancy, exam = _pregnancy(given, dating, scan_date)
        dating, chart = pregnancy.dating, charts.get(pregnancy.chart)
        sizes = (exam.hc_mm, exam.bpd_mm, exam.ofd_mm, exam.hc_interval_mm)
        scan_date = exam.scan_date
    else:
        if given.hc is None:
            raise GrowthError("Give the head circumference in mm by --hc, or a pregnancy's file by --pregnancy.")
        chart = charts.get(given.chart or GrowthSettings().chart)
        sizes = (given.hc, given.bpd, given.ofd, tuple(given.hc_interval) if given.hc_interval else None)
    hc, bpd, ofd, interval = sizes
    values: dict[str, Any] = {
        "dating": dating,
        "scan_date": scan_date,
        "bpd_mm": bpd,
        "ofd_mm": ofd,
        "hc_interval_mm": interval,
        "bpd_convention": given.bpd_calipers,
    }
    if dating is not None and dating.on is not None and scan_date is None:
        raise DatingError("The scan's date is needed to know the age at the scan: give --scan-date.")
    found = assess(hc, chart=chart, **values)
    found = replace(found, sentences=(*found.sentences, *notes))
    if given.picture:
        _picture(given.picture, chart, pregnancy, found, given.measure)
    if given.json:
        record = {"scan_date": scan_date.isoformat() if scan_date else None} | _record(found, pregnancy)
        print(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False))
        return 0
    _print(found, [assess(hc, chart=name, **values) for name in charts.NAMES if name != chart.name])
    if pregnancy:
        _print_series(pregnancy, chart)
    print(f"\n{RESEARCH}")
    return 0


def _scan(given: argparse.Namespace) -> tuple[datetime.date | None, list[str], datetime.date | None]:
    """Return the scan's date, what is to be said, and the file's last period; its machine is taken over."""
    scan_date = _date(given.scan_date)
    if given.scan is None:
        return scan_date, [], None
    from fetalseg.io.dicom_ultrasound import about

    told = about(given.scan)
    given.machine = given.machine if given.machine is not None else told["machine"]
    notes = []
    for what, typed, theirs in (
        ("The scan's date", scan_date, _date(told["study_date"])),
        ("The last period", _date(given.lmp), _date(told["lmp"])),
    ):
        if typed is not None and theirs is not None and typed != theirs:
            notes.append(f"{what} was typed as {typed}; {given.scan.name} says {theirs}.")
    return scan_date or _date(told["study_date"]), notes, _date(told["lmp"])


def dating_of(given: argparse.Namespace, scan_date: datetime.date | None) -> tuple[Dating | None, list[str]]:
    """Return the dating that the options say, and what is to be said about it.

    Raises
    ------
    DatingError
        If it is impossible, incomplete or more than one.
    """
    from fetalseg.growth.dating import Dating, parse_ga, redating_note

    for value, day, names in ((given.crl, given.crl_date, "crl"), (given.earlier_ga, given.earlier_date, "earlier")):
        if (value is None) != (day is None):
            first = "--crl" if names == "crl" else "--earlier-ga"
            raise DatingError(f"{first} and --{names}-date belong together: give both.")
    found: dict[str, Dating] = {}
    if given.ga_weeks is not None:
        found["--ga-weeks"] = Dating.from_ga(parse_ga(given.ga_weeks), scan_date)
    if given.ga_days is not None:
        found["--ga-days"] = Dating.from_ga(given.ga_days, scan_date)
    for name, make in (("lmp", Dating.from_lmp), ("ivf", Dating.from_ivf), ("edd", Dating.from_edd)):
        day = _date(getattr(given, name))
        if day is not None:
            found[f"--{name}"] = make(day)
    crl_date, earlier_date = _date(given.crl_date), _date(given.earlier_date)
    if given.crl is not None and crl_date is not None:
        found["--crl"] = Dating.from_crl(given.crl, crl_date, given.crl_formula)
    if given.earlier_ga is not None and earlier_date is not None:
        found["--earlier-ga"] = Dating.from_earlier_scan(parse_ga(given.earlier_ga), earlier_date)
    if len(found) == 2 and "--lmp" in found and ({"--crl", "--earlier-ga"} & set(found)):
        other = next(name for name in found if name != "--lmp")
        note = redating_note(found["--lmp"], found[other])
        return found["--lmp"], [
            f"{note} The last period was used; leave out --lmp to date by the scan."
        ] if note else []
    if len(found) > 1:
        raise DatingError(f"Date the pregnancy by one of {', '.join(found)}, not by several.")
    return next(iter(found.values()), None), []


def _date(text: str | None) -> datetime.date | None:
    from fetalseg.growth.dating import parse_date

    return None if text is None else parse_date(text)


def _pregnancy(
    given: argparse.Namespace, dating: Dating | None, scan_date: datetime.date | None
) -> tuple[Pregnancy, Exam]:
    """Read the pregnancy's file, add what is given, write it; return it and the exam that is looked at."""
    from fetalseg.growth import charts
    from fetalseg.growth.dating import SOURCE_TEXTS
    from fetalseg.growth.pregnancy import Exam, Pregnancy, read, write

    stored = read(given.pregnancy) if given.pregnancy.exists() else None
    if stored is None and given.hc is None:
        raise GrowthError(f"{given.pregnancy} is not there; begin it with a head circumference: --hc and --scan-date.")
    if dating is not None and dating.on is None:
        raise DatingError("In a pregnancy an age at the scan needs the scan's date: give --scan-date.")
    pregnancy = stored or Pregnancy(chart=GrowthSettings().chart)
    redated = dating is not None and dating != pregnancy.dating
    if redated:
        if pregnancy.dating is not None and not given.redate:
            raise DatingError(
                f"{given.pregnancy} is dated by {SOURCE_TEXTS[pregnancy.dating.source]} already. Leave the dating out, "
                "or give --redate to replace it for all its exams."
            )
        pregnancy = replace(pregnancy, dating=dating)
    if given.chart:
        pregnancy = replace(pregnancy, chart=charts.get(given.chart).key)
    if given.hc is None:
        if not pregnancy.exams:
            raise GrowthError(f"{given.pregnancy} holds no exam yet: give --hc and --scan-date.")
        exam = pregnancy.exams[-1]
    else:
        interval = (given.hc_interval[0], given.hc_interval[1]) if given.hc_interval else None
        if given.bpd is not None and given.bpd_calipers != "outer-outer":
            raise GrowthError("A pregnancy's file keeps BPD from outer to outer edge only: leave this BPD out.")
        exam = Exam(scan_date, given.hc, interval, given.bpd, given.ofd, machine=given.machine)
        pregnancy = pregnancy.with_exam(exam)
    for other in pregnancy.exams:  # an impossible date must not reach the file
        pregnancy.assess(other)
    if given.hc is not None or redated:
        write(given.pregnancy, pregnancy)
    return pregnancy, exam


def _picture(path: Path, chart: Chart, pregnancy: Pregnancy | None, found: Assessment, measure: str) -> None:
    try:
        curves = import_module("fetalseg.growth.curves")
        curves.save(path, chart, measure=measure, pregnancy=pregnancy, assessment=found)
    except ImportError as error:
        print(f"note: no picture: {error.name or 'matplotlib'} is not installed.", file=sys.stderr)
        return
    print(f"Picture in {path}.", file=sys.stderr)


def _record(found: Assessment, pregnancy: Pregnancy | None) -> dict[str, Any]:
    record = {**found.to_dict(), "disclaimer": RESEARCH}
    if found.hc.z is not None and found.z_low is None:
        record["reason"] = "No 95 % interval of HC was given, so z and centile have no range."
    if pregnancy is not None:
        from fetalseg.growth.velocity import velocities

        record["exams"] = [
            {"scan_date": _iso(exam), "spread_mm": exam.spread_mm, "machine": exam.machine, "edited": exam.edited}
            | pregnancy.assess(exam).to_dict()
            for exam in pregnancy.exams
        ]
        record["velocities"] = [
            {
                "from": _iso(v.earlier),
                "to": _iso(v.later),
                "days": v.days,
                "mm_per_week": v.mm_per_week,
                "interval_mm_per_week": v.interval_mm_per_week,
                "median_mm_per_week": v.median_mm_per_week,
                "warning": v.warning,
                "reason": v.reason,
            }
            for v in velocities(pregnancy)
        ]
    return record


def _iso(exam: Exam) -> str | None:
    return exam.scan_date.isoformat() if exam.scan_date else None


def _say(text: str) -> None:
    """Print words that docks show as well. A true minus may not reach every console, and a lost sign would mislead."""
    print(text.replace(MINUS, "-"))


def _print(found: Assessment, others: list[Assessment]) -> None:
    from fetalseg.growth import charts
    from fetalseg.growth.wording import age_at_scan_text, age_from_hc_text

    _say(f"Age at the scan: {age_at_scan_text(found)}")
    _say(f"Age that this HC suggests: {age_from_hc_text(found.age_from_hc)}")
    if found.cephalic_index is not None:
        print(f"Cephalic index: {found.cephalic_index:.1f}")
    print()
    for assessment in (found, *others) if found.ga_days is not None else (found,):
        _print_readings(assessment, "" if assessment is found else "  ")
    if others and found.ga_days is not None:
        print(f"Charts differ; numbers of two are not to be compared. This one is {_title(found)}.")
    source = charts.get(found.chart).source if found.chart in charts.NAMES else ""
    if source:
        print(source)
    for flag in found.flags:
        _say(f"\n! {flag.text}\n  [{flag.source}]")
    told = list(found.sentences)
    if found.ga_days is None and found.reason:
        told.insert(0, found.reason)
    if told:
        _say("\n" + "\n".join(told))


def _print_readings(found: Assessment, where: str) -> None:
    """What a chart makes of each size, one under another."""
    from fetalseg.growth.wording import place_text

    print(f"{where}{_title(found)}")
    for reading in found.readings:
        name = f"{where}  {reading.measure.upper():<4} {reading.value_mm:>4.0f} mm"
        if reading.centile_text:
            middle = "mean" if reading.z is not None else "median"
            _say(f"{name}   {place_text(found, reading.measure)}; {middle} {reading.mean_mm:.0f} mm")
        elif found.ga_days is not None:
            print(f"{name}   {reading.reason}")
        else:
            print(name)


def _title(found: Assessment) -> str:
    return f"{found.chart} ({found.chart_version})"


def _print_series(pregnancy: Pregnancy, chart: Chart) -> None:
    from fetalseg.growth.velocity import velocities
    from fetalseg.growth.wording import sentence, velocity_text

    print(f"\nExams of this pregnancy, all on {chart.title}:")
    between = dict(enumerate(velocities(pregnancy)))
    for number, exam in enumerate(pregnancy.exams):
        _say(f"  {_iso(exam) or 'no date':<10}  {sentence(pregnancy.assess(exam), chart, exam.hc_interval_mm)}")
        if number in between:
            _say(f"    {velocity_text(between[number])}")
