"""How much of an image to segment: this frame or all of a loop, the whole volume or a slice of it."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QBoxLayout, QHBoxLayout, QRadioButton, QWidget

from napari_fetalseg.layers.image import Geometry, current_frame, view_problem


class Extent(QWidget):
    """Two choices, named by what the target makes of the image.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._volume = False
        self.this_frame, self.all_frames = QRadioButton("This one"), QRadioButton("All")
        self.this_frame.setChecked(True)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self.this_frame)
        self._row.addWidget(self.all_frames)

    @property
    def title(self) -> str:
        """What the form calls it."""
        return "Slices" if self._volume else "Frames"

    def set_volume(self, volume: bool) -> None:
        """Take the image as a volume, the whole of it at first, or as frames, at first the one on the screen."""
        if volume == self._volume:
            return
        self._volume = volume
        # One under the other: side by side they would make the dock wider.
        self._row.setDirection(QBoxLayout.Direction.BottomToTop if volume else QBoxLayout.Direction.LeftToRight)
        self.all_frames.setChecked(volume)
        self.this_frame.setChecked(not volume)
        self.this_frame.setToolTip("Its part of the mask is replaced; all other corrections stay" if volume else "")

    def refresh(self, layer: Any | None) -> None:
        """Name the choices by the image and what is on the screen."""
        frames = Geometry.of(layer).frames if layer is not None and layer.ndim >= 2 else 1
        several = frames > 1
        for button in (self.this_frame, self.all_frames):
            button.setEnabled(several)
        if not several:
            (self.all_frames if self._volume else self.this_frame).setChecked(True)
        shown = several and not view_problem(self._viewer)
        at = f" ({current_frame(self._viewer, layer)})" if shown else ""
        if self._volume:
            self.all_frames.setText(f"Whole volume ({frames})" if several else "Whole volume")
            self.this_frame.setText(f"This slice{at}")
        else:
            self.all_frames.setText(f"All {frames}" if several else "All")
            self.this_frame.setText(f"This one{at}")

    def slices(self, shown: int) -> list[int] | None:
        """Return the slices of a volume to segment; None for all."""
        return [shown] if self.this_frame.isChecked() else None

    def frames(self, count: int, shown: int) -> list[int]:
        """Return the frames to segment."""
        return list(range(count)) if self.all_frames.isChecked() else [shown]
