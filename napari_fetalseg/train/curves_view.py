"""The curves of a training while it runs: Dice and loss, of what is trained on and of what is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_fetalseg.picture import Picture
from napari_fetalseg.train.progress import Progress

_SHARE = 0.46
_PARTS = (("train", "training", "#56B4E9"), ("validation", "validation", "#E69F00"))
_SMALL = 8


class CurvesView(Picture):
    """Draws a training's curves in the background, in the theme's colours."""

    def __init__(self) -> None:
        super().__init__("Curves of the training")

    def height_at(self, width: int) -> int:
        """Return the height at a width."""
        return round(_SHARE * width)

    def show_progress(self, progress: Progress, text_colour: str) -> None:
        """Show the curves as they are now."""
        rows, steps = list(progress.rows), list(progress.steps)
        epochs, best = max(progress.epochs, len(rows), 1), progress.best

        def drawn(width: int, height: int, dpi: float) -> NDArray[np.uint8]:
            return draw(rows, steps, epochs, best, text_colour, (width, height, dpi))

        self.show_picture(drawn)


def draw(
    rows: Sequence[dict[str, Any]],
    steps: Sequence[tuple[float, float]],
    epochs: int,
    best: int | None,
    colour: str,
    size: tuple[int, int, float],
) -> NDArray[np.uint8]:
    """Draw the curves.

    Parameters
    ----------
    rows : sequence of dict
        Of ``curves.csv``.
    steps : sequence of (epochs behind, loss)
    epochs : int
        How many are asked for.
    best : int or None
        The epoch that is marked.
    colour : str
        Of words and lines.
    size : (width, height, dpi)

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        On nothing: the dock's own colour is seen through.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height, dpi = size
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, layout="constrained", facecolor="none")
    canvas = FigureCanvasAgg(figure)
    for axes, measure in zip(figure.subplots(1, 2), ("dice", "loss"), strict=True):
        _axes(axes, measure, epochs, colour)
        if measure == "loss" and steps:
            axes.plot(*zip(*steps, strict=True), color=_PARTS[0][2], alpha=0.35, linewidth=0.8)
        for part, label, line in _PARTS:
            points = [(r["epoch"], r[f"{part}_{measure}"]) for r in rows if r.get(f"{part}_{measure}") is not None]
            if points:
                axes.plot(*zip(*points, strict=True), color=line, marker="o", markersize=3, linewidth=1.5, label=label)
        marked = next((r for r in rows if r["epoch"] == best and r.get("validation_dice") is not None), None)
        if measure == "dice" and marked is not None:
            axes.plot(best, marked["validation_dice"], "o", markersize=8, markerfacecolor="none", color=colour)
        if axes.get_legend_handles_labels()[0] and measure == "dice":
            place = {"loc": "outside lower center", "ncols": 2, "borderpad": 0.0}
            figure.legend(fontsize=_SMALL, frameon=False, labelcolor=colour, **place)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


def _axes(axes: Any, measure: str, epochs: int, colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor("none")
    axes.set_title(measure.capitalize(), fontsize=_SMALL + 1, color=colour)
    axes.set_xlabel("epoch", fontsize=_SMALL, color=colour)
    axes.set_xlim(0, epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.tick_params(labelsize=_SMALL, colors=colour)
    axes.grid(alpha=0.25, color=colour)
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_alpha(0.5)
