"""The montage: a volume's slices that hold lesions, with their outlines and diameters, the numbers below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fetalseg import RESEARCH
from fetalseg.report.ink import CYAN, FINE, YELLOW, Plan, badge, bar, cut, dashes_of, font_of, plain, wrap
from fetalseg.result import Caliper, Measurement
from fetalseg.scan import Spacing

#: Of lesions 1, 2, ... : told apart on dark, also by the colour-blind; after the last the first comes again.
COLOURS = (CYAN, (255, 150, 60), (240, 120, 200), (130, 235, 110), (160, 160, 255), (255, 105, 97))
MOST = 20  # slices at most
_WIDTH, _TILE = 1400, (140, 420)  # pixels the picture aims at; a tile's longer side, at least and at most
_INK, _FAINT, _STAGE, _LINE = (235, 237, 240), (160, 165, 172), (14, 15, 18), (48, 50, 56)
_GAP, _EDGE = 4, 14
_NO_BRAIN = {"no_brain", "not_skull_stripped", "not_a_volume"}  # doubts that only the fetal brain's task has
_LISTED = 4  # lesions whose numbers are written out


def montage(
    volume: NDArray[np.generic],
    labels: NDArray[np.generic],
    measurement: Measurement,
    spacing: Spacing | None = None,
    about: str = "",
) -> NDArray[np.uint8]:
    """Draw the slices that hold lesions, and one more to either side, in a grid.

    Parameters
    ----------
    volume : ndarray, shape (slices, rows, columns)
        Grey values, stretched between robust limits of the whole volume.
    labels : ndarray, shape (slices, rows, columns)
        Lesion numbers, 0 outside.
    measurement : Measurement
        Of all lesions, with one part a lesion; its numbers are shown as they are.
    spacing : Spacing, optional
        Oblong pixels are shown as they are.
    about : str, optional
        What the small print says of scan, model and scale.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        At most `MOST` slices, each with its number as the table and napari count: from 0. Without a lesion,
        slices evenly over the volume and a line that says so.
    """
    labels = np.asarray(labels)
    if volume.shape != labels.shape or volume.ndim != 3:
        raise ValueError(f"a montage needs a volume and its labels, not shapes {volume.shape} and {labels.shape}")
    chosen = slices_shown(labels, [part.slice for part in measurement.parts if part.slice is not None])
    across = columns_of(len(chosen))
    plan = _tile_plan((volume.shape[1], volume.shape[2]), spacing.row_column if spacing else (1.0, 1.0), across)
    low, high = _limits(volume)
    down = math.ceil(len(chosen) / across)
    width = max(2 * _TILE[1], across * (plan.width + _GAP) + _GAP)
    strip = _caption(measurement, width, about)
    whole = Image.new("RGB", (width, down * (plan.height + _GAP) + _GAP + strip.height), _STAGE)
    left = (width - across * (plan.width + _GAP) + _GAP) // 2
    for place, number in enumerate(chosen):
        row, column = divmod(place, across)
        tile = _tile(_grey(volume[number], low, high, plan), labels[number], number, measurement, plan)
        whole.paste(tile, (left + column * (plan.width + _GAP), _GAP + row * (plan.height + _GAP)))
    whole.paste(strip, (0, whole.height - strip.height))
    return np.asarray(whole)


def telling_tile(picture: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Return where the slice on which the outlines reach farthest lies in a montage.

    Parameters
    ----------
    picture : ndarray, shape (rows, columns, 3)

    Returns
    -------
    (left, top, right, bottom) or None
        In pixels; of a montage without outlines the middle slice. None where the picture is no montage.
    """
    ends = np.flatnonzero((picture == _LINE).all(axis=(1, 2)))
    if not len(ends):
        return None
    tiles = picture[: ends[0]]
    empty = (tiles == _STAGE).all(axis=2)
    downs, acrosses = _runs(~empty.all(axis=1)), _runs(~empty.all(axis=0))
    boxes = [(left, top, right, bottom) for top, bottom in downs for left, right in acrosses]
    boxes = [box for box in boxes if not empty[box[1] : box[3], box[0] : box[2]].all()]
    if not boxes:
        return None
    inked = np.logical_or.reduce([(tiles == colour).all(axis=2) for colour in COLOURS])
    extent = [_extent(inked[top:bottom, left:right]) for left, top, right, bottom in boxes]
    return boxes[extent.index(max(extent)) if any(extent) else len(boxes) // 2]


def _extent(inked: NDArray[np.bool_]) -> int:
    """Return the area of the upright box around what is set."""
    downs, acrosses = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return int((downs[-1] - downs[0] + 1) * (acrosses[-1] - acrosses[0] + 1)) if len(downs) else 0


def _runs(held: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def slices_shown(labels: NDArray[np.generic], wanted: list[int]) -> list[int]:
    """Return the slices of a montage: those with a lesion and one to either side, `MOST` at most.

    Parameters
    ----------
    labels : ndarray, shape (slices, rows, columns)
    wanted : list of int
        Slices that are not left out where there are too many: each lesion's largest.
    """
    count = len(labels)
    holds = np.flatnonzero(labels.reshape(count, -1).any(axis=1))
    if not len(holds):
        return _evenly(np.arange(count), MOST)
    near = np.unique(np.clip(np.concatenate([holds - 1, holds, holds + 1]), 0, count - 1))
    if len(near) <= MOST:
        return [int(n) for n in near]
    kept = list(dict.fromkeys(n for n in wanted if 0 <= n < count))[: MOST // 2]
    rest = np.setdiff1d(near, kept)
    return sorted(kept + _evenly(rest, MOST - len(kept)))


def columns_of(tiles: int) -> int:
    """Return how many tiles stand side by side: a little wider than high, with few places left empty."""
    if tiles <= 3:
        return tiles
    least = math.ceil(math.sqrt(tiles * 1.3))
    return min(range(least - 1, least + 2), key=lambda n: (-tiles % n, abs(n - least)))


def _evenly(numbers: NDArray[np.integer[Any]], most: int) -> list[int]:
    places = np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int)
    return [int(n) for n in numbers[places]]


def _tile_plan(shape: tuple[int, int], pixel: tuple[float, float], across: int) -> Plan:
    """Where a tile's pixels lie. Its unit is set for lines and letters that can be read at the tile's own size."""
    tall, wide = shape[0] * pixel[0], shape[1] * pixel[1]
    side = float(np.clip(_WIDTH / across, *_TILE))
    scale = side / max(tall, wide)
    width, height = max(8, round(wide * scale)), max(8, round(tall * scale))
    return Plan(width, height, width / shape[1], height / shape[0], width, _GAP, max(0.9, side / 400))


def _limits(volume: NDArray[np.generic]) -> tuple[float, float]:
    """Black and white: robust limits of what is not background, from a sample of the volume."""
    step = max(1, round((volume.size / 1e6) ** (1 / 2)))
    values = np.asarray(volume[:, ::step, ::step], np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low = float(np.percentile(values, 1))
    tissue = values[values > low]
    return low, float(np.percentile(tissue, 99.7)) if len(tissue) else low


def _grey(layer: NDArray[np.generic], low: float, high: float, plan: Plan) -> Image.Image:
    stretch = 255 / (high - low) if high > low else 0.0
    values = np.nan_to_num(np.asarray(layer, np.float64), nan=low, posinf=high, neginf=low)
    grey = np.clip((values - low) * stretch, 0, 255).astype(np.uint8)
    how = Image.Resampling.BICUBIC if plan.scale_x >= 1 else Image.Resampling.BOX
    return Image.fromarray(grey).resize((plan.width, plan.height), how)


def _tile(
    grey: Image.Image, labels: NDArray[np.generic], number: int, measurement: Measurement, plan: Plan
) -> Image.Image:
    """One slice with its outlines, the diameters that lie on it, and its number."""
    tile = grey.convert("RGB")
    for lesion in np.unique(labels[labels != 0]):
        _draw_outline(tile, labels == lesion, COLOURS[(int(lesion) - 1) % len(COLOURS)], plan)
    for part in measurement.parts:
        if part.slice == number:
            _draw_calipers(tile, part.calipers, plan)
    size = max(12, round(19 * plan.unit))
    place, rim = (size * 0.4, size * 0.25), max(1, size // 10)
    ImageDraw.Draw(tile).text(place, str(number), _INK, font_of(size), stroke_width=rim, stroke_fill=(0, 0, 0))
    return tile


def _draw_outline(tile: Image.Image, mask: NDArray[np.bool_], colour: tuple[int, int, int], plan: Plan) -> None:
    """Draw where a lesion ends, over a thin dark rim."""
    from skimage.measure import find_contours

    loops = [plan.place(loop[:, ::-1] - 1) * FINE for loop in find_contours(np.pad(mask, 1).astype(float), 0.5)]
    for shade, strength, wide in (((0, 0, 0), 0.5, 3.0), (colour, 1.0, 1.6)):
        fine = Image.new("L", (tile.width * FINE, tile.height * FINE))
        draw = ImageDraw.Draw(fine)
        for loop in loops:
            width = max(FINE, round(wide * plan.unit * FINE))
            draw.line([(x, y) for x, y in loop.tolist()], round(255 * strength), width, joint="curve")
        tile.paste(shade, (0, 0), fine.reduce(FINE))


def _draw_calipers(tile: Image.Image, calipers: tuple[Caliper, ...], plan: Plan) -> None:
    """Draw dashed diameters with bars at their ends, over a dark rim."""
    dashes = [dash for caliper in calipers for dash in dashes_of(caliper, plan)]
    for shade, strength, grow in (((0, 0, 0), 0.55, 0.7 * plan.unit), (YELLOW, 1.0, 0.0)):
        fine = Image.new("L", (tile.width * FINE, tile.height * FINE))
        draw = ImageDraw.Draw(fine)
        for start, end, half in dashes:
            bar(draw, start, end, half + grow, grow, round(255 * strength))
        tile.paste(shade, (0, 0), fine.reduce(FINE))


def _caption(measurement: Measurement, width: int, about: str) -> Image.Image:
    """The strip below: state and numbers of all, those of each lesion in its colour, doubts, small print."""
    big, small = 24, 16
    lesions = measurement.parts[:_LISTED]
    doubts = wrap(" ".join(flag.text for flag in measurement.flags), small, width - 2 * _EDGE, lines=3)
    more = len(measurement.parts) - len(lesions)
    rows = (len(lesions) if len(measurement.parts) > 1 else 0) + (more > 0) + len(doubts) + bool(about)
    strip = Image.new("RGB", (width, round(_EDGE + 1.5 * big + (rows + 1) * 1.45 * small + _EDGE)), _STAGE)
    draw = ImageDraw.Draw(strip)
    draw.line([(0, 0), (width, 0)], _LINE, 1)
    left = 2 * _EDGE + badge(strip, _EDGE, _EDGE, round(1.2 * big), measurement.state)
    draw.text((left, _EDGE), cut(headline(measurement), big, width - left - _EDGE), _INK, font_of(big))
    y = _EDGE + 1.5 * big
    if len(measurement.parts) > 1:
        for index, part in enumerate(lesions):
            name = part.texts.get("lesion", str(index + 1))
            colour = COLOURS[(int(name) - 1) % len(COLOURS) if name.isdigit() else index]
            text = cut(f"lesion {name}: {_numbers(part)}", small, width - 2 * _EDGE)
            draw.text((_EDGE, y), text, colour, font_of(small))
            y += 1.45 * small
        if more > 0:
            draw.text((_EDGE, y), f"and {more} more", _FAINT, font_of(small))
            y += 1.45 * small
    for line in doubts:
        draw.text((_EDGE, y), line, (0xE6, 0x9F, 0x00), font_of(small))
        y += 1.45 * small
    if about:
        draw.text((_EDGE, y), cut(about, small, width - 2 * _EDGE), _FAINT, font_of(small))
        y += 1.45 * small
    draw.text((width - _EDGE, y), RESEARCH, _INK, font_of(small), anchor="ra")
    room = width - 3 * _EDGE - font_of(small).getlength(RESEARCH)
    # Words that do not fit are left out whole: a cut sentence in small print tells nothing.
    words = "slices counted from 0"
    longer = f"{words} · dashed: longest diameter and its perpendicular"
    fits = measurement.parts and font_of(small).getlength(plain(longer)) <= room
    draw.text((_EDGE, y), plain(longer if fits else words), _FAINT, font_of(small))
    return strip


def headline(measurement: Measurement) -> str:
    """Return in words volume, diameters' product and number of lesions, or a brain's size; or that there is none."""
    if measurement.ellipse is not None:  # of a fetal brain
        hc = next((f"{v:.1f} {u}" for u in ("mm", "px") if (v := measurement.values.get(f"hc_{u}")) is not None), "")
        return " · ".join(part for part in (_numbers(measurement), hc and f"HC of the brain {hc}") if part)
    if not measurement.parts:
        no_brain = _NO_BRAIN & {flag.code for flag in measurement.flags}
        return "No brain was measured." if no_brain else "No tumour was found."
    count = len(measurement.parts)
    return f"{_numbers(measurement)} · {count} lesion{'s' if count > 1 else ''}"


def _numbers(part: Measurement) -> str:
    """Volume and product in their units: millimetres where they are known, else voxels and pixels."""
    v = part.values
    out = []
    volume, voxels = v.get("volume_ml"), v.get("volume_voxels")
    if volume is not None:
        digits = 1 if volume >= 1 else 2
        out.append(f"volume {volume:.{digits}f} ml" + _range(part.intervals.get("volume_ml"), digits))
    elif voxels is not None:
        out.append(f"volume {_grouped(voxels)} voxels" + _range(part.intervals.get("volume_voxels")))
    if not part.parts:
        for unit in ("mm", "px"):
            long, short = v.get(f"longest_{unit}"), v.get(f"perpendicular_{unit}")
            if long is not None and short is not None:
                out.append(f"{long:.1f} x {short:.1f} {unit}")
                break
    for unit, shown in (("mm2", "mm²"), ("px2", "px²")):
        product = v.get(f"product_{unit}")
        if product is not None:
            out.append(f"product {product:.0f} {shown}")
            break
    return " · ".join(out)


def _range(interval: tuple[float, float] | None, digits: int = 0) -> str:
    if interval is None:
        return ""
    low, high = (f"{value:.{digits}f}" if digits else _grouped(value) for value in interval)
    return f" ({low} to {high})"


def _grouped(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")
