"""Follow-up of one patient's tumour: change of size between studies, growth, and the RANO category of the size alone.

A proposal for a person to judge: what decides a response beside the size is told in `UNKNOWN`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fetalseg.errors import FetalSegError

#: Changes that small may be measuring error: cautious limits of this project. Two experts' masks of the same
#: glioma agree at a generalized conformity index of 0.77 only (Visser et al., NeuroImage Clin 2019;22:101727).
VOLUME_ERROR_PCT, PRODUCT_ERROR_PCT = 20.0, 20.0
SHORTEST_DAYS = 90  # a growth per year is not worked out from less: it would be extrapolated
_YEAR = 365.25

UNKNOWN = (
    "Whether corticosteroids were given or changed.",
    "The clinical state.",
    "Enhancement: only FLAIR was measured.",
    "Whether a lesion is new, and what lesions too small to be measurable do.",
    "How long ago radiotherapy was: within about 12 weeks of it growth may be pseudoprogression.",
    "Whether the change persists: a response needs a second study at least 4 weeks later.",
)
CATEGORIES = {
    "CR": "by size: nothing is left to measure (as in a complete response)",
    "PR": "by size: within the range of a partial response",
    "MR": "by size: within the range of a minor response",
    "SD": "by size: within the stable range",
    "PD": "by size: within the range of progression",
}


@dataclass(frozen=True)
class Lesion:
    """One lesion of a study: its sizes where known, and whether RANO counts it as measurable (None: not known)."""

    name: str
    product_mm2: float | None = None
    volume_ml: float | None = None
    measurable: bool | None = None


@dataclass(frozen=True)
class Study:
    """The sizes found in one study.

    Parameters
    ----------
    name : str
    date : date or None
        Of the study; None where it is not known.
    product_mm2 : float or None
        Sum of the products of the measurable lesions' diameters; 0 where no lesion was found, None where the
        spacing is not known or no lesion is measurable.
    volume_ml : float or None
        Of all lesions together.
    lesions : tuple of Lesion
    mean_diameter_mm : float or None
        None: it follows from the volume, see `mean_diameter`.
    edited : bool
        Whether a person changed the mask or the diameters.
    description : str
        Of the sequence, where known.
    slice_mm : float or None
    model : str
    date_source : str
    """

    name: str
    date: datetime.date | None
    product_mm2: float | None
    volume_ml: float | None
    lesions: tuple[Lesion, ...] = ()
    mean_diameter_mm: float | None = None
    edited: bool = False
    description: str = ""
    slice_mm: float | None = None
    model: str = ""
    date_source: str = ""

    @property
    def diameter_mm(self) -> float | None:
        """The mean diameter: as given, else that of the volume."""
        if self.mean_diameter_mm is not None or self.volume_ml is None:
            return self.mean_diameter_mm
        return mean_diameter(self.volume_ml)


@dataclass(frozen=True)
class Change:
    """How one study differs from those before it. What can't be told is None.

    Parameters
    ----------
    study : Study
    days : int or None
        Since the baseline.
    product_pct, volume_pct : float or None
        Against the baseline.
    product_nadir_pct, volume_nadir_pct : float or None
        Against the smallest earlier value.
    product_nadir, volume_nadir : str
        The study that has it.
    growth_mm_per_year : float or None
        Of the mean diameter since the study before.
    category, volume_category : str or None
        A key of `CATEGORIES`: by the products, and by the volumes.
    """

    study: Study
    days: int | None = None
    product_pct: float | None = None
    volume_pct: float | None = None
    product_nadir_pct: float | None = None
    volume_nadir_pct: float | None = None
    product_nadir: str = ""
    volume_nadir: str = ""
    growth_mm_per_year: float | None = None
    category: str | None = None
    volume_category: str | None = None


@dataclass(frozen=True)
class Followup:
    """What the studies of one patient tell together; see `compare`.

    Parameters
    ----------
    baseline : str
        Name of the study that changes are told against.
    changes : tuple of Change
        One a study, in the order of time, the baseline among them.
    growth_mm_per_year : float or None
        Slope of the mean diameter over all dates.
    proposal : str
        What the last study's size alone would mean.
    reasons, warnings, unknown : tuple of str
        Sentences: how the proposal came about, what speaks against trusting it, and what can't be known here.
    """

    baseline: str
    changes: tuple[Change, ...]
    growth_mm_per_year: float | None
    proposal: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    unknown: tuple[str, ...] = UNKNOWN

    @property
    def told(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The sentences under the titles that doors show, without empty ones."""
        told = ("Why", self.reasons), ("Beware", self.warnings), ("Not known here", self.unknown)
        return tuple((title, sentences) for title, sentences in told if sentences)


def mean_diameter(volume_ml: float) -> float:
    """Return the mean tumour diameter in mm: the cube root of twice the volume.

    That is the geometric mean of the three diameters of a lesion whose volume is half their product.

    References
    ----------
    Mandonnet E et al. Continuous growth of mean tumor diameter in a subset of grade II gliomas. Ann Neurol
    2003;53:524-528. doi:10.1002/ana.10528 (the mean diameter of untreated ones grows evenly, 4.1 mm a year).
    """
    return float((2000.0 * volume_ml) ** (1 / 3))


def category(value: float | None, baseline: float | None, nadir: float | None, *, volume: bool = False) -> str | None:
    """Return the RANO category that a size alone would give, or None where it can't be told.

    Parameters
    ----------
    value, baseline, nadir : float or None
        Sum of the products of diameters, or volume: now, at the baseline, and the smallest earlier one.
    volume : bool
        Limits for volumes (+40 % and -65 %) instead of those for products (+25 %, -25 % and -50 %).

    References
    ----------
    van den Bent MJ et al. RANO for low-grade gliomas. Lancet Oncol 2011;12:583-593. Wen PY et al. RANO 2.0.
    J Clin Oncol 2023;41:5187-5199. doi:10.1200/JCO.23.01059
    """
    if value is None or baseline is None or nadir is None or baseline == value == nadir == 0:
        return None
    if value == 0:
        return "CR"
    close = 1e-9 * max(value, baseline)
    if value >= nadir * (1.40 if volume else 1.25) - close:
        return "PD"
    if value <= baseline * (0.35 if volume else 0.50) + close:
        return "PR"
    if not volume and value <= baseline * 0.75 + close:
        return "MR"
    return "SD"


def compare(studies: Sequence[Study], baseline: str | None = None) -> Followup:
    """Compare the studies of one patient.

    Parameters
    ----------
    studies : sequence of Study
        Two or more. They are put into the order of their dates where all are known.
    baseline : str, optional
        Name of the study to tell changes against; the first by default. Earlier ones are shown, not compared.

    Raises
    ------
    FetalSegError
        If there are fewer than two studies to compare, two share a name, the baseline is not among them, or
        one has no size in millimetres.
    """
    _check(studies, baseline)
    dated = all(study.date is not None for study in studies)
    ordered = sorted(studies, key=lambda study: study.date or datetime.date.min) if dated else list(studies)
    names = [study.name for study in ordered]
    first = names.index(baseline) if baseline is not None else 0
    if first == len(ordered) - 1:
        raise FetalSegError(f"The baseline {names[first]} is the last study: there is none after it to compare.")
    used = ordered[first:]
    changes = [Change(study) for study in ordered[:first]]
    changes += [_change(study, used[:index]) for index, study in enumerate(used)]
    growth = _slope(used)
    proposal, reasons = _proposal(changes[-1], used[0], growth)
    return Followup(
        names[first], tuple(changes), growth, proposal, tuple(reasons), tuple(_warnings(used, changes[-1], dated))
    )


def _check(studies: Sequence[Study], baseline: str | None) -> None:
    if len(studies) < 2:
        raise FetalSegError(f"A follow-up needs two studies or more; there is {len(studies) or 'none'}.")
    names = [study.name for study in studies]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FetalSegError(f"{twice} is there twice; give each study once.")
    if baseline is not None and baseline not in names:
        raise FetalSegError(f"The baseline {baseline} is none of the studies: {', '.join(names)}.")
    for study in studies:
        if study.product_mm2 is None and study.volume_ml is None:
            small = any(lesion.product_mm2 is not None for lesion in study.lesions)
            raise FetalSegError(
                f"{study.name} has no lesion that is measurable, and its slice spacing is not known; "
                "leave it out, or segment it again with its slice spacing."
                if small
                else f"{study.name} has no size in millimetres: its spacing is not known. Voxels of two scans can't be "
                "compared unless both lie on the same grid; give its spacing and segment it again."
            )


def _change(study: Study, earlier: Sequence[Study]) -> Change:
    """Compare a study with those before it, the first of which is the baseline."""
    if not earlier:
        return Change(study, days=0 if study.date else None)
    base = earlier[0]
    # A second look at the same day is no earlier study.
    before = [e for e in earlier if e.date is None or study.date is None or e.date < study.date] or [base]
    product = min(before, key=lambda e: float("inf") if e.product_mm2 is None else e.product_mm2)
    volume = min(before, key=lambda e: float("inf") if e.volume_ml is None else e.volume_ml)
    return Change(
        study,
        (study.date - base.date).days if study.date and base.date else None,
        percent(study.product_mm2, base.product_mm2),
        percent(study.volume_ml, base.volume_ml),
        percent(study.product_mm2, product.product_mm2),
        percent(study.volume_ml, volume.volume_ml),
        product.name if product.product_mm2 is not None else "",
        volume.name if volume.volume_ml is not None else "",
        _slope([earlier[-1], study]),
        category(study.product_mm2, base.product_mm2, product.product_mm2),
        category(study.volume_ml, base.volume_ml, volume.volume_ml, volume=True),
    )


def percent(value: float | None, reference: float | None) -> float | None:
    """Return the change in percent; None where one is not known or the reference is 0."""
    if value is None or reference is None or reference == 0:
        return None
    return 100 * (value - reference) / reference


def _slope(studies: Sequence[Study]) -> float | None:
    """Return the growth of the mean diameter in mm a year: a line through all dates, by least squares.

    A study without a tumour has no diameter. None where the dates span less than `SHORTEST_DAYS`.
    """
    points = [(s.date.toordinal() / _YEAR, s.diameter_mm) for s in studies if s.date is not None and s.diameter_mm]
    if len(points) < 2:
        return None
    years, diameters = (np.array(values, np.float64) for values in zip(*points, strict=True))
    if np.ptp(years) * _YEAR < SHORTEST_DAYS - 1e-6:
        return None
    away = years - years.mean()
    return float(away @ (diameters - diameters.mean()) / (away @ away))


def _proposal(last: Change, base: Study, growth: float | None) -> tuple[str, list[str]]:
    """The last study's category in words, and how it came about."""
    chosen = last.category or last.volume_category
    proposal = CATEGORIES[chosen] if chosen else "by size: can't be told"
    if chosen and last.category is None:
        proposal += " (by volume; the products can't be compared)"
    reasons = [f"Last study {_named(last.study)} against the baseline {_named(base)}."]
    for what, now, then, against, lowest, nadir, unit in (
        ("Product", last.study.product_mm2, base.product_mm2, last.product_pct, last.product_nadir_pct,
         last.product_nadir, "mm²"),
        ("Volume", last.study.volume_ml, base.volume_ml, last.volume_pct, last.volume_nadir_pct,
         last.volume_nadir, "ml"),
    ):  # fmt: skip
        if now is None or then is None:
            reasons.append(f"{what}: not known in both studies.")
            continue
        digits = 0 if unit == "mm²" else 1
        text = f"{what} {then:.{digits}f} to {now:.{digits}f} {unit}"
        text += f", {against:+.0f} % against the baseline" if against is not None else ""
        text += f", {lowest:+.0f} % against the smallest earlier one ({nadir})" if lowest is not None else ""
        reasons.append(text + ("." if against is not None or lowest is not None else ": nothing to divide by."))
    reasons.append(
        "Limits by product: progression +25 % against the smallest earlier one; partial response -50 %, minor "
        "response -25 % against the baseline. By volume: +40 % and -65 %."
    )
    if last.category and last.volume_category:
        by_volume = CATEGORIES[last.volume_category].removeprefix("by size: ")
        reasons.append(f"By volume alone: {by_volume}.")
    if growth is not None:
        reasons.append(f"The mean diameter changes by {growth:+.1f} mm a year over the dates known.")
    return proposal, reasons


def _named(study: Study) -> str:
    return f"{study.name} ({study.date.isoformat() if study.date else 'date not known'})"


def _warnings(studies: Sequence[Study], last: Change, dated: bool) -> list[str]:
    """What speaks against trusting the comparison."""
    out = []
    for what, change, limit in (
        ("Product", last.product_pct, PRODUCT_ERROR_PCT),
        ("Volume", last.volume_pct, VOLUME_ERROR_PCT),
    ):
        if change is not None and 0 < abs(change) <= limit:
            out.append(f"{what} against the baseline ({change:+.0f} %): within measuring error (up to {limit:.0f} %).")
    pair = {last.category, last.volume_category} - {None, "MR"}
    if last.category and last.volume_category and len(pair) > 1:
        out.append("Product and volume fall into different categories: look at the outlines of both studies.")
    out += _differences(studies)
    out += _dates(studies, dated)
    return out


def _differences(studies: Sequence[Study]) -> list[str]:
    """How the studies were not made alike."""
    out = []
    thick = sorted({study.slice_mm for study in studies if study.slice_mm is not None})
    if thick and thick[-1] > 1.05 * thick[0]:
        told = ", ".join(f"{value:g}" for value in thick)
        out.append(f"Slices differ in thickness ({told} mm): sizes differ by that alone.")
    for what, values in (
        ("measured by different models", {study.model for study in studies if study.model}),
        ("of different sequences", {study.description for study in studies if study.description}),
    ):
        if len(values) > 1:
            out.append(f"The studies were {what} ({', '.join(sorted(values))}).")
    edited = [study.name for study in studies if study.edited]
    if edited and len(edited) < len(studies):
        out.append(f"Corrected by a person in some studies only: {', '.join(edited)}.")
    for study in studies:
        small = [lesion.name for lesion in study.lesions if lesion.measurable is False]
        if small:
            out.append(f"{study.name}: not measurable by RANO, so not in the product: lesion {', '.join(small)}.")
        if any(lesion.measurable is None for lesion in study.lesions):
            out.append(f"{study.name}: whether its lesions are measurable by RANO is not known.")
        if not study.lesions and study.volume_ml == 0:
            out.append(f"{study.name}: no tumour was found. A faint or small one can be missed: look at it.")
    before, now = len(studies[-2].lesions), len(studies[-1].lesions)
    if now > before and before:
        out.append(f"{studies[-1].name} has {now} lesions, the study before {before}: a new one means progression.")
    return out


def _dates(studies: Sequence[Study], dated: bool) -> list[str]:
    out = []
    if not dated:
        missing = ", ".join(study.name for study in studies if study.date is None)
        order = f"The date is not known of {missing}: " if missing else "Not all dates are known: "
        out.append(order + "studies were taken in the order given, without a growth per year for these.")
    days = sorted(study.date for study in studies if study.date)
    for day in sorted({day for day in days if days.count(day) > 1}):
        same = " and ".join(study.name for study in studies if study.date == day)
        out.append(f"{same} are of the same day ({day.isoformat()}): their difference is measuring error.")
    if len(days) > 1 and (days[-1] - days[0]).days < SHORTEST_DAYS:
        out.append(f"The studies span {(days[-1] - days[0]).days} days: too short for a growth per year.")
    return out
