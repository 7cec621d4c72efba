"""The whole way with the bundled network on a phantom of known size, in a real window."""

from __future__ import annotations

import html
import json

import pytest

from fetalseg import samples
from fetalseg.models import catalogue
from napari_fetalseg.actions import PLUGIN, open_docks
from napari_fetalseg.model_choice import ModelChoice


def test_a_sample_is_measured_within_3_percent(make_napari_viewer, qtbot):
    file = samples.names()[0]
    viewer = make_napari_viewer(show=True)
    viewer.open_sample(PLUGIN, file.split(".")[0])
    segment, table = open_docks(viewer)
    segment.press()
    qtbot.waitUntil(lambda: not segment.session.running, timeout=60_000)
    assert segment.error.sentence() == ""
    (true,) = {row.hc_mm for row in samples.truth() if row.filename == file}
    result = segment.session.selected_result()
    assert result.measurement.values["hc_mm"] == pytest.approx(true, rel=0.03)
    assert result.provenance.model == "unet"
    assert "unet" in segment.status.text()
    assert table.model.rowCount() == 1


def test_a_default_that_went_is_named_where_the_bundled_one_stands_in(qtbot):
    catalogue.user_folder().mkdir(parents=True, exist_ok=True)
    (catalogue.user_folder() / catalogue.DEFAULTS_FILE).write_text(json.dumps({"head": "ours"}))
    choice = ModelChoice()
    qtbot.addWidget(choice)
    said = "The default that was chosen for 'head', 'ours', is damaged or missing; the bundled 'unet' is used"
    choice.show_task("head")
    assert said in html.unescape(choice.line.text())
    choice.show_task("head", "segnet")
    assert "ours" not in choice.line.text()
    choice.show_task("tumour")
    assert "ours" not in choice.line.text()
