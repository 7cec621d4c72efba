"""Volume and product of a tumour against time, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import RESEARCH
from fetalseg.followup.rano import Change, Followup

WIDTH, HEIGHT = 1280, 720

_PAPER, _STAGE, _INK, _FAINT, _GRID = "#14161a", "#1b1e24", "#ebedf0", "#a0a5ac", "#3a3f48"
_VOLUME, _PRODUCT, _UP, _DOWN = "#00e5ff", "#ffdd00", "#ff8c5a", "#7bd88f"


def draw(followup: Followup) -> NDArray[np.uint8]:
    """Draw volume and product of each study, with the limits that the last one is held against.

    Returns
    -------
    ndarray of uint8, shape (720, 1280, 3)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.80, bottom=0.20, wspace=0.19)
    figure.text(0.03, 0.935, followup.proposal[:1].upper() + followup.proposal[1:], color=_INK, fontsize=17)
    growth = followup.growth_mm_per_year
    told = "growth a year not known" if growth is None else f"mean diameter {growth:+.1f} mm a year"
    under = f"A proposal for a person to judge · baseline {_short(followup.baseline, 44)} · {told}"
    figure.text(0.03, 0.885, under, color=_FAINT, fontsize=11)
    figure.text(0.975, 0.025, RESEARCH, color=_INK, fontsize=11, ha="right")
    left, right = figure.subplots(1, 2)
    _panel(left, followup, "volume", "volume (ml)", _VOLUME, 1.40, 0.35)
    _panel(right, followup, "product", "product (mm²)", _PRODUCT, 1.25, 0.50)
    buffer = io.BytesIO()
    canvas.print_raw(buffer)
    rgba = np.frombuffer(buffer.getvalue(), np.uint8).reshape(HEIGHT, WIDTH, 4)
    return np.ascontiguousarray(rgba[..., :3])


def _panel(axes: Any, followup: Followup, what: str, title: str, colour: str, up: float, down: float) -> None:
    """One size against time, with the limits of progression and partial response."""
    from matplotlib.patheffects import withStroke

    changes = followup.changes
    dated = all(change.study.date is not None for change in changes)
    places: list[Any] = [change.study.date for change in changes] if dated else list(range(1, len(changes) + 1))
    values = [_value(change, what) for change in changes]
    axes.set_facecolor(_STAGE)
    axes.set_title(title, color=_INK, fontsize=12, loc="left")
    known = [(x, y) for x, y in zip(places, values, strict=True) if y is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=colour, marker="o", markersize=8, linewidth=2)
    else:
        axes.text(0.5, 0.5, "not known", color=_FAINT, fontsize=13, ha="center", transform=axes.transAxes)
    top = max((y for _, y in known), default=0.0)
    top = max(top, _limits(axes, changes, followup.baseline, what, up, down))
    axes.set_ylim(0, 1.18 * top if top > 0 else 1)
    rim = [withStroke(linewidth=3, foreground=_STAGE)]
    for x, y in known:
        axes.annotate(f"{y:.1f}" if what == "volume" else f"{y:.0f}", (x, y), (0, 9), textcoords="offset points",
                      color=_INK, fontsize=11, ha="center", path_effects=rim)  # fmt: skip
    _time_axis(axes, places, dated)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.13), ncols=2, fontsize=9, frameon=False,
                    labelcolor=_FAINT, handlelength=2.4, columnspacing=1.6)  # fmt: skip
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, labelsize=10)
    for side in axes.spines.values():
        side.set_color(_GRID)


def _limits(axes: Any, changes: Sequence[Change], baseline: str, what: str, up: float, down: float) -> float:
    """Draw the last study's limits; return the highest."""
    first = next(index for index, change in enumerate(changes) if change.study.name == baseline)
    last = changes[-1]
    nadir = last.product_nadir if what == "product" else last.volume_nadir
    base = _value(changes[first], what)
    lowest = next((_value(change, what) for change in changes if change.study.name == nadir), None)
    highest = 0.0
    for value, factor, words, colour in (
        (lowest, up, f"progression: smallest earlier +{100 * (up - 1):.0f} %", _UP),
        (base, down, f"partial response: baseline -{100 * (1 - down):.0f} %", _DOWN),
    ):
        if value:
            axes.axhline(value * factor, color=colour, linewidth=1.2, linestyle=(0, (5, 4)), zorder=1, label=words)
            highest = max(highest, value * factor)
    return highest


def _time_axis(axes: Any, places: Sequence[Any], dated: bool) -> None:
    if dated:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.xaxis.get_offset_text().set_color(_FAINT)
        axes.margins(x=0.12)
        return
    axes.set_xlim(0.5, len(places) + 0.5)
    axes.set_xticks(places)
    axes.set_title("numbered as in the table: dates not all known", color=_FAINT, fontsize=10, loc="right")


def _value(change: Change, what: str) -> float | None:
    return change.study.product_mm2 if what == "product" else change.study.volume_ml


def _short(text: str, most: int) -> str:
    """Shorten in the middle; dollars would be read as formulas."""
    text = text.replace("$", r"\$")
    half = max(3, most // 2)
    return text if len(text) <= most else f"{text[: half - 1]}…{text[-half:]}"
