"""HC18's figures against known truths."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetalseg.dataset.items import Item
from fetalseg.evaluation.figures import Score, compare, summarize
from fetalseg.evaluation.run import intervals, score, score_table, usual_rim
from fetalseg.result import Ellipse, Measurement
from fetalseg.scan import Spacing


def made(df, *, flags=(), group="1", name="a", hc=200.0, dsc=98.0):
    return Score(name, group, hc, dsc, 1.0 if df is not None else None, df, 0.9, flags)


def test_the_same_ellipse_is_a_perfect_score():
    e = Ellipse(200.3, 180.8, 150, 110, 33)
    assert compare(e, e, 0.2) == (100.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(st.floats(60, 300), st.floats(1.01, 1.3), st.floats(0.05, 0.3))
def test_concentric_circles(radius, factor, pixel):
    dsc, hd = compare(
        Ellipse(400, 300, radius, radius, 0), Ellipse(400, 300, radius * factor, radius * factor, 0), pixel
    )
    ratio = (radius * factor + 0.5) / (radius + 0.5)  # the line itself belongs to what it encloses
    assert dsc == pytest.approx(200 / (1 + ratio**2), abs=0.25)
    assert hd == pytest.approx((factor - 1) * radius * pixel, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(-60, 60), st.floats(-60, 60))
def test_a_moved_ellipse_is_as_far_as_it_was_moved(dx, dy):
    first, second = Ellipse(300, 300, 100, 100, 0), Ellipse(300 + dx, 300 + dy, 100, 100, 0)
    there, back = compare(first, second, 1.0), compare(second, first, 1.0)
    assert there[1] == pytest.approx(math.hypot(dx, dy), abs=0.02)
    assert there == pytest.approx(back)


def test_ellipses_far_apart_share_nothing():
    assert compare(Ellipse(50, 50, 20, 15, 0), Ellipse(400, 400, 20, 15, 0), 1.0)[0] == 0


def test_a_summary_counts_misses_and_flags():
    scores = [
        made(1.0),
        made(-3.0, group="2", name="b"),
        made(12.0, group="3", name="c"),
        made(None, group="4", dsc=0.0),
    ]
    scores[3] = made(None, group="4", name="d", dsc=0.0, flags=("no_head",))
    summary = summarize(scores, resamples=200)
    assert (summary.n, summary.missing, summary.over_10mm) == (4, 1, 1)
    assert summary.over_10mm_unflagged == ("c",)
    assert summary.adf_mm == pytest.approx((1 + 3 + 12) / 3)
    assert summary.df_mm == pytest.approx(10 / 3)
    assert summary.dsc == pytest.approx(98 * 3 / 4)
    assert summary.flagged == 0.25
    assert summary.worst == "d"
    low, high = summary.intervals["adf_mm"]
    assert low <= summary.adf_mm <= high


def test_the_interval_holds_about_95_percent_of_the_errors():
    scores = [made(0.02 * hc * math.sin(hc), hc=float(hc)) for hc in range(60, 330)]
    parts = intervals(scores)
    assert [size for size, _ in parts] == sorted(size for size, _ in parts)
    assert parts[0][1] < parts[-1][1]
    assert parts[1][1] == pytest.approx(1.96 * 0.02 * parts[1][0] / math.sqrt(2), rel=0.1)
    assert intervals(scores[:10]) == ()


ITEM = Item("x/001_HC.png", Path("x/001_HC.png"), "001", Spacing(0.5, 0.5, "t"), Ellipse(200, 150, 100, 80, 0), 283.6)


def test_nothing_found_scores_zero():
    found = score(ITEM, Measurement(values={}))
    assert (found.dsc, found.hd_mm, found.df_mm) == (0.0, None, None)


def test_a_table_is_matched_by_file_name(tmp_path):
    table = tmp_path / "measurements.csv"
    table.write_text(
        "file,status,hc_mm,ellipse_center_x_px,ellipse_center_y_px,ellipse_semi_major_px,ellipse_semi_minor_px,"
        "ellipse_angle_deg,confidence,flags\n"
        "else/where/001_HC.png,ok,285.1,200,150,100,80,0,0.9,size;from_the_future\n"
    )
    (found,) = score_table([ITEM], table)
    assert found.dsc == 100
    assert found.df_mm == pytest.approx(1.5)
    assert found.flags == ("size", "from_the_future")


def test_the_usual_rim_is_what_one_head_in_ten_exceeds():
    scores = [Score("a", "1", 200.0, 98.0, 1.0, 0.0, 0.9, (), rim) for rim in range(1, 102)]
    assert usual_rim(scores, 1.7) == 91
    assert usual_rim(scores[:20], 1.7) == 1.7
