"""How a growth chart is drawn: axes, centile curves, exams, the close-up. Ages in days, sizes in mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fetalseg.growth.charts import Chart
from fetalseg.growth.charts.chart import ordinal

PAPER, INK, FAINT, GRID, OUTSIDE = "#ffffff", "#1a1a1a", "#565656", "#dddddd", "#efefef"
CURVE, BAND, THIS, EARLIER = "#0072B2", "#56B4E9", "#D55E00", "#1a1a1a"
_LINES: dict[str, Any] = {
    "middle": {"linewidth": 2.0, "linestyle": "-"},
    "inner": {"linewidth": 1.0, "linestyle": "-"},
    "outer": {"linewidth": 1.1, "linestyle": (0, (4, 2))},
}
#: Sizes of text, in points.
TITLE, TEXT, TICK, SMALL = 11.0, 9.0, 8.5, 6.8
_STEP_DAYS = 2


@dataclass(frozen=True)
class Point:
    """A size at an age; half the published accuracy of the age where it is known."""

    ga_days: float
    value_mm: float
    interval_mm: tuple[float, float] | None = None
    half_days: float | None = None


def draw_axes(area: Any, chart: Chart, measure: str, points: Sequence[Point], undated_mm: float | None) -> None:
    """Draw axes in weeks and mm, grey where the chart holds no number."""
    ages = [chart.first_day, chart.last_day, *(point.ga_days for point in points)]
    left, right = min(ages) / 7 - 0.5, max(ages) / 7 + (0.0 if max(ages) == chart.last_day else 0.5)
    sizes = [chart.value_mm(measure, chart.first_day, min(chart.centiles))]
    sizes += [chart.value_mm(measure, chart.last_day, max(chart.centiles)), *(point.value_mm for point in points)]
    sizes += [undated_mm] if undated_mm is not None else []
    room = 0.05 * (max(sizes) - min(sizes))
    area.set_xlim(left, right)
    area.set_ylim(min(sizes) - room, max(sizes) + room)
    for low, high in ((left, chart.first_day / 7), (chart.last_day / 7, right)):
        if high > low:
            area.axvspan(low, high, facecolor=OUTSIDE, edgecolor="#c8c8c8", hatch="////", linewidth=0, zorder=0)
    area.set_xlabel("gestational age, weeks", fontsize=TEXT, color=INK)
    area.set_ylabel(f"{measure.upper()}, mm", fontsize=TEXT, color=INK)
    step = 2 if 72 * area.figure.get_figwidth() * area.get_position().width > 260 else 4
    area.set_xticks(range(int(np.ceil(left / step)) * step, int(right) + 1, step))
    area.grid(color=GRID, linewidth=0.6)
    area.set_axisbelow(True)
    area.tick_params(labelsize=TICK, colors=INK)
    for side, line in area.spines.items():
        line.set_visible(side in ("left", "bottom"))
        line.set_color(FAINT)


def draw_curves(area: Any, chart: Chart, measure: str, labels: bool) -> None:
    """Draw the centiles, each with its name at its right end; names that would touch are moved apart."""
    days = [*range(chart.first_day, chart.last_day, _STEP_DAYS), chart.last_day]
    weeks = np.array(days) / 7
    drawn = {c: np.array([chart.value_mm(measure, day, c) for day in days]) for c in chart.centiles}
    ends = sorted(drawn)
    for low, high, strength in ((ends[0], ends[-1], 0.13), (ends[1], ends[-2], 0.17)):
        area.fill_between(weeks, drawn[low], drawn[high], color=BAND, alpha=strength, linewidth=0)
    for centile, values in drawn.items():
        kind = "middle" if centile == 50 else "outer" if centile in (ends[0], ends[-1]) else "inner"
        area.plot(weeks, values, color=CURVE, solid_capstyle="butt", **_LINES[kind])
    if not labels:
        return
    place, (left, right), inches = area.get_position(), area.get_xlim(), area.figure.get_size_inches()
    per_mm = 72 * inches[1] * place.height / np.ptp(area.get_ylim())
    beyond = 9 + 72 * inches[0] * place.width * (right - weeks[-1]) / (right - left)
    wanted = [drawn[centile][-1] * per_mm for centile in ends]
    middle = "mean" if chart.measures[measure].has_z else "median"
    for centile, at, end in zip(ends, _apart(wanted, 1.3 * TICK), wanted, strict=True):
        name = f"{ordinal(centile)}" + (f" ({middle})" if centile == 50 else "")
        area.annotate(
            *(name, (weeks[-1], drawn[centile][-1]), (beyond, at - end)), textcoords="offset points", fontsize=TICK,
            color=INK, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": CURVE, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return ascending places as near to those wanted as a gap between them allows."""
    placed = list(wanted)
    for _ in range(200):
        moved = False
        for k in range(len(placed) - 1):
            lacking = gap - (placed[k + 1] - placed[k])
            if lacking > 1e-6:
                placed[k] -= lacking / 2
                placed[k + 1] += lacking / 2
                moved = True
        if not moved:
            break
    return placed


def draw_exams(area: Any, points: Sequence[Point], this: Point | None, named: bool = True) -> None:
    """Draw the exams in order of age, joined; this one filled, the others hollow."""
    if len(points) > 1:
        ordered = sorted(points, key=lambda point: point.ga_days)
        line = [p.ga_days / 7 for p in ordered], [p.value_mm for p in ordered]
        area.plot(*line, color=EARLIER, linewidth=1.1, zorder=4)
    others = [point for point in points if point is not this]
    looks = {"markerfacecolor": PAPER, "color": EARLIER, "marker": "s", "markersize": 4.5, "zorder": 5}
    if this is not None:
        mine = {"color": THIS, "marker": "o", "markersize": 5.5, "zorder": 6}
        _errors(area, [this], mine, "this exam" if named else None)
    _errors(area, others, looks, "other exams of this pregnancy" if named else None)


def _errors(area: Any, points: Sequence[Point], looks: dict[str, Any], name: str | None) -> None:
    for at, point in enumerate(points):
        low, high = point.interval_mm or (point.value_mm, point.value_mm)
        area.errorbar(
            point.ga_days / 7, point.value_mm,
            yerr=[[point.value_mm - low], [high - point.value_mm]] if point.interval_mm else None,
            xerr=point.half_days / 7 if point.half_days else None,
            capsize=2.5, elinewidth=1.3, capthick=1.3, linestyle="none", label=name if at == 0 else None, **looks,
        )  # fmt: skip


def draw_close_up(area: Any, chart: Chart, measure: str, points: Sequence[Point], this: Point) -> None:
    """Draw this exam's place once more, enlarged, where no curve runs: on the whole chart its error bar is tiny."""
    from matplotlib.patheffects import withStroke

    inset = area.inset_axes((0.56, 0.085, 0.42, 0.36), zorder=7)
    low, high = this.interval_mm or (this.value_mm, this.value_mm)
    here = [chart.value_mm(measure, this.ga_days, centile) for centile in chart.centiles]
    half = max(1.1 * (high - low), *(1.2 * abs(size - this.value_mm) for size in here))
    wide = max(1.6 * (this.half_days or 0), 7)
    inset.set_xlim((this.ga_days - wide) / 7, (this.ga_days + wide) / 7)
    inset.set_ylim(this.value_mm - half, this.value_mm + half)
    draw_curves(inset, chart, measure, labels=False)
    draw_exams(inset, points, this, named=False)
    first, last = max(this.ga_days - 0.97 * wide, chart.first_day), min(this.ga_days + 0.97 * wide, chart.last_day)
    days = np.linspace(first, last, 80)
    rim = [withStroke(linewidth=2.5, foreground=PAPER)]
    # A letter's height in mm of the close-up: where two names would touch, the outer centile keeps its own.
    letter = 2 * half * 1.2 * SMALL / (0.36 * area.get_position().height * area.figure.get_figheight() * 72)
    placed: list[tuple[bool, float]] = []
    for centile in sorted(chart.centiles, key=lambda c: -abs(c - 50)):
        sizes = np.array([chart.value_mm(measure, day, centile) for day in days])
        inside = np.flatnonzero(np.abs(sizes - this.value_mm) < 0.9 * half)
        if inside.size:  # where the curve comes in; those below this exam where they go out: names keep apart
            above = chart.value_mm(measure, this.ga_days, centile) > this.value_mm
            at = inside[0 if above else -1]
            if any(side == above and abs(size - sizes[at]) < letter for side, size in placed):
                continue
            placed.append((above, float(sizes[at])))
            inset.annotate(
                ordinal(centile), (days[at] / 7, sizes[at]), (0, 0), textcoords="offset points",
                fontsize=SMALL, color=INK, ha="left" if above else "right", va="center", path_effects=rim,
            )  # fmt: skip
    inset.set_title("close-up", fontsize=SMALL, color=FAINT, loc="left", pad=2)
    inset.tick_params(labelsize=SMALL, colors=INK, length=2, pad=1.5)
    inset.locator_params(nbins=4 if area.figure.get_figwidth() > 5.5 else 3)
    inset.set_facecolor(PAPER)
    for line in inset.spines.values():
        line.set_color(FAINT)
        line.set_linewidth(0.7)
