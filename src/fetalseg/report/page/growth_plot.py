"""Heads on a growth chart: all of a run as SVG for the page, one of them for its own page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fetalseg.errors import FetalSegError
from fetalseg.growth import charts, curves
from fetalseg.growth import curve_ink as ink
from fetalseg.report.ink import STATE_COLOURS
from fetalseg.report.page.cells import SIGNS
from fetalseg.report.page.folder import FAILED, Case, Folder, number
from fetalseg.report.page.plots import Plot
from fetalseg.result import State

_SIZE = (7.0, 4.3)
_MARGINS = (46, 80, 36, 10)  # left, right, below, above; in points
_MARKERS = {State.ACCEPT.value: "o", State.CHECK.value: "^", State.REFUSE.value: "X"}
#: More error bars than this hide each other.
_MOST_BARS = 60
# What the curves are drawn with, as the page's own colours: they follow dark and light.
_COLOURS = {
    ink.INK: "var(--ink)",
    ink.FAINT: "var(--faint)",
    ink.GRID: "var(--line)",
    ink.OUTSIDE: "var(--outside)",
    "#c8c8c8": "var(--line)",
    ink.CURVE.lower(): "var(--curve)",
    ink.BAND.lower(): "var(--band)",
    ink.PAPER: "var(--paper)",
}


def chart_of(record: Mapping[str, Any]) -> charts.Chart | None:
    """Return the growth chart of a run; None where it knows none, or only a csv that is not here."""
    told = record.get("growth")
    try:
        return charts.get(str(told.get("chart"))) if isinstance(told, dict) else None
    except FetalSegError:
        return None


def chart_title(record: Mapping[str, Any]) -> str:
    """Return the chart's title, or its name where only that is known."""
    chart, told = chart_of(record), record.get("growth")
    return chart.title if chart else str(told.get("chart", "")) if isinstance(told, dict) else ""


def population(folder: Folder) -> tuple[Plot, dict[str, list[int]]] | None:
    """Return HC against age of all dated heads, and by state which cases the points are, in their order.

    None where no head has both, or the chart is not known here.
    """
    chart = chart_of(folder.record)
    found = {
        state: [i for i, case in enumerate(folder.cases) if case.state == state and _point(case)] for state in _MARKERS
    }
    dated = [i for group in found.values() for i in group]
    if chart is None or not dated:
        return None
    figure, axes = _figure(chart, [point for i in dated if (point := _point(folder.cases[i]))], _SIZE)
    for state, group in found.items():
        points = [point for i in group if (point := _point(folder.cases[i]))]
        if points:
            _draw(axes, points, state, bars=len(dated) <= _MOST_BARS)
    title = f"HC against gestational age, {chart.title}"
    named = ", ".join(f"{centile:g}" for centile in chart.centiles)
    told = (
        f"{len(dated)} dated heads. Curves: centiles {named}. Source: {chart.source.rstrip('.')}. {chart.note}".strip()
    )
    plot = Plot(title, told, _svg(figure, f"{title}. {told}"))
    return plot, {state: group for state, group in found.items() if group}


def one(case: Case, chart: charts.Chart, size: tuple[float, float], dpi: float) -> bytes | None:
    """Return a head on its chart as PNG; None where it has no age."""
    point = _point(case)
    if point is None or case.state == FAILED:
        return None
    figure, axes = _figure(chart, [point], size)
    _draw(axes, [point], case.state, bars=True)
    buffer = io.BytesIO()
    with curves.style():
        figure.savefig(buffer, format="png", dpi=dpi, facecolor=ink.PAPER, metadata={"Software": None})
    return buffer.getvalue()


def _point(case: Case) -> ink.Point | None:
    age, hc = number(case.row, "ga_days"), number(case.row, "hc_mm")
    if age is None or hc is None:
        return None
    low, high = number(case.row, "hc_low_mm"), number(case.row, "hc_high_mm")
    return ink.Point(age, hc, (low, high) if low is not None and high is not None else None)


def _figure(chart: charts.Chart, points: Sequence[ink.Point], size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    with curves.style():
        figure = Figure(figsize=size)
        wide, tall = (72 * inches for inches in size)
        left, right, below, above = _MARGINS
        axes = figure.add_axes((left / wide, below / tall, 1 - (left + right) / wide, 1 - (below + above) / tall))
        axes.set_facecolor("none")
        ink.draw_axes(axes, chart, "hc", points, None)
        ink.draw_curves(axes, chart, "hc", labels=True)
    return figure, axes


def _draw(axes: Any, points: Sequence[ink.Point], state: str, *, bars: bool) -> None:
    colour = "#{:02x}{:02x}{:02x}".format(*STATE_COLOURS[State(state)])
    weeks, sizes = [p.ga_days / 7 for p in points], [p.value_mm for p in points]
    with curves.style():
        if bars:
            ends = [p.interval_mm or (p.value_mm, p.value_mm) for p in points]
            reach = [[p.value_mm - e[0] for p, e in zip(points, ends, strict=True)],
                     [e[1] - p.value_mm for p, e in zip(points, ends, strict=True)]]  # fmt: skip
            axes.errorbar(weeks, sizes, yerr=reach, linestyle="none", ecolor=colour, elinewidth=1.0, zorder=5)
        looks = {"marker": _MARKERS[state], "c": colour, "edgecolors": ink.INK, "linewidths": 0.5}
        drawn = axes.scatter(weeks, sizes, s=26, zorder=6, label=f"{SIGNS[state]} {state}", **looks)
        drawn.set_gid(f"points-{state}")
        axes.legend(
            loc="upper left",
            fontsize=ink.TICK,
            framealpha=0.9,
            facecolor=ink.PAPER,
            edgecolor=ink.GRID,
            labelcolor=ink.INK,
        )


def _svg(figure: Any, label: str) -> str:
    """Return a figure as SVG to stand in a page: its colours the page's, its letters the reader's."""
    buffer = io.StringIO()
    with curves.style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    box = re.search(r'viewBox="([^"]*)"', text)
    inner = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.S)
    inner = inner.partition(">")[2]  # with </svg>
    for theirs, ours in _COLOURS.items():
        inner = re.sub(rf'(?<=[: "]){theirs}\b', ours, inner, flags=re.I)
    inner = inner.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif")
    return (
        f'<svg class="chart" role="img" aria-label="{escape(label, quote=True)}" viewBox="{box[1] if box else ""}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{inner}'
    )
