"""Random views of a picture and random changes of its grey values, for training the head network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray

from fetalseg.geometry.view import View
from fetalseg.result import Ellipse
from fetalseg.settings import HeadTrainSettings
from fetalseg.tasks.head_input import MEAN, SD, grey_range, normalize

# Samples an output pixel a side are averaged, so that shrinking does not alias.
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Picture:
    """A picture in memory, scaled to 0..1, with its half-size copy for views that shrink it."""

    full: torch.Tensor  # (1, rows, columns) uint8
    half: torch.Tensor
    truth: Ellipse | None

    @classmethod
    def of(cls, pixels: NDArray[np.generic], truth: Ellipse | None, size: tuple[int, int]) -> Picture:
        """Scale the grey values as the pipeline does: by the range of the whole view."""
        shape = (pixels.shape[0], pixels.shape[1])
        low, high = grey_range(View.whole(shape, size).look(pixels))
        unit = torch.from_numpy(normalize(pixels.astype(np.float32), low, high))[None]
        half = F.avg_pool2d(unit, 2)
        return cls((unit * 255).round().to(torch.uint8), (half * 255).round().to(torch.uint8), truth)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.full.shape[1]), int(self.full.shape[2])


def random_view(picture: Picture, s: HeadTrainSettings, rng: Generator) -> View:
    """Return the whole picture's window or, for a share of the heads, one around the head."""
    size = (s.input_rows, s.input_columns)
    if picture.truth is not None and rng.random() < s.second_look_share:
        # The first look is not exact: the head fills the window a little more or less than intended.
        fill = np.array([0.80, 0.72]) * rng.uniform(0.85, 1.12)
        return View.around(picture.truth, size, fill=(fill[0], fill[1]))
    return View.whole(picture.shape, size)


def warp(picture: Picture, view: View, s: HeadTrainSettings, rng: Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a randomly turned, moved, scaled and mirrored view and its target.

    Returns
    -------
    image, target : tensor, shape (1, rows, columns), float32
        The target is the share of each pixel that lies inside the truth.
    """
    rows, columns = view.rows * _OVERSAMPLING, view.columns * _OVERSAMPLING
    zoom = math.exp(rng.uniform(math.log(s.scale_low), math.log(s.scale_high)))
    turn = math.radians(rng.uniform(-s.rotation_deg, s.rotation_deg))
    move_x, move_y = (rng.uniform(-s.shift, s.shift) * n for n in (view.columns, view.rows))
    mirror_x, mirror_y = (-1.0 if rng.random() < 0.5 else 1.0 for _ in range(2))
    # From output pixel centres to the view's centre-based coordinates, then to the picture.
    u = (torch.arange(columns, dtype=torch.float32) + 0.5) / _OVERSAMPLING - view.columns / 2
    v = (torch.arange(rows, dtype=torch.float32) + 0.5) / _OVERSAMPLING - view.rows / 2
    u, v = u * mirror_x / zoom, v * mirror_y / zoom
    c, sn = math.cos(turn), math.sin(turn)
    du = c * u[None, :] - sn * v[:, None] + move_x
    dv = sn * u[None, :] + c * v[:, None] + move_y
    x = view.left + (du + view.columns / 2) * view.step_x
    y = view.top + (dv + view.rows / 2) * view.step_y

    height, width = picture.shape
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)[None]
    source = picture.half if view.step_x / (zoom * _OVERSAMPLING) > 1.2 else picture.full
    image = F.grid_sample(source[None].float() / 255, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    target = torch.zeros_like(image)
    if picture.truth is not None:
        target[0, 0] = _inside(picture.truth, x, y)
    return F.avg_pool2d(image, _OVERSAMPLING)[0], F.avg_pool2d(target, _OVERSAMPLING)[0]


def _inside(truth: Ellipse, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    angle = math.radians(truth.angle_deg)
    c, s = math.cos(angle), math.sin(angle)
    dx, dy = x - truth.center_x, y - truth.center_y
    along, across = (dx * c + dy * s) / truth.semi_major, (dy * c - dx * s) / truth.semi_minor
    return (along * along + across * across <= 1).float()


def change_greys(image: torch.Tensor, s: HeadTrainSettings, rng: Generator) -> torch.Tensor:
    """Change gain, gamma, depth gain, speckle and shadow of a (1, rows, columns) image of 0..1."""
    _, rows, columns = image.shape
    out = image.clamp(0, 1) ** rng.uniform(s.gamma_low, s.gamma_high) * rng.uniform(s.gain_low, s.gain_high)
    if rng.random() < 0.5:  # time-gain compensation set differently
        out = out * torch.linspace(1, rng.uniform(0.6, 1.4), rows)[None, :, None]
    if rng.random() < 0.5:
        noise = torch.from_numpy(rng.standard_normal((1, 1, rows, columns)).astype(np.float32))
        noise = F.avg_pool2d(noise, (1, 3), stride=1, padding=(0, 1)) * math.sqrt(3)
        out = out * (1 + rng.uniform(0, s.speckle) * noise[0])
    if rng.random() < s.shadow_share:
        out = out * _shadow(rows, columns, rng)
    if rng.random() < 0.2:
        out = F.avg_pool2d(out[None], 3, stride=1, padding=1)[0]
    return out.clamp(0, 1)


def _shadow(rows: int, columns: int, rng: Generator) -> torch.Tensor:
    """A dark wedge from the transducer at the top, as bone throws it."""
    apex_x, apex_y = rng.uniform(0.3, 0.7) * columns, -rng.uniform(0.1, 0.6) * rows
    x = torch.arange(columns, dtype=torch.float32)[None, :] - apex_x
    y = torch.arange(rows, dtype=torch.float32)[:, None] - apex_y
    offset = (torch.atan2(x, y) - rng.uniform(-0.5, 0.5)) / rng.uniform(0.03, 0.12)
    depth = torch.sigmoid((y + apex_y - rng.uniform(0, 0.6) * rows) / 4)
    return (1 - rng.uniform(0.4, 0.9) * torch.exp(-(offset**2)) * depth)[None]


def standardize(image: torch.Tensor) -> torch.Tensor:
    """The network's input for values of 0..1."""
    return (image - MEAN) / SD
