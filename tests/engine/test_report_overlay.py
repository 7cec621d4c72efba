"""The side-by-side picture: right places, any shape, nothing over the tissue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fetalseg import RESEARCH
from fetalseg.geometry import ellipse as ellipses
from fetalseg.quality import flag
from fetalseg.report import ink, overlay
from fetalseg.result import Ellipse, Measurement, Provenance, Result, Segmentation, State
from fetalseg.scan import Spacing


def make(shape=(540, 800), ellipse=None, *, spacing=None, found=True, name="a.png", flags=(), **more):
    rows, columns = shape
    e = ellipse or Ellipse(columns * 0.5, rows * 0.5, max(columns * 0.3, 1e-3), max(rows * 0.3, 1e-3) * 0.6, 20.0)
    measurement = Measurement(
        {"hc_mm": 174.24, "bpd_mm": 48.06, "ofd_mm": 61.9, "hc_px": 1131.44, "cephalic_index": 77.65}
        if spacing
        else {"hc_mm": None, "hc_px": 1131.44, "bpd_px": 300.0, "ofd_px": 400.0, "cephalic_index": 75.0},
        {"hc_mm": (171.14, 177.34)} if spacing else {},
        e,
        ellipses.calipers(e, "ofd", "bpd"),
        0.97,
        flags,
    )
    return Result(
        scan_name=name,
        scan_sha256=None,
        frame=0,
        task="head",
        segmentation=Segmentation(ellipses.mask(e, shape) if found else np.zeros(shape, np.uint8)),
        measurement=measurement if found else Measurement({}, flags=(flag("no_head"),), state=State.REFUSE),
        spacing=spacing,
        provenance=Provenance("unet 1.0", "ab", "cpu", "torch", {}, "0.1.0"),
        **more,
    )


def near(picture, colour, tolerance=60):
    return (np.abs(picture.astype(int) - colour) < tolerance).all(axis=-1)


@pytest.mark.parametrize("shape", [(540, 800), (300, 300), (2400, 1800)])
def test_lines_lie_where_the_ellipse_is(shape):
    """Every yellow pixel is on the ellipse, and the ellipse is yellow all round; cyan lies just inside the mask."""
    result = make(shape, spacing=Spacing(0.2, 0.2, "typed in"))
    e = result.measurement.ellipse
    out = overlay.side_by_side(np.full(shape, 90, np.uint8), result)
    plan = ink.Plan.of(shape, (0.2, 0.2))
    right = out[: plan.height, plan.half + plan.gap + plan.left :][:, : plan.width]
    rows, columns = np.nonzero(near(right, overlay.YELLOW))
    back = np.column_stack([(columns + 0.5) / plan.scale_x - 0.5, (rows + 0.5) / plan.scale_y - 0.5])
    assert len(back) > 500
    allowed = 2 * plan.unit / plan.scale_x / e.semi_minor
    assert np.abs(ellipses.radius(e, back) - 1).max() < allowed
    around = np.degrees(np.arctan2(back[:, 1] - e.center_y, back[:, 0] - e.center_x))
    assert np.histogram(around, 36, (-180, 180))[0].min() > 0
    rows, columns = np.nonzero(near(right, overlay.CYAN))
    inner = ellipses.radius(e, np.column_stack([(columns + 0.5) / plan.scale_x, (rows + 0.5) / plan.scale_y]) - 0.5)
    assert len(inner) > 300
    assert inner.max() < 1 + allowed
    assert inner.min() > 1 - 3 * allowed


def test_left_half_is_the_original():
    picture = np.random.default_rng(0).integers(0, 255, (540, 800), dtype=np.uint8)
    out = overlay.side_by_side(picture, make())
    assert np.array_equal(out[:540, :800], np.repeat(picture[..., np.newaxis], 3, axis=-1))
    assert out.shape[1] == 1608
    assert (out[540:545] == 255).all()  # the strip begins below, not on the tissue


def test_an_edge_cut_by_the_picture_draws_no_line_along_the_border():
    result = make(ellipse=Ellipse(0.0, 270.0, 300.0, 200.0, 0.0))
    out = overlay.side_by_side(np.zeros((540, 800), np.uint8), result)
    assert not near(out[:540, 808], overlay.CYAN)[90:240].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (256, 256), (4000, 3000)])
@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize("spacing", [None, Spacing(0.3, 0.1, "typed in")])
def test_any_shape(shape, found, spacing):
    out = overlay.side_by_side(np.zeros(shape, np.uint8), make(shape, found=found, spacing=spacing))
    assert out.dtype == np.uint8
    assert out.ndim == 3
    assert 800 <= out.shape[1] <= 2500
    assert out.shape[0] < 2000


def test_ten_thousand_squared():
    shape = (10_000, 10_000)
    out = overlay.side_by_side(np.zeros(shape, np.uint16), make(shape))
    assert max(out.shape) <= 2500


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64, np.int64])
def test_other_numbers_are_stretched(dtype):
    ramp = np.tile(np.linspace(-1000, 3000, 800), (540, 1))
    left = overlay.side_by_side((ramp + 1000).astype(dtype) * dtype(3), make())[:540, :800, 0]
    assert left[:, :3].max() < 3
    assert left[:, -3:].min() > 252
    assert abs(int(left[0, 400]) - 127) < 4


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_constant_is_no_division_by_zero(dtype):
    assert overlay.side_by_side(np.full((50, 60), 7, dtype), make((50, 60))).shape[1] >= 800


def test_oblong_pixels_are_shown_in_their_true_shape():
    plan = ink.Plan.of((200, 200), (0.3, 0.1))
    assert plan.height == 3 * plan.width


@pytest.mark.parametrize(
    ("spacing", "title"), [(Spacing(0.15, 0.15, "s.csv"), "HC 174.2 ± 3.1 mm"), (None, "HC 1131.4 px")]
)
def test_title(spacing, title):
    assert overlay._title(make(spacing=spacing)) == title


def test_words():
    result = make(spacing=Spacing(0.2, 0.154, "s.csv"))
    assert overlay._others(result) == "BPD 48.1 mm   OFD 61.9 mm   CI 77.7   confidence 0.97"
    assert overlay.small_print(result, 1) == "a.png · unet 1.0 · 0.154 x 0.2 mm/px from s.csv"
    edited = replace(result, frame=2, origin="mask", spacing=None)
    assert overlay.small_print(edited, 24) == "a.png · frame 3 of 24 · unet 1.0 · mask edited by hand"
    assert overlay._title(make(found=False)) == "No head found"
    assert overlay._others(make(found=False)) == ""


def test_every_sign_that_is_written_is_in_the_font():
    for text in (overlay._LEGEND, RESEARCH, "HC 174.2 ± 3.1 mm", "no scale: pixels only", "a…b · °"):
        assert ink.plain(text) == text
    assert ink.plain("Müller_ñ×中—.png") == "Muller_nx?-.png"


def test_scale_bar_is_as_long_as_it_says(monkeypatch):
    """20 mm at 0.1 mm a pixel are 200 picture pixels."""
    said = []
    draw_text = overlay.ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        overlay.ImageDraw.ImageDraw,
        "text",
        lambda self, xy, text, *a, **k: said.append(text) or draw_text(self, xy, text, *a, **k),
    )
    out = overlay.side_by_side(np.zeros((540, 800), np.uint8), make(spacing=Spacing(0.1, 0.1, "typed in")))
    bar_mm = float(next(text for text in said if text.endswith(" mm") and text[0].isdigit())[:-3])
    strip = (out[540:] < 60).all(axis=-1)[:, 1000:]
    assert abs(max(run_lengths(strip)) - bar_mm / 0.1) <= 4


def run_lengths(dark):
    for line in dark:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        yield int((edges[1::2] - edges[::2]).max(initial=0))


@pytest.mark.parametrize("state", list(State))
def test_state_has_its_colour(state):
    result = make()
    result = replace(result, measurement=replace(result.measurement, state=state))
    strip = overlay.side_by_side(np.zeros((540, 800), np.uint8), result)[540:]
    assert near(strip, ink.STATE_COLOURS[state], 3).sum() > 1000


def test_long_words_stay_in_the_picture():
    codes = ("cut_by_picture", "several_regions", "flips_disagree", "looks_disagree", "faint_outline", "axis_ratio")
    name = "/".join(["a_folder_with_a_long_name"] * 8) + "/scan.png"
    result = make(name=name, flags=tuple(flag(code) for code in codes))
    out = overlay.side_by_side(np.zeros((540, 800), np.uint8), result)
    assert (out[540:, :10] == 255).all()
    assert (out[540:, -10:] == 255).all()
    assert ink.cut(name, 20, 300).endswith("/scan.png")


def test_a_far_ellipse_and_no_length():
    for e in (Ellipse(1e9, -1e9, 1e8, 1e7, 3.0), Ellipse(10.0, 10.0, 1e-9, 1e-9, 0.0)):
        result = make((60, 80))
        measurement = replace(result.measurement, ellipse=e, calipers=ellipses.calipers(e, "ofd", "bpd"))
        assert overlay.side_by_side(np.zeros((60, 80), np.uint8), replace(result, measurement=measurement)).size


def test_same_input_same_picture(tmp_path):
    picture = np.zeros((540, 800), np.uint8)
    one = overlay.write_overlay(tmp_path / "o" / "1.png", picture, make())
    two = overlay.write_overlay(tmp_path / "o" / "2.png", picture, make())
    assert one.read_bytes() == two.read_bytes()
    with Image.open(one) as image:
        assert image.mode == "RGB"
