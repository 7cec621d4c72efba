"""README and docs/models.md tell the figures that stand in the bundled models' cards, and no older ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fetalseg.models import catalogue

ROOT = Path(__file__).parents[2]
HEADS = [(folder, part) for folder in ("unet", "segnet") for part in ("report", "calibrate", "fetal_planes")]
TUMOURS = [(folder, part) for folder in ("tumour_unet", "tumour_segnet") for part in ("report", "calibrate")]


def figures(folder: str, part: str) -> dict:
    card = json.loads((catalogue.BUNDLED / folder / "card.json").read_text(encoding="utf-8"))
    return card["figures"][part]


def ranged(found: dict, name: str, digits: int) -> str:
    low, high = found["intervals"][name]
    return f"{found[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def in_readme(folder: str, part: str) -> str:
    found = figures(folder, part)
    if "dsc" in found:
        return f"{ranged(found, 'dsc', 1)} | {found['hd_mm']:.2f} | {ranged(found, 'adf_mm', 1)}"
    return f"{ranged(found, 'dice', 1)} | {found['dice_median']:.1f} | {found['worst_dice']:.1f}"


def in_models(folder: str, part: str) -> str:
    found = figures(folder, part)
    if "dsc" in found:
        return " | ".join(ranged(found, name, 2) for name in ("dsc", "hd_mm", "adf_mm"))
    values = (found["dice_median"], found["worst_dice"], found["false_slices"])
    return " | ".join([ranged(found, "dice", 2), *(f"{value:.2f}" for value in values)])


@pytest.mark.parametrize(("folder", "part"), HEADS + TUMOURS)
def test_documents_tell_the_cards_figures(folder, part):
    assert in_readme(folder, part) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert in_models(folder, part) in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
