"""From a folder of annotated pictures to weights, card and curves."""

from __future__ import annotations

import csv
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fetalseg.dataset import hc18
from fetalseg.dataset.items import Item, groups, split
from fetalseg.errors import DatasetError
from fetalseg.models import architectures, weights
from fetalseg.models.card import Card
from fetalseg.settings import TrainSettings

Log = Callable[[str], None]


def train(
    data: Path,
    out: Path,
    settings: TrainSettings,
    *,
    name: str = "",
    negatives: Sequence[Path] = (),
    card_from: Path | None = None,
    device: str = "cpu",
    log: Log = lambda text: None,
) -> Card:
    """Train a model and write it to a folder.

    Parameters
    ----------
    data : Path
        A folder in HC18's layout.
    out : Path
        Gets ``weights.safetensors``, ``card.json``, ``curves.csv``, ``curves.png``, ``split.csv`` and the checkpoint.
        A training that was interrupted there goes on.
    settings : TrainSettings
    name : str, optional
        The model's name in the catalogue; the architecture's by default.
    negatives : sequence of Path
        Folders of pictures without a head; all of them are trained on.
    card_from : Path, optional
        A model trained the same way on a split. When all pictures train, none is left to calibrate and report on:
        level, intervals and figures are then that model's, and the card says so.
    """
    import torch

    from fetalseg.training.augment import Picture
    from fetalseg.training.curves import curves, draw
    from fetalseg.training.fit import Pictures, fit

    items = hc18.read(data)
    others = [item for folder in negatives for item in hc18.negatives(folder)]
    parts = split(items, settings.kept_out, settings.seed)
    kept = [i for i in items if parts[i.name] != "train"]
    trained = [i for i in items if parts[i.name] == "train"]
    if not trained:
        raise DatasetError(f"{data}: no picture is left to train on; lower kept_out or add pictures.")
    out.mkdir(parents=True, exist_ok=True)
    _write_split(out / "split.csv", items, parts)
    log(f"{len(trained)} pictures of {len(groups(trained))} exams train, {len(kept)} are kept out")
    log(f"{len(others)} more pictures hold no head")

    torch.manual_seed(settings.seed)
    architecture = architectures.get(settings.arch)
    network = architecture.build({})
    if settings.imagenet and not (out / "checkpoint.safetensors").exists():
        architecture.start_from_imagenet(network)
    size = (settings.input_rows, settings.input_columns)
    pictures = Pictures(
        train=[Picture.of(_grey(i.path), i.truth, size) for i in trained + others],
        is_small=[i.hc_mm is not None and i.hc_mm < settings.small_head_mm for i in trained],
        validation=[Picture.of(_grey(i.path), i.truth, size) for i in kept],
    )
    network = fit(network, pictures, settings, out, device=device, log=log)
    card = Card(
        name=name or settings.arch,
        task=settings.task,
        arch=settings.arch,
        title=architecture.TITLE,
        version=settings.version,
        parameters=architecture.DEFAULTS,
        input_rows=settings.input_rows,
        input_columns=settings.input_columns,
        sha256=weights.save(network, out / weights.WEIGHTS),
        training=_training(settings, trained, kept, others) | {"curves": curves(out / "curves.csv")},
        data_licence=settings.data_licence,
        weights_licence=settings.weights_licence,
        limits=settings.limits,
    )
    if card_from is not None:
        card = _with_figures_of(card, Card.read(card_from / weights.CARD))
    card.write(out / weights.CARD)
    draw(out / "curves.csv", out / "curves.png", title=f"{card.title} · {card.task}")
    return card


def _with_figures_of(card: Card, measured: Card) -> Card:
    note = (
        f"Level, intervals and figures are those of a model trained the same way on {measured.training['pictures']} "
        f"pictures ({measured.training['exams']} exams; weights {measured.sha256[:12]}) and measured on exams that it "
        "had not seen. These weights were then trained on all pictures."
    )
    return replace(
        card,
        level=measured.level,
        intervals=measured.intervals,
        figures=measured.figures,
        training={**card.training, "figures_from": note, "curves_of_split": measured.training.get("curves", [])},
    )


def _grey(path: Path) -> np.ndarray[Any, np.dtype[Any]]:
    from fetalseg.io.registry import read

    frame: np.ndarray[Any, np.dtype[Any]] = read(path).pixels[0]
    return frame


def _training(
    settings: TrainSettings, trained: Sequence[Item], kept: Sequence[Item], others: Sequence[Item]
) -> dict[str, Any]:
    return {
        "settings": settings.to_dict(),
        "pictures": len(trained),
        "exams": len(groups(trained)),
        "kept_out_pictures": len(kept),
        "kept_out_exams": len(groups(kept)),
        "pictures_without_head": len(others),
        "versions": {p: importlib.metadata.version(p) for p in ("torch", "segmentation-models-pytorch", "numpy")},
    }


def _write_split(path: Path, items: Sequence[Item], parts: dict[str, Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["filename", "exam", "part"])
        writer.writerows([i.name, i.group, parts[i.name]] for i in items)
