"""The fetal head in ultrasound: two looks, one outline, an ellipse in mm.

The first look sees the whole picture and finds the head. The second sees a window around it, in which
every head is about the same size, as it is and mirrored. The outline is traced between pixels where the
averaged probability crosses the model's calibrated level, and the ellipse is fitted to it in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fetalseg import quality
from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry import outline as outlines
from fetalseg.geometry.view import View
from fetalseg.models.card import Card
from fetalseg.result import Caliper, Ellipse, Flag, Measurement, Segmentation
from fetalseg.scan import Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import Network
from fetalseg.tasks.head_input import grey_range, normalize, standardize

NAME = "head"
TITLE = "Fetal head"
VOLUME = False
MODEL = True

# A first look may be far off; the second then still sees most of the picture.
_WIDEST = 1.6
# Regions under this share of the view are specks, not heads.
_SPECK = 0.002
# A region of less than this share of the largest is no rival to it.
_RIVAL = 0.25
# So many regions of a look are weighed against each other.
_CANDIDATES = 2
# 95 % limits within which one reader repeats an HC, as a share of it.
_READER = 0.03
_FLIPS = ((False, False), (False, True), (True, False), (True, True))


@dataclass(frozen=True, eq=False)
class _Look:
    """One window's answer: the mean probability, one region of it alone, how the mirrored copies differ, the head."""

    view: View
    probability: NDArray[np.float32]
    region: NDArray[np.float32]
    flips: float
    points: NDArray[np.float64]
    ellipse: Ellipse
    second_region: float


def segment(
    frame: NDArray[np.generic],
    spacing: Spacing | None,
    network: Network,
    card: Card,
    settings: SegmentSettings,
    notes: tuple[str, ...] = (),
) -> tuple[Segmentation, Measurement]:
    """Segment and measure the head in one frame.

    Parameters
    ----------
    frame : ndarray, shape (rows, columns)
    spacing : Spacing or None
    network : callable
        Prepared inputs (n, 1, rows, columns) to probabilities (n, rows, columns).
    card : Card
        Gives the input's size, the outline's level and the intervals.
    notes : tuple of str
        Codes of flags that the reader raised.

    Returns
    -------
    Segmentation, Measurement
        An empty mask and a measurement without values where no head is found.
    """
    shape = (frame.shape[0], frame.shape[1])
    pixel = spacing.row_column if spacing else (1.0, 1.0)
    level = card.level if settings.level is None else settings.level
    whole = View.whole(shape, card.size, pixel)
    raw = whole.look(frame)
    low, high = grey_range(raw)
    if high <= low:
        return _nothing(shape, notes, spacing)
    flips = _FLIPS if settings.flips else _FLIPS[:1]
    # To find the head, one pass is enough; the mirrored copies are spent on the outline.
    looks = _look(whole, raw, low, high, network, level, flips[:1] if settings.second_look else flips, shape, pixel)

    def again(first: _Look) -> list[_Look]:
        if not settings.second_look:
            return [first]
        around = View.around(first.ellipse, card.size, pixel)
        if around.step_x >= _WIDEST * whole.step_x:
            return [first]
        return _look(around, around.look(frame), low, high, network, level, flips, shape, pixel) or [first]

    def answer(first: _Look, look: _Look) -> tuple[tuple[float, float], Segmentation, Measurement]:
        mask = _mask(look, first, level, shape, settings.keep_largest)
        evidence = _evidence(look, first, mask, raw, shape, level)
        measurement = _measure(look.ellipse, spacing, card)
        area_mm2 = measurement.values["area_mm2"]
        rim = None if area_mm2 is None else evidence.blur * float(np.sqrt(area_mm2))
        evidence = replace(
            evidence, hc_mm=measurement.values["hc_mm"], rim_mm=rim, rim=None if rim is None else rim / card.rim_mm
        )
        trust = quality.confidence(evidence)
        flags = quality.flags(evidence, trust, notes, spacing is not None)
        return (
            # How much it looks like a head, whatever else there is.
            (quality.confidence(replace(evidence, second_region=0.0)), evidence.inside),
            Segmentation(mask, look.points),
            replace(measurement, confidence=trust, flags=flags, state=quality.worst(flags), evidence=evidence.known()),
        )

    # Mostly there is one region. Of several the head is the one that looks most like it: the body may be larger.
    answers = [answer(first, look) for first in looks for look in again(first)]
    if not answers:
        return _nothing(shape, notes, spacing)
    return max(answers, key=lambda one: one[0])[1:]


def measure_mask(
    mask: NDArray[np.generic], spacing: Spacing | None, card: Card | None = None
) -> tuple[Segmentation, Measurement]:
    """Measure a mask that a person drew or corrected: its largest region, outlined at half a pixel.

    Parameters
    ----------
    mask : ndarray, shape (rows, columns)
        Inside where it is not 0.
    """
    inside = (np.asarray(mask) != 0).astype(np.uint8)
    shape = (inside.shape[0], inside.shape[1])
    labels, sizes = outlines.regions(inside, 0.5)
    if not len(sizes):
        return _nothing(shape, (), spacing)
    largest = int(sizes.argmax())
    points = outlines.trace(outlines.keep_region(inside, 0.5, labels, largest + 1), 0.5)
    pixel = spacing.row_column if spacing else (1.0, 1.0)
    ellipse = _fit(points, pixel)
    if ellipse is None:
        return Segmentation(inside), replace(_nothing(shape, (), spacing)[1], flags=(quality.flag("no_head"),))
    others = np.delete(sizes, largest)
    evidence = quality.Evidence(
        second_region=float(others.max(initial=0) / sizes[largest]),
        roughness=_roughness(ellipse, points),
        overlap=_overlap(inside, ellipses.mask(ellipse, shape)),
        off_picture=_off_picture(ellipse, shape),
        axis_ratio=ellipse.semi_minor / ellipse.semi_major,
    )
    return Segmentation(inside, points), _with_flags(_measure(ellipse, spacing, card), evidence, spacing)


def measure_ellipse(ellipse: Ellipse, spacing: Spacing | None, card: Card | None = None) -> Measurement:
    """Measure an ellipse that a person placed, given in pixels."""
    evidence = quality.Evidence(axis_ratio=ellipse.semi_minor / max(ellipse.semi_major, 1e-9))
    return _with_flags(_measure(ellipse, spacing, card), evidence, spacing)


def _with_flags(measurement: Measurement, evidence: quality.Evidence, spacing: Spacing | None) -> Measurement:
    """Flags by geometry alone: there is no network to doubt, so there is no confidence either."""
    evidence = replace(evidence, hc_mm=measurement.values["hc_mm"])
    flags: tuple[Flag, ...] = quality.flags(evidence, 1.0, (), spacing is not None)
    return replace(measurement, flags=flags, state=quality.worst(flags))


def _look(
    view: View,
    raw: NDArray[np.float32],
    low: float,
    high: float,
    network: Network,
    level: float,
    flips: Sequence[tuple[bool, bool]],
    shape: tuple[int, int],
    pixel: tuple[float, float],
) -> list[_Look]:
    """Return the regions of one window's answer that may be the head, the largest first."""
    image = standardize(normalize(raw, low, high))
    batch = np.stack([image[:: -1 if ud else 1, :: -1 if lr else 1] for ud, lr in flips])[:, np.newaxis]
    answers = network(np.ascontiguousarray(batch))
    answers = np.stack([a[:: -1 if ud else 1, :: -1 if lr else 1] for a, (ud, lr) in zip(answers, flips, strict=True)])
    mean = answers.mean(axis=0)
    labels, sizes = outlines.regions(mean, level)
    shared = 2 * (answers * mean).sum(axis=(1, 2)) / ((answers**2).sum(axis=(1, 2)) + (mean**2).sum())
    looks: list[_Look] = []
    for index in np.argsort(-sizes, kind="stable"):
        if len(looks) == _CANDIDATES or sizes[index] < max(_SPECK * mean.size, _RIVAL * sizes.max()):
            break
        region = outlines.keep_region(mean, level, labels, int(index) + 1)
        points = view.to_picture(outlines.trace(region, level))
        points = points[_well_inside(points, view, shape)]
        ellipse = _fit(points, pixel)
        if ellipse is not None:
            second = float(np.delete(sizes, index).max(initial=0) / sizes[index])
            looks.append(_Look(view, mean, region, float(1 - shared.mean()), points, ellipse, second))
    return looks


def _fit(points: NDArray[np.float64], pixel: tuple[float, float]) -> Ellipse | None:
    """Fit in mm (or in pixels while the spacing is unknown) and return the ellipse in pixels."""
    row, column = pixel
    found = ellipses.fit(points * (column, row))
    return ellipses.scaled(found, 1 / column, 1 / row) if found else None


def _well_inside(points: NDArray[np.float64], view: View, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Points more than one view pixel away from the picture's border, where the outline is the border's."""
    x, y = points.T
    return np.asarray(
        (x > view.step_x - 0.5)
        & (x < shape[1] - 0.5 - view.step_x)
        & (y > view.step_y - 0.5)
        & (y < shape[0] - 0.5 - view.step_y)
    )


def _mask(look: _Look, first: _Look, level: float, shape: tuple[int, int], keep_largest: bool) -> NDArray[np.uint8]:
    """The mask at the picture's own resolution."""
    field = look.region if keep_largest else look.probability
    spread = look.view.spread(field, shape)
    if not keep_largest and look is not first:  # other regions may lie outside the magnified window
        seen = look.view.spread(np.ones_like(field), shape) > 0
        spread = np.where(seen, spread, first.view.spread(first.probability, shape))
    return (spread > level).astype(np.uint8)


def _measure(ellipse: Ellipse, spacing: Spacing | None, card: Card | None) -> Measurement:
    """Values of an ellipse given in pixels. mm values come from the ellipse in mm."""
    px = ellipses.circumference(ellipse.semi_major, ellipse.semi_minor)
    values: dict[str, float | None] = dict.fromkeys(("hc_mm", "bpd_mm", "ofd_mm", "area_mm2"))
    intervals: dict[str, tuple[float, float]] = {}
    calipers = ellipses.calipers(ellipse, "ofd", "bpd")
    true = ellipse
    if spacing:
        row, column = spacing.row_column
        true = ellipses.scaled(ellipse, column, row)
        hc = ellipses.circumference(true.semi_major, true.semi_minor)
        values |= {
            "hc_mm": hc,
            "bpd_mm": 2 * true.semi_minor,
            "ofd_mm": 2 * true.semi_major,
            "area_mm2": ellipses.area(true),
        }
        # Perpendicular in mm; on oblong pixels they may not look it.
        long, short = ellipses.calipers(true, "ofd", "bpd")
        calipers = (_in_pixels(long, column, row), _in_pixels(short, column, row))
        half = half_width(card, hc)
        if half is not None:
            intervals["hc_mm"] = (hc - half, hc + half)
    values |= {
        "cephalic_index": 100 * true.semi_minor / true.semi_major,
        "hc_px": px,
        "bpd_px": 2 * ellipse.semi_minor,
        "ofd_px": 2 * ellipse.semi_major,
        "area_px2": ellipses.area(ellipse),
    }
    return Measurement(values=values, intervals=intervals, ellipse=ellipse, calipers=calipers)


def half_width(card: Card | None, hc_mm: float) -> float | None:
    """Return the half-width of the 95 % interval of an HC.

    Of a model's result: from the errors on exams kept out of its training. Beyond the largest size that the card knows
    it grows with HC, as readers' differences do. Without a card, of what a person drew: 3 %, within which one reader
    repeats a measurement.

    References
    ----------
    Sarris I et al. Intra- and interobserver variability in fetal ultrasound measurements. Ultrasound Obstet
    Gynecol 2012.
    """
    if card is None:
        return _READER * hc_mm
    if not card.intervals:
        return None
    sizes, halves = zip(*card.intervals, strict=True)
    half = float(np.interp(hc_mm, sizes, halves))
    return half * max(1.0, hc_mm / float(sizes[-1]))


def _in_pixels(line: Caliper, column: float, row: float) -> Caliper:
    (x0, y0), (x1, y1) = line.start_xy, line.end_xy
    return Caliper(line.name, (x0 / column, y0 / row), (x1 / column, y1 / row))


def _nothing(
    shape: tuple[int, int], notes: tuple[str, ...], spacing: Spacing | None
) -> tuple[Segmentation, Measurement]:
    names = ("hc_mm", "bpd_mm", "ofd_mm", "area_mm2", "cephalic_index", "hc_px", "bpd_px", "ofd_px", "area_px2")
    codes = [*notes, "no_head"] + ([] if spacing else ["no_spacing"])
    flags = tuple(quality.flag(code) for code in codes)
    empty = Measurement(values=dict.fromkeys(names), confidence=0.0, flags=flags, state=quality.worst(flags))
    return Segmentation(np.zeros(shape, np.uint8)), empty


def _evidence(
    look: _Look, first: _Look, mask: NDArray[np.uint8], raw: NDArray[np.float32], shape: tuple[int, int], level: float
) -> quality.Evidence:
    """Gather what the prediction tells about itself."""
    drawn = ellipses.mask(look.ellipse, shape)
    p = look.probability
    seen = look.view.look(drawn) > 0.5
    size = float((p > level).sum())
    hc = [ellipses.circumference(x.ellipse.semi_major, x.ellipse.semi_minor) for x in (first, look)]
    return quality.Evidence(
        inside=float(p[seen].mean()) if seen.any() else 0.0,
        blur=float((4 * p * (1 - p)).sum() / (2 * np.sqrt(np.pi * size)) / np.sqrt(size)),
        second_region=max(look.second_region, first.second_region),
        off_picture=_off_picture(look.ellipse, shape),
        off_sector=_off_sector(look.ellipse, first.view, raw),
        arc=_arc(look.ellipse, look.points),
        roughness=_roughness(look.ellipse, look.points),
        overlap=_overlap(mask, drawn),
        flips=look.flips,
        looks=None if look is first else abs(hc[0] - hc[1]) / hc[1],
        axis_ratio=look.ellipse.semi_minor / look.ellipse.semi_major,
    )


def _off_picture(ellipse: Ellipse, shape: tuple[int, int]) -> float:
    x, y = ellipses.outline(ellipse).T
    return float(1 - ((x > 0) & (x < shape[1] - 1) & (y > 0) & (y < shape[0] - 1)).mean())


def _off_sector(ellipse: Ellipse, whole: View, raw: NDArray[np.float32]) -> float:
    """Share of the ellipse outside the convex hull of what is not black in the whole picture."""
    from scipy import ndimage
    from scipy.spatial import ConvexHull, QhullError

    lit = ndimage.uniform_filter(raw, 5) > 0.02 * raw.max()
    labels, sizes = outlines.regions(lit, 0.5)
    if not len(sizes):
        return 0.0
    # Not the largest alone: a dark brain may part the sector. Text and marks at its side are small.
    parts = np.flatnonzero(sizes > 0.01 * lit.size) + 1
    sector = np.isin(labels, parts)
    rows = np.flatnonzero(sector.any(axis=1))
    # The hull of a region is that of its rows' ends.
    ends = sector[rows].argmax(axis=1), sector.shape[1] - 1 - sector[rows, ::-1].argmax(axis=1)
    x, y = np.concatenate(ends), np.concatenate([rows, rows])
    try:
        hull = ConvexHull(whole.to_picture(np.column_stack([x, y]).astype(np.float64)))
    except (QhullError, ValueError):
        return 0.0
    points = ellipses.outline(ellipse, 180)
    distance = (points @ hull.equations[:, :2].T + hull.equations[:, 2]).max(axis=1)
    return float((distance > whole.step_x).mean())


def _arc(ellipse: Ellipse, points: NDArray[np.float64]) -> float:
    """Share of 72 directions from the ellipse's centre in which the traced outline lies near the ellipse."""
    near = points[np.abs(ellipses.radius(ellipse, points) - 1) < 0.15]
    angles = np.arctan2(near[:, 1] - ellipse.center_y, near[:, 0] - ellipse.center_x)
    return len(np.unique(np.floor(angles / (2 * np.pi) * 72))) / 72


def _roughness(ellipse: Ellipse, points: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((ellipses.radius(ellipse, points) - 1) ** 2))) if len(points) else 1.0


def _overlap(mask: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> float:
    total = int(mask.sum()) + int(drawn.sum())
    return 2 * int((mask & drawn).sum()) / total if total else 0.0
