"""A growth chart as a picture: centile curves, this exam with its error bars, the pregnancy's other exams.

One picture for every door: dock, report and file differ in its size only. Colours are Okabe and Ito's; line style and
marker tell the same, so that it reads in grey as well.
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import RESEARCH
from fetalseg.errors import FetalSegError, GrowthError
from fetalseg.growth import curve_ink as ink
from fetalseg.growth.assessment import Assessment
from fetalseg.growth.charts import OUTER, Chart
from fetalseg.growth.curve_ink import FAINT, GRID, INK, PAPER, SMALL, TEXT, THIS, TICK, TITLE, Point
from fetalseg.growth.pregnancy import Exam, Pregnancy
from fetalseg.growth.wording import age_source_text, sentence

ENDINGS = (".png", ".svg", ".pdf")
#: Of a file, in inches and dots an inch.
SIZE, DPI = (7.2, 5.2), 200
NAMES = {"hc": "Head circumference", "bpd": "Biparietal diameter", "ofd": "Occipitofrontal diameter"}
_EDGES = {
    "outer edge": "on the outer edge of the skull",
    "outer-outer": "from outer to outer edge",
    "outer-inner": "from outer to inner edge",
}
_LETTER = 0.55  # how wide one is on average, in ems
_LOCK = threading.RLock()
_NARROW = 330  # a narrower picture, in points, gets a shorter title
_CLOSE_UP = 180  # narrower axes, in points, have no room for a close-up


def draw(
    chart: Chart,
    *,
    measure: str = "hc",
    pregnancy: Pregnancy | None = None,
    assessment: Assessment | None = None,
    figure: Any = None,
) -> Any:
    """Draw a chart.

    Parameters
    ----------
    chart : Chart
        Everything is read on it, whatever chart `pregnancy` and `assessment` were read on.
    measure : {"hc", "bpd", "ofd"}
    pregnancy : Pregnancy, optional
        Its exams, joined by a line.
    assessment : Assessment, optional
        Of this exam. It may be one of the pregnancy's.
    figure : matplotlib.figure.Figure, optional
        To draw on, at its own size; it is cleared first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    GrowthError
        If the chart has no such measure.
    """
    from matplotlib.figure import Figure

    if measure not in chart.measures:
        raise GrowthError(f"{chart.title} has no {measure.upper()}: choose {', '.join(chart.measures)}.")
    with style():
        if figure is None:
            figure = Figure(figsize=SIZE, dpi=DPI)
        figure.clear()
        figure.set_facecolor(PAPER)
        assessment = _on(chart, assessment)
        this = _this(measure, assessment)
        others = _others(measure, pregnancy, this)
        comparable = chart.measures[measure].convention == OUTER[measure]
        points = [*others, *([this] if this else [])] if comparable else []
        axes = figure.add_axes(_words(figure, chart, measure, assessment, points))
        ink.draw_axes(axes, chart, measure, points, _undated(measure, assessment))
        ink.draw_curves(axes, chart, measure, labels=True)
        ink.draw_exams(axes, points, this if comparable else None)
        undated = _undated(measure, assessment)
        if undated is not None and comparable:
            axes.axhline(undated, color=THIS, linewidth=1.4, linestyle="-.", label="this exam, at no known age")
        roomy = 72 * figure.get_figwidth() * axes.get_position().width > _CLOSE_UP
        if this is not None and comparable and roomy and chart.covers(this.ga_days):
            ink.draw_close_up(axes, chart, measure, points, this)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", fontsize=TICK, framealpha=0.9, edgecolor=GRID, labelcolor=INK)
    return figure


def save(
    path: str | Path,
    chart: Chart,
    *,
    measure: str = "hc",
    pregnancy: Pregnancy | None = None,
    assessment: Assessment | None = None,
) -> Path:
    """Write the picture as PNG, SVG or PDF, by the path's ending; whole or not at all.

    Raises
    ------
    GrowthError
        If the ending is another, or the chart has no such measure.
    OutputError
        If it can't be written.
    """
    from fetalseg.io.atomic import atomic_write

    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise GrowthError(f"{path.name} is no picture that can be drawn: its ending is one of {', '.join(ENDINGS)}.")
    figure = draw(chart, measure=measure, pregnancy=pregnancy, assessment=assessment)
    told: dict[str, str | None] = {"Title": f"{NAMES[measure]} on {chart.title} {chart.version}"}
    # No date: the same exams give the same file.
    told |= {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(ending, {"Description": RESEARCH})
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=ending[1:], dpi=DPI, facecolor=PAPER, metadata=told)
    return atomic_write(path, lambda file: file.write(buffer.getvalue()))


def render(
    chart: Chart,
    width: int,
    height: int,
    *,
    dpi: float = 100.0,
    measure: str = "hc",
    pregnancy: Pregnancy | None = None,
    assessment: Assessment | None = None,
) -> NDArray[np.uint8]:
    """Draw the picture for a screen.

    Parameters
    ----------
    chart : Chart
    width, height : int
        In pixels.
    dpi : float
        Pixels an inch: text keeps its size in inches.
    measure, pregnancy, assessment
        As `draw` takes them.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        RGBA.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    draw(chart, measure=measure, pregnancy=pregnancy, assessment=assessment, figure=figure)
    with style():
        canvas.draw()
    return np.array(canvas.buffer_rgba(), np.uint8)


@contextmanager
def style() -> Iterator[None]:
    """What a person's own matplotlib settings must not change; letters stay letters in SVG and PDF."""
    from matplotlib import rc_context

    own = {
        "font.family": "DejaVu Sans",
        "text.usetex": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "fetalseg",
        "pdf.fonttype": 42,
        "path.sketch": None,
        "axes.unicode_minus": True,
        "savefig.bbox": None,
    }
    with _LOCK, rc_context(own):  # the settings are the process's: two threads would undo each other's
        yield


# What is shown


def _value(measure: str, assessment: Assessment) -> float | None:
    return next((r.value_mm for r in assessment.readings if r.measure == measure), None)


def _on(chart: Chart, assessment: Assessment | None) -> Assessment | None:
    """An assessment as this chart sees it: numbers of two charts never meet in one picture."""
    if assessment is None or (assessment.chart, assessment.chart_version) == (chart.name, chart.version):
        return assessment
    age, ends = assessment.ga_days, (assessment.low, assessment.high)
    named = replace(assessment, chart=chart.name, chart_version=chart.version)
    if age is None:
        return named
    low, high = (chart.read("hc", end.value_mm, age) if end else None for end in ends)
    readings = tuple(chart.read(reading.measure, reading.value_mm, age) for reading in assessment.readings)
    return replace(named, readings=readings, low=low, high=high)


def _undated(measure: str, assessment: Assessment | None) -> float | None:
    """The size of an exam whose age is not known."""
    return None if assessment is None or assessment.ga_days is not None else _value(measure, assessment)


def _this(measure: str, assessment: Assessment | None) -> Point | None:
    value = None if assessment is None else _value(measure, assessment)
    if assessment is None or assessment.ga_days is None or value is None:
        return None
    interval = None
    if measure == "hc" and assessment.low and assessment.high:
        interval = (assessment.low.value_mm, assessment.high.value_mm)
    return Point(assessment.ga_days, value, interval, assessment.ga_uncertainty_days)


def _others(measure: str, pregnancy: Pregnancy | None, this: Point | None) -> list[Point]:
    """The pregnancy's exams at a known age, by age, without this one."""
    found = []
    for exam in pregnancy.exams if pregnancy else ():
        value = getattr(exam, f"{measure}_mm")
        age = _age(pregnancy, exam)
        if value is not None and age is not None:
            found.append(Point(age, value, exam.hc_interval_mm if measure == "hc" else None))
    if this is not None:
        same = next((p for p in found if (p.ga_days, p.value_mm) == (this.ga_days, this.value_mm)), None)
        found = [point for point in found if point is not same]
    return sorted(found, key=lambda point: point.ga_days)


def _age(pregnancy: Pregnancy | None, exam: Exam) -> float | None:
    dating = pregnancy.dating if pregnancy else None
    if dating is None or not dating.independent:
        return None
    try:
        return dating.at(exam.scan_date)
    except FetalSegError:
        return None


# How it is drawn


def _words(
    figure: Any, chart: Chart, measure: str, assessment: Assessment | None, points: Sequence[Point]
) -> tuple[float, float, float, float]:
    """Write title and small print; return what is left for the axes, in fractions of the figure."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    y = height - 6
    name = NAMES[measure] if width > _NARROW else measure.upper()
    title = f"{name} by gestational age: {chart.title}"
    told = _told(chart, measure, assessment)
    for text, size, colour, weight in ((title, TITLE, INK, "bold"), (told, TEXT, INK, "normal")):
        for line in _wrapped(text, (width - 20) * (0.87 if weight == "bold" else 1), size):
            y -= 1.25 * size
            figure.text(10 / width, y / height, line, fontsize=size, color=colour, weight=weight, parse_math=False)
    convention = _EDGES[chart.measures[measure].convention]
    small = [
        f"{chart.title}, version {chart.version}; covers {chart.range_text}; {measure.upper()} {convention}.",
        chart.source.rstrip(".") + ".",
    ]
    if chart.path:
        small[1] = chart.note
    if any(point.interval_mm for point in points):
        small.append("Error bars: 95 % interval of the measurement; across, published accuracy of the age where known.")
    lines = [line for text in small for line in _wrapped(text, width - 20, SMALL)]
    low = 6.0
    figure.text(10 / width, low / height, RESEARCH, fontsize=SMALL + 0.7, color=INK, weight="bold")
    for line in reversed(lines):
        low += 1.35 * SMALL
        figure.text(10 / width, low / height, line, fontsize=SMALL, color=FAINT, parse_math=False)
    left, right, bottom, top = 46, width - 78, low + 1.35 * SMALL + 34, y - 8
    return left / width, bottom / height, (right - left) / width, max(top - bottom, 40) / height


def _told(chart: Chart, measure: str, assessment: Assessment | None) -> str:
    if assessment is None:
        return ""
    told = sentence(assessment, chart, measure=measure)
    return told if told.endswith(".") or not told else f"{told}. Age {age_source_text(assessment)}."


def _wrapped(text: str, width: float, size: float) -> list[str]:
    return textwrap.wrap(text, max(int(width / (_LETTER * size)), 20), break_on_hyphens=False)
