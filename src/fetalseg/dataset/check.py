"""Is a data set whole? Every file is there and is what its row says, and nothing would leak from a split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fetalseg.dataset import content, table
from fetalseg.dataset.annotation import dice
from fetalseg.dataset.entry import Entry, Status
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.geometry import ellipse as ellipses

Grade = Literal["error", "warning", "note"]

# A mask and its ellipse that overlap less are not of one head: an outline taken for a mask, say.
_APART = 0.8


@dataclass(frozen=True)
class Finding:
    """Something that a person should know.

    Parameters
    ----------
    grade : {"error", "warning", "note"}
        An error makes the item unfit to learn from.
    item : str
        Empty for the data set as a whole.
    text : str
        A sentence.
    """

    grade: Grade
    item: str
    text: str


def check(
    store: Store, *, quick: bool = False, progress: Callable[[int, int, str], None] = lambda done, total, text: None
) -> list[Finding]:
    """Look at all rows and files.

    Parameters
    ----------
    store : Store
    quick : bool
        Whether files need only be there; else they are read, and held against their hashes.
    progress : callable
        Called as (done, total, item).

    Returns
    -------
    list of Finding
        Errors first.
    """
    rows = store.table()
    found = [Finding("error", item, f"{item} has more than one row; the last one counts.") for item in rows.doubled]
    entries: list[Entry] = []
    for item in rows.rows:
        try:
            entries.append(rows.entry(item))
        except DatasetError as error:
            found.append(Finding("error", item, str(error)))
    for number, entry in enumerate(entries):
        progress(number, len(entries), entry.item)
        found += _row(store, entry)
        found += _files(store, entry, quick)
    found += _leaks(entries)
    found += _strangers(store, entries)
    order: Sequence[Grade] = ("error", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.grade))


def _row(store: Store, entry: Entry) -> Iterator[Finding]:
    def tell(grade: Grade, text: str) -> Finding:
        return Finding(grade, entry.item, f"{entry.item}: {text}")

    if entry.task != store.task:
        yield tell("error", f"its task is '{entry.task}', the data set's '{store.task}'.")
    if entry.state.truth and not entry.mask:
        yield tell("error", f"it is {entry.state}, but has no mask.")
    if entry.state.done and not entry.annotator:
        yield tell("warning", f"it is {entry.state}, but nobody's name stands for that.")
    if entry.spacing is None:
        yield tell("warning", "its spacing is not known; there are no millimetres.")
    if entry.state is Status.TODO and not entry.prediction:
        yield tell("note", "it waits without a prediction.")


def _files(store: Store, entry: Entry, quick: bool) -> Iterator[Finding]:
    named = [entry.image, *(name for name in (entry.mask, entry.prediction) if name)]
    missing = [name for name in named if not (store.folder / name).is_file()]
    for name in missing:
        yield Finding("error", entry.item, f"{entry.item}: {name} is missing. Restore it from a copy.")
    if missing or quick:
        return
    try:
        if _sha256(store.folder / entry.image) != entry.image_sha256:
            yield Finding("error", entry.item, f"{entry.item}: {entry.image} is not the picture that was added.")
        scan = store.image(entry)
        shape = scan.pixels.shape if len(entry.shape) == 3 else scan.frame_shape
        if shape != entry.shape:
            sizes = content.size_text(shape), content.size_text(entry.shape)
            yield Finding("error", entry.item, f"{entry.item}: its picture is {sizes[0]}, its row says {sizes[1]}.")
        store.prediction(entry)
        found = store.annotation(entry)
    except (FetalSegError, OSError) as error:
        yield Finding("error", entry.item, f"{entry.item}: {error}")
        return
    if found is None:
        return
    if found.version != entry.version:
        text = f"{entry.item}: {entry.mask} or the ellipse in its row was changed outside; accept it anew."
        yield Finding("error", entry.item, text)
    if found.ellipse is not None:
        plane = entry.shape[-2], entry.shape[-1]
        overlap = dice(found.mask, ellipses.mask(found.ellipse, plane))
        if overlap < _APART:
            text = f"{entry.item}: mask and ellipse overlap by {overlap:.2f} only; is the mask an outline?"
            yield Finding("warning", entry.item, text)


def _leaks(entries: Sequence[Entry]) -> Iterator[Finding]:
    """The same picture in two groups would stand on both sides of a split."""
    by_picture: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_picture[entry.identity].append(entry)
    for same in by_picture.values():
        names = " and ".join(entry.item for entry in same)
        if len({entry.group for entry in same}) > 1:
            text = f"{names} are the same picture in different groups: it would train and test. Give them one group."
            yield Finding("error", same[0].item, text)
        elif len(same) > 1:
            yield Finding("note", same[0].item, f"{names} are the same picture.")


def _strangers(store: Store, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Files that no row names, now or before."""
    try:
        deeds = store.history()
    except DatasetError as error:
        yield Finding("error", "", str(error))
        return
    named = {name for entry in (*entries, *deeds) for name in (entry.image, entry.mask, entry.prediction)}
    beside = {table.ITEMS, table.HISTORY, "dataset.json"}
    strangers = sorted(
        path.relative_to(store.folder).as_posix()
        for folder in content.FOLDERS
        for path in (store.folder / folder).rglob("*")
        if path.is_file() and path.relative_to(store.folder).as_posix() not in named | beside
    )
    if strangers:
        listed = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        yield Finding("note", "", f"{len(strangers)} files belong to no item ({listed}).")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
