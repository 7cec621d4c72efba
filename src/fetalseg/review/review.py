"""`Review`: a data set and a person's journal of it, together. Nothing here knows of a window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from fetalseg import pipeline, tasks
from fetalseg.dataset import folder as folders
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.entry import Entry, Status
from fetalseg.dataset.store import Store
from fetalseg.dataset.summary import Summary, summarize
from fetalseg.errors import DatasetError, FetalSegError, ModelError, UnreadableError
from fetalseg.result import Result
from fetalseg.review import case as cases
from fetalseg.review.case import Case
from fetalseg.review.journal import Journal, folder_of
from fetalseg.review.standing import Decision, Drawing, Verdict
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings

_T = TypeVar("_T")


class Review:
    """A person at work on a data set.

    Its methods may be called from several threads.

    Parameters
    ----------
    store : Store
    annotator : str
    settings : SegmentSettings
        By which what no model has seen yet is segmented.
    """

    def __init__(self, store: Store, annotator: str, settings: SegmentSettings | None = None) -> None:
        if not annotator.strip():
            raise DatasetError("Say who annotates: the data set keeps who decided what.")
        self.store = store
        self.annotator = " ".join(annotator.split())
        self.settings = settings or SegmentSettings(task=store.task)
        self.journal = Journal(folder_of(store.folder, self.annotator))
        self._network = threading.Lock()
        self._carrying = threading.Lock()

    @classmethod
    def open(cls, folder: str | Path, annotator: str, settings: SegmentSettings | None = None) -> Self:
        """Open a data set for review; what waits in the journal is carried out by `carry_out`.

        Raises
        ------
        DatasetError
            If it is no data set, no annotator is named, or the review is open in another window.
        OutputError
            If the journal can't be written.
        """
        return cls(Store.open(folder), annotator, settings)

    def close(self) -> None:
        """Let another window have it."""
        self.journal.close()

    @property
    def there(self) -> bool:
        """Whether the data set is still where it was."""
        return folders.is_one(self.store.folder)

    def entries(self) -> list[Entry]:
        """Return all items as they are now."""
        return self.store.entries()

    def sums(self) -> Summary:
        """Return the sums over all items: share accepted untouched, median seconds, Dice, change of HC."""
        return summarize(self.entries())

    # Looking at a case

    def load(self, item: str) -> Case:
        """Read a case: its picture, what the model drew (drawn now where none has), and what a person made of it.

        Raises
        ------
        UnreadableError, DatasetError
            If its picture can't be read.
        """
        entry = self.store.get(item)
        scan = self._scan(entry)
        told: list[str] = []
        entry, drawn = self._prediction(entry, scan, told)
        result = cases.predicted(entry, scan, self.settings, drawn)
        drawing = self._attempt(lambda: self.journal.drawing(item), told)
        if drawing is not None:
            result = self._with_drawing(result, entry, drawing, told)
        elif entry.mask:
            annotation = self._attempt(lambda: self.store.annotation(entry), told)
            result = cases.with_annotation(result, annotation) if annotation is not None else result
        before = entry.seconds if entry.annotator == self.annotator else None
        return Case(entry, scan, result, self.journal.standing.seconds.get(item, before or 0.0), tuple(told))

    def predict(self, item: str) -> Entry:
        """Let the model draw an item that waits and that none has drawn yet; a person's word is never touched.

        Raises
        ------
        UnreadableError, DatasetError, ModelError, DeviceError
        """
        entry = self.store.get(item)
        if entry.prediction or entry.state.done:
            return entry
        return self._segment(entry, self._scan(entry))

    def _scan(self, entry: Entry) -> Scan:
        scan = self.store.image(entry)
        volume = tasks.get(entry.task).VOLUME
        shape: tuple[int, ...] = scan.pixels.shape if volume else scan.frame_shape
        if shape != entry.shape or (not volume and scan.frames != 1):
            raise UnreadableError(
                f"{entry.item}: the picture in the data set is not the one that was put there; its size differs. "
                f"Restore {entry.image}."
            )
        return scan

    def _prediction(self, entry: Entry, scan: Scan, told: list[str]) -> tuple[Entry, Annotation | None]:
        """Return what the model drew; drawn now where nobody decided yet and it is missing or damaged."""
        drawn = self._attempt(lambda: self.store.prediction(entry), told)
        if drawn is None and not entry.state.done:
            try:
                entry = self._segment(entry, scan)
                drawn = self.store.prediction(entry)
            except ModelError as error:
                told.append(f"No model draws this one: {error}")
        return entry, drawn

    def _segment(self, entry: Entry, scan: Scan) -> Entry:
        with self._network:  # two at once would only be in each other's way
            loaded = pipeline.Pipeline.load(self.settings)
            result = next(iter(loaded.segment(scan)))
        return self.store.propose(entry.item, Prediction.of_result(result))

    @staticmethod
    def _attempt(read: Callable[[], _T], told: list[str]) -> _T | None:
        """Return what is read; what can't be read is told, and the case goes on without it."""
        try:
            return read()
        except FetalSegError as error:
            told.append(str(error))
            return None

    @staticmethod
    def _with_drawing(result: Result, entry: Entry, drawing: Drawing, told: list[str]) -> Result:
        if drawing.mask is not None and drawing.mask.shape != entry.shape:
            told.append(f"{entry.item}: what was drawn has another size than the picture and is left out.")
            return result
        if drawing.touched:
            told.append("Goes on where it was left.")
        return cases.with_drawing(result, drawing)

    # Deciding

    def decide(self, case: Entry, verdict: Verdict, drawing: Drawing, spacing: Spacing | None = None) -> Decision:
        """Keep a person's word in the journal; `carry_out` brings it into the data set.

        Parameters
        ----------
        case : Entry
            As the person saw it.
        verdict : {"accept", "reject"}
        drawing : Drawing
        spacing : Spacing, optional
            Where the person gave another one.

        Raises
        ------
        DatasetError
            If the mask has another size than the picture, or there is nothing that could be accepted.
        OutputError
            If it can't be written: then nothing is decided.
        """
        if drawing.mask is not None and drawing.mask.shape != case.shape:
            raise DatasetError(f"{case.item}: the mask has another size than the picture. Draw it on this picture.")
        if verdict == "accept" and not drawing.touched and not case.prediction and not case.mask:
            raise DatasetError(f"{case.item}: no model drew it. Draw a mask or an ellipse, or reject it.")
        other = spacing if spacing is not None and spacing != case.spacing else None
        return self.journal.decide(case.item, verdict, drawing, seen=_seen(case), spacing=other)

    def carry_out(self) -> list[str]:
        """Bring all decisions that wait into the data set.

        Returns
        -------
        list of str
            Sentences about those that it did not take: their cases are to be looked at again, the drawings are kept.

        Raises
        ------
        DatasetError, OutputError
            If the data set is gone or can't be written: the decisions wait on.
        """
        told = []
        with self._carrying:
            for decision in list(self.journal.standing.waiting.values()):
                try:
                    self._apply(decision)
                except DatasetError as error:
                    if not self.there:
                        raise
                    told.append(str(error))
                    self.journal.refused(decision, str(error))
                else:
                    self.journal.done(decision)
        return told

    def _apply(self, decision: Decision) -> None:
        entry = self.store.get(decision.item)
        if self._has(entry, decision):
            return
        seen = replace(entry, state=Status(decision.seen[0]), version=decision.seen[1], annotator=decision.seen[2])
        if decision.verdict == "reject":
            self.store.reject(decision.item, annotator=self.annotator, seconds=decision.seconds, seen=seen)
            return
        ellipse = decision.ellipse
        self.store.accept(
            decision.item,
            annotator=self.annotator,
            seconds=decision.seconds,
            # An ellipse that a person placed is what the person means: its mask is the ellipse's own.
            mask=None if ellipse is not None else self.journal.mask(decision.mask),
            ellipse=ellipse,
            spacing=decision.spacing,
            seen=seen,
        )

    def _has(self, entry: Entry, decision: Decision) -> bool:
        """Whether the data set holds a decision already: a crash came between its writing and the journal's."""
        agrees = entry.state.truth if decision.verdict == "accept" else entry.state is Status.REJECTED
        return agrees and entry.annotator == self.annotator and entry.seconds == decision.seconds


def _seen(entry: Entry) -> tuple[str, str, str]:
    return entry.state.value, entry.version, entry.annotator


def begin(folder: Path, annotator: str, settings: SegmentSettings) -> tuple[Review, list[Entry], list[str]]:
    """Open a data set, or make one in a new or empty folder, and carry out what a crash kept from it.

    Returns
    -------
    Review, list of Entry, list of str
        The items as they are then, and a sentence on each decision that could not be carried out.

    Raises
    ------
    DatasetError, OutputError
        See `Review.open`.
    """
    if not folders.is_one(folder) and (not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))):
        Store.create(folder, settings.task)
    review = Review.open(folder, annotator, settings)
    try:
        told = review.carry_out()
        return review, review.entries(), told
    except BaseException:
        review.close()
        raise
