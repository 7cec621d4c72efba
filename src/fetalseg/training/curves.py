"""Curves of a training as a picture."""

from __future__ import annotations

import csv
from pathlib import Path


def curves(table: Path) -> list[dict[str, float | None]]:
    """Return the rows of ``curves.csv``, as the model card keeps them."""
    with table.open(newline="", encoding="utf-8") as handle:
        return [{k: float(v) if v else None for k, v in row.items()} for row in csv.DictReader(handle)]


def draw(table: Path, picture: Path, title: str) -> None:
    """Draw Dice and loss an epoch, training and validation, from ``curves.csv``."""
    from matplotlib.figure import Figure

    rows = curves(table)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    for axes, measure in zip(figure.subplots(1, 2), ("dice", "loss"), strict=True):
        for part, colour in (("train", "#0072B2"), ("validation", "#D55E00")):
            points = [(r["epoch"], r[f"{part}_{measure}"]) for r in rows if r[f"{part}_{measure}"] is not None]
            axes.plot(*zip(*points, strict=True), color=colour, marker=".", label=part) if points else None
        axes.set(xlabel="epoch", ylabel=measure.capitalize())
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(picture, dpi=110)
