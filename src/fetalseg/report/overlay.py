"""The side-by-side picture: the original left, what was found in it right, the numbers in a strip below."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fetalseg import RESEARCH
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io.atomic import write_png
from fetalseg.report.ink import (
    CYAN,
    FINE,
    STATE_COLOURS,
    WHITE,
    YELLOW,
    Plan,
    badge,
    bar,
    cut,
    dashes_of,
    font_of,
    plain,
    wrap,
)
from fetalseg.result import Caliper, Ellipse, Result, State

_INK, _FAINT, _PAPER, _STAGE = (24, 26, 30), (96, 100, 108), (255, 255, 255), (0, 0, 0)
_LEGEND = "cyan: edge of the mask · yellow: fitted ellipse · dashed: BPD, OFD"

Box = tuple[int, int, int, int]

_BARS_MM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def side_by_side(frame: NDArray[np.generic], result: Result, *, frames: int = 1, growth: str = "") -> NDArray[np.uint8]:
    """Draw the original and the segmented picture next to each other.

    Parameters
    ----------
    frame : ndarray, shape (rows, columns)
        The frame's grey values. Other kinds than uint8 are stretched between their 0.5 and 99.5 percentiles.
    result : Result
        Its mask has the frame's shape.
    frames : int
        Number of frames of the scan: of a stack, the picture names its frame (counted from 1).
    growth : str
        A line on what the size means at its age, such as ``56th centile at 20w 3d (INTERGROWTH-21st, 2014)``.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    shape = (int(frame.shape[0]), int(frame.shape[1]))
    plan = Plan.of(shape, result.spacing.row_column if result.spacing else (1.0, 1.0))
    original = _shown(frame, plan)
    marked = original.convert("RGB")
    _draw_mask(marked, result.segmentation.mask, plan)
    if result.measurement.ellipse is not None:
        _draw_lines(marked, result.measurement.ellipse, result.measurement.calipers, plan)
    # Small letters are drawn twice as large and shrunk: at their own size their distances would be rounded.
    large = plan.unit > 1.5
    strip = _strip(result, plan if large else plan.doubled(), frames, growth)
    strip = strip if large else strip.reduce(2)
    whole = Image.new("RGB", (2 * plan.half + plan.gap, plan.height + strip.height), _PAPER)
    for left, picture in ((0, original), (plan.half + plan.gap, marked)):
        whole.paste(_STAGE, (left, 0, left + plan.half, plan.height))
        whole.paste(picture, (left + plan.left, 0))
    whole.paste(strip, (0, plan.height))
    return np.asarray(whole)


def write_overlay(
    path: str | Path, frame: NDArray[np.generic], result: Result, *, frames: int = 1, growth: str = ""
) -> Path:
    """Write the side-by-side picture as PNG. See `side_by_side`; raises `OutputError`."""
    return write_png(path, side_by_side(frame, result, frames=frames, growth=growth))


def marked_box(shape: tuple[int, int], pixel: tuple[float, float] = (1.0, 1.0)) -> tuple[int, int, int, int]:
    """Return where the segmented picture alone lies in a side-by-side picture.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the scan's frame.
    pixel : (float, float)
        Size of its pixels (row, column); only their ratio counts.

    Returns
    -------
    left, top, right, bottom : int
        In pixels of the side-by-side picture.
    """
    plan = Plan.of(shape, pixel)
    left = plan.half + plan.gap + plan.left
    return left, 0, left + plan.width, plan.height


def _shown(frame: NDArray[np.generic], plan: Plan) -> Image.Image:
    """The frame as it is shown: 8 bit, at its size in the picture."""
    if frame.dtype != np.uint8:
        # Shrunk by leaving out first: a hundred million floats are not worth averaging for a preview.
        step = max(1, int(min(frame.shape[0] / plan.height, frame.shape[1] / plan.width) / 2))
        part = np.asarray(frame[::step, ::step], np.float32)
        low, high = np.percentile(part[:: max(1, part.shape[0] // 500), :: max(1, part.shape[1] // 500)], (0.5, 99.5))
        stretch = 255 / (high - low) if high > low else 0.0
        frame = np.clip((part - low) * stretch, 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(frame, np.uint8))
    if picture.size == (plan.width, plan.height):
        return picture
    grows = plan.scale_x > 1 or plan.scale_y > 1
    how = Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
    return picture.resize((plan.width, plan.height), how)


def _draw_mask(picture: Image.Image, mask: NDArray[np.uint8], plan: Plan) -> None:
    """Draw the mask's edge in cyan over a dark rim.

    The line lies inside the edge, and so beside the ellipse where the two agree. A blurred mask rises evenly
    across the edge, so a band of its values is a line of even width.
    """
    if not mask.any():
        return
    line, rim = 2.8 * plan.unit, 0.7 * plan.unit
    blur = max(1, math.ceil(line))
    image = Image.fromarray((np.asarray(mask) != 0).astype(np.uint8) * np.uint8(255))
    if image.size != picture.size:
        image = image.resize(picture.size, Image.Resampling.BILINEAR)
    box = _around(image.getbbox(), 2 * blur + 1, image.size)  # the rest takes time and stays as it is
    image = image.crop(box).filter(ImageFilter.BoxBlur(blur))
    inside = (np.arange(256) / 255 - 0.5) * (2 * blur + 1)  # of a value, in pixels inwards of the edge
    for colour, grow, strength in (((0, 0, 0), rim, 0.55), (CYAN, 0.0, 1.0)):
        band = np.clip(np.minimum(inside + grow, line + grow - inside) + 0.5, 0, 1) * 255 * strength
        band[[0, 255]] = 0
        picture.paste(colour, box[:2], image.point([int(value) for value in band]))


def _around(box: tuple[float, float, float, float] | None, margin: float, size: tuple[int, int]) -> Box:
    """Return a box of whole pixels around another, inside a picture; empty where they do not meet."""
    left, top, right, bottom = box or (0.0, 0.0, 0.0, 0.0)
    (x0, y0), (x1, y1) = (left - margin, top - margin), (right + margin, bottom + margin)
    width, height = size
    x0, y0 = min(max(math.floor(x0), 0), width), min(max(math.floor(y0), 0), height)
    return x0, y0, max(x0, min(math.ceil(x1), width)), max(y0, min(math.ceil(y1), height))


def _draw_lines(picture: Image.Image, ellipse: Ellipse, calipers: tuple[Caliper, ...], plan: Plan) -> None:
    """Draw the ellipse and the dashed callipers, each over a dark rim."""
    line = 2 * plan.unit
    points = np.clip(plan.place(ellipses.outline(ellipse, 240)), -1e5, 1e5)
    dashes = [dash for caliper in calipers for dash in dashes_of(caliper, plan)]
    rim = 0.7 * plan.unit
    ends = np.vstack([points, *(end for dash in dashes for end in dash[:2])])
    box = _around((*ends.min(axis=0).tolist(), *ends.max(axis=0).tolist()), 2 * line + rim + 2, picture.size)
    width, height = box[2] - box[0], box[3] - box[1]
    if not width or not height:  # placed outside the picture
        return
    corner = np.array(box[:2], np.float64)
    points, dashes = points - corner, [(start - corner, end - corner, half) for start, end, half in dashes]
    for colour, strength, grow, ring in (
        ((0, 0, 0), 0.55, rim, False),
        (WHITE, 1.0, 0.0, False),
        ((0, 0, 0), 0.55, rim, True),
        (YELLOW, 1.0, 0.0, True),
    ):
        fine = Image.new("L", (width * FINE, height * FINE))
        draw = ImageDraw.Draw(fine)
        if ring:
            _ring(draw, points, line / 2 + grow, round(255 * strength))
        else:
            for start, end, half in dashes:
                bar(draw, start, end, half + grow, grow, round(255 * strength))
        picture.paste(colour, box[:2], fine.reduce(FINE))


def _ring(draw: ImageDraw.ImageDraw, points: NDArray[np.float64], half: float, value: int) -> None:
    """Draw a closed line of width 2 `half` as what lies between its two parallels."""
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    outward = np.column_stack([along[:, 1], -along[:, 0]]) / length[:, np.newaxis]
    for offset, fill in ((half, value), (-half, 0)):
        draw.polygon([(x, y) for x, y in ((points + offset * outward) * FINE).tolist()], fill=fill)


def _strip(result: Result, plan: Plan, frames: int, growth: str) -> Image.Image:
    """The strip below: state and circumference, the other values, growth, doubts, scale bar, small print."""
    u, width = plan.unit, 2 * plan.half + plan.gap
    found = result.measurement
    edge, big, middle, small = (round(v * u) for v in (10, 22, 15, 11))
    bar_room = round(width * 0.30)
    legend, tiny = plain(_LEGEND), round(9.5 * u)
    room = width - max(bar_room, round(font_of(tiny).getlength(legend))) - 3 * edge
    # "No head found" stands large already.
    doubts = wrap(" ".join(flag.text for flag in found.flags if flag.code != "no_head"), small, room, lines=3)
    lines = [plain(text) for text in ((_others(result), growth) if growth else (_others(result),))]
    rows = edge + round(1.35 * big) + round(1.45 * middle) * len(lines) + round(1.3 * small) * max(2, len(doubts))
    strip = Image.new("RGB", (width, rows + round(1.45 * small) + edge), _PAPER)
    draw = ImageDraw.Draw(strip)
    y = edge
    x = edge + badge(strip, edge, y, round(1.15 * big), found.state) + round(8 * u)
    draw.text((x, y + round(0.58 * big)), plain(_title(result)), _INK, font_of(big), anchor="lm")
    y += round(1.35 * big)
    for text in lines:
        draw.text((edge, y), text, _INK, font_of(middle))
        y += round(1.45 * middle)
    for text in doubts:
        draw.text((edge, y), text, _INK, font_of(small))
        y += round(1.3 * small)
    _scale_bar(draw, result, plan, (width - bar_room - edge, edge), bar_room)
    if found.found:
        place = (width - edge, rows - 2 * round(1.3 * small))
        draw.text(place, legend, _FAINT, font_of(tiny), anchor="ra")
    draw.line([(edge, rows), (width - edge, rows)], (214, 216, 220), max(1, round(0.5 * u)))
    y = rows + round(0.45 * small)
    note_width = font_of(small).getlength(RESEARCH)
    draw.text((edge, y), cut(small_print(result, frames), small, width - note_width - 4 * edge), _FAINT, font_of(small))
    draw.text((width - edge, y), RESEARCH, _INK, font_of(small), anchor="ra")
    return strip


def _title(result: Result) -> str:
    if not result.measurement.found:
        return "No head found" if result.task == "head" else "Nothing found"
    return f"HC {_value(result, 'hc')}"


def _value(result: Result, name: str) -> str:
    """A length with its interval and unit: in mm where known, else in pixels."""
    values, intervals = result.measurement.values, result.measurement.intervals
    for key, unit in ((f"{name}_mm", "mm"), (f"{name}_px", "px")):
        value = values.get(key)
        if value is not None and math.isfinite(value):
            low_high = intervals.get(key)
            spread = f" ± {(low_high[1] - low_high[0]) / 2:.1f}" if low_high else ""
            return f"{value:.1f}{spread} {unit}"
    return "not known"


def _others(result: Result) -> str:
    found = result.measurement
    parts = []
    if found.found:
        parts += [f"BPD {_value(result, 'bpd')}", f"OFD {_value(result, 'ofd')}"]
        index = found.values.get("cephalic_index")
        parts += [f"CI {index:.1f}"] if index is not None else []
    if found.confidence is not None:
        parts.append(f"confidence {found.confidence:.2f}")
    return "   ".join(parts)


def small_print(result: Result, frames: int = 1) -> str:
    """Return what a result is of and made with: scan, model, scale and its source, whether a person edited it."""
    parts = [result.scan_name]
    if frames > 1 or result.frame > 0:
        parts.append(f"frame {result.frame + 1}" + (f" of {frames}" if frames > 1 else ""))
    parts.append(result.provenance.model)
    if result.spacing is not None:
        row, column = result.spacing.row_column
        size = f"{column:.3g}" if math.isclose(row, column, rel_tol=1e-6) else f"{column:.3g} x {row:.3g}"
        parts.append(f"{size} mm/px from {result.spacing.source}")
    if result.edited:
        parts.append(f"{result.origin} edited by hand")
    return " · ".join(parts)


def _scale_bar(draw: ImageDraw.ImageDraw, result: Result, plan: Plan, place: tuple[int, int], room: int) -> None:
    """Draw a bar of a round length, or say that there is none. It holds for the picture as drawn above."""
    x, y = place
    u, font = plan.unit, font_of(round(12 * plan.unit))
    if result.spacing is None:
        draw.text((x + room, y + 3 * u), "no scale: pixels only", STATE_COLOURS[State.REFUSE], font, anchor="ra")
        return
    per_mm = plan.scale_x / result.spacing.column_mm
    fitting = [mm for mm in _BARS_MM if mm * per_mm <= room * 0.85]
    if not fitting or fitting[-1] * per_mm < 4 * u:
        return
    length, right, middle = round(fitting[-1] * per_mm), x + room, y + round(22 * u)
    thick, tick = max(1, round(1.5 * u)), round(4 * u)
    draw.rectangle((right - length, middle - thick // 2, right, middle - thick // 2 + thick - 1), _INK)
    for end in (right - length, right):
        left = min(end, right - thick)
        draw.rectangle((left, middle - tick, left + thick, middle + tick), _INK)
    draw.text((right - length / 2, middle - 4 * u), f"{fitting[-1]:g} mm", _INK, font, anchor="mb")
