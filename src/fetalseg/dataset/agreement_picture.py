"""The Bland-Altman picture of two annotators: the difference of each scan's sizes against their mean."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import RESEARCH
from fetalseg.dataset.agreement import Agreement

WIDTH, HEIGHT = 1280, 720
_PAPER, _STAGE, _INK, _FAINT, _GRID = "#14161a", "#1b1e24", "#ebedf0", "#a0a5ac", "#3a3f48"
_DOT, _BIAS, _LIMIT = "#00e5ff", "#ffdd00", "#ff8c5a"
_NAMES = {"hc": "head circumference", "volume": "volume"}


def draw(agreement: Agreement) -> NDArray[np.uint8]:
    """Draw it.

    Returns
    -------
    ndarray of uint8, shape (720, 1280, 3)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.085, right=0.80, top=0.83, bottom=0.16)
    first, second = (_short(name) for name in agreement.names)
    figure.text(0.03, 0.935, f"{first} and {second} on {len(agreement.pairs)} scans", color=_INK, fontsize=17)
    figure.text(0.03, 0.885, _under(agreement), color=_FAINT, fontsize=11)
    figure.text(0.975, 0.025, RESEARCH, color=_INK, fontsize=11, ha="right")
    axes: Any = figure.subplots()
    axes.set_facecolor(_STAGE)
    sizes = np.array([pair.sizes for pair in agreement.pairs if pair.sizes is not None], dtype=float).reshape(-1, 2)
    what = _NAMES[agreement.measure]
    axes.set_xlabel(f"mean {what} of both ({agreement.unit})", color=_FAINT, fontsize=11)
    axes.set_ylabel(f"{second} − {first} ({agreement.unit})", color=_FAINT, fontsize=11)
    axes.tick_params(colors=_FAINT)
    axes.grid(color=_GRID, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_color(_GRID)
    if len(sizes):
        axes.plot(sizes.mean(axis=1), sizes[:, 1] - sizes[:, 0], "o", color=_DOT, markersize=6, alpha=0.8)
        axes.margins(x=0.06, y=0.25)
    else:
        axes.text(0.5, 0.5, "no sizes to compare", color=_FAINT, fontsize=13, ha="center", transform=axes.transAxes)
    _lines(axes, agreement)
    buffer = io.BytesIO()
    canvas.print_raw(buffer)
    rgba = np.frombuffer(buffer.getvalue(), np.uint8).reshape(HEIGHT, WIDTH, 4)
    return np.ascontiguousarray(rgba[..., :3])


def _lines(axes: Any, agreement: Agreement) -> None:
    """Bias and limits, each with its interval as a band and its value at the right."""
    found = agreement.bland_altman
    if found is None:
        return
    for value, interval, colour, words in (
        (found.high, found.high_interval, _LIMIT, "bias + 1.96 SD"),
        (found.bias, found.bias_interval, _BIAS, "bias"),
        (found.low, found.low_interval, _LIMIT, "bias − 1.96 SD"),
    ):
        axes.axhspan(*interval, color=colour, alpha=0.10, linewidth=0)
        style = "-" if words == "bias" else (0, (5, 4))
        axes.axhline(value, color=colour, linewidth=1.4, linestyle=style)
        axes.text(
            1.01,
            value,
            f"{words}\n{value:+.2f} {agreement.unit}",
            color=colour,
            fontsize=11,
            va="center",
            transform=axes.get_yaxis_transform(),
        )


def _under(agreement: Agreement) -> str:
    told = [f"mean Dice {agreement.dice:.3f}"]
    if agreement.icc is not None:
        low_high = agreement.icc_interval
        interval = f" (95 % {low_high[0]:.3f} to {low_high[1]:.3f})" if low_high else ""
        told.append(f"ICC(2,1) {agreement.icc:.3f}{interval}")
    told.append("bands: 95 % intervals of bias and limits")
    return " · ".join(told)


def _short(text: str, most: int = 32) -> str:
    """Shorten in the middle; dollars would be read as formulas."""
    text = text.replace("$", r"\$")
    half = most // 2
    return text if len(text) <= most else f"{text[: half - 1]}…{text[-half:]}"
