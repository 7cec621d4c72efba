"""Opens a scan of a run in the viewer, with mask and ellipse as a result that can be edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fetalseg import tasks
from fetalseg.batch import kept
from fetalseg.batch.run import Item
from fetalseg.report.page.folder import Case
from fetalseg.result import Result
from fetalseg.scan import Scan
from napari_fetalseg import reader, workers
from napari_fetalseg.batch.choice import Choice
from napari_fetalseg.series import Chooser, Series
from napari_fetalseg.session import Session


class Opener:
    """One scan of the run at a time is in the viewer; one that a person changed stays beside the next.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    opened, failed : callable
        Told of the case that is shown, and of what can't be.
    """

    def __init__(
        self, viewer: Any, session: Session, opened: Callable[[Case], Any], failed: Callable[[Exception], Any]
    ) -> None:
        self._viewer, self._session = viewer, session
        self._opened, self._failed = opened, failed
        self._job: workers.Job | None = None
        self._shown: tuple[Item, Any, Series] | None = None
        self._changed = False
        session.touched.connect(self._on_touched)

    @property
    def busy(self) -> bool:
        """Whether a scan is being read."""
        return self._job is not None and self._job.alive

    def open(self, case: Case, item: Item, choice: Choice) -> None:
        """Show a scan, once it is read; what was asked for before is not waited for."""
        self.drop()
        if self._shown is not None and self._shown[0] is item and self._stands():
            self._select(case)
            return
        volume = tasks.get(choice.settings.task).VOLUME
        rows = [case.row, *case.parts] if volume else list(case.parts) or [case.row]

        def done(found: tuple[Scan, list[Result]]) -> None:
            self._show(case, item, choice, *found)

        self._job = workers.call(
            lambda: kept.read(choice.out, item, rows, choice.settings, choice.batch), done, self._failed
        )

    def drop(self) -> None:
        """Read no more."""
        if self._job is not None:
            self._job.drop()
        self._job = None

    def release(self) -> None:
        """Leave what is shown to the viewer, and listen to the session no more."""
        self.drop()
        self._shown = None
        self._session.touched.disconnect(self._on_touched)

    def _on_touched(self, series: Series, _frame: int) -> None:
        self._changed |= self._shown is not None and self._shown[2] is series

    def _show(self, case: Case, item: Item, choice: Choice, scan: Scan, results: list[Result]) -> None:
        from napari.layers import Layer

        self._clear()
        layer = Layer.create(*reader.layer_of(scan, film=not tasks.get(choice.settings.task).VOLUME))
        layer.name = case.name
        self._viewer.add_layer(layer)
        series = self._session.adopt(layer, results, choice.settings, scan.spacing)
        self._shown, self._changed = (item, layer, series), False
        self._viewer.reset_view()
        self._select(case)

    def _select(self, case: Case) -> None:
        assert self._shown is not None
        series = self._shown[2]
        # A row's head is selected with its ellipse; of a volume the slice with most is shown, whole.
        chooser: Chooser = "opened" if series.volume else "row"
        self._session.select(series, int(case.row.get("frame") or 0), chooser)
        self._opened(case)

    def _stands(self) -> bool:
        """Whether what was shown is still in the viewer."""
        assert self._shown is not None
        _, layer, series = self._shown
        return layer in self._viewer.layers and series in self._session.series

    def _clear(self) -> None:
        """Take the scan before away, where nobody changed it."""
        shown, self._shown = self._shown, None
        if shown is None:
            return
        _, layer, series = shown
        others = [s for s in self._session.series if s.image() is layer and s is not series]
        if others or self._changed:
            return
        self._session.delete(series, list(series.results))
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
