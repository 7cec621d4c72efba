"""What the Train dock says of a training, in sentences. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_fetalseg.train.progress import Phase, Progress, Training

_DEVICES = {"cpu": "CPU", "cuda": "CUDA", "mps": "Apple GPU"}


def span(seconds: float) -> str:
    """Return a time that a person waits: ``4.2 s``, ``40 s``, ``12 min``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def bar(training: Training) -> str:
    """Return the words under the progress bar."""
    progress = training.progress
    if training.phase is Phase.PREPARING:
        return "Reading the data …"
    words = [f"epoch {min(len(progress.rows) + 1, progress.epochs)} of {progress.epochs}"]
    if training.asked == "pause":
        return " · ".join(["paused", *words])
    if training.asked == "stop":
        return " · ".join(["stopping", *words])
    if progress.rows and progress.rows[-1].get("seconds"):
        words.append(f"{span(progress.rows[-1]['seconds'])} each")
    left = progress.seconds_left()
    if left is not None:
        words.append(f"{span(left)} left")
    return " · ".join(words)


def status(training: Training) -> str:
    """Return the standing line: device, model, data."""
    about = training.progress.about
    start, name, data = (training.given(option) for option in ("--from", "--name", "--data"))
    words = [f"{name or training.folder.name} from {Path(start).name}" if start else name or training.folder.name]
    if about:
        words.insert(0, _DEVICES.get(about["device"], str(about["device"])))
        words.append(counts(about.get("counts", {})))
        words.append(f"batches of {about['batch_size']} · seed {about['seed']}")
    words.append(Path(data).name if data else "")
    return " · ".join(word for word in words if word)


def counts(found: dict[str, Any]) -> str:
    """Return how much trains and how much is kept out."""
    for items, groups in (("pictures", "exams"), ("volumes", "patients")):
        if items in found:
            return (
                f"{found[items]} {items} of {found.get(groups, '?')} {groups} train, "
                f"{found.get(f'kept_out_{groups}', '?')} {groups} kept out"
            )
    return ""


def ended(training: Training) -> str:
    """Return how a training ended, and what to do next; nothing while it runs."""
    progress = training.progress
    done, asked = len(progress.rows), progress.epochs
    if training.phase is Phase.DONE:
        begun = {
            "done": f"Trained for {done} epochs.",
            "stopped": f"Stopped after {done} of {asked} epochs.",
            "early": f"Ended early after {done} of {asked} epochs: it got no better.",
        }
        return f"{begun.get(progress.reason, 'Ended.')} {best(progress)}".strip()
    if training.phase is Phase.FAILED:
        return progress.error
    if training.phase is Phase.DIED:
        where = f"in epoch {done + 1} of {asked}" if asked else "before it had begun"
        kept = "Go on starts after the last whole epoch; nothing before is lost." if done else "Go on starts it anew."
        return (
            f"The training's process ended {where} without saying why: it was killed, or the computer went off. {kept}"
        )
    return ""


def best(progress: Progress) -> str:
    """Return which epoch was the best, by the validation."""
    row = next((row for row in progress.rows if row["epoch"] == progress.best), None)
    dice = row.get("validation_dice") if row is not None else None
    return f"Best after epoch {progress.best}: validation Dice {100 * dice:.1f} %." if dice is not None else ""
