"""Where a measured head stands on its pregnancy's chart, for every dock but the Growth dock itself. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from fetalseg.errors import FetalSegError
from fetalseg.growth.assessment import Assessment
from fetalseg.growth.charts import Chart
from fetalseg.growth.results import assess_result
from fetalseg.result import Result
from napari_fetalseg.growth.case import Cases
from napari_fetalseg.series import Series


@dataclass(frozen=True)
class Standing:
    """What a pregnancy's chart makes of a result."""

    found: Assessment
    chart: Chart


def standing_of(cases: Cases, series: Series, result: Result) -> Standing | None:
    """Return where a result stands by what is known of its pregnancy.

    Parameters
    ----------
    cases : Cases
        What was typed in the Growth dock, open or not.
    series : Series
        The result's.
    result : Result

    Returns
    -------
    Standing or None
        None where no pregnancy is known for its image, or none that tells the age on the day of this scan.
    """
    image = series.image() or series
    case = cases.of(image, series)
    if result.task != "head" or case is None or case.doubt:
        return None
    dating, chart = case.pregnancy.dating, cases.chart(case.pregnancy.chart)
    day = case.day(image, scan_day(series, result))
    if dating is None or chart is None or (day is None if dating.on is not None else not case.looks_at(image)):
        return None
    key = (dating, day, chart.key, chart.version)
    if result in cases.known and cases.known[result][0] == key:
        return cases.known[result][1]
    try:
        found = assess_result(result, dating=dating, scan_date=day, chart=chart)
    except FetalSegError:  # dates that are no pregnancy's: the Growth dock says so when this scan is looked at
        found = None
    standing = Standing(found, chart) if found is not None else None
    cases.known[result] = (key, standing)
    return standing


def scan_day(series: Series, result: Result) -> str:
    """Return the scan's date as its file tells it; empty where it does not."""
    return str(result.study_date or series.source.facts.get("study_date") or "")


def scan_lmp(series: Series) -> str:
    """Return the last period as a scan's file tells it; empty where it does not."""
    return str(series.source.facts.get("lmp") or "")
