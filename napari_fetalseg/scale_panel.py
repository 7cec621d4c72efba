"""*Change…* in the Segment dock: where an image's millimetres come from."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from fetalseg.errors import FetalSegError, SpacingError
from fetalseg.scan import Spacing
from napari_fetalseg import spacing as spacings
from napari_fetalseg import wording
from napari_fetalseg.layers.image import Source
from napari_fetalseg.session import Session
from napari_fetalseg.widgets import AMBER, WrappedLabel

WAYS = ("as known", "type mm per pixel", "draw a line of known length", "from a csv", "pixels only")
LINE = "Line of known length"


class ScalePanel(QWidget):
    """Five ways to a scale. It asks the session to set it; the session tells everyone.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self._layer: Any = None
        self._line: Any = None
        self.way = QComboBox()
        self.way.addItems(WAYS)
        self._volume = False
        self.x, self.y, self.z = mm_field(), mm_field(), mm_field(" mm")
        self.z.setSpecialValueText("not known")
        self.z.setToolTip("Distance between the middles of neighbouring slices; without it volumes are in voxels")
        self.length = QDoubleSpinBox()
        self.length.setRange(0.1, 1000)
        self.length.setValue(50.0)
        self.length.setSuffix(" mm")
        self.length.setKeyboardTracking(False)
        self.line_hint = WrappedLabel()
        self.use = QPushButton("Use this scale")
        self._pages = QStackedWidget()
        self._pages.addWidget(WrappedLabel("From the layer's scale and units, or a csv beside the picture."))
        self._pages.addWidget(self._typed_page())
        self._pages.addWidget(self._line_page())
        self._pages.addWidget(WrappedLabel("A csv that names pictures and their pixel size in mm. You choose it next."))
        self._pages.addWidget(WrappedLabel("No millimetres: results in pixels."))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.way)
        layout.addWidget(self._pages)
        self._between = QWidget()
        between = QFormLayout(self._between)
        between.setContentsMargins(0, 0, 0, 0)
        between.addRow("z (between slices)", self.z)
        layout.addWidget(self._between)
        layout.addWidget(self.use)
        self._turn(0)
        self.way.currentIndexChanged.connect(self._turn)
        self.x.valueChanged.connect(self._same)
        self.use.clicked.connect(self.apply)

    def _typed_page(self) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("x (across)", self.x)
        form.addRow("y (down)", self.y)
        return page

    def _line_page(self) -> QWidget:
        page = QWidget()
        box = QVBoxLayout(page)
        box.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(QLabel("It is"))
        row.addWidget(self.length, 1)
        box.addWidget(self.line_hint)
        box.addLayout(row)
        return page

    def show_layer(self, layer: Any, volume: bool = False) -> None:
        """Offer the ways for an image layer, starting from its present scale; `volume` asks for slices as well."""
        if layer is not self._layer:
            self.remove_line()
            self.way.setCurrentIndex(0)
        self._layer = layer
        self._volume = volume
        self._turn(self.way.currentIndex())
        self.setEnabled(layer is not None)
        if layer is None:
            return
        try:
            known = self._session.spacing(layer)
        except SpacingError:
            known = None
        self.y.setValue(known.row_mm if known else 0.0)
        self.z.setValue((known.slice_mm if known else None) or 0.0)
        self._last_x = known.column_mm if known else 0.0
        self.x.setValue(self._last_x)

    _last_x = 0.0

    def _same(self, x: float) -> None:
        """Y follows x while they are equal: most pixels are square."""
        if np.isclose(self.y.value(), self._last_x):
            self.y.setValue(x)
        self._last_x = x

    def _turn(self, index: int) -> None:
        self._pages.setCurrentIndex(index)
        self._between.setVisible(self._volume and 0 < index < len(WAYS) - 1)
        if WAYS[index] == LINE_WAY:
            self.start_line()
        else:
            self.remove_line()

    def start_line(self) -> None:
        """Add a layer in which a person draws a line over the image."""
        if self._line is not None and self._line not in self._viewer.layers:
            self._line = None  # closed by a person
        if self._layer is None or self._line is not None:
            return
        layer = self._layer
        source = Source.of(layer)
        transform = source.geometry.transform
        plane = {k: transform[k] for k in ("scale", "translate", "units", "axis_labels")}
        self._line = self._viewer.add_shapes(
            ndim=len(source.geometry.shape),
            name=LINE,
            edge_color="#E69F00",
            edge_width=max(1.0, max(source.geometry.plane) / 400),
            **plane,
            rotate=layer.rotate,
            shear=layer.shear,
            affine=layer.affine,
        )
        self._line.current_edge_color = "#E69F00"
        self._line.current_edge_width = max(1.0, max(source.geometry.plane) / 400)
        self._line.mode = "add_line"
        self._line.events.data.connect(self._drawn)
        self._drawn()

    def _drawn(self, _event: Any = None) -> None:
        points = self._points()
        if points is None:
            self.line_hint.setText("Drag along something of known length, such as the depth scale.")
            return
        drawn = float(np.hypot(*(points[1] - points[0])[-2:]))
        self.line_hint.setText(f"The line is {drawn:.1f} px long.")

    def _points(self) -> np.ndarray | None:
        if self._line is None or not len(self._line.data):
            return None
        return np.asarray(self._line.data[-1], float)[[0, -1]]

    def remove_line(self) -> None:
        """Take the line's layer away."""
        line, self._line = self._line, None
        if line is not None and line in self._viewer.layers:
            self._viewer.layers.remove(line)

    def apply(self) -> None:
        """Set the scale in the chosen way; what is wrong is told by the session."""
        if self._layer is None:
            return
        try:
            self._apply(WAYS[self.way.currentIndex()])
        except FetalSegError as error:
            self._session.failed.emit(error)

    def _apply(self, way: str) -> None:
        if way == "as known":
            self._session.automatic_spacing(self._layer)
        elif way == "type mm per pixel":
            if not (self.x.value() > 0 and self.y.value() > 0):
                raise SpacingError("Type how many mm one pixel is across and down, numbers above 0.")
            self._set(Spacing(self.y.value(), self.x.value(), spacings.TYPED))
        elif way == LINE_WAY:
            points = self._points()
            if points is None:
                raise SpacingError("Draw the line on the picture first, then say how long it is.")
            self._set(spacings.from_line(self._layer, points, self.length.value()))
            self.remove_line()
            self.way.setCurrentIndex(0)
            return
        elif way == "from a csv":
            chosen, _ = QFileDialog.getOpenFileName(self, "A csv of pixel sizes", "", "Tables (*.csv);;All files (*)")
            if chosen:
                self.use_csv(chosen)
        else:
            self._session.set_spacing(self._layer, None)

    def _set(self, spacing: Spacing) -> None:
        """Use a scale, of a volume with the slice distance that is typed in."""
        between = self.z.value() if self._volume and self.z.value() > 0 else spacing.slice_mm
        self._session.set_spacing(self._layer, replace(spacing, slice_mm=between))

    def use_csv(self, csv: str) -> None:
        """Take the scale from a csv."""
        try:
            source = Source.of(self._layer)
            self._set(spacings.from_csv(csv, str(source.path or source.name)))
        except FetalSegError as error:
            self._session.failed.emit(error)


LINE_WAY = WAYS[2]


def mm_field(suffix: str = " mm/px") -> QDoubleSpinBox:
    """Return a field for mm per pixel."""
    field = QDoubleSpinBox()
    field.setDecimals(6)
    field.setRange(0.0, 100.0)
    field.setSingleStep(0.01)
    field.setSuffix(suffix)
    field.setKeyboardTracking(False)
    return field


def scale_words(session: Session, layer: Any, volume: bool = False) -> tuple[str, str]:
    """Return an image's scale and where it comes from, or how to get one, as rich text."""
    if layer is None:
        return wording.UNKNOWN, ""
    doubtful = f"<span style='color:{AMBER}'><b>!</b> {spacings.UNKNOWN}</span>"
    try:
        spacing = session.spacing(layer)
    except SpacingError as error:
        return doubtful, html.escape(str(error))
    if spacing is None:
        return doubtful, html.escape(spacings.HOW_TO)
    source = html.escape(spacing.source)
    for mark in "_.":  # a long file name may wrap after these
        source = source.replace(mark, f"{mark}\u200b")
    words = html.escape(spacings.text(spacing, volume))
    if volume and spacing.slice_mm is None:
        words = f"<span style='color:{AMBER}'><b>!</b> {words}</span>"
    return words, source if spacing.source == spacings.TYPED else f"from {source}"
