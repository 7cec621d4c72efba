"""The Batch dock in a real window: a folder run, stopped, gone on with, looked at, and reported on."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtTest import QTest

import batches
from fetalseg.batch.run import Batch
from fetalseg.errors import SettingsError
from fetalseg.report.page.folder import Case
from fetalseg.settings import BatchSettings, SegmentSettings
from napari_fetalseg.actions import PLUGIN
from napari_fetalseg.batch import dock as dock_module
from napari_fetalseg.batch import form as form_module
from napari_fetalseg.batch.rows import ABOUT, Rows, sentence
from napari_fetalseg.batch.scale_rule import CSV, PIXELS, TYPED
from napari_fetalseg.batch.table import Table
from napari_fetalseg.layers.drawing import drawing_of
from standins import loop
from tumours import SMALL, ellipsoid, phantom

HEADS = 5


class Running:
    """A window with the Batch dock, and a folder of heads with one broken file and one empty picture."""

    def __init__(self, viewer, qtbot, folder) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.scans, self.out = folder / "scans", folder / "out"
        self.dock, self.widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch")
        self.form, self.rows = self.widget.form, self.widget.rows
        qtbot.wait(50)

    def choose(self) -> None:
        self.form.scans.show_path(self.scans)
        self.form.out.show_path(self.out)
        self.qtbot.waitUntil(lambda: not self.form.busy, timeout=10_000)

    def start(self) -> None:
        self.choose()
        assert self.form.problem() == ""
        self.widget.button.click()

    def settle(self, timeout: int = 30_000) -> None:
        widget = self.widget

        def still():
            busy = widget.runner.running or widget.opener.busy or widget._jobs.busy or widget._together.isActive()
            return not busy and not self.form.busy and not self.rows.thumbs.busy

        self.qtbot.wait(30)
        self.qtbot.waitUntil(still, timeout=timeout)
        self.qtbot.waitUntil(lambda: not any(d.waiting for d in drawing_of(self.viewer)._drawn), timeout=timeout)
        self.qtbot.wait(30)

    def run(self) -> None:
        self.start()
        self.settle()

    def names(self) -> list[str]:
        return [case.name for case in self.rows.cases]

    def click(self, name: str) -> None:
        table, row = self.widget.table, self.names().index(name)
        index = self.rows.index(row, ABOUT)
        table.scrollTo(index)
        place = table.visualRect(index).center()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        self.settle()

    def table(self) -> dict[str, dict[str, str]]:
        with (self.out / "measurements.csv").open(newline="", encoding="utf-8") as handle:
            return {row["file"]: row for row in csv.DictReader(handle)}


@pytest.fixture
def remembered(monkeypatch):
    """napari's settings of the Batch dock, for one test."""
    kept = SimpleNamespace()
    monkeypatch.setattr("napari_fetalseg.preferences._section", lambda name: kept if name == "batch" else None)
    return kept


@pytest.fixture
def opened(monkeypatch):
    """What the system was asked to open."""
    urls = []
    monkeypatch.setattr(dock_module.QDesktopServices, "openUrl", lambda url: urls.append(Path(url.toLocalFile())))
    return urls


@pytest.fixture
def running(nothing_left, make_napari_viewer, qtbot, predictor, tmp_path, remembered):
    batches.folder(tmp_path / "scans", HEADS)
    (tmp_path / "scans" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((180, 240), np.uint8)).save(tmp_path / "scans" / "dark.png")
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    qtbot.wait(100)
    made = Running(viewer, qtbot, tmp_path)
    yield made
    predictor.gate.set()
    if made.widget.open:
        made.settle()
        made.widget.release()


def test_a_folder_is_run_and_what_is_doubtful_stands_on_top(running):
    widget = running.widget
    assert "Choose a folder of scans first" in widget.reason.text()
    assert not widget.button.isEnabled()
    running.choose()
    assert running.form.said.text().startswith(f"{HEADS + 2} scans")
    running.run()
    assert running.names()[:2] == ["broken.png", "dark.png"]
    failed, dark, *heads = running.rows.cases
    assert (failed.state, dark.state) == ("failed", "refuse")
    assert "broken.png" in sentence(failed)
    assert "No head was found" in sentence(dark)
    assert [head.state for head in heads] == ["accept"] * HEADS
    told = running.table()
    for case in heads:
        hc = float(told[case.name]["hc_mm"])
        assert f", {hc:.1f} ± " in running.rows.index(running.names().index(case.name), ABOUT).data()
    assert f"{HEADS + 1} of {HEADS + 2} files" in widget.told.text()
    assert widget.error.sentence() == ""
    assert (running.out / "report.html").is_file()
    assert running.rows.thumbs.get(heads[0]) is not None
    assert running.rows.thumbs.get(failed) is None
    record = json.loads((running.out / "run.json").read_text())
    assert record["command"] == "napari, Batch dock"
    assert record["finished"]


def test_cancelled_and_gone_on_with_a_third_start_does_nothing(running, predictor):
    widget = running.widget
    predictor.gate.clear()
    running.start()
    running.qtbot.waitUntil(lambda: predictor.calls > 0, timeout=10_000)
    assert widget.button.text() == "Cancel"
    running.qtbot.wait(200)
    predictor.pause_s = 0.15
    predictor.gate.set()
    running.qtbot.waitUntil(lambda: len(running.rows.cases) >= 2, timeout=10_000)
    widget.button.click()
    assert widget.button.text() == "Stopping…"
    running.settle()
    begun = len(running.rows.cases)
    assert 2 <= begun < HEADS + 2
    assert widget.told.text().startswith("Stopped; what was finished is kept")
    assert len(running.table()) == begun == batches.journalled(running.out)
    assert not (running.out / "report.html").exists()
    predictor.pause_s = 0.0
    widget.button.click()
    running.settle()
    assert len(running.rows.cases) == len(running.table()) == HEADS + 2
    assert "were done before" in widget.told.text()
    asked = predictor.calls
    widget.button.click()
    running.settle()
    assert "All was done before" in widget.told.text()
    assert predictor.calls == asked
    running.form.more.anew.setChecked(True)
    widget.button.click()
    running.settle()
    assert predictor.calls > asked
    assert "done before" not in widget.told.text()
    assert not running.form.more.anew.isChecked()  # once


def test_paused_no_further_scan_is_begun(running, predictor):
    widget = running.widget
    predictor.pause_s = 0.1
    running.start()
    running.qtbot.waitUntil(lambda: predictor.calls > 0, timeout=10_000)
    widget.pause_button.click()
    assert widget.pause_button.text() == "Go on"
    running.qtbot.wait(800)
    asked = predictor.calls
    running.qtbot.wait(400)
    assert predictor.calls == asked
    assert widget.runner.running
    assert "paused" in widget.progress.format()
    widget.pause_button.click()
    running.settle()
    assert len(running.rows.cases) == HEADS + 2


def test_a_click_opens_the_scan_with_its_ellipse_and_an_edit_of_it_stays(running):
    running.run()
    running.click("002.png")
    session = running.widget.session
    series, frame = session.selection
    row = running.table()["002.png"]
    result = series.results[frame]
    assert series.image().name == "002.png"
    assert result.measurement.values["hc_mm"] == pytest.approx(float(row["hc_mm"]), abs=1e-6)
    assert result.measurement.ellipse.center_x == pytest.approx(float(row["ellipse_center_x_px"]))
    assert result.measurement.intervals["hc_mm"][0] == pytest.approx(float(row["hc_low_mm"]), abs=1e-6)
    assert series.spacing.row_mm == pytest.approx(0.52)
    drawn = drawing_of(running.viewer).layers_of(series)
    assert np.array_equal(drawn.mask.layer.data != 0, tifffile.imread(running.out / "masks" / "002_mask.tif") != 0)
    # Another row takes its place while nobody has changed it.
    running.click("003.png")
    assert [s.image().name for s in session.series] == ["003.png"]
    assert "002.png" not in running.viewer.layers
    labels = drawing_of(running.viewer).layers_of(session.series[0]).mask.layer
    labels.data_setitem((np.full(30, 20), np.arange(100, 130)), 1)
    running.qtbot.waitUntil(lambda: session.series[0].results[0].edited, timeout=10_000)
    running.click("004.png")
    assert [s.image().name for s in session.series] == ["003.png", "004.png"]
    running.click("broken.png")
    assert "broken.png" in running.widget.note.text()


def test_a_loop_opens_at_its_frame(running):
    tifffile.imwrite(running.scans / "loop.tif", loop(5))
    running.form.scale.show_rule(TYPED)
    running.form.scale.x.setValue(0.25)
    running.run()
    running.click("loop.tif")
    series, frame = running.widget.session.selection
    assert sorted(series.results) == list(range(5))
    assert frame == int(running.rows.cases[running.names().index("loop.tif")].row["frame"])
    assert series.results[1].measurement.ellipse.center_x == pytest.approx(113.0, abs=0.3)
    assert series.spacing.column_mm == 0.25


def test_a_volume_opens_on_the_slice_with_most_of_the_tumour(
    nothing_left, make_napari_viewer, qtbot, network, tmp_path, remembered
):
    (tmp_path / "scans").mkdir()
    # Largest above the middle slice, which shows some of it as well.
    pixels = phantom(ellipsoid((14, 45, 35), (5, 14, 9)), SMALL)
    tifffile.imwrite(tmp_path / "scans" / "p1.tif", pixels, photometric="minisblack")
    running = Running(make_napari_viewer(show=True), qtbot, tmp_path)
    running.form.task.setCurrentIndex(running.form.task.findData("tumour"))
    running.run()
    running.click("p1.tif")
    assert running.viewer.dims.current_step[0] == 14
    running.widget.release()


def test_report_and_folder_are_opened_and_the_flagged_are_handed_over(running, opened, monkeypatch):
    widget = running.widget
    running.form.more.report.setChecked(False)
    running.run()
    assert not (running.out / "report.html").exists()
    assert widget.report_button.isEnabled()
    widget.report_button.click()
    running.settle()
    assert opened == [running.out / "report.html"]
    assert "broken.png" in opened[0].read_text(encoding="utf-8")
    widget.open_folder()
    assert opened[-1] == running.out
    asked, shown = [], []
    widget.session.review_asked.connect(lambda *told: asked.append(told))
    monkeypatch.setattr("napari_fetalseg.actions.open_review", shown.append)
    widget.review_button.click()
    assert asked == [(running.out, running.scans, "head")]
    assert len(shown) == 1


def test_two_runs_on_one_output_the_second_says_so(running):
    with Batch([running.scans], running.out, SegmentSettings()):
        running.run()
        assert "Another run is writing to" in running.widget.error.sentence()
        assert running.rows.cases == []
    running.widget.button.click()
    running.settle()
    assert running.widget.error.sentence() == ""
    assert len(running.rows.cases) == HEADS + 2


def test_scale_and_files_are_chosen_and_found_again(running, remembered, tmp_path):
    form = running.form
    running.choose()
    form.scale.show_rule(CSV)
    assert form.problem() == "Choose the csv of pixel sizes first."
    sizes = tmp_path / "sizes.csv"
    sizes.write_text("filename,pixel size(mm)\n" + "\n".join(f"{n:03}.png,0.3" for n in range(HEADS)) + "\n")
    form.scale.csv.show_path(sizes)
    form.more.pattern.setText("00*.png")
    form.more.pattern.editingFinished.emit()
    running.qtbot.waitUntil(lambda: not form.busy, timeout=10_000)
    assert form.said.text().startswith(f"{HEADS} scans")
    form.more.overlays.setChecked(False)
    running.widget.button.click()
    running.settle()
    assert {row["spacing_x_mm"] for row in running.table().values()} == {"0.3"}
    assert not (running.out / "overlays").exists()
    assert running.widget.table.isColumnHidden(0)
    form.scale.show_rule(PIXELS)
    running.widget.button.click()
    running.settle()
    assert {row["hc_mm"] for row in running.table().values()} == {""}
    assert all(case.state == "check" for case in running.rows.cases)
    assert remembered.pattern == "00*.png"
    again = form_module.BatchForm()
    running.qtbot.waitUntil(lambda: not again.busy, timeout=10_000)
    found, chosen = again.choice(), running.widget.choice
    again.deleteLater()
    assert found == replace(chosen, settings=found.settings)
    assert found.settings == SegmentSettings()


def test_results_of_other_scans_go_beside_them(running, tmp_path):
    form = running.form
    running.choose()
    form.more.dating.exams.show_path(tmp_path / "exams.csv")
    assert form.choice().out == running.out
    other = batches.folder(tmp_path / "others", 1)
    form.scans.show_path(other)
    running.settle()
    assert form.choice().out == tmp_path / "others-head"
    assert form.choice().batch.exams is None, "numbers of other exams may be the same"
    assert form.out.line.placeholderText() == str(tmp_path / "others-head")
    form.task.setCurrentIndex(form.task.findData("tumour"))
    running.settle()
    assert form.choice().out == tmp_path / "others-tumour"
    form.show_samples()
    running.settle()
    assert form.choice().out.parent == Path.home()


def test_a_dock_that_is_closed_stops_and_what_is_done_stays(running, predictor):
    predictor.pause_s = 0.1
    running.start()
    running.qtbot.waitUntil(lambda: len(running.rows.cases) >= 1, timeout=10_000)
    running.viewer.window.remove_dock_widget(running.dock)
    assert not running.widget.open
    running.qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=10_000)
    done = batches.journalled(running.out)
    assert 1 <= done < HEADS + 2
    assert len(running.table()) == done
    Batch([running.scans], running.out, SegmentSettings()).finish()  # the folder is free


_PERSON = """
import sys
import napari
from qtpy.QtTest import QTest
from fetalseg import pipeline
import batches
pipeline.get_predictor = lambda task, *_: batches.Network(task, 0.1)
viewer = napari.Viewer()
dock, widget = viewer.window.add_plugin_dock_widget("napari-fetalseg", "Batch")
widget.form.scans.show_path(sys.argv[1])
widget.form.out.show_path(sys.argv[2])
while widget.form.busy:
    QTest.qWait(10)
widget.press()

def look():
    if widget.rows.cases:
        viewer.close()
    else:
        QTimer.singleShot(20, look)

from qtpy.QtCore import QTimer
QTimer.singleShot(20, look)
napari.run()
"""


def test_a_window_that_is_closed_leaves_whole_tables(tmp_path, monkeypatch):
    scans, out = batches.folder(tmp_path / "scans", 40), tmp_path / "out"
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("PYTHONPATH", str(Path(batches.__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", _PERSON, scans, out], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    number = batches.journalled(out)
    assert 1 <= number < 40
    with (out / "measurements.csv").open(newline="", encoding="utf-8") as handle:
        assert len(list(csv.DictReader(handle))) == number
    assert json.loads((out / "run.json").read_text())["finished"] is False


def test_ten_thousand_rows_are_in_order_and_only_what_is_seen_gets_a_picture(qtbot):
    rows, number = Rows(), 10_000
    states = ["accept", "check", "refuse"]

    def case(at: int) -> Case:
        row = {"file": f"{at:05}.png", "status": "ok", "state": states[at % 3], "confidence": f"{at % 97 / 97:.3f}"}
        return Case(row["file"], "head", row, picture=Path("nowhere.png"))

    rows.add(case(at) for at in range(number))
    found = [c.state for c in rows.cases]
    assert found == sorted(found, key=["refuse", "check", "accept"].index)
    table = Table(rows)
    qtbot.addWidget(table)
    table.resize(400, 400)
    table.show()
    qtbot.wait(50)
    table.scrollToBottom()
    qtbot.waitUntil(lambda: not rows.thumbs.busy and not rows.thumbs._wanted, timeout=10_000)
    assert 0 < len(rows.thumbs._made) < 60
    rows.thumbs.clear()


def test_settings_say_pixels_or_a_scale():
    with pytest.raises(SettingsError, match="not both"):
        BatchSettings(pixels_only=True, spacing_mm=(0.1, 0.1))


def test_heads_are_dated_by_a_csv_and_stand_on_the_chosen_chart(running, remembered, tmp_path):
    form = running.form
    running.choose()
    assert form.more.dating.chart.isHidden()
    form.more.dating.exams.show_path(tmp_path / "exams.csv")
    assert "is no file: choose the csv of exams" in form.problem()
    lines = [f"{n:03}.png,2024-05-20,{weeks}" for n, weeks in enumerate(("16+0", "18+2", "20+0"))]
    (tmp_path / "exams.csv").write_text("\n".join(["file,scan_date,ga_weeks", *lines]) + "\n")
    assert form.problem() == ""
    assert not form.more.dating.chart.isHidden()
    form.more.dating.show_chart("who2017")
    form.more.sr.setChecked(True)
    form.more.identifiers.setChecked(True)
    running.start()
    running.settle()
    table = running.table()
    assert {table[f"{n:03}.png"]["chart"] for n in range(3)} == {"who2017"}
    assert [table[f"{n:03}.png"]["ga_days"] for n in range(3)] == ["112", "128", "140"]
    assert table["003.png"]["chart"] == ""
    assert "patient_id" in table["000.png"]
    cases = {case.name: case for case in running.rows.cases}
    assert sentence(cases["001.png"]).startswith(f"{table['001.png']['centile_text']} centile at 18w 2d.")
    assert "belongs to no exam of exams.csv" in sentence(cases["003.png"])
    assert remembered.exams == str(tmp_path / "exams.csv")
    assert "sr" in remembered.write.split()
    assert "identifiers" not in remembered.write
    form.task.setCurrentIndex(form.task.findData("tumour"))
    running.settle()
    assert form.choice().batch.exams is None
    assert not form.choice().batch.sr
