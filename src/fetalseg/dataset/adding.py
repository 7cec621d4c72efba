"""Putting scans into a data set. What a person decided there is never written over by what comes in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from fetalseg import tasks
from fetalseg.dataset import content
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.entry import Entry, Status
from fetalseg.dataset.folder import line, now
from fetalseg.dataset.store import Change, Store
from fetalseg.errors import DatasetError, UnreadableError
from fetalseg.scan import Scan

Outcome = Literal["added", "updated", "same", "kept", "failed"]

# So many pictures are written under one lock: another program waits no longer than these take.
_TOGETHER = 16


@dataclass(frozen=True, eq=False)
class New:
    """A scan, or a frame of it, that is to become an item.

    Parameters
    ----------
    scan : Scan
    name : str
        What the item is to be called; made fit for any disk.
    group : str
        Exam or patient.
    frame : int or None
        Of a cine loop.
    annotation : Annotation or None
        What a person drew.
    annotator : str
        Who; of an annotation.
    prediction : Prediction or None
        What a model drew.
    given_hc_mm : str
        The head circumference as the source wrote it.
    note : str
    source_sha256 : str
        Of the file that the scan's own was made of, where it was.
    """

    scan: Scan
    name: str
    group: str
    frame: int | None = None
    annotation: Annotation | None = None
    annotator: str = ""
    prediction: Prediction | None = None
    given_hc_mm: str = ""
    note: str = ""
    source_sha256: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the frame that is meant."""
        return self.scan.frame_shape

    @property
    def sha256(self) -> str:
        """Of the file it comes from; of its pixels where there is none."""
        known = self.source_sha256 or self.scan.sha256
        if known:
            return known
        import hashlib

        import numpy as np

        return hashlib.sha256(np.ascontiguousarray(self.scan.pixels).tobytes()).hexdigest()


@dataclass
class Report:
    """What became of what came in.

    Parameters
    ----------
    counts : dict of outcome to number
        *added*; *updated* (a waiting item got an annotation, or a newer prediction); *same*; *kept* (a person had
        decided otherwise, and that stays); *failed*.
    told : list of (name, outcome, sentence)
        Of what was kept or failed.
    """

    counts: dict[Outcome, int] = field(
        default_factory=lambda: dict.fromkeys(("added", "updated", "same", "kept", "failed"), 0)
    )
    told: list[tuple[str, Outcome, str]] = field(default_factory=list)

    def count(self, name: str, outcome: Outcome, sentence: str = "") -> None:
        """Add one."""
        self.counts[outcome] += 1
        if sentence:
            self.told.append((name, outcome, sentence))


#: An item to add, or the name of one that can't be read and the sentence why.
Coming = New | tuple[str, str]


def add(
    store: Store, coming: Iterable[Coming], progress: Callable[[int, int, str], None] = lambda done, total, text: None
) -> Report:
    """Add scans to a data set, a few under each lock; one that fails stops none of the others.

    A scan is known by its file's hash and its frame. An item that waits takes the annotation, or the newer prediction,
    that comes; one that a person decided on stays as it is.

    Parameters
    ----------
    store : Store
    coming : iterable of New, or of (name, why it can't be read)
    progress : callable
        Called as (done, 0, name).

    Raises
    ------
    OutputError
        If the data set can't be written; what was added before stays.
    """
    report = Report()
    here: set[str] = set()
    done = 0
    for chunk in _chunks(coming, 1 if _volumes(store) else _TOGETHER):
        with store.writing() as change:
            known = _Known(change)
            for new in chunk:
                done += 1
                if isinstance(new, tuple):
                    report.count(new[0], "failed", new[1])
                    continue
                progress(done, 0, new.name)
                try:
                    _add(store, change, known, new, here, report)
                except (DatasetError, UnreadableError) as error:
                    report.count(new.name, "failed", str(error))
    return report


def _volumes(store: Store) -> bool:
    return bool(tasks.get(store.task).VOLUME)


def _chunks(coming: Iterable[Coming], size: int) -> Iterator[list[Coming]]:
    """Yield a few at a time; whoever reads them does so while no lock is held."""
    chunk: list[Coming] = []
    for new in coming:
        chunk.append(new)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class _Known:
    """The items by the file and frame they come from, and the names that are taken."""

    def __init__(self, change: Change) -> None:
        self.names = {item.casefold() for item in change.table.rows}
        self.by_identity: dict[tuple[str, int], list[str]] = {}
        for item, row in change.table.rows.items():
            self.by_identity.setdefault((row["source_sha256"], int(row["frame"] or 0)), []).append(item)

    def add(self, entry: Entry) -> None:
        self.names.add(entry.item.casefold())
        self.by_identity.setdefault(entry.identity, []).append(entry.item)


def _add(store: Store, change: Change, known: _Known, new: New, here: set[str], report: Report) -> None:
    same = known.by_identity.get((new.sha256, new.frame or 0), [])
    # Two copies of a picture under two names that come together are two items; one that is there already is met again.
    rows = change.table.rows
    match = next((item for item in same if rows[item]["source"] == line(new.scan.name)), None)
    match = match or next((item for item in same if item not in here), None)
    if match is not None:
        here.add(match)
        _meet(store, change, change.table.entry(match), new, report)
        return
    entry = _made(store, content.item_name(new.name, known.names), new)
    entry = _drawn(store, entry, new)
    known.add(change.put(entry))
    here.add(entry.item)
    report.count(entry.item, "added")


def _made(store: Store, item: str, new: New) -> Entry:
    volume = _volumes(store)
    shape: tuple[int, ...] = (new.scan.frames, *new.shape) if volume else new.shape
    for drawn in (new.annotation, new.prediction.annotation if new.prediction else None):
        if drawn is not None and drawn.mask.shape != shape:
            raise DatasetError(
                f"{new.name}: the mask is {content.size_text(drawn.mask.shape)}, "
                f"the picture {content.size_text(shape)}."
            )
    image = content.image_of(new.scan, new.frame, store.task)
    return Entry(
        item=item,
        group=line(new.group) or item,
        task=store.task,
        state=Status.TODO,
        image=content.save_image(store.folder, item, image),
        source=line(new.scan.name),
        source_sha256=new.sha256,
        image_sha256=image.sha256,
        shape=shape,
        frame=None if volume else new.frame,
        spacing=new.scan.spacing,
        added=now(),
        changed=now(),
        note=line(new.note),
    )


def _drawn(store: Store, entry: Entry, new: New) -> Entry:
    """Return the entry with what a model and what a person drew."""
    if new.prediction is not None:
        entry = store.with_prediction(entry, new.prediction)
    if new.annotation is None:
        return entry
    proposed = store.prediction(entry)
    entry = store.with_annotation(entry, new.annotation, proposed)
    # What came with its picture was accepted by whoever drew it.
    state = entry.state if proposed is not None else Status.ACCEPTED
    return replace(
        entry,
        state=state,
        annotator=line(new.annotator),
        given_hc_mm=line(new.given_hc_mm),
        seconds=None,
        changed=now(),
    )


def _meet(store: Store, change: Change, entry: Entry, new: New, report: Report) -> None:
    """An item comes that is there already."""
    coming = new.annotation
    if entry.state.done:
        nothing = coming is None and new.prediction is None
        if nothing or (coming is not None and (coming.version == entry.version or _redrawn(store, entry, new))):
            report.count(entry.item, "same")
        else:
            who = entry.annotator or "a person"
            what = "another annotation" if coming is not None else "a new prediction"
            report.count(entry.item, "kept", f"{entry.item} was {entry.state} by {who}; {what} that came was left out.")
        return
    if coming is None and new.prediction is None:
        report.count(entry.item, "same")
        return
    changed = _drawn(store, entry, new)
    if replace(changed, changed=entry.changed) == entry:
        report.count(entry.item, "same")
        return
    change.put(replace(changed, changed=now()))
    report.count(entry.item, "updated")


def _redrawn(store: Store, entry: Entry, new: New) -> bool:
    """Whether what comes is the annotation that is there, drawn as an outline and read back: within 0.1 px."""
    ellipse = new.annotation.ellipse if new.annotation is not None else None
    mine = entry.ellipse
    if store.task != "head" or ellipse is None or mine is None:
        return False
    pairs = zip(
        (mine.center_x, mine.center_y, mine.semi_major, mine.semi_minor),
        (ellipse.center_x, ellipse.center_y, ellipse.semi_major, ellipse.semi_minor),
        strict=True,
    )
    turn = abs(mine.angle_deg - ellipse.angle_deg) % 180.0
    # What a turn moves on the outline depends on how far the ellipse is from a circle.
    moved = (mine.semi_major - mine.semi_minor) * min(turn, 180.0 - turn) * 0.01745
    return all(abs(a - b) <= 0.1 for a, b in pairs) and moved <= 0.1


def group_of(name: str, pattern: str | None, otherwise: str) -> str:
    """Return the exam or patient of a file's name.

    Parameters
    ----------
    name : str
        Relative path.
    pattern : str, optional
        A regular expression: its first parenthesis, or all that it matches, is the group.
    otherwise : str
        Where there is no pattern.

    Raises
    ------
    DatasetError
        If the pattern is none, or the name does not fit it.
    """
    if pattern is None:
        return otherwise
    try:
        found = re.search(pattern, name)
    except re.error as error:
        raise DatasetError(f"'{pattern}' is no regular expression: {error}.") from error
    if found is None:
        raise DatasetError(f"{name} does not fit the pattern of groups '{pattern}'.")
    return found.group(1) if found.re.groups else found.group(0)
