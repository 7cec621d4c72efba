"""What the session lets run in a worker: segmenting, and measuring an edit. No Qt, no layers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import pipeline, tasks
from fetalseg.errors import FetalSegError
from fetalseg.result import Result
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from napari_fetalseg.layers.image import Source
from napari_fetalseg.series import Edit, part_of
from napari_fetalseg.workers import Token

# Results are handed over together, so that fast frames do not keep the window busy with drawing.
_BATCH_S = 0.4


@dataclass(frozen=True)
class Loaded:
    """The model is loaded; `text` says what runs where."""

    text: str


@dataclass(frozen=True)
class Done:
    """So many slices of a volume went through the network."""

    slices: int


def segment_frames(
    source: Source,
    settings: SegmentSettings,
    frames: list[int],
    spacing: Spacing | None,
    token: Token,
) -> Iterator[Any]:
    """Load the model, then yield results in small batches."""
    loaded = pipeline.Pipeline.load(settings)
    yield Loaded(loaded.describe)
    sha256 = source.sha256()
    batch: list[Result] = []
    last = time.monotonic()
    for frame in frames:
        if token.is_set():
            break
        for result in loaded.segment(source.scan(frame, spacing, sha256)):
            batch.append(replace(result, frame=frame))
        if time.monotonic() - last > _BATCH_S:
            yield batch
            batch, last = [], time.monotonic()
    if batch:
        yield batch


def segment_volume(
    source: Source,
    settings: SegmentSettings,
    slices: list[int] | None,
    spacing: Spacing | None,
    token: Token,
) -> Iterator[Any]:
    """Load the model, then yield the volume's one result; how far it is, is told meanwhile."""
    loaded = pipeline.Pipeline.load(settings)
    yield Loaded(loaded.describe)
    scan = source.volume(spacing, source.sha256())

    def progress(done: int, _total: int, _text: str) -> None:
        token.tell(Done(done if slices is None else 0))

    yield list(loaded.segment(scan, frames=slices, progress=progress, cancel=token))


def apply(edit: Edit, base: Result) -> Result:
    """Measure an edit."""
    if tasks.get(base.task).VOLUME:
        return _apply_to_volume(edit, base)
    if edit.change == "mask" and np.array_equal(edit.value != 0, base.segmentation.mask != 0):
        return edit.series.same_mask(edit.frame, base)
    if edit.change in ("mask", "fit"):
        mask = base.segmentation.mask if edit.change == "fit" else edit.value
        if np.array_equal(mask != 0, base.original.segmentation.mask != 0):
            return original(base)  # undone to the model's own
        return pipeline.edit_mask(base, mask)
    if edit.change == "ellipse":
        return pipeline.edit_ellipse(base, edit.value)
    ellipse = edit.value or base.measurement.ellipse
    if ellipse is None:
        raise FetalSegError(f"Frame {edit.frame} of {edit.series.title} has no ellipse that could become the mask.")
    return pipeline.edit_ellipse(base, ellipse, redraw_mask=True)


def at_spacing(result: Result, spacing: Spacing | None) -> Result:
    """Return the result in the millimetres of a spacing. At once for a frame; a volume's mask is measured for it."""
    return result if result.spacing == spacing else pipeline.recalibrate(result, spacing)


def original(result: Result) -> Result:
    """Return the model's own result, at the present spacing and, of a brain, on the slice that was chosen."""
    first = at_spacing(result.original, result.spacing)
    chosen = pipeline.chosen_slice(result)
    if chosen is None or chosen == pipeline.chosen_slice(first) or not first.segmentation.mask[chosen].any():
        return first
    return pipeline.measure_on(first, chosen)


def _apply_to_volume(edit: Edit, base: Result) -> Result:
    from fetalseg.tasks import tumour
    from fetalseg.tasks.slice_merge import merge

    mask = base.segmentation.mask
    if edit.change == "scale":
        return at_spacing(base, edit.value)
    if edit.change == "revert":
        return original(base)
    if edit.change == "calipers":
        return pipeline.edit_calipers(base, edit.part, edit.value)
    if edit.change == "ellipse":
        return pipeline.edit_ellipse(base, edit.value)
    if edit.change == "slice":
        number, found = edit.value
        if base.task == "fetal-brain":
            return pipeline.measure_on(base, number)
        return _remeasured(base, merge(mask, number, found, edit.series.settings.smallest_lesion_voxels))
    if edit.change == "fit":
        same = np.array_equal(mask, base.original.segmentation.mask)
        return original(base) if same else pipeline.edit_mask(base, mask)
    if edit.change == "mask" and np.array_equal(edit.value, mask):
        return edit.series.same_mask(edit.frame, base)
    if edit.change == "number":
        return _remeasured(base, tumour.number_lesions(mask))
    if edit.change == "erase":
        return _remeasured(base, np.where(mask == int(edit.part), 0, mask))
    return _remeasured(base, edit.value)


def _remeasured(base: Result, mask: NDArray[Any]) -> Result:
    """Measure a changed mask; diameters that a person placed stay with lesions that did not change."""
    before = base.segmentation.mask
    changed = before != mask
    if not changed.any():
        return base
    undone = np.array_equal(base.original.segmentation.mask, mask)
    result = original(base) if undone else pipeline.edit_mask(base, mask)
    if base.origin != "calipers":
        return result
    touched = {str(n) for n in np.union1d(before[changed], mask[changed])}
    for part in base.measurement.parts:
        lesion = part.texts["lesion"]
        there = part_of(result.measurement, lesion)
        if lesion not in touched and there is not None and there.calipers != part.calipers:
            result = pipeline.edit_calipers(result, lesion, part.calipers)
    return result
