"""What data sets come in and go out as: a file a layout, a line here.

A layout that is imported has ``scans(store, source, options) -> iterator`` of what `fetalseg.dataset.adding.add` takes;
one that is exported has ``export(store, out, options) -> Exported``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from fetalseg import tasks
from fetalseg.dataset.adding import Report, add
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError

IMPORTS = ("hc18", "lgg", "pairs", "coco", "results")
EXPORTS = ("hc18", "coco", "nnunet")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ImportOptions:
    """How to import.

    Parameters
    ----------
    annotator : str
        Who drew what comes; the layout's name by default.
    images : Path or None
        Where the pictures lie, for layouts that only name them.
    group : str or None
        A regular expression that finds the exam or patient in a file's name; the layout's own rule by default.
    spacing_mm : tuple of float or None
        mm per pixel in x and y, and between slices: stands above what the source says.
    waiting : bool
        Whether annotations come as predictions, to be accepted by a person first.
    category : str or None
        Of COCO's categories, the one that is meant.
    """

    annotator: str = ""
    images: Path | None = None
    group: str | None = None
    spacing_mm: tuple[float, ...] | None = None
    waiting: bool = False
    category: str | None = None


@dataclass
class Exported:
    """What was written, and the items that the layout can't hold with the reason."""

    written: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


def bring_in(
    store: Store,
    source: Path,
    layout: str,
    options: ImportOptions | None = None,
    progress: Progress = lambda done, total, text: None,
) -> Report:
    """Import a folder (or, of COCO, its JSON file) into a data set.

    Raises
    ------
    DatasetError
        If there is no such layout, it does not fit the data set's task, or the source is none of that layout.
    OutputError
    """
    if layout not in IMPORTS:
        raise DatasetError(f"Unknown layout '{layout}'; these can be imported: {', '.join(IMPORTS)}.")
    if not source.exists():
        raise DatasetError(f"{source} is not there. Check the path.")
    module = _module(layout, store)
    return add(store, module.scans(store, source, options or ImportOptions()), progress)


def send_out(store: Store, out: Path, layout: str, progress: Progress = lambda done, total, text: None) -> Exported:
    """Export what was accepted or edited into a new or empty folder.

    Raises
    ------
    DatasetError
        If there is no such layout, it does not fit the task, the folder holds files, or nothing is accepted yet.
    OutputError
    """
    if layout not in EXPORTS:
        raise DatasetError(f"Unknown layout '{layout}'; these can be exported: {', '.join(EXPORTS)}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} holds files already; export to a new or empty folder.")
    module = _module(layout, store)
    truths = [entry for entry in store.entries() if entry.state.truth]
    if not truths:
        raise DatasetError(f"{store.folder} holds nothing that was accepted or edited; there is nothing to export.")
    exported: Exported = module.export(store, truths, out, progress)
    return exported


def _module(layout: str, store: Store) -> Any:
    module = import_module(f"{__name__}.{layout}")
    fits: tuple[str, ...] = module.TASKS or tasks.NAMES
    if store.task not in fits:
        raise DatasetError(
            f"The layout '{layout}' is for the task {' or '.join(fits)}; {store.folder} is for '{store.task}'."
        )
    return module


def file_name(entry: Entry, taken: set[str], ending: str | None = None) -> str:
    """Return the name that a picture goes out under: as it came where it is free, else the item's.

    Parameters
    ----------
    entry : Entry
    taken : set of str
        In lower case; gets the name.
    ending : str, optional
        In place of the picture's own.
    """
    own = Path(entry.image).name
    kept = own.removeprefix(entry.item)
    came = Path(entry.source).name
    name = came if came.casefold().endswith(kept.casefold()) and came.casefold() not in taken else own
    if ending is not None:
        name = name[: -len(kept)] + ending if name.casefold().endswith(kept.casefold()) else entry.item + ending
    if name.casefold() in taken:
        name = entry.item + (ending or kept)
    taken.add(name.casefold())
    return name
