"""How a result's head has grown: what every door shows of it."""

from __future__ import annotations

import datetime

from fetalseg.growth import charts
from fetalseg.growth.assessment import Assessment, assess, withheld
from fetalseg.growth.dating import Dating
from fetalseg.result import Result, State


def assess_result(
    result: Result,
    *,
    dating: Dating | None,
    scan_date: datetime.date | None,
    chart: str | charts.Chart = charts.DEFAULT,
) -> Assessment | None:
    """Return how a result's head has grown: what every door shows.

    Parameters
    ----------
    result : Result
    dating : Dating or None
        Of the pregnancy; None where it is not dated.
    scan_date : date or None
    chart : str or Chart

    Returns
    -------
    Assessment or None
        None of what is no head in ultrasound, or has no size in mm. Of a measurement that is refused only the reason
        why there is nothing. The range of z-score and centile comes from the circumference's own interval.

    Raises
    ------
    GrowthError
        If the size is no fetal head's, or the dates are impossible.
    """
    values = result.measurement.values
    hc = values.get("hc_mm")
    if result.task != "head" or hc is None:
        return None
    chart = chart if isinstance(chart, charts.Chart) else charts.get(chart)
    why = refusal(result)
    if why:
        return withheld(hc, chart, why)
    return assess(
        hc,
        dating=dating,
        scan_date=scan_date,
        bpd_mm=values.get("bpd_mm"),
        ofd_mm=values.get("ofd_mm"),
        hc_interval_mm=result.measurement.intervals.get("hc_mm"),
        chart=chart,
    )


def refusal(result: Result) -> str:
    """Return why a result must not be read on a growth chart; nothing where it may be."""
    found = result.measurement
    if found.state is not State.REFUSE:
        return ""
    doubts = " ".join(flag.text for flag in found.flags if flag.state is State.REFUSE)
    return f"The measurement is refused, so it has no place on a growth chart. {doubts}".strip()
