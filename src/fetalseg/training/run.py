"""From a folder of annotated pictures to weights, card and curves."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fetalseg.dataset import hc18, sources
from fetalseg.dataset import split as splits
from fetalseg.dataset.items import groups, split
from fetalseg.dataset.split import Named, Split
from fetalseg.errors import DatasetError, FetalSegError, SettingsError
from fetalseg.models import architectures, catalogue, weights
from fetalseg.models.card import Card
from fetalseg.settings import Device, HeadTrainSettings, SegmentSettings, TrainSettings, VolumeTrainSettings
from fetalseg.training import events

if TYPE_CHECKING:
    from fetalseg.training.fit import Data, Fitted

Log = Callable[[str], None]

_KEPT = ("calibrate", "report")
# The mean difference of HC over fewer heads says more about these heads than about the model.
_FEWEST_TO_CALIBRATE = 10


def train(
    data: Path,
    out: Path,
    settings: TrainSettings,
    *,
    name: str = "",
    negatives: Sequence[Path] = (),
    card_from: Path | None = None,
    start: catalogue.Model | None = None,
    teacher: catalogue.Model | None = None,
    split: Path | None = None,
    resume: bool = False,
    calibrate: bool = False,
    device: str = "cpu",
    log: Log = lambda text: None,
) -> Card:
    """Train a model and write it to a folder.

    What happens is told in the folder's ``events.jsonl``; ``control.json`` pauses or stops it (`training.events`).

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
    teacher : catalogue.Model, optional
        A model of the same task and input size whose answers are learnt beside the annotations.
    split : Path, optional
        A ``split.csv`` to keep to, instead of a new split; scans that it does not name are left out, and counted.
    resume : bool
        Go on with a training that was begun with other settings or other data.
    calibrate : bool
        Set the outline's level and the 95 % ranges on the part of the split that is kept for it, when trained. A level
        needs ten scans; with fewer it is that of the model to start from, or 0.5.

    Raises
    ------
    SettingsError
        If `out` holds another training and `resume` is not set, or can't go on with it.
    Cancelled
        If it is stopped before there are weights to keep.
    DatasetError, ModelError, DeviceError, OutputError
    """
    with events.held(out):
        told = events.Writer(out)
        try:
            prepared = _prepared(data, settings, negatives, split)
            card = _trained(prepared, data, out, settings, name, start, teacher, card_from, resume, device, told, log)
            if calibrate:
                card = _calibrated(card, data, out, prepared.split, device, told)
            told.end(card.training["ended"])
        except BaseException as error:
            words = str(error) if isinstance(error, FetalSegError) else f"{type(error).__name__}: {error}"
            with contextlib.suppress(FetalSegError):
                told.error("Interrupted; started again it goes on." if isinstance(error, KeyboardInterrupt) else words)
            raise
        finally:
            events.clear(out)
    return card


@dataclass(frozen=True)
class _Prepared:
    """What `fit` takes, the part of each scan, and the counts that the card tells."""

    data: Data
    split: Split
    counts: dict[str, int]


def _trained(
    prepared: _Prepared,
    data: Path,
    out: Path,
    settings: TrainSettings,
    name: str,
    start: catalogue.Model | None,
    teacher: catalogue.Model | None,
    card_from: Path | None,
    resume: bool,
    device: str,
    told: events.Writer,
    log: Log,
) -> Card:
    """Train on what was prepared and write the model."""
    import torch

    from fetalseg.training import resume as resuming
    from fetalseg.training.curves import draw
    from fetalseg.training.fit import fit
    from fetalseg.training.portions import computes_mixed
    from fetalseg.training.teacher import Teacher, doubt

    taught_by = Teacher(teacher, settings, device, computes_mixed(settings.precision, device)) if teacher else None
    about = resuming.about(settings, start.card.sha256 if start else None, teacher.card.sha256 if teacher else None)
    changes = resuming.check(out, about, prepared.split, resume=resume)
    prepared.split.write(out / splits.NAME)
    counts = prepared.counts
    log(" · ".join(f"{key.replace('_', ' ')} {value}" for key, value in counts.items()))
    told.start(
        epochs=settings.epochs,
        steps=prepared.data.steps,
        device=device,
        batch_size=settings.batch_size,
        counts=counts,
        seed=settings.seed,
    )
    if changes:
        told.note(f"Going on with {'; '.join(changes)}.")
    if teacher and (words := doubt(teacher, prepared.split)):
        told.note(words)
        log(words)
    torch.manual_seed(settings.seed)
    architecture = architectures.get(settings.arch)
    parameters = {**architecture.DEFAULTS, **settings.parameters}
    network = architecture.build(parameters)
    if not (out / "checkpoint.safetensors").exists():
        if start is not None:
            weights.start_from(network, start.load())
        elif settings.imagenet and hasattr(architecture, "start_from_imagenet"):
            architecture.start_from_imagenet(network)
    fitted = fit(
        network, prepared.data, settings, out, events=told, about=about, teacher=taught_by, device=device, log=log
    )
    card = _card(fitted, prepared.counts, data, out, settings, parameters, start, teacher)
    card = replace(card, name=name or settings.arch)
    if card_from is not None:
        card = _with_figures_of(card, Card.read(card_from / weights.CARD))
    card.write(out / weights.CARD)
    draw(out / "curves.csv", out / "curves.png", title=f"{card.title} · {card.task}")
    return card


def _calibrated(card: Card, data: Path, out: Path, split: Split, device: str, told: events.Writer) -> Card:
    """Return the card, and write it, with level and ranges of what the split keeps to calibrate on."""
    from fetalseg.evaluation import run as evaluation
    from fetalseg.evaluation import volumes as of_volumes

    settings = SegmentSettings(task=card.task, model=str(out), device=cast("Device", device))
    found = sources.heads(data)[0] if card.task == "head" else sources.volumes(data)
    parts = split.parts_of(found)
    kept: list[Any] = [item for item in found if parts.get(item.name) == "calibrate"]
    if len(kept) < _FEWEST_TO_CALIBRATE:
        told.note(
            f"{len(kept)} scans are too few to calibrate on, {_FEWEST_TO_CALIBRATE} are needed: the outline's level is "
            f"{card.level:g}, and no range of the measurement is known."
        )
        return card
    told.note(f"Calibrating on {len(kept)} scans.")
    if card.task == "head":
        try:
            card, _ = evaluation.calibrated(card, kept, settings)
        except DatasetError as error:  # a model that has hardly learnt is a model all the same
            told.note(f"{error} The outline's level stays at {card.level:g}.")
    else:
        card = replace(card, intervals=of_volumes.volume_interval(of_volumes.score_model(kept, settings)))
    card.write(out / weights.CARD)
    return card


def _card(
    fitted: Fitted,
    counts: Mapping[str, int],
    data: Path,
    out: Path,
    settings: TrainSettings,
    parameters: Mapping[str, Any],
    start: catalogue.Model | None,
    teacher: catalogue.Model | None,
) -> Card:
    """Write the weights and return their card."""
    from fetalseg.training.curves import curves

    return Card(
        name=settings.arch,
        task=settings.task,
        arch=settings.arch,
        title=architectures.get(settings.arch).TITLE,
        version=settings.version,
        parameters=parameters,
        input_rows=settings.input_rows,
        input_columns=settings.input_columns,
        sha256=weights.save(fitted.network, out / weights.WEIGHTS),
        # Nearer than any other guess, until it is calibrated.
        level=start.card.level if start and start.card.task == settings.task else 0.5,
        training={"settings": settings.to_dict(), **counts, "versions": _versions()}
        | {"ended": fitted.reason, "weights_of_epoch": fitted.epoch}
        | sources.version(data)
        | _named("started_from", start)
        | _named("taught_by", teacher)
        | {"curves": curves(out / "curves.csv")},
        data_licence=settings.data_licence,
        weights_licence=settings.weights_licence,
        limits=settings.limits,
    )


def _named(key: str, model: catalogue.Model | None) -> dict[str, dict[str, str]]:
    return {key: {"model": model.card.name, "sha256": model.card.sha256}} if model else {}


def _prepared(data: Path, settings: TrainSettings, negatives: Sequence[Path], split: Path | None) -> _Prepared:
    given = Split.read(split) if split else None
    if isinstance(settings, HeadTrainSettings):
        return _heads(data, settings, negatives, given)
    if isinstance(settings, VolumeTrainSettings):
        return _volumes(data, settings, negatives, given)
    raise SettingsError("The settings must be those of a head's or of a volume's training.")


def _heads(data: Path, settings: HeadTrainSettings, negatives: Sequence[Path], given: Split | None) -> _Prepared:
    from fetalseg.training.augment import Picture
    from fetalseg.training.batches import HeadData

    items, empty = sources.heads(data)
    every = [*items, *empty]
    parts = given.parts_of(every) if given else split(every, settings.kept_out, settings.seed)
    others = [item for item in empty if parts.get(item.name) == "train"]
    others += [item for folder in negatives for item in hc18.negatives(folder)]
    kept = [i for i in items if parts.get(i.name) in _KEPT]
    trained = [i for i in items if parts.get(i.name) == "train"]
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
    } | _left_out(every, parts)
    return _Prepared(made, Split.of(every, parts), counts)


def _volumes(data: Path, settings: VolumeTrainSettings, negatives: Sequence[Path], given: Split | None) -> _Prepared:
    from fetalseg.dataset import lgg
    from fetalseg.training.volumes import Prepared, VolumeData

    items = sources.volumes(data)
    parts = given.parts_of(items) if given else lgg.split(items, settings.kept_out, settings.seed)
    kept = [v for v in items if parts.get(v.name) in _KEPT]
    trained = [v for v in items if parts.get(v.name) == "train"]
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
    } | _left_out(items, parts)
    return _Prepared(made, Split.of(items, parts), counts)


def _left_out(items: Sequence[Named], parts: Mapping[str, str]) -> dict[str, int]:
    """The number of scans that a given split does not name, where there are any."""
    number = sum(item.name not in parts for item in items)
    return {"left_out": number} if number else {}


def _with_figures_of(card: Card, measured: Card) -> Card:
    epochs, then = (c.training.get("weights_of_epoch") for c in (measured, card))
    long, longer = (f", for {n} epochs" if n and epochs != then else "" for n in (epochs, then))
    note = (
        f"Level, intervals and figures are those of a model trained the same way on {_trained_on(measured)}{long} "
        f"(weights {measured.sha256[:12]}) and measured on what it had not seen. These weights were then trained on "
        f"all of the data{longer}."
    )
    return replace(
        card,
        level=measured.level,
        intervals=measured.intervals,
        rim_mm=measured.rim_mm,
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
