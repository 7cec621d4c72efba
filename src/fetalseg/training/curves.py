"""Curves of a training as a picture."""

from __future__ import annotations

import csv
from pathlib import Path


def draw(table: Path, picture: Path, title: str) -> None:
    """Draw Dice and loss an epoch, training and validation, from ``curves.csv``."""
    from matplotlib.figure import Figure

    with table.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    for axes, measure in zip(figure.subplots(1, 2), ("dice", "loss"), strict=True):
        for part, colour in (("train", "#0072B2"), ("validation", "#D55E00")):
            points = [(int(r["epoch"]), float(r[f"{part}_{measure}"])) for r in rows if r[f"{part}_{measure}"]]
            axes.plot(*zip(*points, strict=True), color=colour, marker=".", label=part) if points else None
        axes.set(xlabel="epoch", ylabel=measure.capitalize())
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(picture, dpi=110)
