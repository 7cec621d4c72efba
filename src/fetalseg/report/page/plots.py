"""Distributions as small SVG pictures: stacked by state, in the page's own colours, so that dark and print follow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from fetalseg.report.page.cells import SIGNS
from fetalseg.report.page.folder import Folder, number
from fetalseg.result import State

#: From below: what can be trusted most.
_STACKED = (State.ACCEPT.value, State.CHECK.value, State.REFUSE.value)
_WIDTH, _HEIGHT = 460, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 18, 10, 24
_BINS = 16
_FEWEST = 3  # fewer values are read in the table


@dataclass(frozen=True)
class Plot:
    """A picture with what it shows in words: `svg`, `title` and `told` as text without markup."""

    title: str
    told: str
    svg: str


def distributions(folder: Folder) -> list[Plot]:
    """Return the distributions that tell most of a task's results; none of what no case has."""
    wanted: list[tuple[str, str, str]] = {
        "head": [("hc_mm", "Head circumference", "mm"), ("hc_px", "Head circumference", "px")],
        "tumour": [("volume_ml", "Volume of all lesions", "ml"), ("volume_voxels", "Volume of all lesions", "voxels")],
        "fetal-brain": [("volume_ml", "Volume of the brain", "ml"), ("hc_mm", "Circumference of the brain", "mm")],
    }[folder.task]
    plots = []
    for column, title, unit in wanted:
        values = _values(
            folder, column, unless="hc_mm" if column == "hc_px" else "volume_ml" if unit == "voxels" else ""
        )
        if len(values) < _FEWEST:
            continue
        # Lesions range over three powers of ten.
        edges = _powers([v for v, _ in values]) if column.startswith("volume") and folder.task == "tumour" else ()
        plots.append(histogram(values, title, unit, edges or even([v for v, _ in values])))
    if folder.dated:
        z = _values(folder, "z_score")
        if len(z) >= _FEWEST:
            plots.append(histogram(z, "z-score of HC", "", even([v for v, _ in z], step=0.5)))
    trust = _values(folder, "confidence")
    if len(trust) >= _FEWEST:
        plots.append(histogram(trust, "Confidence", "", [i / 20 for i in range(21)]))
    return plots


def _values(folder: Folder, column: str, unless: str = "") -> list[tuple[float, str]]:
    """Return a column's numbers with their states; `unless` another column tells the same better."""
    out = []
    for case in folder.cases:
        value = number(case.row, column)
        if value is not None and not case.failed and not (unless and number(case.row, unless) is not None):
            out.append((value, case.state))
    return out


def even(values: Sequence[float], step: float = 0.0) -> list[float]:
    """Return edges of even bins at round numbers."""
    low, high = min(values), max(values)
    step = step or _round((high - low) / _BINS or 1.0)
    first = math.floor(low / step)
    count = max(1, math.floor(high / step) - first + 1)
    while count > 60:  # one value far from all others
        step, first = 2 * step, math.floor(low / (2 * step))
        count = math.floor(high / step) - first + 1
    return [round((first + i) * step, 10) for i in range(count + 1)]


def _round(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= step * 0.999)


def _powers(values: Sequence[float]) -> list[float]:
    """Return edges 1, 2, 5, 10, 20, ... around positive values; none where they lie within a power of ten."""
    some = [value for value in values if value > 0]
    if len(some) < len(values) or max(some) / min(some) < 10:
        return []
    low, high = math.floor(math.log10(min(some))), math.ceil(math.log10(max(some)) + 1e-9)
    edges = [round(n * 10.0**power, 10) for power in range(low, high + 1) for n in (1, 2, 5)]
    first = max(i for i, edge in enumerate(edges) if edge <= min(some))
    end = min(i for i, edge in enumerate(edges) if edge > max(some))
    return edges[first : end + 1]


def histogram(values: Sequence[tuple[float, str]], title: str, unit: str, edges: Sequence[float]) -> Plot:
    """Draw how many values lie between each two edges, stacked by state.

    Parameters
    ----------
    values : sequence of (float, str)
        Each with its state.
    title, unit : str
    edges : sequence of float
        Ascending. A bin holds its lower edge, the last one also its upper.
    """
    counts = [dict.fromkeys(_STACKED, 0) for _ in edges[:-1]]
    for value, state in values:
        at = sum(edge <= value for edge in edges[1:-1])
        counts[at][state] += 1
    most = max(sum(count.values()) for count in counts)
    top = _ticks(most)[-1]
    wide = (_WIDTH - _LEFT - _RIGHT) / len(counts)
    tall = _HEIGHT - _TOP - _BOTTOM
    parts = [_grid(_ticks(most), top, tall)]
    for at, count in enumerate(counts):
        base = float(_TOP + tall)
        for state in _STACKED:
            if count[state]:
                height = count[state] / top * tall
                base -= height
                said = f"{_number(edges[at])} to {_number(edges[at + 1])} {unit}".rstrip()
                parts.append(
                    f'<rect class="bar-{state}" x="{_LEFT + at * wide + 0.75:.2f}" y="{base:.2f}" '
                    f'width="{max(wide - 1.5, 0.5):.2f}" height="{height:.2f}">'
                    f"<title>{escape(said)}: {count[state]} {SIGNS[state]} {state}</title></rect>"
                )
    parts.append(_names(edges, wide, tall))
    title = f"{title}, {unit}" if unit else title
    told = _told([value for value, state in values if state != State.REFUSE.value], len(values), unit)
    label = escape(f"{title}. {told}", quote=True)
    svg = f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return Plot(title, told, svg)


def _grid(ticks: Sequence[int], top: int, tall: float) -> str:
    out = []
    for tick in ticks:
        y = _TOP + tall - tick / top * tall
        out.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
    return "".join(out)


def _names(edges: Sequence[float], wide: float, tall: float) -> str:
    """Write what the bins' edges are, as many as there is room for."""
    y = _TOP + tall
    every = max(1, math.ceil(max(len(_number(edge)) for edge in edges) * 8.5 / wide))
    out = [f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>']
    for at, edge in enumerate(edges):
        if at % every == 0:
            out.append(
                f'<text x="{_LEFT + at * wide:.1f}" y="{y + 15:.1f}" text-anchor="middle">{_number(edge)}</text>'
            )
    return "".join(out)


def _ticks(most: int) -> list[int]:
    """Return whole numbers from 0 to at least `most`."""
    step = max(1, int(_round(most / 4))) if most > 4 else 1
    return list(range(0, step * math.ceil(most / step) + 1, step))


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _told(values: Sequence[float], count: int, unit: str) -> str:
    """Say how many there are, and where the middle and the ends of those that are not refused lie."""
    refused = f", {count - len(values)} of them refused and left out here" if count > len(values) else ""
    if not values:
        return f"{count} in all{refused}."
    digits = 0 if unit in ("voxels", "px") else 2 if unit == "" or max(values) < 10 else 1
    ends = (statistics.median(values), min(values), max(values))
    median, low, high = (f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}") for value in ends)
    unit = f" {unit}" if unit else ""
    return f"{count} in all{refused}: median {median}{unit}, from {low} to {high}{unit}."
