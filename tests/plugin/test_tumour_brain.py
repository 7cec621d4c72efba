"""The fetal brain from the same dock: no model, an ellipse on one slice, the slice of a person's choice."""

from __future__ import annotations

import numpy as np
import pytest

from fetalseg.result import State

SHAPE = (30, 110, 100)
MM = {"scale": (2.0, 1.0, 1.0), "units": "mm"}


@pytest.fixture
def brain() -> np.ndarray:
    """A skull-stripped ellipsoid with texture, on a background of 0."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    inside = ((z - 14) / 12) ** 2 + ((y - 55) / 44) ** 2 + ((x - 50) / 34) ** 2 <= 1
    texture = np.random.default_rng(3).normal(0, 6, SHAPE) + 20 * np.sin(y / 7) * np.cos(x / 6)
    return np.where(inside, np.clip(400 + texture * 3, 50, None), 0).astype(np.uint16)


def test_a_brain_gets_mask_ellipse_and_one_row(volumes, brain):
    volumes.add(brain, **MM)
    volumes.run(task="fetal-brain")
    assert volumes.segment.error.sentence() == ""
    result, drawn = volumes.result(), volumes.drawn()
    assert result.measurement.state is not State.REFUSE
    row = volumes.row(0)
    assert volumes.measurements.model.rowCount() == 1
    assert float(row["Volume"].split()[0]) == pytest.approx((brain > 0).sum() * 2 / 1000, rel=0.06)
    assert float(row["OFD"].split()[0]) == pytest.approx(88, rel=0.05)
    assert float(row["BPD"].split()[0]) == pytest.approx(68, rel=0.05)
    assert row["On slice"] == "14"
    assert "Longest" not in row
    assert drawn.ellipse.frames() == [14]
    np.testing.assert_array_equal(drawn.mask.layer.data, result.segmentation.mask)
    assert f"HC {row['HC']}" in volumes.segment.result.text()


def test_this_slice_measures_there_and_keeps_the_persons_mask(volumes, brain):
    volumes.add(brain, **MM)
    volumes.run(task="fetal-brain")
    drawn = volumes.drawn()
    drawn.mask.layer.data_setitem((np.full(4, 2), np.arange(4), np.arange(4)), 1)
    volumes.settle()
    mask = drawn.mask.layer.data.copy()
    volumes.viewer.dims.set_current_step(0, 20)
    volumes.run(whole=False, task="fetal-brain")
    assert len(volumes.session.series) == 1
    assert volumes.row(0)["On slice"] == "20"
    assert drawn.ellipse.frames() == [20]
    np.testing.assert_array_equal(drawn.mask.layer.data, mask)
    assert volumes.row(0)["Edited"] == "mask edited"


def test_dragging_the_ellipse_keeps_volume_and_slice(volumes, brain):
    volumes.add(brain, **MM)
    volumes.run(task="fetal-brain")
    before = volumes.result().measurement
    shapes = volumes.drawn().ellipse.layer
    with shapes.events.data.blocker():
        shapes.data = [shapes.data[0] + [0, 3, -4]]
    shapes.events.data(value=shapes.data, action="changed", data_indices=(0,), vertex_indices=((),))
    volumes.settle()
    after = volumes.result().measurement
    assert after.ellipse.center_x == pytest.approx(before.ellipse.center_x - 4, abs=0.05)
    assert after.values["volume_ml"] == before.values["volume_ml"]
    assert after.slice == before.slice
    assert not volumes.segment.result.to_mask.isVisibleTo(volumes.segment), "an ellipse is no volume"


def test_erasing_a_brain_can_be_undone(volumes, brain):
    volumes.add(brain, **MM)
    volumes.run(task="fetal-brain")
    drawn, before = volumes.drawn(), volumes.result()
    labels = drawn.mask.layer
    labels.data_setitem(np.nonzero(labels.data), 0)
    volumes.settle()
    assert drawn.ellipse.frames() == []
    assert "No brain found" in volumes.segment.result.text()
    labels.undo()
    volumes.settle()
    assert volumes.result() is before
    assert drawn.ellipse.frames() == [14]


def test_a_head_that_is_not_stripped_is_refused_with_its_reason(volumes, brain):
    rng = np.random.default_rng(5)
    noisy = brain + rng.integers(20, 200, SHAPE).astype(np.uint16)
    volumes.add(noisy, **MM)
    volumes.run(task="fetal-brain")
    assert "refuse" in volumes.row(0)["State"]
    assert volumes.row(0)["Volume"] == "—"


def test_what_it_was_tried_on_is_read_in_the_dock(shown_volumes):
    line = shown_volumes.segment.model.line
    shown_volumes.target("fetal-brain")
    shown_volumes.qtbot.wait(200)
    assert "Tried on six" in line.text()
    assert line.width() > shown_volumes.segment.width() / 2
    assert line.height() >= line.heightForWidth(line.width())
