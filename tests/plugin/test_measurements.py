"""The table: in step with the picture, sorted by number, copied, saved."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from mouse import click
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from fetalseg.result import Ellipse
from napari_fetalseg.exports import provenance
from napari_fetalseg.table_model import COLUMNS
from standins import loop


def _column(title: str) -> int:
    return [c.title for c in COLUMNS].index(title)


def test_empty_it_says_how_to_fill_it(window):
    dock = window.measurements
    assert dock.pages.currentWidget() is dock.empty
    assert "Segment" in dock.empty.text()
    assert not dock.copy_button.isEnabled()
    assert "press Segment first" in dock.copy_button.toolTip()


def test_a_click_on_a_row_goes_to_its_frame_and_selects_the_ellipse(window):
    window.add(loop(5))
    window.run(every=True)
    window.pick(4)
    drawn = window.drawn()
    assert window.viewer.dims.current_step[0] == 4
    assert window.viewer.layers.selection.active is drawn.ellipse.layer
    assert {drawn.ellipse.frames()[i] for i in drawn.ellipse.layer.selected_data} == {4}
    assert "frame 4" in window.segment.result.text()


def test_selecting_the_ellipse_selects_the_row(shown):
    shown.add(loop(3))
    shown.qtbot.wait(200)
    shown.run(every=True)
    shown.viewer.dims.set_current_step(0, 1)
    drawn = shown.drawn()
    shown.measurements.table.clearSelection()
    shown.session.select(None, None, "row")
    shown.viewer.layers.selection.active = drawn.ellipse.layer
    drawn.ellipse.layer.mode = "select"
    click(shown.viewer, shown.qtbot, (90, 113))
    assert {drawn.ellipse.frames()[i] for i in drawn.ellipse.layer.selected_data} == {1}
    assert shown.measurements.chosen() == [1]


def test_the_slider_moves_the_selection_unless_it_shall_not(window):
    window.add(loop(4))
    window.run(every=True)
    window.viewer.dims.set_current_step(0, 3)
    assert window.measurements.chosen() == [3]
    window.measurements.follow.setChecked(False)
    window.viewer.dims.set_current_step(0, 0)
    assert window.measurements.chosen() == [3]


def test_numbers_sort_as_numbers_and_unknown_comes_first(window):
    sizes = [30.0, 80.0, 9.5]
    from standins import disc

    for i, size in enumerate(sizes):
        window.add(disc(Ellipse(120, 90, size, size * 0.8, 0), (180, 240)), name=f"scan {i}")
        window.run()
    window.add(np.zeros((180, 240), np.uint8), name="empty")
    window.run()
    window.measurements.table.sortByColumn(_column("HC"), Qt.SortOrder.AscendingOrder)
    assert [window.cell(r, "File") for r in range(4)] == ["empty", "scan 2", "scan 0", "scan 1"]
    window.pick(3)
    assert window.session.selection[0].title == "scan 1"


def test_full_precision_is_in_the_tooltip_and_numbers_stand_right(window, head):
    window.add(head, scale=(0.5, 0.5), units="mm")
    window.run()
    index = window.measurements.model.index(0, _column("HC"))
    exact = window.result().measurement.values["hc_mm"]
    assert repr(exact) in index.data(Qt.ItemDataRole.ToolTipRole)
    assert "95 % interval" in index.data(Qt.ItemDataRole.ToolTipRole)
    assert index.data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
    assert window.cell(0, "State").split()[1] in ("accept", "check", "refuse")


def test_copy_is_what_a_spreadsheet_takes(window):
    window.add(loop(3))
    window.run(every=True)
    window.measurements.table.clearSelection()
    window.measurements.copy()
    lines = QApplication.clipboard().text().split("\n")
    assert lines[0].split("\t") == [c.title for c in COLUMNS if "head" in c.tasks and not c.growth]
    assert [line.split("\t")[1] for line in lines[1:]] == ["0", "1", "2"]
    window.pick(1)
    assert window.measurements.chosen() == [1]
    window.measurements.copy()
    assert [line.split("\t")[1] for line in QApplication.clipboard().text().split("\n")[1:]] == ["1"]


def test_saved_is_the_command_lines_table(window, tmp_path):
    window.add(loop(3), scale=(1, 0.5, 0.5), units=("pixel", "mm", "mm"))
    window.run(every=True)
    path = tmp_path / "out.csv"
    window.measurements.save(path)
    window.qtbot.waitUntil(path.exists, timeout=5000)
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    for frame, row in enumerate(rows):
        assert float(row["hc_mm"]) == pytest.approx(window.result(frame).measurement.values["hc_mm"], rel=1e-10)
        assert row["spacing_x_mm"] == "0.5"


def test_a_place_that_cant_be_written_is_one_sentence(window, head, tmp_path):
    window.add(head)
    window.run()
    (tmp_path / "file").write_text("")
    window.measurements.save(tmp_path / "file" / "out.csv")
    window.qtbot.waitUntil(lambda: window.measurements.error.sentence() != "", timeout=5000)
    assert "not written" in window.measurements.error.sentence()


def test_delete_takes_row_mask_and_ellipse_and_undo_brings_them_back(window):
    window.add(loop(3))
    window.run(every=True)
    before = window.result(1)
    window.measurements.delete([1])
    drawn = window.drawn()
    assert window.measurements.model.rowCount() == 2
    assert not drawn.mask.layer.data[1].any()
    assert sorted(drawn.ellipse.frames()) == [0, 2]
    assert sorted(set(drawn.callipers.frames())) == [0, 2]
    drawn.mask.layer.undo()
    window.settle()
    assert window.result(1) is before
    assert window.measurements.model.rowCount() == 3
    assert sorted(drawn.ellipse.frames()) == [0, 1, 2]
    window.measurements.delete([0, 1, 2])
    assert window.measurements.pages.currentWidget() is window.measurements.empty
    assert [layer.name for layer in window.viewer.layers] == ["scan"]


def test_provenance_names_model_settings_and_scan(window, head):
    window.add(head)
    window.run()
    told = json.loads(provenance(window.result()))
    assert told["model"] == "standin"
    assert told["settings"]["task"] == "head"
    assert len(told["sha256 of the scan"]) == 64
    assert told["values"]["frame"] == "0"


def test_a_dock_opened_late_shows_what_is_there(make_napari_viewer, qtbot, predictor, head):
    viewer = make_napari_viewer()
    _, segment = viewer.window.add_plugin_dock_widget("napari-fetalseg", "Segment")
    viewer.add_image(head, rgb=False)
    segment.press()
    qtbot.waitUntil(lambda: len(segment.session.rows()) == 1 and not segment.session.running, timeout=10_000)
    _, table = viewer.window.add_plugin_dock_widget("napari-fetalseg", "Measurements")
    assert table.model.rowCount() == 1
    assert table.pages.currentWidget() is table.table
    viewer.window.remove_dock_widget(table)
    segment.session.delete(segment.session.series[0], [0])


def test_two_viewers_share_nothing(make_napari_viewer, qtbot, predictor, head):
    from napari_fetalseg.layers.drawing import session_of

    one, two = make_napari_viewer(), make_napari_viewer()
    assert session_of(one) is session_of(one)
    assert session_of(one) is not session_of(two)


def test_side_by_side_and_back(shown, head):
    image = shown.add(head)
    other = shown.add(head // 2, name="other")
    shown.segment.image.setCurrentIndex(0)
    shown.run()
    grid = shown.viewer.canvas.grid
    grid.shape, grid.stride = (3, 1), 2
    shown.measurements.side_button.setChecked(True)
    layers = list(shown.viewer.layers)
    copy = shown.viewer.layers["scan · original"]
    places = {layer.name: grid.position(layers.index(layer), layers) for layer in layers if layer.visible}
    assert places.pop("scan · original") == (0, 0)
    assert set(places.values()) == {(0, 1)}
    assert set(places) == {"scan", "scan · mask", "scan · callipers", "scan · ellipse"}
    assert grid.enabled
    assert not other.visible
    assert copy.data is image.data, "the pixels are not copied"
    image.gamma = 0.5
    assert copy.gamma == 0.5
    assert shown.segment.image.findText("scan · original") == -1
    shown.measurements.side_button.setChecked(False)
    assert (grid.enabled, grid.shape, grid.stride) == (False, (3, 1), 2)
    assert other.visible
    assert copy not in shown.viewer.layers
    assert [grid.position(i, list(shown.viewer.layers)) for i in range(2)] == [(0, 0)] * 2


def test_deleting_the_copy_ends_side_by_side(window, head):
    window.add(head)
    window.run()
    window.measurements.side_button.setChecked(True)
    window.viewer.layers.remove("scan · original")
    assert not window.viewer.canvas.grid.enabled
    assert not window.measurements.side_button.isChecked()


def test_the_picture_is_saved(window, head, tmp_path):
    from skimage.io import imread

    window.add(head, scale=(0.5, 0.5), units="mm")
    window.run()
    window.measurements.save_picture(tmp_path / "picture.png")
    window.qtbot.waitUntil((tmp_path / "picture.png").exists, timeout=10_000)
    picture = imread(tmp_path / "picture.png")
    assert picture.shape[1] >= 2 * head.shape[1]
    assert picture.ndim == 3
