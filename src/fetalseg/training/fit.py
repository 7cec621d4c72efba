"""The training loop: seeded, resumable, the moving average of the weights validated each epoch."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F

from fetalseg.settings import TrainSettings
from fetalseg.training import checkpoint

Log = Callable[[str], None]


class Data(Protocol):
    """What is trained on and what is validated on."""

    steps: int

    def batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield an epoch's images and targets."""

    def validation(self) -> Sequence[tuple[torch.Tensor, torch.Tensor]]:
        """Return the kept-out images and targets."""


def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus, where there is something to find, one minus the soft Dice; mean over the batch.

    Parameters
    ----------
    logits, target : tensor, shape (batch, 1, [slices,] rows, columns)

    References
    ----------
    Milletari F, Navab N, Ahmadi SA. V-Net. 3DV 2016. doi:10.1109/3DV.2016.79
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target)
    present = (target.flatten(1).sum(dim=1) > 0).float()
    return entropy + ((1 - soft_dice(logits.sigmoid(), target)) * present).mean()


def soft_dice(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the Dice coefficient of each picture or stack, shape (batch,)."""
    shared = (probability * target).flatten(1).sum(dim=1)
    total = probability.flatten(1).sum(dim=1) + target.flatten(1).sum(dim=1)
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
    data: Data,
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
        Takes (batch, 1, [slices,] rows, columns), returns logits of the same shape.
    """
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    state = checkpoint.load(folder, network, average, optimizer) or {"epoch": 0, "step": 0, "curves": []}
    total = settings.epochs * data.steps
    validation = data.validation()
    for epoch in range(state["epoch"], settings.epochs):
        began = time.monotonic()
        torch.manual_seed(settings.seed * 1000 + epoch)
        network.train()
        losses, dices = [], []
        for images, targets in data.batches(epoch):
            images = _to(device, images)
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
            dices += _dice_of_found(logits.detach(), targets)
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


def _to(device: str, images: torch.Tensor) -> torch.Tensor:
    layout = torch.channels_last if images.dim() == 4 else torch.preserve_format
    return images.to(device, memory_format=layout)


@torch.inference_mode()
def validate(
    network: torch.nn.Module, data: Sequence[tuple[torch.Tensor, torch.Tensor]], device: str
) -> dict[str, float | None]:
    """Return loss and Dice of what is kept out, one plain look each."""
    losses: list[float] = []
    dices: list[float] = []
    for images, targets in data:
        logits = network(_to(device, images))
        targets = targets.to(device)
        losses.append(float(loss(logits, targets)))
        dices += _dice_of_found(logits, targets)
    return {
        "validation_loss": float(np.mean(losses)) if losses else None,
        "validation_dice": float(np.mean(dices)) if dices else None,
    }


def _dice_of_found(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """Dice of the masks at 0.5 against the targets at 0.5, where there is something to find."""
    wanted = (targets > 0.5).float()
    present = wanted.flatten(1).sum(dim=1) > 0
    return [float(v) for v in soft_dice((logits > 0).float(), wanted)[present]]


def _write_curves(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
