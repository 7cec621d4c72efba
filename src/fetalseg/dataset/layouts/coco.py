"""COCO's layout: pictures and one JSON file with their masks as polygons or run lengths.

The ellipse of a head goes along in the annotation's ``attributes``, and a csv of pixel sizes beside the JSON file: COCO
itself knows no millimetres.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fetalseg.dataset import rle
from fetalseg.dataset.adding import Coming, New, group_of
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.layouts import Exported, ImportOptions, Progress, file_name
from fetalseg.dataset.layouts.common import drawn, exam_of, with_spacing
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.io import registry
from fetalseg.io.atomic import atomic_write, write_text
from fetalseg.result import Ellipse
from fetalseg.scan import Scan

TASKS = ("head",)
_FILE = "annotations.json"
_ELLIPSE = ("center_x_px", "center_y_px", "semi_major_px", "semi_minor_px", "angle_deg")


def scans(store: Store, source: Path, options: ImportOptions) -> Iterator[Coming]:
    """Yield the annotated pictures; those without an annotation are named."""
    path = _json_file(source)
    told = _read(path)
    category = _category(told, options.category, path)
    by_picture: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for one in told["annotations"]:
        if one.get("category_id") == category:
            by_picture[one.get("image_id")].append(one)
    for picture in told["images"]:
        name = str(picture.get("file_name", ""))
        own = by_picture.get(picture.get("id"), [])
        if not own:
            yield name, f"{name} has no annotation; it was left out."
            continue
        try:
            scan = with_spacing(registry.read(_picture(name, path, options), name=name, volumes=False), options)
            group = group_of(name, options.group, exam_of(Path(name), volume=False))
            found = _annotation(store, scan, own)
        except FetalSegError as error:
            yield name, f"{name}: {error}" if name not in str(error) else str(error)
            continue
        yield drawn(New(scan, Path(name).stem, group), found, options, "COCO")


def _json_file(source: Path) -> Path:
    if source.is_file():
        return source
    found = sorted(source.glob("*.json")) or sorted(source.glob("annotations/*.json"))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found[:5]) or "none"
        raise DatasetError(f"{source} should hold one JSON file of annotations; found: {listed}. Give the file itself.")
    return found[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} can't be read as JSON: {error}.") from error
    if not isinstance(told, dict) or not all(isinstance(told.get(key), list) for key in ("images", "annotations")):
        raise DatasetError(f"{path} is no file of COCO: it lacks 'images' or 'annotations'.")
    return told


def _category(told: dict[str, Any], wanted: str | None, path: Path) -> Any:
    names = {one.get("name"): one.get("id") for one in told.get("categories", [])}
    used = {one.get("category_id") for one in told["annotations"]}
    if wanted is None and len(used) == 1:
        return used.pop()
    if wanted not in names:
        listed = ", ".join(sorted(map(str, names)))
        raise DatasetError(f"{path} has the categories {listed}. Say which one is meant (--category).")
    return names[wanted]


def _picture(name: str, path: Path, options: ImportOptions) -> Path:
    places = (
        [options.images] if options.images else [path.parent, path.parent / "images", path.parent.parent / "images"]
    )
    for place in places:
        if place is not None and (place / name).is_file():
            return place / name
    raise DatasetError(f"{name} is not beside {path.name}. Give the folder of the pictures (--images).")


def _annotation(store: Store, scan: Scan, own: Sequence[dict[str, Any]]) -> Annotation:
    masks = [rle.decode(one.get("segmentation"), scan.frame_shape) for one in own]
    told = own[0].get("attributes") if len(own) == 1 else None
    ellipse = None
    if isinstance(told, dict) and all(isinstance(told.get(name), (int, float)) for name in _ELLIPSE):
        ellipse = Ellipse(*(float(told[name]) for name in _ELLIPSE))
    mask = np.maximum.reduce(masks)
    return Annotation.of(store.task, scan.frame_shape, scan.spacing, mask=mask, ellipse=ellipse)


def export(store: Store, entries: Sequence[Entry], out: Path, progress: Progress) -> Exported:
    """Write ``images/``, ``annotations.json`` and ``pixel_sizes.csv``."""
    done = Exported()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    sizes = io.StringIO()
    table = csv.writer(sizes, lineterminator="\n")
    table.writerow(["filename", "spacing_x_mm", "spacing_y_mm"])
    taken: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        progress(number - 1, len(entries), entry.item)
        found = store.annotation(entry)
        assert found is not None
        name = file_name(entry, taken)
        data = (store.folder / entry.image).read_bytes()
        atomic_write(out / "images" / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
        rows, columns = entry.shape
        images.append({"id": number, "file_name": name, "width": columns, "height": rows, "group": entry.group})
        if entry.spacing is not None:
            table.writerow([name, repr(entry.spacing.column_mm), repr(entry.spacing.row_mm)])
        if found.mask.any():
            annotations.append(_told(len(annotations) + 1, number, found))
        done.written += 1
    about = {
        "info": {"description": f"Annotations of the task {store.task}", "version": store.version()[:12]},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": store.task, "supercategory": ""}],
    }
    write_text(out / "pixel_sizes.csv", sizes.getvalue())
    write_text(out / _FILE, json.dumps(about, indent=1) + "\n")
    return done


def _told(number: int, image: int, found: Annotation) -> dict[str, Any]:
    mask = found.mask != 0
    y, x = np.nonzero(mask)
    left, top = int(x.min()), int(y.min())
    polygons = rle.to_polygons(mask)
    one: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "area": int(mask.sum()),
        "bbox": [left, top, int(x.max()) - left + 1, int(y.max()) - top + 1],
        "segmentation": polygons or {"size": list(mask.shape), "counts": rle.pack(rle.to_counts(mask))},
    }
    if found.ellipse is not None:
        e = found.ellipse
        values = (e.center_x, e.center_y, e.semi_major, e.semi_minor, e.angle_deg)
        one["attributes"] = dict(zip(_ELLIPSE, map(float, values), strict=True))
    return one
