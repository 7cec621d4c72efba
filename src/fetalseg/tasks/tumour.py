"""Brain tumours in FLAIR: a volume's lesions, their volume, and their diameters as neuro-oncologists take them.

The network sees the head's window of each slice and its mirror image; the mask is drawn at the file's own resolution
where their mean passes the model's level. Lesions are connected regions in three dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import quality
from fetalseg.geometry.diameters import diameters, length_mm, rano
from fetalseg.models import architectures
from fetalseg.models.card import Card
from fetalseg.result import Caliper, Measurement, Segmentation
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import Network, flair_check
from fetalseg.tasks.tumour_input import look, standardize
from fetalseg.tasks.tumour_trust import trusted

NAME = "tumour"
TITLE = "Brain tumour (FLAIR)"
VOLUME = True
MODEL = True
told = flair_check.told

# Slices that pass the network together with those around them: memory stays flat however long the volume is.
_PORTION = 48
# Under this confidence a lesion is to be checked. Of the 18 patients kept out of the training all masks that have more
# have a Dice of 82 % and more.
_DOUBT = 0.7
# What a slice with a head in it measures along its longer side, and how far its neighbours lie from it.
_WIDTH_MM = (80.0, 600.0)
_SLICE_MM = (0.2, 20.0)
_VALUES = (
    *("volume_ml", "volume_voxels", "area_mm2", "area_px2", "longest_mm", "perpendicular_mm", "product_mm2"),
    *("longest_px", "perpendicular_px", "product_px2", "slices"),
)


def segment_volume(
    pixels: NDArray[np.generic],
    spacing: Spacing | None,
    network: Network,
    card: Card,
    settings: SegmentSettings,
    notes: tuple[str, ...] = (),
    slices: Sequence[int] | None = None,
) -> tuple[Segmentation, Measurement]:
    """Segment and measure the lesions of a volume.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)
        Axial slices.
    spacing : Spacing or None
    network : callable
        Prepared volumes (n, 1, slices, rows, columns) to probabilities (n, slices, rows, columns).
    card : Card
    settings : SegmentSettings
    notes : tuple of str
        Codes of flags that the reader raised.
    slices : sequence of int, optional
        Only these slices are segmented; those around them are looked at all the same.

    Returns
    -------
    Segmentation, Measurement
        Lesion numbers, the largest first; the measurement of all with one part a lesion.
    """
    pixel = spacing.row_column if spacing else (1.0, 1.0)
    scale, view = look(pixels, card.size, pixel)
    if not scale.known:
        return _nothing(pixels.shape, (*notes, "no_tissue"), spacing)
    notes = (*notes, *flair_check.seen(pixels, scale, view))
    wanted = range(len(pixels)) if slices is None else range(min(slices), max(slices) + 1)
    level = card.level if settings.level is None else settings.level
    reach = architectures.get(card.arch).reach(card.parameters)
    seen = np.zeros((len(pixels), *card.size), np.float32)
    mask = np.zeros(pixels.shape, np.uint8)
    for first in wanted[::_PORTION]:
        last = min(first + _PORTION, wanted.stop)
        low, high = max(0, first - reach), min(len(pixels), last + reach)
        stack = standardize(np.stack([view.look(scale.apply(layer)) for layer in pixels[low:high]]))[None, None]
        answer = network(stack)[0]
        if settings.flips:
            mirrored = network(np.ascontiguousarray(stack[..., ::-1]))[0, ..., ::-1]
            answer = (answer + mirrored) / 2
        seen[first:last] = answer[first - low : last - low]
        for number in range(first, last):
            if seen[number].max() > level:
                mask[number] = view.spread(seen[number], (pixels.shape[1], pixels.shape[2])) > level
    if slices is not None:
        mask[np.setdiff1d(np.arange(len(mask)), slices)] = 0
    numbered = number_lesions(mask, settings.smallest_lesion_voxels)
    labels, trusts = trusted(numbered, view, seen)
    measured = measure(labels, spacing)
    if not measured.parts:
        return _nothing(pixels.shape, notes, spacing)
    if len(measured.parts) < numbered.max():
        notes = (*notes, "region_left_out")
    return Segmentation(labels), _judged(measured, labels, notes, spacing, trusts, card)


def measure_mask(
    mask: NDArray[np.generic], spacing: Spacing | None, card: Card | None = None
) -> tuple[Segmentation, Measurement]:
    """Measure lesions that a person drew or corrected: one a number, whether or not it hangs together.

    Parameters
    ----------
    mask : ndarray, shape (slices, rows, columns)
        Lesion numbers, 0 outside.
    """
    numbers: NDArray[Any] = np.asarray(mask)
    labels = numbers.astype(np.uint8 if numbers.max(initial=0) < 256 else np.uint16)
    measured = measure(labels, spacing)
    if not measured.parts:
        return _nothing(labels.shape, (), spacing)
    return Segmentation(labels), _judged(measured, labels, (), spacing, None, card)


def measure_calipers(
    measurement: Measurement, lesion: str, calipers: tuple[Caliper, ...], spacing: Spacing | None
) -> Measurement:
    """Return the measurement after a person moved a lesion's diameters.

    Parameters
    ----------
    lesion : str
        As in the part's ``texts``.
    calipers : tuple of Caliper
        ``longest`` and ``perpendicular``, in pixels.
    """
    parts = [
        _with_diameters(part, calipers, spacing) if part.texts["lesion"] == lesion else part
        for part in measurement.parts
    ]
    summed = _sum(parts)
    return replace(measurement, parts=tuple(parts), values=summed.values, calipers=summed.calipers, slice=summed.slice)


def number_lesions(mask: NDArray[np.generic], smallest_voxels: int = 0) -> NDArray[np.unsignedinteger[Any]]:
    """Number the connected regions of a mask, the largest first; smaller ones than `smallest_voxels` are dropped.

    Voxels that touch by a side, an edge or a corner are connected.
    """
    from scipy import ndimage

    inside = np.asarray(mask) != 0
    out = np.zeros(inside.shape, np.uint8)
    if not inside.any():
        return out
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(inside))
    found, count = ndimage.label(inside[box], structure=np.ones((3,) * inside.ndim))
    sizes = np.bincount(found.ravel(), minlength=count + 1)[1:]
    order = [int(i) for i in np.argsort(-sizes, kind="stable") if sizes[i] >= smallest_voxels]
    if len(order) > 255:
        out = out.astype(np.uint16)
    renamed = np.zeros(count + 1, out.dtype)
    for number, region in enumerate(order, start=1):
        renamed[region + 1] = number
    out[box] = renamed[found]
    return out


def measure(labels: NDArray[np.generic], spacing: Spacing | None) -> Measurement:
    """Measure every lesion of a volume, without judging.

    Volume is the count of voxels times their size. Diameters are the longest line inside the lesion and the
    longest at a right angle to it, on the slice where the lesion's area is largest.

    References
    ----------
    van den Bent MJ et al. Response assessment in neuro-oncology (RANO) for low-grade gliomas. Lancet Oncol 2011;12:583.
    """
    return _sum([_lesion(number, labels[place] == number, place, spacing) for number, place in _places(labels)])


def _places(labels: NDArray[Any]) -> list[tuple[int, tuple[slice, ...]]]:
    """Number and box of each lesion."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels)
    return [(number, place) for number, place in enumerate(boxes, start=1) if place is not None]


def _lesion(number: int, inside: NDArray[np.bool_], place: tuple[slice, ...], spacing: Spacing | None) -> Measurement:
    areas = inside.sum(axis=(1, 2))
    best = int(areas.argmax())
    voxels, on = float(areas.sum()), float((areas > 0).sum())
    row, column = spacing.row_column if spacing else (1.0, 1.0)
    values: dict[str, float | None] = dict.fromkeys(_VALUES)
    values |= {"volume_voxels": voxels, "area_px2": float(areas[best]), "slices": on}
    if spacing:
        values["area_mm2"] = float(areas[best]) * row * column
        if spacing.voxel_ml is not None:
            values["volume_ml"] = voxels * spacing.voxel_ml
    part = Measurement(values=values, slice=place[0].start + best, texts={"lesion": str(number)})
    lines = diameters(inside[best], row, column)
    moved = tuple(_moved(line, place[2].start, place[1].start) for line in lines) if lines else ()
    return _with_diameters(part, moved, spacing)


def _moved(line: Caliper, x: float, y: float) -> Caliper:
    (x0, y0), (x1, y1) = line.start_xy, line.end_xy
    return Caliper(line.name, (x0 + x, y0 + y), (x1 + x, y1 + y))


def _with_diameters(part: Measurement, calipers: tuple[Caliper, ...], spacing: Spacing | None) -> Measurement:
    values: dict[str, float | None] = dict(part.values)
    units = [("px", (1.0, 1.0))] + ([("mm", spacing.row_column)] if spacing else [])
    for unit, (row, column) in units:
        lengths = {line.name: length_mm(line, row, column) for line in calipers}
        long, short = lengths.get("longest"), lengths.get("perpendicular")
        values |= {
            f"longest_{unit}": long,
            f"perpendicular_{unit}": short,
            f"product_{unit}2": None if long is None or short is None else long * short,
        }
    measurable, why = rano(
        int(values["slices"] or 0),
        values["longest_mm"],
        values["perpendicular_mm"],
        spacing.slice_mm if spacing else None,
    )
    values["measurable"] = None if measurable is None else float(measurable)
    return replace(part, values=values, calipers=calipers, texts={**part.texts, "measurable": why})


def _sum(parts: Sequence[Measurement]) -> Measurement:
    """The measurement of all lesions: volumes added up, products of the measurable ones; the rest of the largest."""
    if not parts:
        return Measurement(values={})
    largest = max(parts, key=lambda part: part.values["volume_voxels"] or 0)
    values: dict[str, float | None] = dict(largest.values)
    for name in ("volume_ml", "volume_voxels"):
        values[name] = _total(part.values[name] for part in parts)
    counted = [part for part in parts if part.values["measurable"] != 0]
    values["product_mm2"] = _total(part.values["product_mm2"] for part in counted)
    values["product_px2"] = _total(part.values["product_px2"] for part in counted)
    values["lesions"] = float(len(parts))
    values["measurable"] = _total(part.values["measurable"] for part in parts)
    texts = {"lesion": "all"}
    return Measurement(values=values, calipers=largest.calipers, slice=largest.slice, parts=tuple(parts), texts=texts)


def _total(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if any(v is None for v in known) else float(sum(v for v in known if v is not None))


def _nothing(
    shape: tuple[int, ...], notes: tuple[str, ...], spacing: Spacing | None
) -> tuple[Segmentation, Measurement]:
    """No lesion: volumes of nothing are 0, and whether that is so is for a person to check."""
    values: dict[str, float | None] = dict.fromkeys(_VALUES)
    values |= {"volume_voxels": 0.0, "lesions": 0.0, "slices": 0.0, "measurable": 0.0}
    if spacing is not None and spacing.voxel_ml is not None:
        values["volume_ml"] = 0.0
    single = ["single_slice"] if shape[0] == 1 else []
    flags = tuple(quality.flag(code) for code in (*notes, "no_tumour", *_scale_codes(shape, spacing), *single))
    empty = Measurement(values=values, flags=flags, state=quality.worst(flags), texts={"lesion": "all"})
    return Segmentation(np.zeros(shape, np.uint8)), empty


def _scale_codes(shape: tuple[int, ...], spacing: Spacing | None) -> list[str]:
    """Codes of what the scale lacks, or of one that no head's picture has: metres written as mm, say."""
    codes = quality.scale_codes(spacing)
    if spacing is None:
        return codes
    width = max(shape[1] * spacing.row_mm, shape[2] * spacing.column_mm)
    between = 1.0 if spacing.slice_mm is None else spacing.slice_mm
    credible = _WIDTH_MM[0] <= width <= _WIDTH_MM[1] and _SLICE_MM[0] <= between <= _SLICE_MM[1]
    return codes if credible else [*codes, "voxel_size"]


def _judged(
    measured: Measurement,
    labels: NDArray[np.generic],
    notes: tuple[str, ...],
    spacing: Spacing | None,
    trusts: Sequence[float] | None,
    card: Card | None,
) -> Measurement:
    """Add confidence, flags, states and intervals. A person's own mask is not doubted, only described.

    `trusts` is the confidence in all, then in each; it is no higher than what was looked at allows.
    """
    if trusts is not None:
        trusts = [min(trust, flair_check.ceiling(notes)) for trust in trusts]
    parts = []
    for number, part in enumerate(measured.parts):
        trust = None if trusts is None else trusts[number + 1]
        flags = tuple(quality.flag(code) for code in ["low_confidence"] if trust is not None and trust < _DOUBT)
        parts.append(
            replace(
                part,
                confidence=trust,
                flags=flags,
                state=quality.worst(flags),
                intervals=_intervals(part.values, card),
            )
        )
    overall = None if trusts is None else trusts[0]
    codes = [*notes, *_scale_codes(labels.shape, spacing)]
    if len(labels) == 1:
        codes.append("single_slice")
    elif labels[0].any() or labels[-1].any():
        codes.append("cut_by_volume")
    if overall is not None and overall < _DOUBT:
        codes.append("low_confidence")
    flags = tuple(quality.flag(code) for code in dict.fromkeys(codes))
    return replace(
        measured,
        parts=tuple(parts),
        confidence=overall,
        flags=flags,
        state=quality.worst(flags),
        intervals=_intervals(measured.values, card),
    )


def _intervals(values: Mapping[str, float | None], card: Card | None) -> dict[str, tuple[float, float]]:
    """95 % range of the volume, from the errors on patients kept out of the training; a share of the volume."""
    if card is None or not card.intervals:
        return {}
    share = card.intervals[0][1]
    found = {name: values.get(name) for name in ("volume_ml", "volume_voxels")}
    return {name: (value * (1 - share), value * (1 + share)) for name, value in found.items() if value is not None}
