"""What training and evaluation read: an annotation data set, or a folder in HC18's or LGG's layout.

Of a data set what was accepted or edited counts; what waits and what was rejected is passed over.
"""

from __future__ import annotations

from pathlib import Path

from fetalseg.dataset import folder as folders
from fetalseg.dataset import hc18, lgg
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.items import Item
from fetalseg.dataset.lgg import Volume
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError


def heads(folder: Path) -> tuple[list[Item], list[Item]]:
    """Return the pictures with an annotated head, and those in which a person said that there is none.

    Raises
    ------
    DatasetError
        If the folder is neither an annotation data set of heads nor in HC18's layout, or nothing was accepted.
    """
    if not folders.is_one(folder):
        return hc18.read(folder), []
    items = [
        Item(
            name=entry.image,
            path=folder / entry.image,
            group=entry.group,
            spacing=entry.spacing,
            truth=entry.ellipse,
            hc_mm=float(entry.given_hc_mm) if entry.given_hc_mm else entry.hc_mm,
        )
        for entry in _truths(folder, ("head",))
    ]
    return [item for item in items if item.truth is not None], [item for item in items if item.truth is None]


def volumes(folder: Path) -> list[Volume]:
    """Return the volumes with a mask.

    Raises
    ------
    DatasetError
        If the folder is neither an annotation data set of volumes nor in LGG's layout, or nothing was accepted.
    """
    if not folders.is_one(folder):
        return lgg.read(folder)
    return [
        Volume(entry.image, folder / entry.image, folder / entry.mask, entry.group, lgg.institution(entry.item))
        for entry in _truths(folder, ("tumour", "fetal-brain"))
    ]


def version(folder: Path) -> dict[str, str]:
    """Return the version of an annotation data set, for a model's card; nothing for other folders."""
    return {"data_version": Store.open(folder).version()} if folders.is_one(folder) else {}


def _truths(folder: Path, fits: tuple[str, ...]) -> list[Entry]:
    store = Store.open(folder)
    if store.task not in fits:
        raise DatasetError(f"{folder} is for the task '{store.task}', not for {' or '.join(fits)}.")
    truths = [entry for entry in store.entries() if entry.state.truth]
    if not truths:
        raise DatasetError(f"{folder} holds nothing that was accepted or edited yet: there is nothing to learn from.")
    return truths
