"""The worst of the kept-out cases as pictures: the scan with its truth, and with what was found, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from fetalseg.io.atomic import make_folder, write_png
from fetalseg.report.ink import CYAN, YELLOW, font_of

#: Where the pictures lie in a training's folder, and how many there are an epoch.
FOLDER = "cases"
COUNT = 4
_WIDTH, _STRIP, _GAP = 384, 22, 4
# Someone may still look at the last epoch's pictures when the next one's are there.
_EPOCHS_KEPT = 2


@dataclass(frozen=True)
class Case:
    """A kept-out picture, or the slice of a volume with most to find.

    Parameters
    ----------
    dice : float
        Of the picture, or of the whole volume.
    image : ndarray of float32, shape (rows, columns)
    truth, found : ndarray of bool, same shape
    """

    dice: float
    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]

    @classmethod
    def of(cls, dice: float, image: torch.Tensor, target: torch.Tensor, logits: torch.Tensor) -> Case:
        """Take a case out of a batch: tensors of shape (1, [slices,] rows, columns)."""
        planes: list[NDArray[Any]] = [t[0].float().cpu().numpy() for t in (image, target, logits)]
        if planes[0].ndim == 3:
            fullest = int((planes[1] > 0.5).sum(axis=(1, 2)).argmax())
            planes = [p[fullest] for p in planes]
        return cls(dice, planes[0], planes[1] > 0.5, planes[2] > 0)


class Worst:
    """Gathers the cases with the smallest Dice."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def offer(self, dice: float, image: torch.Tensor, target: torch.Tensor, logits: torch.Tensor) -> None:
        """Keep a case if it is among the worst so far."""
        if len(self.cases) < COUNT or dice < self.cases[-1].dice:
            self.cases = sorted([*self.cases, Case.of(dice, image, target, logits)], key=lambda c: c.dice)[:COUNT]


def write(folder: Path, epoch: int, cases: list[Case]) -> list[str]:
    """Write an epoch's pictures, take away those of long ago, and return their paths relative to the folder.

    Raises
    ------
    OutputError
    """
    place = make_folder(folder / FOLDER)
    names = [f"epoch_{epoch:04}_{number}.png" for number in range(1, len(cases) + 1)]
    for name, case in zip(names, cases, strict=True):
        write_png(place / name, picture(case))
    for old in place.glob("epoch_*.png"):
        number = old.stem.split("_")[1]
        if number.isdigit() and not epoch - _EPOCHS_KEPT < int(number) <= epoch:
            old.unlink(missing_ok=True)
    return [f"{FOLDER}/{name}" for name in names]


def picture(case: Case) -> NDArray[np.uint8]:
    """Draw a case: left with its truth in yellow, right with what was found in cyan; shape (rows, columns, 3)."""
    rows, columns = case.image.shape
    height = round(rows * _WIDTH / columns)
    low, high = np.percentile(case.image, (0.5, 99.8))
    grey = np.clip((case.image - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
    shown = Image.fromarray(grey).resize((_WIDTH, height), Image.Resampling.BICUBIC)
    whole = Image.new("RGB", (2 * _WIDTH + _GAP, height + _STRIP), (255, 255, 255))
    draw = ImageDraw.Draw(whole)
    for left, mask, colour, words in (
        (0, case.truth, YELLOW, "truth"),
        (_WIDTH + _GAP, case.found, CYAN, f"found · Dice {100 * case.dice:.1f} %"),
    ):
        half = shown.convert("RGB")
        half.paste(colour, (0, 0), Image.fromarray(_edge(mask, (_WIDTH, height))))
        whole.paste(half, (left, 0))
        draw.text((left + 6, height + _STRIP // 2), words, (24, 26, 30), font_of(14), anchor="lm")
    return np.asarray(whole)


def _edge(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A line of two pixels inside the mask's edge, at the picture's size."""
    large = np.asarray(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).resize(size, Image.Resampling.BILINEAR))
    inside = large > 127
    return ((inside & ~ndimage.binary_erosion(inside, iterations=2)) * np.uint8(255)).astype(np.uint8)
