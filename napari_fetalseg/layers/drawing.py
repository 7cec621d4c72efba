"""Keeps a viewer's layers and its session in step, both ways."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import QTimer

from napari_fetalseg import _compat
from napari_fetalseg.layers.image import Geometry, center_on, current_frame, show_frame, view_problem
from napari_fetalseg.layers.sets import ResultLayers, layers_for
from napari_fetalseg.series import PROGRAM, Series, part_of
from napari_fetalseg.session import Session

# With more lines than this, drawing all anew at each step of a zoom would be felt.
_MANY = 60

_sessions: weakref.WeakKeyDictionary[Any, Drawing] = weakref.WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """Return the session of a viewer, one for all its docks."""
    return drawing_of(viewer).session


def drawing_of(viewer: Any) -> Drawing:
    """Return what draws a viewer's session."""
    viewer = _compat.real_viewer(viewer)
    if viewer not in _sessions:
        _sessions[viewer] = Drawing(viewer, Session())
    return _sessions[viewer]


class Drawing:
    """Draws what the session holds, and tells the session what a person did to the layers."""

    def __init__(self, viewer: Any, session: Session) -> None:
        # The registry's key is the viewer: a strong reference here would keep it for ever.
        self._viewer = weakref.ref(viewer)
        self.session = session
        self._drawn: list[ResultLayers] = []
        session.handed.connect(self._on_handed)
        session.added.connect(self._on_added)
        session.changed.connect(self._on_changed)
        session.removed.connect(self._on_removed)
        session.selected.connect(self._on_selected)
        viewer.layers.events.removing.connect(self._on_layer_removing)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        for layer in viewer.layers:
            self._follow(layer)

    def layers_of(self, series: Series) -> ResultLayers | None:
        """Return the layers of a series, where they exist."""
        return next((d for d in self._drawn if d.series is series), None)

    def series_of(self, layer: Any) -> Series | None:
        """Return the series that a layer shows: one of its own layers, or the newest one of an image."""
        for drawn in self._drawn:
            if layer in drawn.all:
                return drawn.series
        mine = [s for s in self.session.series if s.image() is layer]
        return mine[-1] if mine else None

    def frame_of(self, series: Series) -> int | None:
        """Return the frame of a series that is on the screen, 0 of a volume; None in views that show no plain frame."""
        viewer = self._viewer()
        layer = self._reference(series)
        if viewer is None or layer is None or view_problem(viewer):
            return None
        return 0 if series.volume else current_frame(viewer, layer, series.geometry)

    def ensure(self, series: Series, at_once: bool = True) -> ResultLayers | None:
        """Return the layers of a series, drawn again where a person deleted them.

        Parameters
        ----------
        series : Series
        at_once : bool
            Whether all must be in the viewer on return. Each costs napari a tenth of a second, so during a run
            the window is let breathe between them.
        """
        viewer = self._viewer()
        if viewer is None:
            return None
        drawn = self.layers_of(series)
        if drawn is not None and drawn.waiting:
            self._insert(drawn, at_once)
            return drawn
        if drawn is not None and all(layer in viewer.layers for layer in drawn.all):
            return drawn
        if drawn is not None:
            self._drawn.remove(drawn)
            for layer in drawn.all:
                if layer in viewer.layers:
                    viewer.layers.remove(layer)
        active = viewer.layers.selection.active
        drawn = layers_for(self.session, series, self._line_width(viewer, series.geometry))
        self._show_only(series)
        self._drawn.append(drawn)
        drawn.mask.write({f: r.segmentation.mask for f, r in series.results.items()}, None)
        drawn.draw(list(series.results))
        drawn.waiting = list(drawn.all)
        drawn.active = drawn.mask.layer if active in (None, series.image()) else active
        self._insert(drawn, at_once)
        return drawn

    def _insert(self, drawn: ResultLayers, at_once: bool) -> None:
        """Put the layers that wait into the viewer, from below to above."""
        viewer = self._viewer()
        while viewer is not None and drawn in self._drawn and drawn.waiting:
            viewer.layers.insert(self._above(viewer, drawn.series), drawn.waiting.pop(0))
            if drawn.active in viewer.layers:
                viewer.layers.selection.active = drawn.active
            if not at_once:
                QTimer.singleShot(0, lambda: self._insert(drawn, False))
                return

    def _show_only(self, series: Series) -> None:
        """Show one series of an image: masks over masks tell nothing. The others stay in list and table."""
        for drawn in self._drawn:
            if drawn.series.image() is series.image() and (drawn.series is not series):
                for layer in drawn.all:
                    layer.visible = False
            elif drawn.series is series and not any(layer.visible for layer in drawn.all):
                for layer in drawn.all:
                    layer.visible = True

    def _uncover(self, viewer: Any, series: Series) -> None:
        """Show a series' image, and hide the other images with results that lie above it, with their layers."""
        image = series.image()
        if image is None or image not in viewer.layers or viewer.canvas.grid.enabled:
            return
        image.visible = True
        with_results = [s.image() for s in self.session.series]
        there = list(viewer.layers)  # a slice of napari's own list is a second one, with all its connections
        above = [layer for layer in there[there.index(image) + 1 :] if layer in with_results]
        for drawn in self._drawn:
            if drawn.series.image() in above:
                for layer in drawn.all:
                    layer.visible = False
        for other in above:
            other.visible = False

    @staticmethod
    def _line_width(viewer: Any, geometry: Geometry) -> float:
        """About two pixels of the screen at the present zoom, in the shapes' coordinates."""
        zoom = float(viewer.scene.camera.zoom) * abs(float(geometry.transform["scale"][-1]))
        size = max(geometry.plane)
        return min(max(2.0 / max(zoom, 1e-9), size / 600), size / 100)

    def _on_zoom(self, _event: Any = None) -> None:
        viewer = self._viewer()
        for drawn in self._drawn if viewer is not None else ():
            if len(drawn.series.results) <= _MANY:
                drawn.widen(self._line_width(viewer, drawn.series.geometry))

    def _above(self, viewer: Any, series: Series) -> int:
        """Where new layers go: above the image and what belongs to it."""
        image = series.image()
        if image is None or image not in viewer.layers:
            return len(viewer.layers)
        at = viewer.layers.index(image) + 1
        others = {id(layer) for d in self._drawn if d.series.image() is image for layer in d.all}
        while at < len(viewer.layers) and id(viewer.layers[at]) in others:
            at += 1
        return at

    def _reference(self, series: Series) -> Any | None:
        """A layer that lies where the series' image lies."""
        viewer = self._viewer()
        if viewer is None:
            return None
        drawn = self.layers_of(series)
        candidates = [series.image(), *(drawn.all[:1] if drawn else ())]
        return next((layer for layer in candidates if layer is not None and layer in viewer.layers), None)

    def _on_handed(self, old: Series, new: Series) -> None:
        """The layers of a series that goes show the next one, where they can: napari takes a second for new ones."""
        viewer, drawn = self._viewer(), self.layers_of(old)
        if viewer is None or drawn is None:
            return
        there = all(layer in viewer.layers or layer in drawn.waiting for layer in drawn.all)
        same = (old.settings.task, len(old.geometry.shape)) == (new.settings.task, len(new.geometry.shape))
        if there and same:
            drawn.restart(new)

    def _on_added(self, series: Series, frames: list[int]) -> None:
        drawn = self.layers_of(series)
        if drawn is None:
            self.ensure(series, at_once=False)
            return
        masks = {f: series.results[f].segmentation.mask for f in frames}
        shown = self.frame_of(series)
        drawn.mask.write(masks, shown)
        drawn.draw(frames, quiet=shown is not None and shown not in frames)

    def _on_changed(self, series: Series, frames: list[int], change: str) -> None:
        drawn = self.layers_of(series)
        if drawn is None:
            return
        if change in PROGRAM:
            for frame in frames:
                drawn.mask.replace(frame, series.results[frame].segmentation.mask)
        if change == "fit":
            for frame in frames:
                drawn.mask.mark(frame)
        if change == "scale":
            drawn.rescale()
        else:
            drawn.draw(frames)

    def _on_removed(self, series: Series, frames: list[int]) -> None:
        viewer, drawn = self._viewer(), self.layers_of(series)
        if not series.results and series in self.session.series:
            self.session.series.remove(series)
        if viewer is None or drawn is None:
            return
        if not series.results:
            self._drawn.remove(drawn)
            for layer in drawn.all:
                if layer in viewer.layers:
                    viewer.layers.remove(layer)
            return
        empty = series.deleted
        for frame in frames:
            drawn.mask.replace(frame, empty[frame].segmentation.mask * 0)
        drawn.remove(frames)

    def _on_selected(self, series: Series | None, frame: int | None, chooser: str) -> None:
        viewer = self._viewer()
        if viewer is None or series is None or frame is None:
            return
        if chooser in ("run", "row", "opened"):
            self._uncover(viewer, series)
        if chooser in ("run", "opened") and series.volume:
            self._show_found(series, frame, stay=chooser == "run")
        if chooser != "row":
            return
        drawn = self.ensure(series)
        reference = self._reference(series)
        if drawn is None or reference is None:
            return
        self._show_only(series)
        if not view_problem(viewer):
            self._go_to(series, frame, reference)
        viewer.layers.selection.active = drawn.lines
        drawn.select(frame, self.session.lesion)

    def _show_found(self, series: Series, frame: int, stay: bool) -> None:
        """Go to the slice with most of it; or stay, where the slice that a person chose shows some of it."""
        viewer, reference, result = self._viewer(), self._reference(series), series.results[frame]
        on = result.measurement.slice
        if viewer is None or reference is None or on is None or view_problem(viewer):
            return
        here = current_frame(viewer, reference, series.geometry)
        if not (stay and result.segmentation.mask[here].any()):
            show_frame(viewer, reference, series.geometry, on)

    def _go_to(self, series: Series, frame: int, reference: Any) -> None:
        """Show a row: its frame, or the slice on which its lesion is largest, with the lesion in the middle."""
        viewer = self._viewer()
        if not series.volume:
            show_frame(viewer, reference, series.geometry, frame)
            return
        part = part_of(series.results[frame].measurement, self.session.lesion)
        if part is None or part.slice is None:
            return
        show_frame(viewer, reference, series.geometry, part.slice)
        ends = [end for c in part.calipers for end in (c.start_xy, c.end_xy)]
        if ends:
            x, y = (sum(values) / len(ends) for values in zip(*ends, strict=True))
            center_on(viewer, reference, series.geometry, part.slice, (y, x))

    def _on_step(self, _event: Any = None) -> None:
        """The slider moved: the frame's result is the selected one."""
        if self.session.selection is None:
            series = self.session.series[-1] if self.session.series else None
        else:
            series = self.session.selection[0]
        if series is None or not series.geometry.lead_shape:
            return
        frame = self.frame_of(series)
        if frame is None:
            return
        drawn = self.layers_of(series)
        if drawn is not None:
            drawn.deselect()
        if frame in series.results or self.session.selection is not None:
            self.session.select(series, frame, "frame")

    def _on_layer_inserted(self, event: Any) -> None:
        self._follow(event.value)

    def _follow(self, layer: Any) -> None:
        for name in ("scale", "units", "translate", "rotate", "shear", "affine"):
            getattr(layer.events, name).connect(self._on_moved)

    def _on_moved(self, event: Any) -> None:
        """An image got another scale or place: its results follow."""
        layer = event.source
        mine = [s for s in self.session.series if s.image() is layer]
        for series in mine:
            series.geometry = Geometry.of(layer)
            drawn = self.layers_of(series)
            if drawn is not None:
                drawn.place(series.geometry)
        if event.type in ("scale", "units") and not any(layer in d.all for d in self._drawn):
            self.session.refresh_spacing(layer)

    def _on_layer_removing(self, _event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            _compat.make_canvas_current(viewer)

    def _on_layer_removed(self, event: Any) -> None:
        for name in ("scale", "units", "translate", "rotate", "shear", "affine"):
            getattr(event.value.events, name).disconnect(self._on_moved)
        self.session.image_removed(event.value)
