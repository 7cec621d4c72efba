"""Follow-up: changes, growth and categories against figures worked out by hand."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.errors import FetalSegError
from fetalseg.followup.rano import CATEGORIES, UNKNOWN, Lesion, Study, category, compare, mean_diameter, percent


def study(name, date=None, product=None, volume=None, **more):
    day = datetime.date.fromisoformat(date) if date else None
    return Study(name, day, product, volume, **more)


def sphere(name, date, diameter):
    """A ball: product d^2, volume pi d^3 / 6."""
    return study(name, date, diameter**2, math.pi * diameter**3 / 6000)


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (1249, "SD"),
        (1250, "PD"),
        (1000, "SD"),
        (751, "SD"),
        (750, "MR"),
        (501, "MR"),
        (500, "PR"),
        (1, "PR"),
        (0, "CR"),
    ],
)
def test_limits_of_the_product(product, expected):
    assert category(product, 1000, 1000) == expected


@pytest.mark.parametrize(
    ("volume", "expected"),
    [(13.99, "SD"), (14.0, "PD"), (10, "SD"), (3.51, "SD"), (3.5, "PR"), (0, "CR")],
)
def test_limits_of_the_volume(volume, expected):
    assert category(volume, 10, 10, volume=True) == expected


def test_progression_is_told_against_the_smallest_not_the_baseline():
    found = compare(
        [study("a", "2020-01-01", 1000, 20), study("b", "2020-07-01", 400, 8), study("c", "2021-01-01", 500, 9)]
    )
    assert [c.category for c in found.changes] == [None, "PR", "PD"]
    last = found.changes[-1]
    assert (last.product_pct, last.product_nadir_pct, last.product_nadir) == (-50, 25, "b")
    assert (last.volume_pct, last.volume_nadir_pct) == (pytest.approx(-55), pytest.approx(12.5))
    assert last.volume_category == "SD"
    assert found.proposal == CATEGORIES["PD"]
    assert any("different categories" in text for text in found.warnings)
    assert found.unknown == UNKNOWN


def test_a_sphere_is_consistent():
    """Product x 1.25 is volume x 1.398; both limits are met by about the same growth."""
    first = sphere("a", "2020-01-01", 40)
    second = sphere("b", "2021-01-01", 40 * math.sqrt(1.25))
    last = compare([first, second]).changes[-1]
    assert last.product_pct == pytest.approx(25)
    assert last.volume_pct == pytest.approx(39.8, abs=0.1)
    assert last.category == "PD"
    smaller = compare([first, sphere("b", "2021-01-01", 40 * math.sqrt(0.5))]).changes[-1]
    assert (smaller.category, smaller.volume_pct) == ("PR", pytest.approx(-64.6, abs=0.1))


def test_growth_of_the_mean_diameter():
    """32 ml has (64 000 mm^3)^(1/3) = 40 mm; 2 mm and then 4 mm more a year."""
    assert mean_diameter(32) == pytest.approx(40)
    volumes = [d**3 / 2000 for d in (40, 42, 46)]
    studies = [study(str(k), f"{2001 + k}-01-01", 100, volume) for k, volume in enumerate(volumes)]
    found = compare(studies)
    assert [c.days for c in found.changes] == [0, 365, 730]
    assert found.changes[0].growth_mm_per_year is None
    assert found.changes[1].growth_mm_per_year == pytest.approx(2 * 365.25 / 365)
    assert found.changes[2].growth_mm_per_year == pytest.approx(4 * 365.25 / 365)
    assert found.growth_mm_per_year == pytest.approx(3 * 365.25 / 365)  # (46 - 40) over two years, by symmetry
    given_ = [study(str(k), f"{2001 + k}-01-01", 100, 1, mean_diameter_mm=30.0 - k) for k in range(3)]
    assert compare(given_).growth_mm_per_year == pytest.approx(-365.25 / 365)


def test_nothing_is_extrapolated():
    found = compare([study("a", "2020-01-01", 100, 10), study("b", "2020-03-30", 100, 12)])
    assert found.growth_mm_per_year is None
    assert found.changes[-1].growth_mm_per_year is None
    assert any("span 89 days" in text for text in found.warnings)
    longer = compare([study("a", "2020-01-01", 100, 10), study("b", "2020-03-31", 100, 12)])
    assert longer.growth_mm_per_year is not None


def test_order_of_the_dates_and_a_named_baseline():
    studies = [study("c", "2022-01-01", 900), study("a", "2020-01-01", 2000), study("b", "2021-01-01", 1000)]
    found = compare(studies)
    assert (found.baseline, [c.study.name for c in found.changes]) == ("a", ["a", "b", "c"])
    assert found.proposal == CATEGORIES["PR"]
    later = compare(studies, baseline="b")
    assert later.baseline == "b"
    assert later.changes[0].product_pct is None  # before the baseline: shown, not compared
    assert later.changes[-1].product_pct == pytest.approx(-10)
    assert later.proposal == CATEGORIES["SD"]
    assert any("within measuring error" in text for text in later.warnings)
    with pytest.raises(FetalSegError, match="last study"):
        compare(studies, baseline="c")


def test_all_gone_and_come_back():
    studies = [study("a", "2020-01-01", 1000, 20), study("b", "2021-01-01", 0, 0), study("c", "2022-01-01", 300, 5)]
    found = compare(studies)
    assert [c.category for c in found.changes] == [None, "CR", "PD"]
    assert found.changes[-1].product_nadir_pct is None
    assert any("no tumour was found" in text for text in found.warnings)
    assert compare(studies[:2]).proposal == CATEGORIES["CR"]
    assert compare([study("a", None, 0, 0), study("b", None, 0, 0)]).proposal == "by size: can't be told"


def test_without_dates_there_is_no_growth_and_the_order_stays():
    found = compare([study("z", None, 1000, 10), study("a", "2020-01-01", 1300, 20)])
    assert [c.study.name for c in found.changes] == ["z", "a"]
    assert found.growth_mm_per_year is None
    assert found.changes[-1].days is None
    assert found.proposal == CATEGORIES["PD"]
    assert any("The date is not known of z" in text for text in found.warnings)


def test_same_day_is_no_earlier_study():
    found = compare([study("a", "2020-01-01", 1000), study("b", "2021-01-01", 800), study("c", "2021-01-01", 1050)])
    assert found.changes[-1].product_nadir == "a"
    assert found.changes[-1].category == "SD"
    assert any("b and c are of the same day" in text for text in found.warnings)


def test_what_makes_studies_unlike():
    one = study("a", "2020-01-01", 1000, 10, slice_mm=1.0, model="unet 1", description="FLAIR", edited=True)
    other = study(
        "b",
        "2021-01-01",
        1010,
        11,
        slice_mm=5.0,
        model="unet 2",
        description="T2",
        lesions=(Lesion("1", 900, 8, True), Lesion("2", 60, 1, False), Lesion("3", 110, 2, None)),
    )
    told = " ".join(compare([one, other]).warnings)
    for words in ("(1, 5 mm)", "different models (unet 1, unet 2)", "different sequences", "some studies only: a"):
        assert words in told
    assert "b: not measurable by RANO, so not in the product: lesion 2." in told
    assert "is not known" in told
    assert "Volume against the baseline (+10 %): within measuring error" in told
    quiet = compare([study("a", "2020-01-01", 1000, 10), study("b", "2021-01-01", 1500, 18)])
    assert quiet.warnings == ()


def test_a_lesion_more():
    one = study("a", "2020-01-01", 1000, 10, lesions=(Lesion("1", 1000, 10, True),))
    two = study("b", "2021-01-01", 1000, 10, lesions=(Lesion("1", 800, 8, True), Lesion("2", 200, 2, True)))
    assert any("a new one means progression" in text for text in compare([one, two]).warnings)


def test_products_missing_but_volumes_known():
    found = compare([study("a", "2020-01-01", None, 10), study("b", "2021-01-01", 200, 30)])
    assert found.changes[-1].category is None
    assert found.changes[-1].volume_category == "PD"
    assert found.proposal.startswith(CATEGORIES["PD"])
    assert "by volume" in found.proposal


@pytest.mark.parametrize(
    ("studies", "words"),
    [
        ([study("a", None, 1, 1)], "two studies or more"),
        ([], "there is none"),
        ([study("a", None, 1, 1), study("a", None, 2, 2)], "a is there twice"),
        ([study("a", None, 1, 1), study("b", None)], "b has no size in millimetres"),
        ([study("a", None, 1, 1), study("b", None, lesions=(Lesion("1", 50.0, None, False),))], "measurable"),
    ],
)
def test_refusals_are_sentences(studies, words):
    with pytest.raises(FetalSegError, match=words):
        compare(studies)


def test_unknown_baseline():
    with pytest.raises(FetalSegError, match="none of the studies: a, b"):
        compare([study("a", None, 1, 1), study("b", None, 1, 1)], baseline="x")


sizes = st.floats(1, 1e4)


@given(st.lists(sizes, min_size=2, max_size=6), st.floats(0.1, 10))
def test_the_unit_does_not_matter(values, factor):
    """Changes and categories are the same when all sizes are multiplied."""
    days = [f"{2000 + k}-01-01" for k in range(len(values))]
    one = compare([study(day, day, value, value) for day, value in zip(days, values, strict=True)])
    other = compare([study(day, day, value * factor, value) for day, value in zip(days, values, strict=True)])
    for a, b in zip(one.changes[1:], other.changes[1:], strict=True):
        assert a.product_pct == pytest.approx(b.product_pct, abs=1e-6)
        assert a.product_nadir_pct == pytest.approx(b.product_nadir_pct, abs=1e-6)
        assert a.product_pct == pytest.approx(a.volume_pct)


@given(sizes, sizes, sizes)
def test_categories_are_ordered(value, baseline, more):
    """A larger tumour never falls into a better category."""
    rank = ["CR", "PR", "MR", "SD", "PD"]
    nadir = min(baseline, more)
    assert rank.index(category(value, baseline, nadir)) <= rank.index(category(value * 1.1, baseline, nadir))


def test_percent():
    assert percent(75, 100) == -25
    assert percent(5, 0) is None
    assert percent(None, 5) is None
