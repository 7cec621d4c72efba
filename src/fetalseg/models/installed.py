"""Models that a user installs, removes, and makes the default of a task."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fetalseg.errors import ModelError, SettingsError
from fetalseg.io.atomic import make_folder, output_error, write_text
from fetalseg.models import catalogue
from fetalseg.models.weights import CARD, WEIGHTS

# What is kept of a training beside card and weights.
_BESIDE = ("split.csv", "curves.csv", "curves.png")


def install(folder: Path, name: str) -> catalogue.Model:
    """Copy a trained model into the user's folder, under a name of its own; it is there as a whole or not at all.

    Raises
    ------
    SettingsError
        If the name can't be used, or is taken.
    ModelError
        If the model is damaged: its weights are loaded once.
    OutputError
    """
    model = catalogue.at(folder)
    task = model.card.task
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) or name == "default":
        raise SettingsError(f"'{name}' can't be a model's name: use letters, digits, '-', '_' and '.'.")
    if any(m.card.name == name for m in catalogue.models(task)):
        raise SettingsError(
            f"There is a model '{name}' for the task '{task}' already; choose another name or remove it."
        )
    model.load()
    place = catalogue.place(task, name)
    beside = place.with_name(f".fetalseg-{secrets.token_hex(6)}.part")
    try:
        make_folder(beside)
        for file in (WEIGHTS, *_BESIDE):
            if (folder / file).exists():
                shutil.copyfile(folder / file, beside / file)
        replace(model.card, name=name, promotion={}).write(beside / CARD)
        if place.exists():  # what is left of a damaged one
            shutil.rmtree(place)
        beside.rename(place)
    except OSError as error:
        raise output_error(place, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return catalogue.at(place)


def remove(task: str, name: str) -> bool:
    """Take an installed model away, damaged or not; return whether it was the default, which then is the bundled one.

    Raises
    ------
    SettingsError
        If there is no installed model of that name; a bundled one can't be removed.
    OutputError
    """
    model = next((m for m in catalogue.models(task) if m.card.name == name), None)
    place = model.folder if model else catalogue.place(task, name)
    if model and model.bundled:
        raise SettingsError(f"'{name}' came with the program and can't be removed.")
    if not place.is_dir() or place.parent != catalogue.user_folder():
        raise SettingsError(f"No model '{name}' is installed for the task '{task}'.")
    was_default = catalogue.chosen_defaults().get(task) == name
    if was_default:
        restore(task)
    try:
        shutil.rmtree(place)
    except OSError as error:
        raise output_error(place, error) from error
    return was_default


def set_default(
    model: catalogue.Model, *, comparison: Mapping[str, Any] | None = None, override: str = "", who: str = ""
) -> catalogue.Model:
    """Make an installed model its task's default, and write into its card why.

    Parameters
    ----------
    comparison : mapping, optional
        With the default before it, as `evaluation.promotion` gives it; its ``better`` decides.
    override : str, optional
        Why it is to be the default although it was not found better.
    who : str
        Who says so.

    Raises
    ------
    ModelError
        If it is damaged, or not better and there is no override.
    SettingsError
        If it is not installed.
    OutputError
    """
    if model.folder.parent != catalogue.user_folder():
        raise SettingsError("Install the model first: only an installed one can be the default.")
    if damage := model.damage():
        raise ModelError(damage)
    override = " ".join(override.split())
    if not override and not (comparison and comparison.get("better") is True):
        raise ModelError(
            f"'{model.card.name}' was not found better than the default, which stays. A worse model is made the "
            "default only on a person's word: give a reason."
        )
    record: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "who": who}
    record |= {"override": override} if override else {}
    record |= {"comparison": dict(comparison)} if comparison else {}
    card = replace(model.card, promotion=record)
    card.write(model.folder / CARD)
    _write(catalogue.chosen_defaults() | {card.task: card.name})
    return catalogue.at(model.folder)


def restore(task: str) -> str:
    """Make the bundled model of a task its default again; return its name. Installed models stay.

    Raises
    ------
    SettingsError
        If none is bundled for the task.
    OutputError
    """
    if task not in catalogue.DEFAULTS:
        raise SettingsError(f"No model is bundled for the task '{task}'.")
    others = {of: name for of, name in catalogue.chosen_defaults().items() if of != task}
    if others or (catalogue.user_folder() / catalogue.DEFAULTS_FILE).exists():
        _write(others)
    return catalogue.DEFAULTS[task]


def _write(defaults: Mapping[str, str]) -> None:
    path = catalogue.user_folder() / catalogue.DEFAULTS_FILE
    if not defaults:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return
    write_text(path, json.dumps(defaults, indent=2, ensure_ascii=False) + "\n", sync=True)
