"""Merging two data sets, and how far two people agree: published examples, and drawn heads of known difference."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.dataset.adding import New, add
from fetalseg.dataset.agreement import adjudicate, agree, bland_altman, consensus, icc_2_1, write
from fetalseg.dataset.agreement_picture import draw
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.check import check
from fetalseg.dataset.entry import Status
from fetalseg.dataset.merge import merge, write_conflicts
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse
from fetalseg.scan import Scan, Spacing
from standins import SHAPE, disc

MM = Spacing(0.5, 0.5, "typed in")

#: Shrout and Fleiss 1979, table 2: six targets by four judges. Their ICC(2,1) is .29.
SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
#: Bland and Altman 1986: peak expiratory flow (l/min) of 17 subjects, first readings of the two meters.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_icc_of_the_published_example():
    icc, interval = icc_2_1(SHROUT)
    assert icc == pytest.approx(0.2898, abs=5e-5)
    assert interval == pytest.approx((0.0188, 0.7611), abs=5e-4)  # as R's psych::ICC prints it for these data


def test_icc_from_its_definition():
    """The mean squares by sums over all cells, written out."""
    n, k = SHROUT.shape
    mean = SHROUT.mean()
    rows = sum(k * (SHROUT[i].mean() - mean) ** 2 for i in range(n))
    columns = sum(n * (SHROUT[:, j].mean() - mean) ** 2 for j in range(k))
    rest = sum((SHROUT[i, j] - mean) ** 2 for i in range(n) for j in range(k)) - rows - columns
    msr, msc, mse = rows / (n - 1), columns / (k - 1), rest / ((n - 1) * (k - 1))
    assert icc_2_1(SHROUT)[0] == pytest.approx((msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n))


@given(st.lists(st.floats(50, 350), min_size=3, max_size=20, unique=True), st.floats(0.1, 50), st.floats(0.1, 10))
def test_icc_falls_with_a_shift_and_keeps_with_a_scale(sizes, shift, scale):
    first = np.array(sizes)
    if first.std() < 1:
        return
    assert icc_2_1(np.column_stack([first, first]))[0] == pytest.approx(1.0)
    shifted = np.column_stack([first, first + shift])
    icc, _ = icc_2_1(shifted)
    assert icc < 1.0  # agreement, not only order
    assert icc_2_1(shifted * scale)[0] == pytest.approx(icc, rel=1e-6)
    # Without residual: MSR / (MSR + 2 MSC / n), MSC = n shift^2 / 2.
    msr = 2 * first.var(ddof=1)
    assert icc == pytest.approx(msr / (msr + shift**2), rel=1e-6)


def test_sizes_that_are_all_alike_have_no_icc():
    assert icc_2_1(np.full((4, 2), 7.0)) == (None, None)


def test_limits_of_agreement_of_the_published_example():
    """Printed there: mean difference -2.1 l/min, SD 38.8; with 2 SD the limits are -79.7 and 75.5."""
    found = bland_altman(np.column_stack([MINI, LARGE]))
    assert (found.n, round(found.bias, 1), round(found.sd, 1)) == (17, -2.1, 38.8)
    assert (found.low, found.high) == pytest.approx((found.bias - 1.96 * found.sd, found.bias + 1.96 * found.sd))
    # Printed there: 95 % interval of the bias -22.0 to 17.8; of the lower limit -114.3 to -45.1 (about 2 SD).
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1)
    assert found.low_interval[1] - found.low_interval[0] == pytest.approx(-45.1 + 114.3, abs=0.3)


def test_the_shape_midway_between_two():
    grid = np.stack(np.meshgrid(np.arange(200), np.arange(160)), axis=-1)
    one, two = (np.hypot(grid[..., 0] - 100, grid[..., 1] - 80) <= r for r in (40.0, 50.0))
    found = consensus(one, two, (1.0, 1.0))
    assert np.sqrt(found.sum() / np.pi) == pytest.approx(45.0, abs=0.5)
    assert consensus(one, np.zeros_like(one), (1.0, 1.0)).sum() == 0
    shifted = np.roll(one, 10, axis=1)
    x = np.nonzero(consensus(one, shifted, (1.0, 1.0)))[1]
    assert x.mean() == pytest.approx(105.0, abs=0.2)


def head(number: int, grow: float = 0.0) -> Ellipse:
    return Ellipse(120.0, 90.0, 50.0 + 3 * number + grow, 40.0 + 2 * number + grow, 20.0)


def reader(folder, who: str, grow: float = 0.0, numbers=range(6)) -> Store:
    """A data set in which a reader drew each head `grow` pixels larger."""
    store = Store.create(folder, "head")
    for number in numbers:
        scan = Scan.from_array(disc(head(number), SHAPE), f"{number:03}_HC.png", MM)
        prediction = Prediction(Annotation.of("head", SHAPE, MM, ellipse=head(number)), "unet")
        add(store, [New(scan, f"{number:03}_HC", f"{number:03}", prediction=prediction)])
        if who:
            store.accept(f"{number:03}_HC", annotator=who, ellipse=head(number, grow), seconds=1)
    return store


def test_two_readers(tmp_path):
    """The second draws 1 pixel of 0.5 mm larger: HC grows by about pi mm, whatever the size."""
    one, two = reader(tmp_path / "one", "A"), reader(tmp_path / "two", "B", 1.0)
    one.reject("005_HC", annotator="A")
    found = agree(one, two)
    assert (len(found.pairs), found.names, found.measure, found.unit) == (5, ("A", "B"), "hc", "mm")
    assert found.bland_altman.bias == pytest.approx(np.pi, abs=0.02)
    assert found.bland_altman.sd < 0.01
    assert found.lowest == "000_HC"
    areas = [(50 + 3 * n) * (40 + 2 * n) for n in range(5)], [(51 + 3 * n) * (41 + 2 * n) for n in range(5)]
    expected = np.mean([2 * a / (a + b) for a, b in zip(*areas, strict=True)])
    assert found.dice == pytest.approx(expected, abs=1e-3)
    axes = [[(50 + 3 * n + grow, 40 + 2 * n + grow) for grow in (0, 1)] for n in range(5)]
    sizes = [[0.5 * ellipses.circumference(*both) for both in row] for row in axes]
    assert found.icc == pytest.approx(icc_2_1(sizes)[0])
    write(tmp_path / "out", found)
    with (tmp_path / "out" / "agreement.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["hc_difference"]) for row in rows] == pytest.approx([np.pi] * 5, abs=0.02)
    told = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert (told["scans"], told["first"]) == (5, "A")
    assert told["icc_2_1"] == found.icc
    picture = draw(found)
    assert picture.shape == (720, 1280, 3)
    # The dots lie on the line of the bias: in its rows there are both colours.
    cyan = (picture[..., 2] > 180) & (picture[..., 0] < 90)
    yellow = (picture[..., 0] > 200) & (picture[..., 2] < 90)
    rows_of_line = np.argsort(yellow[:, 200:900].sum(axis=1))[-1]
    assert abs(np.nonzero(cyan.any(axis=1))[0].mean() - rows_of_line) < 6


def test_without_spacing_sizes_are_in_pixels(tmp_path):
    stores = []
    for name, grow in (("one", 0.0), ("two", 1.0)):
        store = Store.create(tmp_path / name, "head")
        add(store, [New(Scan.from_array(disc(head(0), SHAPE), "a", None), "a", "a")])
        store.accept("a", annotator=name, ellipse=head(0, grow))
        stores.append(store)
    found = agree(*stores)
    assert (found.unit, found.icc, found.bland_altman) == ("pixels", None, None)
    assert found.pairs[0].sizes[0] == pytest.approx(ellipses.circumference(50, 40))
    assert draw(found).shape == (720, 1280, 3)


def test_a_third_version_decides(tmp_path):
    one, two = reader(tmp_path / "one", "A", -2.0), reader(tmp_path / "two", "B", 2.0)
    third = Store.create(tmp_path / "third", "head")
    found = agree(one, two)
    assert adjudicate(found, one, two, third).counts["added"] == 6
    entry = third.get("003_HC")
    assert entry.state is Status.TODO
    assert entry.between == (one.get("003_HC").version, two.get("003_HC").version)
    assert entry.prediction_ellipse.semi_major == pytest.approx(head(3).semi_major, abs=0.3)
    assert entry.prediction_ellipse.semi_minor == pytest.approx(head(3).semi_minor, abs=0.3)
    decided = third.accept("003_HC", annotator="C", ellipse=head(3, 0.5))
    assert (decided.state, decided.annotator) == (Status.EDITED, "C")
    assert decided.between == entry.between
    assert adjudicate(found, one, two, third).counts["kept"] == 1
    assert third.get("003_HC") == decided
    assert third.get("003_HC").identity == one.get("003_HC").identity
    assert {finding.grade for finding in check(third)} <= {"note"}


def test_what_can_not_be_compared(tmp_path):
    one, two = reader(tmp_path / "one", "A", numbers=[0, 1]), reader(tmp_path / "two", "B", numbers=[2])
    with pytest.raises(DatasetError, match="No scan is accepted or edited in both"):
        agree(one, two)
    other = Store.create(tmp_path / "t", "tumour")
    for deed in (agree, merge):
        with pytest.raises(DatasetError, match="'tumour'"):
            deed(one, other)
    with pytest.raises(DatasetError, match="itself"):
        merge(one, Store.open(tmp_path / "one"))


def test_a_merge_takes_what_is_new_and_keeps_what_differs(tmp_path):
    one = reader(tmp_path / "one", "A", 1.0, numbers=[0, 1, 2])
    one.reopen("002_HC", annotator="A")
    two = reader(tmp_path / "two", "B", 2.0, numbers=[0, 2, 3])
    reader_of_both = one.accept("001_HC", annotator="A", ellipse=head(1, 3.0))
    done = merge(one, two)
    assert (done.added, done.updated, done.same, done.failed) == (1, 1, 0, 0)
    (conflict,) = done.conflicts
    assert conflict.item == "000_HC"
    assert "edited here by A" in conflict.text
    assert "edited there by B" in conflict.text
    assert [(e.item, e.annotator) for e in one.entries()] == [
        ("000_HC", "A"),
        ("001_HC", "A"),
        ("002_HC", "B"),
        ("003_HC", "B"),
    ]
    assert one.get("001_HC") == reader_of_both
    np.testing.assert_array_equal(one.annotation(one.get("003_HC")).mask, ellipses.mask(head(3, 2.0), SHAPE))
    assert check(one) == []
    write_conflicts(tmp_path / "c.csv", done.conflicts)
    with (tmp_path / "c.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["item"], row["annotator_here"], row["annotator_there"]) == ("000_HC", "A", "B")
    # Once more: nothing is new, the conflict is still told.
    again = merge(one, two)
    assert (again.added, again.updated, again.same, len(again.conflicts)) == (0, 0, 2, 1)


def test_a_copy_that_went_on_is_newer(tmp_path):
    import shutil

    one = reader(tmp_path / "one", "A", numbers=[0, 1])
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    copy = Store.open(tmp_path / "copy")
    later = copy.accept("000_HC", annotator="B", ellipse=head(0, 5.0))
    before = one.get("000_HC")
    done = merge(one, copy)
    assert (done.updated, done.same, done.conflicts) == (1, 1, [])
    assert one.get("000_HC") == later
    assert (one.folder / before.mask).exists()
    assert merge(copy, one).conflicts == []
    # And the older copy brings nothing back.
    one.accept("001_HC", annotator="C", ellipse=head(1, 5.0))
    assert merge(one, copy).same == 2
    assert one.get("001_HC").annotator == "C"


def test_a_merge_past_a_file_that_is_gone(tmp_path):
    one, two = reader(tmp_path / "one", "A", numbers=[0]), reader(tmp_path / "two", "B", numbers=[1, 2])
    (two.folder / two.get("001_HC").image).unlink()
    done = merge(one, two)
    assert (done.added, done.failed) == (1, 1)
    assert "001_HC" in done.told[0]
    assert [entry.item for entry in one.entries()] == ["000_HC", "002_HC"]


def test_a_merge_of_other_pictures_of_the_same_name(tmp_path):
    one, two = (Store.create(tmp_path / name, "head") for name in ("one", "two"))
    for store, number in ((one, 0), (two, 1)):
        add(store, [New(Scan.from_array(disc(head(number), SHAPE), "x.png", MM), "x", "g")])
        store.accept("x", annotator="A", ellipse=head(number))
    assert merge(one, two).added == 1
    assert [entry.item for entry in one.entries()] == ["x", "x~2"]
    np.testing.assert_array_equal(one.annotation(one.get("x~2")).mask, ellipses.mask(head(1), SHAPE))
    np.testing.assert_array_equal(one.image(one.get("x~2")).pixels, two.image(two.get("x")).pixels)
    assert check(one) == []
