"""napari in a process of its own, killed in the middle of a review, and the review gone on with in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fetalseg.dataset import adding
from fetalseg.dataset.adding import New
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.store import Store
from fetalseg.geometry import ellipse as ellipses
from fetalseg.review.review import Review
from fetalseg.scan import Scan, Spacing
from standins import SHAPE, TRUTH, disc

# A person accepts the first case after a stroke, paints on the second, and paints once more while the power goes.
_PERSON = """
import sys
import napari
import numpy as np
from qtpy.QtTest import QTest
from napari_fetalseg.layers.drawing import drawing_of

viewer = napari.Viewer()
dock, widget = viewer.window.add_plugin_dock_widget("napari-fetalseg", "Review")
widget.start(sys.argv[1], "Anna", "head")
desk = widget.desk

def until(done):
    while not done():
        QTest.qWait(10)

def paint(row):
    labels = drawing_of(viewer).layers_of(desk.shown.series).mask.layer
    labels.data_setitem((np.full(200, row), np.arange(200)), 1)

until(lambda: desk.shown is not None)
first = desk.item
paint(2)
desk.decide("accept")
until(lambda: desk.item not in (None, first))
print("accepted", first, flush=True)
paint(3)
until(lambda: desk.keeper.saved_at is not None and not desk.keeper.pending)
print("drawn", desk.item, flush=True)
paint(4)
print("drawing", flush=True)
QTest.qWait(60_000)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills in another way")
def test_killed_in_the_middle_of_a_stroke(tmp_path):
    store = Store.create(tmp_path / "set", "head")
    drawn = Annotation(ellipses.mask(TRUTH, SHAPE), TRUTH)
    scale = Spacing(0.5, 0.5, "typed in")
    scans = [(n, Scan.from_array(disc(TRUTH, SHAPE, 150.0 + i), n, scale)) for i, n in enumerate("abc")]
    adding.add(store, [New(scan, n, n, prediction=Prediction(drawn, "m", "0" * 64, 0.9)) for n, scan in scans])
    environment = os.environ | {"NAPARI_CONFIG": str(tmp_path / "settings.yaml"), "NAPARI_ASYNC": "0"}
    command = [sys.executable, "-c", _PERSON, str(store.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path.cwd()) as person:
        told = []
        for line in person.stdout:
            told.append(line.split())
            if told[-1] == ["drawing"]:
                break
        person.send_signal(signal.SIGKILL)
    (_, first), (_, second), _ = told
    review = Review.open(store.folder, "Anna")
    assert review.carry_out() == []
    entry = review.store.get(first)
    assert entry.state.truth
    assert review.store.annotation(entry).mask[2, :200].all()
    assert review.journal.standing.current == second
    case = review.load(second)
    assert case.entry.state.value == "to-do"
    assert case.result.segmentation.mask[3, :200].all(), "one stroke is lost at most"
    assert np.isin(case.result.segmentation.mask, (0, 1)).all()
    review.close()
