"""Score tumour masks by patient: Dice of the volume, and slices without tumour on which one was called.

References
----------
Buda M, Saha A, Mazurowski MA. Comput Biol Med 2019;109:218-225. doi:10.1016/j.compbiomed.2019.05.002
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg.dataset.lgg import Volume
from fetalseg.evaluation.figures import resampled, write_summary
from fetalseg.pipeline import Pipeline
from fetalseg.result import State
from fetalseg.settings import SegmentSettings

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class VolumeScore:
    """How one volume's mask compares with the annotated one.

    Parameters
    ----------
    name, group : str
        Volume and patient.
    dice : float
        Percent, over the whole volume.
    truth_voxels, found_voxels : int
    free_slices, false_slices : int
        Slices without tumour, and those of them on which one was called.
    confidence : float or None
    flags : tuple of str
    """

    name: str
    group: str
    dice: float
    truth_voxels: int
    found_voxels: int
    free_slices: int
    false_slices: int
    confidence: float | None
    flags: tuple[str, ...]


def compare(
    volume: Volume,
    found: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    confidence: float | None = None,
    flags: tuple[str, ...] = (),
) -> VolumeScore:
    """Compare two masks of shape (slices, rows, columns)."""
    free = ~truth.any(axis=(1, 2))
    total = int(found.sum()) + int(truth.sum())
    return VolumeScore(
        name=volume.name,
        group=volume.group,
        dice=200.0 * int((found & truth).sum()) / max(1, total),
        truth_voxels=int(truth.sum()),
        found_voxels=int(found.sum()),
        free_slices=int(free.sum()),
        false_slices=int((found.any(axis=(1, 2)) & free).sum()),
        confidence=confidence,
        flags=flags,
    )


def score_model(
    volumes: Sequence[Volume], settings: SegmentSettings, progress: Progress = lambda done, total, text: None
) -> list[VolumeScore]:
    """Run the pipeline on annotated volumes and score each."""
    pipeline = Pipeline.load(settings)
    scores = []
    for done, volume in enumerate(volumes):
        progress(done, len(volumes), volume.name)
        scan, truth = volume.read()
        (result,) = pipeline.segment(scan)
        measured = result.measurement
        flags = tuple(f.code for f in measured.flags if f.code != "no_spacing" and f.state is not State.ACCEPT)
        scores.append(compare(volume, result.segmentation.mask > 0, truth, measured.confidence, flags))
    progress(len(volumes), len(volumes), "scored")
    return scores


@dataclass(frozen=True)
class VolumeSummary:
    """Figures over many volumes; each interval is the 95 % range over resampled patients.

    `confidence_rank` is Spearman's correlation of confidence and Dice: 1 where the confidence ranks the errors.
    """

    n: int
    dice: float
    dice_median: float
    worst: str
    worst_dice: float
    false_slices: float
    flagged: float
    confidence_rank: float | None
    intervals: dict[str, tuple[float, float]]


def summarize(scores: Sequence[VolumeScore], *, resamples: int = 2000, seed: int = 0) -> VolumeSummary:
    """Return mean and median Dice, the worst case and the share of tumour-free slices called (percent)."""
    dice = np.array([s.dice for s in scores])
    drawn = resampled([s.group for s in scores], resamples, seed)
    intervals = {}
    for name, values in {
        "dice": [dice[i].mean() for i in drawn],
        "dice_median": [float(np.median(dice[i])) for i in drawn],
    }.items():
        low, high = np.percentile(values, [2.5, 97.5])
        intervals[name] = (round(float(low), 2), round(float(high), 2))
    worst = min(scores, key=lambda s: s.dice)
    return VolumeSummary(
        n=len(scores),
        dice=float(dice.mean()),
        dice_median=float(np.median(dice)),
        worst=worst.name,
        worst_dice=worst.dice,
        false_slices=100.0 * sum(s.false_slices for s in scores) / max(1, sum(s.free_slices for s in scores)),
        flagged=sum(bool(s.flags) for s in scores) / len(scores),
        confidence_rank=_rank([(s.confidence, s.dice) for s in scores if s.confidence is not None]),
        intervals=intervals,
    )


def _rank(pairs: Sequence[tuple[float, float]]) -> float | None:
    from scipy.stats import spearmanr

    values = np.array(pairs, float).reshape(-1, 2)
    if len(values) < 5 or (np.ptp(values, axis=0) == 0).any():
        return None
    return round(float(spearmanr(values[:, 0], values[:, 1]).statistic), 2)


def volume_interval(scores: Sequence[VolumeScore]) -> tuple[tuple[float, float], ...]:
    """Return the half-width of the volume's 95 % range as a share of it: 1.96 root mean squares of the errors.

    The errors are relative to what was measured, as a person sees it. Few patients make a rough figure.
    """
    errors = [s.truth_voxels / s.found_voxels - 1 for s in scores if s.found_voxels]
    if len(errors) < 5:
        return ()
    return ((0.0, round(min(0.95, 1.96 * float(np.sqrt(np.mean(np.square(errors))))), 3)),)


def write(folder: Path, scores: Sequence[VolumeScore], summary: VolumeSummary, about: dict[str, object]) -> None:
    """Write ``figures.json`` and ``scores.csv``."""
    write_summary(folder, summary, about)
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(asdict(scores[0])))
        writer.writeheader()
        writer.writerows(asdict(s) | {"flags": ";".join(s.flags)} for s in scores)
