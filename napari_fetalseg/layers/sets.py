"""The layers of a series: what is drawn of its results, and what a person did to them."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from fetalseg.result import Caliper, Ellipse, Measurement
from napari_fetalseg import wording
from napari_fetalseg.layers.diameters import DiameterLayer, Line
from napari_fetalseg.layers.image import Geometry
from napari_fetalseg.layers.mask import MaskLayer
from napari_fetalseg.layers.shapes import CaliperLayer, EllipseLayer
from napari_fetalseg.series import Series, view
from napari_fetalseg.session import Session

# Callipers are thinner than the ellipse by this factor.
_THIN = 0.75


_KINDS = ("mask", "ellipse", "callipers", "diameters")


def layers_for(session: Session, series: Series, width: float) -> ResultLayers:
    """Make the layers of a series; `width` is that of its lines, in the shapes' coordinates."""
    kind = LesionLayers if series.settings.task == "tumour" else EllipseLayers
    return kind(session, series, width)


class ResultLayers(ABC):
    """A mask, and lines above it.

    Attributes
    ----------
    waiting : list of layers
        Those that are not in the viewer yet.
    active : layer
        What is to be active once all are there.
    """

    def __init__(self, session: Session, series: Series) -> None:
        self._weak = weakref.ref(session)
        self.waiting: list[Any] = []
        self.active: Any = None
        self.series = series
        self._name = _pattern(series)
        lesions = series.settings.task == "tumour"
        self.mask = MaskLayer(
            series.geometry, self._name % "mask", self._mask_edited, lesions=lesions, whole=series.volume
        )

    @property
    @abstractmethod
    def all(self) -> tuple[Any, ...]:
        """The napari layers, from below to above."""

    @property
    @abstractmethod
    def lines(self) -> Any:
        """The napari layer that becomes active with a row."""

    @abstractmethod
    def draw(self, frames: Iterable[int], quiet: bool = False) -> None:
        """Draw the lines of some results; `quiet` where none of them is on the screen."""

    @abstractmethod
    def rescale(self) -> None:
        """Bring the lines' labels to the results' present scale."""

    @abstractmethod
    def widen(self, width: float) -> None:
        """Draw the lines with another width."""

    @abstractmethod
    def remove(self, frames: Iterable[int]) -> None:
        """Take the lines of some results away."""

    @abstractmethod
    def select(self, frame: int, lesion: str) -> None:
        """Select the lines of a row, with their handles."""

    @abstractmethod
    def deselect(self) -> None:
        """Select no line."""

    @abstractmethod
    def place(self, geometry: Geometry) -> None:
        """Follow the image to another place or scale."""

    def restart(self, series: Series) -> None:
        """Show another series in the same layers, with nothing to undo; its results are still to be drawn."""
        self.deselect()
        names = {self._name % kind: _pattern(series) % kind for kind in _KINDS}
        for layer in self.all:
            layer.name = names.get(layer.name, layer.name)
        self.series, self._name = series, _pattern(series)
        self.mask.restart(series.geometry)
        self.place(series.geometry)

    def _session(self) -> Session | None:
        return self._weak()

    def _mask_edited(self, frames: set[int]) -> None:
        session = self._session()
        if session is not None:
            session.edit_mask(self.series, {f: self.mask.frame(f) for f in sorted(frames)})


class EllipseLayers(ResultLayers):
    """Mask, ellipse and callipers, of a head's frames or of the slice on which a brain is measured."""

    def __init__(self, session: Session, series: Series, width: float) -> None:
        super().__init__(session, series)
        self.ellipse = EllipseLayer(
            series.geometry,
            self._name % "ellipse",
            width,
            self._ellipse_edited,
            self._ellipse_selected,
            self._ellipse_removed,
        )
        self.callipers = CaliperLayer(series.geometry, self._name % "callipers", width * _THIN)

    @property
    def all(self) -> tuple[Any, ...]:
        """The napari layers, from below to above."""
        return self.mask.layer, self.callipers.layer, self.ellipse.layer

    @property
    def lines(self) -> Any:
        """The ellipse's layer."""
        return self.ellipse.layer

    def _found(self, frames: Iterable[int]) -> dict[int, Measurement | None]:
        """What lies on each frame, or on each slice of a volume that has, or had, an ellipse."""
        planes = self.series.planes()
        if self.series.volume:
            return dict.fromkeys(self.ellipse.frames()) | dict(planes)
        return {f: planes[f] for f in frames if f in planes}

    def draw(self, frames: Iterable[int], quiet: bool = False) -> None:
        """Draw ellipses and callipers of some results."""
        found = self._found(frames)
        self.ellipse.show({f: m.ellipse if m else None for f, m in found.items()}, quiet)
        self.callipers.show({f: self._callipers(m) for f, m in found.items()}, quiet)

    def _callipers(self, measurement: Measurement | None) -> list[tuple[Caliper, str]]:
        result = next((r for r in self.series.results.values() if r.measurement is measurement), None)
        if measurement is None or result is None:
            return []
        return [(c, wording.calliper(result, c.name)) for c in measurement.calipers]

    def rescale(self) -> None:
        """Bring the callipers' labels to the present scale."""
        found = self._found(self.series.results)
        self.callipers.show({f: self._callipers(m) for f, m in found.items()})

    def widen(self, width: float) -> None:
        """Draw the lines with another width."""
        self.ellipse.widen(width)
        self.callipers.widen(width * _THIN)

    def remove(self, frames: Iterable[int]) -> None:
        """Take ellipses and callipers of some results away."""
        gone = self.ellipse.frames() if self.series.volume else list(frames)
        self.ellipse.show(dict.fromkeys(gone))
        self.callipers.show({f: [] for f in gone})

    def select(self, frame: int, lesion: str) -> None:  # noqa: ARG002
        """Select the row's ellipse, drawn again where a person deleted it."""
        on = next(iter(self.series.planes()), None) if self.series.volume else frame
        if on is None:
            return
        if on not in self.ellipse.frames():
            self.draw([frame])
        self.ellipse.select(on)

    def deselect(self) -> None:
        """Select no ellipse."""
        if self.ellipse.layer.selected_data:
            self.ellipse.deselect()

    def place(self, geometry: Geometry) -> None:
        """Follow the image to another place or scale."""
        found = self._found(self.series.results)
        self.mask.place(geometry)
        self.ellipse.place(geometry, {f: m.ellipse if m else None for f, m in found.items()})
        self.callipers.place(geometry, {f: self._callipers(m) for f, m in found.items()})

    def _frame_of(self, plane: int) -> int:
        return 0 if self.series.volume else plane

    def _ellipse_edited(self, plane: int, ellipse: Ellipse) -> None:
        session, drawn = self._session(), self.series.planes().get(plane)
        if session is None:
            return
        if drawn is not None and drawn.ellipse is not None and _same(drawn.ellipse, ellipse):
            return  # a click that moved nothing
        if self.series.volume and drawn is None:
            session.told.emit("The ellipse stays on the slice that was measured; segment this slice to move it there.")
            self.draw([0])
            return
        session.edit_ellipse(self.series, self._frame_of(plane), ellipse)

    def _ellipse_selected(self, plane: int) -> None:
        session = self._session()
        if session is not None:
            session.select(self.series, self._frame_of(plane), "layer")

    def _ellipse_removed(self, _frames: set[int]) -> None:
        session = self._session()
        if session is not None:
            session.told.emit("The ellipse's numbers stay in the table; a click on the row draws it again.")


class LesionLayers(ResultLayers):
    """Numbered lesions, and the two diameters of each."""

    def __init__(self, session: Session, series: Series, width: float) -> None:
        super().__init__(session, series)
        self.diameters = DiameterLayer(
            series.geometry,
            self._name % "diameters",
            width,
            self._diameters_edited,
            self._lesion_selected,
            self._tell,
        )

    @property
    def all(self) -> tuple[Any, ...]:
        """The napari layers, from below to above."""
        return self.mask.layer, self.diameters.layer

    @property
    def lines(self) -> Any:
        """The diameters' layer."""
        return self.diameters.layer

    def _lines(self) -> list[Line]:
        found = []
        for result in self.series.results.values():
            for part in result.measurement.parts:
                if part.slice is None:
                    continue
                row = view(result, part.texts["lesion"])
                # One label for both, as they are reported; a second one would lie on the bright lesion.
                labels = {"longest": wording.diameters(row)}
                found += [Line(part.texts["lesion"], part.slice, c, labels.get(c.name, "")) for c in part.calipers]
        return found

    def draw(self, frames: Iterable[int], quiet: bool = False) -> None:  # noqa: ARG002
        """Draw the diameters of all lesions."""
        self.diameters.show(self._lines())

    def rescale(self) -> None:
        """Bring diameters and labels to the present scale."""
        self.diameters.show(self._lines())

    def widen(self, width: float) -> None:
        """Draw the lines with another width."""
        self.diameters.widen(width)

    def remove(self, frames: Iterable[int]) -> None:  # noqa: ARG002
        """Take the diameters away."""
        self.diameters.show([])

    def select(self, frame: int, lesion: str) -> None:  # noqa: ARG002
        """Select a lesion's diameters, drawn again where a person deleted them."""
        self.diameters.show(self._lines())
        self.diameters.select(lesion)

    def deselect(self) -> None:
        """Leave what is selected: the diameters of a lesion are on one slice only."""

    def place(self, geometry: Geometry) -> None:
        """Follow the image to another place or scale."""
        self.mask.place(geometry)
        self.diameters.place(geometry, self._lines())

    def _diameters_edited(self, lesion: str, calipers: tuple[Caliper, ...]) -> None:
        session = self._session()
        if session is not None:
            session.edit_calipers(self.series, lesion, calipers)

    def _lesion_selected(self, lesion: str) -> None:
        session = self._session()
        if session is not None:
            session.select(self.series, 0, "layer", lesion)

    def _tell(self, sentence: str) -> None:
        session = self._session()
        if session is not None:
            session.told.emit(sentence)


def _pattern(series: Series) -> str:
    """Return the name of a series' layers, with a place for what a layer is."""
    image = series.image()
    end = f" [{series.number}]" if series.number > 1 else ""
    return f"{image.name if image is not None else series.title} · %s{end}".replace("%", "%%").replace("%%s", "%s")


def _same(one: Ellipse, other: Ellipse) -> bool:
    """Whether two ellipses are the same within the precision that a layer keeps."""
    turn = abs(one.angle_deg - other.angle_deg) % 180
    near = max(
        abs(one.center_x - other.center_x),
        abs(one.center_y - other.center_y),
        abs(one.semi_major - other.semi_major),
        abs(one.semi_minor - other.semi_minor),
    )
    return near < 0.01 and (min(turn, 180 - turn) < 0.01 or one.semi_major - one.semi_minor < 0.01)
