"""How fast a head grows between the exams of one pregnancy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from fetalseg.errors import DatingError
from fetalseg.growth import charts
from fetalseg.growth.charts import Chart
from fetalseg.growth.pregnancy import Exam, Pregnancy

#: With 3 % of measuring error, exams that lie closer can't show a change.
SHORTEST_DAYS, UNSURE_DAYS = 14, 21


@dataclass(frozen=True)
class Velocity:
    """Growth of HC from one exam to the next.

    Parameters
    ----------
    earlier, later : Exam
    days : int or None
        Between them; None where a date is not known.
    mm_per_week : float or None
    interval_mm_per_week : (float, float) or None
        95 % interval by the measuring errors of both exams, where both are known.
    median_mm_per_week : float or None
        Of the chart between the same two ages; None without an independent age that the chart covers.
    warning : str or None
    reason : str or None
        Why there is no velocity.
    """

    earlier: Exam
    later: Exam
    days: int | None
    mm_per_week: float | None = None
    interval_mm_per_week: tuple[float, float] | None = None
    median_mm_per_week: float | None = None
    warning: str | None = None
    reason: str | None = None


def velocities(pregnancy: Pregnancy, chart: Chart | None = None) -> tuple[Velocity, ...]:
    """Return the growth between each exam and the next; all of them on one chart.

    Parameters
    ----------
    pregnancy : Pregnancy
    chart : Chart, optional
        That the medians are read on; the pregnancy's own by default.
    """
    on = chart or charts.get(pregnancy.chart)
    return tuple(_between(pregnancy, earlier, later, on) for earlier, later in pairwise(pregnancy.exams))


def _between(pregnancy: Pregnancy, earlier: Exam, later: Exam, chart: Chart) -> Velocity:
    if earlier.scan_date is None or later.scan_date is None:
        return Velocity(earlier, later, None, reason="No growth rate: the date of a scan is not known.")
    days = (later.scan_date - earlier.scan_date).days
    if days < SHORTEST_DAYS:
        reason = f"No growth rate: the scans lie {days} days apart, and under {SHORTEST_DAYS} none can be told."
        return Velocity(earlier, later, days, reason=reason)
    machines = [exam.machine for exam in (earlier, later)]
    if None not in machines and len({str(m).casefold() for m in machines}) > 1:
        reason = f"No growth rate: the scans are from different machines ({machines[0]}, {machines[1]})."
        return Velocity(earlier, later, days, reason=reason)
    weeks = days / 7
    rate = (later.hc_mm - earlier.hc_mm) / weeks
    interval = None
    if earlier.hc_interval_mm and later.hc_interval_mm:
        halves = [(high - low) / 2 for low, high in (earlier.hc_interval_mm, later.hc_interval_mm)]
        half = math.hypot(*halves) / weeks
        interval = (rate - half, rate + half)
    warnings = []
    if days <= UNSURE_DAYS:
        warnings.append(f"The scans lie only {days} days apart: measuring error may hide or feign a change.")
    if interval and interval[0] <= 0:
        warnings.append("The change lies within the measuring error.")
    if rate < 0:
        warnings.append("HC is smaller than before: check planes and dates.")
    if None in machines:
        warnings.append("It is not known whether both scans are from one machine.")
    return Velocity(
        *(earlier, later, days, rate, interval, _median(pregnancy, earlier, later, chart)), " ".join(warnings) or None
    )


def _median(pregnancy: Pregnancy, earlier: Exam, later: Exam, chart: Chart) -> float | None:
    """The chart's own growth between the two ages, mm a week."""
    dating = pregnancy.dating
    if dating is None or not dating.independent or dating.on is None:
        return None
    try:
        ages = [dating.at(exam.scan_date) for exam in (earlier, later)]
    except DatingError:
        return None
    if not all(chart.covers(age) for age in ages):
        return None
    first, last = (chart.measures["hc"].middle(age / 7) for age in ages)
    return (last - first) / ((ages[1] - ages[0]) / 7)
