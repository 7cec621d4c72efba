"""Where millimetres come from; without them, pixels."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from mouse import drag
from skimage.io import imsave

from fetalseg.geometry import ellipse as ellipses
from fetalseg.scan import Spacing
from napari_fetalseg import spacing as spacings
from napari_fetalseg.scale_panel import LINE, WAYS
from standins import SHAPE, TRUTH, loop

HC_PX = ellipses.circumference(TRUTH.semi_major, TRUTH.semi_minor)


def _choose(window, way: str) -> None:
    window.segment.change.setChecked(True)
    window.segment.scale.way.setCurrentIndex(WAYS.index(way))


def test_without_a_scale_all_is_in_pixels_and_the_dock_says_how_to_calibrate(window, head):
    window.add(head)
    assert "pixels only" in window.segment.scale_line.text()
    assert "Change…" in window.segment.scale_source.text()
    window.run()
    values = window.result().measurement.values
    assert values["hc_mm"] is None
    assert window.cell(0, "HC").endswith(" px")
    assert window.cell(0, "Scale") == "pixels only"
    assert "No scale is known" in window.segment.result.text()
    assert window.segment.result.text().startswith("HC 3")


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("um", 1e-3), ("cm", 10.0), ("m", 1e3)])
def test_the_layers_scale_and_units(window, head, unit, factor):
    window.add(head, scale=(0.3, 0.2), units=unit)
    spacing = window.session.spacing(window.segment.layer)
    assert spacing.row_column == pytest.approx((0.3 * factor, 0.2 * factor))
    assert "layer" in spacing.source


def test_units_set_later_change_the_results(window, head):
    layer = window.add(head, scale=(0.5, 0.5))
    window.run()
    assert window.result().measurement.values["hc_mm"] is None
    layer.units = ("mm", "mm")
    assert window.result().measurement.values["hc_mm"] == pytest.approx(HC_PX / 2, rel=0.01)
    assert "BPD" in window.drawn().callipers.layer.features["label"][1]
    assert all(label.endswith(" mm") for label in window.drawn().callipers.layer.features["label"])


def test_typed_in_and_different_in_x_and_y(window, head):
    window.add(head)
    window.run()
    _choose(window, "type mm per pixel")
    window.segment.scale.x.setValue(0.2)
    assert window.segment.scale.y.value() == pytest.approx(0.2), "y follows while they are equal"
    window.segment.scale.y.setValue(0.3)
    window.segment.scale.use.click()
    true = ellipses.scaled(TRUTH, 0.2, 0.3)
    hc = window.result().measurement.values["hc_mm"]
    assert hc == pytest.approx(ellipses.circumference(true.semi_major, true.semi_minor), rel=0.01)
    assert window.result().spacing == Spacing(0.3, 0.2, "typed in")
    assert "0.2 × 0.3 mm/px" in window.segment.scale_line.text()
    assert window.cell(0, "HC").endswith(" mm")
    assert not window.result().edited
    _choose(window, "pixels only")
    window.segment.scale.use.click()
    assert window.result().measurement.values["hc_mm"] is None


def test_nothing_typed_is_one_sentence(window, head):
    window.add(head)
    _choose(window, "type mm per pixel")
    window.segment.scale.use.click()
    assert "numbers above 0" in window.segment.error.sentence()


def test_a_line_of_known_length_drawn_with_the_mouse(shown, head):
    shown.add(head)
    shown.qtbot.wait(200)
    shown.run()
    _choose(shown, "draw a line of known length")
    line = shown.viewer.layers[LINE]
    assert line.mode == "add_line"
    drag(shown.viewer, shown.qtbot, (20, 30), (20, 130))
    assert len(line.data) == 1
    drawn = float(np.hypot(*(line.data[0][1] - line.data[0][0])))
    assert drawn == pytest.approx(100, abs=1.5)
    assert "px long" in shown.segment.scale.line_hint.text()
    shown.segment.scale.length.setValue(40)
    shown.segment.scale.use.click()
    assert shown.result().spacing.row_column == pytest.approx((40 / drawn, 40 / drawn))
    assert shown.result().spacing.source == "a line of 40 mm"
    assert LINE not in shown.viewer.layers
    assert shown.result().measurement.values["hc_mm"] == pytest.approx(HC_PX * 40 / drawn, rel=0.01)


def test_no_line_is_one_sentence_and_closing_takes_the_line_away(window, head):
    window.add(head)
    _choose(window, "draw a line of known length")
    window.segment.scale.use.click()
    assert "Draw the line" in window.segment.error.sentence()
    window.segment.change.setChecked(False)
    assert LINE not in window.viewer.layers


def test_a_line_keeps_the_proportion_of_the_layers_scale(window, head):
    layer = window.add(head, scale=(2, 1))
    spacing = spacings.from_line(layer, [(0, 0), (30, 80)], 50)
    assert spacing.row_column == pytest.approx((1.0, 0.5))


def test_a_csv_beside_the_picture(window, head, tmp_path):
    imsave(tmp_path / "scan_1.png", head, check_contrast=False)
    (tmp_path / "pixel_sizes.csv").write_text("filename,pixel size(mm)\nscan_1.png,0.25\n")
    window.viewer.open(tmp_path / "scan_1.png", plugin="napari")
    assert "0.25 mm/px" in window.segment.scale_line.text()
    window.run()
    assert window.result().measurement.values["hc_mm"] == pytest.approx(HC_PX / 4, rel=0.01)
    assert window.result().spacing.source == "pixel_sizes.csv"
    assert len(window.result().scan_sha256) == 64
    assert window.result().scan_name == "scan_1.png"


def test_a_tiffs_own_unit_which_naparis_reader_drops(window, head, tmp_path):
    path = tmp_path / "scan_0.tif"
    tifffile.imwrite(path, head, imagej=True, resolution=(1 / 0.2, 1 / 0.2), metadata={"unit": "mm", "axes": "YX"})
    window.viewer.open(path, plugin="napari")
    window.run()
    assert window.result().measurement.values["hc_mm"] == pytest.approx(HC_PX / 5, rel=0.01)
    assert "scan_0.tif" in window.result().spacing.source


def test_a_csv_that_is_chosen(window, head, tmp_path):
    window.add(head, name="scan_2.png")
    csv = tmp_path / "sizes.csv"
    csv.write_text("filename,spacing_x_mm,spacing_y_mm\nscan_2.png,0.1,0.2\n")
    window.segment.scale.use_csv(str(csv))
    assert window.session.spacing(window.segment.layer) == Spacing(0.2, 0.1, "sizes.csv")
    csv.write_text("filename,spacing_x_mm,spacing_y_mm\nother.png,0.1,0.2\n")
    window.segment.scale.use_csv(str(csv))
    assert "does not list" in window.segment.error.sentence()


def test_a_broken_csv_beside_the_picture_is_told_and_gives_pixels(window, head, tmp_path):
    imsave(tmp_path / "scan_3.png", head, check_contrast=False)
    (tmp_path / "pixel_sizes.csv").write_text("filename,pixel size(mm)\nscan_3.png,wide\n")
    window.viewer.open(tmp_path / "scan_3.png", plugin="napari")
    assert "wide" in window.segment.scale_source.text()
    window.run()
    assert window.result().measurement.values["hc_mm"] is None


def test_a_scale_given_while_a_stack_runs_reaches_all_its_frames(window, predictor):
    layer = window.add(loop(4))
    predictor.pause_s = 0.1
    window.segment.all_frames.setChecked(True)
    window.segment.press()
    window.qtbot.waitUntil(lambda: len(window.session.rows()) >= 1, timeout=10_000)
    window.session.set_spacing(layer, Spacing(0.5, 0.5, "typed in"))
    window.settle()
    assert {r.spacing.row_mm for r in window.session.series[0].results.values()} == {0.5}


def test_an_edit_keeps_its_scale_when_it_goes_back_to_the_model(window, head):
    layer = window.add(head)
    window.run()
    window.drawn().mask.layer.data_setitem((np.array([5]), np.array([5])), 1)
    window.settle()
    window.session.set_spacing(layer, Spacing(0.5, 0.5, "typed in"))
    assert window.result().origin == "mask"
    window.session.revert(window.session.series[0], 0)
    assert window.result().measurement.values["hc_mm"] == pytest.approx(HC_PX / 2, rel=0.01)
    assert not window.result().edited
    assert window.result().segmentation.mask.shape == SHAPE
