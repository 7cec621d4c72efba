"""File > Open and drag and drop: NIfTI, DICOM series, ultrasound DICOM and folders of slices, in millimetres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[Any], list[LayerData]]

METADATA = "fetalseg"
"""Under this key a layer's metadata say what its file told; see `_metadata`."""

_AT_ONCE = 12
_SAMPLE = 200_000


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return what reads a path; None for what napari's own readers open (plain pictures and TIFF).

    Parameters
    ----------
    path : str or list of str
        A list where napari was asked to stack files: those of a DICOM series are one volume anyway.
    """
    from fetalseg.io import dicom
    from fetalseg.io.registry import VOLUME_ENDINGS, ending

    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    first = paths[0]
    if len(paths) > 1:
        if not all(dicom.is_dicom(one) for one in paths):
            return None
        # Pictures and loops are scans of their own, a series is one.
        return _of_files(paths if dicom.modality(first) in dicom.ULTRASOUND else [first])
    if first.is_dir():
        return _of_folder(first)
    ours = ending(first) in VOLUME_ENDINGS or dicom.is_dicom(first) or first.suffix.lower() == ".dcm"
    return _of_files([first]) if ours else None


def _of_files(paths: Sequence[Path]) -> Reader:
    def read(_: Any) -> list[LayerData]:
        from fetalseg.io.folders import expand

        return [_layer(item) for item in expand(paths, volumes=True).items]

    return read


def _of_folder(folder: Path) -> Reader | None:
    from fetalseg.io.folders import expand
    from fetalseg.io.registry import ENDINGS, ending

    def ours(item: Any) -> bool:
        return item.volumes and bool(item.series or item.error or ending(item.path) not in ENDINGS)

    items = [item for item in expand([folder], volumes=True, ultrasound=True).items if ours(item)]
    if not items:
        return None

    def read(_: Any) -> list[LayerData]:
        from fetalseg.errors import UnreadableError

        if len(items) > _AT_ONCE:
            what = "scans" if any(item.path.is_file() and ending(item.path) is None for item in items) else "volumes"
            raise UnreadableError(
                f"{folder.name} holds {len(items)} {what}, too many to show at once. Open one of them, or segment "
                "the folder on the command line."
            )
        return [_layer(item) for item in items]

    return read


def _layer(item: Any) -> LayerData:
    """Return an image layer, or raise `UnreadableError` with its sentence, which napari shows."""
    scan = item.read()
    return layer_of(scan, film=scan.modality == "US")


def layer_of(scan: Any, *, film: bool) -> LayerData:
    """Return the image layer of a scan; `film` of a picture or a loop, whose frames are no slices."""
    lead = len(scan.shape) - 2 if film else 1
    looks: dict[str, Any] = {
        "name": _title(scan),
        "rgb": False,
        "axis_labels": (*("frame" if film else "slice",) * lead, "y", "x"),
        "contrast_limits": _limits(scan.pixels),
        "metadata": {METADATA: _metadata(scan)},
    }
    if scan.spacing is not None:
        between = scan.spacing.slice_mm
        looks["scale"] = (*(between or 1.0,) * lead, *scan.spacing.row_column)
        looks["units"] = (*("mm" if between else "pixel",) * lead, "mm", "mm")
    return scan.pixels if lead else scan.pixels[0], looks, "image"


def _title(scan: Any) -> str:
    from fetalseg.io.registry import ending

    base = scan.name.rsplit("/", 1)[-1]
    return base[: len(base) - len(ending(base) or "")] or base


def _metadata(scan: Any) -> dict[str, Any]:
    """Return what docks and writers need of the file; `layout` puts a mask back into the file's own order."""
    return {
        "name": scan.name,
        "path": str(scan.path),
        "sha256": scan.sha256,
        "spacing_source": scan.spacing.source if scan.spacing else None,
        "layout": scan.layout,
        "affine": scan.layout.affine if scan.layout else None,
        "oriented": scan.oriented,
        "modality": scan.modality,
        "description": scan.description,
        "study_date": scan.study_date,
        "lmp": scan.lmp,
        "machine": scan.machine,
        "regions": scan.regions,
        "notes": scan.notes,
    }


def _limits(pixels: Any) -> tuple[float, float]:
    """Return the grey values shown as black and white: single bright voxels would leave the brain dark."""
    import numpy as np

    values = pixels.reshape(-1)[:: max(1, pixels.size // _SAMPLE)]
    low, high = float(values.min()), float(values.max())
    inside = values[values > low]
    if inside.size:
        high = float(np.percentile(inside, 99.8))
    return (low, high) if high > low else (low, low + 1)
