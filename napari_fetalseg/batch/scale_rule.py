"""Where the millimetres of all scans come from: one rule for a run."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_fetalseg.image_choice import narrow
from napari_fetalseg.path_choice import PathChoice
from napari_fetalseg.scale_panel import mm_field

FILE, CSV, TYPED, PIXELS = "file", "csv", "typed", "pixels"
RULES = {
    FILE: "from each file, or a csv beside it",
    CSV: "from a csv of pixel sizes",
    TYPED: "type mm per pixel, for all",
    PIXELS: "pixels only",
}


class ScaleRule(QWidget):
    """Chooses; `values` returns it as `BatchSettings` takes it.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._volume, self._last_x = False, 0.0
        self.rule = QComboBox()
        self.rule.setAccessibleName("Scale")
        narrow(self.rule)
        for name, title in RULES.items():
            self.rule.addItem(title, name)
        self.csv = PathChoice("a csv of pixel sizes", "Tables (*.csv);;All files (*)")
        self.csv.setToolTip("File name and pixel size in mm, a line each; files that it does not list keep their own")
        self.x, self.y, self.z = mm_field(), mm_field(), mm_field(" mm")
        self.z.setSpecialValueText("not known")
        self.typed = QWidget()
        self._form = form = QFormLayout(self.typed)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("x (across)", self.x)
        form.addRow("y (down)", self.y)
        form.addRow("z (between slices)", self.z)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.rule, self.csv, self.typed):
            layout.addWidget(part)
        self.rule.currentIndexChanged.connect(self._turn)
        self.x.valueChanged.connect(self._same)
        for field in (self.x, self.y, self.z):
            field.valueChanged.connect(lambda _: self.changed.emit())
        self.csv.changed.connect(self.changed)
        self._turn()

    @property
    def name(self) -> str:
        """The chosen rule."""
        return str(self.rule.currentData())

    def show_rule(self, name: str) -> None:
        """Choose a rule."""
        self.rule.setCurrentIndex(max(self.rule.findData(name), 0))

    def show_task(self, volume: bool) -> None:
        """Ask for the distance between slices of volumes."""
        self._volume = volume
        self._form.setRowVisible(self.z, volume)

    def show_mm(self, text: str) -> None:
        """Show what `mm` told."""
        try:
            x, y, z = (float(part) for part in text.split(","))
        except ValueError:
            return
        self.x.setValue(x)
        self.y.setValue(y)
        self.z.setValue(z)

    def mm(self) -> str:
        """Return what is typed, to be remembered."""
        return ",".join(f"{field.value():g}" for field in (self.x, self.y, self.z))

    def problem(self) -> str:
        """Return what is missing; nothing where all is there."""
        if self.name == CSV and self.csv.path is None:
            return "Choose the csv of pixel sizes first."
        if self.name == CSV and self.csv.path is not None and not self.csv.path.is_file():
            return f"{self.csv.path} is no file: choose the csv of pixel sizes."
        if self.name == TYPED and not (self.x.value() > 0 and self.y.value() > 0):
            return "Type how many mm one pixel is across and down, numbers above 0."
        return ""

    def values(self) -> dict[str, Any]:
        """Return the rule as `BatchSettings` takes it."""
        if self.name == CSV:
            return {"spacing_csv": str(self.csv.path)}
        if self.name == TYPED:
            between = (self.z.value(),) if self._volume and self.z.value() > 0 else ()
            return {"spacing_mm": (self.x.value(), self.y.value(), *between)}
        return {"pixels_only": True} if self.name == PIXELS else {}

    def _turn(self, _index: int = 0) -> None:
        self.csv.setVisible(self.name == CSV)
        self.typed.setVisible(self.name == TYPED)
        self.changed.emit()

    def _same(self, x: float) -> None:
        """Y follows x while they are equal: most pixels are square."""
        if abs(self.y.value() - self._last_x) < 1e-9:
            self.y.setValue(x)
        self._last_x = x
