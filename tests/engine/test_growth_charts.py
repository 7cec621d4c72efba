"""Every published value of the charts, and what must hold of any chart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.errors import GrowthError
from fetalseg.growth import charts

# Official INTERGROWTH-21st table of HC: weeks; 3rd 5th 10th 50th 90th 95th 97th; -3 -2 +2 +3 SD; SD.
IG_HC = """
14 87.4 88.7 90.7 97.9 105.0 107.1 108.4 81.1 86.7 109.0 114.6 5.582
20 158.5 160.2 163.0 172.5 182.0 184.7 186.5 150.2 157.6 187.4 194.8 7.440
24 203.5 205.4 208.5 219.1 229.7 232.7 234.7 194.2 202.5 235.7 244.0 8.296
28 243.6 245.7 248.9 260.4 271.8 275.1 277.2 233.5 242.5 278.2 287.2 8.935
32 276.3 278.5 282.1 294.4 306.7 310.2 312.5 265.5 275.1 313.6 323.2 9.619
36 299.2 301.7 305.6 319.4 333.2 337.1 339.6 287.1 297.9 340.9 351.7 10.761
40 309.6 312.7 317.4 333.9 350.5 355.2 358.3 295.2 308.1 359.8 372.7 12.924
"""
# Weeks; 3rd 50th 97th.
IG_BPD = "14 26.3 29.6 32.9; 20 44.1 48.4 52.8; 28 67.9 73.5 79.0; 36 84.7 91.2 97.7; 40 87.5 94.9 102.3"
IG_OFD = "14 30.1 33.8 37.4; 20 55.5 60.7 65.9; 28 84.9 91.8 98.7; 36 102.5 111.6 120.8; 40 104.1 115.8 127.4"
# Worked examples: weeks, days, measure, mm, z.
IG_Z = """
20 0 hc 180 1.011; 20 1 hc 180 0.774; 30 3 hc 250 -3.432; 36 0 hc 280 -3.661; 14 0 hc 80 -3.203; 28 0 bpd 73 -0.166
28 0 ofd 92 0.054
"""
# WHO's HC: weeks; 2.5th 5th 10th 50th 90th 95th 97.5th.
WHO_HC = """
14 85.6 88.0 90.6 99.5 107.3 109.5 112.3
15 96.7 99.1 101.9 111.1 119.3 121.6 124.3
16 108.3 110.7 113.5 123.2 131.6 134.0 136.7
17 120.2 122.6 125.6 135.5 144.3 146.7 149.4
18 132.4 134.8 137.9 148.1 157.2 159.7 162.3
19 144.7 147.1 150.3 160.7 170.2 172.8 175.4
20 157.0 159.5 162.8 173.4 183.3 185.9 188.5
21 169.2 171.7 175.1 185.9 196.2 198.9 201.5
22 181.1 183.8 187.3 198.3 208.9 211.7 214.3
23 192.7 195.5 199.1 210.3 221.3 224.2 226.9
24 203.8 206.9 210.6 222.0 233.3 236.4 239.1
25 214.5 217.8 221.6 233.2 244.9 248.1 250.9
26 224.6 228.1 232.0 243.9 256.0 259.4 262.3
27 234.2 237.9 241.9 254.0 266.6 270.1 273.1
28 243.1 247.1 251.2 263.6 276.6 280.2 283.4
29 251.4 255.7 259.8 272.5 285.9 289.8 293.0
30 259.2 263.7 267.9 280.9 294.7 298.7 302.1
31 266.4 271.1 275.4 288.8 302.9 307.0 310.5
32 273.1 278.0 282.3 296.0 310.5 314.7 318.3
33 279.3 284.3 288.7 302.8 317.6 321.8 325.6
34 285.2 290.3 294.7 309.2 324.1 328.4 332.3
35 290.9 295.8 300.2 315.1 330.3 334.5 338.4
36 296.3 301.1 305.5 320.8 336.0 340.2 344.1
37 301.7 306.2 310.6 326.2 341.5 345.5 349.4
38 307.1 311.2 315.5 331.5 346.6 350.5 354.3
39 312.7 316.1 320.4 336.8 351.7 355.3 359.0
40 318.6 321.2 325.3 342.1 356.7 359.9 363.4
"""
# Hadlock's printed table of HC at weeks, mm.
HADLOCK_HC = "14 97; 20 177; 28 266; 36 328; 40 346"


def table(text: str) -> list[list[str]]:
    return [row.split() for row in text.replace(";", "\n").strip().splitlines()]


@pytest.mark.parametrize("row", table(IG_HC), ids=lambda row: row[0])
def test_intergrowth_hc_is_the_official_table(row):
    weeks, *values = map(float, row)
    chart = charts.get("intergrowth21")
    for centile, value in zip((3, 5, 10, 50, 90, 95, 97), values, strict=False):
        assert chart.value_mm("hc", 7 * weeks, centile) == pytest.approx(value, abs=0.1)
    sd = values[11]
    for z, value in zip((-3, -2, 2, 3), values[7:11], strict=True):
        # The official value is rounded to 0.1 mm.
        assert chart.read("hc", value, 7 * weeks).z == pytest.approx(z, abs=0.1 / sd)
    middle = chart.read("hc", values[3], 7 * weeks).mean_mm
    assert chart.read("hc", middle + sd, 7 * weeks).z == pytest.approx(1, abs=0.0005)


@pytest.mark.parametrize(("measure", "text"), [("bpd", IG_BPD), ("ofd", IG_OFD)])
def test_intergrowth_diameters_are_the_official_table(measure, text):
    chart = charts.get("intergrowth21")
    for weeks, *values in (map(float, row) for row in table(text)):
        for centile, value in zip((3, 50, 97), values, strict=True):
            assert chart.value_mm(measure, 7 * weeks, centile) == pytest.approx(value, abs=0.1)


@pytest.mark.parametrize(("weeks", "days", "measure", "mm", "z"), table(IG_Z))
def test_intergrowth_worked_examples(weeks, days, measure, mm, z):
    found = charts.get("intergrowth21").read(measure, float(mm), 7 * int(weeks) + int(days))
    assert found.z == pytest.approx(float(z), abs=0.005)
    assert found.reason is None


@pytest.mark.parametrize("row", table(WHO_HC), ids=lambda row: row[0])
def test_who_hc_is_the_published_table(row):
    weeks, *values = map(float, row)
    chart = charts.get("who2017")
    for centile, value in zip((2.5, 5, 10, 50, 90, 95, 97.5), values, strict=True):
        assert chart.value_mm("hc", 7 * weeks, centile) == pytest.approx(value, abs=0.1)


def test_the_who_table_is_whole():
    assert [row[0] for row in table(WHO_HC)] == [str(week) for week in range(14, 41)]


@pytest.mark.parametrize(("weeks", "value"), table(HADLOCK_HC))
def test_hadlock_hc_is_the_printed_table(weeks, value):
    found = charts.get("hadlock84").read("hc", float(value), 7 * int(weeks))
    assert found.mean_mm == pytest.approx(float(value), abs=0.8)
    # One SD is 10 mm.
    assert found.z == pytest.approx((float(value) - found.mean_mm) / 10, abs=1e-12)


@pytest.mark.parametrize(("weeks", "difference"), [(20, 176.8 - 172.5), (28, 266.1 - 260.4), (40, 346.1 - 333.9)])
def test_hadlock_lies_above_intergrowth(weeks, difference):
    hadlock, intergrowth = (charts.get(name).value_mm("hc", 7 * weeks, 50) for name in ("hadlock84", "intergrowth21"))
    assert hadlock - intergrowth == pytest.approx(difference, abs=0.1)


def test_intergrowth_diameters_make_the_ellipse_of_its_hc():
    from fetalseg.geometry.ellipse import circumference

    chart = charts.get("intergrowth21")
    for weeks, ellipse in ((20, 172.0), (28, 260.4), (36, 319.5)):
        bpd, ofd = (chart.value_mm(name, 7 * weeks, 50) for name in ("bpd", "ofd"))
        assert circumference(ofd / 2, bpd / 2) == pytest.approx(ellipse, abs=0.1)


@pytest.mark.parametrize(
    ("centile", "text"),
    [
        *[(0.5, "< 1st"), (1, "1st"), (2, "2nd"), (3, "3rd"), (11.8, "12th"), (13, "13th"), (21.2, "21st")],
        *[(50, "50th"), (92.4, "92nd"), (98.9, "99th"), (99.4, "> 99th")],
    ],
)
def test_centiles_in_words(centile, text):
    chart = charts.get("intergrowth21")
    found = chart.read("hc", chart.value_mm("hc", 200, centile) + (1e-9 if centile == 1 else 0), 200)
    assert found.centile_text == text
    assert found.centile == pytest.approx(centile, abs=1e-4)


def test_who_gives_no_z_and_tells_only_that_a_head_lies_beyond():
    chart = charts.get("who2017")
    inside, below, above = (chart.read("hc", mm, 140) for mm in (173.39, 150, 200))
    assert (inside.z, inside.centile_text) == (None, "50th")
    assert "no standard deviation" in inside.reason
    assert (below.z, below.centile, below.centile_text) == (None, None, "< 2.5th")
    assert (above.z, above.centile, above.centile_text) == (None, None, "> 97.5th")


def test_who_interpolates_the_logarithm():
    chart = charts.get("who2017")
    low, high = (chart.value_mm("hc", 140, centile) for centile in (50, 75))
    assert chart.read("hc", math.sqrt(low * high), 140).centile == pytest.approx(62.5)


@pytest.mark.parametrize(("name", "last"), [("intergrowth21", 280), ("hadlock84", 294), ("who2017", 280)])
def test_outside_its_ages_a_chart_gives_a_sentence(name, last):
    chart = charts.get(name)
    for age in (97, 97.9, last + 0.1, last + 1, 0):
        found = chart.read("hc", 200, age)
        assert (found.z, found.centile, found.centile_text, found.mean_mm) == (None, None, "", None)
        assert chart.title in found.reason
        assert "14w 0d" in found.reason
        with pytest.raises(GrowthError, match="covers 14w 0d"):
            chart.value_mm("hc", age, 50)
    for age in (98, last):
        assert chart.read("hc", chart.value_mm("hc", age, 50), age).centile == pytest.approx(50)


@pytest.mark.parametrize("name", charts.NAMES)
@pytest.mark.parametrize("value", [0, -3, math.nan, math.inf])
def test_what_is_no_size_gives_a_sentence(name, value):
    found = charts.get(name).read("hc", value, 140)
    assert found.centile is None
    assert "above 0" in found.reason


def test_callipers_of_one_convention_are_not_read_on_the_other():
    intergrowth, hadlock, who = map(charts.get, ("intergrowth21", "hadlock84", "who2017"))
    assert intergrowth.read("bpd", 48, 140).z is not None
    assert hadlock.read("bpd", 48, 140, convention="outer-inner").z == pytest.approx((48 - 46.32) / 3, abs=0.001)
    for found in (
        hadlock.read("bpd", 48, 140),
        intergrowth.read("bpd", 48, 140, convention="outer-inner"),
        who.read("bpd", 48, 140, convention="outer-inner"),
        hadlock.read("ofd", 60, 140),
        intergrowth.read("ac", 150, 140),
    ):
        assert (found.z, found.centile, found.mean_mm) == (None, None, None)
        assert found.reason
    assert "outer to outer edge" in hadlock.read("bpd", 48, 140).reason


def test_each_chart_says_where_it_comes_from():
    for name in charts.NAMES:
        chart = charts.get(name)
        assert (chart.name, chart.key) == (name, name)
        assert chart.version
        assert "doi:" in chart.source or "Radiology" in chart.source


def test_an_unknown_chart():
    with pytest.raises(GrowthError, match="no growth chart 'jeanty'; choose intergrowth21"):
        charts.get("jeanty")


AGES = st.floats(98, 280)
SIZES = st.floats(60, 420)
DATED = st.sampled_from(charts.NAMES).map(charts.get)
WITH_Z = st.sampled_from(["intergrowth21", "hadlock84"]).map(charts.get)


@given(chart=DATED, age=AGES, one=SIZES, other=SIZES)
def test_centile_grows_with_hc(chart, age, one, other):
    small, large = sorted((one, other))
    first, last = (chart.read("hc", value, age) for value in (small, large))
    if first.centile is not None and last.centile is not None:
        assert first.centile <= last.centile
    else:
        assert not first.centile_text.startswith(">") or last.centile_text.startswith(">")
        assert not last.centile_text.startswith("<") or first.centile_text.startswith("<")
    if first.z is not None:
        assert first.z <= last.z


@given(chart=DATED, age=AGES, weeks=st.floats(0, 26), centile=st.floats(2.5, 97.5))
def test_centile_falls_with_age(chart, age, weeks, centile):
    later = min(280.0, age + 7 * weeks)
    value = chart.value_mm("hc", age, centile)
    found = chart.read("hc", value, later)
    if found.centile is None:
        assert found.centile_text == "< 2.5th"
    else:
        assert found.centile <= centile + 1e-6


@given(chart=DATED, measure=st.sampled_from(["hc", "bpd", "ofd"]), age=AGES)
def test_the_middle_has_z_0_and_centile_50(chart, measure, age):
    if measure not in chart.measures:
        return
    convention = chart.measures[measure].convention
    middle = chart.value_mm(measure, age, 50)
    found = chart.read(measure, middle, age, convention=convention)
    assert found.mean_mm == pytest.approx(middle, abs=1e-9)
    assert found.centile == pytest.approx(50, abs=1e-6)
    assert found.z is None or found.z == pytest.approx(0, abs=1e-9)


@given(chart=DATED, age=AGES, centile=st.floats(2.5, 97.5))
def test_size_and_centile_are_inverse(chart, age, centile):
    value = chart.value_mm("hc", age, centile)
    # An end's own size may round to just beyond it.
    found = chart.read("hc", min(max(value, chart.value_mm("hc", age, 2.5) + 1e-9), 1e3), age)
    if found.centile is None:
        assert centile == pytest.approx(97.5, abs=1e-6)
    else:
        assert found.centile == pytest.approx(centile, abs=1e-5)


@given(chart=WITH_Z, age=AGES, z=st.floats(-6, 6))
def test_z_and_centile_belong_together(chart, age, z):
    measure = chart.measures["hc"]
    found = chart.read("hc", measure.middle(age / 7) + z * measure.sd(age / 7), age)
    assert found.z == pytest.approx(z, abs=1e-6)
    assert found.centile == pytest.approx(50 * (1 + math.erf(z / math.sqrt(2))), abs=1e-4)


@given(chart=DATED, age=AGES)
def test_curves_do_not_cross(chart, age):
    values = [chart.value_mm("hc", age, centile) for centile in (2.5, 3, 5, 10, 25, 50, 75, 90, 95, 97, 97.5)]
    assert values == sorted(set(values))


@pytest.mark.parametrize("centile", [0, 100, -1, math.nan])
def test_no_size_at_an_impossible_centile(centile):
    with pytest.raises(GrowthError, match=r"centile|curve"):
        charts.get("intergrowth21").value_mm("hc", 140, centile)


@pytest.mark.parametrize("centile", [2, 98, math.nan])
def test_who_has_no_size_outside_its_curves(centile):
    with pytest.raises(GrowthError, match=r"2\.5 to 97\.5"):
        charts.get("who2017").value_mm("hc", 140, centile)
