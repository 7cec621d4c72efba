"""Where the millimetres of an ultrasound DICOM file come from: its calibrated regions, else its pixel spacing.

References
----------
DICOM PS3.3, C.8.5.5 (US Region Calibration Module), C.7.6.16.2.1 (Pixel Measures), 10.7 (Pixel Spacing).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fetalseg.io.dicom import group_item
from fetalseg.scan import Region, Spacing

_SEQUENCE = "SequenceOfUltrasoundRegions"
_BOX = ("RegionLocationMinY0", "RegionLocationMaxY1", "RegionLocationMinX0", "RegionLocationMaxX1")
_NO_UNIT, _CM = 0, 3
# RegionSpatialFormat and RegionDataType
_PLANE, _WITHOUT_SCALE = 1, (0, 5)
_TISSUE, _COLOUR_FLOW = 1, 2
# No scanner's pixel is smaller or larger; what says so is in other units than it claims.
_LEAST_CM, _MOST_CM = 1e-4, 0.3
# A box that reaches further beyond the picture was written for another size of it. Some writers count to the border.
_BEYOND = 0.01


def scales(
    dataset: Any, base: str, frames: int, shape: tuple[int, int]
) -> tuple[tuple[tuple[Region, ...], ...], Spacing | None]:
    """Return the regions, one item for all frames or one a frame, and the spacing where all tissue has the same.

    Parameters
    ----------
    dataset : pydicom.Dataset
    base : str
        The file's name, for the spacing's source.
    frames : int
    shape : (rows, columns)

    Returns
    -------
    regions : tuple of tuple of Region
        Empty where no region speaks.
    spacing : Spacing or None
        That of all tissue; where the file tells of none, that of PixelSpacing. ImagerPixelSpacing, which is that of a
        detector, is never taken.
    """
    per_frame = "PerFrameFunctionalGroupsSequence" in dataset
    sets = [_of_frame(dataset, number, base, shape) for number in range(frames if per_frame else 1)]
    plain = [spacing for _, spacing in sets]
    if len(set(plain)) == 1 and not any(_planes(found) for found, _ in sets):
        regions = tuple(found for found, _ in sets)
        return (regions if any(regions) else ()), plain[0]
    # A frame without regions among others is one region, in the scale that the frame has by itself.
    whole = [Region((0, shape[0]), (0, shape[1]), "tissue", spacing) for spacing in plain]
    regions = tuple(found or (one,) for (found, _), one in zip(sets, whole, strict=True))
    known = [[r.spacing for r in _planes(found)] or [None] for found in regions]
    first = known[0][0]
    single = first if all(spacing == first for of_frame in known for spacing in of_frame) else None
    if single is None:
        regions = tuple(tuple(replace(r, differs=True) for r in found) for found in regions)
    return (regions[:1] if len(set(regions)) == 1 else regions), single


def _planes(regions: Sequence[Region]) -> list[Region]:
    return [region for region in regions if region.kind == "tissue"]


def _of_frame(
    dataset: Any, number: int, base: str, shape: tuple[int, int]
) -> tuple[tuple[Region, ...], Spacing | None]:
    """Return a frame's regions that speak, and its pixel spacing."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    holders = (*groups[number : number + 1], *shared[:1], dataset)
    items = next((found for holder in holders if (found := holder.get(_SEQUENCE))), ())
    regions = [region for item in items if (region := _region(item, base, shape)) is not None]
    if any(_beyond(item, shape) for item in items if _region(item, base, shape) is not None):
        # The picture was made smaller after its regions were written: neither place nor scale holds.
        regions = [Region((0, shape[0]), (0, shape[1]), "tissue")]
    measures = group_item(dataset, number, "PixelMeasuresSequence") or dataset
    spacing = _pixel_spacing(measures, base)
    silent = any(_silent(item) for item in items)
    if not regions and silent and spacing is None:
        regions = [Region((0, shape[0]), (0, shape[1]), "tissue")]
    return tuple(regions), spacing


def _region(item: Any, base: str, shape: tuple[int, int]) -> Region | None:
    """Return a region; None where it says nothing of a scale: graphics, or no units."""
    form, kind = _whole(item, "RegionSpatialFormat"), _whole(item, "RegionDataType")
    if form in _WITHOUT_SCALE or _silent(item):
        return None
    box = _box(item)
    on_top = not (_whole(item, "RegionFlags") or 0) & 1
    if box is None:
        rows, columns = (0, shape[0]), (0, shape[1])
    else:
        rows, columns = (box[0], min(box[1] + 1, shape[0])), (box[2], min(box[3] + 1, shape[1]))
    if form != _PLANE or kind not in (_TISSUE, _COLOUR_FLOW):
        return Region(rows, columns, "other", on_top=on_top)
    spacing = _spacing(item, base) if box is not None and _in_cm(item) else None
    return Region(rows, columns, "tissue" if kind == _TISSUE else "colour", spacing, on_top)


def _silent(item: Any) -> bool:
    """Whether a plane says that it has no units; whatever its deltas are, they are no lengths."""
    units = [_whole(item, f"PhysicalUnits{axis}Direction") for axis in "XY"]
    return _whole(item, "RegionSpatialFormat") == _PLANE and all(unit in (None, _NO_UNIT) for unit in units)


def _in_cm(item: Any) -> bool:
    return all(_whole(item, f"PhysicalUnits{axis}Direction") == _CM for axis in "XY")


def _spacing(item: Any, base: str) -> Spacing | None:
    """Return the size of a pixel; None for one that can't be right. Where y runs upwards its step is negative."""
    steps = [_number(item, f"PhysicalDelta{axis}") for axis in "YX"]
    sizes = [abs(step) for step in steps if step is not None and _LEAST_CM <= abs(step) <= _MOST_CM]
    return Spacing(10 * sizes[0], 10 * sizes[1], f"{base} (DICOM ultrasound region)") if len(sizes) == 2 else None


def _box(item: Any) -> tuple[int, int, int, int] | None:
    """Return first and last row, first and last column; None where they are none."""
    bounds = [_whole(item, keyword) for keyword in _BOX]
    if any(bound is None or bound < 0 for bound in bounds):
        return None
    top, bottom, left, right = (int(bound or 0) for bound in bounds)
    return (top, bottom, left, right) if top < bottom and left < right else None


def _beyond(item: Any, shape: tuple[int, int]) -> bool:
    box = _box(item)
    if box is None:
        return False
    return any(last > size + _BEYOND * size for last, size in zip(box[1::2], shape, strict=True)) or any(
        first >= size for first, size in zip(box[::2], shape, strict=True)
    )


def _pixel_spacing(measures: Any, base: str) -> Spacing | None:
    try:
        row, column = (float(value) for value in measures.get("PixelSpacing"))
    except (TypeError, ValueError):
        return None
    good = all(math.isfinite(size) and 10 * _LEAST_CM <= size <= 10 * _MOST_CM for size in (row, column))
    return Spacing(row, column, f"{base} (DICOM PixelSpacing)") if good else None


def _number(item: Any, keyword: str) -> float | None:
    try:
        value = float(item.get(keyword))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _whole(item: Any, keyword: str) -> int | None:
    value = _number(item, keyword)
    return None if value is None else int(value)
