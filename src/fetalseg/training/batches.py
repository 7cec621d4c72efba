"""Samples for the head network: the same for the same seed, epoch and place, whenever they are made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fetalseg.geometry.ellipse import mask
from fetalseg.geometry.view import View
from fetalseg.settings import HeadTrainSettings
from fetalseg.training.augment import Picture, change_greys, random_view, standardize, warp
from fetalseg.training.negatives import synthetic


class HeadData:
    """Pictures to train on and to validate on.

    Parameters
    ----------
    train : sequence of Picture
        Heads first, then pictures without one.
    is_small : sequence of bool
        One a head of `train`.
    kept : sequence of Picture
    settings : HeadTrainSettings
    """

    def __init__(
        self, train: Sequence[Picture], is_small: Sequence[bool], kept: Sequence[Picture], settings: HeadTrainSettings
    ) -> None:
        self._train, self._is_small, self._kept, self._settings = train, is_small, kept, settings
        self._order: tuple[int, list[int]] = (-1, [])
        self.batch_size = settings.batch_size
        self.steps = -(-self.count(0) // settings.batch_size)

    def count(self, epoch: int) -> int:
        """Return the number of samples in an epoch."""
        return len(self._of_epoch(epoch))

    def sample(self, epoch: int, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and target, each (1, rows, columns)."""
        rng = np.random.default_rng([self._settings.seed, epoch, place, 1])
        image, target = _sample(self._train, self._of_epoch(epoch)[place], self._settings, rng)
        return standardize(change_greys(image, self._settings, rng)), target

    def validation(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the kept-out pictures as the first look sees them, with their targets."""
        return validation_batches(self._kept, self._settings)

    def _of_epoch(self, epoch: int) -> list[int]:
        if self._order[0] != epoch:
            self._order = epoch, order(self._is_small, len(self._train) - len(self._is_small), self._settings, epoch)
        return self._order[1]


def order(is_small: Sequence[bool], negatives: int, settings: HeadTrainSettings, epoch: int) -> list[int]:
    """Return the epoch's samples in random order.

    Parameters
    ----------
    is_small : sequence of bool
        For each head, whether it is shown `settings.small_head_repeats` times.
    negatives : int
        Number of real pictures without a head; their numbers follow the heads'.

    Returns
    -------
    list of int
        Number of the picture; -1 is a synthetic negative.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    heads = [i for i, small in enumerate(is_small) for _ in range(settings.small_head_repeats if small else 1)]
    wanted = round(len(heads) * settings.negative_share / max(1e-9, 1 - settings.negative_share))
    real = [len(is_small) + int(i) for i in rng.permutation(negatives)[: wanted * 2 // 3]]
    samples = heads + real + [-1] * (wanted - len(real))
    shuffled = [samples[i] for i in rng.permutation(len(samples))]
    full = len(shuffled) // settings.batch_size * settings.batch_size
    return shuffled[: max(full, min(len(shuffled), settings.batch_size))]


def _sample(
    pictures: Sequence[Picture], number: int, settings: HeadTrainSettings, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    if number >= 0:
        picture = pictures[number]
        return warp(picture, random_view(picture, settings, rng), settings, rng)
    made = synthetic((settings.input_rows, settings.input_columns), rng)
    return torch.from_numpy(made)[None], torch.zeros(1, *made.shape)


def validation_batches(
    pictures: Sequence[Picture], settings: HeadTrainSettings
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the kept-out pictures as the first look sees them, with their targets."""
    size = (settings.input_rows, settings.input_columns)
    images, targets = [], []
    for picture in pictures:
        view = View.whole(picture.shape, size)
        images.append(standardize(torch.from_numpy(view.look(picture.full[0].numpy()) / 255)[None]))
        truth = mask(picture.truth, picture.shape) if picture.truth else np.zeros(picture.shape, np.uint8)
        targets.append(torch.from_numpy(view.look(truth))[None])
    n = settings.batch_size
    return [(torch.stack(images[i : i + n]), torch.stack(targets[i : i + n])) for i in range(0, len(images), n)]
