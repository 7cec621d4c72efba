"""A model card as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fetalseg.models import catalogue
from fetalseg.models.card import Card, dice_of, number_of


def title(model: catalogue.Model) -> str:
    """Return what a model is called in lists: of people's own, which are many, with its name."""
    card = model.card
    return card.title if model.bundled or card.name == card.title else f"{card.title} · {card.name}"


def figures(card: Card) -> list[str]:
    """Return the few figures that stand beside the model's name: how well it agrees on exams that were kept out."""
    for values in card.figures.values():
        if isinstance(values, Mapping):
            parts = []
            dice, adf = dice_of(values), number_of(values, "adf_mm")
            if dice is not None:
                parts.append(f"Dice {dice:.1f} %")
            if adf is not None:
                parts.append(f"mean error {adf:.1f} mm")
            if parts:
                return parts + ["non-commercial"] * ("non-commercial" in card.weights_licence.lower())
    return []


def text(card: Card) -> str:
    """Return the whole card."""
    lines = [f"{card.title} ({card.name} {card.version})", ""]
    lines += [f"Input: {card.input_columns} x {card.input_rows}; outline at probability {card.level:g}", ""]
    for title, values in (
        ("Figures", card.figures),
        ("Training", card.training),
        ("Made the default", card.promotion),
    ):
        if values:
            lines += [title, *_lines(values, 1), ""]
    if card.intervals:
        lines += [*_interval(card), ""]
    for title, words in (
        ("Limits", card.limits),
        ("Licence of the data", card.data_licence),
        ("Licence of the weights", card.weights_licence),
        ("SHA-256 of the weights", card.sha256),
    ):
        if words:
            lines += [title, f"  {words}", ""]
    return "\n".join(lines).rstrip()


def _interval(card: Card) -> list[str]:
    if card.task == "tumour":  # a share of the volume
        return ["95 % interval of the volume", f"  ± {100 * card.intervals[0][1]:.0f} %"]
    return ["95 % interval of HC", *(f"  at {size:.0f} mm: ± {half:.1f} mm" for size, half in card.intervals)]


def _lines(values: Mapping[str, Any], depth: int) -> list[str]:
    out: list[str] = []
    for key, value in values.items():
        name = "  " * depth + str(key).replace("_", " ")
        if isinstance(value, Mapping):
            out += [name, *_lines(value, depth + 1)]
        elif isinstance(value, list | tuple) and len(value) > 12:
            out.append(f"{name}: {len(value)} values")
        else:
            out.append(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    return out
