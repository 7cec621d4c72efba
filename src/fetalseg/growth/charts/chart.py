"""What a growth chart is, and how a size is read on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist
from typing import Protocol

from fetalseg.errors import GrowthError
from fetalseg.growth.dating import ga_text

#: What an ellipse on the outer edge of the skull measures: 2b is BPD outer-outer, never outer-inner.
OUTER: Mapping[str, str] = {"hc": "outer edge", "bpd": "outer-outer", "ofd": "outer-outer"}
_SCALE = NormalDist()
_MEANT = {"outer-outer": "outer to outer edge", "outer-inner": "outer to inner edge", "outer edge": "the outer edge"}


class Measure(Protocol):
    """Sizes of one measure by age; ages in exact weeks, sizes in mm.

    Attributes
    ----------
    convention : str
        Where the callipers lie: ``"outer edge"``, ``"outer-outer"`` or ``"outer-inner"``.
    has_z : bool
        Whether the chart knows a standard deviation, so that there is a z-score.
    ends : (float, float)
        Centiles that are told apart at most; beyond them only that a size lies beyond.
    """

    @property
    def convention(self) -> str: ...  # noqa: D102
    @property
    def has_z(self) -> bool: ...  # noqa: D102
    @property
    def ends(self) -> tuple[float, float]: ...  # noqa: D102

    def middle(self, weeks: float) -> float:
        """Return the mean, or the median of a chart of quantiles, in mm."""
        ...

    def place(self, value_mm: float, weeks: float) -> tuple[float | None, float]:
        """Return the z-score and the centile of a size; -inf or inf where the centile is beyond the chart's ends."""
        ...

    def value(self, weeks: float, centile: float) -> float:
        """Return the size in mm at a centile."""
        ...


@dataclass(frozen=True)
class Normal:
    """Sizes that are normally distributed at each age: mean and SD in mm as functions of exact weeks."""

    convention: str
    mean: Callable[[float], float]
    sd: Callable[[float], float]
    has_z: bool = True
    #: The tails rest on few fetuses.
    ends: tuple[float, float] = (1.0, 99.0)

    def middle(self, weeks: float) -> float:
        """Return the mean in mm."""
        return self.mean(weeks)

    def place(self, value_mm: float, weeks: float) -> tuple[float | None, float]:
        """Return the z-score and the centile."""
        z = (value_mm - self.mean(weeks)) / self.sd(weeks)
        return z, 50 * math.erfc(-z / math.sqrt(2))

    def value(self, weeks: float, centile: float) -> float:
        """Return the size in mm at a centile above 0 and below 100."""
        if not 0 < centile < 100:
            raise GrowthError(f"A centile lies between 0 and 100; {centile:g} does not.")
        return self.mean(weeks) + _SCALE.inv_cdf(centile / 100) * self.sd(weeks)


@dataclass(frozen=True)
class Quantiles:
    """Curves of single centiles, each a cubic of ln(mm) in exact weeks; between them ln(mm) is interpolated.

    Parameters
    ----------
    convention : str
    curves : mapping of float to tuple of float
        By centile, ascending: the cubic's coefficients, the constant first.
    """

    convention: str
    curves: Mapping[float, tuple[float, ...]]
    has_z: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The outermost centiles."""
        return min(self.curves), max(self.curves)

    def middle(self, weeks: float) -> float:
        """Return the median in mm."""
        return math.exp(self._log(50.0, weeks))

    def place(self, value_mm: float, weeks: float) -> tuple[float | None, float]:
        """Return no z-score, and the centile."""
        log = math.log(value_mm)
        known = [(self._log(centile, weeks), centile) for centile in self.curves]
        if log < known[0][0]:
            return None, -math.inf
        for (low, below), (high, above) in pairwise(known):
            if log <= high:
                return None, below + (above - below) * (log - low) / (high - low)
        return None, math.inf

    def value(self, weeks: float, centile: float) -> float:
        """Return the size in mm at a centile between the outermost."""
        first, last = self.ends
        if not first <= centile <= last:
            raise GrowthError(f"This chart has no curve outside the centiles {first:g} to {last:g}.")
        known = list(self.curves)
        for below, above in pairwise(known):
            if centile <= above:
                low, high = self._log(below, weeks), self._log(above, weeks)
                return math.exp(low + (high - low) * (centile - below) / (above - below))
        raise AssertionError(centile)

    def _log(self, centile: float, weeks: float) -> float:
        return sum(b * weeks**power for power, b in enumerate(self.curves[centile]))


@dataclass(frozen=True)
class Reading:
    """One size as a chart sees it.

    Parameters
    ----------
    chart, version : str
        The chart's name and version.
    measure : {"hc", "bpd", "ofd"}
    value_mm : float
    ga_days : float or None
        None where no independent age is known.
    z : float or None
    centile : float or None
        0 to 100; None also beyond the ends of a chart of quantiles, where only `centile_text` tells.
    centile_text : str
        As shown: ``"84th"``, ``"< 1st"``; empty where there is none.
    mean_mm : float or None
        The chart's mean at that age; of a chart of quantiles its median.
    reason : str or None
        Why `z` or `centile` is None.
    """

    chart: str
    version: str
    measure: str
    value_mm: float
    ga_days: float | None
    z: float | None = None
    centile: float | None = None
    centile_text: str = ""
    mean_mm: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Chart:
    """Size by gestational age.

    Parameters
    ----------
    name : str
        As written in tables and files.
    title : str
        As shown to people.
    version : str
    source : str
        Citation and DOI.
    first_day, last_day : int
        Gestational ages that it covers, both included.
    measures : mapping of str to Measure
        Of ``"hc"``, ``"bpd"``, ``"ofd"`` those that it has.
    centiles : tuple of float
        Those that its curves are drawn at.
    note : str
        A sentence that belongs to every number read on it.
    path : str or None
        Of the file that a local chart was read from.
    """

    name: str
    title: str
    version: str
    source: str
    first_day: int
    last_day: int
    measures: Mapping[str, Measure] = field(repr=False)
    centiles: tuple[float, ...] = (3.0, 10.0, 50.0, 90.0, 97.0)
    note: str = ""
    path: str | None = None

    @property
    def key(self) -> str:
        """What `fetalseg.growth.charts.get` finds this chart by."""
        return self.path or self.name

    @property
    def range_text(self) -> str:
        """The ages that it covers, as shown: ``"14w 0d to 40w 0d"``."""
        return f"{ga_text(self.first_day)} to {ga_text(self.last_day)}"

    def covers(self, ga_days: float) -> bool:
        """Whether the chart covers an age."""
        return self.first_day <= ga_days <= self.last_day

    def read(self, measure: str, value_mm: float, ga_days: float, *, convention: str | None = None) -> Reading:
        """Read a size.

        Parameters
        ----------
        measure : {"hc", "bpd", "ofd"}
        value_mm : float
        ga_days : float
        convention : str, optional
            Where the callipers lay; by default where those of an ellipse on the skull's outer edge lie.

        Returns
        -------
        Reading
            Without numbers, and with the reason, where the chart has none.
        """
        reason = self._refusal(measure, value_mm, ga_days, convention or OUTER.get(measure, ""))
        if reason:
            return Reading(self.name, self.version, measure, value_mm, ga_days, reason=reason)
        found, weeks = self.measures[measure], ga_days / 7
        z, centile = found.place(value_mm, weeks)
        known = math.isfinite(centile)
        if not known:
            reason = f"{self.title} tells no centiles apart outside {found.ends[0]:g} to {found.ends[1]:g}"
        if not found.has_z:
            reason = (f"{reason}, and it" if reason else self.title) + " has no standard deviation and so no z-score"
        return Reading(
            *(self.name, self.version, measure, value_mm, ga_days, z),
            centile if known else None,
            _centile_text(centile, found.ends),
            found.middle(weeks),
            f"{reason}." if reason else None,
        )

    def value_mm(self, measure: str, ga_days: float, centile: float) -> float:
        """Return the size in mm at a centile.

        Raises
        ------
        GrowthError
            If the chart has no such measure, age or centile.
        """
        if measure not in self.measures:
            raise GrowthError(f"{self.title} has no {measure.upper()}.")
        if not self.covers(ga_days):
            raise GrowthError(self._outside(ga_days))
        return self.measures[measure].value(ga_days / 7, centile)

    def _refusal(self, measure: str, value_mm: float, ga_days: float, convention: str) -> str | None:
        """Why there is no number; None where there is one."""
        if measure not in self.measures:
            return f"{self.title} has no {measure.upper()} here."
        if not (math.isfinite(value_mm) and value_mm > 0):
            return f"{measure.upper()} is no size above 0 mm."
        theirs = self.measures[measure].convention
        if theirs != convention:
            return (
                f"{self.title} measures {measure.upper()} from {_MEANT.get(theirs, theirs)}, this value is from "
                f"{_MEANT.get(convention, convention)}: they are not compared."
            )
        return None if self.covers(ga_days) else self._outside(ga_days)

    def _outside(self, ga_days: float) -> str:
        return f"{self.title} covers {self.range_text}; {ga_text(ga_days)} lies outside, so it gives no number."


def _centile_text(centile: float, ends: tuple[float, float]) -> str:
    low, high = ends
    if centile < low:
        return f"< {ordinal(low)}"
    if centile > high:
        return f"> {ordinal(high)}"
    return ordinal(math.floor(centile + 0.5))


def ordinal(number: float) -> str:
    """Return a centile as shown: ``"3rd"``, ``"97.5th"``."""
    ending = "th"
    if number == int(number) and int(number) % 100 not in (11, 12, 13):
        ending = {1: "st", 2: "nd", 3: "rd"}.get(int(number) % 10, "th")
    return f"{number:g}{ending}"
