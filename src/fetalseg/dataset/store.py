"""An annotation data set: a plain folder that any tool opens and two programs may write to at once.

::

    dataset.json    what it is: schema version, task, who made it when
    items.csv       one row an item: where it comes from, its state, who, when, how long, from which model
    history.csv     one row a deed, appended
    images/         pictures, as they came where that is possible
    masks/          annotations, each file named by item and content hash; an older one is never written over
    predictions/    what models drew: no truth

A write happens under a lock on the folder: files first, then the journal, then the table as a whole, beside its place
and renamed. Whoever reads sees the table before or after, never between; whoever is killed leaves at most a file that
no row names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fetalseg import tasks
from fetalseg.dataset import content, table
from fetalseg.dataset import folder as folders
from fetalseg.dataset.annotation import Annotation, Prediction, dice
from fetalseg.dataset.entry import Entry, Status
from fetalseg.dataset.folder import line, locked, now
from fetalseg.errors import DatasetError
from fetalseg.result import Ellipse, Result
from fetalseg.scan import Layout, Scan, Spacing


@dataclass
class Change:
    """What a writer does to the table while it holds the lock."""

    table: table.Table
    deeds: list[Entry]

    def put(self, entry: Entry) -> Entry:
        """Set an item's row and journal it."""
        self.table.put(entry)
        self.deeds.append(entry)
        return entry


class Store:
    """An annotation data set, opened. Made by `create` or `open`.

    Parameters
    ----------
    folder : Path
    about : mapping
        The contents of ``dataset.json``.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder = folder
        self.about = about
        self.task: str = about["task"]
        self._read: tuple[object, table.Table] | None = None
        self._layout: tuple[str, Layout | None] | None = None

    @classmethod
    def create(cls, folder: str | Path, task: str) -> Self:
        """Make an empty data set.

        Raises
        ------
        DatasetError
            If the folder holds anything already.
        SettingsError
            If there is no such task.
        OutputError
        """
        folder = Path(folder)
        return cls(folder, folders.make(folder, task))

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a data set.

        Raises
        ------
        DatasetError
            If it is none, damaged, or of a newer version of this program.
        """
        folder = Path(folder)
        return cls(folder, folders.read_about(folder))

    def table(self) -> table.Table:
        """Return the table as it is on the disk now; read again only where it changed. Not to be changed."""
        stamp = self._stamp()
        if self._read is None or stamp is None or self._read[0] != stamp:
            self._read = stamp, table.Table.read(self.folder / table.ITEMS)
        return self._read[1]

    def entries(self) -> list[Entry]:
        """Return all items as they are on the disk now.

        Raises
        ------
        DatasetError
            If the table is gone or damaged.
        """
        return self.table().entries()

    def get(self, item: str) -> Entry:
        """Return an item by its name."""
        return self.table().entry(item)

    def image(self, entry: Entry) -> Scan:
        """Read an item's picture, with the data set's spacing."""
        return content.read_image(self.folder, entry)

    def annotation(self, entry: Entry) -> Annotation | None:
        """Read what a person accepted or drew; None where nobody did."""
        return content.read_mask(self.folder, entry.mask, entry, entry.ellipse) if entry.mask else None

    def prediction(self, entry: Entry) -> Annotation | None:
        """Read what a model drew; None where none was asked."""
        if not entry.prediction:
            return None
        return content.read_mask(self.folder, entry.prediction, entry, entry.prediction_ellipse)

    def history(self, item: str | None = None) -> list[Entry]:
        """Return the deeds, oldest first, of all items or of one: each as the item stood after it."""
        deeds = table.history(self.folder / table.HISTORY)
        return deeds if item is None else [deed for deed in deeds if deed.item == item]

    def version(self) -> str:
        """Return a hash of what can be learnt from it: the same for the same pictures, groups and annotations."""
        lines = sorted(
            f"{e.source_sha256}:{e.frame or 0}:{e.group}:{e.version}" for e in self.entries() if e.state.truth
        )
        return hashlib.sha256("\n".join((self.task, *lines)).encode()).hexdigest()

    def accept(
        self,
        item: str,
        *,
        annotator: str,
        seconds: float | None = None,
        mask: NDArray[np.generic] | None = None,
        ellipse: Ellipse | None = None,
        prediction: Prediction | None = None,
        spacing: Spacing | None = None,
        seen: Entry | None = None,
        note: str | None = None,
    ) -> Entry:
        """Take a person's word for an item: the prediction as it is, or what the person drew.

        Parameters
        ----------
        item : str
        annotator : str
        seconds : float, optional
            How long it took.
        mask, ellipse : optional
            As the scan lies; see `Annotation.of`. Without both the prediction is taken as it is. An empty mask says
            that there is nothing to be found.
        prediction : Prediction, optional
            What the model drew, where the data set does not hold it yet.
        spacing : Spacing, optional
            Where the person gave another one than the data set has.
        seen : Entry, optional
            The item as the person had it before their eyes: if somebody else has decided since, nothing is changed.
        note : str, optional

        Returns
        -------
        Entry
            In state *accepted* where nothing was changed, else *edited*, with how much.

        Raises
        ------
        DatasetError
            If there is nothing to accept, the mask has another size than the picture, or somebody else was quicker.
        OutputError
        """
        _named(annotator)
        with self.writing() as change:
            entry = change.table.entry(item)
            _unchanged(entry, seen)
            if spacing is not None:
                entry = replace(entry, spacing=spacing)
            if prediction is not None:
                entry = self.with_prediction(entry, prediction)
            proposed = self.prediction(entry)
            if proposed is not None and spacing is not None:
                entry = replace(entry, prediction_hc_mm=proposed.sizes(self.task, spacing)[0])
            if mask is None and ellipse is None:
                if proposed is None:
                    raise DatasetError(f"{item} has no prediction to accept: draw a mask or an ellipse.")
                accepted = proposed
            else:
                accepted = Annotation.of(self.task, entry.shape, entry.spacing, mask=mask, ellipse=ellipse)
            entry = self.with_annotation(entry, accepted, proposed)
            return change.put(_signed(entry, annotator, seconds, note))

    def accept_result(
        self,
        item: str,
        result: Result,
        *,
        annotator: str,
        seconds: float | None = None,
        seen: Entry | None = None,
        note: str | None = None,
    ) -> Entry:
        """Take a result as a person left it, with the model's own that it goes back to; see `accept`."""
        if result.task != self.task:
            raise DatasetError(f"{item}: the result is of the task '{result.task}', the data set of '{self.task}'.")
        drawn = Annotation.of_result(result) if result.edited else None
        return self.accept(
            item,
            annotator=annotator,
            seconds=seconds,
            mask=drawn.mask if drawn else None,
            ellipse=drawn.ellipse if drawn else None,
            prediction=Prediction.of_result(result),
            spacing=result.spacing,
            seen=seen,
            note=note,
        )

    def reject(
        self,
        item: str,
        *,
        annotator: str,
        seconds: float | None = None,
        seen: Entry | None = None,
        note: str | None = None,
    ) -> Entry:
        """Take an item out of what is learnt from; an annotation that it has is kept."""
        return self._set_state(item, Status.REJECTED, annotator, seconds, seen, note)

    def reopen(self, item: str, *, annotator: str, note: str | None = None) -> Entry:
        """Put an item back among those to be done; its last annotation stays in the history."""
        return self._set_state(item, Status.TODO, annotator, None, None, note)

    def propose(self, item: str, prediction: Prediction) -> Entry:
        """Keep what a model drew.

        Raises
        ------
        DatasetError
            If a person has decided on the item: that is never written over by a run.
        """
        with self.writing() as change:
            entry = change.table.entry(item)
            if entry.state.done:
                raise DatasetError(
                    f"{item} was {entry.state} by {entry.annotator or 'a person'}: a new run does not change that."
                )
            return change.put(replace(self.with_prediction(entry, prediction), changed=now()))

    @contextmanager
    def writing(self) -> Iterator[Change]:
        """Hold the lock, give the table as it is now, and write it with its journal at the end, unless an error came.

        Raises
        ------
        DatasetError
            If the data set is gone, or another program holds the lock for a minute.
        OutputError
        """
        with locked(self.folder):
            change = Change(self.table().copy(), [])
            yield change
            if not change.deeds:
                return
            table.append_history(self.folder / table.HISTORY, change.deeds)
            change.table.write(self.folder / table.ITEMS)
            self._read = self._stamp(), change.table

    def _set_state(
        self, item: str, state: Status, annotator: str, seconds: float | None, seen: Entry | None, note: str | None
    ) -> Entry:
        _named(annotator)
        with self.writing() as change:
            entry = change.table.entry(item)
            _unchanged(entry, seen)
            return change.put(_signed(replace(entry, state=state), annotator, seconds, note))

    def with_prediction(self, entry: Entry, prediction: Prediction) -> Entry:
        """Write a prediction's mask and return the entry that names it; its row is not written."""
        made = prediction.annotation
        _same_size(entry, made.mask.shape, "prediction")
        path = content.save_mask(self.folder, content.PREDICTIONS, entry.item, made, self.layout(entry))
        return replace(
            entry,
            prediction=path,
            prediction_ellipse=made.ellipse,
            prediction_hc_mm=made.sizes(self.task, entry.spacing)[0],
            model=line(prediction.model),
            model_sha256=prediction.model_sha256,
            confidence=prediction.confidence,
            flags=prediction.flags,
        )

    def with_annotation(self, entry: Entry, accepted: Annotation, proposed: Annotation | None) -> Entry:
        """Write an annotation's mask and return the entry that names it, with how far it is from the model's."""
        _same_size(entry, accepted.mask.shape, "mask")
        hc_mm, volume_ml = accepted.sizes(self.task, entry.spacing)
        untouched = proposed is not None and proposed.version == accepted.version
        before = entry.prediction_hc_mm
        return replace(
            entry,
            state=Status.ACCEPTED if untouched else Status.EDITED,
            mask=content.save_mask(self.folder, content.MASKS, entry.item, accepted, self.layout(entry)),
            ellipse=accepted.ellipse,
            hc_mm=hc_mm,
            volume_ml=volume_ml,
            given_hc_mm=entry.given_hc_mm if entry.version == accepted.version else "",
            version=accepted.version,
            dice=None if proposed is None else dice(proposed.mask, accepted.mask),
            hc_change_mm=None if before is None or hc_mm is None else hc_mm - before,
        )

    def layout(self, entry: Entry) -> Layout | None:
        """Return how a volume lies in its file; None for a picture. The last one asked for is remembered."""
        if not tasks.get(self.task).VOLUME:
            return None
        if self._layout is None or self._layout[0] != entry.image:
            self._layout = entry.image, self.image(entry).layout
        return self._layout[1]

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes when the table changes; a renamed file has another number as well."""
        try:
            status = (self.folder / table.ITEMS).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _named(annotator: str) -> None:
    if not annotator.strip():
        raise DatasetError("Say who annotates: the data set keeps who decided what.")


def _unchanged(entry: Entry, seen: Entry | None) -> None:
    if seen is not None and (seen.state, seen.version, seen.annotator) != (entry.state, entry.version, entry.annotator):
        raise DatasetError(
            f"{entry.item} was {entry.state} by {entry.annotator or 'somebody'} at {entry.changed} in the meantime; "
            "look at it again before you decide."
        )


def _signed(entry: Entry, annotator: str, seconds: float | None, note: str | None) -> Entry:
    kept = entry.note if note is None else line(note)
    return replace(entry, annotator=line(annotator), seconds=seconds, changed=now(), note=kept)


def _same_size(entry: Entry, shape: Sequence[int], what: str) -> None:
    if tuple(shape) != entry.shape:
        raise DatasetError(
            f"{entry.item}: the {what} is {content.size_text(tuple(shape))}, the picture "
            f"{content.size_text(entry.shape)}. Draw it on this picture."
        )


#: Called as (done, total, text).
Progress = Callable[[int, int, str], None]
