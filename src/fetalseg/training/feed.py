"""Batches made ahead, beside the network: by worker processes where a GPU would wait for them, else in turn."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

__all__ = ["Samples", "feed", "workers_for"]

Sample = tuple[torch.Tensor, torch.Tensor]
Place = tuple[int, int]
# One makes 100 to 200 pictures a second, a large GPU learns from 500.
_MOST_WORKERS = 4


class Samples(Protocol):
    """What is trained on: the same sample for the same epoch and place, whoever makes it, whenever."""

    batch_size: int

    def count(self, epoch: int) -> int:
        """Return the number of samples in an epoch."""

    def sample(self, epoch: int, place: int) -> Sample:
        """Return image and target, each (1, [slices,] rows, columns)."""


def workers_for(device: str) -> int:
    """Return the number of processes that make batches: none on the CPU, where they would take the network's cores."""
    if device == "cpu":
        return 0
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 2) - 1))


def feed(samples: Samples, first: int, end: int, workers: int = 0) -> Generator[Sample]:
    """Yield the batches of the epochs from `first` to before `end`, one epoch after the other.

    Parameters
    ----------
    workers : int
        Processes that make them; with 0 each batch is made when it is asked for.

    Yields
    ------
    images, targets : tensor, shape (batch, 1, [slices,] rows, columns)
    """
    loader = DataLoader(
        _Places(samples),
        batch_sampler=_Batches(samples, first, end),
        num_workers=workers,
        # Forking shares the pictures in memory with no copy; elsewhere each worker gets its own.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        # Its own, so that the network's random numbers do not depend on how often batches were asked for.
        generator=torch.Generator(),
    )
    yield from loader


class _Places(Dataset[Sample]):
    """The samples by (epoch, place)."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, at: Place) -> Sample:
        return self._samples.sample(*at)


class _Batches:
    """The places of each batch."""

    def __init__(self, samples: Samples, first: int, end: int) -> None:
        self._samples, self._epochs = samples, range(first, end)

    def __iter__(self) -> Iterator[list[Place]]:
        size = self._samples.batch_size
        for epoch in self._epochs:
            count = self._samples.count(epoch)
            for start in range(0, count, size):
                yield [(epoch, place) for place in range(start, min(start + size, count))]
