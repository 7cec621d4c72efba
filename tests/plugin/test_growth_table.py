"""Heads with known dates in the Measurements table: the same numbers as in the Growth dock, the csv and the picture."""

from __future__ import annotations

import csv
import datetime
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from fetalseg.growth.dating import Dating
from fetalseg.growth.results import assess_result
from fetalseg.growth.wording import sentence, signed
from fetalseg.report import table
from fetalseg.result import State
from napari_fetalseg.actions import open_growth
from napari_fetalseg.exports import provenance
from napari_fetalseg.growth.standing import standing_of
from napari_fetalseg.table_model import COLUMNS
from standins import SHAPE, TRUTH, disc

LMP, SCAN = "2024-01-01", "2024-05-23"  # 20w 3d
GROWTH = [column.title for column in COLUMNS if column.growth]


def column(title: str) -> int:
    return [c.title for c in COLUMNS].index(title)


@pytest.fixture
def dock(window):
    made = open_growth(window.viewer)
    yield made
    window.qtbot.waitUntil(lambda: not made.view.picture.busy and not made._jobs.busy, timeout=20_000)


def type_in(line, text: str) -> None:
    line.selectAll()
    QTest.keyClick(line, Qt.Key.Key_Delete)
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)


def head(window, name: str = "scan", date: str | None = SCAN, size: float = 1.0, **facts):
    told = {"metadata": {"fetalseg": {"study_date": date, **facts}}}
    drawn = disc(replace(TRUTH, semi_major=size * TRUTH.semi_major, semi_minor=size * TRUTH.semi_minor), SHAPE)
    layer = window.add(drawn, name=name, scale=(0.46, 0.46), units="mm", **told)
    window.viewer.layers.selection.active = layer
    window.run()
    return window.session.series[-1]


def shown(window) -> set[str]:
    return {COLUMNS[c].title for c in window.measurements.model.columns()}


def refuse(window, series) -> None:
    """As if the network had been unsure of all."""
    result = series.results[0]
    series.results[0] = replace(result, measurement=replace(result.measurement, state=State.REFUSE))
    window.session.changed.emit(series, [0], "mask")


def test_without_dates_there_are_no_growth_columns(window, dock):
    head(window)
    assert not shown(window) & set(GROWTH)
    assert all(window.measurements.table.isColumnHidden(column(title)) for title in GROWTH)


def test_a_dated_head_has_the_docks_numbers_with_the_charts_name(window, dock):
    series = head(window)
    type_in(dock.form.date, LMP)
    assert set(GROWTH) <= shown(window)
    assert not window.measurements.table.isColumnHidden(column("Centile"))
    expected = assess_result(
        series.results[0],
        dating=Dating.from_lmp(datetime.date.fromisoformat(LMP)),
        scan_date=datetime.date.fromisoformat(SCAN),
    )
    assert dock.found == expected, "one frame is assessed alike in both"
    cells = [window.cell(0, title) for title in ("GA", "Centile", "z-score", "Chart")]
    assert cells == ["20w 3d", expected.hc.centile_text, signed(expected.hc.z), "INTERGROWTH-21st"]
    index = window.measurements.model.index(0, column("z-score"))
    assert sentence(expected, dock.view.chart) in index.data(Qt.ItemDataRole.ToolTipRole)
    assert "version 2014" in window.measurements.model.index(0, column("Chart")).data(Qt.ItemDataRole.ToolTipRole)
    dock.view.tabs.setCurrentIndex(2)
    assert [window.cell(0, title) for title in ("z-score", "Chart")] == ["—", "WHO 2017"]
    type_in(dock.form.date, "2024-01-08")
    assert window.cell(0, "GA") == "19w 3d"


def test_what_is_impossible_or_only_half_known_gives_no_number(window, dock):
    head(window, date=None)
    type_in(dock.form.date, LMP)
    assert not shown(window) & set(GROWTH), "the scan's date is not known"
    type_in(dock.form.scan_date, SCAN)
    assert window.cell(0, "GA") == "20w 3d"
    type_in(dock.form.date, "2024-06-20")
    assert not shown(window) & set(GROWTH), "no pregnancy's dates"


def test_no_row_is_dated_by_another_mothers_dates(window, dock):
    head(window, "a")
    type_in(dock.form.date, LMP)
    head(window, "b", "2024-06-20")
    assert [window.cell(row, "GA") for row in (0, 1)] == ["20w 3d", "—"]
    dock.question.other.click()
    assert [window.cell(row, "GA") for row in (0, 1)] == ["20w 3d", "—"]
    type_in(dock.form.date, "2024-02-12")
    assert [window.cell(row, "GA") for row in (0, 1)] == ["20w 3d", "18w 3d"]


def test_an_age_at_one_scan_without_its_day_is_no_other_rows(window, dock):
    head(window, "a", None)
    dock.form.way.setCurrentIndex(dock.form.way.findData("ga"))
    type_in(dock.form.age, "20+3")
    assert window.cell(0, "GA") == "20w 3d"
    head(window, "b", None)
    dock.question.same.click()
    assert not shown(window) & set(GROWTH)


def test_the_dates_outlive_the_closed_dock(window, dock):
    head(window)
    type_in(dock.form.date, LMP)
    window.viewer.window.remove_dock_widget(dock)
    assert window.cell(0, "GA") == "20w 3d"
    again = open_growth(window.viewer)
    assert again is not dock
    assert again.form.date.text() == LMP
    assert again.found.ga_days == 143


def test_rows_sort_by_place_and_flags_have_words(window, dock):
    for name, size in (("middle", 1.0), ("small", 0.86), ("large", 1.12)):
        head(window, name, size=size)
        if name != "middle":
            dock.question.same.click()
        else:
            type_in(dock.form.date, LMP)
    window.measurements.table.sortByColumn(column("z-score"), Qt.SortOrder.AscendingOrder)
    assert [window.cell(row, "File") for row in range(3)] == ["small", "middle", "large"]
    words = [window.cell(row, "Growth flags") for row in range(3)]
    assert "microcephaly range" in words[0]
    assert "SMFM 2016" in window.measurements.proxy.index(0, column("Growth flags")).data(Qt.ItemDataRole.ToolTipRole)


def test_saved_rows_picture_and_provenance_carry_them(window, dock, tmp_path):
    series = head(window, machine="GE Voluson E8")
    bare, dated = tmp_path / "bare.png", tmp_path / "dated.png"
    window.measurements.save_picture(bare)
    window.qtbot.waitUntil(bare.exists, timeout=10_000)
    type_in(dock.form.date, LMP)
    standing = standing_of(window.session.pregnancies, series, series.results[0])
    path = tmp_path / "out.csv"
    window.measurements.save(path)
    window.measurements.save_picture(dated)
    window.qtbot.waitUntil(lambda: path.exists() and dated.exists(), timeout=10_000)
    (row,) = csv.DictReader(path.open(encoding="utf-8"))
    assert row == table.row(series.results[0], standing.found)
    assert (row["chart"], row["chart_version"], row["ga_source"]) == ("intergrowth21", "2014", "lmp")
    assert float(row["z_score"]) == pytest.approx(dock.found.hc.z)
    assert row["machine"] == "GE Voluson E8"
    assert '"centile_text"' in provenance(series.results[0], standing)
    with Image.open(bare) as before, Image.open(dated) as after:
        assert after.height > before.height
        assert not np.array_equal(np.asarray(before), np.asarray(after))


def test_a_refused_head_has_a_reason_and_no_number_in_any_door(window, dock, tmp_path):
    series = head(window)
    type_in(dock.form.date, LMP)
    refuse(window, series)
    assert [window.cell(0, title) for title in GROWTH] == ["—", "—", "—", "—", "not read"]
    for title in GROWTH:
        tip = window.measurements.model.index(0, column(title)).data(Qt.ItemDataRole.ToolTipRole)
        assert tip.startswith("The measurement is refused, so it has no place on a growth chart.")
    assert "is refused, so it has no place on a growth chart" in dock.error.sentence()
    assert dock.found is None
    assert not dock.exams.add_button.isEnabled()
    path = tmp_path / "out.csv"
    window.measurements.save(path)
    window.qtbot.waitUntil(path.exists, timeout=10_000)
    (row,) = csv.DictReader(path.open(encoding="utf-8"))
    assert row["growth_reason"].startswith("The measurement is refused")
    assert {row[name] for name in ("chart", "ga_days", "z_score", "centile_text", "growth_flags")} == {""}
