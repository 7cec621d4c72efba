"""What a folder holds to train on, and how it would be split. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fetalseg import tasks
from fetalseg.dataset import folder as folders
from fetalseg.dataset import lgg, sources
from fetalseg.dataset.items import split
from fetalseg.dataset.store import Store
from fetalseg.dataset.summary import summarize
from fetalseg.errors import DatasetError

#: The tasks that a model can be trained for.
TRAINED = tuple(name for name in tasks.NAMES if tasks.get(name).MODEL)


@dataclass(frozen=True)
class Data:
    """A data set as training reads it.

    Parameters
    ----------
    folder : Path
    task : str
    items : tuple
        Pictures or volumes that are learnt from.
    states : mapping of state to number
        Of an annotation data set; nothing for plain folders.
    """

    folder: Path
    task: str
    items: tuple[Any, ...]
    states: Mapping[str, int] = field(default_factory=dict)

    @property
    def volumes(self) -> bool:
        """Whether its items are volumes."""
        return bool(tasks.get(self.task).VOLUME)

    @property
    def group(self) -> str:
        """What is never torn by the split: exam or patient."""
        return "patient" if self.volumes else "exam"

    @property
    def groups(self) -> int:
        """Exams or patients."""
        return len({item.group for item in self.items})

    def parts(self, kept_out: float, seed: int) -> dict[str, tuple[int, int]]:
        """Return how many groups and items train, calibrate and report."""
        found = lgg.split(self.items, kept_out, seed) if self.volumes else split(self.items, kept_out, seed)
        told = {}
        for part in ("train", "calibrate", "report"):
            mine = [item for item in self.items if found[item.name] == part]
            told[part] = len({item.group for item in mine}), len(mine)
        return told


def read(folder: Path) -> Data:
    """Read what a folder holds; for a worker's thread.

    Raises
    ------
    DatasetError
        If there is nothing in it that can be learnt from.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder, or is gone: choose another one.")
    if folders.is_one(folder):
        store = Store.open(folder)
        if store.task not in TRAINED:
            title = tasks.get(store.task).TITLE
            raise DatasetError(f"{folder.name} is a data set for '{title}', which needs no network: nothing to train.")
        return Data(folder, store.task, _items(folder, store.task), summarize(store.entries()).states)
    task = "head" if any(folder.rglob("*_Annotation.png")) else "tumour" if any(folder.rglob("*_flair.*")) else ""
    if not task:
        raise DatasetError(
            f"{folder.name} holds nothing to train on: neither a data set of 'fetalseg dataset', nor pictures with "
            "'_Annotation.png' beside them, nor volumes '_flair' with their '_mask'."
        )
    return Data(folder, task, _items(folder, task))


def _items(folder: Path, task: str) -> tuple[Any, ...]:
    if tasks.get(task).VOLUME:
        return tuple(sources.volumes(folder))
    heads, empty = sources.heads(folder)
    return (*heads, *empty)
