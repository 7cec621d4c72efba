"""A person's own chart: a csv of gestational age, mean and SD of HC."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from fetalseg.errors import DatingError, GrowthError
from fetalseg.growth.charts.chart import Chart, Normal
from fetalseg.growth.dating import LONGEST_DAYS, ga_text, parse_ga

_AGES = ("ga", "ga_weeks", "weeks", "gestational_age", "ga_days", "days")
_MEANS = ("mean", "mean_mm", "hc_mean", "hc_mean_mm")
_SDS = ("sd", "sd_mm", "hc_sd", "hc_sd_mm")
_MEAN_MM = (40.0, 600.0)
_WIDE_DAYS = 14.0


def read(path: Path) -> Chart:
    """Read a chart of HC from a csv.

    Parameters
    ----------
    path : path
        Columns ``ga`` (weeks as 20.4 or 20+3; ``ga_days`` for days), ``mean`` and ``sd`` in mm; a row an age. Between
        rows a straight line holds.

    Raises
    ------
    GrowthError
        If it is no such csv.
    """
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8-sig").splitlines()
        sign = next((sign for sign in ",;\t" if lines and sign in lines[0]), ",")
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=sign) if any(row)]
    except OSError as error:
        raise GrowthError(f"The chart {path} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise GrowthError(f"{path} is no csv and so no growth chart: {error}.") from error
    ages, means, sds = _points(path, rows)
    longest = max(later - earlier for earlier, later in pairwise(ages))
    wide = f" Its rows lie up to {longest / 7:.3g} weeks apart." if longest > _WIDE_DAYS else ""
    return Chart(
        name=path.name,
        title=path.stem,
        version=f"sha256 {hashlib.sha256(data).hexdigest()[:12]}",
        source=f"local chart {path.name}",
        first_day=math.ceil(ages[0]),
        last_day=math.floor(ages[-1]),
        measures={"hc": Normal("outer edge", _line(ages, means), _line(ages, sds))},
        note=f"{path.name} is a local chart, which this program has not checked.{wide}",
        path=str(path.resolve()),
    )


def _points(path: Path, rows: Sequence[Sequence[str]]) -> tuple[list[float], list[float], list[float]]:
    """Ages in days, ascending, with means and SDs in mm."""
    header = [name.lower().replace(" ", "_") for name in rows[0]] if rows else []
    places = [next((header.index(name) for name in names if name in header), None) for names in (_AGES, _MEANS, _SDS)]
    if None in places:
        raise GrowthError(f"{path} is no growth chart: it needs the columns ga, mean and sd.")
    in_days = header[places[0] or 0] in ("ga_days", "days")
    points = []
    for number, row in enumerate(rows[1:], 2):
        try:
            age, mean, sd = (row[place or 0].replace(",", ".") for place in places)
            points.append((float(age) if in_days else parse_ga(age), float(mean), float(sd)))
        except (ValueError, IndexError, DatingError) as error:
            raise GrowthError(f"{path} is no growth chart: row {number} is no age, mean and SD.") from error
    points.sort()
    _check(path, points)
    ages, means, sds = (list(column) for column in zip(*points, strict=True))
    return ages, means, sds


def _check(path: Path, points: Sequence[tuple[float, float, float]]) -> None:
    if len(points) < 2:
        raise GrowthError(f"{path} is no growth chart: it needs at least two ages.")
    for age, mean, sd in points:
        if not 0 < age <= LONGEST_DAYS:
            raise GrowthError(
                f"{path}: {age:g} days is no age of a chart. Ages are in weeks, or in the column ga_days."
            )
        if not _MEAN_MM[0] <= mean <= _MEAN_MM[1]:
            raise GrowthError(f"{path}: a mean of {mean:g} is no head circumference in mm. Write it in mm, not in cm.")
        if not 0 < sd < mean / 4:
            raise GrowthError(f"{path}: an SD of {sd:g} mm at a mean of {mean:g} mm can't be right.")
    for (age, mean, _), (later, bigger, _) in pairwise(points):
        if later == age:
            raise GrowthError(f"{path} has the age {ga_text(age)} twice.")
        if bigger <= mean:
            raise GrowthError(f"{path}: the mean does not grow from {ga_text(age)} to {ga_text(later)}.")


def _line(ages: Sequence[float], values: Sequence[float]) -> Callable[[float], float]:
    """A straight line between points, of ages in exact weeks."""
    return lambda weeks: float(np.interp(weeks * 7, ages, values))
