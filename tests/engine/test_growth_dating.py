"""Ages by dates, early scans and the head, against the published examples."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.errors import DatingError
from fetalseg.growth import charts, dating
from fetalseg.growth.dating import Dating, ga_from_crl, ga_from_hc, ga_text, parse_date, parse_ga, redating_note

DAY = datetime.date
LMP = DAY(2024, 1, 1)


def days(number):
    return datetime.timedelta(days=number)


def test_naegele():
    made = Dating.from_lmp(LMP)
    assert made.edd == DAY(2024, 10, 7)
    assert made.at(DAY(2024, 5, 20)) == 140
    assert ga_text(made.at(DAY(2024, 5, 20))) == "20w 0d"
    assert Dating.from_lmp(DAY(2023, 3, 1)).edd == DAY(2023, 12, 6)


def test_the_ways_of_dating_agree():
    assert Dating.from_ivf(DAY(2024, 1, 15)).edd == DAY(2024, 1, 15) + days(266) == DAY(2024, 10, 7)
    assert Dating.from_edd(DAY(2024, 10, 7)).day_zero == LMP
    assert Dating.from_earlier_scan(84, DAY(2024, 3, 25)).day_zero == LMP
    assert Dating.from_ga(84, DAY(2024, 3, 25)).edd == DAY(2024, 10, 7)


@pytest.mark.parametrize(("mm", "age"), [(45, 78.73), (60, 87.24), (84, 98.88)])
def test_robinson(mm, age):
    assert ga_from_crl(mm) == pytest.approx(age, abs=0.005)


@pytest.mark.parametrize(("mm", "age"), [(45, 78.18), (60, 86.75)])
def test_intergrowth_crl(mm, age):
    assert ga_from_crl(mm, "intergrowth2014") == pytest.approx(age, abs=0.005)


def test_a_crl_dates_in_whole_days():
    made = Dating.from_crl(60, DAY(2024, 3, 28))
    assert made.at(DAY(2024, 3, 28)) == 87
    assert made.edd == DAY(2024, 10, 7)
    assert made.formula == "Robinson & Fleming 1975"
    assert made.uncertainty_days == 4.7
    other = Dating.from_crl(60, DAY(2024, 3, 28), "intergrowth2014")
    assert other.uncertainty_days == pytest.approx(1.96 * (2.39102 + 0.0193474 * 60), abs=0.05)


@pytest.mark.parametrize("formula", ["robinson1975", "intergrowth2014"])
@pytest.mark.parametrize("mm", [14.9, 6, 84.1, math.nan, -60, 0])
def test_a_crl_outside_its_range(mm, formula):
    with pytest.raises(DatingError, match=r"(45|15) to 84 mm"):
        ga_from_crl(mm, formula)
    with pytest.raises(DatingError, match="to 84 mm"):
        Dating.from_crl(mm, LMP, formula)


def test_robinson_starts_later():
    with pytest.raises(DatingError, match="45 to 84 mm"):
        ga_from_crl(44.9)
    assert ga_from_crl(44.9, "intergrowth2014") < ga_from_crl(45, "intergrowth2014")


def test_an_unknown_formula():
    with pytest.raises(DatingError, match="robinson1975 or intergrowth2014"):
        ga_from_crl(60, "hadlock")
    with pytest.raises(DatingError, match="hadlock1984 or intergrowth2016"):
        ga_from_hc(180, "robinson1975")


@pytest.mark.parametrize(
    ("mm", "weeks"), [(100, 14.660), (175, 20.018), (200, 22.160), (250, 27.148), (300, 33.260), (360, 42.397)]
)
def test_hadlock_age_from_hc(mm, weeks):
    assert ga_from_hc(mm).ga_days / 7 == pytest.approx(weeks, abs=0.001)


@pytest.mark.parametrize(("mm", "age"), [(100, 99.32), (175, 141.55), (250, 189.80), (300, 230.69), (330, 260.81)])
def test_intergrowth_age_from_hc(mm, age):
    assert dating.intergrowth_days(mm) == pytest.approx(age, abs=0.02)


@pytest.mark.parametrize(
    ("mm", "weeks"),
    [
        *[(68, 1.19), (144, 1.19), (147, 1.48), (151, 1.48), (219, 1.48), (222, 2.06), (280, 2.06), (282, 2.98)],
        *[(325, 2.98), (326, 3.2), (360, 3.2)],
    ],
)
def test_hadlock_range_between_bands_the_wider(mm, weeks):
    found = ga_from_hc(mm)
    assert found.high_days - found.ga_days == pytest.approx(7 * weeks)
    assert found.ga_days - found.low_days == pytest.approx(7 * weeks)
    assert found.formula == "Hadlock 1984"


@pytest.mark.parametrize("mm", [67.9, 360.1, 0, -5, math.nan])
def test_no_age_from_an_hc_outside_the_formula(mm):
    found = ga_from_hc(mm)
    assert (found.ga_days, found.low_days, found.high_days) == (None, None, None)
    assert "68 to 360 mm" in found.reason


def test_intergrowth_age_from_hc_is_not_used_late_and_has_no_range():
    early, late = ga_from_hc(175, "intergrowth2016"), ga_from_hc(260, "intergrowth2016")
    assert early.ga_days == pytest.approx(141.55, abs=0.02)
    assert early.low_days is None
    assert early.reason
    assert late.ga_days is None
    assert "25 weeks" in late.reason
    assert ga_from_hc(0, "intergrowth2016").ga_days is None


@given(st.floats(68, 360))
def test_hadlocks_two_equations_are_two_regressions(mm):
    """Size by age does not invert age by size: they differ by up to one SD of size (10 mm) and half an mm."""
    chart = charts.get("hadlock84")
    there = chart.measures["hc"].middle(ga_from_hc(mm).ga_days / 7)
    assert abs(there - mm) < 10.5
    if 150 < mm < 190:
        assert abs(there - mm) < 2.6


@given(one=st.floats(68, 360), other=st.floats(68, 360))
def test_a_larger_head_suggests_a_higher_age(one, other):
    small, large = sorted((one, other))
    assert ga_from_hc(small).ga_days <= ga_from_hc(large).ga_days


@given(weeks=st.integers(14, 24))
def test_intergrowth_age_inverts_its_standard_early(weeks):
    mm = charts.get("intergrowth21").value_mm("hc", 7 * weeks, 50)
    assert dating.intergrowth_days(mm) / 7 == pytest.approx(weeks, abs=0.15)


@pytest.mark.parametrize(
    ("age", "half"), [(60, 7), (97, 7), (98, 10), (153, 10), (153.5, 10), (154, 14), (195, 14), (196, None)]
)
def test_an_earlier_scan_is_known_as_exactly_as_published(age, half):
    assert Dating.from_earlier_scan(age, DAY(2024, 3, 1)).uncertainty_days == half


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda later: Dating.from_lmp(later), "in the future"),
        (lambda later: Dating.from_ivf(later), "in the future"),
        (lambda later: Dating.from_crl(60, later), "in the future"),
        (lambda later: Dating.from_earlier_scan(90, later), "in the future"),
        (lambda later: Dating.from_ga(90, later), "in the future"),
        (lambda later: Dating.from_lmp(LMP).at(later), "in the future"),
        (lambda later: Dating.from_ga(90).at(later), "in the future"),
        (lambda later: Dating.from_edd(later + days(280)), "not begun"),
        (lambda later: Dating.from_lmp(LMP).at(DAY(2023, 12, 31)), "before the pregnancy"),
        (lambda later: Dating.from_lmp(LMP).at(LMP + days(316)), "between 0 and 45"),
        (lambda later: Dating.from_lmp(LMP).at(None), "scan's date is needed"),
        (lambda later: Dating.from_ga(-1), "between 0 and 45"),
        (lambda later: Dating.from_ga(316), "between 0 and 45"),
        (lambda later: Dating.from_ga(math.nan), "between 0 and 45"),
        (lambda later: Dating.from_earlier_scan(400, LMP), "between 0 and 45"),
    ],
)
def test_the_impossible_is_a_sentence(make, told):
    with pytest.raises(DatingError, match=told):
        make(dating.today() + days(1))


def test_today_is_no_future():
    today = dating.today()
    assert Dating.from_lmp(today).at(today) == 0
    assert Dating.from_edd(today + days(280)).at(today) == 0
    assert Dating.from_lmp(today - days(315)).at(today) == 315


def test_a_leap_day_counts():
    assert Dating.from_lmp(DAY(2024, 2, 1)).at(DAY(2024, 3, 1)) == 29
    assert Dating.from_lmp(DAY(2023, 2, 1)).at(DAY(2023, 3, 1)) == 28


@given(
    st.one_of(
        st.builds(Dating.from_lmp, st.dates(DAY(2000, 1, 1), DAY(2024, 1, 1))),
        st.builds(Dating.from_ivf, st.dates(DAY(2000, 1, 1), DAY(2024, 1, 1))),
        st.builds(Dating.from_edd, st.dates(DAY(2000, 1, 1), DAY(2024, 1, 1))),
        st.builds(Dating.from_crl, st.floats(45, 84), st.dates(DAY(2000, 1, 1), DAY(2024, 1, 1))),
        st.builds(Dating.from_earlier_scan, st.integers(40, 300), st.dates(DAY(2000, 1, 1), DAY(2024, 1, 1))),
        st.builds(Dating.from_ga, st.floats(0, 315)),
    )
)
def test_a_dating_survives_its_file(made):
    assert Dating.from_dict(made.to_dict()) == made
    if made.on is None:
        assert made.edd is None
    else:
        assert made.at(made.day_zero) == pytest.approx(0, abs=0.5) if made.ga_days % 1 else made.at(made.day_zero) == 0
        assert made.edd - made.day_zero == days(280)


@pytest.mark.parametrize(
    "values",
    [
        *[{}, {"source": "lmp"}, {"source": "moon", "ga_days": 3}, {"source": "lmp", "ga_days": 999}],
        *[{"source": "lmp", "ga_days": 0, "on": "soon"}, {"source": "lmp", "ga_days": "x"}],
        {"source": "ga", "ga_days": []},
    ],
)
def test_what_is_no_dating(values):
    with pytest.raises(DatingError):
        Dating.from_dict(values)


# ACOG 700: age by the last period, and by how many days a scan must differ at least to be preferred.
@pytest.mark.parametrize(
    ("age", "allowed"),
    [(62, 5), (63, 7), (97, 7), (98, 7), (111, 7), (112, 10), (153, 10), (154, 14), (195, 14), (196, 21), (250, 21)],
)
def test_redating_by_acog(age, allowed):
    scanned = LMP + days(age)
    for apart in (-allowed - 1, -allowed, allowed, allowed + 1):
        by_scan = Dating.from_earlier_scan(age + apart, scanned)
        note = redating_note(Dating.from_lmp(LMP), by_scan)
        assert ("older" if apart > 0 else "younger") in note
        assert f"{abs(apart)} days" in note
        assert ("more than the" in note) == (abs(apart) > allowed)
        assert f"{allowed} days" in note
        # It reports; the date of delivery stays.
        assert Dating.from_lmp(LMP).edd == DAY(2024, 10, 7)


def test_no_note_without_dates():
    assert redating_note(Dating.from_lmp(LMP), Dating.from_ga(90)) is None
    assert "same age" in redating_note(Dating.from_lmp(LMP), Dating.from_earlier_scan(84, DAY(2024, 3, 25)))
    assert "1 day " in redating_note(Dating.from_lmp(LMP), Dating.from_earlier_scan(85, DAY(2024, 3, 25)))


@pytest.mark.parametrize(
    ("text", "age"),
    [("20", 140), ("20.5", 143.5), ("20+3", 143), ("20w 3d", 143), ("20w3d", 143), ("20W", 140), (" 9 + 0 ", 63)],
)
def test_ages_as_people_write_them(text, age):
    assert parse_ga(text) == pytest.approx(age)


@pytest.mark.parametrize("text", ["", "soon", "20+7", "20+", "20+33", "20w 9d"])
def test_what_is_no_age(text):
    with pytest.raises(DatingError, match=r"gestational age|days 0 to 6"):
        parse_ga(text)


@given(st.integers(0, 315))
def test_an_age_is_written_as_it_is_read(age):
    assert parse_ga(ga_text(age)) == age


def test_completed_days_are_told():
    assert ga_text(143.9) == "20w 3d"
    assert ga_text(7 * 20.142857142857) == "20w 1d"


@pytest.mark.parametrize(
    "text", ["2024-5-1", "01.05.2024", "2024-02-30", "2024-W01-1", "", "20240532", "2024-05-01T00"]
)
def test_what_is_no_date(text):
    with pytest.raises(DatingError, match="2020-01-31"):
        parse_date(text)


def test_dates():
    assert parse_date("2024-05-20") == parse_date(" 20240520 ") == DAY(2024, 5, 20)
