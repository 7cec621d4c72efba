"""What a person chose to train, as the command line takes it. No Qt."""

from __future__ import annotations

import datetime
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from fetalseg.models import architectures, catalogue
from fetalseg.settings import TrainSettings, default_train_settings
from napari_fetalseg import card_text
from napari_fetalseg.train.data import Data


@dataclass(frozen=True)
class Start:
    """Where a training starts from: a model of the catalogue, or an architecture.

    Parameters
    ----------
    arch : str
    model : catalogue.Model or None
        None: a new network.
    default : bool
        Whether the model is the task's default.
    """

    arch: str
    model: catalogue.Model | None = None
    default: bool = False

    @property
    def title(self) -> str:
        """What stands in the list."""
        if self.model is None:
            return f"New {architectures.get(self.arch).TITLE}"
        name = card_text.title(self.model)
        return f"{name} (default)" if self.default else name


def starts(task: str) -> list[Start]:
    """Return what a training for a task can start from: its models, the default first, then their architectures."""
    known = catalogue.models(task)
    trained = [Start(model.card.arch, model, default=at == 0) for at, model in enumerate(known)]
    return trained + [Start(arch) for arch in dict.fromkeys(model.card.arch for model in known)]


def defaults(task: str, start: Start | None = None) -> TrainSettings:
    """Return the engine's own settings for a task; to train on from a model, those for that."""
    return default_train_settings(task, trained=start is not None and start.model is not None)


@dataclass(frozen=True)
class Choice:
    """A training as chosen; None where the engine's own default is meant.

    Parameters
    ----------
    data : Data
    start : Start
    epochs, seed : int
    kept_out : float
        Share of the groups.
    device, name : str
    learning_rate : float or None
    batch_size, patience : int or None
        `patience`: so many epochs without gain end the training; 0 never does.
    out : Path
    """

    data: Data
    start: Start
    epochs: int
    kept_out: float
    seed: int
    device: str
    name: str
    out: Path
    learning_rate: float | None = None
    batch_size: int | None = None
    patience: int | None = None

    def arguments(self) -> list[str]:
        """Return the arguments of ``fetalseg``."""
        given: dict[str, object] = {
            "--data": self.data.folder,
            "--task": self.data.task,
            "--epochs": self.epochs,
            "--kept-out": f"{self.kept_out:g}",
            "--seed": self.seed,
            "--device": self.device,
            "--name": self.name,
            "--learning-rate": None if self.learning_rate is None else f"{self.learning_rate:g}",
            "--batch-size": self.batch_size,
            "--patience": self.patience,
            "--out": self.out,
        }
        if self.start.model is not None:
            given["--from"] = self.start.model.folder
        else:
            given["--arch"] = self.start.arch
        options = [text for name, value in given.items() if value is not None for text in (name, str(value))]
        return ["train", *options, "--calibrate"]


def trainings() -> Path:
    """Return the folder that trainings go to where a person names no other: beside the user's own models."""
    return catalogue.user_folder() / "trainings"


def new_name(start: Start, task: str) -> str:
    """Return a name for the model to be: what it starts from, and the day."""
    base = start.model.card.name if start.model is not None else start.arch
    base = re.sub(r"-\d{4}-\d\d-\d\d(-\d+)?$", "", base)
    return free_name(f"{base}-{datetime.date.today().isoformat()}", task, trainings())


def free_name(name: str, task: str, folder: Path | None = None) -> str:
    """Return a name, numbered where a model of the task has it, or a file in a folder."""
    taken = {model.card.name for model in catalogue.models(task)}
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(n for n in names if n not in taken and not (folder is not None and (folder / n).exists()))
