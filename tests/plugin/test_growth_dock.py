"""The Growth dock in a napari window: from an opened scan to its place on the chart, and the pregnancy's file."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtTest import QTest

from fetalseg import samples
from fetalseg.growth import charts, curve_ink
from fetalseg.growth import pregnancy as files
from fetalseg.growth.assessment import CIRCULAR, assess
from fetalseg.growth.dating import Dating, ga_from_hc
from fetalseg.growth.wording import age_from_hc_text, sentence
from fetalseg.result import State
from napari_fetalseg.actions import PLUGIN, open_docks, open_growth
from napari_fetalseg.growth.dock import GrowthWidget
from napari_fetalseg.growth.exam_choice import FRAMES, OPEN
from standins import SHAPE, disc, loop
from standins import TRUTH as HEAD

LMP, SCAN = "2024-01-01", "2024-05-23"  # 20w 3d
MM = {"scale": (0.46, 0.46), "units": "mm"}


def plain(label) -> str:
    document = QTextDocument()
    document.setHtml(label.text())
    return " ".join(document.toPlainText().replace("\xa0", " ").split())


def settle(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: not dock.view.picture.busy and not dock._jobs.busy, timeout=20_000)


def type_in(line, text: str) -> None:
    """Type over what stands there, and leave with Enter."""
    line.selectAll()
    QTest.keyClick(line, Qt.Key.Key_Delete)
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)


@pytest.fixture
def dock(window):
    made = open_growth(window.viewer)
    yield made
    settle(window.qtbot, made)


def _head(window, name: str = "scan", date: str | None = None, mm: float = 0.46, lmp: str | None = None):
    told = {"metadata": {"fetalseg": {"study_date": date, "lmp": lmp}}} if date else {}
    layer = window.add(disc(HEAD, SHAPE), name=name, scale=(mm, mm), units="mm", **told)
    window.viewer.layers.selection.active = layer
    window.run()
    return window.session.series[-1]


def _way(dock, source: str) -> None:
    dock.form.way.setCurrentIndex(dock.form.way.findData(source))


def _dated(dock, lmp: str = LMP, scan: str = SCAN) -> None:
    type_in(dock.form.scan_date, scan)
    type_in(dock.form.date, lmp)


def test_three_clicks_from_an_opened_scan_to_its_place_on_the_chart(make_napari_viewer, qtbot):
    """Click Segment, click Growth, type two dates. The bundled network, a phantom, a window on the screen."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    viewer.open_sample(PLUGIN, "second_trimester")
    segment, _ = open_docks(viewer)
    qtbot.wait(100)
    qtbot.mouseClick(segment.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(segment.session.rows()) and not segment.session.running, timeout=60_000)
    qtbot.mouseClick(segment.result.growth, Qt.MouseButton.LeftButton)
    dock = next(w for name, w in viewer.window.dock_widgets.items() if name.startswith("Growth"))
    in_front = lambda widget: not widget.visibleRegion().isEmpty()  # noqa: E731
    qtbot.waitUntil(lambda: in_front(dock) and not in_front(segment))
    typing = dock.form.focusWidget()
    assert typing is dock.form.scan_date, "ready to type what is not known"
    qtbot.keyClicks(typing, SCAN)
    QTest.keyClick(typing, Qt.Key.Key_Return)
    typing = dock.form.focusWidget()
    assert typing is dock.form.date
    qtbot.keyClicks(typing, LMP)

    (true,) = {row.hc_mm for row in samples.truth() if row.filename.startswith("second_trimester")}
    result = segment.session.selected_result().measurement
    expected = assess(
        result.values["hc_mm"],
        dating=Dating.from_lmp(datetime.date.fromisoformat(LMP)),
        scan_date=datetime.date.fromisoformat(SCAN),
        hc_interval_mm=result.intervals["hc_mm"],
    )
    assert plain(dock.result.head) == sentence(expected, charts.get("intergrowth21"))
    assert "at 20w 3d: " in plain(dock.result.head)
    assert plain(dock.form.answer) == "20w 3d by last menstrual period, due 2024-10-07"
    truth = charts.get("intergrowth21").read("hc", true, 143.0)
    assert dock.found.hc.z == pytest.approx(truth.z, abs=0.9), "the phantom's own place, within 3 % of its size"
    settle(qtbot, dock)
    rows, columns = _vermilion(dock.view.picture.pixels)
    assert rows.size > 20, "this exam is on the picture"
    assert dock.view.picture.isVisible()
    assert dock.error.sentence() == ""


def _vermilion(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    colour = [int(curve_ink.THIS[k : k + 2], 16) for k in (1, 3, 5)]
    return np.nonzero((np.abs(pixels[..., :3].astype(int) - colour) < 12).all(axis=-1))


def test_empty_it_teaches_and_opens_a_sample(window, dock):
    assert not dock.empty.isHidden()
    assert "Segment a fetal head" in plain(dock.empty)
    assert not dock.exams.add_button.isEnabled()
    assert "Segment a fetal head first" in dock.exams.reason.text()
    dock.empty.linkActivated.emit("sample")
    assert len(window.viewer.layers) == 1
    _head(window)
    assert dock.empty.isHidden()


def test_without_a_date_there_are_the_three_sentences_and_no_centile(window, dock):
    _head(window)
    said = plain(dock.result.text)
    for words in CIRCULAR:
        assert words in said
    suggested = age_from_hc_text(ga_from_hc(dock.exam.hc_mm))
    assert "19w" in suggested or "20w" in suggested
    assert f"Age that this head itself suggests: {suggested}" in said
    everything = " ".join(plain(label) for label in (dock.result.head, dock.result.comparison, dock.result.text))
    assert "no centile" in plain(dock.result.head)
    assert "th centile" not in everything
    assert " z " not in everything
    assert dock.found.hc.z is None
    assert dock.result.comparison.isHidden()


@pytest.mark.parametrize(
    ("way", "typed", "answer"),
    [
        ("lmp", {"date": "2024-01-01"}, "20w 3d by last menstrual period, due 2024-10-07"),
        ("ivf", {"date": "2024-01-15"}, "20w 3d by date of fertilisation (IVF), due 2024-10-07"),
        ("edd", {"date": "2024-10-07"}, "20w 3d by estimated date of delivery, due 2024-10-07"),
        ("crl", {"date": "2024-03-27", "length": "60"}, "20w 4d ± 4.7 d by crown-rump length, due 2024-10-06"),
        ("earlier_scan", {"date": "2024-03-25", "age": "12+0"}, "20w 3d ± 7 d by an earlier scan, due 2024-10-07"),
        ("ga", {"age": "20+3"}, "20w 3d as entered, due 2024-10-07"),
    ],
)
def test_each_way_of_dating_gives_its_age_with_source_and_accuracy(window, dock, way, typed, answer):
    _head(window)
    type_in(dock.form.scan_date, SCAN)
    _way(dock, way)
    for name, text in typed.items():
        line = getattr(dock.form, name)
        assert dock.form.form.isRowVisible(line)
        type_in(line, text)
    assert plain(dock.form.answer) == answer
    assert dock.found.ga_source == way
    assert dock.error.sentence() == ""


def test_the_other_crl_formula_and_what_acog_says_of_lmp_and_crl(window, dock):
    _head(window)
    _dated(dock)
    _way(dock, "crl")
    type_in(dock.form.date, "2024-03-27")
    type_in(dock.form.length, "60,0")
    assert "1 day older than by the last period: within the 7 days" in plain(dock.form.answer)
    before = dock.found.ga_uncertainty_days
    dock.form.formula.setCurrentIndex(1)
    dock.form.formula.activated.emit(1)
    assert dock.found.ga_formula == "INTERGROWTH-21st 2014"
    assert dock.found.ga_uncertainty_days != before
    _way(dock, "lmp")
    assert dock.form.date.text() == LMP, "going to another way of dating loses nothing"


def test_the_scans_date_comes_from_its_file_where_it_has_one(window, dock):
    _head(window, date="2024-05-23")
    assert dock.form.scan_date.text() == SCAN
    assert plain(dock.form.scan_source) == "from the file"
    dock.begin()
    assert dock.form.focusWidget() is dock.form.date
    type_in(dock.form.date, LMP)
    assert dock.found.ga_days == 143
    type_in(dock.form.scan_date, "2024-05-30")
    assert plain(dock.form.scan_source) == "typed; the file says 2024-05-23"
    assert dock.found.ga_days == 150


def test_the_last_period_comes_from_the_file_and_what_is_typed_stands(window, dock):
    _head(window, date=SCAN, lmp=LMP)
    assert dock.form.date.text() == LMP
    assert plain(dock.form.date_source) == "from the file"
    assert plain(dock.form.answer) == "20w 3d by last menstrual period, due 2024-10-07"
    type_in(dock.form.date, "2024-01-08")
    assert plain(dock.form.date_source) == f"typed; the file says {LMP}"
    assert dock.found.ga_days == 136
    _way(dock, "edd")
    assert not dock.form.form.isRowVisible(dock.form.date_source)
    _way(dock, "lmp")
    type_in(dock.form.date, "")
    assert plain(dock.form.date_source) == f"the file says {LMP}"
    _head(window, "next", date=SCAN, lmp=LMP)
    assert dock.form.date.text() == "", "what a person took out is not put back"


def test_a_last_period_that_was_typed_before_is_not_overwritten(window, dock):
    type_in(dock.form.date, "2024-01-08")
    _head(window, date=SCAN, lmp=LMP)
    assert dock.form.date.text() == "2024-01-08"
    assert plain(dock.form.date_source) == f"typed; the file says {LMP}"
    assert dock.found.ga_days == 136


def test_each_mothers_scan_has_the_last_period_of_its_own_file(window, dock):
    first = _head(window, "first", date=SCAN, lmp=LMP)
    _head(window, "second", date=SCAN, lmp="2024-01-15")
    assert not dock.question.isHidden(), "nobody said that it is the same pregnancy"
    dock.answer(same=False)
    assert (dock.form.date.text(), plain(dock.form.date_source)) == ("2024-01-15", "from the file")
    assert dock.found.ga_days == 129
    _head(window, "third", date=SCAN)
    dock.answer(same=True)
    assert plain(dock.form.date_source) == "from the file of another scan"
    window.viewer.layers.selection.active = first.image()
    assert (dock.form.date.text(), plain(dock.form.date_source)) == (LMP, "from the file")


def test_a_pregnancys_file_stands_above_the_last_period_of_a_scan(window, dock, tmp_path):
    dating = Dating.from_edd(datetime.date(2024, 10, 14))
    path = files.write(tmp_path / "p.json", files.Pregnancy(dating))
    _head(window, date=SCAN, lmp=LMP)
    dock.exams.open_file(path)
    settle(window.qtbot, dock)
    assert dock.case.pregnancy.dating == dating
    assert plain(dock.form.answer) == "19w 3d by estimated date of delivery, due 2024-10-14"
    assert not dock.case.unsaved


def _formula(dock, key: str) -> None:
    at = dock.form.formula.findData(key)
    dock.form.formula.setCurrentIndex(at)
    dock.form.formula.activated.emit(at)


def test_the_crl_formula_belongs_to_its_pregnancy_and_its_file(window, dock, tmp_path):
    first = _head(window, "first", date=SCAN)
    _way(dock, "crl")
    type_in(dock.form.date, "2024-03-27")
    type_in(dock.form.length, "60")
    _formula(dock, "intergrowth2014")
    dock.exams.add()
    dock.exams.save(tmp_path / "p.json")
    settle(window.qtbot, dock)
    second = _head(window, "second", date=SCAN)
    dock.answer(same=False)
    _way(dock, "crl")
    assert dock.form.formula.currentData() == "intergrowth2014", "another pregnancy begins with the last one chosen"
    _formula(dock, "robinson1975")
    type_in(dock.form.date, "2024-03-27")
    type_in(dock.form.length, "60")
    for series, named in ((first, "INTERGROWTH-21st 2014"), (second, "Robinson & Fleming 1975")) * 2:
        window.viewer.layers.selection.active = series.image()
        assert dock.form.formula.currentText() == dock.found.ga_formula == named
    dock.exams.open_file(tmp_path / "p.json")
    settle(window.qtbot, dock)
    assert dock.form.formula.currentData() == "intergrowth2014", "the file's own, whatever was chosen last"
    type_in(dock.form.length, "61")
    assert dock.found.ga_formula == "INTERGROWTH-21st 2014"
    assert dock.cases.formula == "robinson1975", "which is no choice of the person's"


def test_the_machine_comes_from_the_file_and_can_be_corrected(window, dock, tmp_path):
    told = {"metadata": {"fetalseg": {"study_date": SCAN, "machine": "GE Voluson E8"}}}
    layer = window.add(disc(HEAD, SHAPE), **MM, **told)
    window.viewer.layers.selection.active = layer
    window.run()
    type_in(dock.form.date, LMP)
    assert dock.exams.machine.text() == "GE Voluson E8"
    assert dock.exam.machine == "GE Voluson E8"
    type_in(dock.exams.machine, "Voluson E10")
    assert dock.exam.machine == "Voluson E10"
    type_in(dock.exams.machine, "")
    assert dock.exam.machine is None
    assert dock.exams.machine.text() == ""


def test_of_refused_frames_none_is_in_the_mean_and_that_is_said(window, dock):
    window.add(loop(4), scale=(1, 0.5, 0.5), units=("pixel", "mm", "mm"))
    window.run(every=True)
    series = window.session.series[-1]
    bad = series.results[3]
    series.results[3] = replace(bad, measurement=replace(bad.measurement, state=State.REFUSE))
    window.session.select(series, 0, "row")
    dock.choice.choose(FRAMES)
    assert len(dock.exam.frames) == 3
    assert "1 more left out, because the measurement is refused" in plain(dock.result.head)
    dock.choice.choose("this")
    window.session.select(series, 3, "row")
    assert "is refused, so it has no place on a growth chart" in dock.error.sentence()
    assert plain(dock.result.head) == plain(dock.result.flags) == ""


def test_a_last_period_alone_asks_for_the_scans_date(window, dock):
    _head(window)
    type_in(dock.form.date, LMP)
    assert "Type the scan's date as well" in plain(dock.form.answer)
    assert dock.found.ga_days is None
    assert dock.error.sentence() == ""
    dock.form.today.click()
    assert dock.form.scan_date.text() == datetime.date.today().isoformat()


def test_what_is_half_typed_is_no_error_and_what_is_impossible_is_one_sentence(window, dock):
    _head(window)
    _dated(dock)
    dock.form.date.selectAll()
    QTest.keyClicks(dock.form.date, "2024-01-")
    assert dock.error.sentence() == ""
    assert dock.found.ga_days is None, "an older date's centile does not stay"
    QTest.keyClick(dock.form.date, Qt.Key.Key_Return)
    assert dock.error.sentence() == "'2024-01-' is no date; write it as 2020-01-31."
    assert not dock.exams.add_button.isEnabled()
    type_in(dock.form.date, "2024-06-20")
    assert "lies before the pregnancy" in dock.error.sentence()
    assert dock.found is None
    assert plain(dock.result.head) == ""
    type_in(dock.form.date, LMP)
    assert dock.error.sentence() == ""
    assert dock.found.ga_days == 143


def test_pixels_get_no_place_on_a_chart(window, dock):
    window.add(disc(HEAD, SHAPE))
    window.run()
    assert "no head circumference in mm" in dock.error.sentence().lower() or "pixel size" in dock.error.sentence()
    assert dock.found is None


def test_charts_stand_side_by_side_each_with_its_range_and_a_tab(window, dock):
    _head(window)
    _dated(dock)
    table = plain(dock.result.comparison)
    for name, ends in (("INTERGROWTH-21st", "14w to 40w"), ("Hadlock 1984", "14w to 42w"), ("WHO 2017", "14w to 40w")):
        assert f"{name} {ends}" in table
    assert [dock.view.tabs.tabText(k).split("\n")[0] for k in range(3)] == [
        "INTERGROWTH-21st",
        "Hadlock 1984",
        "WHO 2017",
    ]
    assert "Hadlock 1984 measures BPD from outer to inner edge" in table
    assert f"z {dock.found.hc.z:+.2f}".replace("-", "−") in table
    dock.view.tabs.setCurrentIndex(2)
    assert dock.found.chart == "who2017"
    assert "(WHO 2017)" in plain(dock.result.head)
    assert ", z " not in plain(dock.result.head)
    assert dock.case.pregnancy.chart == "who2017"


def test_outside_a_charts_range_there_is_a_sentence_and_no_number(window, dock):
    _head(window)
    _dated(dock, scan="2024-10-15")  # 41w 1d
    assert "INTERGROWTH-21st covers 14w 0d to 40w 0d" in plain(dock.result.head)
    dock.view.tabs.setCurrentIndex(1)
    assert "centile (Hadlock 1984)" in plain(dock.result.head)


@pytest.mark.parametrize(
    ("weeks", "limits", "colour", "words"),
    [
        ("21+4", (-3, -2), "#E69F00", "! look again: HC more than 2 SD below"),
        ("23+0", (-5, -3), "#D55E00", "‼ specialist: HC 3 SD or more"),
    ],
)
def test_flags_have_sign_word_colour_and_source(window, dock, weeks, limits, colour, words):
    _head(window)
    _way(dock, "ga")
    type_in(dock.form.age, weeks)
    assert limits[0] < dock.found.hc.z < limits[1]
    flags = [flag for flag in dock.found.flags if flag.code != "head_shape"]
    assert words in plain(dock.result.flags)
    assert colour in dock.result.flags.text()
    assert f"[{flags[0].source}]" in plain(dock.result.flags)
    assert "not a diagnosis" in plain(dock.result.text)


def test_an_edit_of_the_outline_moves_the_point(window, dock):
    series = _head(window)
    _dated(dock)
    settle(window.qtbot, dock)
    before, drawn = dock.found.hc, dock.view.picture.pixels
    labels = window.drawn(series).mask.layer
    rows, columns = np.nonzero(labels.data)
    cut = columns > 150
    labels.data_setitem((rows[cut], columns[cut]), 0)
    window.settle()
    settle(window.qtbot, dock)
    assert dock.found.hc.value_mm < before.value_mm - 3
    assert dock.found.hc.z < before.z
    assert "edited by a person" in plain(dock.result.head)
    assert not np.array_equal(dock.view.picture.pixels, drawn)


def test_an_exam_is_the_mean_of_its_best_three_frames_and_an_outlier_is_marked(window, dock):
    frames = loop(4)
    frames = np.concatenate([frames, disc(type(HEAD)(110, 90, 72, 54, 10), SHAPE)[None]])
    window.add(frames, scale=(1, 0.5, 0.5), units=("pixel", "mm", "mm"))
    window.run(every=True)
    assert not dock.choice.isHidden()
    dock.choice.choose(FRAMES)
    exam = dock.exam
    assert sum(frame.used for frame in exam.frames) == 3
    assert [frame.outlier for frame in exam.frames] == [False, False, False, False, True]
    mean = np.mean([frame.hc_mm for frame in exam.frames if frame.used])
    assert exam.hc_mm == pytest.approx(mean)
    said = plain(dock.result.head)
    assert "Mean of 3 of 5 frames, spread" in said
    assert f"left out as an outlier: {exam.frames[4].hc_mm:.1f} mm" in said
    _dated(dock)
    assert dock.found.hc.value_mm == exam.hc_mm


def test_pictures_of_two_days_are_no_one_exam(window, dock):
    _head(window, "a", "2024-05-20")
    _head(window, "b", "2024-06-20")
    dock.choice.choose(OPEN)
    type_in(dock.form.scan_date, "")
    assert "one exam each" in dock.error.sentence()


def test_a_pregnancy_is_saved_reopened_and_grows(window, dock, tmp_path):
    first = _head(window, "first", "2024-05-23")
    type_in(dock.form.date, LMP)
    dock.exams.add_button.click()
    assert not dock.exams.add_button.isEnabled()
    assert "is in the pregnancy" in dock.exams.reason.text()
    assert dock.exams.table.item(0, 0).text() == SCAN
    path = tmp_path / "p.json"
    dock.exams.save(path)
    settle(window.qtbot, dock)
    assert "p.json" in dock.exams.title.text()
    written = json.loads(path.read_text())
    assert written["dating"]["source"] == "lmp"
    assert "first" not in path.read_text(), "no name is in it"

    dock.exams.new_button.click()
    assert dock.case.blank
    assert dock.form.date.text() == ""
    dock.exams.open_file(path)
    settle(window.qtbot, dock)
    assert dock.form.date.text() == LMP
    assert dock.case.pregnancy == files.read(path)
    assert "is in the pregnancy" in dock.exams.reason.text(), "known again by its outline"

    _head(window, "second", "2024-06-20", mm=0.56)
    assert not dock.question.isHidden()
    dock.question.same.click()
    assert dock.found.ga_days == 143 + 28
    later = dock.exam.hc_mm
    earlier = first.results[0].measurement.values["hc_mm"]
    assert f"HC grew by {(later - earlier) / 4:.1f} mm a week" in plain(dock.result.text)
    assert "in the 28 days since 2024-05-23" in plain(dock.result.text)
    assert [exam.scan_date.isoformat() for exam in dock.result._drawn[1].exams] == [SCAN, "2024-06-20"], "both drawn"
    dock.exams.add_button.click()
    assert dock.exams.table.rowCount() == 2
    assert "changed since it was saved" in dock.exams.title.text()
    dock.exams.table.selectRow(0)
    dock.exams.remove_button.click()
    assert [exam.hc_mm for exam in dock.case.pregnancy.exams] == [later]


def test_what_is_not_saved_is_dropped_only_when_asked_twice(window, dock):
    _head(window, date=SCAN)
    type_in(dock.form.date, LMP)
    dock.exams.add_button.click()
    dock.exams.new_button.click()
    assert "not saved" in dock.error.sentence()
    assert len(dock.case.pregnancy.exams) == 1
    dock.exams.new_button.click()
    assert dock.case.blank


def test_an_edited_exam_takes_the_place_of_its_older_state(window, dock):
    series = _head(window, date=SCAN)
    type_in(dock.form.date, LMP)
    dock.exams.add_button.click()
    before = dock.case.pregnancy.exams[0]
    labels = window.drawn(series).mask.layer
    rows, columns = np.nonzero(labels.data)
    labels.data_setitem((rows[columns > 150], columns[columns > 150]), 0)
    window.settle()
    assert dock.exams.add_button.text() == "Update this exam"
    assert len(dock.result._drawn[1].exams) == 1
    dock.exams.add_button.click()
    (after,) = dock.case.pregnancy.exams
    assert after.hc_mm < before.hc_mm
    assert after.edited


def test_dates_of_one_mother_do_not_reach_anothers_scan(window, dock):
    a = _head(window, "a", SCAN)
    type_in(dock.form.date, LMP)
    assert dock.found.ga_days == 143
    b = _head(window, "b", "2024-07-23")
    assert not dock.question.isHidden()
    assert dock.found is None
    assert dock.exam is None
    assert not dock.exams.add_button.isEnabled()
    settle(window.qtbot, dock)
    assert _vermilion(dock.view.picture.pixels)[0].size == 0, "no point of another head"
    dock.question.other.click()
    assert dock.question.isHidden()
    assert dock.form.date.text() == ""
    assert dock.found.ga_days is None
    window.session.select(a, 0, "row")
    assert dock.question.isHidden()
    assert dock.form.date.text() == LMP
    assert dock.found.ga_days == 143
    window.session.select(b, 0, "row")
    assert dock.form.date.text() == ""


def test_an_age_at_this_scan_is_not_the_next_scans(window, dock):
    a = _head(window, "a", "2024-05-23")
    _way(dock, "ga")
    type_in(dock.form.age, "20+3")
    _head(window, "b", "2024-06-06")
    dock.question.same.click()
    assert dock.found.ga_days == 143 + 14
    assert dock.form.form.labelForField(dock.form.age).text() == "Age on 2024-05-23"
    window.session.select(a, 0, "row")
    assert dock.found.ga_days == 143


def test_a_chart_of_ones_own_is_a_tab_and_a_wrong_file_a_sentence(window, dock, tmp_path):
    _head(window)
    _dated(dock)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")
    dock.add_chart(wrong)
    settle(window.qtbot, dock)
    assert "needs the columns ga, mean and sd" in dock.error.sentence()
    assert dock.view.tabs.count() == 3
    mine = tmp_path / "ours.csv"
    mine.write_text("ga,mean,sd\n14,97,5\n20,171,6\n30,280,9\n")
    dock.add_chart(mine)
    settle(window.qtbot, dock)
    assert dock.view.tabs.tabText(3) == "ours\n14w to 30w"
    assert "(ours)" in plain(dock.result.head)
    assert "has not checked" in plain(dock.result.text)
    assert "ours 14w to 30w" in plain(dock.result.comparison)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_exported_picture_is_the_one_that_is_shown(window, dock, tmp_path, ending):
    _head(window)
    _dated(dock)
    path = tmp_path / f"growth.{ending}"
    dock.export(path)
    settle(window.qtbot, dock)
    assert dock.error.sentence() == ""
    if ending == "png":
        with Image.open(path) as picture:
            assert _vermilion(np.asarray(picture))[0].size > 50
    elif ending == "svg":
        assert plain(dock.result.head)[:30] in path.read_text(encoding="utf-8")
    dock.export(tmp_path / "growth.gif")
    settle(window.qtbot, dock)
    assert "its ending is one of" in dock.error.sentence()


def test_wide_the_chart_stands_beside_the_form_and_narrow_below_it(window):
    dock = GrowthWidget(window.viewer)
    dock.show()

    def place():
        grid = dock.scroll.grid
        return grid.getItemPosition(grid.indexOf(dock.result))

    dock.resize(1400, 500)
    window.qtbot.waitUntil(lambda: place()[:2] == (0, 1))
    dock.resize(dock.minimumWidth(), 900)
    window.qtbot.waitUntil(lambda: place()[:2] == (1, 0))
    assert dock.view.picture.height() > 300
    dock.resize(dock.minimumWidth(), 300)
    window.qtbot.waitUntil(lambda: dock.scroll.verticalScrollBar().maximum() > 200)
    dock.release()
    dock.close()
    dock.deleteLater()


def test_closed_it_listens_no_more(window, dock):
    window.viewer.window.remove_dock_widget(dock)
    _head(window)
    assert dock.exam is None
    assert not dock.view.picture.busy


def test_opening_the_dock_brings_no_matplotlib_and_no_torch():
    code = (
        "import sys, napari_fetalseg.growth.dock\n"
        "heavy = {'matplotlib', 'torch', 'scipy', 'highdicom'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
