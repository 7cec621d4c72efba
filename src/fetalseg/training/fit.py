"""The training loop: seeded, resumable, steered; the moving average of the weights validated each epoch."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from fetalseg.errors import Cancelled, SettingsError
from fetalseg.io.atomic import write_text
from fetalseg.settings import TrainSettings
from fetalseg.training import cases, checkpoint
from fetalseg.training.events import Reason, Steering, Writer
from fetalseg.training.feed import Samples, feed, workers_for
from fetalseg.training.portions import Portions, computes_mixed, dice_at_half, loss, soft_dice
from fetalseg.training.teacher import Teacher

__all__ = ["Data", "Fitted", "fit", "loss", "one_cycle", "soft_dice", "update_average", "validate"]

Log = Callable[[str], None]
Batch = tuple[torch.Tensor, torch.Tensor]
# Epochs whose mean length tells how long the rest will take.
_LATEST = 3


class Data(Samples, Protocol):
    """What is trained on and what is validated on."""

    steps: int

    def validation(self) -> Sequence[Batch]:
        """Return the kept-out images and targets."""


@dataclass(frozen=True)
class Fitted:
    """What a training has come to.

    Parameters
    ----------
    network : torch.nn.Module
        Holds the moving average of the weights.
    epoch : int
        After which epoch, counted from 1.
    reason : {"done", "stopped", "early"}
    """

    network: torch.nn.Module
    epoch: int
    reason: Reason


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
    events: Writer,
    about: Mapping[str, Any] | None = None,
    teacher: Teacher | None = None,
    device: str = "cpu",
    log: Log = lambda text: None,
) -> Fitted:
    """Train a network and return the moving average of its weights.

    Goes on from the checkpoint in `folder` where there is one. Writes ``curves.csv`` there, a row an epoch, and
    pictures of the worst kept-out cases. Between steps it does what the folder's ``control.json`` asks.

    All epochs done, the last weights are kept, or with `settings.patience` those of the epoch with the best
    validation Dice. Stopped before, the best so far are kept; started again it goes on after its last whole epoch.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (batch, 1, [slices,] rows, columns), returns logits of the same shape.
    events : Writer
        Is told what happens.
    about : mapping, optional
        What is trained on what, in plain values; kept in the checkpoint.
    teacher : Teacher, optional
        Has a part in what is learnt.

    Raises
    ------
    Cancelled
        If it is stopped before the first epoch is over.
    """
    return _Fit(network, data, settings, folder, events, about or {}, teacher, device, log).run()


class _Fit:
    """A training under way."""

    def __init__(
        self,
        network: torch.nn.Module,
        data: Data,
        settings: TrainSettings,
        folder: Path,
        events: Writer,
        about: Mapping[str, Any],
        teacher: Teacher | None,
        device: str,
        log: Log,
    ) -> None:
        self._data, self._settings, self._folder, self._device = data, settings, folder, device
        self._events, self._log = events, log
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average = copy.deepcopy(self._network).eval().requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        fresh: tuple[dict[str, Any], checkpoint.Best] = ({"epoch": 0, "step": 0, "curves": []}, {})
        self._state, self._best = checkpoint.load(folder, self._network, self._average, self._optimizer) or fresh
        self._state["about"] = dict(about)
        self._validation = data.validation()
        if settings.patience and not self._validation:
            raise SettingsError("Early stopping needs exams that are kept out of training; set patience to 0.")
        self._steering = Steering(folder)
        self._portions = Portions(device, computes_mixed(settings.precision, device), self._note, teacher)
        self._paused_s = 0.0

    def run(self) -> Fitted:
        """Train to the end, or until told to stop."""
        for number, row in enumerate(self._state["curves"], start=1):
            rows = self._state["curves"][:number]
            self._events.epoch(row, best=_best_epoch(rows) == number, seconds_left=self._seconds_left(rows))
        first, end = self._state["epoch"], self._settings.epochs
        with contextlib.closing(feed(self._data, first, end, workers_for(self._device))) as batches:
            for epoch in range(first, end):
                if self._settings.patience and epoch - _best_epoch(self._state["curves"]) >= self._settings.patience:
                    return self._kept("early")
                if not self._epoch(epoch, batches):
                    return self._kept("stopped")
        return self._kept("done")

    def _epoch(self, epoch: int, batches: Iterator[Batch]) -> bool:
        """Train an epoch, validate and write the checkpoint; return whether it was finished."""
        began, self._paused_s = time.monotonic(), 0.0
        trained = self._train(epoch, batches)
        if trained is None:
            return False
        row = {"epoch": epoch + 1, **trained}
        worst = cases.Worst()
        row |= validate(self._average, self._validation, self._portions, worst)
        row["seconds"] = round(time.monotonic() - began - self._paused_s, 1)
        rows = self._state["curves"]
        rows.append(row)
        self._state["epoch"] = epoch + 1
        best = _best_epoch(rows) == epoch + 1
        if best:
            self._best = {k: v.detach().cpu().clone() for k, v in self._average.state_dict().items()}
        checkpoint.save(self._folder, self._network, self._average, self._optimizer, self._best, self._state)
        _write_curves(self._folder / "curves.csv", rows)
        self._events.epoch(row, best=best, seconds_left=self._seconds_left(rows))
        if worst.cases:
            files = cases.write(self._folder, epoch + 1, worst.cases)
            self._events.cases(epoch + 1, files, [c.dice for c in worst.cases])
        self._log(" · ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
        return True

    def _train(self, epoch: int, batches: Iterator[Batch]) -> dict[str, float | None] | None:
        """Pass an epoch's batches; return mean loss and Dice, or None when asked to stop."""
        settings, state = self._settings, self._state
        total = settings.epochs * self._data.steps
        torch.manual_seed(settings.seed * 1000 + epoch)
        self._network.train()
        losses: list[float] = []
        dices: list[float] = []
        for number in range(1, self._data.steps + 1):
            if not self._may_go_on(epoch, number):
                return None
            images, targets = next(batches)
            for group in self._optimizer.param_groups:
                group["lr"] = one_cycle(state["step"], total, settings.learning_rate)
            value, found = self._portions.learn(self._network, images, targets)
            self._optimizer.step()
            state["step"] += 1
            update_average(self._average, self._network, min(settings.ema_decay, state["step"] / (state["step"] + 10)))
            losses.append(value)
            dices += [d for d in found if d is not None]
            self._events.step(epoch + 1, number, value)
        return {"train_loss": float(np.mean(losses)), "train_dice": float(np.mean(dices)) if dices else None}

    def _may_go_on(self, epoch: int, number: int) -> bool:
        """Do what is asked: wait while paused; return False where it is to stop."""
        if self._steering.asked() == "pause":
            began = time.monotonic()
            self._note(f"Paused before step {number} of epoch {epoch + 1}.")
            while self._steering.asked() == "pause":
                self._steering.wait()
            self._paused_s += time.monotonic() - began
            if self._steering.asked() == "run":
                self._note("Going on.")
        return self._steering.asked() != "stop"

    def _kept(self, reason: Reason) -> Fitted:
        """Return the weights that are kept."""
        rows = self._state["curves"]
        if not rows:
            raise Cancelled(
                "Stopped before the first epoch was over: there are no weights to keep, and no model was written."
            )
        if reason == "done" and not self._settings.patience:
            return Fitted(self._average, len(rows), reason)
        self._average.load_state_dict(self._best)
        return Fitted(self._average, _best_epoch(rows), reason)

    def _seconds_left(self, rows: Sequence[Mapping[str, Any]]) -> float:
        latest = [row["seconds"] for row in rows[-_LATEST:]]
        return float(np.mean(latest)) * max(0, self._settings.epochs - len(rows))

    def _note(self, text: str) -> None:
        self._events.note(text)
        self._log(text)


def _best_epoch(rows: Sequence[Mapping[str, Any]]) -> int:
    """The first epoch with the highest validation Dice; the last one where nothing is kept out to tell by."""
    dices = [row["validation_dice"] for row in rows]
    known = [d for d in dices if d is not None]
    return dices.index(max(known)) + 1 if known else len(rows)


@torch.no_grad()
def update_average(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Move the average of weights and batch statistics towards the network's."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


@torch.inference_mode()
def validate(
    network: torch.nn.Module, data: Sequence[Batch], portions: Portions, worst: cases.Worst
) -> dict[str, float | None]:
    """Return loss and Dice of what is kept out, one plain look each; gather the worst cases."""
    losses: list[float] = []
    dices: list[float] = []
    for images, targets in data:
        logits = portions.answer(network, images)
        targets = targets.to(logits.device)
        losses.append(float(loss(logits, targets)))
        for dice, *case in zip(dice_at_half(logits, targets), images, targets, logits, strict=True):
            if dice is not None:
                dices.append(dice)
                worst.offer(dice, *case)
    return {
        "validation_loss": float(np.mean(losses)) if losses else None,
        "validation_dice": float(np.mean(dices)) if dices else None,
    }


def _write_curves(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
