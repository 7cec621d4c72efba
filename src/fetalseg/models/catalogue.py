"""What models there are: bundled with the package, and trained or installed by the user."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fetalseg.errors import ModelError, SettingsError
from fetalseg.models.card import Card, file_sha256
from fetalseg.models.weights import CARD, WEIGHTS

if TYPE_CHECKING:
    import torch

BUNDLED = Path(__file__).parent / "bundled"
#: The bundled default model of each task.
DEFAULTS = {"head": "unet", "tumour": "unet"}
#: In the user's folder: the default that was chosen for each task.
DEFAULTS_FILE = "defaults.json"


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

    def damage(self) -> str:
        """Return the sentence on what is wrong with its weights; empty where they are those of its card."""
        path = self.folder / WEIGHTS
        try:
            about = path.stat()
            if _sha256(path, about.st_mtime_ns, about.st_size) == self.card.sha256:
                return ""
            return f"The weights of model '{self.card.name}' are damaged: {path} is not the file that its card names."
        except OSError as error:
            return f"The weights of model '{self.card.name}' can't be read: {path} ({error.strerror})."


@lru_cache(maxsize=64)
def _sha256(path: Path, changed: int, size: int) -> str:  # noqa: ARG001 (a changed file is read anew)
    return file_sha256(path)


def user_folder() -> Path:
    """Return where a user's models lie: ``$FETALSEG_MODELS``, or the platform's data folder."""
    from platformdirs import user_data_path

    chosen = os.environ.get("FETALSEG_MODELS")
    return Path(chosen) if chosen else user_data_path("napari-fetalseg", appauthor=False) / "models"


def place(task: str, name: str) -> Path:
    """Return the folder of an installed model of that name."""
    return user_folder() / f"{task}_{name}"


def chosen_defaults() -> dict[str, str]:
    """Return the default that the user chose for each task, by name.

    A missing or damaged file chooses nothing: the bundled models are then the defaults.
    """
    try:
        values = json.loads((user_folder() / DEFAULTS_FILE).read_text(encoding="utf-8"))
        return {str(task): str(name) for task, name in values.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def models(task: str | None = None) -> list[Model]:
    """Return the models of a task, or of all, the default first; a damaged card is left out (see `problems`)."""
    known, _ = _known()
    found = [m for m in known if task in (None, m.card.task)]
    firsts = {of: _default_of(of, known) for of in {m.card.task for m in found}}
    return sorted(found, key=lambda m: (m.card.task, m.card.name != firsts[m.card.task], m.card.name))


def _known() -> tuple[list[Model], list[str]]:
    """All models whose card can be read, the bundled ones first, and a sentence on each other one."""
    found: list[Model] = []
    wrong: list[str] = []
    for root in (BUNDLED, user_folder()):
        for path in sorted(root.glob(f"*/{CARD}")):
            if path.parent.name.startswith("."):  # being installed
                continue
            try:
                found.append(Model(Card.read(path), path.parent))
            except ModelError as error:
                wrong.append(f"The model in {path.parent} is damaged: {error}")
    return found, wrong


def default_name(task: str) -> str:
    """Return the name of the model that a task uses where none is asked for.

    The one that the user chose; the bundled one where none was chosen, or where that is missing or damaged.
    """
    return _default_of(task, _known()[0])


def _default_of(task: str, known: Sequence[Model]) -> str:
    model, _ = _chosen(task, known)
    return model.card.name if model else DEFAULTS.get(task, "")


def problems(task: str | None = None) -> list[str]:
    """Return a sentence on each installed model that is damaged, and on what is used instead of a default."""
    found, said = _known()
    said = said + [words for m in found if not m.bundled and task in (None, m.card.task) and (words := m.damage())]
    return said + [words for of in ([task] if task else sorted(DEFAULTS)) if (words := _problem_of(of, found))]


def default_problem(task: str) -> str:
    """Return the sentence on why the bundled model stands in for the default that was chosen; empty where none does."""
    return _problem_of(task, _known()[0])


def _problem_of(task: str, known: Sequence[Model]) -> str:
    model, name = _chosen(task, known)
    if not name or model:
        return ""
    return (
        f"The default that was chosen for '{task}', '{name}', is damaged or missing; the bundled "
        f"'{DEFAULTS.get(task)}' is used instead. Install '{name}' anew, or: fetalseg models restore --task {task}"
    )


def _chosen(task: str, known: Sequence[Model]) -> tuple[Model | None, str]:
    """The user's default of a task where it can be used, and its name where one was chosen."""
    name = chosen_defaults().get(task, "")
    for model in known if name else []:
        if model.card.task == task and model.card.name == name and not model.bundled and not model.damage():
            return model, name
    return None, name


def is_there(folder: str | Path) -> bool:
    """Whether a folder holds a model; False also for what is no path at all, such as a name of a thousand letters."""
    return os.path.isfile(Path(folder) / CARD)  # unlike Path.is_file it raises for no name


def at(folder: Path) -> Model:
    """Return the model in a folder, whatever its task.

    Raises
    ------
    ModelError
        If there is no card in it, or a damaged one.
    """
    return Model(Card.read(folder / CARD), folder)


def of_any_task(name: str, task: str) -> Model:
    """Return the model in a folder, whatever its task; else the one of that name for a task. Raises as `find` does."""
    return at(Path(name)) if is_there(name) else find(task, name)


def find(task: str, name: str = "default") -> Model:
    """Return a model by its name, or by a folder that holds a card.

    ``"default"`` is what the user chose, or the bundled one where that is damaged. A damaged model asked for by its
    name is never replaced by another.

    Raises
    ------
    SettingsError
        If there is none of that name.
    ModelError
        If it is for another task, or its card is damaged.
    """
    folder = Path(name)
    if is_there(folder):
        model = at(folder)
        if model.card.task != task:
            raise ModelError(f"The model in {name} is for the task '{model.card.task}', not '{task}'.")
        return model
    known = models(task)
    wanted = _default_of(task, known) if name == "default" else name
    for model in known:
        if model.card.name == wanted:
            return model
    if is_there(place(task, wanted)):
        raise ModelError(f"The model '{wanted}' is damaged: its card can't be read. Remove it and install it anew.")
    names = ", ".join(m.card.name for m in known) or "none"
    raise SettingsError(f"There is no model '{wanted}' for the task '{task}'; known are: {names}.")
