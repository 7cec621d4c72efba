"""An image layer as the engine sees it: frames of grey values, and where they lie in the world."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.scan import Region, Scan, Spacing

_HASHED_BYTES = 500_000_000


@dataclass(frozen=True)
class Geometry:
    """Where a layer lies: what each layer made from it copies, so that they stay on one another.

    Parameters
    ----------
    lead_shape : tuple of int
        Shape of the axes before rows and columns; empty for a still.
    plane : tuple of int
        Rows and columns.
    transform : dict
        What `napari.layers.Layer` takes: scale, translate, rotate, shear, affine, units, axis_labels.
    """

    lead_shape: tuple[int, ...]
    plane: tuple[int, int]
    transform: dict[str, Any]

    @classmethod
    def of(cls, layer: Any) -> Geometry:
        """Return the geometry of an image layer."""
        shape = array_of(layer).shape
        shape = tuple(int(n) for n in (shape[:-1] if getattr(layer, "rgb", False) else shape))
        names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        return cls(shape[:-2], (shape[-2], shape[-1]), {name: getattr(layer, name) for name in names})

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a mask of the whole image."""
        return (*self.lead_shape, *self.plane)

    @property
    def frames(self) -> int:
        """Number of frames over all leading axes."""
        return int(np.prod(self.lead_shape, dtype=int))

    def index(self, frame: int) -> tuple[int, ...]:
        """Return the index of a frame in the leading axes."""
        return tuple(int(i) for i in np.unravel_index(frame, self.lead_shape)) if self.lead_shape else ()

    @property
    def row_stretch(self) -> float:
        """How much taller than wide a pixel is drawn."""
        row, column = (abs(float(s)) for s in self.transform["scale"][-2:])
        return row / column

    @property
    def square_transform(self) -> dict[str, Any]:
        """The transform for shapes whose rows are multiplied by `row_stretch`: then a turned ellipse stays one."""
        scale = np.array(self.transform["scale"], float)
        scale[-2] = np.copysign(scale[-1], scale[-2])
        return self.transform | {"scale": scale}


@dataclass(frozen=True, eq=False)
class Source:
    """What a worker needs of an image layer, without the layer: napari's objects stay in the GUI thread."""

    pixels: Any
    geometry: Geometry
    rgb: bool
    name: str
    path: Path | None
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: Any) -> Source:
        """Return the source of an image layer.

        Raises
        ------
        UnreadableError
            If it can't be a scan.
        """
        array = array_of(layer)
        least = 3 if layer.rgb else 2
        if array.ndim < least or 0 in array.shape:
            raise UnreadableError(f"{layer.name}: a scan has rows and columns, not the shape {tuple(array.shape)}.")
        if np.dtype(array.dtype).kind not in "buif":
            raise UnreadableError(f"{layer.name} holds {array.dtype} values; a scan has grey values. Convert it first.")
        path = layer.source.path
        path = Path(path) if path and Path(path).is_file() else None
        told = facts(layer)
        name = told.get("name") or (path.name if path else layer.name)
        return cls(array, Geometry.of(layer), bool(layer.rgb), name, path, told)

    def frame(self, number: int) -> tuple[NDArray[np.generic], tuple[str, ...]]:
        """Return a frame's grey values, shape (rows, columns), and notes on what had to be changed.

        Only this frame is read, also of lazy arrays.
        """
        from fetalseg.io.decoded import grey

        index = self.geometry.index(number)
        array = np.asarray(self.pixels[index] if index else self.pixels)
        if array.dtype.kind == "b":
            array = array.astype(np.uint8)
        if self.rgb:
            array = grey(array)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return np.where(np.isfinite(array), array, np.zeros((), array.dtype)), ("not_finite",)
        return array, ()

    def scan(self, number: int, spacing: Spacing | None, sha256: str | None) -> Scan:
        """Return one frame as a scan of its own."""
        pixels, notes = self.frame(number)
        return Scan(
            pixels[np.newaxis],
            self.name,
            spacing,
            pixels.shape,
            self.path,
            sha256,
            notes,
            study_date=self.facts.get("study_date"),
            machine=self.facts.get("machine"),
            regions=self._regions(number),
        )

    def _regions(self, number: int) -> tuple[tuple[Region, ...], ...]:
        """Return the regions of a frame that an ultrasound file tells of."""
        told = self.facts.get("regions") or ()
        return told[number : number + 1] if len(told) > 1 else told

    def check_volume(self) -> None:
        """Raise `UnreadableError` where this can't be one volume."""
        if len(self.geometry.lead_shape) > 1:
            raise UnreadableError(
                f"{self.name} has {len(self.geometry.shape)} axes; a volume has slices, rows and columns. Open one "
                "volume of it alone (in napari: Layers > Data > Split Stack)."
            )

    def volume(self, spacing: Spacing | None, sha256: str | None) -> Scan:
        """Return the whole image as one scan, shape (slices, rows, columns); a single slice is one as well.

        Raises
        ------
        UnreadableError
            If it has more axes.
        """
        from fetalseg.io.decoded import coloured

        self.check_volume()
        planes = [self.frame(number) for number in range(self.geometry.frames)]
        pixels = np.stack([plane for plane, _ in planes])
        notes = [note for _, of_plane in planes for note in of_plane]
        if self.rgb and coloured(np.asarray(self.pixels)):
            notes.append("colour")
        notes = [*self.facts.get("notes", ()), *notes]
        return Scan(
            pixels,
            self.name,
            spacing,
            self.geometry.shape,
            self.path,
            sha256,
            tuple(dict.fromkeys(notes)),
            modality=self.facts.get("modality"),
            description=self.facts.get("description") or "",
            study_date=self.facts.get("study_date"),
            machine=self.facts.get("machine"),
        )

    def sha256(self) -> str | None:
        """Return the hash of the file, or of the pixels where there is none; None where that would take long."""
        if self.facts.get("sha256"):
            return str(self.facts["sha256"])
        if self.path is not None:
            try:
                with self.path.open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                return None
        if isinstance(self.pixels, np.ndarray) and self.pixels.nbytes <= _HASHED_BYTES:
            return hashlib.sha256(np.ascontiguousarray(self.pixels).data).hexdigest()
        return None


def facts(layer: Any) -> dict[str, Any]:
    """Return what the plugin's reader told of a layer's file; see `napari_fetalseg.reader`."""
    told = layer.metadata.get("fetalseg")
    return told if isinstance(told, dict) else {}


def array_of(layer: Any) -> Any:
    """Return the layer's array; of a multiscale image the finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def view_problem(viewer: Any) -> str | None:
    """Return why the view shows no plain frame of an image now, as a sentence; None when it does."""
    if viewer.dims.ndisplay == 3:
        return "Switch back to the 2-D view first: frames are segmented as they were scanned."
    order = list(viewer.dims.order)
    if order != sorted(order):
        return "The axes are rolled or transposed; bring them back to their own order first."
    return None


def current_frame(viewer: Any, layer: Any, geometry: Geometry | None = None) -> int:
    """Return the number of the frame of `layer` that the viewer shows.

    The viewer's steps are those of its finest layer, so they are no frame numbers of this one.
    """
    geometry = geometry or Geometry.of(layer)
    lead = geometry.lead_shape
    if not lead:
        return 0
    point = list(viewer.dims.point[-layer.ndim :])
    point = [0.0] * (layer.ndim - len(point)) + point
    units = _viewer_units(viewer, layer)
    point = [_converted(x, u, v) for x, u, v in zip(point, units, layer.units, strict=True)]
    index = np.round(layer.world_to_data(point)).astype(int)[: len(lead)]
    index = np.clip(index, 0, np.array(lead) - 1)
    return int(np.ravel_multi_index(tuple(index), lead))


def show_frame(viewer: Any, layer: Any, geometry: Geometry, frame: int) -> None:
    """Move the viewer's sliders to a frame of `layer`."""
    lead = geometry.lead_shape
    if not lead or current_frame(viewer, layer, geometry) == frame:
        return
    centre = ((geometry.plane[0] - 1) / 2, (geometry.plane[1] - 1) / 2)
    world = _to_viewer(viewer, layer, [*geometry.index(frame), *centre])
    first = viewer.dims.ndim - layer.ndim
    axes = [first + i for i in range(len(lead))]
    viewer.dims.set_point(axes, [float(world[i]) for i in range(len(lead))])


def center_on(viewer: Any, layer: Any, geometry: Geometry, frame: int, row_column: tuple[float, float]) -> None:
    """Bring a point of a frame of `layer` to the middle of the 2-D view; the zoom stays."""
    world = _to_viewer(viewer, layer, [*geometry.index(frame), *row_column])
    viewer.scene.camera.center = (0.0, float(world[-2]), float(world[-1]))


def _to_viewer(viewer: Any, layer: Any, point: list[float]) -> list[float]:
    """Return a point of a layer, in its pixels, in the viewer's world, whose unit is that of its finest layer."""
    world = layer.data_to_world(point)
    units = _viewer_units(viewer, layer)
    return [_converted(x, v, u) for x, u, v in zip(world, units, layer.units, strict=True)]


def _viewer_units(viewer: Any, layer: Any) -> tuple[Any, ...]:
    """The units of the viewer's axes that are the layer's; the layer's own where the layers share none."""
    common = viewer.layers.extent.units
    shared = common is not None and len(common) >= layer.ndim
    return tuple(common[-layer.ndim :] if shared else layer.units)


def _converted(value: float, unit: Any, wanted: Any) -> float:
    """Return a length in another unit; as it is where one is no length, as while layers come and go."""
    import pint

    try:
        return float(pint.get_application_registry().Quantity(value, unit).to(wanted).magnitude)
    except pint.DimensionalityError:
        return float(value)
