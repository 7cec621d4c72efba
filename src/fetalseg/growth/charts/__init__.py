"""Growth charts: size by gestational age. A chart is data, one module each; one that is added is one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from fetalseg.errors import GrowthError
from fetalseg.growth.charts.chart import OUTER, Chart, Measure, Reading
from fetalseg.settings import GrowthSettings

__all__ = ["DEFAULT", "NAMES", "OUTER", "Chart", "Measure", "Reading", "get"]

#: Each is a module of this package that holds a ``CHART``.
NAMES = ("intergrowth21", "hadlock84", "who2017")
#: A standard with standard deviations, so that it gives z-scores.
DEFAULT = GrowthSettings().chart


def get(name: str | Path) -> Chart:
    """Return a chart by its name, or one that is read from a csv of age, mean and SD.

    Raises
    ------
    GrowthError
        If there is no such chart, or the csv holds none.
    """
    if str(name) in NAMES:
        chart: Chart = import_module(f"fetalseg.growth.charts.{name}").CHART
        return chart
    if str(name).lower().endswith(".csv"):
        from fetalseg.growth.charts.local import read

        return read(Path(name))
    raise GrowthError(
        f"There is no growth chart '{name}'; choose {', '.join(NAMES[:-1])} or {NAMES[-1]}, or a csv of "
        "gestational age, mean and SD."
    )
