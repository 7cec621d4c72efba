"""A pregnancy as the Growth dock works on it: what was typed, its exams, which open images are of it. No Qt."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from fetalseg.errors import DatingError
from fetalseg.growth import charts
from fetalseg.growth.charts import Chart
from fetalseg.growth.dating import CRL_FORMULAS, Dating, ga_text, parse_date, parse_ga
from fetalseg.growth.pregnancy import Exam, Pregnancy
from fetalseg.settings import GrowthSettings

_MAKE = {"lmp": Dating.from_lmp, "ivf": Dating.from_ivf, "edd": Dating.from_edd}


@dataclass
class Typed:
    """What was typed for one way of dating, as text."""

    date: str = ""
    age: str = ""
    length: str = ""
    formula: str = GrowthSettings().crl_formula

    def dating(self, source: str, scan_date: datetime.date | None, final: bool) -> Dating | None:
        """Return the dating; None where nothing, or not all of it, is typed.

        Parameters
        ----------
        source : str
        scan_date : date or None
        final : bool
            Whether typing has ended: until then what is no date or number yet is taken as not typed.

        Raises
        ------
        DatingError
            If it is impossible.
        """
        try:
            day = parse_date(self.date) if self.date else None
            age = parse_ga(self.age.replace(",", ".")) if self.age else None
            length = _number(self.length) if self.length else None
        except DatingError:
            if final:
                raise
            return None
        if not final and self.age.strip().isdigit():
            return None  # 20 may become 20+3
        if source in _MAKE:
            return _MAKE[source](day) if day else None
        if source == "crl":
            if not final and length is not None and length < 10:
                return None
            return Dating.from_crl(length, day, self.formula) if length is not None and day else None
        if source == "earlier_scan":
            return Dating.from_earlier_scan(age, day) if age is not None and day else None
        return Dating.from_ga(age, scan_date) if age is not None else None


@dataclass(eq=False)
class Case:
    """One pregnancy in the dock.

    Attributes
    ----------
    pregnancy : Pregnancy
        As it is shown now: dating, exams, chart.
    source : str
        The way of dating that is chosen in the form.
    typed : dict of str to Typed
        By way of dating: going to another one and back loses nothing.
    fixed : Dating or None
        A dating that was read from a file, or typed as an age at another scan: it holds until the form is edited.
    saved : Pregnancy
        As the file has it.
    path : Path or None
    images : weak set
        Image layers and series that a person said, or the first that was looked at, to be of this pregnancy.
    scan_dates, machines, added : weak dictionaries
        By image layer: the scan's date and the machine as typed; the exam that was added.
    formula : str
        By which a crown-rump length dates until another one is chosen for this pregnancy.
    lmp_told : str
        The last period that the first of its scans' files to tell one told; it was filled in if none was there.
    doubt : str
        What is wrong with what is typed; empty where nothing is. Until it is mended the older dating stands.
    """

    pregnancy: Pregnancy = field(default_factory=Pregnancy)
    source: str = "lmp"
    typed: dict[str, Typed] = field(default_factory=dict)
    fixed: Dating | None = None
    saved: Pregnancy = field(default_factory=Pregnancy)
    path: Path | None = None
    images: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    scan_dates: weakref.WeakKeyDictionary[Any, str] = field(default_factory=weakref.WeakKeyDictionary)
    machines: weakref.WeakKeyDictionary[Any, str] = field(default_factory=weakref.WeakKeyDictionary)
    added: weakref.WeakKeyDictionary[Any, Exam] = field(default_factory=weakref.WeakKeyDictionary)
    formula: str = GrowthSettings().crl_formula
    lmp_told: str = ""
    doubt: str = ""
    _last: Any = None  # weak reference to the image that was looked at last

    @classmethod
    def of(cls, pregnancy: Pregnancy, path: Path | None = None, formula: str = GrowthSettings().crl_formula) -> Case:
        """Return the case of a pregnancy that was read from a file; where that names a formula it stands."""
        made = cls(pregnancy, fixed=pregnancy.dating, saved=pregnancy, path=path, formula=formula)
        dating = pregnancy.dating
        if dating is not None and dating.independent:
            made.source = dating.source
            on = dating.on.isoformat() if dating.on else ""
            named = (key for key, words in CRL_FORMULAS.items() if words == dating.formula)
            made.formula = next(named, formula)
            made.typed[dating.source] = Typed(
                date="" if dating.source == "ga" else on,
                age=_age(dating.ga_days) if dating.source in ("ga", "earlier_scan") else "",
                length=f"{dating.crl_mm:g}" if dating.crl_mm is not None else "",
                formula=made.formula,
            )
        return made

    @property
    def blank(self) -> bool:
        """Whether nothing that belongs to one pregnancy is in it."""
        return not self.pregnancy.exams and self.pregnancy.dating is None

    @property
    def unsaved(self) -> bool:
        """Whether exams, or another dating of them, would be lost."""
        before, now = self.saved, self.pregnancy
        return bool(now.exams or before.exams) and (before.exams, before.dating) != (now.exams, now.dating)

    def fields(self, source: str | None = None) -> Typed:
        """Return what was typed for a way of dating; of the chosen one by default."""
        return self.typed.setdefault(source or self.source, Typed(formula=self.formula))

    def offer_lmp(self, told: str) -> None:
        """Fill in the last period that a scan's file tells, once, and only where neither file nor person gave any."""
        if not told or self.lmp_told:
            return
        self.lmp_told = told
        lmp = self.fields("lmp")
        if self.fixed is None and not lmp.date:
            lmp.date = told

    def look_at(self, image: Any) -> None:
        """Go to an image. An age that was typed for the one before stays that one's: it is none of the next one's."""
        before = self._last() if self._last is not None else image
        self._last = weakref.ref(image)
        if before is image:
            return
        if self.source != "ga" or self.fixed is not None:
            return
        dating = self.pregnancy.dating
        if dating is not None and dating.on is not None:
            self.fixed = dating
        else:
            self.fields("ga").age = ""

    def looks_at(self, image: Any) -> bool:
        """Whether an image is the one that was looked at last: an age at one scan is that one's."""
        return self._last is not None and self._last() is image

    def day(self, image: Any, told: str) -> datetime.date | None:
        """Return an image's date of scan, as typed, or else as its file tells; None where it is not known."""
        try:
            return parse_date(self.scan_dates.get(image, told))
        except DatingError:
            return None

    def dating(self, scan_date: datetime.date | None, final: bool) -> Dating | None:
        """Return how the pregnancy is dated now.

        Raises
        ------
        DatingError
        """
        return self.fixed or self.fields().dating(self.source, scan_date, final)

    def other_dating(self, final: bool) -> Dating | None:
        """Return the dating by the last period where the pregnancy is dated by a scan, for comparison."""
        if self.source not in ("crl", "earlier_scan"):
            return None
        return self.fields("lmp").dating("lmp", None, final)

    def with_this(self, exam: Exam, image: Any) -> Pregnancy:
        """Return the pregnancy with an exam in it once, as it is now."""
        dating = self.pregnancy.dating
        if dating is not None and dating.on is None:
            return replace(self.pregnancy, exams=(exam,))  # the age is known at this scan only
        return replace(self.pregnancy, exams=(*self.without(exam, image), exam))

    def without(self, exam: Exam, image: Any) -> Sequence[Exam]:
        """Return the exams that are not this one, nor an older state of it."""
        older = self.added.get(image) if image is not None else None
        mine = {frame.result for frame in exam.frames}
        return [e for e in self.pregnancy.exams if e is not older and not mine & {f.result for f in e.frames}]


class Cases:
    """The pregnancies that were worked on in one viewer, and the one that is shown.

    No image is taken for one of a pregnancy that it was not said to be of: dates of one mother must not place
    another's child on a chart.

    Attributes
    ----------
    current : Case
    charts : list of Chart
        Those to choose from: the built-in ones, then a person's own.
    recalled : bool
        Whether the charts of the last session were asked for.
    formula : str
        The formula of crown-rump length that a person chose last: other pregnancies begin with it.
    known : weak dictionary
        What was worked out of a result, for `napari_fetalseg.growth.standing`.
    """

    changed = Signal()  # dates, charts, or which image is of which pregnancy

    def __init__(self) -> None:
        self.current = Case()
        self.charts: list[Chart] = [charts.get(name) for name in charts.NAMES]
        self.recalled = False
        self.formula = GrowthSettings().crl_formula
        self.known: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._all = [self.current]
        self._told: list[Any] = []

    def of(self, image: Any, series: Any) -> Case | None:
        """Return the case that an image was said to be of."""
        return next((case for case in self._all if image in case.images or series in case.images), None)

    def chart(self, key: str) -> Chart | None:
        """Return a chart that is there to choose."""
        return next((chart for chart in self.charts if chart.key == key), None)

    def add_chart(self, chart: Chart) -> int:
        """Add a person's own chart, or put it in the place of its older state; return its place."""
        at = next((at for at, other in enumerate(self.charts) if other.key == chart.key), len(self.charts))
        self.charts[at:] = [chart, *self.charts[at + 1 :]]
        return at

    def tell(self) -> None:
        """Tell whoever listens, where anything changed that a number depends on."""
        now = [(self._numbers(case), chart.version) for case in self._all for chart in self.charts]
        if now != self._told:
            self._told = now
            self.changed.emit()

    @staticmethod
    def _numbers(case: Case) -> Any:
        """What a case's numbers depend on; images by their identity, so that nothing is kept alive."""
        days = {id(image): text for image, text in case.scan_dates.items()}
        last = id(case._last()) if case._last is not None else None
        of = {id(image) for image in case.images}
        return case.pregnancy.dating, case.pregnancy.chart, case.doubt, days, last, of

    def find(self, image: Any, series: Any) -> bool:
        """Go to the case of an image and its series; false where a person must say which that is."""
        there = self.of(image, series)
        if there is None:
            if not self.current.blank and self.current.images:
                return False
            there = self.current
            there.images.clear()  # what was looked at before anything was typed is free again
        there.images.update((image, series))
        self.current = there
        return True

    def join(self, image: Any, series: Any) -> None:
        """Take an image for one of the current pregnancy."""
        self.current.images.update((image, series))

    def another(self, chart: str) -> Case:
        """Return a case for another pregnancy, with the formula that was chosen last."""
        return Case(Pregnancy(chart=chart), formula=self.formula)

    def begin(self, case: Case) -> None:
        """Go to another case; the current one can be come back to by its images."""
        self._all = [other for other in self._all if other.images and not other.blank]
        self._all.append(case)
        self.current = case

    def swap(self, case: Case, image: Any, series: Any) -> None:
        """Put another case in the place of the current one; the image that is looked at is taken for one of it."""
        old = self.current
        self._all.remove(old)
        if image is not None:
            case.images.update((image, series))
            for mine, theirs in ((case.scan_dates, old.scan_dates), (case.machines, old.machines)):
                if image in theirs:
                    mine[image] = theirs[image]
        self.begin(case)


def _age(ga_days: float) -> str:
    """An age as it is typed: ``20+3``."""
    return ga_text(ga_days).replace("w ", "+").removesuffix("d")


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise DatingError(f"'{text}' is no length in mm; write 61.5.") from None
