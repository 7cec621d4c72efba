"""Samples for networks on volumes: stacks of neighbouring slices, the same for the same seed, epoch and place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray

from fetalseg.settings import VolumeTrainSettings
from fetalseg.tasks.tumour_input import CEILING, look, standardize

# Volumes are kept in memory at this many times the network's resolution, so that turning them costs no sharpness.
_FINER = 1.25
# From this number of slices on, slices are thin enough that every second one is a scan too.
_THIN = 44


@dataclass(frozen=True)
class Prepared:
    """A volume in memory.

    Parameters
    ----------
    values : tensor of uint8, shape (slices, rows, columns)
        Grey values in medians of the tissue, 0..`CEILING` as 0..255.
    truth : tensor of uint8, same shape
        0..255: the share of each pixel inside the mask.
    exact : tensor of float32, shape (1, 1, slices, rows, columns)
        The network's input as the pipeline makes it; empty where not asked for.
    """

    values: torch.Tensor
    truth: torch.Tensor
    exact: torch.Tensor

    @classmethod
    def of(
        cls, pixels: NDArray[np.generic], mask: NDArray[np.bool_] | None, size: tuple[int, int], validate: bool = False
    ) -> Prepared:
        """Prepare a volume for training, or as the pipeline does for validation."""
        factor = 1.0 if validate else _FINER
        scale, view = look(pixels, (round(size[0] * factor), round(size[1] * factor)))
        if not scale.known:
            values = np.zeros((len(pixels), view.rows, view.columns), np.float32)
        else:
            values = np.stack([view.look(scale.apply(layer)) for layer in pixels])
        drawn = np.zeros_like(values) if mask is None else np.stack([view.look(layer) for layer in mask])
        exact = torch.from_numpy(standardize(values))[None, None] if validate else torch.empty(0)
        return cls(_bytes(values / CEILING), _bytes(drawn), exact)

    @property
    def tumour(self) -> NDArray[np.intp]:
        """Slices that hold tumour."""
        return np.flatnonzero((self.truth > 127).flatten(1).any(dim=1).numpy())


def _bytes(values: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.clip(values * 255, 0, 255).round().astype(np.uint8))


class VolumeData:
    """Volumes to train on and to validate on.

    Parameters
    ----------
    train : sequence of Prepared
        Volumes with a truth.
    without : sequence of Prepared
        Volumes in which nothing is to be found.
    validation : sequence of Prepared
    settings : VolumeTrainSettings
    margin : int
        Slices at either end of a stack that the network looks at but does not answer for.
    """

    def __init__(
        self,
        train: Sequence[Prepared],
        without: Sequence[Prepared],
        validation: Sequence[Prepared],
        settings: VolumeTrainSettings,
        margin: int = 0,
    ) -> None:
        self._train, self._without, self._validation, self._settings = train, without, validation, settings
        self._margin = margin
        self._order: tuple[int, list[tuple[int, bool]]] = (-1, [])
        self.batch_size = settings.batch_size
        self.steps = -(-self.count(0) // settings.batch_size)

    def count(self, epoch: int) -> int:
        """Return the number of stacks in an epoch."""
        return len(self._of_epoch(epoch))

    def sample(self, epoch: int, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and target, (1, slices, rows, columns); the target has `margin` fewer slices at either end."""
        number, tumour = self._of_epoch(epoch)[place]
        volume = self._train[number] if number < len(self._train) else self._without[number - len(self._train)]
        rng = np.random.default_rng([self._settings.seed, epoch, place, 1])
        image, target = sample(volume, tumour, self._settings, rng, self._margin)
        return image[None], target[None]

    def _of_epoch(self, epoch: int) -> list[tuple[int, bool]]:
        if self._order[0] != epoch:
            self._order = epoch, self._made(epoch)
        return self._order[1]

    def _made(self, epoch: int) -> list[tuple[int, bool]]:
        """The epoch's stacks: number of the volume, and whether the stack is to hold tumour."""
        rng = np.random.default_rng([self._settings.seed, epoch])
        once = [(i, True) for i, v in enumerate(self._train) if len(v.tumour)]
        once += [(i, False) for i, v in enumerate(self._train) for _ in range(1 + (len(v.values) >= _THIN))]
        stacks = once * self._settings.repeats
        share = self._settings.negative_share
        wanted = round(len(stacks) * share / max(1e-9, 1 - share)) if self._without else 0
        picked = rng.integers(0, max(1, len(self._without)), wanted)
        stacks += [(len(self._train) + int(i), False) for i in picked]
        shuffled = [stacks[i] for i in rng.permutation(len(stacks))]
        full = len(shuffled) // self._settings.batch_size * self._settings.batch_size
        return shuffled[: max(full, min(len(shuffled), self._settings.batch_size))]

    def validation(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return whole volumes as the pipeline sees them, with their targets."""
        return [(v.exact, v.truth[None, None].float() / 255) for v in self._validation]


def sample(
    volume: Prepared, tumour: bool, s: VolumeTrainSettings, rng: Generator, margin: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a randomly placed, turned, scaled and mirrored stack and its target, each (slices, rows, columns).

    The stack has `margin` slices more than the target at either end.
    """
    index = _slices(volume, tumour, s.stack_slices + 2 * margin, rng)
    size = (s.input_rows, s.input_columns)
    grid = _grid(size, (volume.values.shape[1], volume.values.shape[2]), s, rng)
    both = torch.cat([volume.values[index], volume.truth[index]])[None].float() / 255
    warped = F.grid_sample(both, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    image, target = warped[: len(index)], warped[len(index) + margin : 2 * len(index) - margin]
    greys = change_greys(image * CEILING, s, rng)
    return torch.from_numpy(standardize(greys.numpy())), target


def _slices(volume: Prepared, tumour: bool, count: int, rng: Generator) -> torch.Tensor:
    """Numbers of neighbouring slices, upwards or downwards; the end slices are repeated beyond the ends."""
    length = len(volume.values)
    step = 2 if length >= _THIN and rng.random() < 0.4 else 1
    span = count * step
    if tumour:
        center = int(rng.choice(volume.tumour)) + int(rng.integers(-span // 3, span // 3 + 1))
        start = center - span // 2
    else:
        start = int(rng.integers(-2, max(1, length - span + 3)))
    start = min(max(start, -2), max(length - span + 2, -2))
    index = np.clip(start + step * np.arange(count), 0, length - 1)
    return torch.from_numpy(index[::-1].copy() if rng.random() < 0.5 else index)


def _grid(size: tuple[int, int], source: tuple[int, int], s: VolumeTrainSettings, rng: Generator) -> torch.Tensor:
    """Where each output pixel lies in the source, for `grid_sample`."""
    zoom = math.exp(rng.uniform(math.log(s.scale_low), math.log(s.scale_high)))
    stretch = math.exp(rng.uniform(-0.08, 0.08))
    turn = math.radians(rng.uniform(-s.rotation_deg, s.rotation_deg))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    # In units of the output's pixels around the centre.
    v, u = torch.meshgrid(
        torch.arange(size[0]) + 0.5 - size[0] / 2, torch.arange(size[1]) + 0.5 - size[1] / 2, indexing="ij"
    )
    u, v = u * mirror / (zoom * stretch), v * stretch / zoom
    bend = [rng.uniform(-1, 1, 4) for _ in range(2)]
    wave_u = 3.0 * (bend[0][0] * torch.sin(v / 30 + 3 * bend[0][1]) + bend[0][2] * torch.sin(u / 25 + 3 * bend[0][3]))
    wave_v = 3.0 * (bend[1][0] * torch.sin(u / 30 + 3 * bend[1][1]) + bend[1][2] * torch.sin(v / 25 + 3 * bend[1][3]))
    u, v = u + wave_u, v + wave_v
    c, sn = math.cos(turn), math.sin(turn)
    x = c * u - sn * v + rng.uniform(-s.shift, s.shift) * size[1]
    y = sn * u + c * v + rng.uniform(-s.shift, s.shift) * size[0]
    factor_x, factor_y = source[1] / size[1], source[0] / size[0]
    return torch.stack([2 * x * factor_x / source[1], 2 * y * factor_y / source[0]], dim=-1)[None].float()


def change_greys(values: torch.Tensor, s: VolumeTrainSettings, rng: Generator) -> torch.Tensor:
    """Change contrast, gain, coil shading, sharpness and noise of a stack of values in tissue medians."""
    depth, rows, columns = values.shape
    out = values.clamp(min=0) ** rng.uniform(s.gamma_low, s.gamma_high) * rng.uniform(s.gain_low, s.gain_high)
    if rng.random() < 0.7:
        lean = rng.uniform(-0.25, 0.25, 4)
        y = torch.linspace(-1, 1, rows)[None, :, None]
        x = torch.linspace(-1, 1, columns)[None, None, :]
        z = torch.linspace(-0.5, 0.5, depth)[:, None, None]
        out = out * torch.exp(lean[0] * x + lean[1] * y + lean[2] * z + lean[3] * (x * x + y * y - 0.7))
    if rng.random() < 0.25:
        out = F.avg_pool2d(out[None], 3, stride=1, padding=1)[0]
    if rng.random() < 0.5:
        noise = torch.from_numpy(rng.standard_normal(tuple(out.shape), dtype=np.float32))
        out = out + rng.uniform(0, 0.08) * noise
    return out.clamp(0, CEILING)
