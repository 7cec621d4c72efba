"""A head at its age: z-score with its range, flags with their wording, and no centile without an age from elsewhere."""

from __future__ import annotations

import datetime
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.errors import DatingError, GrowthError
from fetalseg.growth import charts
from fetalseg.growth.assessment import CIRCULAR, assess, check_sizes
from fetalseg.growth.dating import Dating
from fetalseg.growth.flags import PROMPT

AGE = 140
MEAN, SD = 172.4796, 7.4395
FLAGS = {
    -2: (
        "small_head",
        "HC more than 2 SD below the mean for this GA. Check dates and plane; SMFM suggests detailed intracranial "
        "anatomy and a repeat in 3-4 weeks.",
        "SMFM 2016",
    ),
    -3: (
        "microcephaly_range",
        "HC 3 SD or more below the mean: the definition used for isolated fetal microcephaly. Needs specialist "
        "assessment.",
        "doi:10.1016/0002-9378(84)90027-9",
    ),
    -5: (
        "severe_microcephaly_range",
        "HC 5 SD or more below the mean. Needs urgent specialist assessment.",
        "SMFM 2016",
    ),
    2: ("large_head", "HC more than 2 SD above the mean. Often familial.", "doi:10.1002/pd.6473"),
    3: (
        "macrocephaly_range",
        "HC more than 3 SD above the mean. Needs specialist assessment.",
        "this project's choice",
    ),
}


def at(z, half=None, **values):
    """An assessment of a head at 20 weeks at a z-score, with an interval of `half` SD to both sides."""
    hc = MEAN + z * SD
    interval = None if half is None else (hc - half * SD, hc + half * SD)
    return assess(hc, dating=Dating.from_ga(AGE), hc_interval_mm=interval, **values)


@pytest.mark.parametrize(
    ("z", "limit"),
    [
        *[(-1.99, None), (-2.01, -2), (-2.99, -2), (-3.01, -3), (-4.99, -3), (-5.01, -5), (-8, -5)],
        *[(0, None), (1.99, None), (2.01, 2), (2.99, 2), (3.01, 3), (7, 3)],
    ],
)
def test_the_strongest_flag_alone_in_its_own_words(z, limit):
    found = at(z)
    assert found.hc.z == pytest.approx(z, abs=0.001)
    if limit is None:
        assert found.flags == ()
        assert PROMPT not in found.sentences
        return
    (flag,) = found.flags
    code, text, source = FLAGS[limit]
    assert (flag.code, flag.text) == (code, text)
    assert source in flag.source
    assert PROMPT in found.sentences


def test_a_flag_that_the_interval_straddles_says_so():
    (flag,) = at(-2.2, 0.5).flags
    assert flag.text.startswith(FLAGS[-2][1])
    assert "interval of z, -2.70 to -1.70, lies on both sides of the limit of -2" in flag.text
    assert "microcephaly" not in flag.text
    (flag,) = at(3.1, 0.5).flags
    assert "lies on both sides of the limit of +3" in flag.text


def test_an_interval_that_reaches_the_next_limit_says_so():
    (flag,) = at(-2.8, 0.5).flags
    assert flag.code == "small_head"
    assert "reaches the limit of -3 (microcephaly range)" in flag.text
    assert "both sides" not in flag.text
    (flag,) = at(-2.8, 2.3).flags
    assert "both sides of the limit of -2 and reaches the limit of -5 (severe microcephaly range)" in flag.text


def test_a_limit_that_only_the_interval_reaches_is_no_flag_but_a_sentence():
    for z, limit, name in ((-1.8, "-2", "small head"), (1.8, "+2", "large head")):
        found = at(z, 0.4)
        assert found.flags == ()
        (told,) = [text for text in found.sentences if "raises no flag" in text]
        assert f"reaches the limit of {limit} ({name})" in told
    assert not [text for text in at(-1.8, 0.1).sentences if "flag" in text]


def test_an_interval_clear_of_the_limits_adds_nothing():
    (flag,) = at(-2.5, 0.4).flags
    assert flag.text == FLAGS[-2][1]


@given(z=st.floats(-6, 6), half=st.floats(0, 3))
def test_the_interval_holds_the_value(z, half):
    found = at(z, half)
    assert found.z_low <= found.hc.z <= found.z_high
    assert found.centile_low <= found.hc.centile <= found.centile_high
    assert found.z_high - found.z_low == pytest.approx(2 * half, abs=0.001)
    assert len([flag for flag in found.flags if flag.code != "head_shape"]) <= 1


@pytest.mark.parametrize(
    "dating", [None, Dating("this_hc", 140), Dating("this_hc", 140, datetime.date(2024, 5, 20), None, "Hadlock 1984")]
)
@pytest.mark.parametrize("chart", charts.NAMES)
@pytest.mark.parametrize("hc", [120, 175, 300])
def test_without_an_age_from_elsewhere_there_is_no_number(dating, chart, hc):
    scan = datetime.date(2024, 5, 20)
    found = assess(
        hc, dating=dating, scan_date=scan, chart=chart, hc_interval_mm=(hc - 4, hc + 4), bpd_mm=40, ofd_mm=51
    )
    assert (found.ga_days, found.ga_source) == (None, "this_hc")
    for reading in found.readings:
        assert (reading.z, reading.centile, reading.centile_text, reading.mean_mm) == (None, None, "", None)
    assert (found.z_low, found.z_high, found.centile_low, found.centile_high) == (None,) * 4
    assert found.flags == ()
    for sentence in CIRCULAR:
        assert sentence in found.reason
    assert found.age_from_hc.low_days < found.age_from_hc.ga_days < found.age_from_hc.high_days


def test_the_three_sentences():
    assert CIRCULAR == (
        "This gestational age was worked out from the head circumference you are looking at.",
        "A centile of the same head circumference at that age would come out near the middle, whatever the size of "
        "the head, so it says nothing.",
        "Enter an age from the last period or an early scan (crown-rump length) to get a meaningful centile.",
    )


@pytest.mark.parametrize(("bpd", "flagged"), [(73.9, True), (74.0, False), (83.0, False), (83.1, True)])
@pytest.mark.parametrize("dating", [None, Dating.from_ga(AGE)])
def test_head_shape(bpd, flagged, dating):
    found = assess(273, dating=dating, bpd_mm=bpd, ofd_mm=100)
    assert found.cephalic_index == pytest.approx(bpd)
    shape = [flag for flag in found.flags if flag.code == "head_shape"]
    assert bool(shape) == flagged
    for flag in shape:
        assert "head shape outside 74-83; BPD-based dating is less reliable, HC is preferred" in flag.text
        assert flag.source == "Hadlock 1981, AJR 137:83-85"
        assert PROMPT in found.sentences


def test_no_shape_of_one_diameter():
    for values in ({"bpd_mm": 40.0}, {"ofd_mm": 60.0}):
        found = assess(173, dating=None, **values)
        assert found.cephalic_index is None
        assert found.flags == ()


def test_diameters_are_read_where_the_callipers_fit():
    sizes = {"bpd_mm": 48.0, "ofd_mm": 60.0, "dating": Dating.from_ga(AGE)}
    readings = {chart: {r.measure: r.z for r in assess(173, chart=chart, **sizes).readings} for chart in charts.NAMES}
    assert readings["intergrowth21"]["bpd"] == pytest.approx(-0.194, abs=0.001)
    assert readings["intergrowth21"]["ofd"] is not None
    assert readings["hadlock84"]["hc"] is not None
    assert (readings["hadlock84"]["bpd"], readings["hadlock84"]["ofd"]) == (None, None)
    inner = assess(173, chart="hadlock84", bpd_convention="outer-inner", **sizes).readings[1]
    assert inner.z == pytest.approx((48 - 46.32) / 3, abs=0.001)
    outer = assess(173, bpd_convention="outer-inner", **sizes).readings[1]
    assert outer.z is None
    assert "not compared" in outer.reason


def test_outside_the_chart_there_is_a_sentence_and_the_age():
    for age in (97, 281, 20):
        found = assess(175, dating=Dating.from_ga(age), hc_interval_mm=(170, 180))
        assert (found.hc.z, found.hc.centile, found.z_low, found.z_high) == (None,) * 4
        assert "covers 14w 0d to 40w 0d" in found.reason
        assert found.ga_days == age
        assert found.flags == ()


def test_who_tells_that_it_raises_no_flags():
    found = at(-4, 0.3, chart="who2017")
    assert found.hc.centile_text == "< 2.5th"
    assert (found.flags, found.hc.z, found.z_low) == ((), None, None)
    assert "no standard deviation" in found.reason
    assert any("none is raised on it" in text for text in found.sentences)


def test_hadlock_tells_of_its_crude_sd():
    assert any("crude" in text for text in at(0, chart="hadlock84").sentences)
    assert not any("crude" in text for text in at(0).sentences)


def test_the_ages_uncertainty_is_told_apart_from_the_interval():
    made = Dating.from_crl(60, datetime.date(2024, 3, 28))
    scan = datetime.date(2024, 5, 20)
    found = assess(173, dating=made, scan_date=scan, hc_interval_mm=(170, 176))
    chart = charts.get("intergrowth21")
    assert found.ga_days == 140
    assert (found.z_low, found.z_high) == (chart.read("hc", 170, 140).z, chart.read("hc", 176, 140).z)
    (told,) = [text for text in found.sentences if "± 4.7 days" in text]
    low, high = (chart.read("hc", 173, 140 + apart).z for apart in (4.7, -4.7))
    assert f"from {low:.2f} to {high:.2f}" in told
    assert "not part of the interval" in told
    assert not any("±" in text for text in at(0, 0.3).sentences)
    assert found.ga_uncertainty_days == 4.7


def test_sizes_that_do_not_belong_together_are_told():
    found = assess(215, dating=Dating.from_ga(AGE), bpd_mm=48.6, ofd_mm=60.7)
    assert any("not 215: check the three" in text for text in found.sentences)
    assert not any("check the three" in t for t in assess(172, dating=None, bpd_mm=48.6, ofd_mm=60.7).sentences)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((-175,), "above 0"),
        ((0,), "above 0"),
        ((math.nan,), "above 0"),
        ((math.inf,), "above 0"),
        ((17.5,), "in cm"),
        ((36.0,), "in cm"),
        ((1750,), "between 40 and 600"),
        ((175, 4.8), "BPD of 4.8 mm is no fetal head's; was it measured in cm"),
        ((175, 48, 6.1), "OFD of 6.1 mm is no fetal head's; was it measured in cm"),
        ((175, math.nan), "BPD"),
        ((175, 61, 48), "can't be longer than OFD"),
        ((175, None, None, (176, 180)), "does not hold the HC"),
        ((175, None, None, (160, 174)), "does not hold the HC"),
        ((175, None, None, (180, 170)), "does not hold the HC"),
        ((175, None, None, (-10, 180)), "does not hold the HC"),
        ((175, None, None, (math.nan, 180)), "does not hold the HC"),
        ((175, None, None, (170, math.inf)), "does not hold the HC"),
    ],
)
def test_impossible_sizes_are_sentences(sizes, told):
    with pytest.raises(GrowthError) as caught:
        check_sizes(*sizes)
    assert told in str(caught.value)
    names = ("bpd_mm", "ofd_mm", "hc_interval_mm")
    with pytest.raises(GrowthError):
        assess(sizes[0], dating=Dating.from_ga(AGE), **dict(itertools.zip_longest(names, sizes[1:])))


def test_impossible_dates_are_sentences_without_a_dating_too():
    with pytest.raises(DatingError, match="in the future"):
        assess(175, dating=None, scan_date=datetime.date.today() + datetime.timedelta(days=1))
    with pytest.raises(DatingError, match="needed"):
        assess(175, dating=Dating.from_lmp(datetime.date(2024, 1, 1)))


def test_plain_values():
    made = Dating.from_lmp(datetime.date(2024, 1, 1))
    values = assess(180, dating=made, scan_date=datetime.date(2024, 5, 20), hc_interval_mm=(175, 185)).to_dict()
    assert values["chart"] == "intergrowth21"
    assert (values["ga_weeks"], values["ga_days"], values["ga_text"]) == (20, 140, "20w 0d")
    assert (values["ga_source"], values["edd"]) == ("lmp", "2024-10-07")
    assert values["z_score"] == pytest.approx(1.011, abs=0.005)
    assert values["centile"] == pytest.approx(84.4, abs=0.1)
    assert values["z_low"] < values["z_score"] < values["z_high"]
    assert values["ga_from_hc_weeks"] == pytest.approx(8.96 + 0.54 * 18 + 0.0003 * 18**3)
    low, high = values["ga_from_hc_range_weeks"]
    assert high - low == pytest.approx(2 * 1.48)
    assert "Hadlock 1984" in values["dating_formula"]
    assert "last menstrual period" in values["dating_formula"]
    assert values["reason"] is None
    assert values["flags"] == []


def test_a_size_beyond_belief_asks_for_scale_and_dates_first():
    far = assess(47.3, dating=Dating.from_ga(142), scan_date=None)
    assert [flag.code for flag in far.flags] == ["severe_microcephaly_range"]
    assert any("Check them first" in sentence for sentence in far.sentences)
    near = assess(140, dating=Dating.from_ga(142), scan_date=None)
    assert not any("Check them first" in sentence for sentence in near.sentences)
