"""What ``fetalseg segment`` wrote: its masks come as predictions, for a person to accept."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg import tasks
from fetalseg.dataset.adding import Coming, New, group_of
from fetalseg.dataset.annotation import Annotation, Prediction, normalized
from fetalseg.dataset.layouts import ImportOptions
from fetalseg.dataset.layouts.common import exam_of, own_spacing
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.io import folders, registry
from fetalseg.report import table
from fetalseg.scan import Scan, Spacing

TASKS: tuple[str, ...] = ()
_TABLE = "measurements.csv"


def scans(store: Store, source: Path, options: ImportOptions) -> Iterator[Coming]:
    """Yield the scans of a run with what the model drew; frames of a loop one by one.

    The scans are looked for in `options.images`, under the names that the table gives.
    """
    if options.images is None:
        raise DatasetError(
            "A folder of results names its scans but does not hold them: give the folder that was segmented (--images)."
        )
    rows = _rows(source, store.task)
    stems = folders.stems(list(dict.fromkeys(row["file"] for row in rows)))
    for name, stem in stems.items():
        own = [row for row in rows if row["file"] == name]
        if own[0]["status"] == "error":
            yield name, own[0]["error"]
            continue
        try:
            scan = _scan(options.images, name, tasks.get(store.task).VOLUME).with_spacing(_spacing(own[0], options))
            group = group_of(name, options.group, exam_of(Path(name), volume=tasks.get(store.task).VOLUME))
            found = list(_new(store.task, scan, group, own, source / "masks", stem))
        except FetalSegError as error:
            yield name, str(error)
            continue
        yield from found


def names(source: Path) -> list[str]:
    """Return the scans that a folder of results names.

    Raises
    ------
    DatasetError
        If it holds no results.
    """
    return list(dict.fromkeys(row["file"] for row in _rows(source) if row["status"] != "error"))


def _rows(source: Path, task: str | None = None) -> list[dict[str, str]]:
    path = source / _TABLE if source.is_dir() else source
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except OSError as error:
        raise DatasetError(f"{source} holds no results of 'fetalseg segment': {_TABLE} is missing.") from error
    if not rows or not {"file", "status", "task", "model_sha256"} <= set(rows[0]):
        raise DatasetError(f"{path} is no table of 'fetalseg segment', or an empty one.")
    others = {row["task"] for row in rows if row["status"] != "error"} - {task}
    if task is not None and others:
        raise DatasetError(
            f"{path} holds results of the task {', '.join(sorted(others))}; the data set is for '{task}'."
        )
    return rows


def _scan(images: Path, name: str, volumes: bool) -> Scan:
    """Read the scan that a name of the table means: the folder that was given may be the file's own."""
    direct = images / name
    if not direct.exists() and images.is_file() and images.name == Path(name).name:
        direct = images
    if direct.exists():
        return registry.read(direct, name=name, volumes=volumes)
    found = next((item for item in folders.expand([images], volumes=volumes).items if item.name == name), None)
    if found is None:
        raise DatasetError(f"{name} is not in {images}. Give the folder that was segmented.")
    return found.read()


def _spacing(row: dict[str, str], options: ImportOptions) -> Spacing | None:
    """Return the spacing that the run used."""
    typed = own_spacing(options)
    if typed is not None or not row["spacing_x_mm"]:
        return typed
    slices = row.get("slice_mm", "")
    source = row["spacing_source"] or "results"
    return Spacing(float(row["spacing_y_mm"]), float(row["spacing_x_mm"]), source, float(slices) if slices else None)


def _new(task: str, scan: Scan, group: str, rows: list[dict[str, str]], masks: Path, stem: str) -> Iterator[New]:
    volume = tasks.get(task).VOLUME
    for row in rows:
        if volume and row["lesion"] != "all":
            continue
        frame = None if volume else int(row["frame"])
        mask = _mask(masks / f"{stem}_{'lesions' if volume else 'mask'}.tif", scan, frame)
        annotation = Annotation(
            normalized(mask, labels=task == "tumour"), table.ellipse_of(row) if task == "head" else None
        )
        prediction = Prediction(
            annotation,
            row["model"],
            row["model_sha256"],
            float(row["confidence"]) if row["confidence"] else None,
            tuple(code for code in row["flags"].split(";") if code),
        )
        item = stem if frame is None or scan.frames == 1 else f"{stem}_f{frame:04d}"
        changed = row.get("edited", "no") not in ("no", "")
        note = "a person had changed it before it came" if changed else ""
        yield New(scan, item, group, frame if scan.frames > 1 else None, prediction=prediction, note=note)


def _mask(path: Path, scan: Scan, frame: int | None) -> NDArray[np.generic]:
    """Return the mask of a frame, or of a volume as the scan lies."""
    import tifffile

    if not path.exists():
        raise DatasetError(f"{path.name} is not among the results.")
    try:
        stored = np.asarray(tifffile.imread(path))
    except Exception as error:  # decoders raise what they like on damaged bytes
        raise DatasetError(f"{path.name} can't be read ({type(error).__name__}). Segment the scan again.") from error
    if stored.shape != (scan.layout.stored_shape if scan.layout is not None else scan.shape):
        raise DatasetError(f"{path.name} has the shape {stored.shape}, {scan.name} {scan.shape}: it is another scan's.")
    if frame is None:
        return _as_it_lies(stored, scan)
    plane: NDArray[np.generic] = stored.reshape(-1, *scan.frame_shape)[frame]
    return plane


def _as_it_lies(stored: NDArray[np.generic], scan: Scan) -> NDArray[np.generic]:
    if scan.layout is not None:
        return scan.layout.from_stored(stored)
    return stored.reshape(scan.pixels.shape)
