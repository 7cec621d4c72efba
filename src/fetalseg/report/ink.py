"""What the pictures of `report` are drawn with: colours, lines, and letters that the font has."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fetalseg.result import Caliper, State

CYAN, YELLOW, WHITE = (0, 229, 255), (255, 221, 0), (255, 255, 255)
STATE_COLOURS = {State.ACCEPT: (0x00, 0x9E, 0x73), State.CHECK: (0xE6, 0x9F, 0x00), State.REFUSE: (0xD5, 0x5E, 0x00)}
FINE = 3  # lines are drawn this many times larger and shrunk: smooth edges
_MAX_HALF, _MIN_HALF = 1200, 400  # pixels of one half's longer side, and of its width


@dataclass(frozen=True)
class Plan:
    """Where things lie: `scale_x`, `scale_y` display pixels per picture pixel, in a half of `half` columns.

    `unit` is a pixel of the whole at 800 columns: sizes of letters and lines are told in it, so they can be
    read when the picture is shown at that width.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float
    half: int
    gap: int
    unit: float

    @classmethod
    def of(cls, shape: tuple[int, int], pixel: tuple[float, float]) -> Plan:
        """Plan a half for a picture's shape and its pixel's size (row, column)."""
        rows, columns = shape
        smaller = min(pixel)
        tall, wide = rows * pixel[0] / smaller, columns * pixel[1] / smaller  # oblong pixels are shown as they are
        scale = min(_MAX_HALF / wide, _MAX_HALF / tall, 1.0)
        scale = max(scale, min(_MIN_HALF / wide, _MIN_HALF / tall))
        width, height = max(1, round(wide * scale)), max(1, round(tall * scale))
        half = max(_MIN_HALF, width)
        gap = max(4, round(half * 0.01))
        return cls(width, height, width / columns, height / rows, half, gap, (2 * half + gap) / 800)

    def doubled(self) -> Plan:
        """Return the same plan at twice the size."""
        return Plan(*(2 * getattr(self, field.name) for field in fields(self)))

    @property
    def left(self) -> int:
        """Column of the picture inside its half."""
        return (self.half - self.width) // 2

    def place(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn picture coordinates (0 is the first pixel's centre) into those of the drawn picture's edge."""
        return np.asarray((points_xy + 0.5) * (self.scale_x, self.scale_y))


def bar(draw: ImageDraw.ImageDraw, start: NDArray[np.float64], end: NDArray[np.float64], *how: float) -> None:
    """Draw a line as a bar: half its width, how much longer it is at either end, and its value."""
    half, longer, value = how
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
    across = np.array([along[1], -along[0]]) * half
    start, end = start - along * longer, end + along * longer
    corners = np.array([start + across, end + across, end - across, start - across]) * FINE
    draw.polygon([(x, y) for x, y in corners.tolist()], fill=int(value))


def dashes_of(caliper: Caliper, plan: Plan) -> list[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """The dashes of a calliper and the short bars at its ends: start, end and half the width of each."""
    start, end = plan.place(np.array([caliper.start_xy, caliper.end_xy], np.float64))
    length = float(np.hypot(*(end - start)))
    if not 0 < length < 1e5:
        return []
    along = (end - start) / length
    dash, half = 6 * plan.unit, 0.7 * plan.unit
    count = max(1, round((length / dash + 1) / 2))  # so that both ends carry a dash
    step = length / max(1, 2 * count - 1)
    out = [(start + along * step * 2 * i, start + along * step * (2 * i + 1), half) for i in range(count)]
    across = np.array([along[1], -along[0]]) * 5 * plan.unit
    out += [(place - across, place + across, half) for place in (start, end)]
    return out


@lru_cache(maxsize=32)
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """Return the font at a size in pixels."""
    font = ImageFont.load_default(max(6, size))
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


@lru_cache(maxsize=1024)
def drawable(character: str) -> bool:
    """Whether the font has a letter."""
    font = font_of(24)
    return character.isspace() or bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


@lru_cache(maxsize=256)
def plain(text: str) -> str:
    """Return the text in letters that the font has: accents are dropped where it lacks them."""
    out = []
    for character in text.replace("—", "-").replace("–", "-").replace("×", "x"):
        if drawable(character):
            out.append(character)
        else:
            base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
            out.append(base or "?")
    return "".join(out)


def cut(text: str, size: int, room: float) -> str:
    """Shorten in the middle, where a path is least telling."""
    text, font = plain(text), font_of(size)
    if font.getlength(text) <= room:
        return text
    keep = len(text)
    while keep > 8 and font.getlength(text[: keep // 2] + "…" + text[-(keep // 2) :]) > room:
        keep -= max(1, keep // 20)
    return text[: keep // 2] + "…" + text[-(keep // 2) :]


def wrap(text: str, size: int, room: float, lines: int) -> list[str]:
    """Break into lines at spaces; what does not fit is marked by an ellipsis."""
    font, out = font_of(size), [""]
    for word in plain(text).split():
        longer = f"{out[-1]} {word}".strip()
        if font.getlength(longer) <= room:
            out[-1] = longer
        elif len(out) < lines:
            out.append(word)
        else:
            out[-1] += " …"
            break
    return [line for line in out if line]


def badge(strip: Image.Image, x: int, y: int, height: int, state: State) -> int:
    """Draw the state as colour, sign and word; return the width. The font has no such signs: they are drawn."""
    font = font_of(round(height * 0.58))
    side = height * 4
    width = round(height * 1.0 + font.getlength(state.value) + height * 0.35)
    shape = Image.new("L", (width * 4, side))
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, width * 4 - 1, side - 1), side // 4, fill=255)
    sign = Image.new("L", (side, side))
    draw = ImageDraw.Draw(sign)
    thick = max(4, side // 9)
    if state is State.ACCEPT:
        lines = [[(0.28, 0.52), (0.44, 0.68)], [(0.44, 0.68), (0.74, 0.32)]]
    elif state is State.REFUSE:
        lines = [[(0.32, 0.32), (0.68, 0.68)], [(0.68, 0.32), (0.32, 0.68)]]
    else:
        lines = [[(0.5, 0.24), (0.5, 0.56)], [(0.5, 0.745), (0.5, 0.755)]]
    for line in lines:
        ends = [(px * side, py * side) for px, py in line]
        draw.line(ends, 255, thick)
        for px, py in ends:
            draw.ellipse((px - thick / 2, py - thick / 2, px + thick / 2, py + thick / 2), fill=255)
    strip.paste(STATE_COLOURS[state], (x, y), shape.reduce(4))
    strip.paste((0, 0, 0), (x, y), sign.reduce(4))
    ImageDraw.Draw(strip).text((x + height * 0.98, y + height / 2), state.value, (0, 0, 0), font, anchor="lm")
    return width
