"""The growth chart as a picture: what is drawn lies where the chart's numbers say, in every format alike."""

from __future__ import annotations

import datetime
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from fetalseg.errors import GrowthError
from fetalseg.growth import charts, curve_ink, curves
from fetalseg.growth.assessment import assess
from fetalseg.growth.dating import Dating
from fetalseg.growth.pregnancy import Exam, Pregnancy

DATING = Dating.from_crl(60.0, datetime.date(2024, 3, 27))
LATE = Exam(datetime.date(2024, 8, 5), 290.0, (285.0, 295.0), 80.0, 101.0)
PREGNANCY = Pregnancy(
    DATING,
    (Exam(datetime.date(2024, 7, 1), 245.0, (241.0, 249.0)), Exam(datetime.date(2024, 5, 20), 178.0), LATE),
)
# Okabe and Ito's eight colours.
OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def _texts(figure) -> list[str]:
    return [text for text in (t.get_text() for t in figure.findobj(Text)) if text]


def _small_print(figure) -> str:
    return " ".join(t.get_text() for t in figure.texts)


def _weeks(exam: Exam) -> float:
    return DATING.at(exam.scan_date) / 7


def _marked(axes, marker: str) -> list[tuple[float, float]]:
    found = [line for line in axes.lines if line.get_marker() == marker]
    return [(float(x), float(y)) for line in found for x, y in zip(*line.get_data(), strict=True)]


@pytest.mark.parametrize("name", charts.NAMES)
def test_each_curve_holds_the_charts_sizes_and_ends_at_its_range(name):
    chart = charts.get(name)
    axes = curves.draw(chart).axes[0]
    blue = [line for line in axes.lines if line.get_color() == curve_ink.CURVE]
    assert len(blue) == len(chart.centiles)
    for centile, line in zip(chart.centiles, blue, strict=True):
        weeks, sizes = line.get_data()
        assert (7 * weeks[0], 7 * weeks[-1]) == pytest.approx((chart.first_day, chart.last_day))
        expected = [chart.value_mm("hc", day, centile) for day in np.round(7 * weeks)]
        np.testing.assert_allclose(sizes, expected, rtol=1e-9)
    (middle,) = [line for line in blue if line.get_linewidth() == max(other.get_linewidth() for other in blue)]
    assert middle is blue[chart.centiles.index(50)], "the mean is the thickest line"


@pytest.mark.parametrize("name", charts.NAMES)
def test_centiles_are_named_at_the_right_end_without_touching(name):
    chart = charts.get(name)
    figure = curves.draw(chart)
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    names = [curve_ink.ordinal(c) for c in chart.centiles]
    # Of the letters alone, without the line to the curve.
    labels = {t.get_text().split(" ")[0]: Text.get_window_extent(t) for t in axes.texts}
    assert list(labels) == sorted(names, key=lambda n: float(n[:-2]))
    boxes = list(labels.values())
    assert all(box.x0 > axes.bbox.x1 for box in boxes)
    assert all(box.x1 <= figure.bbox.x1 for box in boxes), "nothing is cut off"
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert (f"50th ({'median' if name == 'who2017' else 'mean'})") in _texts(figure)


def test_this_exam_has_both_error_bars_and_the_others_are_joined_by_age():
    found = PREGNANCY.assess(LATE)
    figure = curves.draw(charts.get("intergrowth21"), pregnancy=PREGNANCY, assessment=found)
    axes = figure.axes[0]
    assert _marked(axes, "o") == [pytest.approx((_weeks(LATE), 290.0))]
    early, middle = PREGNANCY.exams[:2]
    assert _marked(axes, "s") == [pytest.approx((_weeks(e), e.hc_mm)) for e in (early, middle)]
    (joined,) = [line for line in axes.lines if line.get_marker() == "None" and line.get_color() == curve_ink.EARLIER]
    assert list(joined.get_xdata()) == pytest.approx([_weeks(e) for e in PREGNANCY.exams])
    assert list(joined.get_ydata()) == [178.0, 245.0, 290.0]
    bars = axes.containers[0]
    across, up = (bar.get_segments()[0] for bar in bars.lines[2])
    np.testing.assert_allclose(up[:, 1], (285.0, 295.0))
    np.testing.assert_allclose(7 * np.ptp(across[:, 0]), 2 * DATING.uncertainty_days)
    assert not figure.axes[0].containers[1].lines[2], "an exam without an interval has no error bar"


def test_an_exam_that_is_not_in_the_pregnancy_is_joined_too():
    other = assess(300.0, dating=DATING, scan_date=datetime.date(2024, 8, 26))
    axes = curves.draw(charts.get("intergrowth21"), pregnancy=PREGNANCY, assessment=other).axes[0]
    assert len(_marked(axes, "s")) == 3
    assert len(_marked(axes, "o")) == 1


def test_the_close_up_shows_the_same_place_enlarged():
    figure = curves.draw(charts.get("who2017"), pregnancy=PREGNANCY, assessment=PREGNANCY.assess(LATE))
    whole = figure.axes[0]
    (near,) = whole.child_axes
    (low, high), (left, right) = near.get_ylim(), near.get_xlim()
    assert _marked(near, "o") == _marked(whole, "o") == [pytest.approx(((left + right) / 2, (low + high) / 2))]
    assert high - low < np.ptp(whole.get_ylim()) / 3
    assert low < 285 < 295 < high


def test_without_an_age_there_is_a_height_and_no_point():
    found = assess(174.0, dating=None, hc_interval_mm=(171.0, 177.0))
    figure = curves.draw(charts.get("intergrowth21"), assessment=found)
    axes = figure.axes[0]
    assert _marked(axes, "o") == []
    assert not axes.child_axes
    (height,) = [line for line in axes.lines if line.get_color() == curve_ink.THIS]
    assert list(height.get_ydata()) == [174.0, 174.0]
    assert "no centile, because the age is not known" in _small_print(figure)


def test_outside_the_chart_the_point_lies_on_grey_and_no_number_is_told():
    found = assess(350.0, dating=Dating.from_ga(41 * 7.0))
    figure = curves.draw(charts.get("intergrowth21"), assessment=found)
    axes = figure.axes[0]
    assert _marked(axes, "o") == [(41.0, 350.0)]
    assert axes.get_xlim()[1] > 41
    grey = [p.get_x() for p in axes.patches if p.get_hatch()]
    assert any(start == pytest.approx(40.0) for start in grey)
    assert "lies outside, so it gives no number" in _small_print(figure)
    assert not axes.child_axes


def test_a_diameter_measured_otherwise_than_the_charts_is_not_put_on_it():
    found = assess(290.0, dating=DATING, scan_date=LATE.scan_date, bpd_mm=80.0, ofd_mm=101.0)
    hadlock = curves.draw(charts.get("hadlock84"), measure="bpd", assessment=found)
    assert _marked(hadlock.axes[0], "o") == []
    assert "not compared" in _small_print(hadlock)
    other = curves.draw(charts.get("intergrowth21"), measure="bpd", assessment=found)
    assert _marked(other.axes[0], "o") == [pytest.approx((_weeks(LATE), 80.0))]
    with pytest.raises(GrowthError, match="has no BPD"):
        curves.draw(charts.get("who2017"), measure="bpd")


def test_one_picture_never_mixes_charts():
    on_hadlock = assess(290.0, dating=DATING, scan_date=LATE.scan_date, chart="hadlock84", hc_interval_mm=(285, 295))
    chart = charts.get("intergrowth21")
    told = _small_print(curves.draw(chart, assessment=on_hadlock))
    same = assess(290.0, dating=DATING, scan_date=LATE.scan_date, chart=chart, hc_interval_mm=(285, 295))
    assert told == _small_print(curves.draw(chart, assessment=same))
    assert "Hadlock" not in told


@pytest.mark.parametrize("name", charts.NAMES)
def test_the_small_print_names_chart_version_source_convention_and_what_it_is_not_for(name):
    chart = charts.get(name)
    told = _small_print(curves.draw(chart))
    for part in (chart.title, f"version {chart.version}", "on the outer edge of the skull", "Not for diagnosis"):
        assert part in told
    assert chart.source.split()[-1] in told
    assert chart.range_text in " ".join(_texts(curves.draw(chart)))


def test_a_local_charts_name_is_no_formula_and_its_warning_is_printed(tmp_path):
    path = tmp_path / "$our$ chart.csv"
    path.write_text("ga,mean,sd\n14,97,5\n20,175,6\n30,280,9\n40,340,11\n")
    picture = curves.save(tmp_path / "a.svg", charts.get(path))
    told = " ".join(ElementTree.parse(picture).getroot().itertext())
    assert "$our$" in told
    assert "has not checked" in told


def test_colours_are_told_apart_by_everybody():
    used = {curve_ink.CURVE, curve_ink.BAND, curve_ink.THIS}
    assert used <= OKABE_ITO
    axes = curves.draw(charts.get("intergrowth21"), pregnancy=PREGNANCY, assessment=PREGNANCY.assess(LATE)).axes[0]
    looks = {(line.get_linestyle(), line.get_linewidth()) for line in axes.lines if line.get_color() == curve_ink.CURVE}
    assert len(looks) == 3, "mean, inner and outer centiles differ without colour"


def test_files_are_whole_repeatable_and_of_the_ending_asked_for(tmp_path):
    chart = charts.get("intergrowth21")
    shown = {"pregnancy": PREGNANCY, "assessment": PREGNANCY.assess(LATE)}
    for ending, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        first = curves.save(tmp_path / f"a{ending}", chart, **shown).read_bytes()
        assert first.startswith(begins)
        assert curves.save(tmp_path / f"b{ending}", chart, **shown).read_bytes() == first
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1440, 1040)
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)
    written = ElementTree.parse(tmp_path / "a.svg").getroot()
    told = " ".join(written.itertext())
    for words in ("59th centile", "doi:10.1016/S0140-6736(14)61490-2", "this exam", "Not for diagnosis"):
        assert words in told, "letters stay letters"
    with pytest.raises(GrowthError, match=r"\.png, \.svg, \.pdf"):
        curves.save(tmp_path / "a.jpg", chart)
    assert not (tmp_path / "a.jpg").exists()


def test_a_persons_own_matplotlib_settings_change_nothing():
    import matplotlib

    chart = charts.get("who2017")
    before = curves.render(chart, 640, 480)
    with matplotlib.rc_context({"font.family": "DejaVu Serif", "text.usetex": False, "svg.fonttype": "path"}):
        np.testing.assert_array_equal(curves.render(chart, 640, 480), before)
    assert before.shape == (480, 640, 4)
    assert (before[..., 3] == 255).all()


def test_pyplot_is_not_asked_for():
    code = (
        "import sys, fetalseg.growth.curves as curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from fetalseg.growth import charts\n"
        "curves.render(charts.get('hadlock84'), 500, 400)\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.lists(st.floats(0, 300), min_size=2, max_size=7), st.floats(1, 20))
def test_labels_are_moved_apart_and_no_further_than_needed(wanted, gap):
    placed = curve_ink._apart(sorted(wanted), gap)
    assert all(high - low >= gap - 0.05 for low, high in pairwise(placed))
    assert np.mean(placed) == pytest.approx(np.mean(wanted), abs=1e-6), "neither up nor down as a whole"
    roomy = [300.0 * k for k in range(len(wanted))]
    assert curve_ink._apart(roomy, gap) == roomy
