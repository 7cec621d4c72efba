"""A batch passes in as large portions as the device's memory holds; what it teaches stays the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F

from fetalseg.errors import DeviceError
from fetalseg.models.backends.torch_predictor import empty_cache, memory_ran_out
from fetalseg.training.teacher import Teacher

_Made = TypeVar("_Made")


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


def dice_at_half(logits: torch.Tensor, targets: torch.Tensor) -> list[float | None]:
    """Return each item's Dice of the mask at 0.5 against the target at 0.5; None where nothing is to be found."""
    wanted = (targets > 0.5).float()
    present = (wanted.flatten(1).sum(dim=1) > 0).tolist()
    values = soft_dice((logits > 0).float(), wanted).tolist()
    return [value if there else None for value, there in zip(values, present, strict=True)]


def computes_mixed(precision: Literal["auto", "float32", "bfloat16"], device: str) -> bool:
    """Return whether convolutions run in bfloat16."""
    if precision == "auto":
        return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


class Portions:
    """How batches pass through a network.

    Parameters
    ----------
    device : str
    mixed : bool
        Whether convolutions run in bfloat16 while learning.
    tell : callable
        Gets a sentence each time a portion is halved.
    teacher : Teacher, optional
        Has a part in what is learnt.
    """

    def __init__(self, device: str, mixed: bool, tell: Callable[[str], None], teacher: Teacher | None = None) -> None:
        self._device, self._mixed, self._tell, self._teacher = device, mixed, tell, teacher
        self._at_once: int | None = None  # the whole batch

    def learn(
        self, network: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor
    ) -> tuple[float, list[float | None]]:
        """Leave the gradients of a batch's mean loss in the network; return that loss and each item's Dice.

        In portions the gradients are summed, each portion's by its share; only batch norm sees fewer items at once.

        Raises
        ------
        DeviceError
            If the memory does not suffice for one item.
        """
        return self._fitting(len(images), lambda: self._learn(network, images, targets))

    def answer(self, network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch. Raises `DeviceError` as `learn` does."""

        def answered() -> torch.Tensor:
            return torch.cat([network(self._moved(part)) for part in torch.split(images, self._size(images))])

        return self._fitting(len(images), answered)

    def _learn(
        self, network: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor
    ) -> tuple[float, list[float | None]]:
        network.zero_grad(set_to_none=True)
        total, dices = 0.0, []
        size = self._size(images)
        for part, wanted in zip(torch.split(images, size), torch.split(targets, size), strict=True):
            moved, wanted = self._moved(part), wanted.to(self._device)
            with torch.autocast(self._device, torch.bfloat16, enabled=self._mixed):
                logits = network(moved)
            logits = logits.float()
            value = loss(logits, self._teacher.targets(moved, wanted) if self._teacher else wanted)
            if len(part) < len(images):
                value = value * (len(part) / len(images))
            value.backward()  # type: ignore[no-untyped-call]
            total += float(value.detach())
            dices += dice_at_half(logits.detach(), wanted)
        return total, dices

    def _fitting(self, items: int, work: Callable[[], _Made]) -> _Made:
        """Do the work, in half as large portions each time the memory runs out."""
        while True:
            try:
                return work()
            except RuntimeError as error:
                if not memory_ran_out(error):
                    raise
                now = min(items, self._at_once or items)
                if now == 1:
                    raise DeviceError(
                        f"The memory of '{self._device}' does not suffice for one picture or stack of this training; "
                        "make the network's input smaller or choose the device 'cpu'."
                    ) from error
                self._at_once = now // 2
            # Only here, when the error no longer holds on to what was computed.
            empty_cache(self._device)
            self._tell(
                f"The memory of '{self._device}' ran out: batches now pass in portions of {self._at_once}, whose "
                f"gradients are added up, so that a step still learns from {items}."
            )

    def _size(self, images: torch.Tensor) -> int:
        return min(len(images), self._at_once or len(images))

    def _moved(self, images: torch.Tensor) -> torch.Tensor:
        layout = torch.channels_last if images.dim() == 4 else torch.preserve_format
        return images.to(self._device, memory_format=layout)
