"""How old a pregnancy is: gestational age by dates, early scans and, as a last resort, by the head itself.

Dates are whole days without a time zone; ages are in days. Lengths are in mm.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from fetalseg.errors import DatingError
from fetalseg.settings import GrowthSettings

Source = Literal["lmp", "ivf", "crl", "edd", "earlier_scan", "ga", "this_hc"]
CrlFormula = Literal["robinson1975", "intergrowth2014"]
HeadFormula = Literal["hadlock1984", "intergrowth2016"]

SOURCES: tuple[str, ...] = get_args(Source)
#: As shown to people.
SOURCE_TEXTS: Mapping[str, str] = {
    "lmp": "last menstrual period",
    "ivf": "date of fertilisation (IVF)",
    "crl": "crown-rump length",
    "edd": "estimated date of delivery",
    "earlier_scan": "an earlier scan",
    "ga": "age as entered",
    "this_hc": "this head circumference",
}
CRL_FORMULAS: Mapping[str, str] = {
    "robinson1975": "Robinson & Fleming 1975",
    "intergrowth2014": "INTERGROWTH-21st 2014",
}
HEAD_FORMULAS: Mapping[str, str] = {"hadlock1984": "Hadlock 1984", "intergrowth2016": "INTERGROWTH-21st 2016"}

_CRL = GrowthSettings().crl_formula
TERM_DAYS = 280
#: Fertilisation counts as day 14: the date of delivery is 266 days later.
FERTILISED_DAYS = 14
LONGEST_DAYS = 45 * 7
_CRL_MM = {"robinson1975": (45.0, 84.0), "intergrowth2014": (15.0, 84.0)}
# Published accuracy of dating by an ultrasound scan (ACOG 700), by the age at that scan: last day, the wider bound.
_SCAN_ACCURACY = ((13 * 7 + 6, 7.0), (21 * 7 + 6, 10.0), (27 * 7 + 6, 14.0))
# ACOG 700: an ultrasound age is preferred if it differs from the last period's by more than so many days.
_REDATING = ((8 * 7 + 6, 5), (13 * 7 + 6, 7), (15 * 7 + 6, 7), (21 * 7 + 6, 10), (27 * 7 + 6, 14), (LONGEST_DAYS, 21))
# 2 SD of Hadlock's age from HC, by the upper end of the band in mm. Between the published bands: the wider.
_HADLOCK_MM = (68.0, 360.0)
_HADLOCK_2SD_WEEKS = ((144.0, 1.19), (219.0, 1.48), (280.0, 2.06), (325.0, 2.98), (360.0, 3.2))
_INTERGROWTH_HEAD_DAYS = (98.0, 181.0)


@dataclass(frozen=True)
class Dating:
    """What a pregnancy's age is known by.

    Parameters
    ----------
    source : str
        One of `SOURCES`; ``"this_hc"`` is no independent dating.
    ga_days : float
        Gestational age on the day `on`; without a day, at the scan.
    on : date or None
    uncertainty_days : float or None
        Published 95 % accuracy, half-width; None where none is known.
    formula : str
        In words.
    crl_mm : float or None
        What was entered for ``"crl"``.
    """

    source: Source
    ga_days: float
    on: datetime.date | None = None
    uncertainty_days: float | None = None
    formula: str = ""
    crl_mm: float | None = None

    @classmethod
    def from_lmp(cls, date: datetime.date) -> Self:
        """Date by the first day of the last menstrual period, in cycles of 28 days."""
        return cls("lmp", 0, _past(date, "The last menstrual period"), formula="last menstrual period, 28-day cycle")

    @classmethod
    def from_ivf(cls, date: datetime.date) -> Self:
        """Date by the day of fertilisation (not of the transfer)."""
        formula = f"fertilisation counts as day {FERTILISED_DAYS}"
        return cls("ivf", FERTILISED_DAYS, _past(date, "The date of fertilisation"), formula=formula)

    @classmethod
    def from_edd(cls, date: datetime.date) -> Self:
        """Date by the estimated date of delivery."""
        if date - datetime.timedelta(days=TERM_DAYS) > today():
            raise DatingError(f"A pregnancy that is due on {date} has not begun: that is more than 280 days from now.")
        return cls("edd", TERM_DAYS, date, formula=f"estimated date of delivery, {TERM_DAYS} days")

    @classmethod
    def from_crl(cls, crl_mm: float, date: datetime.date, formula: str = _CRL) -> Self:
        """Date by a crown-rump length measured on a day; the age is rounded to a whole day, as days are counted.

        Raises
        ------
        DatingError
            If the length is outside what the formula is used for.
        """
        age = ga_from_crl(crl_mm, formula)
        _past(date, "The date of the crown-rump length")
        # 95 % of a single measurement.
        half = 4.7 if formula == "robinson1975" else 1.96 * (2.39102 + 0.0193474 * crl_mm)
        return cls("crl", math.floor(age + 0.5), date, round(half, 1), CRL_FORMULAS[formula], crl_mm)

    @classmethod
    def from_earlier_scan(cls, ga_days: float, date: datetime.date) -> Self:
        """Date by the age that an earlier scan was given."""
        _possible(ga_days)
        _past(date, "The earlier scan")
        half = next((half for last, half in _SCAN_ACCURACY if ga_days < last + 1), None)
        return cls("earlier_scan", ga_days, date, half, f"{ga_text(ga_days)} on {date}")

    @classmethod
    def from_ga(cls, ga_days: float, date: datetime.date | None = None) -> Self:
        """Take an age at the scan as it is; with the scan's date it holds for other scans too."""
        _possible(ga_days)
        check_day(date, "The scan")
        return cls("ga", ga_days, date, formula="as entered")

    @property
    def independent(self) -> bool:
        """Whether the age does not come from the head circumference that is looked at."""
        return self.source != "this_hc"

    @property
    def day_zero(self) -> datetime.date | None:
        """The day that counts as the first of the last period."""
        return None if self.on is None else self.on - datetime.timedelta(days=math.floor(self.ga_days + 0.5))

    @property
    def edd(self) -> datetime.date | None:
        """The estimated date of delivery."""
        return None if self.day_zero is None else self.day_zero + datetime.timedelta(days=TERM_DAYS)

    def at(self, scan_date: datetime.date | None) -> float:
        """Return the gestational age in days on the day of a scan.

        Raises
        ------
        DatingError
            If the day is not known, is in the future or before the pregnancy, or the age is no pregnancy's.
        """
        check_day(scan_date, "The scan")
        if self.on is None:
            return self.ga_days
        if scan_date is None:
            raise DatingError("The scan's date is needed to know the age at the scan.")
        age = self.ga_days + (scan_date - self.on).days
        if age < 0:
            raise DatingError(f"The scan of {scan_date} lies before the pregnancy, which counts from {self.day_zero}.")
        return _possible(age)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as written to a pregnancy's file."""
        return {
            "source": self.source,
            "ga_days": self.ga_days,
            "on": self.on.isoformat() if self.on else None,
            "uncertainty_days": self.uncertainty_days,
            "formula": self.formula,
            "crl_mm": self.crl_mm,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make it of plain values.

        Raises
        ------
        DatingError
            If they are no dating.
        """
        try:
            source, ga_days, on = values["source"], float(values["ga_days"]), values.get("on")
            numbers = [None if values.get(k) is None else float(values[k]) for k in ("uncertainty_days", "crl_mm")]
            day = parse_date(on) if on is not None else None
            formula = str(values.get("formula", ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatingError(f"This is no dating: {error!r}.") from error
        if source not in SOURCES:
            raise DatingError(f"Unknown source of dating '{source}'; known are {', '.join(SOURCES)}.")
        return cls(source, _possible(ga_days), day, numbers[0], formula, numbers[1])


@dataclass(frozen=True)
class AgeFromHead:
    """The age that a head circumference would suggest: never one to read the same head's centile at.

    Parameters
    ----------
    ga_days, low_days, high_days : float or None
        The age and its published range of 2 SD; None where there is none.
    formula : str
    reason : str or None
        Why there is no age, or no range.
    """

    ga_days: float | None
    low_days: float | None
    high_days: float | None
    formula: str
    reason: str | None = None


def hadlock_days(hc_mm: float) -> float:
    """Return the age in days by Hadlock 1984 (Radiology 152:497-501), whatever the size."""
    cm = hc_mm / 10
    return 7 * (8.96 + 0.540 * cm + 0.0003 * cm**3)


def intergrowth_days(hc_mm: float) -> float:
    """Return the age in days by Papageorghiou 2016 (doi:10.1002/uog.15894), whatever the size."""
    return math.exp(0.05970 * math.log(hc_mm) ** 2 + 0.000000006409 * hc_mm**3 + 3.3258)


def ga_from_hc(hc_mm: float, formula: str = "hadlock1984") -> AgeFromHead:
    """Return the gestational age that a head circumference suggests, with its range.

    Parameters
    ----------
    hc_mm : float
    formula : {"hadlock1984", "intergrowth2016"}

    Raises
    ------
    DatingError
        If there is no such formula.
    """
    if formula == "intergrowth2016":
        days = intergrowth_days(hc_mm) if hc_mm > 0 else 0.0
        low, high = _INTERGROWTH_HEAD_DAYS
        if not low <= days <= high:
            reason = "INTERGROWTH-21st dates by HC from 14 to 25 weeks only."
            return AgeFromHead(None, None, None, HEAD_FORMULAS[formula], reason)
        reason = "No published range of INTERGROWTH-21st's age from HC is known here."
        return AgeFromHead(days, None, None, HEAD_FORMULAS[formula], reason)
    if formula != "hadlock1984":
        raise DatingError(f"Unknown formula '{formula}' of age from HC; choose {' or '.join(HEAD_FORMULAS)}.")
    low, high = _HADLOCK_MM
    if not low <= hc_mm <= high:
        reason = f"Hadlock's formula of age from HC holds from {low:g} to {high:g} mm."
        return AgeFromHead(None, None, None, HEAD_FORMULAS[formula], reason)
    days = hadlock_days(hc_mm)
    # From just above a band to the next the wider one holds: bands are closed above, open below.
    half = 7 * next(weeks for last, weeks in _HADLOCK_2SD_WEEKS if hc_mm <= last)
    return AgeFromHead(days, days - half, days + half, HEAD_FORMULAS[formula])


def ga_from_crl(crl_mm: float, formula: str = _CRL) -> float:
    """Return the gestational age in days that a crown-rump length gives.

    Raises
    ------
    DatingError
        If there is no such formula, or the length is outside what it is used for.

    References
    ----------
    Robinson HP, Fleming JEE. BJOG 1975;82:702-710. Papageorghiou AT et al. 2014, doi:10.1002/uog.13448.
    """
    if formula not in CRL_FORMULAS:
        raise DatingError(f"Unknown formula '{formula}' of crown-rump length; choose {' or '.join(CRL_FORMULAS)}.")
    low, high = _CRL_MM[formula]
    if not low <= crl_mm <= high:
        raise DatingError(
            f"A crown-rump length of {crl_mm:g} mm can't date a pregnancy: {CRL_FORMULAS[formula]} is used from "
            f"{low:g} to {high:g} mm."
        )
    if formula == "robinson1975":
        return 8.052 * math.sqrt(1.037 * crl_mm) + 23.73
    return 40.9041 + 3.21585 * math.sqrt(crl_mm) + 0.348956 * crl_mm


def redating_note(by_lmp: Dating, by_scan: Dating) -> str | None:
    """Return what ACOG 700 says of two datings that differ; the date of delivery is a person's to change.

    Parameters
    ----------
    by_lmp : Dating
    by_scan : Dating
        By a crown-rump length or an earlier scan.

    Returns
    -------
    str or None
        None where one of them has no date.

    References
    ----------
    ACOG Committee Opinion 700, 2017, doi:10.1097/AOG.0000000000002046.
    """
    if by_lmp.day_zero is None or by_scan.day_zero is None or by_scan.on is None:
        return None
    apart = (by_scan.day_zero - by_lmp.day_zero).days
    age = (by_scan.on - by_lmp.day_zero).days
    allowed = next((days for last, days in _REDATING if age <= last), 21)
    what = f"By {SOURCE_TEXTS[by_scan.source]} the pregnancy is {_days(abs(apart))} "
    if apart == 0:
        return f"Last period and {SOURCE_TEXTS[by_scan.source]} give the same age."
    what += "older" if apart < 0 else "younger"
    if abs(apart) > allowed:
        return f"{what} than by the last period: more than the {_days(allowed)} from which ACOG 700 dates by the scan."
    return f"{what} than by the last period: within the {_days(allowed)} up to which ACOG 700 keeps the last period."


def ga_text(ga_days: float) -> str:
    """Return completed weeks and days: ``"20w 3d"``."""
    weeks, days = divmod(math.floor(ga_days + 1e-6), 7)
    return f"{weeks}w {days}d"


def parse_ga(text: str) -> float:
    """Return the age in days of ``20+3``, ``20w 3d``, ``20w`` or weeks as ``20.4``.

    Raises
    ------
    DatingError
    """
    found = re.fullmatch(r"\s*(\d{1,2})\s*(?:\+|w)\s*(?:(\d)\s*d?)?\s*", text.lower())
    if found and (found[2] or "+" not in text):
        if int(found[2] or 0) > 6:
            raise DatingError(f"'{text}' is no gestational age: a week has days 0 to 6.")
        return 7.0 * int(found[1]) + int(found[2] or 0)
    try:
        return 7 * float(text)
    except ValueError:
        raise DatingError(f"'{text}' is no gestational age; write 20+3, or weeks as 20.4.") from None


def parse_date(text: str) -> datetime.date:
    """Return the date of ``2020-01-31`` or ``20200131``.

    Raises
    ------
    DatingError
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d|\d{8}", text.strip()):
            raise ValueError(text)
        return datetime.date.fromisoformat(text.strip())
    except ValueError:
        raise DatingError(f"'{text}' is no date; write it as 2020-01-31.") from None


def today() -> datetime.date:
    """Return the day that nothing may lie after."""
    return datetime.date.today()


def possible_lmp(lmp: datetime.date, scan_date: datetime.date) -> bool:
    """Whether a last menstrual period can be that of a head scanned on a day: before it, by 45 weeks at most."""
    return 0 < (scan_date - lmp).days <= LONGEST_DAYS


def check_day(date: datetime.date | None, what: str) -> None:
    """Check that a day, where it is known, is not in the future.

    Raises
    ------
    DatingError
    """
    if date is not None and date > today():
        raise DatingError(f"{what} has the date {date}, which is in the future.")


def _past(date: datetime.date, what: str) -> datetime.date:
    check_day(date, what)
    return date


def _possible(ga_days: float) -> float:
    if not 0 <= ga_days <= LONGEST_DAYS:  # NaN fails too
        raise DatingError(f"A gestational age of {ga_days / 7:.4g} weeks is not possible; it lies between 0 and 45.")
    return ga_days


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"
