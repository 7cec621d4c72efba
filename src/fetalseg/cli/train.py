"""``fetalseg train``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalseg.cli._shared import add_command
from fetalseg.errors import SettingsError
from fetalseg.settings import TrainSettings, default_train_settings, train_settings

if TYPE_CHECKING:
    from fetalseg.models.card import Card
    from fetalseg.models.catalogue import Model


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "train",
        run,
        "Train a model on annotated pictures in HC18's layout (NNN_HC.png, NNN_HC_Annotation.png, a csv of sizes),\n"
        "or on volumes with tumour masks (NAME_flair.tif and NAME_mask.tif, or NIfTI of such names).\n"
        "Stopped at any moment and started again with the same command, it goes on after the last whole epoch.\n"
        "What happens is told in events.jsonl of the output folder; control.json there pauses and stops it.",
        "examples:\n"
        "  fetalseg train --data hc18/ --config configs/head_unet.toml --out my-model/\n"
        "  fetalseg train --data mine/ --from unet --epochs 5 --out my-model/       go on from the bundled U-Net\n"
        "  fetalseg segment scan.png --model my-model/      use it\n"
        "  fetalseg models install my-model/ --name ours --default --data mine/      let it be the default, if better",
    )
    made.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="a data set of 'fetalseg dataset' (what was accepted in it), or annotated pictures or volumes",
    )
    made.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets weights, card, curves, split, checkpoint"
    )
    made.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with settings; the options below win over it"
    )
    made.add_argument(
        "--negatives",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="scans in which nothing is to be found; repeatable",
    )
    made.add_argument(
        "--card-from",
        type=Path,
        metavar="MODEL",
        help="with --kept-out 0: take level, intervals and figures from this model, trained the same way on a split",
    )
    made.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="train on from this model, a name or a folder (its architecture and size, unless a config says otherwise)",
    )
    made.add_argument(
        "--teacher",
        metavar="MODEL",
        help="learn from this model's answers too, a name or a folder: of the same task and input size, and better",
    )
    made.add_argument("--name", default="", help="the model's name (default: the architecture's)")
    made.add_argument("--task", choices=["head", "tumour"], help="what to learn")
    made.add_argument("--arch", help="architecture: unet, unet_slices, segnet")
    made.add_argument("--epochs", type=int, help="how often each picture is shown")
    made.add_argument("--batch-size", type=int, metavar="N", help="pictures or stacks a step")
    made.add_argument("--learning-rate", type=float, metavar="RATE", help="the highest of the schedule")
    made.add_argument("--seed", type=int, help="of split, start and augmentation")
    made.add_argument("--kept-out", type=float, metavar="SHARE", help="share of the exams kept out of training")
    made.add_argument("--split", type=Path, metavar="CSV", help="keep to this split.csv instead of a new split")
    made.add_argument(
        "--patience",
        type=int,
        metavar="EPOCHS",
        help="end after so many epochs without a better validation Dice, and keep the best weights (default: 0, never)",
    )
    made.add_argument(
        "--resume",
        action="store_true",
        help="go on in the output folder although settings or data are others than when it was begun",
    )
    made.add_argument(
        "--calibrate",
        action="store_true",
        help="when trained, set the outline's level and the 95 %% ranges on half of the exams that were kept out",
    )
    made.add_argument("--no-imagenet", action="store_true", help="start from random weights")
    made.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="default: %(default)s")


def _settings(given: argparse.Namespace, start: Model | None) -> TrainSettings:
    if given.config:
        return train_settings(given.config)
    task = given.task or (start.card.task if start else "head")
    settings = default_train_settings(task, trained=start is not None)
    if start is None:
        return _as_bundled(settings, given.arch or settings.arch)
    if start.card.task != task:
        raise SettingsError(f"The model to start from is for '{start.card.task}'; to learn '{task}' give a --config.")
    card = start.card
    return replace(
        _shaped(settings, card),
        data_licence=card.data_licence,
        weights_licence=card.weights_licence,
        limits=card.limits,
    )


def _as_bundled(settings: TrainSettings, arch: str) -> TrainSettings:
    """Return settings with the width and input size of the bundled model of that architecture, where there is one."""
    from fetalseg.models import catalogue

    known = (m.card for m in catalogue.models(settings.task) if m.bundled and m.card.arch == arch)
    card = next(known, None)
    return _shaped(settings, card) if card else settings


def _shaped(settings: TrainSettings, card: Card) -> TrainSettings:
    return replace(
        settings,
        arch=card.arch,
        parameters=dict(card.parameters),
        input_rows=card.input_rows,
        input_columns=card.input_columns,
    )


def _start(given: argparse.Namespace) -> Model | None:
    if not given.start:
        return None
    from fetalseg.models import catalogue

    # Each task has a "segnet": a name is that of the task to learn. A folder may hold a model for another task: a
    # tumour's network can start from a head's.
    learnt = given.task or (train_settings(given.config).task if given.config else "head")
    return catalogue.of_any_task(given.start, learnt)


def _teacher(given: argparse.Namespace, task: str) -> Model | None:
    if not given.teacher:
        return None
    from fetalseg.models import catalogue

    return catalogue.of_any_task(given.teacher, task)


def run(given: argparse.Namespace) -> int:
    """Train."""
    from fetalseg.training import events

    events.clear(given.out)  # before anything slow: what is asked from now on counts
    start = _start(given)
    settings = _settings(given, start)
    chosen: dict[str, Any] = {
        name: getattr(given, name)
        for name in ("task", "arch", "epochs", "batch_size", "learning_rate", "seed", "kept_out", "patience")
        if getattr(given, name) is not None
    }
    if given.no_imagenet:
        chosen["imagenet"] = False
    settings = replace(settings, **chosen)
    from fetalseg.models.predictor import choose_device
    from fetalseg.training.run import train

    card = train(
        given.data,
        given.out,
        settings,
        name=given.name,
        negatives=given.negatives,
        card_from=given.card_from,
        start=start,
        teacher=_teacher(given, settings.task),
        split=given.split,
        resume=given.resume,
        calibrate=given.calibrate,
        device=choose_device(given.device),
        log=lambda text: print(text, flush=True),
    )
    if card.training["ended"] != "done":
        print(
            f"It ended before all epochs were done; the weights are those of epoch {card.training['weights_of_epoch']}."
        )
    print(f"{card.title} is in {given.out}. Next: fetalseg evaluate {given.data} --model {given.out} --part report")
    return 0
