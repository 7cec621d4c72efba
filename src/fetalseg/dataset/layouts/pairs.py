"""Pictures or volumes and their masks, filled: in folders of their own, or side by side.

A mask is ``masks/a.png`` (or ``labels``, ``annotations``, ``segmentations``) for ``images/a.png`` or ``a.png``, or
``a_mask.png`` (``_label``, ``_seg``) beside or in such a folder. Other endings than the picture's own are fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fetalseg import tasks
from fetalseg.dataset.adding import Coming, New, group_of
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.layouts import ImportOptions
from fetalseg.dataset.layouts.common import drawn, exam_of, with_spacing
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError, FetalSegError
from fetalseg.io import registry

TASKS: tuple[str, ...] = ()
_FOLDERS = {"mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations"}
_ENDS = ("_mask", "_label", "_labels", "_seg", "_segmentation", "-mask", "-label", "-seg")


def scans(store: Store, source: Path, options: ImportOptions) -> Iterator[Coming]:
    """Yield the pictures that have a mask; those without one are named."""
    volume = tasks.get(store.task).VOLUME
    found = _pairs(source, volume)
    if not any(mask for _, mask in found):
        raise DatasetError(
            f"{source} holds no picture with a mask: masks lie in a folder 'masks' under the picture's name, or beside "
            "it as NAME_mask.png."
        )
    for path, mask_path in found:
        name = path.relative_to(source).as_posix()
        if mask_path is None:
            yield name, f"{name} has no mask; it was left out."
            continue
        try:
            scan = with_spacing(registry.read(path, name=name, volumes=volume), options)
            mask = registry.read(mask_path, name=mask_path.relative_to(source).as_posix(), volumes=volume).pixels
            group = group_of(name, options.group, exam_of(path, volume=volume))
            if not volume and (len(mask) > 1 or scan.frames > 1):
                raise DatasetError(f"{name} or its mask holds several frames; pairs of single pictures are read.")
            if mask.shape != scan.pixels.shape:
                (rows, columns), (own_rows, own_columns) = mask.shape[-2:], scan.frame_shape
                raise DatasetError(
                    f"{mask_path.name} has {columns} x {rows} pixels in {len(mask)} slices, its picture "
                    f"{own_columns} x {own_rows} in {scan.frames}."
                )
        except FetalSegError as error:
            yield name, str(error)
            continue
        drawn_mask = mask if volume else mask[0]
        annotation = Annotation.of(store.task, drawn_mask.shape, scan.spacing, mask=drawn_mask)
        yield drawn(New(scan, _stem(path), group), annotation, options, "pairs")


def _stem(path: Path) -> str:
    ending = registry.ending(path) or path.suffix
    return path.name[: -len(ending)]


def _pairs(source: Path, volume: bool) -> list[tuple[Path, Path | None]]:
    """Return each picture with its mask, sorted by name."""
    pictures: list[Path] = []
    masks: dict[str, list[Path]] = {}
    for path in sorted(source.rglob("*")):
        if path.name.startswith(".") or not path.is_file() or not registry.readable(path, volumes=volume):
            continue
        stem = _stem(path)
        end = next((end for end in _ENDS if stem.lower().endswith(end)), "")
        apart = bool({part.lower() for part in path.relative_to(source).parts[:-1]} & _FOLDERS)
        if end or apart:
            masks.setdefault(stem[: len(stem) - len(end)], []).append(path)
        else:
            pictures.append(path)
    return [(picture, _nearest(picture, masks.get(_stem(picture), []))) for picture in pictures]


def _nearest(picture: Path, masks: list[Path]) -> Path | None:
    """Of masks of the same name in different folders the one whose path has most in common with the picture's."""

    def shared(mask: Path) -> int:
        return sum(a == b for a, b in zip(picture.parent.parts, mask.parent.parts, strict=False))

    return max(masks, key=shared, default=None)
