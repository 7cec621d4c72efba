"""Two data sets become one. Where two people decided differently both are told, and neither is written over."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fetalseg.dataset import content
from fetalseg.dataset.annotation import Prediction
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.folder import now
from fetalseg.dataset.store import Change, Store
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.io.atomic import atomic_write, write_text

_TOGETHER = 16


@dataclass(frozen=True)
class Conflict:
    """An item on which two data sets differ.

    Parameters
    ----------
    item : str
        Its name here.
    mine, theirs : Entry
    text : str
        A sentence.
    """

    item: str
    mine: Entry
    theirs: Entry
    text: str


@dataclass
class Merged:
    """What a merge did.

    Parameters
    ----------
    added, updated, same, failed : int
        Items that were not here; that waited here, or whose annotation the other goes on from; that were alike; that
        could not be read.
    conflicts : list of Conflict
        What was left as it is here.
    told : list of str
        Sentences on what failed.
    """

    added: int = 0
    updated: int = 0
    same: int = 0
    failed: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def merge(
    store: Store, other: Store, progress: Callable[[int, int, str], None] = lambda done, total, text: None
) -> Merged:
    """Bring the items of another data set into this one; the other is only read.

    Items are matched by their file's hash and frame. What waits here takes the other's annotation; where both decided
    alike nothing changes; where the other's history shows that it goes on from what is here, its newer annotation is
    taken (the older stays in the history); else it is a conflict, and what is here stays.

    Raises
    ------
    DatasetError
        If they are one folder or of different tasks.
    OutputError
    """
    if store.folder.resolve() == other.folder.resolve():
        raise DatasetError(f"{other.folder} can't be merged with itself.")
    if store.task != other.task:
        raise DatasetError(f"{other.folder} is for the task '{other.task}', {store.folder} for '{store.task}'.")
    theirs = other.entries()
    deeds, own_deeds = _deeds(other), _deeds(store)
    done = Merged()
    met: set[str] = set()
    for start in range(0, len(theirs), _TOGETHER):
        with store.writing() as change:
            names = {item.casefold() for item in change.table.rows}
            by_identity: dict[tuple[str, int], list[Entry]] = {}
            for mine in change.table.entries():
                by_identity.setdefault(mine.identity, []).append(mine)
            for number, entry in enumerate(theirs[start : start + _TOGETHER], start=start):
                progress(number, len(theirs), entry.item)
                same = [mine for mine in by_identity.get(entry.identity, []) if mine.item not in met]
                found = next((mine for mine in same if mine.source == entry.source), same[0] if same else None)
                try:
                    if found is None:
                        made = _take(store, other, entry, content.item_name(entry.item, names))
                        change.put(made)
                        names.add(made.item.casefold())
                        met.add(made.item)
                        done.added += 1
                    else:
                        met.add(found.item)
                        _meet(store, other, change, (found, own_deeds), (entry, deeds), done)
                except (FetalSegError, OSError) as error:
                    done.failed += 1
                    done.told.append(f"{entry.item}: {error}")
    return done


def _take(store: Store, other: Store, entry: Entry, item: str) -> Entry:
    """Copy an item with its files and return it under its name here."""
    ending = entry.image.removeprefix(f"{content.IMAGES}/{entry.item}")
    source = other.folder / entry.image
    image = content.Image(ending, source, entry.image_sha256)
    content.save_image(store.folder, item, image)
    return _with_drawings(store, other, replace(entry, item=item, image=f"{content.IMAGES}/{item}{ending}"), entry)


def _with_drawings(store: Store, other: Store, made: Entry, entry: Entry) -> Entry:
    """Return the entry with the other's mask and prediction, copied under its name here."""
    for what in ("mask", "prediction"):
        path = getattr(entry, what)
        if path:
            here = path.replace(f"/{entry.item}.", f"/{made.item}.", 1)
            if not (store.folder / here).exists():
                data = (other.folder / path).read_bytes()
                atomic_write(store.folder / here, lambda file, data=data: file.write(data))  # type: ignore[misc]
            made = replace(made, **{what: here})
    return made


#: What was done with each item.
_Deeds = dict[str, list[Entry]]


def _deeds(store: Store) -> _Deeds:
    deeds: _Deeds = {}
    for deed in store.history():
        deeds.setdefault(deed.item, []).append(deed)
    return deeds


def _meet(
    store: Store,
    other: Store,
    change: Change,
    here: tuple[Entry, _Deeds],
    there: tuple[Entry, _Deeds],
    done: Merged,
) -> None:
    (mine, own_deeds), (theirs, deeds) = here, there
    if mine.group != theirs.group:
        text = f"{mine.item} is of the group '{mine.group}' here and of '{theirs.group}' there."
        done.conflicts.append(Conflict(mine.item, mine, theirs, text))
    if not theirs.state.done:
        if mine.state.done or mine.prediction or not theirs.prediction:
            done.same += 1
            return
        drawn = other.prediction(theirs)
        assert drawn is not None
        made = Prediction(drawn, theirs.model, theirs.model_sha256, theirs.confidence, theirs.flags)
        change.put(replace(store.with_prediction(mine, made), changed=now()))
        done.updated += 1
        return
    alike = mine.state.done and (mine.state.truth, mine.version) == (theirs.state.truth, theirs.version)
    if alike:
        done.same += 1
        return
    now_here, now_there = (mine.state, mine.version, mine.changed), (theirs.state, theirs.version, theirs.changed)
    goes_on = any((deed.state, deed.version, deed.changed) == now_here for deed in deeds.get(theirs.item, []))
    if not mine.state.done or goes_on:
        kept = replace(theirs, item=mine.item, image=mine.image, group=mine.group, source=mine.source, added=mine.added)
        change.put(_with_drawings(store, other, kept, theirs))
        done.updated += 1
        return
    if any((deed.state, deed.version, deed.changed) == now_there for deed in own_deeds.get(mine.item, [])):
        done.same += 1  # what is here goes on from the other's
        return
    text = (
        f"{mine.item} was {mine.state} here by {mine.annotator or 'somebody'} ({mine.changed}) and {theirs.state} "
        f"there by {theirs.annotator or 'somebody'} ({theirs.changed}); what is here stays."
    )
    done.conflicts.append(Conflict(mine.item, mine, theirs, text))


def write_conflicts(path: Path, conflicts: list[Conflict]) -> None:
    """Write conflicts as a csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("state", "annotator", "changed", "group", "version", "mask")
    writer.writerow(["item", *(f"{name}_here" for name in names), *(f"{name}_there" for name in names), "text"])
    for one in conflicts:
        cells = [str(getattr(entry, name)) for entry in (one.mine, one.theirs) for name in names]
        writer.writerow([one.item, *cells, one.text])
    write_text(path, text.getvalue())
