"""Whether correcting and training on pays, and whether it matters which scans are corrected first.

A U-Net is trained on small heads only (the weakened start). It meets a hospital with larger ones: of those that it
never saw, some are corrected and it is trained on with them, chosen at random or those that it is least sure of. An
annotation of the data set stands for a correction. DSC and ADF are measured on exams of every size that no network
trained on, before and after. Networks are small and trainings short: the differences count, not the level.

    python benchmarks/fine_tuning.py --data hc18/ --out fine_tuning/

Stopped at any moment, the same command goes on. Writes fine_tuning.csv and fine_tuning.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from fetalseg.dataset import hc18
from fetalseg.dataset.items import Item, split
from fetalseg.dataset.split import Split
from fetalseg.evaluation.figures import Score, resampled, summarize
from fetalseg.evaluation.run import score_model
from fetalseg.io.atomic import write_text
from fetalseg.io.registry import read
from fetalseg.models import catalogue
from fetalseg.pipeline import Pipeline
from fetalseg.settings import HeadTrainSettings, SegmentSettings
from fetalseg.training.run import train

SEED = 7
WAYS = ("random", "uncertain")
_EPOCHS = 5


def main() -> None:
    options = _options()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    asked = {k: v for k, v in vars(options).items() if k not in ("out", "data", "threads")}
    _same_as_before(out / "settings.json", asked)
    items = hc18.read(options.data)
    parts = split(items, 0.2, SEED)
    kept = [i for i in items if parts[i.name] != "train"][: options.limit]
    taught = [i for i in items if parts[i.name] == "train"]
    small = [i for i in taught if i.hc_mm < options.small_mm][: options.limit]
    pool = [i for i in taught if i.hc_mm >= options.small_mm][: options.limit]
    say(
        f"start: {len(small)} heads under {options.small_mm:g} mm; pool: {len(pool)} larger ones; kept out: {len(kept)}"
    )

    trained(options, "start", small, options.start_steps, None)
    measured = {"start": scored(out, "start", kept)}
    order = {"uncertain": [least_sure(out, pool)] * options.seeds}
    order["random"] = [
        [pool[k] for k in np.random.default_rng([SEED, s]).permutation(len(pool))] for s in range(options.seeds)
    ]
    for size in options.sizes:
        for way in WAYS:
            for number in range(options.seeds):
                name = f"{size}_{way}_{number + 1}"
                trained(options, name, order[way][number][:size], options.steps, number)
                measured[name] = scored(out, name, kept)
    _write_table(out, measured, options, {"start": len(small), "pool": len(pool), "kept": len(kept)})
    print((out / "fine_tuning.md").read_text(encoding="utf-8"))


def _options() -> argparse.Namespace:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--data", type=Path, required=True, help="HC18's training set")
    given.add_argument("--out", type=Path, required=True)
    given.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100], help="numbers of corrections")
    given.add_argument("--seeds", type=int, default=2, help="trainings a size and way")
    given.add_argument("--start-steps", type=int, default=400)
    given.add_argument("--steps", type=int, default=150, help="steps of a fine-tuning, whatever its size")
    given.add_argument("--rows", type=int, default=96)
    given.add_argument("--columns", type=int, default=160)
    given.add_argument("--small-mm", type=float, default=150.0)
    given.add_argument("--limit", type=int, help="at most so many scans of each part, to try it out")
    given.add_argument("--threads", type=int, default=1)
    return given.parse_args()


def _same_as_before(path: Path, asked: dict[str, object]) -> None:
    """Keep what was asked for; a folder holds one experiment."""
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(asked)):
        raise SystemExit(
            f"{path.parent} holds an experiment with other settings (settings.json); choose another --out."
        )
    write_text(path, json.dumps(asked, indent=2) + "\n")


def trained(options: argparse.Namespace, name: str, items: Sequence[Item], steps: int, number: int | None) -> None:
    """Train the start, or with a number train on from it, unless that is done."""
    folder = options.out / name
    if (folder / "card.json").exists():
        return
    began = time.monotonic()
    Split({i.name: (i.group, "train") for i in items}).write(options.out / f"{name}.split.csv")
    # Each head is shown so often an epoch that every training has the same number of steps.
    repeats = max(1, round(steps / _EPOCHS * 8 * 0.92 / len(items)))
    settings = HeadTrainSettings(
        input_rows=options.rows,
        input_columns=options.columns,
        epochs=_EPOCHS,
        small_head_repeats=repeats,
        small_head_mm=1e6,
        precision="float32",
        seed=SEED + (number or 0),
        # Training on starts from what is known: a lower peak disturbs it less.
        learning_rate=2e-3 if number is None else 5e-4,
    )
    start = None if number is None else catalogue.at(options.out / "start")
    train(options.data, folder, settings, start=start, split=options.out / f"{name}.split.csv")
    (folder / "checkpoint.safetensors").unlink()  # a hundred megabytes each, and done with
    say(f"{name}: trained on {len(items)} in {time.monotonic() - began:.0f} s")


def scored(out: Path, name: str, kept: Sequence[Item]) -> list[Score]:
    """Measure a network on the kept-out exams, or read what was measured."""
    path = out / f"{name}.scores.json"
    if not path.exists():
        scores = score_model(kept, _with(out, name))
        write_text(path, json.dumps([asdict(s) for s in scores]))
        summary = summarize(scores, resamples=200)
        say(f"{name}: DSC {summary.dsc:.2f} %, ADF {summary.adf_mm:.2f} mm, not found {summary.missing}")
    return [Score(**{**s, "flags": tuple(s["flags"])}) for s in json.loads(path.read_text(encoding="utf-8"))]


def least_sure(out: Path, pool: Sequence[Item]) -> list[Item]:
    """Return the pool with what the start is least sure of first; nothing found is the least sure."""
    path = out / "confidence.json"
    if not path.exists():
        pipeline, found = Pipeline.load(_with(out, "start")), {}
        for item in pool:
            (result,) = pipeline.segment(read(item.path, name=item.name, spacing=item.spacing))
            found[item.name] = result.measurement.confidence or 0.0
        write_text(path, json.dumps(found))
        say(f"confidence of {len(found)} in the pool: median {np.median(list(found.values())):.2f}")
    confidence = json.loads(path.read_text(encoding="utf-8"))
    return sorted(pool, key=lambda item: confidence[item.name])


def _with(out: Path, name: str) -> SegmentSettings:
    return SegmentSettings(model=str(out / name), device="cpu")


def _write_table(out: Path, measured: dict[str, list[Score]], options: argparse.Namespace, n: dict[str, int]) -> None:
    rows = [_row("none (start)", "", [measured["start"]], measured["start"])]
    for size in options.sizes:
        for way in WAYS:
            runs = [measured[f"{size}_{way}_{k + 1}"] for k in range(options.seeds)]
            rows.append(_row(str(size), way, runs, measured["start"]))
    with (out / "fine_tuning.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = [
        "# Fine-tuning on corrections",
        "",
        f"Start: a U-Net at {options.rows} x {options.columns} trained on {n['start']} heads under "
        f"{options.small_mm:g} mm. Corrected are larger heads, of {n['pool']}. Measured on {n['kept']} kept-out "
        f"pictures of {len({s.group for s in measured['start']})} exams of every size. Means of {options.seeds} "
        f"trainings of about {options.steps} steps each; in brackets the 95 % range over resampled exams.",
        "",
        "| corrections | chosen | DSC % | ADF mm | gain in DSC over the start | not found |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r['corrections']} | {r['chosen']} | {r['dsc']} | {r['adf_mm']} | {_range(r)} | {r['missing']} |"
            for r in rows
        ),
        "",
        "By uncertainty minus at random, on the same kept-out pictures:",
        "",
        *(_versus(size, measured, options.seeds) for size in options.sizes),
        "",
    ]
    write_text(out / "fine_tuning.md", "\n".join(lines))


def _row(corrections: str, way: str, runs: Sequence[list[Score]], start: list[Score]) -> dict[str, object]:
    gain, low, high = _difference(runs, [start])
    off = [abs(s.df_mm) for scores in runs for s in scores if s.df_mm is not None]
    return {
        "corrections": corrections,
        "chosen": way or "—",
        "dsc": f"{_dsc(runs).mean():.2f}",
        "adf_mm": f"{np.mean(off):.2f}" if off else "—",
        "gain": f"{gain:+.2f}",
        "gain_low": f"{low:+.2f}",
        "gain_high": f"{high:+.2f}",
        "missing": round(float(np.mean([sum(s.df_mm is None for s in scores) for scores in runs])), 1),
    }


def _range(row: dict[str, object]) -> str:
    return f"{row['gain']} ({row['gain_low']} to {row['gain_high']})" if row["chosen"] != "—" else "—"


def _versus(size: int, measured: dict[str, list[Score]], seeds: int) -> str:
    runs = {way: [measured[f"{size}_{way}_{k + 1}"] for k in range(seeds)] for way in WAYS}
    mean, low, high = _difference(runs["uncertain"], runs["random"])
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference that this shows"
    return f"- {size} corrections: {mean:+.2f} % DSC (95 % {low:+.2f} to {high:+.2f}): {verdict}."


def _difference(runs: Sequence[list[Score]], others: Sequence[list[Score]]) -> tuple[float, float, float]:
    """Mean difference of DSC, picture by picture, and its range over resampled exams."""
    difference = _dsc(runs).mean(axis=0) - _dsc(others).mean(axis=0)
    means = [difference[k].mean() for k in resampled([s.group for s in runs[0]], 2000, SEED)]
    return float(difference.mean()), *(float(v) for v in np.percentile(means, [2.5, 97.5]))


def _dsc(runs: Sequence[list[Score]]) -> np.ndarray:
    return np.array([[s.dsc for s in scores] for scores in runs])


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
