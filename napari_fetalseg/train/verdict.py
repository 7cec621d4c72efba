"""Old against new: the comparison of a training's model with the default, and what a person decides. No Qt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalseg.errors import ModelError
from fetalseg.io.atomic import write_text
from fetalseg.models import catalogue
from napari_fetalseg import processes
from napari_fetalseg.train.choice import free_name
from napari_fetalseg.workers import Token

if TYPE_CHECKING:
    from fetalseg.evaluation.promotion import Comparison

COMPARISON = "comparison.json"


def compare(folder: Path, data: str, device: str, token: Token) -> Iterator[Comparison | None]:
    """Compare a training's model with the default of its task, in a process; for a worker's thread.

    What was found is kept in the folder, and holds as long as both models are the same.

    Yields
    ------
    Comparison or None
        None where the model is the default already.
    """
    new = catalogue.at(folder)
    old = catalogue.find(new.card.task)
    if old.card.sha256 == new.card.sha256:
        yield None
        return
    known = _read(folder / COMPARISON)
    if known is None or (known.old_sha256, known.new_sha256) != (old.card.sha256, new.card.sha256):
        command = ["models", "compare", str(old.folder), str(folder), "--data", data, "--json"]
        text = processes.output([*command, "--device", device or "auto"], token)
        known = _parsed(text)
        write_text(folder / COMPARISON, text)
    yield known


def use(folder: Path, comparison: Comparison, why: str) -> catalogue.Model:
    """Install a training's model and make it the default; for a worker's thread.

    Parameters
    ----------
    why : str
        A person's reason, where it was not found better.

    Raises
    ------
    ModelError
        If it was not found better than the default, and no reason is given.
    OutputError
    """
    from fetalseg.evaluation import promotion
    from fetalseg.models import installed

    if not comparison.better and not why.strip():
        raise ModelError("The new model was not found better: say why it is to be used all the same.")
    card = catalogue.at(folder).card
    there = [m for m in catalogue.models(card.task) if m.card.sha256 == card.sha256 and not m.bundled]
    model = there[0] if there else installed.install(folder, free_name(card.name, card.task))
    return promotion.promote(model, comparison, override="" if comparison.better else why)


def figures(comparison: Comparison, digits: int | None = None) -> str:
    """Return ``old 97.6 → new 97.9 (+0.3, 95 % 0.1 to 0.5, 61 kept-out exams)``."""
    c = comparison
    if digits is None:
        digits = 1 if abs(c.difference) >= 0.1 else 2
    unit = "exam" if c.task == "head" else "patient"
    told = (
        f"old {c.old_dice:.{digits}f} → new {c.new_dice:.{digits}f} ({c.difference:+.{digits}f}, "
        f"95 % {c.low:.{digits}f} to {c.high:.{digits}f}, {c.groups} kept-out {unit}{'s' * (c.groups != 1)})"
    )
    return told.replace("-", "−").replace("kept−out", "kept-out")


def more(comparison: Comparison) -> str:
    """Return what was measured, and the mean error of HC of both."""
    c = comparison
    words = [f"Mean Dice in % of {c.scans} scans that the new model never saw."]
    if c.old_adf_mm is not None and c.new_adf_mm is not None:
        words.append(f"Mean error of HC: old {c.old_adf_mm:.1f} mm, new {c.new_adf_mm:.1f} mm.")
    return " ".join(words)


def _read(path: Path) -> Comparison | None:
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except (OSError, ModelError):
        return None


def _parsed(text: str) -> Comparison:
    from fetalseg.evaluation.promotion import Comparison

    try:
        values: dict[str, Any] = json.loads(text)
        return Comparison(**{f.name: values[f.name] for f in fields(Comparison) if f.name in values})
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError("The comparison of both models could not be read.") from error
