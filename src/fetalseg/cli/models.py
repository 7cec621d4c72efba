"""``fetalseg models``."""

from __future__ import annotations

import argparse

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "models",
        run,
        "List the models, with the figures of their cards.",
        "examples:\n  fetalseg models\n  fetalseg models --card unet      the whole model card",
    )
    made.add_argument("--task", choices=["head", "tumour"], help="only the models of a task")
    made.add_argument("--card", metavar="NAME", help="print a model's card as JSON")


def run(given: argparse.Namespace) -> int:
    """Print the models, or a card."""
    from fetalseg.models import catalogue, weights

    if given.card:
        model = catalogue.find(given.task or "head", given.card)
        print((model.folder / weights.CARD).read_text(encoding="utf-8"), end="")
        return 0
    print(f"{'task':<6} {'model':<12} {'version':<8} {'DSC %':>7} {'ADF mm':>7} {'HD mm':>6}  measured on")
    for model in catalogue.models(given.task):
        card = model.card
        figures = card.figures.get("report") or {}
        # Of a tumour the mean Dice over the volumes.
        known = {"dsc": figures.get("dice"), **figures}
        numbers = ["—" if known.get(k) is None else f"{known[k]:.2f}" for k in ("dsc", "adf_mm", "hd_mm")]
        print(
            f"{card.task:<6} {card.name:<12} {card.version:<8} {numbers[0]:>7} {numbers[1]:>7} {numbers[2]:>6}  "
            f"{figures.get('on', '—')}{'' if model.bundled else f'  ({model.folder})'}"
        )
    print(RESEARCH)
    return 0
