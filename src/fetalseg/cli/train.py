"""``fetalseg train``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from fetalseg.cli._shared import add_command
from fetalseg.settings import HeadTrainSettings, TrainSettings, VolumeTrainSettings, train_settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "train",
        run,
        "Train a model on annotated pictures in HC18's layout (NNN_HC.png, NNN_HC_Annotation.png, a csv of sizes),\n"
        "or on volumes with tumour masks (NAME_flair.tif and NAME_mask.tif, or NIfTI of such names).\n"
        "Stopped at any moment and started again with the same command, it goes on after the last whole epoch.",
        "examples:\n"
        "  fetalseg train --data hc18/ --config configs/head_unet.toml --out my-model/\n"
        "  fetalseg segment scan.png --model my-model/      use it",
    )
    made.add_argument("--data", type=Path, required=True, metavar="DIR", help="annotated pictures or volumes")
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
    made.add_argument("--name", default="", help="the model's name (default: the architecture's)")
    made.add_argument("--task", choices=["head", "tumour"], help="what to learn")
    made.add_argument("--arch", help="architecture: unet, unet_slices, segnet")
    made.add_argument("--epochs", type=int, help="how often each picture is shown")
    made.add_argument("--seed", type=int, help="of split, start and augmentation")
    made.add_argument("--kept-out", type=float, metavar="SHARE", help="share of the exams kept out of training")
    made.add_argument("--no-imagenet", action="store_true", help="start from random weights")
    made.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="default: %(default)s")


def _settings(given: argparse.Namespace) -> TrainSettings:
    if given.config:
        return train_settings(given.config)
    return HeadTrainSettings() if given.task in (None, "head") else VolumeTrainSettings(task=given.task)


def run(given: argparse.Namespace) -> int:
    """Train."""
    settings = _settings(given)
    chosen: dict[str, Any] = {
        name: getattr(given, name)
        for name in ("task", "arch", "epochs", "seed", "kept_out")
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
        device=choose_device(given.device),
        log=lambda text: print(text, flush=True),
    )
    print(f"{card.title} is in {given.out}. Next: fetalseg evaluate {given.data} --model {given.out} --part report")
    return 0
