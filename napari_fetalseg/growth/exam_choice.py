"""Which measurements are one exam: this frame, the image's frames, or all that is open."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from fetalseg.result import Result
from napari_fetalseg.image_choice import narrow
from napari_fetalseg.series import Series
from napari_fetalseg.session import Session

THIS, FRAMES, OPEN = "this", "frames", "open"


class ExamChoice(QWidget):
    """A row that chooses; hidden where there is one measurement only.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.use = QComboBox()
        narrow(self.use)
        self.use.setToolTip("As sonographers do: the mean of the exam's best three frames; outliers are left out")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("HC of"))
        row.addWidget(self.use, 1)

    def choose(self, which: str) -> None:
        """Choose, as a click does."""
        at = self.use.findData(which)
        self.use.setCurrentIndex(at)
        self.use.activated.emit(at)

    def show_series(self, series: Series) -> None:
        """Offer what there is; the choice stays where it can."""
        frames = len(series.results)
        every = sum(len(s.results) for s in self._open(series))
        kept = self.use.currentData()
        self.use.clear()
        self.use.addItem("this frame" if frames > 1 else "this picture", THIS)
        if frames > 1:
            self.use.addItem(f"the best three of these {frames} frames", FRAMES)
        if every > frames:
            self.use.addItem(f"the best three of all {every} that are open", OPEN)
        self.use.setCurrentIndex(max(self.use.findData(kept), 0))
        self.setVisible(self.use.count() > 1)

    def results(self, series: Series, frame: int) -> list[Result]:
        """Return the results that are chosen."""
        if self.use.currentData() == FRAMES:
            return list(series.results.values())
        if self.use.currentData() == OPEN:
            return [result for s in self._open(series) for result in s.results.values()]
        return [series.results[frame]]

    def _open(self, series: Series) -> list[Series]:
        """Of each open image of a head the newest series; of this one's image this one."""
        newest = {id(s.image() or s): s for s in self._session.series if s.settings.task == "head" and s.results}
        newest[id(series.image() or series)] = series
        return list(newest.values())
