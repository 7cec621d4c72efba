"""Pressing Segment: results, progress, cancel, errors, what can't be segmented."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from fetalseg.errors import ModelError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import State
from standins import SHAPE, TRUTH, loop

HC_PX = ellipses.circumference(TRUTH.semi_major, TRUTH.semi_minor)


def test_a_still_gets_mask_ellipse_callipers_and_a_row(window, head):
    window.add(head, scale=(0.5, 0.5), units="mm")
    window.run()
    result = window.result()
    assert result.measurement.values["hc_mm"] == pytest.approx(HC_PX / 2, rel=0.01)
    drawn = window.drawn()
    assert drawn.mask.layer.data.dtype == np.uint8
    np.testing.assert_array_equal(drawn.mask.layer.data, result.segmentation.mask)
    np.testing.assert_allclose(drawn.mask.layer.scale, (0.5, 0.5))
    assert [str(u) for u in drawn.ellipse.layer.units] == ["millimeter", "millimeter"]
    assert len(drawn.ellipse.layer.data) == 1
    assert len(drawn.callipers.layer.data) == 2
    assert not drawn.callipers.layer.editable
    np.testing.assert_allclose(drawn.ellipse.layer.data[0].mean(axis=0), (TRUTH.center_y, TRUTH.center_x), atol=0.5)
    assert window.cell(0, "File") == "scan"
    hc = result.measurement.values["hc_mm"]
    shown = f"{hc:.1f} ± {2 + 2 * (hc - 50) / 300:.1f} mm"  # the card's interval at this size
    assert window.cell(0, "HC") == shown
    assert f"HC {shown}" in window.segment.result.text()
    assert [layer.name for layer in window.viewer.layers] == [
        "scan",
        "scan · mask",
        "scan · callipers",
        "scan · ellipse",
    ]


def test_every_frame_of_a_loop_lands_on_its_own_frame(window):
    window.add(loop(6), scale=(1, 0.4, 0.4), units=("pixel", "mm", "mm"))
    window.viewer.dims.set_current_step(0, 2)
    window.run(every=True)
    series = window.session.series[0]
    assert sorted(series.results) == list(range(6))
    drawn = window.drawn()
    boxes = dict(zip(drawn.ellipse.frames(), drawn.ellipse.layer.data, strict=True))
    for frame in range(6):
        np.testing.assert_allclose(boxes[frame].mean(axis=0), (frame, 90, 110 + 3 * frame), atol=0.5)
        np.testing.assert_array_equal(drawn.mask.layer.data[frame], series.results[frame].segmentation.mask)
    assert len(drawn.callipers.layer.data) == 12
    assert window.measurements.model.rowCount() == 6
    assert window.session.selection == (series, 2), "the frame on the screen is the selected one"


def test_one_frame_after_another_fills_the_same_layers(window):
    window.add(loop(4))
    window.viewer.dims.set_current_step(0, 0)
    window.run()
    window.viewer.dims.set_current_step(0, 3)
    window.run()
    assert len(window.session.series) == 1
    assert sorted(window.session.series[0].results) == [0, 3]
    assert not window.drawn().mask.layer.data[1:3].any()


def test_segmenting_again_keeps_the_edit(window, head):
    window.add(head)
    window.run()
    first = window.session.series[0]
    window.drawn(first).mask.layer.data_setitem((np.array([5]), np.array([5])), 1)
    window.settle()
    assert window.result(series=first).origin == "mask"
    window.run()
    assert len(window.session.series) == 2
    assert window.result(series=first).origin == "mask"
    assert window.drawn(first).mask.layer.data[5, 5] == 1
    assert window.drawn().mask.layer.data[5, 5] == 0
    assert window.drawn().mask.layer.name == "scan · mask [2]"
    assert [window.cell(r, "File") for r in range(2)] == ["scan", "scan [2]"]
    assert not window.drawn(first).mask.layer.visible, "one mask at a time"
    window.session.select(first, 0, "row")
    assert window.drawn(first).mask.layer.visible
    assert not window.drawn(window.session.series[1]).mask.layer.visible


def test_cancel_keeps_what_is_finished(window, predictor):
    window.add(loop(6))
    predictor.pause_s = 0.2
    window.segment.all_frames.setChecked(True)
    window.segment.press()
    assert window.segment.button.text().startswith("Cancel")
    window.qtbot.waitUntil(lambda: len(window.session.rows()) >= 1, timeout=10_000)
    window.segment.press()
    window.settle()
    done = len(window.session.rows())
    assert 1 <= done < 6
    assert not window.session.running
    assert window.segment.button.text().startswith("Segment")
    assert "kept" in window.segment.reason.text()
    calls = predictor.calls
    window.qtbot.wait(500)
    assert predictor.calls == calls, "nothing runs on in the background"


def test_cancel_answers_although_a_frame_takes_long(window, predictor, head):
    window.add(head)
    predictor.gate.clear()
    window.segment.press()
    window.qtbot.waitUntil(lambda: predictor.calls == 1, timeout=10_000)
    window.segment.press()
    window.settle(timeout=3000)
    assert window.session.rows() == []
    predictor.gate.set()
    window.qtbot.wait(200)
    assert window.session.rows() == [], "a late answer is dropped"
    window.run()
    assert len(window.session.rows()) == 1


def test_closing_the_image_stops_the_run(window, predictor):
    layer = window.add(loop(6))
    predictor.pause_s = 0.2
    window.segment.all_frames.setChecked(True)
    window.segment.press()
    window.qtbot.waitUntil(lambda: len(window.session.rows()) >= 1, timeout=10_000)
    window.viewer.layers.remove(layer)
    window.settle()
    assert 1 <= len(window.session.rows()) < 6
    assert window.segment.layer is None
    assert not window.segment.button.isEnabled()
    assert "Open an image" in window.segment.reason.text()


def test_closing_the_mask_layer_while_running_loses_no_numbers(window, predictor):
    window.add(loop(4))
    predictor.pause_s = 0.1
    window.segment.all_frames.setChecked(True)
    window.segment.press()
    window.qtbot.waitUntil(lambda: len(window.session.rows()) >= 1, timeout=10_000)
    window.viewer.layers.remove(window.drawn().mask.layer)
    window.settle()
    assert len(window.session.rows()) == 4
    window.pick(3)
    assert window.drawn().mask.layer in window.viewer.layers, "a click on the row draws it again"
    np.testing.assert_array_equal(window.drawn().mask.layer.data[3], window.result(3).segmentation.mask)


def test_closing_the_dock_while_running_is_clean(window, predictor):
    window.add(loop(6))
    predictor.pause_s = 0.1
    window.segment.all_frames.setChecked(True)
    window.segment.press()
    window.qtbot.waitUntil(lambda: len(window.session.rows()) >= 1, timeout=10_000)
    window.viewer.window.remove_dock_widget(window.segment)
    window.settle()
    assert not window.segment.open
    assert 1 <= len(window.session.rows()) < 6
    window.viewer.layers[0].name = "renamed"
    window.viewer.add_image(np.zeros((8, 8)))


def test_closing_the_viewer_while_running_is_clean(make_napari_viewer, qtbot, predictor):
    from napari_fetalseg.actions import open_docks

    viewer = make_napari_viewer()
    segment, _ = open_docks(viewer)
    viewer.add_image(loop(6), rgb=False)
    predictor.pause_s = 0.1
    segment.all_frames.setChecked(True)
    segment.press()
    qtbot.waitUntil(lambda: predictor.calls >= 1, timeout=10_000)
    viewer.close()
    qtbot.wait(400)


def test_an_error_is_shown_and_the_old_result_stays(window, predictor, head):
    window.add(head)
    window.run()
    predictor.error = ModelError("The model's file is damaged; install it anew.")
    window.run()
    assert window.segment.error.sentence() == "The model's file is damaged; install it anew."
    assert not window.segment.error.isHidden()
    assert len(window.session.rows()) == 1
    assert window.segment.button.isEnabled()
    predictor.error = None
    window.run()
    assert window.segment.error.isHidden()
    assert len(window.session.rows()) == 2


def test_an_unforeseen_runtime_error_does_not_leave_the_dock_busy(window, predictor, head, caplog):
    window.add(head)
    predictor.error = RuntimeError("shapes do not match")
    window.run()
    assert "RuntimeError: shapes do not match" in window.segment.error.sentence()
    assert "Traceback" in window.segment.error._text
    assert any("Unexpected error" in record.message for record in caplog.records)
    assert not window.session.running


def test_nothing_found_is_a_row_that_says_so(window):
    window.add(np.zeros(SHAPE, np.uint8))
    window.run()
    assert window.result().measurement.state is State.REFUSE
    assert window.cell(0, "HC") == "—"
    assert "No head found" in window.segment.result.text()
    assert not window.segment.result.to_mask.isEnabled()


@pytest.mark.parametrize("kind", ["rgb", "rgba", "uint16", "float_nan", "bool", "dask", "multiscale"])
def test_kinds_of_layers(window, head, kind):
    pixels, looks = head, {}
    if kind == "rgb":
        pixels, looks = np.stack([head] * 3, axis=-1), {"rgb": True}
    elif kind == "rgba":
        pixels, looks = np.stack([head] * 3 + [np.full_like(head, 255)], axis=-1), {"rgb": True}
    elif kind == "uint16":
        pixels = head.astype(np.uint16) * 200
    elif kind == "float_nan":
        pixels = head.astype(np.float32)
        pixels[0, 0] = np.nan
    elif kind == "bool":
        pixels = head > 100
    elif kind == "dask":
        pixels = da.from_array(head, chunks=(60, 80))
    elif kind == "multiscale":
        pixels, looks = [head, head[::2, ::2]], {"multiscale": True}
    window.add(pixels, **looks)
    window.run()
    assert window.segment.error.sentence() == ""
    assert window.result().measurement.values["hc_px"] == pytest.approx(HC_PX, rel=0.02)
    codes = {flag.code for flag in window.result().measurement.flags}
    assert ("not_finite" in codes) == (kind == "float_nan")
    assert window.drawn().mask.layer.data.shape == SHAPE


def test_volumes_of_more_axes_are_frames(window, head):
    window.add(np.stack([np.stack([head, head * 0]), np.stack([head * 0, head])]))
    window.viewer.dims.set_current_step((0, 1), (1, 1))
    window.run()
    assert list(window.session.series[0].results) == [3]
    assert window.drawn().mask.layer.data[1, 1].any()
    assert not window.drawn().mask.layer.data[0].any()


def test_views_that_show_no_plain_frame_are_refused_with_a_reason(window):
    window.add(loop(4))
    window.viewer.dims.ndisplay = 3
    assert not window.segment.button.isEnabled()
    assert "2-D view" in window.segment.reason.text()
    window.viewer.dims.ndisplay = 2
    assert window.segment.button.isEnabled()
    window.viewer.dims.order = (1, 0, 2)
    assert "transposed" in window.segment.button.toolTip()
    window.viewer.dims.order = (0, 1, 2)
    window.run()
    assert len(window.session.rows()) == 1


def test_the_right_frame_beside_a_finer_layer(window):
    window.add(loop(4), scale=(4, 1, 1))
    window.viewer.add_image(np.zeros((31, *SHAPE), np.uint8), scale=(0.5, 1, 1), rgb=False, name="finer")
    window.segment.image.setCurrentIndex(0)
    window.viewer.dims.set_point(0, 8.0)
    window.run()
    assert list(window.session.series[0].results) == [2]


def test_the_combo_follows_the_layers(window, head):
    one = window.add(head, name="one")
    window.add(head, name="two")
    assert [window.segment.image.itemText(i) for i in range(2)] == ["one", "two"]
    one.name = "renamed"
    assert window.segment.image.itemText(0) == "renamed"
    window.viewer.layers.selection.active = one
    assert window.segment.layer is one
    window.viewer.layers.remove(one)
    assert [window.segment.image.itemText(i) for i in range(window.segment.image.count())] == ["two"]


def test_layers_follow_an_image_that_is_moved(window, head):
    layer = window.add(head, scale=(0.5, 0.5), units="mm")
    window.run()
    layer.translate = (10, 20)
    layer.scale = (0.25, 0.25)
    drawn = window.drawn()
    np.testing.assert_allclose(drawn.mask.layer.translate, (10, 20))
    np.testing.assert_allclose(drawn.ellipse.layer.scale, (0.25, 0.25))
    assert window.result().measurement.values["hc_mm"] == pytest.approx(HC_PX / 4, rel=0.01)


def test_the_card_can_be_read(window):
    from napari_fetalseg import card_text

    assert card_text.figures(window.segment.card) == ["Dice 97.9 %", "mean error 1.8 mm"]
    assert "Bright discs only." in card_text.text(window.segment.card)
