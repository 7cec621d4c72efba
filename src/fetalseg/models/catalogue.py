"""What models there are: bundled with the package, and trained by the user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fetalseg.errors import ModelError, SettingsError
from fetalseg.models.card import Card
from fetalseg.models.weights import CARD, WEIGHTS

if TYPE_CHECKING:
    import torch

BUNDLED = Path(__file__).parent / "bundled"
#: The default model of each task.
DEFAULTS = {"head": "unet", "tumour": "unet"}


@dataclass(frozen=True)
class Model:
    """A card and where its weights lie."""

    card: Card
    folder: Path

    @property
    def bundled(self) -> bool:
        """Whether it came with the package."""
        return self.folder.is_relative_to(BUNDLED)

    def load(self) -> torch.nn.Module:
        """Return the network, its weights checked against the card's hash."""
        from fetalseg.models import weights

        return weights.load(self.card, self.folder / WEIGHTS)


def user_folder() -> Path:
    """Return where a user's models lie: ``$FETALSEG_MODELS``, or the platform's data folder."""
    from platformdirs import user_data_path

    chosen = os.environ.get("FETALSEG_MODELS")
    return Path(chosen) if chosen else user_data_path("napari-fetalseg", appauthor=False) / "models"


def models(task: str | None = None) -> list[Model]:
    """Return the models of a task, or of all, the default first; a damaged card is left out."""
    found = []
    for root in (BUNDLED, user_folder()):
        for path in sorted(root.glob(f"*/{CARD}")):
            try:
                model = Model(Card.read(path), path.parent)
            except ModelError:
                continue
            if task in (None, model.card.task):
                found.append(model)
    return sorted(found, key=lambda m: (m.card.task, m.card.name != DEFAULTS.get(m.card.task), m.card.name))


def at(folder: Path) -> Model:
    """Return the model in a folder, whatever its task.

    Raises
    ------
    ModelError
        If there is no card in it, or a damaged one.
    """
    return Model(Card.read(folder / CARD), folder)


def find(task: str, name: str = "default") -> Model:
    """Return a model by its name, or by a folder that holds a card.

    Raises
    ------
    SettingsError
        If there is none of that name.
    ModelError
        If it is for another task, or its card is damaged.
    """
    folder = Path(name)
    if (folder / CARD).exists():
        model = at(folder)
        if model.card.task != task:
            raise ModelError(f"The model in {name} is for the task '{model.card.task}', not '{task}'.")
        return model
    wanted = DEFAULTS.get(task, "") if name == "default" else name
    known = models(task)
    for model in known:
        if model.card.name == wanted:
            return model
    names = ", ".join(m.card.name for m in known) or "none"
    raise SettingsError(f"There is no model '{wanted}' for the task '{task}'; known are: {names}.")
