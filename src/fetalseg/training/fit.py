"""The training loop: seeded, resumable, the moving average of the weights validated each epoch."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fetalseg.geometry.view import View
from fetalseg.settings import TrainSettings
from fetalseg.training import checkpoint
from fetalseg.training.augment import Picture, standardize
from fetalseg.training.batches import batches, steps_an_epoch

Log = Callable[[str], None]


@dataclass(frozen=True)
class Pictures:
    """What is trained on and what is validated on.

    Parameters
    ----------
    train : sequence of Picture
        Heads first, then pictures without one.
    is_small : sequence of bool
        One a head of `train`.
    validation : sequence of Picture
    """

    train: Sequence[Picture]
    is_small: Sequence[bool]
    validation: Sequence[Picture]


def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus, for pictures with a head, one minus the soft Dice; mean over the batch.

    References
    ----------
    Milletari F, Navab N, Ahmadi SA. V-Net. 3DV 2016. doi:10.1109/3DV.2016.79
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target)
    has_head = (target.sum(dim=(1, 2, 3)) > 0).float()
    return entropy + ((1 - soft_dice(logits.sigmoid(), target)) * has_head).mean()


def soft_dice(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the Dice coefficient of each picture, shape (batch,)."""
    shared = (probability * target).sum(dim=(1, 2, 3))
    total = probability.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
    return (2 * shared + 1) / (total + 1)


def one_cycle(step: int, total: int, peak: float) -> float:
    """Return the learning rate at a step: up over the first 30 %, then down to nothing, both as a cosine.

    References
    ----------
    Smith LN, Topin N. Super-convergence. 2018. arXiv:1708.07120
    """
    rise = 0.3 * total
    low, end = peak / 25, peak / 25e4
    if step < rise:
        return low + (peak - low) * (1 - math.cos(math.pi * step / rise)) / 2
    return end + (peak - end) * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise))) / 2


def fit(
    network: torch.nn.Module,
    pictures: Pictures,
    settings: TrainSettings,
    folder: Path,
    *,
    device: str = "cpu",
    log: Log = lambda text: None,
) -> torch.nn.Module:
    """Train a network and return the moving average of its weights.

    Goes on from the checkpoint in `folder` where there is one. Writes ``curves.csv`` there, a row an epoch.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (batch, 1, rows, columns), returns logits of the same shape.
    """
    layout = torch.channels_last
    network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    state = checkpoint.load(folder, network, average, optimizer) or {"epoch": 0, "step": 0, "curves": []}
    total = settings.epochs * steps_an_epoch(pictures.is_small, len(pictures.train) - len(pictures.is_small), settings)
    validation = validation_batches(pictures.validation, settings)
    for epoch in range(state["epoch"], settings.epochs):
        began = time.monotonic()
        torch.manual_seed(settings.seed * 1000 + epoch)
        network.train()
        losses, dices = [], []
        for images, targets in batches(pictures.train, pictures.is_small, settings, epoch):
            images = images.to(device, memory_format=layout)
            targets = targets.to(device)
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(state["step"], total, settings.learning_rate)
            with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bfloat16"):
                logits = network(images)
            logits = logits.float()
            value = loss(logits, targets)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            state["step"] += 1
            update_average(average, network, min(settings.ema_decay, state["step"] / (state["step"] + 10)))
            losses.append(float(value.detach()))
            dices += _dice_of_heads(logits.detach(), targets)
        row = {
            "epoch": epoch + 1,
            "train_loss": float(np.mean(losses)),
            "train_dice": float(np.mean(dices)) if dices else None,
            **validate(average, validation, device),
            "seconds": round(time.monotonic() - began, 1),
        }
        state["epoch"] = epoch + 1
        state["curves"].append(row)
        checkpoint.save(folder, network, average, optimizer, state)
        _write_curves(folder / "curves.csv", state["curves"])
        log(" · ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    return average


@torch.no_grad()
def update_average(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Move the average of weights and batch statistics towards the network's."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def validation_batches(pictures: Sequence[Picture], settings: TrainSettings) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the kept-out pictures as the first look sees them, with their targets."""
    from fetalseg.geometry.ellipse import mask

    size = (settings.input_rows, settings.input_columns)
    images, targets = [], []
    for picture in pictures:
        view = View.whole(picture.shape, size)
        images.append(standardize(torch.from_numpy(view.look(picture.full[0].numpy()) / 255)[None]))
        truth = mask(picture.truth, picture.shape) if picture.truth else np.zeros(picture.shape, np.uint8)
        targets.append(torch.from_numpy(view.look(truth))[None])
    n = settings.batch_size
    return [(torch.stack(images[i : i + n]), torch.stack(targets[i : i + n])) for i in range(0, len(images), n)]


@torch.inference_mode()
def validate(
    network: torch.nn.Module, data: Sequence[tuple[torch.Tensor, torch.Tensor]], device: str
) -> dict[str, float | None]:
    """Return loss and Dice of the kept-out pictures, one plain look each."""
    losses: list[float] = []
    dices: list[float] = []
    for images, targets in data:
        logits = network(images.to(device, memory_format=torch.channels_last))
        targets = targets.to(device)
        losses.append(float(loss(logits, targets)))
        dices += _dice_of_heads(logits, targets)
    return {
        "validation_loss": float(np.mean(losses)) if losses else None,
        "validation_dice": float(np.mean(dices)) if dices else None,
    }


def _dice_of_heads(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """Dice of the masks at 0.5 against the targets at 0.5, for the pictures that hold a head."""
    wanted = (targets > 0.5).float()
    has_head = wanted.sum(dim=(1, 2, 3)) > 0
    return [float(v) for v in soft_dice((logits > 0).float(), wanted)[has_head]]


def _write_curves(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
