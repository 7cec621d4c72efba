"""Score a run against annotations, and calibrate a model on exams kept out of its training."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fetalseg.dataset.items import Item
from fetalseg.errors import DatasetError
from fetalseg.evaluation.figures import Score, Summary, compare, summarize, write_summary
from fetalseg.io.registry import read
from fetalseg.models.card import Card
from fetalseg.pipeline import Pipeline
from fetalseg.quality import known_flag, worst
from fetalseg.result import Ellipse, Measurement, State
from fetalseg.settings import SegmentSettings

Progress = Callable[[int, int, str], None]

#: Levels that `calibrate` tries.
LEVELS = (0.35, 0.40, 0.45, 0.50, 0.55, 0.60)


def score(item: Item, measurement: Measurement) -> Score:
    """Compare one picture's measurement with its annotation."""
    if item.truth is None or item.spacing is None or item.hc_mm is None:
        raise DatasetError(f"{item.name} has no annotation to compare with.")
    flags = tuple(f.code for f in measurement.flags)
    hc = measurement.values.get("hc_mm")
    if measurement.ellipse is None or hc is None:
        return Score(item.name, item.group, item.hc_mm, 0.0, None, None, measurement.confidence, flags)
    dsc, hd = compare(measurement.ellipse, item.truth, item.spacing.row_mm)
    rim = measurement.evidence.get("rim_mm")
    return Score(item.name, item.group, item.hc_mm, dsc, hd, hc - item.hc_mm, measurement.confidence, flags, rim)


def score_model(
    items: Sequence[Item], settings: SegmentSettings, progress: Progress = lambda done, total, text: None
) -> list[Score]:
    """Run the pipeline on annotated pictures and score each."""
    pipeline = Pipeline.load(settings)
    scores = []
    for done, item in enumerate(items):
        progress(done, len(items), item.name)
        (result,) = pipeline.segment(read(item.path, name=item.name, spacing=item.spacing))
        scores.append(score(item, result.measurement))
    progress(len(items), len(items), "scored")
    return scores


def states(
    items: Sequence[Item], settings: SegmentSettings, progress: Progress = lambda done, total, text: None
) -> dict[str, int]:
    """Count the answers to pictures that hold no head: how many are accepted, to check, refused.

    The doubt that every picture without a scale has is left out: it says nothing of the head.
    """
    pipeline = Pipeline.load(settings)
    counts = {str(state): 0 for state in State}
    for done, item in enumerate(items):
        progress(done, len(items), item.name)
        (result,) = pipeline.segment(read(item.path, name=item.name), frames=[0])
        counts[str(worst(f for f in result.measurement.flags if f.code != "no_spacing"))] += 1
    return counts


def score_table(items: Sequence[Item], measurements: Path) -> list[Score]:
    """Score a ``measurements.csv``; a picture that it lacks counts as not found.

    Pictures are matched by their file name.
    """
    with measurements.open(newline="", encoding="utf-8") as handle:
        rows = {row["file"].rsplit("/", 1)[-1]: row for row in reversed(list(csv.DictReader(handle)))}
    return [score(item, _measurement(rows.get(item.path.name))) for item in items]


def _measurement(row: dict[str, str] | None) -> Measurement:
    if row is None or row["status"] != "ok" or not row["ellipse_center_x_px"] or not row["hc_mm"]:
        return Measurement(values={}, flags=())
    names = ("center_x_px", "center_y_px", "semi_major_px", "semi_minor_px", "angle_deg")
    return Measurement(
        values={"hc_mm": float(row["hc_mm"])},
        ellipse=Ellipse(*(float(row[f"ellipse_{name}"]) for name in names)),
        confidence=float(row["confidence"]) if row["confidence"] else None,
        flags=tuple(known_flag(code) for code in row["flags"].split(";") if code),
    )


def calibrate(
    items: Sequence[Item], settings: SegmentSettings, progress: Progress = lambda done, total, text: None
) -> tuple[float, dict[float, Summary]]:
    """Find the outline's level at which the mean difference of HC vanishes.

    Parameters
    ----------
    items : sequence of Item
        Kept out of training, and not those that are reported on.

    Returns
    -------
    level : float
        By linear interpolation between the levels tried.
    tried : dict of level to Summary

    Raises
    ------
    DatasetError
        If no head is found at any level.
    """
    tried = {}
    for number, level in enumerate(LEVELS):
        scores = score_model(
            items,
            replace(settings, level=level),
            lambda done, total, text, n=number: progress(n * total + done, total * len(LEVELS), text),  # type: ignore[misc]
        )
        tried[level] = summarize(scores, resamples=200)
    # HC grows as the level falls.
    levels = sorted((x for x, summary in tried.items() if np.isfinite(summary.df_mm)), reverse=True)
    if not levels:
        raise DatasetError(f"No head was found in any of the {len(items)} pictures to calibrate on.")
    level = float(np.interp(0.0, [tried[x].df_mm for x in levels], levels))
    return round(level, 3), tried


def calibrated(
    card: Card,
    items: Sequence[Item],
    settings: SegmentSettings,
    progress: Progress = lambda done, total, text: None,
) -> tuple[Card, dict[float, Summary]]:
    """Return a model's card with the level, 95 % ranges and usual rim that items give, and what each level tried gave.

    Parameters
    ----------
    items : sequence of Item
        Kept out of training, and not those that are reported on.
    settings : SegmentSettings
        Name the card's model.
    """
    level, tried = calibrate(items, settings, progress)
    scores = score_model(items, replace(settings, level=level), progress)
    return replace(card, level=level, intervals=intervals(scores), rim_mm=usual_rim(scores, card.rim_mm)), tried


def usual_rim(scores: Iterable[Score], otherwise: float) -> float:
    """Return the width of the unsure rim, in mm, that one in ten heads exceeds; of fewer than 30 heads `otherwise`."""
    rims = [s.rim_mm for s in scores if s.rim_mm is not None]
    return otherwise if len(rims) < 30 else round(float(np.percentile(rims, 90)), 2)


def intervals(scores: Iterable[Score]) -> tuple[tuple[float, float], ...]:
    """Return the 95 % half-width of HC at several sizes, from the errors of kept-out pictures.

    The pictures are sorted by HC and cut into three parts of equal number; each gives its mean HC and
    1.96 times the root mean square of its differences. A part's own largest errors are not cut off.
    """
    pairs = sorted((s.hc_mm, s.df_mm) for s in scores if s.df_mm is not None)
    if len(pairs) < 30:
        return ()
    parts = np.array_split(np.array(pairs), 3)
    return tuple(
        (round(float(p[:, 0].mean()), 1), round(1.96 * float(np.sqrt((p[:, 1] ** 2).mean())), 2)) for p in parts
    )


def write(folder: Path, scores: Sequence[Score], summary: Summary, about: dict[str, object]) -> None:
    """Write ``figures.json`` and ``scores.csv``."""
    write_summary(folder, summary, about)
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "exam", "hc_mm", "dsc", "hd_mm", "df_mm", "confidence", "flags"])
        for s in scores:
            empty = ["" if v is None else f"{v:.4f}" for v in (s.dsc, s.hd_mm, s.df_mm, s.confidence)]
            writer.writerow([s.name, s.group, s.hc_mm, *empty, ";".join(s.flags)])
