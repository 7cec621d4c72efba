"""A chart that a person brings as a csv."""

from __future__ import annotations

import pytest

from fetalseg.errors import GrowthError
from fetalseg.growth import charts

GOOD = "ga,mean,sd\n20,170,8\n21+0,182,8.4\n22.0,194,8.8\n"


def write(folder, text, name="ours.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def test_mean_and_sd_are_read_and_joined_by_straight_lines(tmp_path):
    path = write(tmp_path, GOOD)
    chart = charts.get(path)
    assert (chart.first_day, chart.last_day) == (140, 154)
    assert chart.read("hc", 170, 140).z == pytest.approx(0)
    assert chart.read("hc", 190.4, 147).z == pytest.approx(1)
    # Half-way between 20 and 21 weeks: mean 176, SD 8.2.
    assert chart.read("hc", 167.8, 143.5).z == pytest.approx(-1)
    assert chart.read("hc", 200, 155).z is None
    assert "20w 0d to 22w 0d" in chart.read("hc", 200, 155).reason
    assert "local chart" in chart.note
    assert chart.name == "ours.csv"
    assert charts.get(chart.key).version == chart.version


@pytest.mark.parametrize(
    "text",
    [
        "GA;Mean;SD\n20;170,0;8\n21;182;8,4\n22;194;8,8\n",
        "GA_weeks\thc mean mm\tsd_mm\n20\t170\t8\n21\t182\t8.4\n22\t194\t8.8\n",
        "ga_days,mean_mm,sd\n154,194,8.8\n140,170,8\n147,182,8.4\n",
        b"\xef\xbb\xbfga,mean,sd,n\r\n20w 0d,170,8,5\r\n21w,182,8.4,5\r\n22,194,8.8,5\r\n",
    ],
)
def test_common_ways_to_write_it(tmp_path, text):
    chart = charts.get(write(tmp_path, text))
    assert chart.read("hc", 190.4, 147).z == pytest.approx(1)


def test_its_version_is_its_content(tmp_path):
    one, other = write(tmp_path, GOOD, "a.csv"), write(tmp_path, GOOD.replace("170", "171"), "b.csv")
    same = write(tmp_path, GOOD, "c.csv")
    assert charts.get(one).version == charts.get(same).version != charts.get(other).version


def test_wide_gaps_are_told(tmp_path):
    assert "4 weeks apart" in charts.get(write(tmp_path, "ga,mean,sd\n20,170,8\n24,215,9\n")).note
    assert "apart" not in charts.get(write(tmp_path, GOOD, "b.csv")).note


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "columns ga, mean and sd"),
        ("file,hc\na.png,170\n", "columns ga, mean and sd"),
        ("ga,mean,sd\n", "at least two ages"),
        ("ga,mean,sd\n20,170,8\n", "at least two ages"),
        ("ga,mean,sd\n20,17.0,0.8\n21,18.2,0.84\n", "not in cm"),
        ("ga,mean,sd\n20,170,0\n21,182,8\n", "SD of 0"),
        ("ga,mean,sd\n20,170,-8\n21,182,8\n", "SD of -8"),
        ("ga,mean,sd\n20,nan,8\n21,182,8\n", "mean of nan"),
        ("ga,mean,sd\n20,170,8\n20,182,8\n", "20w 0d twice"),
        ("ga,mean,sd\n20,170,8\n21,160,8\n", "does not grow"),
        ("ga,mean,sd\n140,170,8\n147,182,8\n", "column ga_days"),
        ("ga,mean,sd\n20,170,8\n21,many,8\n", "row 3"),
        ("ga,mean,sd\n20,170,8\n21,182\n", "row 3"),
        ("ga,mean,sd\nsoon,170,8\n21,182,8\n", "row 2"),
        (b"ga,mean,sd\n20,170,8\n\xff\xfe", "no csv"),
    ],
)
def test_a_csv_that_is_no_chart(tmp_path, text, told):
    path = write(tmp_path, text)
    with pytest.raises(GrowthError) as caught:
        charts.get(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_csv_that_is_not_there(tmp_path):
    with pytest.raises(GrowthError, match="can't be read"):
        charts.get(tmp_path / "none.csv")
