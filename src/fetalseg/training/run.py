"""From a folder of annotated pictures to weights, card and curves."""

from __future__ import annotations

import csv
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fetalseg.dataset import hc18, sources
from fetalseg.dataset.items import groups, split
from fetalseg.errors import DatasetError, SettingsError
from fetalseg.models import architectures, catalogue, weights
from fetalseg.models.card import Card
from fetalseg.settings import HeadTrainSettings, TrainSettings, VolumeTrainSettings

if TYPE_CHECKING:
    from fetalseg.training.fit import Data

Log = Callable[[str], None]


def train(
    data: Path,
    out: Path,
    settings: TrainSettings,
    *,
    name: str = "",
    negatives: Sequence[Path] = (),
    card_from: Path | None = None,
    start: catalogue.Model | None = None,
    device: str = "cpu",
    log: Log = lambda text: None,
) -> Card:
    """Train a model and write it to a folder.

    Parameters
    ----------
    data : Path
        An annotation data set, of which what was accepted or edited is learnt from; or for the head a folder in
        HC18's layout, for the tumour one of volumes with masks (see `dataset.lgg`).
    out : Path
        Gets ``weights.safetensors``, ``card.json``, ``curves.csv``, ``curves.png``, ``split.csv`` and the checkpoint.
        A training that was interrupted there goes on.
    settings : HeadTrainSettings or VolumeTrainSettings
    name : str, optional
        The model's name in the catalogue; the architecture's by default.
    negatives : sequence of Path
        Folders of scans in which nothing is to be found; all of them are trained on.
    card_from : Path, optional
        A model trained the same way on a split. When all scans train, none is left to calibrate and report on:
        level, intervals and figures are then that model's, and the card says so.
    start : catalogue.Model, optional
        A model to train on from, instead of ImageNet or random weights.
    """
    import torch

    from fetalseg.training.curves import curves, draw
    from fetalseg.training.fit import fit

    if isinstance(settings, HeadTrainSettings):
        made, parts, counts = _heads(data, settings, negatives)
    elif isinstance(settings, VolumeTrainSettings):
        made, parts, counts = _volumes(data, settings, negatives)
    else:
        raise SettingsError("The settings must be those of a head's or of a volume's training.")
    out.mkdir(parents=True, exist_ok=True)
    _write_split(out / "split.csv", parts)
    log(" · ".join(f"{key.replace('_', ' ')} {value}" for key, value in counts.items()))

    torch.manual_seed(settings.seed)
    architecture = architectures.get(settings.arch)
    parameters = {**architecture.DEFAULTS, **settings.parameters}
    network = architecture.build(parameters)
    if not (out / "checkpoint.safetensors").exists():
        if start is not None:
            weights.start_from(network, start.load())
        elif settings.imagenet:
            architecture.start_from_imagenet(network)
    network = fit(network, made, settings, out, device=device, log=log)
    card = Card(
        name=name or settings.arch,
        task=settings.task,
        arch=settings.arch,
        title=architecture.TITLE,
        version=settings.version,
        parameters=parameters,
        input_rows=settings.input_rows,
        input_columns=settings.input_columns,
        sha256=weights.save(network, out / weights.WEIGHTS),
        training={"settings": settings.to_dict(), **counts, "versions": _versions()}
        | sources.version(data)
        | ({"started_from": {"model": start.card.name, "sha256": start.card.sha256}} if start else {})
        | {"curves": curves(out / "curves.csv")},
        data_licence=settings.data_licence,
        weights_licence=settings.weights_licence,
        limits=settings.limits,
    )
    if card_from is not None:
        card = _with_figures_of(card, Card.read(card_from / weights.CARD))
    card.write(out / weights.CARD)
    draw(out / "curves.csv", out / "curves.png", title=f"{card.title} · {card.task}")
    return card


#: What `fit` takes, the part of each scan (name to exam and part), and the counts that the card tells.
_Prepared = tuple["Data", dict[str, tuple[str, str]], dict[str, int]]


def _heads(data: Path, settings: HeadTrainSettings, negatives: Sequence[Path]) -> _Prepared:
    from fetalseg.training.augment import Picture
    from fetalseg.training.batches import HeadData

    items, empty = sources.heads(data)
    parts = split([*items, *empty], settings.kept_out, settings.seed)
    others = [item for item in empty if parts[item.name] == "train"]
    others += [item for folder in negatives for item in hc18.negatives(folder)]
    kept = [i for i in items if parts[i.name] != "train"]
    trained = [i for i in items if parts[i.name] == "train"]
    if not trained:
        raise DatasetError(f"{data}: no picture is left to train on; lower kept_out or add pictures.")
    size = (settings.input_rows, settings.input_columns)
    made = HeadData(
        train=[Picture.of(_grey(i.path), i.truth, size) for i in trained + others],
        is_small=[i.hc_mm is not None and i.hc_mm < settings.small_head_mm for i in trained],
        kept=[Picture.of(_grey(i.path), i.truth, size) for i in kept],
        settings=settings,
    )
    counts = {
        "pictures": len(trained),
        "exams": len(groups(trained)),
        "kept_out_pictures": len(kept),
        "kept_out_exams": len(groups(kept)),
        "pictures_without_head": len(others),
    }
    return made, {i.name: (i.group, parts[i.name]) for i in (*items, *empty)}, counts


def _volumes(data: Path, settings: VolumeTrainSettings, negatives: Sequence[Path]) -> _Prepared:
    from fetalseg.dataset import lgg
    from fetalseg.training.volumes import Prepared, VolumeData

    items = sources.volumes(data)
    parts = lgg.split(items, settings.kept_out, settings.seed)
    kept = [v for v in items if parts[v.name] != "train"]
    trained = [v for v in items if parts[v.name] == "train"]
    if not trained:
        raise DatasetError(f"{data}: no volume is left to train on; lower kept_out or add volumes.")
    size = (settings.input_rows, settings.input_columns)

    def prepared(volume: lgg.Volume, validate: bool = False) -> Prepared:
        scan, mask = volume.read()
        return Prepared.of(scan.pixels, mask, size, validate)

    without = [item.read().pixels for folder in negatives for item in lgg.without_tumour(folder)]
    made = VolumeData(
        train=[prepared(v) for v in trained],
        without=[Prepared.of(pixels, None, size) for pixels in without],
        validation=[prepared(v, validate=True) for v in kept],
        settings=settings,
        margin=architectures.get(settings.arch).margin(settings.parameters),
    )
    counts = {
        "volumes": len(trained),
        "patients": len({v.group for v in trained}),
        "kept_out_volumes": len(kept),
        "kept_out_patients": len({v.group for v in kept}),
        "volumes_without_tumour": len(without),
    }
    return made, {v.name: (v.group, parts[v.name]) for v in items}, counts


def _with_figures_of(card: Card, measured: Card) -> Card:
    note = (
        f"Level, intervals and figures are those of a model trained the same way on {_trained_on(measured)} "
        f"(weights {measured.sha256[:12]}) and measured on what it had not seen. These weights were then trained on "
        "all of the data."
    )
    return replace(
        card,
        level=measured.level,
        intervals=measured.intervals,
        figures=measured.figures,
        training={**card.training, "figures_from": note, "curves_of_split": measured.training.get("curves", [])},
    )


def _trained_on(card: Card) -> str:
    if "volumes" in card.training:
        return f"{card.training['volumes']} volumes of {card.training['patients']} patients"
    return f"{card.training['pictures']} pictures of {card.training['exams']} exams"


def _grey(path: Path) -> np.ndarray[Any, np.dtype[Any]]:
    from fetalseg.io.registry import read

    frame: np.ndarray[Any, np.dtype[Any]] = read(path).pixels[0]
    return frame


def _versions() -> dict[str, str]:
    return {p: importlib.metadata.version(p) for p in ("torch", "segmentation-models-pytorch", "numpy")}


def _write_split(path: Path, parts: dict[str, tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["filename", "exam", "part"])
        writer.writerows([name, *where] for name, where in parts.items())
