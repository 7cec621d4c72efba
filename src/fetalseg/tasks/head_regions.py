"""The head in an ultrasound picture with regions: the one that holds it is looked at alone, by its own scale.

Text, marks and panels outside that region are not seen. A head that no 2-D tissue holds is drawn, but has no
millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fetalseg import quality
from fetalseg.geometry.regions import Place, place
from fetalseg.models.card import Card
from fetalseg.result import Caliper, Measurement, Segmentation, State
from fetalseg.scan import Region, Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import Network, head

# Looks until the region that was looked at is the one in which the head was found.
_TRIES = 3
Found = tuple[Segmentation, Measurement, Spacing | None]


def segment(
    frame: NDArray[np.generic],
    regions: Sequence[Region],
    spacing: Spacing | None,
    network: Network,
    card: Card,
    settings: SegmentSettings,
    notes: tuple[str, ...] = (),
) -> Found:
    """Segment and measure the head in one frame. See `head.segment`.

    Parameters
    ----------
    regions : sequence of Region
        Of this frame, at least one.
    spacing : Spacing or None
        Of the scan.

    Returns
    -------
    Segmentation, Measurement, Spacing or None
        The spacing is that of the region that holds the head.
    """

    def look(region: Region | None, scale: Spacing | None) -> Found:
        part = frame if region is None else frame[region.part]
        mask, measured = head.segment(part, scale, network, card, settings, notes)
        if region is not None:
            mask, measured = _moved(mask, measured, region, (frame.shape[0], frame.shape[1]))
        return mask, measured, scale

    def quick() -> Place | None:
        """Tell where the head is, by one pass over the whole picture; None where there is none."""
        once = replace(settings, flips=False, second_look=False)
        seen, _ = head.segment(frame, start.spacing, network, card, once)
        return place(seen.mask, regions, spacing) if seen.mask.any() else None

    tissue = max((r for r in regions if r.kind == "tissue"), key=lambda r: r.area, default=None)
    start = Place(tissue, tissue.scale(spacing) if tissue else spacing)
    there, seen = start, None
    if tissue is None or len(regions) > 1:
        seen = quick()
        there = seen or start
        if there.region is None and "crosses_regions" not in there.codes:
            there = start  # what is seen elsewhere may be a mark or a panel
    found = look(there.region, there.spacing)
    if there.region is not None and found[1].state is State.REFUSE and (elsewhere := seen or quick()) is not None:
        there = elsewhere
        found = look(there.region, there.spacing)
    for _ in range(_TRIES):
        at = place(found[0].mask, regions, spacing)
        if not found[1].found or (at.region, at.spacing) == (there.region, there.spacing):
            return found[0], told(found[1], at.codes), found[2]
        there = at
        found = look(there.region, there.spacing)
    found = look(None, None)
    return found[0], told(found[1], ("crosses_regions",)), None


def told(measurement: Measurement, codes: Sequence[str]) -> Measurement:
    """Return the measurement with what its place among the regions raises, which says too why there is no scale."""
    if not codes:
        return measurement
    kept = [flag for flag in measurement.flags if flag.code != "no_spacing"]
    flags = (*kept, *(quality.flag(code) for code in codes))
    return replace(measurement, flags=flags, state=quality.worst(flags))


def _moved(
    segmentation: Segmentation, measurement: Measurement, region: Region, shape: tuple[int, int]
) -> tuple[Segmentation, Measurement]:
    """Return what was found in a region at its place in the picture."""
    top, left = region.rows[0], region.columns[0]
    mask = np.zeros(shape, segmentation.mask.dtype)
    mask[region.part] = segmentation.mask
    outline = segmentation.outline_xy
    ellipse = measurement.ellipse
    if ellipse is not None:
        ellipse = replace(ellipse, center_x=ellipse.center_x + left, center_y=ellipse.center_y + top)

    def line(one: Caliper) -> Caliper:
        (x0, y0), (x1, y1) = one.start_xy, one.end_xy
        return Caliper(one.name, (x0 + left, y0 + top), (x1 + left, y1 + top))

    return (
        Segmentation(mask, None if outline is None else outline + np.array([left, top])),
        replace(measurement, ellipse=ellipse, calipers=tuple(line(one) for one in measurement.calipers)),
    )
