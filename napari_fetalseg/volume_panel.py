"""What a volume's result offers: lesions numbered anew, the montage, the surface in 3-D. Part of the Segment dock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from fetalseg.result import Result
from napari_fetalseg import workers
from napari_fetalseg.exports import write_picture
from napari_fetalseg.layers.drawing import Drawing
from napari_fetalseg.series import Series
from napari_fetalseg.surface import Surface
from napari_fetalseg.widgets import ErrorBox


class VolumePanel(QWidget):
    """Buttons for the selected volume; hidden where a frame is selected.

    Parameters
    ----------
    viewer : napari.Viewer
    drawing : Drawing
    error : ErrorBox
        Where what goes wrong is told.
    """

    def __init__(self, viewer: Any, drawing: Drawing, error: ErrorBox) -> None:
        super().__init__()
        self._viewer, self._drawing, self._session, self._error = viewer, drawing, drawing.session, error
        self._jobs = workers.Jobs(self)
        self.surface = Surface(viewer)
        self.number = QPushButton("Number by connected region")
        self.number.setToolTip("Number what hangs together, the largest first, as one step that Ctrl-Z undoes")
        self.montage = QPushButton("Montage…")
        self.montage.setToolTip("Save the slices that hold lesion, with outlines and diameters, as one picture")
        self.three = QPushButton("3-D")
        self.three.setCheckable(True)
        self.three.setToolTip("The surface in napari's 3-D view, and back")
        self.number.clicked.connect(self.number_lesions)
        self.montage.clicked.connect(self._ask_and_save)
        self.three.clicked.connect(self._turn)
        row = QHBoxLayout()
        row.addWidget(self.montage)
        row.addWidget(self.three)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.number)
        layout.addLayout(row)
        self.refresh()

    def _selected(self) -> tuple[Series, Result] | None:
        selection, result = self._session.selection, self._session.selected_result()
        return (selection[0], result) if selection and result and selection[0].volume else None

    def refresh(self, *_: Any) -> None:
        """Follow what is selected, and the view."""
        chosen = self._selected()
        flat = self._viewer.dims.ndisplay == 2
        if flat:
            self.surface.stop()
        self.setVisible(chosen is not None)
        self.three.setChecked(not flat)
        if chosen is None:
            return
        series, result = chosen
        found = bool(result.segmentation.mask.any())
        self.number.setVisible(series.settings.task == "tumour")
        self.number.setEnabled(found)
        self.montage.setVisible(series.settings.task == "tumour")
        self.montage.setEnabled(found)
        self.three.setEnabled(bool(series.geometry.lead_shape) and (found or not flat))

    def number_lesions(self) -> None:
        """Number the lesions by connected region."""
        if chosen := self._selected():
            self._session.number_lesions(chosen[0])

    def _turn(self, on: bool) -> None:
        chosen = self._selected()
        drawn = self._drawing.ensure(chosen[0]) if chosen else None
        if on and chosen is not None and drawn is not None:
            self.surface.start(drawn.mask.layer, chosen[0].image())
        else:
            self.surface.stop()
            self._viewer.dims.ndisplay = 2  # also where napari's own button had turned it
        self.refresh()

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save montage", "montage.png", "Pictures (*.png)")
        if path:
            self.save_montage(path)

    def save_montage(self, path: str | Path) -> None:
        """Save the montage of the selected volume."""
        chosen = self._selected()
        if chosen is None:
            return
        source, result = chosen[0].source, chosen[1]
        self._error.clear()
        self._jobs.call(
            lambda: write_picture(Path(path), source, result), lambda _: self._saved(Path(path)), self._error.show_error
        )

    def _saved(self, path: Path) -> None:
        self._session.told.emit(f"Montage saved as {path.name}.")

    def stop(self) -> None:
        """Let go of viewer and workers."""
        self._jobs.drop()
        self.surface.stop()
