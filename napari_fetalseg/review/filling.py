"""Filling a queue in the background: scans come into the data set, and the model draws what waits without a drawing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from fetalseg.dataset.adding import Coming
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.store import Store
from fetalseg.errors import FetalSegError
from fetalseg.result import Result
from fetalseg.review import sources
from fetalseg.review.review import Review
from fetalseg.review.sources import Filled
from fetalseg.review.standing import Drawing
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from napari_fetalseg import workers
from napari_fetalseg.layers.image import Source
from napari_fetalseg.session import Session

log = logging.getLogger(__name__)

#: How far it is, and the items as they are then.
Step = tuple[Filled, list[Entry]]

_TELL_S = 1.0


class Bring(Protocol):
    """What brings scans into a data set; called in a worker."""

    def scans(self, store: Store, settings: SegmentSettings, token: workers.Token) -> tuple[int, Iterable[Coming]]:
        """Return how many they are (0: not known), and the scans."""

    def finish(self, review: Review) -> None:
        """Do what is to be done once they are there."""


@dataclass(frozen=True)
class FromFolder:
    """Scans of a folder, segmented as they come."""

    folder: Path

    def scans(self, store: Store, settings: SegmentSettings, token: workers.Token) -> tuple[int, Iterable[Coming]]:
        """Return the folder's scans."""
        inputs = sources.list_scans(store, self.folder)
        return len(inputs), sources.scans(store, inputs, settings, token)

    def finish(self, review: Review) -> None:
        """Nothing is left to do."""


@dataclass(frozen=True)
class FromResults:
    """What ``fetalseg segment`` wrote, and the folder that it segmented."""

    folder: Path
    images: Path

    def scans(self, store: Store, settings: SegmentSettings, token: workers.Token) -> tuple[int, Iterable[Coming]]:  # noqa: ARG002
        """Return the scans with the masks that were written."""
        return 0, sources.results(store, self.folder, self.images)

    def finish(self, review: Review) -> None:
        """Nothing is left to do."""


@dataclass(frozen=True, eq=False)
class FromOpen:
    """The results that are open in a viewer; made in the GUI thread by `of`."""

    found: Sequence[tuple[Source, Result, Spacing | None, bool]]

    @classmethod
    def of(cls, session: Session) -> FromOpen:
        """Take what a session holds."""
        rows = session.rows()
        return cls([(series.source, series.results[f], series.spacing, series.volume) for series, f in rows])

    def scans(self, store: Store, settings: SegmentSettings, token: workers.Token) -> tuple[int, Iterable[Coming]]:  # noqa: ARG002
        """Return the scans with what the model drew on them."""
        return len(self.found), sources.opened(store, (self._scan(*one) for one in self.found))

    def finish(self, review: Review) -> None:
        """Keep what a person drew on them, to be accepted."""
        by_identity = {entry.identity: entry for entry in review.entries()}
        for source, result, _, volume in self.found:
            if not result.edited or result.scan_sha256 is None:
                continue
            frame = 0 if volume or source.geometry.frames == 1 else result.frame
            entry = by_identity.get((result.scan_sha256, frame))
            if entry is None or entry.state.done or entry.item in review.journal.standing.drafts:
                continue
            placed = result.measurement.ellipse if result.origin == "ellipse" and result.task == "head" else None
            review.journal.draw(entry.item, Drawing(result.segmentation.mask, placed))

    @staticmethod
    def _scan(source: Source, result: Result, spacing: Spacing | None, volume: bool) -> tuple[Scan, Result, int | None]:
        if volume:
            return source.volume(spacing, result.scan_sha256), result, None
        scan = source.scan(result.frame, spacing, result.scan_sha256)
        if source.geometry.frames == 1:
            return scan, result, None
        return replace(scan, path=None), result, result.frame


def start(
    review: Review,
    bring: Bring | None,
    on_step: Callable[[Step], None],
    on_end: Callable[[workers.End, Exception | None], None],
) -> workers.Job:
    """Start filling; see `napari_fetalseg.workers.start`."""

    def make(token: workers.Token) -> Iterator[Any]:
        if bring is not None:
            total, coming = bring.scans(review.store, review.settings, token)
            told = Filled(0, total)
            for told in sources.fill(review.store, coming, total, token):
                if told.done < total:
                    yield replace(told), review.entries()
            bring.finish(review)
            yield replace(told), review.entries()
        yield from _predict(review, token)

    return workers.start(make, on_step, on_end)


def _predict(review: Review, token: workers.Token) -> Iterator[Step]:
    todo = [e.item for e in review.entries() if not e.state.done and not e.prediction]
    last = time.monotonic()
    for number, item in enumerate(todo, 1):
        if token.is_set():
            return
        try:
            review.predict(item)
        except FetalSegError as error:  # told when the case is looked at
            log.info("%s is not drawn ahead: %s", item, error)
        if time.monotonic() - last > _TELL_S or number == len(todo):
            last = time.monotonic()
            yield Filled(number, len(todo)), review.entries()
