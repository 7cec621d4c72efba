"""Another scale for a volume: measured in the background, in step with strokes, diameters and the chosen slice."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from fetalseg import pipeline
from fetalseg.scan import Spacing
from tumours import LARGE, MM, SHAPE, phantom

TYPED = Spacing(2.0, 2.0, "typed in", 3.0)


def _voxels(window) -> int:
    return int((window.drawn().mask.layer.data > 0).sum())


@pytest.fixture
def measured_in(monkeypatch):
    """The threads in which volumes were measured at another spacing."""
    threads: list[threading.Thread] = []
    measure = pipeline.recalibrate

    def watched(result, spacing):
        threads.append(threading.current_thread())
        return measure(result, spacing)

    monkeypatch.setattr(pipeline, "recalibrate", watched)
    return threads


def test_a_typed_scale_is_measured_in_a_worker(volumes, measured_in):
    layer = volumes.add(phantom(), **MM)
    volumes.run()
    volumes.session.set_spacing(layer, TYPED)
    assert "2 mm/px" in volumes.segment.scale_line.text()
    volumes.settle()
    assert volumes.row(0)["Volume"] == f"{_voxels(volumes) * 12 / 1000:.1f} ml"
    assert float(volumes.row(1)["Longest"].split()[0]) == pytest.approx(2 * 28, abs=3)
    labels = volumes.drawn().diameters.layer.features["label"]
    assert labels[0].startswith(volumes.row(1)["Longest"].removesuffix(" mm"))
    assert labels[0].endswith(volumes.row(1)["Perpendicular"])
    assert labels[1] == "", "one label for both"
    assert measured_in
    assert threading.main_thread() not in measured_in


def test_the_last_of_several_scales_counts(volumes):
    layer = volumes.add(phantom(), **MM)
    volumes.run()
    for mm in (5.0, 4.0, 3.0):
        volumes.session.set_spacing(layer, Spacing(mm, mm, "typed in", 1.0))
    volumes.settle()
    assert volumes.result().spacing.row_mm == 3.0
    assert volumes.row(0)["Volume"] == f"{_voxels(volumes) * 9 / 1000:.1f} ml"


def test_a_stroke_and_a_scale_at_once_are_both_kept(volumes, measured_in):
    layer = volumes.add(phantom(), **MM)
    volumes.run()
    labels = volumes.drawn().mask.layer
    labels.data_setitem(np.nonzero(LARGE & (np.arange(SHAPE[0]) > 13)[:, None, None]), 0)
    volumes.session.set_spacing(layer, TYPED)
    labels.data_setitem((np.full(30, 3), np.arange(30, 60), np.full(30, 50)), 2)
    volumes.settle()
    result = volumes.result()
    np.testing.assert_array_equal(result.segmentation.mask, labels.data)
    assert result.spacing == TYPED
    assert result.measurement.values["volume_ml"] == pytest.approx(_voxels(volumes) * 12 / 1000)
    assert threading.main_thread() not in measured_in


def test_a_scale_given_during_a_run_reaches_its_result(volumes, network, measured_in):
    layer = volumes.add(phantom(), **MM)
    volumes.target("tumour")
    network.gate.clear()
    volumes.segment.press()
    volumes.qtbot.waitUntil(lambda: network.calls > 0, timeout=10_000)
    volumes.session.set_spacing(layer, TYPED)
    network.gate.set()
    volumes.settle()
    assert volumes.result().spacing == TYPED
    assert volumes.row(0)["Volume"] == f"{_voxels(volumes) * 12 / 1000:.1f} ml"
    assert threading.main_thread() not in measured_in


def test_back_to_the_model_is_measured_in_a_worker_at_the_present_scale(volumes, measured_in):
    layer = volumes.add(phantom(), **MM)
    volumes.run()
    found = volumes.result().segmentation.mask
    volumes.drawn().mask.layer.data_setitem(np.nonzero(LARGE), 0)
    volumes.session.set_spacing(layer, TYPED)
    volumes.settle()
    assert volumes.result().edited
    volumes.segment.result.go_back()
    volumes.settle()
    assert not volumes.result().edited
    np.testing.assert_array_equal(volumes.drawn().mask.layer.data, found)
    assert volumes.result().measurement.values["volume_ml"] == pytest.approx((found > 0).sum() * 12 / 1000)
    assert threading.main_thread() not in measured_in


def test_a_brain_on_a_chosen_slice_stays_there_when_painted_and_rescaled(volumes):
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    inside = ((z - 11) / 10) ** 2 + ((y - 60) / 50) ** 2 + ((x - 50) / 40) ** 2 <= 1
    texture = np.random.default_rng(3).normal(0, 6, SHAPE) + 20 * np.sin(y / 7) * np.cos(x / 6)
    layer = volumes.add(np.where(inside, np.clip(400 + texture * 3, 50, None), 0).astype(np.uint16), **MM)
    volumes.run(task="fetal-brain")
    before = volumes.result()
    assert before.measurement.slice == 11
    volumes.viewer.dims.set_current_step(0, 6)
    volumes.run(whole=False, task="fetal-brain")
    labels = volumes.drawn().mask.layer
    labels.data_setitem((np.full(9, 11), np.full(9, 60), np.arange(46, 55)), 0)
    volumes.settle()
    assert volumes.result().edited
    assert volumes.row(0)["On slice"] == "6"
    volumes.session.set_spacing(layer, TYPED)
    volumes.settle()
    assert volumes.row(0)["On slice"] == "6"
    labels.undo()
    volumes.settle()
    assert not volumes.result().edited
    assert volumes.row(0)["On slice"] == "6"
    assert volumes.drawn().ellipse.frames() == [6]
