"""Whether a training may go on in a folder that holds another one's checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fetalseg.dataset import split as splits
from fetalseg.dataset.split import Split
from fetalseg.errors import SettingsError
from fetalseg.settings import TrainSettings
from fetalseg.training import checkpoint

# What only the card says.
_SAID = {"version", "data_licence", "weights_licence", "limits"}
# What a training can't change on its way.
_FIXED = {"task", "arch", "parameters", "input_rows", "input_columns", "seed", "imagenet", "start", "teacher"}


def about(settings: TrainSettings, start_sha256: str | None, teacher_sha256: str | None = None) -> dict[str, Any]:
    """Return what a training is, in plain values as a checkpoint keeps them."""
    values = {k: v for k, v in settings.to_dict().items() if k not in _SAID}
    made: dict[str, Any] = json.loads(json.dumps({**values, "start": start_sha256, "teacher": teacher_sha256}))
    return made


def check(folder: Path, now: dict[str, Any], split: Split, *, resume: bool) -> list[str]:
    """Return what differs from the training whose checkpoint a folder holds; nothing where there is none.

    Parameters
    ----------
    now : dict
        See `about`.
    resume : bool
        Whether the person said that it is to go on whatever differs.

    Raises
    ------
    SettingsError
        If it is another training: other settings or data without `resume`; or, in any case, what can't be changed on
        the way, or exams that were trained on and are now to be measured on.
    ModelError
        If the checkpoint is damaged.
    """
    before = checkpoint.about(folder)
    if not before:
        return []
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    fixed = [name for name in names if name in _FIXED]
    if fixed:
        raise SettingsError(
            f"{folder} holds a training with another {_words(fixed, before, now)}: it can't go on so. "
            "Choose another folder."
        )
    changes = [_words(names, before, now)] if names else []
    changes += _data(folder, split)
    if changes and not resume:
        raise SettingsError(
            f"{folder} holds a training with other settings or data ({'; '.join(changes)}). Choose another folder, or "
            "give --resume to go on in it with the new ones."
        )
    return changes


def _data(folder: Path, split: Split) -> list[str]:
    """What differs in the data."""
    path = folder / splits.NAME
    if not path.exists():
        return []
    before = Split.read(path)
    seen = before.groups("train")
    leaked = sorted((split.groups("calibrate") | split.groups("report")) & seen)
    if leaked:
        raise SettingsError(
            f"{folder} holds a training that has learnt from exam '{leaked[0]}'"
            f"{f' and {len(leaked) - 1} more' if len(leaked) > 1 else ''}, which would now be kept out to measure on. "
            "Choose another folder."
        )
    more, fewer = len(split.parts.keys() - before.parts.keys()), len(before.parts.keys() - split.parts.keys())
    return [f"{count} scans {word}" for count, word in ((more, "more"), (fewer, "fewer")) if count]


def _words(names: list[str], before: dict[str, Any], now: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({_short(before.get(name))}, now {_short(now.get(name))})" for name in names)


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else text[:12] + "…"
