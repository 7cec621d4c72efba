"""The sample volume through the plugin's own reader and the bundled model: true millilitres, in millimetres."""

from __future__ import annotations

import numpy as np
import pytest

from fetalseg import samples
from fetalseg.models import catalogue
from napari_fetalseg import card_text
from napari_fetalseg.actions import open_docks
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.sample_layers import flair_phantom

needs_model = pytest.mark.skipif(not catalogue.models("tumour"), reason="no tumour model is bundled")


@needs_model
def test_the_sample_is_measured_within_five_percent(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    segment, measurements = open_docks(viewer)
    ((pixels, looks, kind),) = flair_phantom()
    assert kind == "image"
    viewer.add_image(pixels, **looks)
    segment._target_buttons[1].click()
    segment.press()
    qtbot.waitUntil(lambda: not segment.session.running, timeout=120_000)
    assert segment.error.sentence() == ""
    (series,) = segment.session.series
    found, truth = series.results[0].measurement, samples.flair_truth()
    assert found.values["volume_ml"] == pytest.approx(truth["volume_ml"], rel=0.05)
    assert len(found.parts) == len(truth["lesions"]) == 2
    assert measurements.model.rowCount() == 3
    labels = drawing_of(viewer).layers_of(series).mask.layer
    voxel_ml = float(np.prod(labels.scale)) / 1000
    assert (labels.data > 0).sum() * voxel_ml == pytest.approx(found.values["volume_ml"])
    assert "NIfTI header" in segment.scale_source.text()


@needs_model
def test_the_tumours_card_tells_figures_interval_and_licence():
    card = catalogue.models("tumour")[0].card
    figures = card_text.figures(card)
    assert figures[0].startswith("Dice ")
    assert "non-commercial" in figures
    assert "interval of the volume" in card_text.text(card)
    assert "interval of HC" not in card_text.text(card)
