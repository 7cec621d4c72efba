"""Painting on a volume, dragging diameters, numbering, rows: numbers follow, undo is sacred."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from mouse import drag, key
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from fetalseg.report.montage import montage
from fetalseg.report.overlay import small_print
from tumours import LARGE, MM, SMALL, phantom


def _start(window, pixels=None, **looks):
    window.add(phantom() if pixels is None else pixels, **(looks or MM))
    window.qtbot.wait(100)
    window.run()
    return window.session.series[0], window.drawn()


def _ml(text: str) -> float:
    return float(text.split(" ml")[0].split()[0])


def test_a_stroke_on_any_slice_changes_the_lesions_row_and_undo_brings_it_back(shown_volumes):
    window = shown_volumes
    series, drawn = _start(window)
    before, mask = window.result(), drawn.mask.layer.data.copy()
    rows = [window.row(i)["Volume"] for i in range(3)]
    labels = drawn.mask.layer
    window.viewer.dims.set_current_step(0, 9)
    window.viewer.layers.selection.active = labels
    labels.mode, labels.selected_label, labels.brush_size = "paint", 1, 12
    window.qtbot.wait(100)
    drag(window.viewer, window.qtbot, (60, 40), (60, 50))
    window.settle()
    painted = labels.data != mask
    assert list(np.flatnonzero(painted.any(axis=(1, 2)))) == [9]
    after = window.result()
    assert after.origin == "mask"
    assert after.original is before
    grown = painted.sum()
    assert grown > 100
    lesions = [part.values["volume_voxels"] for part in after.measurement.parts]
    assert lesions == [before.measurement.parts[0].values["volume_voxels"] + grown, (mask == 2).sum()]
    assert _ml(window.row(1)["Volume"]) == pytest.approx(_ml(rows[1]) + grown * 3 / 1000, abs=0.11)
    assert window.row(2)["Volume"] == rows[2]
    assert window.row(0)["Edited"] == "mask edited"
    key(window.viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    window.settle()
    np.testing.assert_array_equal(labels.data, mask)
    assert window.result() is before
    assert [window.row(i)["Volume"] for i in range(3)] == rows


def test_a_new_label_is_a_new_row_and_undo_takes_it_away(volumes):
    _, drawn = _start(volumes)
    labels = drawn.mask.layer
    labels.data_setitem(np.nonzero(np.pad(np.ones((2, 15, 15), bool), ((5, 17), (85, 20), (40, 45)))), 3)
    volumes.settle()
    assert [volumes.row(i)["Lesion"] for i in range(4)] == ["all", "1", "2", "3"]
    assert volumes.row(3)["Volume"] == "1.4 ml"
    assert ("3", "longest") in drawn.diameters.ids()
    labels.undo()
    volumes.settle()
    assert volumes.measurements.model.rowCount() == 3
    assert len(drawn.diameters.layer.data) == 4


def test_erasing_all_is_a_row_without_lesions(volumes):
    _, drawn = _start(volumes)
    labels = drawn.mask.layer
    labels.data_setitem(np.nonzero(labels.data), 0)
    volumes.settle()
    assert volumes.measurements.model.rowCount() == 1
    assert volumes.row(0)["Volume"] == "0.0 ml"
    assert len(drawn.diameters.layer.data) == 0
    labels.undo()
    volumes.settle()
    assert volumes.measurements.model.rowCount() == 3
    assert len(drawn.diameters.layer.data) == 4


def test_dragging_an_end_changes_its_lesions_row_and_not_the_mask(shown_volumes):
    window = shown_volumes
    series, drawn = _start(window)
    mask, before = drawn.mask.layer.data.copy(), window.result()
    window.pick(1)
    window.qtbot.wait(200)
    lines = drawn.diameters.layer
    assert lines.mode == "direct"
    line = before.measurement.parts[0].calipers[0]
    (x, y), (ox, oy) = line.end_xy, line.start_xy
    away = np.array([y - oy, x - ox])
    away *= 15 / np.hypot(*away)
    drag(window.viewer, window.qtbot, (y, x), (y + away[0], x + away[1]))
    window.settle()
    after = window.result()
    assert after.origin == "calipers"
    old, new = (r.measurement.parts[0].values["longest_mm"] for r in (before, after))
    assert new == pytest.approx(old + 15, abs=1.5)
    assert after.measurement.parts[1].values == before.measurement.parts[1].values
    assert float(window.row(1)["Longest"].split()[0]) == pytest.approx(new, abs=0.051)
    assert window.row(1)["Edited"] == "diameters moved"
    np.testing.assert_array_equal(drawn.mask.layer.data, mask)
    shape = lines.data[0]
    assert shape.shape == (2, 3)
    assert set(shape[:, 0]) == {12}
    window.segment.result.go_back()
    window.settle()
    assert window.result() is before
    np.testing.assert_allclose(lines.data[0][1, 1:], (y, x), atol=0.02)


def test_a_moved_diameter_stays_when_another_lesion_is_painted(volumes):
    series, drawn = _start(volumes)
    line = volumes.result().measurement.parts[0].calipers[0]
    lines = drawn.diameters.layer
    data = list(lines.data)
    data[0] = data[0] + np.array([[0, 0, 0], [0, 0, 4]])
    with lines.events.data.blocker():
        lines.data = data
    lines.events.data(value=lines.data, action="changed", data_indices=(0,), vertex_indices=((1,),))
    volumes.settle()
    moved = volumes.result().measurement.parts[0]
    assert moved.calipers[0].end_xy[0] == pytest.approx(line.end_xy[0] + 4, abs=0.01)
    drawn.mask.layer.data_setitem((np.full(5, 15), np.full(5, 80), np.arange(75, 80)), 2)
    volumes.settle()
    parts = volumes.result().measurement.parts
    assert parts[0].calipers == moved.calipers
    assert parts[0].values["longest_mm"] == moved.values["longest_mm"]
    drawn.mask.layer.data_setitem((np.full(5, 12), np.full(5, 45), np.arange(50, 55)), 1)
    volumes.settle()
    assert volumes.result().measurement.parts[0].calipers != moved.calipers, "its own mask changed: measured anew"


def test_a_click_that_moves_nothing_and_a_line_drawn_by_hand_are_no_edits(volumes):
    _, drawn = _start(volumes)
    lines = drawn.diameters.layer
    lines.events.data(value=lines.data, action="changed", data_indices=(0,), vertex_indices=((),))
    lines.add(np.array([[12, 5, 5], [12, 9, 9]]), shape_type="line")
    volumes.settle()
    assert not volumes.result().edited
    assert len(lines.data) == 4
    assert "drag their ends" in volumes.segment.reason.text()


def test_a_point_put_into_a_line_leaves_it_straight(volumes):
    from napari.layers.shapes._shapes_models import Path

    _, drawn = _start(volumes)
    lines = drawn.diameters.layer
    ends = lines.data[0].copy()
    bent = np.array([ends[0], (ends[0] + ends[1]) / 2 + [0, 9, 9], ends[1]])
    lines._data_view.edit(0, bent, new_type=Path)  # what napari does for a point put into a line
    lines.events.data(value=lines.data, action="changed", data_indices=(0,), vertex_indices=((1,),))
    volumes.settle()
    assert sorted(drawn.diameters.ids()) == [
        ("1", "longest"),
        ("1", "perpendicular"),
        ("2", "longest"),
        ("2", "perpendicular"),
    ]
    assert all(line.shape == (2, 3) for line in lines.data)
    assert not volumes.result().edited


def test_numbering_by_region_is_one_undo_step(volumes):
    _, drawn = _start(volumes)
    labels = drawn.mask.layer
    labels.data_setitem(np.nonzero(labels.data), 1)
    volumes.settle()
    one = labels.data.copy()
    assert volumes.measurements.model.rowCount() == 2
    volumes.segment.volume.number.click()
    volumes.settle()
    assert set(np.unique(labels.data[LARGE & (one > 0)])) == {1}
    assert set(np.unique(labels.data[SMALL & (one > 0)])) == {2}
    assert volumes.measurements.model.rowCount() == 3
    labels.undo()
    volumes.settle()
    np.testing.assert_array_equal(labels.data, one)
    assert volumes.measurements.model.rowCount() == 2


def test_a_row_jumps_to_the_lesions_slice_and_brings_it_to_the_middle(volumes):
    _, drawn = _start(volumes)
    volumes.viewer.dims.set_current_step(0, 2)
    volumes.pick(2)
    assert volumes.viewer.dims.current_step[0] == 15
    assert volumes.viewer.scene.camera.center[-2:] == pytest.approx((80, 65), abs=1.5)
    assert volumes.viewer.layers.selection.active is drawn.diameters.layer
    assert {drawn.diameters.ids()[i][0] for i in drawn.diameters.layer.selected_data} == {"2"}
    assert "lesion 2" in volumes.segment.result.text()
    volumes.viewer.dims.set_current_step(0, 3)
    assert volumes.session.lesion == "2", "a look at another slice keeps the row"
    assert volumes.measurements.table.currentIndex().row() == 2


def test_selecting_a_line_selects_its_row(volumes):
    _, drawn = _start(volumes)
    drawn.diameters.layer.selected_data = {2}
    assert volumes.measurements.chosen() == [2]


def test_deleting_a_lesions_row_erases_it_and_can_be_undone(volumes):
    _, drawn = _start(volumes)
    before = drawn.mask.layer.data.copy()
    volumes.measurements.delete([2])
    volumes.settle()
    assert set(np.unique(drawn.mask.layer.data)) == {0, 1}
    assert volumes.measurements.model.rowCount() == 2
    drawn.mask.layer.undo()
    volumes.settle()
    np.testing.assert_array_equal(drawn.mask.layer.data, before)
    volumes.measurements.delete([0])
    assert [layer.name for layer in volumes.viewer.layers] == ["scan"]


def test_copied_and_saved_rows_are_the_lesions(volumes, tmp_path):
    _start(volumes)
    volumes.measurements.table.clearSelection()
    volumes.measurements.copy()
    lines = [line.split("\t") for line in QApplication.clipboard().text().split("\n")]
    assert [line[lines[0].index("Lesion")] for line in lines[1:]] == ["all", "1", "2"]
    path = tmp_path / "out.csv"
    volumes.measurements.save(path)
    volumes.qtbot.waitUntil(path.exists, timeout=5000)
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [row["lesion"] for row in rows] == ["all", "1", "2"]
    exact = volumes.result().measurement.parts[1].values["volume_ml"]
    assert float(rows[2]["volume_ml"]) == pytest.approx(exact, rel=1e-10)


def test_the_montage_is_a_picture(volumes, tmp_path):
    _start(volumes)
    path = tmp_path / "montage.png"
    volumes.segment.volume.save_montage(path)
    volumes.qtbot.waitUntil(path.exists, timeout=10_000)
    volumes.qtbot.wait(100)
    picture = np.asarray(Image.open(path))
    assert picture.shape[2] == 3
    assert (picture.max(axis=2) > picture.min(axis=2) + 60).sum() > 100, "lesions are marked in colour"


def test_the_surface_is_seen_in_3d_and_the_flat_view_comes_back(volumes):
    _, drawn = _start(volumes)
    volumes.pick(2)
    labels, camera = drawn.mask.layer, volumes.viewer.scene.camera
    center, zoom = camera.center, camera.zoom
    volumes.segment.volume.three.click()
    assert volumes.viewer.dims.ndisplay == 3
    assert labels.visible
    assert labels.opacity == 1.0
    assert str(labels.rendering) == "iso_categorical"
    np.testing.assert_allclose(np.asarray(camera.up_direction)[0], 0.94, atol=0.02)
    assert camera.view_direction[1] > 0.9, "from the front"
    volumes.segment.volume.three.click()
    assert volumes.viewer.dims.ndisplay == 2
    assert labels.opacity == 0.25
    assert drawn.diameters.layer.visible
    assert volumes.viewer.dims.current_step[0] == 15
    assert camera.center == pytest.approx(center)
    assert camera.zoom == pytest.approx(zoom)
    assert not volumes.segment.volume.three.isChecked()


def test_the_button_turns_back_what_naparis_own_button_turned(volumes):
    _start(volumes)
    volumes.viewer.dims.ndisplay = 3
    assert volumes.segment.volume.three.isChecked()
    volumes.segment.volume.three.click()
    assert volumes.viewer.dims.ndisplay == 2


def test_the_key_that_makes_an_ellipse_the_mask_leaves_volumes_alone(volumes):
    _start(volumes)
    before = volumes.result()
    volumes.segment.result.convert()
    volumes.settle()
    assert volumes.result() is before
    assert volumes.segment.error.sentence() == ""


def test_the_surface_is_not_mirrored(shown_volumes):
    window = shown_volumes
    _start(window)
    window.segment.volume.three.click()
    window.qtbot.wait(300)
    picture = window.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    large = (picture[..., 2] - picture[..., 0] > 60) & (picture[..., 1] - picture[..., 0] > 40)  # cyan
    small = picture[..., 0] - picture[..., 2] > 60  # orange
    assert large.sum() > 200
    assert small.sum() > 50
    (large_y, large_x), (small_y, small_x) = (np.argwhere(seen).mean(axis=0) for seen in (large, small))
    assert small_x > large_x + 10, "columns run to the right, as in the flat view"
    assert small_y < large_y, "later slices are higher"


def test_a_volumes_picture_is_its_montage(volumes, tmp_path):
    _start(volumes)
    paths = [tmp_path / name for name in ("picture.png", "montage.png")]
    volumes.measurements.save_picture(paths[0])
    volumes.segment.volume.save_montage(paths[1])
    volumes.qtbot.waitUntil(lambda: all(path.exists() for path in paths), timeout=10_000)
    volumes.qtbot.wait(100)
    pictures = [np.asarray(Image.open(path)) for path in paths]
    np.testing.assert_array_equal(*pictures)


def test_a_montage_from_the_dock_keeps_the_voxels_proportion(volumes, tmp_path):
    _start(volumes, scale=(3.0, 0.5, 1.0), units="mm")
    path = tmp_path / "montage.png"
    volumes.segment.volume.save_montage(path)
    volumes.qtbot.waitUntil(path.exists, timeout=10_000)
    volumes.qtbot.wait(100)
    result = volumes.result()
    drawn = (phantom(), result.segmentation.mask, result.measurement)
    picture = np.asarray(Image.open(path))
    np.testing.assert_array_equal(picture, montage(*drawn, result.spacing, small_print(result)))
    assert picture.shape != montage(*drawn).shape, "pixels half as high as wide"


def test_diameters_are_told_with_one_unit_and_rano_in_a_line_of_its_own(volumes):
    _start(volumes)
    volumes.pick(1)
    longest, across = (volumes.row(1)[name] for name in ("Longest", "Perpendicular"))
    lines = volumes.segment.result.text().split("\n")
    assert f"{longest.removesuffix(' mm')} × {across} on slice 12" in lines
    assert "measurable by RANO: yes" in lines


def test_a_row_shows_its_own_image_where_another_covers_it(volumes):
    first, drawn = _start(volumes)
    image = first.image()
    other = volumes.add(phantom(SMALL), name="later", **MM)
    volumes.run()
    assert other.visible
    above = volumes.drawn()
    volumes.pick(1)
    assert image.visible
    assert volumes.segment.layer is image, "it is the one to segment as well"
    assert drawn.mask.layer.visible
    assert not any(layer.visible for layer in (other, *above.all)), "they would cover it"
    volumes.pick(3)
    assert all(layer.visible for layer in (other, *above.all))


def test_what_was_found_in_an_image_below_is_seen(volumes):
    below = volumes.add(phantom(), name="below", **MM)
    above = volumes.add(phantom(SMALL), name="above", **MM)
    volumes.run()
    volumes.segment.image.choose(below)
    volumes.run()
    assert below.visible
    assert not above.visible
