"""``fetalseg evaluate``."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command, add_model_options, progress_bar, segment_settings
from fetalseg.dataset.items import Item
from fetalseg.dataset.split import Split
from fetalseg.errors import SettingsError

_Kept = TypeVar("_Kept", "Item", "Volume")

if TYPE_CHECKING:
    from fetalseg.dataset.lgg import Volume
    from fetalseg.evaluation.figures import Summary
    from fetalseg.models.catalogue import Model


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "evaluate",
        run,
        "Measure how good a model is on annotated pictures (DSC, HD, ADF, DF) or volumes (Dice), with 95 % intervals.",
        "examples:\n"
        "  fetalseg evaluate hc18/ --model my-model/ --part report       the exams kept out of its training\n"
        "  fetalseg evaluate hc18/ --model my-model/ --calibrate         set the outline's level in the card\n"
        "  fetalseg evaluate hc18/ --results results/measurements.csv    score a run of 'fetalseg segment'",
    )
    made.add_argument(
        "data", type=Path, help="annotated pictures in HC18's layout (or, with --without-head, any pictures)"
    )
    add_model_options(made)
    made.add_argument(
        "--results", type=Path, metavar="CSV", help="score this measurements.csv instead of running a model"
    )
    made.add_argument(
        "--part",
        choices=["all", "train", "calibrate", "report"],
        default="all",
        help="part of the model's split.csv (default: %(default)s)",
    )
    made.add_argument("--split", type=Path, metavar="CSV", help="a split.csv (default: the one in the model's folder)")
    made.add_argument("--out", type=Path, metavar="DIR", help="gets figures.json and scores.csv")
    made.add_argument(
        "--calibrate", action="store_true", help="set level and intervals of the model's card on the part 'calibrate'"
    )
    made.add_argument(
        "--without-head",
        action="store_true",
        help="the pictures hold no head: count how many are accepted all the same",
    )
    made.add_argument("--write-card", action="store_true", help="write the figures into the model's card")


def run(given: argparse.Namespace) -> int:
    """Evaluate or calibrate."""
    from fetalseg.dataset import sources
    from fetalseg.evaluation import run as evaluation
    from fetalseg.evaluation.figures import summarize
    from fetalseg.models import catalogue

    model = catalogue.find(given.task, given.model)
    if given.task == "tumour":
        return _volumes(model, given)
    if given.without_head:
        return _without_head(model, given)
    items, _ = sources.heads(given.data)
    split = given.split or model.folder / "split.csv"
    if given.calibrate:
        return _calibrate(model, _part(items, "calibrate", split), given)
    items = _part(items, given.part, split)
    if given.results:
        scores = evaluation.score_table(items, given.results)
    else:
        with progress_bar("evaluate") as progress:
            scores = evaluation.score_model(items, segment_settings(given), progress)
    summary = summarize(scores)
    on = f"{given.data.name}, {given.part}: {summary.n} pictures of {len({s.group for s in scores})} exams"
    _print(on, summary)
    if given.out:
        evaluation.write(given.out, scores, summary, {"on": on, "model": model.card.name, "sha256": model.card.sha256})
    if given.write_card:
        _write_figures(model, given.data.name if given.part == "all" else given.part, {"on": on, **asdict(summary)})
    return 0


def _print(on: str, summary: Summary) -> None:
    print(on)
    for name, value, unit, digits in (
        ("DSC", "dsc", "%", 2),
        ("HD", "hd_mm", "mm", 3),
        ("ADF", "adf_mm", "mm", 3),
        ("DF", "df_mm", "mm", 3),
    ):
        low, high = summary.intervals[value]
        print(f"  {name:<4} {getattr(summary, value):8.{digits}f} {unit:<3} (95 % {low:.2f} to {high:.2f})")
    print(f"  off by more than 10 mm: {summary.over_10mm}, of them without a flag: {len(summary.over_10mm_unflagged)}")
    print(f"  nothing found: {summary.missing}; flagged: {100 * summary.flagged:.1f} %")
    print(f"  worst: {summary.worst} (DSC {summary.worst_dsc:.2f} %)")
    print(RESEARCH)


def _write_figures(model: Model, name: str, figures: dict[str, object]) -> None:
    from fetalseg.models import weights

    card = replace(model.card, figures={**model.card.figures, name: figures})
    card.write(model.folder / weights.CARD)


def _without_head(model: Model, given: argparse.Namespace) -> int:
    """Count how pictures that hold no head are answered."""
    from fetalseg.dataset import hc18
    from fetalseg.evaluation import run as evaluation

    with progress_bar("evaluate") as progress:
        counts = evaluation.states(hc18.negatives(given.data), segment_settings(given), progress)
    on = f"{given.data.name}: {sum(counts.values())} pictures without a head"
    print(f"{on}: " + ", ".join(f"{number} {state}" for state, number in counts.items()))
    print(RESEARCH)
    if given.write_card:
        _write_figures(model, f"{given.data.name} without head", {"on": on, **counts})
    return 0


def _calibrate(model: Model, items: list[Item], given: argparse.Namespace) -> int:
    from fetalseg.evaluation import run as evaluation
    from fetalseg.models import weights

    with progress_bar("calibrate") as progress:
        card, tried = evaluation.calibrated(model.card, items, segment_settings(given), progress)
    for tested, s in tried.items():
        print(f"  level {tested:.2f}: DSC {s.dsc:.2f} %  HD {s.hd_mm:.3f}  ADF {s.adf_mm:.2f}  DF {s.df_mm:+.2f} mm")
    card.write(model.folder / weights.CARD)
    print(f"level {card.level} and the intervals {card.intervals} are in the card")
    return 0


def _volumes(model: Model, given: argparse.Namespace) -> int:
    """Evaluate or calibrate on volumes."""
    from fetalseg.dataset import sources
    from fetalseg.evaluation import volumes as evaluation
    from fetalseg.models import weights

    part = "calibrate" if given.calibrate else given.part
    items = _part(sources.volumes(given.data), part, given.split or model.folder / "split.csv")
    with progress_bar("evaluate") as progress:
        scores = evaluation.score_model(items, segment_settings(given), progress)
    summary = evaluation.summarize(scores)
    on = f"{given.data.name}, {part}: {summary.n} volumes of {len({s.group for s in scores})} patients"
    print(on)
    for label, name in (("mean", "dice"), ("median", "dice_median")):
        low, high = summary.intervals[name]
        print(f"  Dice {label:<7} {getattr(summary, name):6.2f} %  (95 % {low:.2f} to {high:.2f})")
    print(f"  worst: {summary.worst} (Dice {summary.worst_dice:.2f} %)")
    print(
        f"  tumour called on {summary.false_slices:.2f} % of the slices without; flagged: {100 * summary.flagged:.1f} %"
    )
    if summary.confidence_rank is not None:
        print(f"  confidence and Dice: rank correlation {summary.confidence_rank:.2f}")
    print(RESEARCH)
    if given.out:
        evaluation.write(given.out, scores, summary, {"on": on, "model": model.card.name, "sha256": model.card.sha256})
    if given.calibrate:
        card = replace(model.card, intervals=evaluation.volume_interval(scores))
        card.write(model.folder / weights.CARD)
        print(f"the interval of the volume, {card.intervals}, is in the card")
    elif given.write_card:
        _write_figures(model, given.data.name if part == "all" else part, {"on": on, **asdict(summary)})
    return 0


def _part(items: list[_Kept], part: str, split: Path) -> list[_Kept]:
    if part == "all":
        return items
    if not split.exists():
        raise SettingsError(f"--part {part} needs the split.csv of the model's training; {split} is not there.")
    parts = Split.read(split).parts_of(items)
    chosen = [item for item in items if parts.get(item.name) == part]
    if not chosen:
        raise SettingsError(f"No picture of this folder is in the part '{part}' of {split.name}.")
    return chosen
