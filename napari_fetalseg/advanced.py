"""The choices that fold away: level, flips, second look, keep largest, device."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from fetalseg.settings import DEVICES, SegmentSettings
from napari_fetalseg import preferences
from napari_fetalseg.fold import Fold


class Advanced(QWidget):
    """Shows `SegmentSettings` and returns them; the defaults are the engine's own."""

    def __init__(self) -> None:
        super().__init__()
        self.level = QDoubleSpinBox()
        self.level.setRange(0.0, 0.95)
        self.level.setSingleStep(0.05)
        self.level.setToolTip(
            "Probability at which the outline is drawn. At its lowest value: the model's own, calibrated one."
        )
        self.flips = QCheckBox("Average mirrored copies")
        self.second_look = QCheckBox("Second look at small heads")
        self.keep_largest = QCheckBox("Keep the largest region only")
        self.smallest = QSpinBox()  # stands in the dock's own form: it decides what is found
        self.smallest.setRange(0, 1_000_000)
        self.smallest.setSingleStep(50)
        self.smallest.setPrefix("drop under ")
        self.smallest.setSuffix(" voxels")
        self.smallest.setSpecialValueText("keep all")
        self.smallest.setToolTip("Lesions of fewer voxels are dropped as specks.")
        self.smallest.setKeyboardTracking(False)
        self.device = QComboBox()
        self.device.addItems(DEVICES)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Bring the defaults back")
        inside = QWidget()
        self._form = form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Outline at", self.level)
        form.addRow(self.flips)
        form.addRow(self.second_look)
        form.addRow(self.keep_largest)
        form.addRow("Device", self.device)
        form.addRow(self.reset)
        self.fold = Fold("Advanced", inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(inside)
        self.show_settings(SegmentSettings())

    def show_task(self, task: str) -> None:
        """Show only what changes something for a task; the other settings keep their values."""
        choices = preferences.CHOICES[task]
        for name in ("level", "flips", "second_look", "keep_largest", "device"):
            self._form.setRowVisible(getattr(self, name), name in choices)
        self.setVisible(bool(choices))

    def show_level(self, level: float) -> None:
        """Say which level is the model's own."""
        self.level.setSpecialValueText(f"the model's own ({level:g})")

    def show_settings(self, settings: SegmentSettings) -> None:
        """Show settings."""
        self.level.setValue(settings.level or 0.0)
        self.flips.setChecked(settings.flips)
        self.second_look.setChecked(settings.second_look)
        self.keep_largest.setChecked(settings.keep_largest)
        self.smallest.setValue(settings.smallest_lesion_voxels)
        self.device.setCurrentText(settings.device)

    def settings(self, task: str, model: str) -> SegmentSettings:
        """Return what is set."""
        level = self.level.value()
        return SegmentSettings(
            task=task,
            model=model,
            device=DEVICES[self.device.currentIndex()],
            level=max(level, 0.05) if level > 0 else None,
            flips=self.flips.isChecked(),
            second_look=self.second_look.isChecked(),
            keep_largest=self.keep_largest.isChecked(),
            smallest_lesion_voxels=self.smallest.value(),
        )
