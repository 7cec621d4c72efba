"""A head as a chart sees it at its age: z-score, centile, their range, and what should make a person look again.

Lengths are in mm, ages in days. Nothing here is a diagnosis.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fetalseg.errors import GrowthError
from fetalseg.geometry.ellipse import circumference
from fetalseg.growth import charts
from fetalseg.growth.charts import Chart, Reading
from fetalseg.growth.dating import AgeFromHead, Dating, check_day, ga_from_hc, ga_text
from fetalseg.growth.flags import PROMPT, GrowthFlag, shape_flags, size_flags

__all__ = ["CIRCULAR", "Assessment", "GrowthFlag", "assess", "check_sizes", "withheld"]

#: Shown wherever an age comes from the head circumference itself.
CIRCULAR = (
    "This gestational age was worked out from the head circumference you are looking at.",
    "A centile of the same head circumference at that age would come out near the middle, whatever the size of the "
    "head, so it says nothing.",
    "Enter an age from the last period or an early scan (crown-rump length) to get a meaningful centile.",
)
#: Outside of these a value is no fetal head's, but one in another unit.
_POSSIBLE_MM = {"hc": (40.0, 600.0), "bpd": (12.0, 180.0), "ofd": (12.0, 220.0)}
# HC and the perimeter of the two diameters' ellipse differ by so much only where one of them is wrong.
_UNLIKE = 0.1


@dataclass(frozen=True)
class Assessment:
    """A head at its age, on one chart.

    Parameters
    ----------
    chart, chart_version : str
    ga_days : float or None
        None where there is no independent dating, or none at all.
    ga_source : str
        As `fetalseg.growth.dating.SOURCES`; ``"this_hc"`` without independent dating, empty where the measurement is
        refused.
    ga_uncertainty_days : float or None
        Published accuracy of the dating, half-width.
    ga_formula : str
    edd : date or None
    readings : tuple of Reading
        Of HC, and of BPD and OFD where they were given.
    low, high : Reading or None
        Of the ends of HC's 95 % interval.
    age_from_hc : AgeFromHead
        For comparison only.
    cephalic_index : float or None
    flags : tuple of GrowthFlag
    sentences : tuple of str
        What else must be said.
    reason : str or None
        Why HC has no z-score or no centile.
    """

    chart: str
    chart_version: str
    ga_days: float | None
    ga_source: str
    ga_uncertainty_days: float | None
    ga_formula: str
    edd: datetime.date | None
    readings: tuple[Reading, ...]
    low: Reading | None
    high: Reading | None
    age_from_hc: AgeFromHead
    cephalic_index: float | None = None
    flags: tuple[GrowthFlag, ...] = ()
    sentences: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def hc(self) -> Reading:
        """The reading of HC."""
        return self.readings[0]

    @property
    def z_low(self) -> float | None:
        """z-score at the lower end of HC's interval."""
        return self.low.z if self.low else None

    @property
    def z_high(self) -> float | None:
        """z-score at the upper end of HC's interval."""
        return self.high.z if self.high else None

    @property
    def centile_low(self) -> float | None:
        """Centile at the lower end of HC's interval."""
        return self.low.centile if self.low else None

    @property
    def centile_high(self) -> float | None:
        """Centile at the upper end of HC's interval."""
        return self.high.centile if self.high else None

    @property
    def dating_formula(self) -> str:
        """Where the age, and the age that HC suggests, come from."""
        told = f"age: {self.ga_formula}; " if self.ga_formula else ""
        return f"{told}age from HC: {self.age_from_hc.formula}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as ``fetalseg growth --json`` prints them."""
        age = self.age_from_hc
        has_range = age.low_days is not None
        return {
            "chart": self.chart,
            "chart_version": self.chart_version,
            "ga_weeks": _weeks(self.ga_days),
            "ga_days": self.ga_days,
            "ga_text": "" if self.ga_days is None else ga_text(self.ga_days),
            "ga_source": self.ga_source,
            "ga_uncertainty_days": self.ga_uncertainty_days,
            "edd": self.edd.isoformat() if self.edd else None,
            "hc_mm": self.hc.value_mm,
            "z_score": self.hc.z,
            "centile": self.hc.centile,
            "centile_text": self.hc.centile_text,
            "mean_mm": self.hc.mean_mm,
            "hc_low_mm": self.low.value_mm if self.low else None,
            "hc_high_mm": self.high.value_mm if self.high else None,
            "z_low": self.z_low,
            "z_high": self.z_high,
            "centile_low": self.centile_low,
            "centile_high": self.centile_high,
            "reason": self.reason,
            "ga_from_hc_weeks": _weeks(age.ga_days),
            "ga_from_hc_range_weeks": [_weeks(age.low_days), _weeks(age.high_days)] if has_range else None,
            "ga_from_hc_reason": age.reason,
            "dating_formula": self.dating_formula,
            "cephalic_index": self.cephalic_index,
            "flags": [{"code": f.code, "text": f.text, "source": f.source} for f in self.flags],
            "readings": [
                {"measure": r.measure, "value_mm": r.value_mm, "z_score": r.z, "centile": r.centile}
                | {"centile_text": r.centile_text, "mean_mm": r.mean_mm, "reason": r.reason}
                for r in self.readings
            ],
            "sentences": list(self.sentences),
        }


def assess(
    hc_mm: float,
    *,
    dating: Dating | None,
    scan_date: datetime.date | None = None,
    bpd_mm: float | None = None,
    ofd_mm: float | None = None,
    hc_interval_mm: tuple[float, float] | None = None,
    chart: str | Path | Chart = charts.DEFAULT,
    bpd_convention: str = charts.OUTER["bpd"],
) -> Assessment:
    """Read a head on a chart at the age that an independent dating gives it.

    Parameters
    ----------
    hc_mm : float
    dating : Dating or None
        None: not known. Then, as when it comes from this HC, there is an age from HC and nothing else.
    scan_date : date, optional
    bpd_mm, ofd_mm : float, optional
    hc_interval_mm : (float, float), optional
        95 % interval of HC's measurement.
    chart : str, path or Chart
    bpd_convention : {"outer-outer", "outer-inner"}
        How BPD was measured; an ellipse on the skull's outer edge gives outer-outer.

    Raises
    ------
    GrowthError
        If a size can't be a fetal head's in mm, or sizes contradict each other, or there is no such chart.
    DatingError
        If the dates are impossible or do not suffice.
    """
    check_sizes(hc_mm, bpd_mm, ofd_mm, hc_interval_mm)
    chart = chart if isinstance(chart, Chart) else charts.get(chart)
    check_day(scan_date, "The scan")
    sizes = {"hc": hc_mm, "bpd": bpd_mm, "ofd": ofd_mm}
    given = {name: value for name, value in sizes.items() if value is not None}
    bare = _undated(chart, given)
    if dating is None or not dating.independent:
        return bare
    ga_days = dating.at(scan_date)
    conventions = {**charts.OUTER, "bpd": bpd_convention}
    readings = tuple(chart.read(name, value, ga_days, convention=conventions[name]) for name, value in given.items())
    low, high = (chart.read("hc", end, ga_days) for end in hc_interval_mm) if hc_interval_mm else (None, None)
    flags, reaches = size_flags(readings[0].z, low, high)
    sentences = [*reaches, *_age_matters(chart, hc_mm, ga_days, dating), *bare.sentences]
    if chart.note and readings[0].centile_text:
        sentences.append(chart.note)
    if flags and PROMPT not in sentences:
        sentences.append(PROMPT)
    return replace(
        bare,
        ga_days=ga_days,
        ga_source=dating.source,
        ga_uncertainty_days=dating.uncertainty_days,
        ga_formula=dating.formula,
        edd=dating.edd,
        readings=readings,
        low=low,
        high=high,
        flags=(*flags, *bare.flags),
        sentences=tuple(sentences),
        reason=readings[0].reason,
    )


def _undated(chart: Chart, sizes: Mapping[str, float]) -> Assessment:
    """What can be said without an independent age: the age from HC, and the head's shape."""
    reason = " ".join(CIRCULAR)
    bpd, ofd = sizes.get("bpd"), sizes.get("ofd")
    index = 100 * bpd / ofd if bpd is not None and ofd is not None else None
    shape = shape_flags(index)
    return Assessment(
        chart=chart.name,
        chart_version=chart.version,
        ga_days=None,
        ga_source="this_hc",
        ga_uncertainty_days=None,
        ga_formula="",
        edd=None,
        readings=tuple(Reading(chart.name, chart.version, name, v, None, reason=reason) for name, v in sizes.items()),
        low=None,
        high=None,
        age_from_hc=ga_from_hc(sizes["hc"]),
        cephalic_index=index,
        flags=shape,
        sentences=(*_unlike(sizes["hc"], bpd, ofd), *([PROMPT] if shape else [])),
        reason=reason,
    )


def withheld(hc_mm: float, chart: Chart, reason: str) -> Assessment:
    """Return the assessment of a size that must not be read on a chart: no age, no number, no flag, but a reason."""
    nothing = AgeFromHead(None, None, None, "", reason)
    reading = Reading(chart.name, chart.version, "hc", hc_mm, None, reason=reason)
    return Assessment(
        *(chart.name, chart.version, None, "", None, "", None), (reading,), None, None, nothing, reason=reason
    )


def check_sizes(
    hc_mm: float,
    bpd_mm: float | None = None,
    ofd_mm: float | None = None,
    hc_interval_mm: tuple[float, float] | None = None,
) -> None:
    """Check that sizes can be a fetal head's in mm.

    Raises
    ------
    GrowthError
        With what is wrong in a sentence.
    """
    for name, value in (("hc", hc_mm), ("bpd", bpd_mm), ("ofd", ofd_mm)):
        if value is not None:
            _check_size(name, value)
    if bpd_mm is not None and ofd_mm is not None and bpd_mm > ofd_mm:
        raise GrowthError(
            f"BPD ({bpd_mm:g} mm) can't be longer than OFD ({ofd_mm:g} mm): were the two taken for each other?"
        )
    if hc_interval_mm is None:
        return
    low, high = hc_interval_mm
    if not (math.isfinite(low) and math.isfinite(high) and 0 < low <= hc_mm <= high):
        raise GrowthError(f"The interval of HC, {low:g} to {high:g} mm, does not hold the HC of {hc_mm:g} mm.")


def _check_size(name: str, value: float) -> None:
    low, high = _POSSIBLE_MM[name]
    if low <= value <= high:
        return
    what = f"{name.upper()} of {value:g} mm is no fetal head's"
    if low <= 10 * value <= high:
        raise GrowthError(f"{what}; was it measured in cm? Sizes are in mm: {10 * value:g}.")
    if not (math.isfinite(value) and value > 0):
        raise GrowthError(f"{what}: a size is a number above 0.")
    raise GrowthError(f"{what}, which lies between {low:g} and {high:g} mm.")


def _unlike(hc_mm: float, bpd_mm: float | None, ofd_mm: float | None) -> tuple[str, ...]:
    if bpd_mm is None or ofd_mm is None:
        return ()
    around = circumference(ofd_mm / 2, bpd_mm / 2)
    if abs(around - hc_mm) <= _UNLIKE * hc_mm:
        return ()
    return (
        f"An ellipse of this BPD and OFD has a circumference of {around:.0f} mm, not {hc_mm:.0f}: check the three.",
    )


def _age_matters(chart: Chart, hc_mm: float, ga_days: float, dating: Dating) -> tuple[str, ...]:
    """What the age's own uncertainty adds, in words: it is not part of the interval."""
    half = dating.uncertainty_days
    if half is None:
        return ()
    ends = [chart.read("hc", hc_mm, ga_days + sign * half).z for sign in (1, -1)]
    if ends[0] is None or ends[1] is None:
        return ()
    return (
        f"The age is known to ± {half:g} days at best. That alone would move z from {ends[0]:.2f} to {ends[1]:.2f}; "
        "it is not part of the interval.",
    )


def _weeks(days: float | None) -> float | None:
    return None if days is None else days / 7
