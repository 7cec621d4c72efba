"""Original and segmented picture next to each other, in napari's own grid: zoom and pan are shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_fetalseg import _compat

_MARK = "fetalseg_side_by_side"
_LINKED = ("contrast_limits", "gamma", "colormap")


def is_copy(layer: Any) -> bool:
    """Whether a layer is the original that stands beside the segmented picture."""
    return bool(layer.metadata.get(_MARK))


@dataclass(eq=False)
class SideBySide:
    """A switch; what it changes in the viewer it puts back.

    Parameters
    ----------
    viewer : napari.Viewer
    on_stop : callable
        Called when it ended, also where a person closed one of its layers.
    """

    viewer: Any
    on_stop: Callable[[], Any]
    _image: Any = None
    _copy: Any = None
    _grid: dict[str, Any] | None = None
    _hidden: tuple[Any, ...] = ()

    @property
    def on(self) -> bool:
        """Whether the two pictures stand side by side."""
        return self._grid is not None

    def start(self, image: Any, keep: tuple[Any, ...]) -> None:
        """Show `image` alone on the left, and with the layers in `keep` on the right."""
        if self.on:
            self.stop()
        viewer, grid = self.viewer, self.viewer.canvas.grid
        active = viewer.layers.selection.active
        self._grid = {name: getattr(grid, name) for name in ("shape", "stride", "spacing", "enabled")}
        others = [x for x in viewer.layers if x is not image and x not in keep and x.visible]
        self._hidden = tuple(others)
        for layer in others:
            layer.visible = False
        data, state, kind = image.as_layer_data_tuple()
        from napari.layers import Layer

        state = state | {"name": f"{image.name} · original", "metadata": {_MARK: True}, "visible": True}
        self._copy = Layer.create(data, state, kind)
        viewer.layers.insert(0, self._copy)
        self._image = image
        self._link(image)
        _compat.split_grid(grid, self._copy)
        grid.shape, grid.stride, grid.spacing = (1, 2), 1, 0.01
        grid.enabled = True
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.active = active if active in viewer.layers else image
        viewer.reset_view()

    def stop(self) -> None:
        """Put the viewer back."""
        if self._grid is None:
            return
        viewer, grid = self.viewer, self.viewer.canvas.grid
        viewer.layers.events.removed.disconnect(self._on_removed)
        before, self._grid = self._grid, None
        copy, self._copy = self._copy, None
        if copy is not None:
            from napari.experimental import unlink_layers

            unlink_layers([copy])
        if copy in viewer.layers:
            viewer.layers.remove(copy)
        _compat.unsplit_grid(grid)
        grid.enabled = before["enabled"]
        grid.shape, grid.stride, grid.spacing = before["shape"], before["stride"], before["spacing"]
        for layer in self._hidden:
            layer.visible = True
        self._hidden = ()
        self._image = None
        viewer.reset_view()
        self.on_stop()

    def _link(self, image: Any) -> None:
        from napari.experimental import link_layers

        names = ("gamma",) if image.rgb else _LINKED
        link_layers([image, self._copy], names)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._copy or event.value is self._image:
            self.stop()
