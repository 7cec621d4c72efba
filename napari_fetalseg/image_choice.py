"""The list of the viewer's images, in step with its layers."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_fetalseg.side_by_side import is_copy


def narrow(combo: QComboBox) -> None:
    """Keep long names from making the dock wider."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    combo.currentTextChanged.connect(combo.setToolTip)  # a long name is cut off


class ImageChoice(QComboBox):
    """Chooses an image layer.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        narrow(self)

    @property
    def layer(self) -> Any | None:
        """The chosen image layer."""
        return self.currentData()

    def reload(self) -> bool:
        """List the image layers anew; the choice stays where it can. Return whether it is another one now."""
        from napari.layers import Image

        chosen = self.layer
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image) and not is_copy(layer)]
        self.blockSignals(True)
        self.clear()
        for layer in images:
            self.addItem(layer.name, layer)
            layer.events.name.connect(self._renamed)
        if images:
            self.setCurrentIndex(images.index(chosen) if chosen in images else len(images) - 1)
        self.blockSignals(False)
        self.setToolTip(self.currentText())
        return self.layer is not chosen or chosen is None

    def choose(self, layer: Any) -> None:
        """Choose a layer, where it is an image."""
        for i in range(self.count()):
            if self.itemData(i) is layer:
                self.setCurrentIndex(i)

    def _renamed(self, event: Any) -> None:
        for i in range(self.count()):
            if self.itemData(i) is event.source:
                self.setItemText(i, event.source.name)
