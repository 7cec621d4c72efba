"""The fetal brain in MRI, by classical means: mask, volume, and the ellipse of its largest axial slice.

No network: the volume has to be skull-stripped already, with a constant background, and is refused where it is not
(see `fetalseg.tasks.brain_mask`). It was tried on what `LIMITS` says and on nothing else. The ellipse is that of the
brain, not of the skull: `hc_mm`, `bpd_mm` and `ofd_mm` are smaller than what ultrasound measures on the bone, and
charts of head circumference do not hold for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import quality
from fetalseg.errors import SettingsError
from fetalseg.models.card import Card
from fetalseg.result import Ellipse, Flag, Measurement, Segmentation, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import brain_mask, head

NAME = "fetal-brain"
TITLE = "Fetal brain (MRI)"
VOLUME = True
MODEL = False

LIMITS = (
    "Tried on six skull-stripped T2 atlas reconstructions (0.8 mm) of fetuses with spina bifida aperta at 22 to 32 "
    "weeks, and on phantoms; on no single fetus's scan, no other sequence, and no brain stripped by another tool. "
    "A rim of one voxel that is darker than the layer under it is taken as the stripping's margin and left out. "
    "The ellipse is the brain's, not the skull's: charts of head circumference do not hold for it."
)

# Volumes of fetal brains from about 20 weeks to term, with room for wide ventricles.
_VOLUME_ML = (20.0, 600.0)
_ELLIPSE = ("hc_mm", "bpd_mm", "ofd_mm", "area_mm2", "cephalic_index", "hc_px", "bpd_px", "ofd_px", "area_px2")
_VALUES = ("volume_ml", "volume_voxels", *_ELLIPSE)
# Doubts of an outline that hold for a brain's as for a head's.
_SHARED = {"mask_ellipse_disagree", "axis_ratio"}


def told(scan: Scan) -> tuple[str, ...]:  # noqa: ARG001 (as other tasks ask)
    """Return no codes: stripped volumes seldom say what they were."""
    return ()


def segment_volume(
    pixels: NDArray[np.generic],
    spacing: Spacing | None,
    network: Callable[..., Any] | None = None,  # noqa: ARG001 (no network here)
    card: Card | None = None,  # noqa: ARG001
    settings: SegmentSettings | None = None,
    notes: tuple[str, ...] = (),
    slices: Sequence[int] | None = None,
) -> tuple[Segmentation, Measurement]:
    """Segment and measure the brain of a skull-stripped volume, as the pipeline asks for it.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)
        Axial slices.
    network, card
        Not used: this task needs no model.
    settings : SegmentSettings, optional
        Its ``slice`` is the one to measure on.
    slices : sequence of int, optional
        One slice alone is the one to measure on, as a person who chose *this slice* means it; the mask is of the
        whole brain all the same.

    Raises
    ------
    SettingsError
        If there is no brain on that slice.
    """
    chosen = settings.slice if settings is not None else None
    if chosen is None and slices is not None and len(slices) == 1:
        chosen = slices[0]
    return segment_brain(pixels, spacing, chosen, notes)


def segment_brain(
    pixels: NDArray[np.generic], spacing: Spacing | None, slice: int | None = None, notes: tuple[str, ...] = ()
) -> tuple[Segmentation, Measurement]:
    """Segment and measure the brain of a skull-stripped volume.

    Parameters
    ----------
    pixels : ndarray, shape (slices, rows, columns)
        Axial slices.
    spacing : Spacing or None
    slice : int, optional
        The axial slice to measure the ellipse on, from 0; the one with the largest area by default.
    notes : tuple of str
        Codes of flags that the reader raised.

    Returns
    -------
    Segmentation, Measurement
        An empty mask and a refused measurement without values where the volume is none that this task knows.

    Raises
    ------
    SettingsError
        If there is no brain on the chosen slice.
    """
    if "not_finite" in notes:  # the reader has put 0 in their place, but what was there is not known
        return _refused(pixels.shape, (*notes, "not_a_volume"))
    found = brain_mask.find(np.asarray(pixels))
    if found.refused:
        return _refused(pixels.shape, (*notes, found.refused))
    there = np.flatnonzero(found.mask.any(axis=(1, 2)))
    if slice is not None and slice not in there:
        raise SettingsError(
            f"There is no brain on slice {slice} (counted from 0); it lies on slices {there[0]} to {there[-1]}."
        )
    segmentation, measurement = measure_mask(found.mask, spacing, slice=slice)
    flags = (*(quality.flag(code) for code in notes), *measurement.flags)
    return segmentation, replace(measurement, flags=flags, state=quality.worst(flags))


def measure_mask(
    mask: NDArray[np.generic],
    spacing: Spacing | None,
    card: Card | None = None,  # noqa: ARG001 (as other tasks ask)
    slice: int | None = None,
) -> tuple[Segmentation, Measurement]:
    """Measure a brain mask: its volume, and the ellipse on one axial slice.

    Parameters
    ----------
    mask : ndarray, shape (slices, rows, columns)
        Inside where it is not 0.
    card : Card, optional
        Not used: there is no model whose errors are known.
    slice : int, optional
        From 0; the slice with the largest area where it is not given or holds nothing.
    """
    inside = (np.asarray(mask) != 0).astype(np.uint8)
    areas = inside.sum(axis=(1, 2), dtype=np.int64)
    if not areas.any():
        return _refused(inside.shape, ("no_brain",))
    chosen = int(areas.argmax()) if slice is None or not areas[slice] else slice
    plane, on_plane = head.measure_mask(inside[chosen], spacing)
    values: dict[str, float | None] = dict.fromkeys(_VALUES)
    values |= {"volume_voxels": float(areas.sum())}
    if spacing is not None and spacing.voxel_ml is not None:
        values["volume_ml"] = float(areas.sum()) * spacing.voxel_ml
    values |= {name: on_plane.values[name] for name in _ELLIPSE}
    flags = (*(f for f in on_plane.flags if f.code in _SHARED), *_doubts(values["volume_ml"], spacing))
    return Segmentation(inside, plane.outline_xy), Measurement(
        values=values,
        ellipse=on_plane.ellipse,
        calipers=on_plane.calipers,
        flags=flags,
        state=quality.worst(flags),
        slice=chosen,
    )


def measure_ellipse(ellipse: Ellipse, spacing: Spacing | None, card: Card | None = None) -> Measurement:  # noqa: ARG001
    """Measure an ellipse that a person placed on a slice, given in pixels. Volume and slice are the mask's."""
    placed = head.measure_ellipse(ellipse, spacing)
    flags = tuple(f for f in placed.flags if f.code in {*_SHARED, "no_spacing"})
    values = {name: placed.values.get(name) for name in _VALUES}
    return replace(placed, values=values, intervals={}, flags=flags, state=quality.worst(flags))


def _doubts(volume_ml: float | None, spacing: Spacing | None) -> list[Flag]:
    if volume_ml is None:
        return [quality.flag(code) for code in quality.scale_codes(spacing)]
    low, high = _VOLUME_ML
    if low <= volume_ml <= high:
        return []
    text = f"The volume is outside what fetal brains have ({low:.0f} to {high:.0f} ml); check what was scanned."
    return [Flag("brain_size", text, State.CHECK)]


def _refused(shape: tuple[int, ...], codes: Sequence[str]) -> tuple[Segmentation, Measurement]:
    flags = tuple(quality.flag(code) for code in dict.fromkeys(codes))
    empty = Measurement(values=dict.fromkeys(_VALUES), confidence=0.0, flags=flags, state=quality.worst(flags))
    return Segmentation(np.zeros(shape, np.uint8)), empty
