"""Two volumes of one patient in the Follow-up dock: known change, dates, baseline, what it can't know."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_fetalseg.followup import FollowupWidget
from tumours import MM, ellipsoid, phantom

BEFORE = ellipsoid((12, 45, 35), (5, 10, 10))
AFTER = ellipsoid((12, 45, 35), (6, 14, 14))


@pytest.fixture
def dock(volumes):
    made = FollowupWidget(volumes.viewer)
    volumes.viewer.window.add_dock_widget(made, name="Follow-up")
    yield made
    if made.open:
        volumes.viewer.window.remove_dock_widget(made)


def _open(window, lesion: np.ndarray, name: str, date: str | None = None, **looks):
    told = {"metadata": {"fetalseg": {"study_date": date}}} if date else {}
    window.add(phantom(lesion), name=name, **(looks or MM), **told)
    window.run()
    return window.session.series[-1]


def test_empty_it_says_how_to_fill_it(volumes, dock):
    assert "two or more" in dock.empty.text()
    assert not dock.empty.isHidden()
    _open(volumes, BEFORE, "first", "2001-01-01")
    assert dock.found is None
    assert not dock.empty.isHidden()


def test_change_growth_and_category_of_two_dated_studies(volumes, dock):
    _open(volumes, AFTER, "second", "2002-01-01")
    _open(volumes, BEFORE, "first", "2001-01-01")
    assert [row.date.text() for row in dock._rows] == ["2002-01-01", "2001-01-01"]
    assert dock.found.baseline == "first", "dates decide, not the order of opening"
    last = dock.found.changes[-1]
    ratio = AFTER.sum() / BEFORE.sum()
    assert last.volume_pct == pytest.approx(100 * (ratio - 1), abs=8)
    assert last.product_pct == pytest.approx(100 * (1.4**2 - 1), abs=10)
    grown = (2 * AFTER.sum() * 3) ** (1 / 3) - (2 * BEFORE.sum() * 3) ** (1 / 3)
    assert last.growth_mm_per_year == pytest.approx(grown, rel=0.1)
    rows = [[dock.table.item(row, column).text() for column in range(4)] for row in range(2)]
    assert [row[0] for row in rows] == ["2001-01-01\nbaseline", "2002-01-01\nPD"]
    assert rows[1][1].endswith(f"\n{last.volume_pct:+.0f} %")
    assert "progression" in dock.proposal.text()
    assert "A proposal for a person to judge" in dock.proposal.text()
    assert "corticosteroids" in dock.text.text()
    assert "clinical state" in dock.text.text()


def test_a_date_typed_in_and_the_chosen_baseline_count(volumes, dock):
    a = _open(volumes, BEFORE, "a")
    b = _open(volumes, AFTER, "b")
    assert dock.found.changes[-1].growth_mm_per_year is None
    assert "date is not known" in dock.text.text()
    dock.set_date(a, "2002-01-01")
    dock.set_date(b, "2001-01-01")
    assert dock.found.baseline == "b"
    assert dock.found.changes[-1].growth_mm_per_year < 0
    dock.baseline.setCurrentIndex(dock.baseline.findData("a"))
    dock.compare()
    assert "last study" in dock.error.sentence()
    dock.set_date(a, "1.1.2002")
    assert dock.error.sentence() == "'1.1.2002' of a is no date; write it as 2020-01-31."
    dock.set_date(a, "2000-01-01")
    assert dock.found.baseline == "a"


def test_voxels_are_not_compared(volumes, dock):
    _open(volumes, BEFORE, "a", "2001-01-01", scale=(1, 1, 1))
    _open(volumes, AFTER, "b", "2002-01-01")
    assert "no size in millimetres" in dock.error.sentence()
    assert dock.found is None
    dock._rows[0].used.setChecked(False)
    assert dock.error.isHidden()


def test_an_edit_is_followed_and_told(volumes, dock):
    _open(volumes, BEFORE, "a", "2001-01-01")
    b = _open(volumes, AFTER, "b", "2002-01-01")
    before = dock.found.changes[-1].volume_pct
    labels = volumes.drawn(b).mask.layer
    labels.data_setitem(tuple(axis[:300] for axis in np.nonzero(labels.data)), 0)
    volumes.settle()
    assert dock.found.changes[-1].volume_pct < before
    assert "Corrected by a person in some studies only: b." in dock.found.warnings


def test_a_second_look_at_one_volume_is_no_second_study(volumes, dock):
    _open(volumes, BEFORE, "a", "2001-01-01")
    volumes.run()
    assert [row.used.isChecked() for row in dock._rows] == [False, True]
    assert dock.found is None


def test_copied_is_the_table_with_its_sentences(volumes, dock):
    _open(volumes, BEFORE, "a", "2001-01-01")
    _open(volumes, AFTER, "b", "2002-01-01")
    dock.copy()
    text = QApplication.clipboard().text()
    assert text.split("\n")[0].startswith("Study\tDate\tVolume")
    assert text.split("\n")[2].startswith("b\t2002-01-01\t")
    assert "Not known here:" in text
    assert "Not for diagnosis" in text


def test_closed_it_listens_no_more(volumes, dock):
    volumes.viewer.window.remove_dock_widget(dock)
    _open(volumes, BEFORE, "a", "2001-01-01")
    assert dock._rows == []


def test_empty_it_asks_for_no_baseline(volumes, dock):
    volumes.qtbot.wait(50)
    assert not dock.baseline_row.isVisibleTo(dock)
    _open(volumes, BEFORE, "a", "2001-01-01")
    _open(volumes, AFTER, "b", "2002-01-01")
    assert dock.baseline_row.isVisibleTo(dock)


def test_long_names_wrap_and_no_column_is_lost(shown_volumes):
    window = shown_volumes
    made = FollowupWidget(window.viewer)
    window.viewer.window.add_dock_widget(made, name="Follow-up")
    for lesion, name in ((BEFORE, "patient_of_a_long_name_first"), (AFTER, "patient_of_a_long_name_second")):
        _open(window, lesion, name)
    window.qtbot.wait(300)
    table, header = made.table, made.table.horizontalHeader()
    assert table.columnCount() == 4
    for column in range(4):
        right = header.sectionViewportPosition(column) + header.sectionSize(column)
        assert right <= table.viewport().width() + 1
        if column:
            assert header.sectionSize(column) >= table.sizeHintForColumn(column)
    line = table.fontMetrics().height()
    assert table.rowHeight(1) >= 3 * line, "the name takes two lines or more, what it would mean one"
    assert table.height() >= table.rowHeight(0) + table.rowHeight(1) + header.height()
    for row, date in zip(made._rows, ("2001-01-01", "2002-01-01"), strict=True):
        made.set_date(row.series, date)
    window.qtbot.wait(300)
    date = table.fontMetrics().horizontalAdvance("2001-01-01")
    assert header.sectionSize(0) > date, "a date stands in one line"
    assert table.rowHeight(1) < 3 * line
    window.viewer.window.remove_dock_widget(made)
