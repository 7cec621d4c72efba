"""What every door says of a head on a chart, in one sentence each."""

from __future__ import annotations

from fetalseg.growth.assessment import Assessment
from fetalseg.growth.charts import Chart
from fetalseg.growth.dating import SOURCE_TEXTS, AgeFromHead, ga_text
from fetalseg.growth.pregnancy import Exam
from fetalseg.growth.velocity import Velocity

_MINUS = "\N{MINUS SIGN}"
_PM = "±"


def size_text(value_mm: float, interval_mm: tuple[float, float] | None = None) -> str:
    """Return ``174.2 ± 3.1 mm``."""
    half = f" {_PM} {(interval_mm[1] - interval_mm[0]) / 2:.1f}" if interval_mm else ""
    return f"{value_mm:.1f}{half} mm"


def signed(number: float, digits: int = 2) -> str:
    """Return a number with its sign, a true minus: ``+0.15``, ``−2.10``."""
    text = f"{abs(number):.{digits}f}"
    return f"{_MINUS if number < 0 and float(text) else '+'}{text}"


def age_at_scan_text(found: Assessment) -> str:
    """Return ``20w 3d ± 5 d by crown-rump length, due 2024-10-07``; without an age say so."""
    if found.ga_days is None:
        return "not known independently of this head"
    due = f", due {found.edd}" if found.edd else ""
    return f"{ga_text(found.ga_days)} {age_source_text(found)}{due}"


def age_source_text(found: Assessment) -> str:
    """Return ``± 5 d by crown-rump length``."""
    half = f"{_PM} {found.ga_uncertainty_days:g} d " if found.ga_uncertainty_days else ""
    return f"{half}as entered" if found.ga_source == "ga" else f"{half}by {SOURCE_TEXTS[found.ga_source]}"


def place_text(found: Assessment, measure: str = "hc") -> str:
    """Return ``56th centile, z +0.15 (−0.21 to +0.52)``, what the chart knows of it; empty where it knows nothing.

    Parameters
    ----------
    found : Assessment
    measure : {"hc", "bpd", "ofd"}
        Only HC has an interval.
    """
    reading = next((r for r in found.readings if r.measure == measure), None)
    if reading is None:
        return ""
    parts = []
    ends = (found.low, found.high) if measure == "hc" else (None, None)
    if reading.centile_text:
        parts.append(f"{reading.centile_text} centile")
        low, high = (end.centile_text if end else "" for end in ends)
        if reading.z is None and low and high:
            parts[0] += f" ({low} to {high})"
    if reading.z is not None:
        zs = [end.z for end in ends if end is not None and end.z is not None]
        parts.append(f"z {signed(reading.z)}" + (f" ({signed(zs[0])} to {signed(zs[1])})" if len(zs) == 2 else ""))
    return ", ".join(parts)


def sentence(
    found: Assessment, chart: Chart, interval_mm: tuple[float, float] | None = None, measure: str = "hc"
) -> str:
    """Return ``HC 174.2 ± 3.1 mm at 20w 3d: 56th centile (INTERGROWTH-21st), z +0.15 (−0.21 to +0.52)``.

    Parameters
    ----------
    found : Assessment
        On `chart`.
    chart : Chart
    interval_mm : (float, float), optional
        Of HC; an assessment with an age knows its own.
    measure : {"hc", "bpd", "ofd"}
        Nothing is returned of one that was not measured.
    """
    reading = next((r for r in found.readings if r.measure == measure), None)
    if reading is None:
        return ""
    interval = (found.low.value_mm, found.high.value_mm) if found.low and found.high else interval_mm
    size = f"{measure.upper()} {size_text(reading.value_mm, interval if measure == 'hc' else None)}"
    if found.ga_days is None:
        return f"{size}: no centile, because the age is not known independently of this head."
    where = f"{size} at {ga_text(found.ga_days)}"
    place = place_text(found, measure)
    if not place:
        return f"{where}: {reading.reason}"
    first, *rest = place.split(", ")
    return f"{where}: {', '.join([f'{first} ({chart.title})', *rest])}"


def named(chart: Chart) -> str:
    """Return a chart's title with its version, where the title does not hold it: ``INTERGROWTH-21st, 2014``."""
    more = chart.version.removeprefix(chart.title.rsplit(" ", 1)[-1]).lstrip(", ")
    return f"{chart.title}, {more}" if more else chart.title


def line(found: Assessment | None, chart: Chart) -> str:
    """Return ``56th centile at 20w 3d (INTERGROWTH-21st, 2014)`` for a picture, or shortly why not; or nothing."""
    if found is None:
        return ""
    if found.ga_days is None:
        return "" if found.ga_source else "No centile: the measurement is refused."
    age = ga_text(found.ga_days)
    if not found.hc.centile_text:
        return f"No centile: {chart.title} covers {chart.range_text}, not {age}."
    flags = "".join(f" · {flag.code.replace('_', ' ')}" for flag in found.flags)
    return f"{found.hc.centile_text} centile at {age} ({named(chart)}){flags}"


def age_from_hc_text(age: AgeFromHead) -> str:
    """Return the age that a head suggests, with its range and formula; or why there is none."""
    if age.ga_days is None:
        return age.reason or ""
    ends = ""
    if age.low_days is not None and age.high_days is not None:
        ends = f" ({ga_text(age.low_days)} to {ga_text(age.high_days)})"
    return f"{ga_text(age.ga_days)}{ends}, {age.formula}"


def exam_text(exam: Exam, refused: int = 0) -> str:
    """Return ``Mean of 3 of 6 frames, spread 1.2 mm; left out as an outlier: 190.1 mm.``; nothing of one frame.

    Parameters
    ----------
    exam : Exam
    refused : int
        How many frames were left out because their measurement is refused.
    """
    used = [frame for frame in exam.frames if frame.used]
    if len(exam.frames) + refused < 2:
        return ""
    said = f"Mean of {len(used)} of {len(exam.frames)} frames" if len(used) > 1 else f"1 of {len(exam.frames)} frames"
    if exam.spread_mm is not None:
        said += f", spread {exam.spread_mm:.1f} mm"
    for marked, what in ((False, "left out as an outlier"), (True, "an outlier, yet used")):
        sizes = [f"{f.hc_mm:.1f} mm" for f in exam.frames if f.outlier and f.used is marked]
        if sizes:
            said += f"; {what}: {', '.join(sizes)}"
    if refused:
        said += f"; {refused} more left out, because the measurement is refused"
    return f"{said}."


def velocity_text(found: Velocity) -> str:
    """Return how fast the head grew between two exams, or why that can't be told."""
    if found.mm_per_week is None:
        return found.reason or ""
    ends, median = found.interval_mm_per_week, found.median_mm_per_week
    verb = "grew" if found.mm_per_week >= 0 else "changed"
    said = f"HC {verb} by {_plain(found.mm_per_week)} mm a week"
    said += f" ({_plain(ends[0])} to {_plain(ends[1])})" if ends else ""
    said += f" in the {found.days} days since {found.earlier.scan_date}"
    said += f"; the chart's median grows {median:.1f} mm a week" if median is not None else ""
    return f"{said}. {found.warning}" if found.warning else f"{said}."


def _plain(number: float) -> str:
    return signed(number, 1).removeprefix("+")
