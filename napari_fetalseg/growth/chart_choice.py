"""What the Growth dock begins with: the charts that it offers, the chart and the CRL formula that were chosen last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fetalseg.errors import FetalSegError, GrowthError
from fetalseg.growth import charts
from fetalseg.growth.charts import Chart
from fetalseg.growth.dating import CRL_FORMULAS
from napari_fetalseg import preferences
from napari_fetalseg.growth.case import Cases
from napari_fetalseg.growth.chart_view import ChartView

_SECTION, _CHOSEN, _OWN, _FORMULA = "growth", "chart", "charts", "crl_formula"


class ChartChoice:
    """Keeps the chosen chart of the pregnancies, of the tabs and of napari's settings in step.

    Parameters
    ----------
    cases : Cases
    view : ChartView
    work : callable
        Runs a function in a worker and hands its value to another one: charts are read from disk.
    failed : callable
        Gets an error to show.
    """

    def __init__(
        self,
        cases: Cases,
        view: ChartView,
        work: Callable[[Callable[[], Any], Callable[[Any], Any]], None],
        failed: Callable[[Exception], Any],
    ) -> None:
        self._cases, self._view, self._work, self._failed = cases, view, work, failed
        self._awaited = ""  # a chart that is being read: until then the tabs show another one
        view.picked.connect(self._picked)

    def recall(self) -> None:
        """Offer the charts of the last session and choose the last one; once a viewer."""
        if self._cases.recalled:
            return
        paths, chosen = remembered()
        if chosen in charts.NAMES:
            self._begin_with(chosen)
        elif chosen in paths:
            self._awaited = chosen
        if paths:
            self._work(lambda: _read(paths), lambda found: self._recalled(found[0], found[1], chosen))
        else:
            self._cases.recalled = True

    def _recalled(self, found: Sequence[Chart], errors: Sequence[str], chosen: str) -> None:
        for chart in found:
            self._cases.add_chart(chart)
        self._view.show_charts()
        if self._awaited == chosen and self._cases.chart(chosen) is not None:
            self._begin_with(chosen)
        self._awaited, self._cases.recalled = "", True
        self.follow()
        self._remember()
        if errors:
            self._failed(GrowthError(f"{' '.join(errors)} It is not offered any more; add it again where it is now."))

    def _begin_with(self, key: str) -> None:
        """Choose a chart for a pregnancy that nothing was chosen for."""
        case = self._cases.current
        if case.blank:
            case.pregnancy = replace(case.pregnancy, chart=key)
        self.follow()

    def follow(self) -> None:
        """Show the chart of the current pregnancy; one that is not among the tabs yet is read first."""
        key = self._cases.current.pregnancy.chart
        chart = self._cases.chart(key)
        if chart is not None:
            self._view.choose(chart)
        elif self._awaited != key:
            self._awaited = key
            self._work(lambda: _read([key]), lambda found: self._opened(found[0], found[1], key))

    def _opened(self, found: Sequence[Chart], errors: Sequence[str], key: str) -> None:
        """A pregnancy's own chart was read."""
        if self._awaited == key:
            self._awaited = ""
        for chart in found:
            self._cases.add_chart(chart)
        self._view.show_charts()
        if found and self._cases.current.pregnancy.chart == key:
            self._view.choose(found[0])
        if errors:
            self.keep()
            self._failed(GrowthError(f"{errors[0]} The pregnancy is shown on {self._view.chart.title}."))

    def keep(self) -> None:
        """Take the chosen tab for the current pregnancy's chart."""
        if not self._awaited:
            case = self._cases.current
            case.pregnancy = replace(case.pregnancy, chart=self._view.chart.key)

    def add(self, path: str | Path) -> None:
        """Add a chart from a csv of age, mean and SD, and choose it."""

        def added(chart: Chart) -> None:
            self._cases.add_chart(chart)
            self._view.show_charts()
            self._picked(chart.key)
            self._view.choose(chart)
            self._view.chosen.emit()  # also where only what is in the file is new

        self._work(lambda: charts.get(Path(path)), added)

    def _picked(self, key: str) -> None:
        self._awaited = ""
        preferences.remember(_SECTION, _CHOSEN, key)
        self._remember()

    def _remember(self) -> None:
        if not self._cases.recalled:
            return  # those of the last session are still being read
        own = [chart.path for chart in self._cases.charts if chart.path is not None]
        preferences.remember(_SECTION, _OWN, "\n".join(own))


def remembered() -> tuple[list[str], str]:
    """Return the person's own charts by their paths, and the chart that was chosen last."""
    own = [path for path in preferences.recall(_SECTION, _OWN).split("\n") if path]
    return own, preferences.recall(_SECTION, _CHOSEN)


def remembered_formula() -> str:
    """Return the formula of crown-rump length that was chosen last; empty where none was."""
    formula = preferences.recall(_SECTION, _FORMULA)
    return formula if formula in CRL_FORMULAS else ""


def recall_formula(cases: Cases) -> None:
    """Begin with the formula of crown-rump length that was chosen last."""
    chosen = remembered_formula()
    if not chosen:
        return
    cases.formula = chosen
    if cases.current.blank and not cases.current.typed.get("crl"):
        cases.current.formula = chosen


def remember_formula(cases: Cases, chosen: str) -> None:
    """Keep the formula that a person chose, for other pregnancies and the next session."""
    cases.formula = chosen
    preferences.remember(_SECTION, _FORMULA, chosen)


def _read(paths: Sequence[str]) -> tuple[list[Chart], list[str]]:
    """Return the charts that can be read, and a sentence for each that can't."""
    found, errors = [], []
    for path in paths:
        try:
            found.append(charts.get(path))
        except FetalSegError as error:
            errors.append(str(error))
    return found, errors
