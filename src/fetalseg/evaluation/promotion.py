"""Whether a new model is better than the old one, on exams that the new one never saw.

Both segment the same kept-out scans; their Dice is compared scan by scan. The interval is the 95 % range of the mean
difference over resampled exams (or patients), since scans of one exam are alike.

A new model is better, and may become the default, where the mean difference is above 0 and the interval's low end is
not below 0, on at least `FEWEST_GROUPS` exams: fewer can't tell.

References
----------
Efron B, Tibshirani RJ. An introduction to the bootstrap. 1993, chapters 8 and 13.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fetalseg.dataset import sources
from fetalseg.dataset import split as splits
from fetalseg.dataset.items import Item
from fetalseg.dataset.lgg import Volume
from fetalseg.dataset.split import Split
from fetalseg.errors import DatasetError, ModelError
from fetalseg.evaluation.figures import resampled
from fetalseg.models import catalogue, installed
from fetalseg.models.catalogue import Model
from fetalseg.settings import Device, SegmentSettings

Progress = Callable[[int, int, str], None]

#: Exams or patients below which no model is called better.
FEWEST_GROUPS = 5
_RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """An old and a new model on the same kept-out scans.

    Parameters
    ----------
    task : str
    old, new, old_sha256, new_sha256 : str
        Names of the models and hashes of their weights.
    scans, groups : int
        Number of scans, and of exams or patients.
    old_dice, new_dice : float
        Mean Dice in percent (of a head its DSC); 0 where nothing was found.
    difference, low, high : float
        Mean of new minus old, scan by scan, and its 95 % range.
    old_adf_mm, new_adf_mm : float or None
        Mean absolute difference of HC, of heads found.
    doubt : str
        A sentence where the old model may have been trained on these scans; else empty.
    """

    task: str
    old: str
    new: str
    old_sha256: str
    new_sha256: str
    scans: int
    groups: int
    old_dice: float
    new_dice: float
    difference: float
    low: float
    high: float
    old_adf_mm: float | None = None
    new_adf_mm: float | None = None
    doubt: str = ""

    @property
    def better(self) -> bool:
        """Whether the new model may become the default."""
        return self.groups >= FEWEST_GROUPS and self.difference > 0 and self.low >= 0

    @property
    def sentence(self) -> str:
        """What was found, and what follows."""
        unit = "exams" if self.task == "head" else "patients"
        told = (
            f"Old {self.old_dice:.2f} % → new {self.new_dice:.2f} % ({self.difference:+.2f}, 95 % {self.low:+.2f} to "
            f"{self.high:+.2f}, {self.groups} kept-out {unit})"
        )
        if self.better:
            return f"{told}: the new model is better."
        if self.groups < FEWEST_GROUPS:
            return f"{told}: {self.groups} {unit} are too few to tell, at least {FEWEST_GROUPS} are needed."
        if self.difference <= 0:
            return f"{told}: the new model is not better."
        return f"{told}: that may be chance, the new model is not called better."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as a card and ``--json`` hold them."""
        return {**asdict(self), "better": self.better, "sentence": self.sentence}


def compare(
    old: Model,
    new: Model,
    data: Path,
    *,
    device: Device = "auto",
    seed: int = 0,
    progress: Progress = lambda done, total, text: None,
) -> Comparison:
    """Compare two models on the scans that the new one's ``split.csv`` keeps out of training.

    Parameters
    ----------
    data : Path
        What the new model was trained on (see `dataset.sources`).

    Raises
    ------
    ModelError
        If they are for different tasks.
    DatasetError
        If it is not known what the new model was trained on, or nothing was kept out.
    """
    if old.card.task != new.card.task:
        raise ModelError(
            f"'{old.card.name}' is for the task '{old.card.task}', '{new.card.name}' for '{new.card.task}': they can't "
            "be compared."
        )
    items = kept_out(new, data)
    task = new.card.task
    scores = []
    for number, model in enumerate((old, new)):
        settings = SegmentSettings(task=task, model=str(model.folder), device=device)

        def both(done: int, total: int, text: str, before: int = number) -> None:
            progress(before * total + done, 2 * total, text)

        scores.append(_scores(items, settings, both))
    return _compared(old, new, items, scores, seed)


def kept_out(model: Model, data: Path) -> list[Any]:
    """Return the annotated scans of a data set that a model was not trained on. Raises `DatasetError`."""
    path = model.folder / splits.NAME
    if not path.exists():
        raise DatasetError(
            f"It is not known which scans '{model.card.name}' was trained on: {path} is missing. Models are compared "
            "on scans that the new one never saw."
        )
    split = Split.read(path)
    found: Sequence[Any] = sources.heads(data)[0] if model.card.task == "head" else sources.volumes(data)
    parts = split.parts_of(found)
    seen = split.groups("train")
    kept = [item for item in found if parts.get(item.name) in ("calibrate", "report") and item.group not in seen]
    if not kept:
        raise DatasetError(
            f"{data} holds no annotated scan that '{model.card.name}' kept out of its training; train it with "
            "--kept-out above 0."
        )
    return kept


def promote(model: Model, comparison: Comparison | None, *, override: str = "", who: str = "") -> Model:
    """Make an installed model its task's default if it was found better, or on a person's word.

    The card tells which of the two, with the comparison. `who` is the computer's user where it is not given.

    Raises
    ------
    ModelError
        If it was not found better than the default and no reason is given in spite of that, or if it was compared with
        another model than the default, or is not what was compared.
    """
    if comparison is not None:
        before = catalogue.find(model.card.task)
        if (comparison.old_sha256, comparison.new_sha256) != (before.card.sha256, model.card.sha256):
            raise ModelError(
                f"'{model.card.name}' was not compared with the present default, '{before.card.name}'; compare anew."
            )
    return installed.set_default(
        model,
        comparison=comparison.to_dict() if comparison else None,
        override=override,
        who=who or _user(),
    )


def _scores(items: Sequence[Item | Volume], settings: SegmentSettings, progress: Progress) -> list[Any]:
    from fetalseg.evaluation import run, volumes

    score_model: Callable[..., list[Any]] = run.score_model if settings.task == "head" else volumes.score_model
    return score_model(items, settings, progress)


def _compared(old: Model, new: Model, items: Sequence[Any], scores: list[list[Any]], seed: int) -> Comparison:
    head = new.card.task == "head"
    dice = np.array([[s.dsc if head else s.dice for s in of_model] for of_model in scores])
    difference = dice[1] - dice[0]
    names = [item.group for item in items]
    means = [difference[drawn].mean() for drawn in resampled(names, _RESAMPLES, seed)]
    low, high = np.percentile(means, [2.5, 97.5])
    adf: list[float | None] = [None, None]
    if head:
        for number, of_model in enumerate(scores):
            found = [abs(s.df_mm) for s in of_model if s.df_mm is not None]
            adf[number] = float(np.mean(found)) if found else None
    return Comparison(
        task=new.card.task,
        old=old.card.name,
        new=new.card.name,
        old_sha256=old.card.sha256,
        new_sha256=new.card.sha256,
        scans=len(items),
        groups=len(set(names)),
        old_dice=float(dice[0].mean()),
        new_dice=float(dice[1].mean()),
        difference=float(difference.mean()),
        low=float(low),
        high=float(high),
        old_adf_mm=adf[0],
        new_adf_mm=adf[1],
        doubt=_doubt(old, new, set(names)),
    )


def _doubt(old: Model, new: Model, kept: set[str]) -> str:
    """The sentence on what the old model may have seen of these exams."""
    path = old.folder / splits.NAME
    through = ""
    for key, how in (("started_from", "started from it"), ("taught_by", "was taught by it")):
        if new.card.training.get(key, {}).get("sha256") == old.card.sha256:
            through = f" So may the new one through it, which {how}."
    if not path.exists():
        return (
            f"'{old.card.name}' may have been trained on some of these exams: what it saw is not known here.{through}"
        )
    seen = sorted(Split.read(path).groups("train") & kept)
    if not seen:
        return ""
    return f"'{old.card.name}' was trained on {len(seen)} of these {len(kept)} exams, such as '{seen[0]}'.{through}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user on this computer
        return ""
