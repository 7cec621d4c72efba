"""Ultrasound DICOM in napari: opened with its scale and its source, and segmented in the region that holds the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from npe2 import PluginManager

from fetalseg.geometry import ellipse as ellipses
from fetalseg.scan import Spacing
from napari_fetalseg.reader import METADATA, get_reader
from standins import SHAPE, TRUTH, disc, loop
from ultrasounds import PATIENT, dicom, region, whole

NAME = "napari-fetalseg"
HC_PX = ellipses.circumference(TRUTH.semi_major, TRUTH.semi_minor)
ROWS, COLUMNS = SHAPE
LEFT, RIGHT = (0, ROWS - 1, 0, COLUMNS - 1), (0, ROWS - 1, COLUMNS, 2 * COLUMNS - 1)


@pytest.fixture(autouse=True)
def _plugin():
    PluginManager.instance().discover()


def millimetres(result):
    return [name for name, value in result.measurement.values.items() if "mm" in name and value is not None]


def test_a_still_opens_whole_and_is_measured_by_its_region(window, head, tmp_path):
    page = np.zeros((ROWS + 200, COLUMNS), np.uint8)
    page[:ROWS] = head
    page[ROWS + 10 :, 10:230] = 255  # brighter and larger than the head
    dicom(tmp_path / "head.dcm", page, (region(LEFT, 0.03, 0.04),), "RGB", LastMenstrualDate="20240101")
    (layer,) = window.viewer.open(tmp_path / "head.dcm", plugin=NAME)
    np.testing.assert_array_equal(layer.data, page)
    assert (layer.name, layer.rgb) == ("head.dcm", False)
    np.testing.assert_allclose(layer.scale, (0.4, 0.3))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 2
    told = layer.metadata[METADATA]
    assert told["spacing_source"] == "head.dcm (DICOM ultrasound region)"
    assert (told["study_date"], told["lmp"]) == ("2024-05-20", "2024-01-01")
    assert not any(value in repr(told) for value in PATIENT.values())
    window.run()
    result = window.result()
    true = ellipses.scaled(TRUTH, 0.3, 0.4)
    expected = ellipses.circumference(true.semi_major, true.semi_minor)
    assert result.measurement.values["hc_mm"] == pytest.approx(expected, rel=0.005)
    assert result.spacing == window.session.spacing(layer)
    assert result.spacing.source == "head.dcm (DICOM ultrasound region)"
    assert not result.segmentation.mask[ROWS:].any()
    assert window.drawn().mask.layer.data.shape == page.shape


def test_a_loop_has_frames(window, tmp_path):
    frames = loop(3)
    dicom(tmp_path / "cine.dcm", frames, (whole(frames, 0.04),), "JPEG")
    (layer,) = window.viewer.open(tmp_path / "cine.dcm", plugin=NAME)
    np.testing.assert_allclose(layer.scale, (1, 0.4, 0.4))
    assert [str(unit) for unit in layer.units] == ["pixel", "millimeter", "millimeter"]
    assert layer.axis_labels == ("frame", "y", "x")
    window.run(every=True)
    for frame in range(3):
        assert window.result(frame).spacing.row_mm == pytest.approx(0.4)
        assert window.result(frame).measurement.ellipse.center_x == pytest.approx(110 + 3 * frame, abs=1)


def test_a_head_across_two_regions_gets_no_millimetres_by_any_way(window, tmp_path):
    across = disc(replace(TRUTH, center_x=float(COLUMNS)), (ROWS, 2 * COLUMNS))
    dicom(tmp_path / "two.dcm", across, (region(LEFT, 0.03), region(RIGHT, 0.03)))
    (layer,) = window.viewer.open(tmp_path / "two.dcm", plugin=NAME)
    np.testing.assert_allclose(layer.scale, (0.3, 0.3))
    window.run()
    assert not millimetres(window.result())
    assert "crosses_regions" in {flag.code for flag in window.result().measurement.flags}
    assert "crosses two regions" in window.segment.result.text()
    window.session.set_spacing(layer, Spacing(0.2, 0.2, "typed in"))
    assert not millimetres(window.result())
    series = window.session.series[0]
    window.session.edit_ellipse(series, 0, replace(TRUTH, center_x=float(COLUMNS) + 3))
    window.settle()
    assert not millimetres(window.result())
    window.session.edit_ellipse(series, 0, TRUTH)  # drawn into one of them
    window.settle()
    assert window.result().measurement.values["hc_mm"] == pytest.approx(0.2 * HC_PX, rel=1e-6)
    window.session.revert(series, 0)
    assert not millimetres(window.result())


def test_of_two_scales_each_head_has_its_own(window, head, tmp_path):
    page = np.hstack([np.zeros_like(head), head])
    dicom(tmp_path / "two.dcm", page, (region(LEFT, 0.03), region(RIGHT, 0.05)))
    (layer,) = window.viewer.open(tmp_path / "two.dcm", plugin=NAME)
    assert [str(unit) for unit in layer.units] == ["pixel"] * 2  # no single scale is that of the picture
    window.run()
    assert window.result().measurement.values["hc_mm"] == pytest.approx(0.5 * HC_PX, rel=0.005)
    moved = replace(TRUTH, center_x=TRUTH.center_x + COLUMNS, center_y=91.0)
    window.session.edit_ellipse(window.session.series[0], 0, moved)
    window.settle()
    assert window.result().measurement.values["hc_mm"] == pytest.approx(0.5 * HC_PX, rel=1e-6)


def test_several_files_and_folders(head, tmp_path):
    for name in ("a/IM1", "a/IM2", "b/IM3.dcm"):
        dicom(tmp_path / name, head, (whole(head),))
    picked = [str(tmp_path / name) for name in ("a/IM1", "a/IM2")]
    assert [looks["name"] for _, looks, _ in get_reader(picked)(picked)] == ["IM1", "IM2"]
    layers = get_reader(str(tmp_path))(str(tmp_path))
    assert [looks["name"] for _, looks, _ in layers] == ["IM1", "IM2", "IM3.dcm"]
    assert all(data.shape == SHAPE for data, _, _ in layers)
