"""Which region of an ultrasound picture holds a head, and so which scale it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalseg.scan import Region, Spacing

# Shares of a head. A mask's edge may run a little over a border.
_CROSSES, _COLOURED = 0.05, 0.5


@dataclass(frozen=True)
class Place:
    """Where a head lies.

    Parameters
    ----------
    region : Region or None
        The tissue that holds all of it; None where none does.
    spacing : Spacing or None
        The scale that the head is measured by.
    codes : tuple of str
        Of flags, see `fetalseg.quality`.
    """

    region: Region | None
    spacing: Spacing | None
    codes: tuple[str, ...] = ()


def place(mask: NDArray[np.generic], regions: Sequence[Region], spacing: Spacing | None) -> Place:
    """Return the region that holds a head.

    Parameters
    ----------
    mask : ndarray, shape (rows, columns)
        The head, where it is not 0.
    regions : sequence of Region
        As the file tells.
    spacing : Spacing or None
        Of the scan.
    """
    if not regions or not np.any(mask):
        return Place(None, spacing)
    inside = np.asarray(mask) != 0
    total = int(inside.sum())
    colours = [r for r in regions if r.kind == "colour" and any(_same(r, other) for other in regions)]
    # Where they overlap, what is on top counts, then what is smaller; a region without scale says the least.
    order = sorted(
        (r for r in regions if r not in colours),
        key=lambda r: (r.kind == "other" or r.spacing is not None, r.on_top, -r.area),
    )
    owner = np.zeros(inside.shape, np.int16)
    for number, region in enumerate(order, start=1):
        owner[region.part] = number
    shares = np.bincount(owner[inside], minlength=len(order) + 1) / total
    best = int(shares.argmax())
    if best == 0:
        anywhere = spacing is not None and spacing not in [r.spacing for r in regions]
        return Place(None, spacing) if anywhere else Place(None, None, ("outside_regions",))
    region = order[best - 1]
    if region.kind != "tissue":
        return Place(None, None, ("other_region",))
    plane = [r for r in order if r is region or _same(region, r)]
    if any(share > _CROSSES and r not in plane for share, r in zip(shares[1:], order, strict=True)):
        return Place(None, None, ("crosses_regions",))
    region = max(plane, key=lambda r: r.area)
    flow = max((float(inside[r.part].sum()) / total for r in colours), default=0.0)
    if flow > _COLOURED:
        return Place(None, None, ("other_region",))
    scale = region.scale(spacing)
    codes = ("no_region_scale",) if region.spacing is None and scale is None else ()
    return Place(region, scale, (*codes, "colour_flow") if flow > _CROSSES else codes)


def _same(one: Region, other: Region) -> bool:
    """Whether two regions show one plane: of one scale, and the smaller one mostly over the other."""
    if other.kind != "tissue" or one.spacing is None or other.spacing is None:
        return False
    rows, columns = (
        max(0, min(a[1], b[1]) - max(a[0], b[0])) for a, b in ((one.rows, other.rows), (one.columns, other.columns))
    )
    over = rows * columns > min(one.area, other.area) / 2
    return over and one.spacing.row_column == other.spacing.row_column
