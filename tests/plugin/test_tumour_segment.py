"""A volume in the window: labels, diameters and rows of known size; one slice; cancel; without millimetres."""

from __future__ import annotations

import numpy as np
import pytest

from fetalseg.errors import ModelError
from tumours import LARGE, MM, SHAPE, SMALL, phantom


def _ml(text: str) -> float:
    assert text.endswith(" ml")
    return float(text.split()[0])


def test_a_volume_gets_numbered_labels_two_diameters_a_lesion_and_a_row_each(volumes):
    volumes.add(phantom(), **MM)
    volumes.run()
    assert volumes.segment.error.sentence() == ""
    drawn, result = volumes.drawn(), volumes.result()
    labels = drawn.mask.layer
    assert labels.data.shape == SHAPE
    np.testing.assert_array_equal(labels.data, result.segmentation.mask)
    np.testing.assert_allclose(labels.scale, MM["scale"])
    assert [str(u) for u in labels.units] == ["millimeter"] * 3
    assert (labels.data[LARGE] == 1).mean() > 0.9
    assert (labels.data[SMALL] == 2).mean() > 0.8
    assert drawn.diameters.ids() == [
        ("1", "longest"),
        ("1", "perpendicular"),
        ("2", "longest"),
        ("2", "perpendicular"),
    ]
    assert [line[0][0] for line in drawn.diameters.layer.data] == [12, 12, 15, 15]
    lengths = [float(np.hypot(*(line[1] - line[0])[1:])) for line in drawn.diameters.layer.data]
    assert lengths == pytest.approx([28, 18, 14, 12], abs=1.5)
    rows = [volumes.row(i) for i in range(3)]
    assert [row["Lesion"] for row in rows] == ["all", "1", "2"]
    truths = [(LARGE | SMALL).sum(), LARGE.sum(), SMALL.sum()]
    assert [_ml(row["Volume"]) for row in rows] == pytest.approx([t * 3 / 1000 for t in truths], rel=0.06, abs=0.06)
    assert [row["On slice"] for row in rows] == ["12", "12", "15"]
    assert float(rows[1]["Longest"].split()[0]) == pytest.approx(28, abs=1.5)
    assert [row["Measurable"] for row in rows[1:]] == ["yes", "yes"]
    assert "HC" not in rows[0]
    assert rows[0]["Volume"] in volumes.segment.result.text()


def test_after_a_run_a_slice_with_lesion_is_on_the_screen(volumes):
    volumes.add(phantom(), **MM)
    volumes.viewer.dims.set_current_step(0, 1)
    volumes.run()
    assert volumes.viewer.dims.current_step[0] == 12
    volumes.viewer.dims.set_current_step(0, 14)
    volumes.run()
    assert volumes.viewer.dims.current_step[0] == 14, "there is something to see already"


def test_a_lesions_lines_have_its_labels_colour_and_the_longest_is_thicker(volumes):
    volumes.add(phantom(), **MM)
    volumes.run()
    drawn = volumes.drawn()
    labels, lines = drawn.mask.layer, drawn.diameters.layer
    for i, (lesion, _) in enumerate(drawn.diameters.ids()):
        np.testing.assert_allclose(lines.edge_color[i][:3], labels.get_color(int(lesion))[:3], atol=0.01)
    assert lines.edge_width[0] > lines.edge_width[1]


def test_without_a_slice_distance_volumes_are_voxels_and_typing_it_gives_millilitres(volumes):
    layer = volumes.add(phantom(), scale=(1, 0.5, 0.5), units=("pixel", "mm", "mm"))
    volumes.run()
    count = int((volumes.result().segmentation.mask > 0).sum())
    assert volumes.row(0)["Volume"] == f"{count} voxels"
    assert volumes.row(1)["Longest"].endswith(" mm")
    assert "slice distance unknown" in volumes.segment.scale_line.text()
    volumes.segment.change.setChecked(True)
    panel = volumes.segment.scale
    panel.way.setCurrentIndex(1)
    assert not panel._between.isHidden()
    panel.z.setValue(4.0)
    panel.apply()
    assert volumes.session.spacing(layer).slice_mm == 4.0
    volumes.settle()
    assert _ml(volumes.row(0)["Volume"]) == pytest.approx(count * 0.25 * 4 / 1000, abs=0.051)


def test_without_any_scale_nothing_is_in_millimetres(volumes):
    volumes.add(phantom())
    volumes.run()
    row = volumes.row(1)
    assert row["Volume"].endswith(" voxels")
    assert row["Longest"].endswith(" px")
    assert row["Product"].endswith(" px²")
    assert row["Measurable"] == "not known"


def test_the_form_asks_only_what_the_target_needs(volumes):
    dock = volumes.segment
    volumes.add(phantom(), **MM)
    assert dock.form.isRowVisible(dock.advanced.smallest) is False
    volumes.target("tumour")
    assert dock.form.isRowVisible(dock.advanced.smallest)
    assert not dock.advanced._form.isRowVisible(dock.advanced.second_look)
    assert dock.all_frames.isChecked()
    assert dock.all_frames.text() == f"Whole volume ({SHAPE[0]})"
    assert dock.form.labelForField(dock.extent).text() == "Slices"
    assert dock.model.list.count() == 1
    volumes.target("fetal-brain")
    assert dock.model.list.isHidden()
    assert dock.button.isEnabled(), "it needs no model"
    volumes.target("head")
    assert dock.this_frame.isChecked()
    assert "No model" in dock.reason.text()


def test_specks_are_dropped_by_the_visible_setting(volumes):
    volumes.add(phantom(), **MM)
    volumes.target("tumour")
    volumes.segment.advanced.smallest.setValue(int(SMALL.sum()) + 300)
    volumes.run()
    assert [volumes.row(i)["Lesion"] for i in range(volumes.measurements.model.rowCount())] == ["all", "1"]


def test_one_picture_is_a_volume_of_one_slice(volumes):
    volumes.add(phantom()[12], scale=(1.0, 1.0), units="mm")
    volumes.run()
    assert volumes.drawn().mask.layer.data.shape == SHAPE[1:]
    assert len(volumes.drawn().diameters.layer.data) == 2
    assert "single slice" in volumes.row(0)["Flags"]
    assert volumes.row(1)["Volume"].endswith(" voxels")


def test_a_volume_with_time_is_refused_with_a_sentence(volumes):
    volumes.add(np.stack([phantom()] * 2))
    volumes.run()
    assert "slices, rows and columns" in volumes.segment.error.sentence()
    assert volumes.session.rows() == []


def test_a_slice_alone_replaces_its_own_part_and_other_corrections_stay(volumes):
    volumes.add(phantom(), **MM)
    volumes.run()
    labels, found = volumes.drawn().mask.layer, volumes.result().segmentation.mask.copy()
    labels.data_setitem(np.nonzero(LARGE & (np.arange(SHAPE[0]) == 12)[:, None, None]), 0)
    labels.data_setitem((np.full(30, 3), np.arange(30, 60), np.full(30, 50)), 2)
    volumes.settle()
    wiped = labels.data.copy()
    volumes.viewer.dims.set_current_step(0, 12)
    volumes.run(whole=False)
    assert len(volumes.session.series) == 1
    wanted = wiped.copy()
    wanted[12] = found[12]
    np.testing.assert_array_equal(labels.data, wanted)
    np.testing.assert_array_equal(volumes.result().segmentation.mask, wanted)
    labels.undo()
    volumes.settle()
    np.testing.assert_array_equal(labels.data, wiped)
    np.testing.assert_array_equal(volumes.result().segmentation.mask, wiped)


def test_a_slice_alone_without_a_result_is_a_result(volumes):
    volumes.add(phantom(), **MM)
    volumes.viewer.dims.set_current_step(0, 12)
    volumes.run(whole=False)
    filled = np.flatnonzero(volumes.result().segmentation.mask.any(axis=(1, 2)))
    assert list(filled) == [12]
    assert "no: it is on one slice only" in volumes.result().measurement.parts[0].texts["measurable"]


def test_segmenting_the_whole_again_keeps_the_corrected_one(volumes):
    volumes.add(phantom(), **MM)
    volumes.run()
    first = volumes.session.series[0]
    volumes.drawn(first).mask.layer.data_setitem((np.array([5]), np.array([5]), np.array([5])), 1)
    volumes.settle()
    volumes.run()
    assert len(volumes.session.series) == 2
    assert volumes.drawn(first).mask.layer.data[5, 5, 5] == 1
    assert volumes.drawn().mask.layer.data[5, 5, 5] == 0
    assert not volumes.drawn(first).mask.layer.visible


def test_cancel_and_errors_leave_the_old_result(volumes, network):
    volumes.add(phantom(), **MM)
    volumes.run()
    before = volumes.result()
    network.gate.clear()
    calls = network.calls
    volumes.segment.press()
    volumes.qtbot.waitUntil(lambda: network.calls > calls, timeout=10_000)
    assert volumes.segment.button.text().startswith("Cancel")
    volumes.segment.press()
    volumes.settle(timeout=3000)
    network.gate.set()
    volumes.qtbot.wait(200)
    assert volumes.session.rows() == [(volumes.session.series[0], 0)]
    assert volumes.result() is before
    network.error = ModelError("The model's file is damaged; install it anew.")
    volumes.run()
    assert volumes.segment.error.sentence() == "The model's file is damaged; install it anew."
    assert volumes.result() is before


def test_no_tumour_is_a_row_to_check(volumes):
    volumes.add(np.where(phantom() > 0, 60, 0).astype(np.uint8), **MM)
    volumes.run()
    assert volumes.measurements.model.rowCount() == 1
    assert volumes.row(0)["Volume"] == "0.0 ml"
    assert "check" in volumes.row(0)["State"]
    assert "No tumour found" in volumes.segment.result.text()
    assert not volumes.segment.volume.montage.isEnabled()
