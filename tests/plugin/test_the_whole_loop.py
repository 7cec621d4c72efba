"""Segment, correct, reject, accept, train, and segment again with the new model: the whole loop in one window."""

from __future__ import annotations

import gc
import threading

import numpy as np
import psutil
import pytest
from mouse import key
from PIL import Image
from qtpy.QtCore import QEvent, Qt, QThreadPool
from train_windows import PATIENCE, install_tiny, open_train, plain, until

from fetalseg import samples
from fetalseg.dataset.store import Store
from fetalseg.models import catalogue
from napari_fetalseg import processes
from napari_fetalseg.actions import PLUGIN, open_docks
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.review import filling
from napari_fetalseg.train.progress import Phase

SHIFT = Qt.KeyboardModifier.ShiftModifier
MM = 0.2
SCANS = 6
SAMPLE = "second_trimester.png"


@pytest.fixture
def nothing_left(qtbot, qapp, monkeypatch, tmp_path):
    """No widget of a dock, thread, process or temporary file outlives the loop."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    mine = psutil.Process()
    processes_before = set(mine.children(recursive=True))
    threads = {t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)}
    yield
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=10_000)
    gc.collect()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    docks = ("napari_fetalseg.review", "napari_fetalseg.train")
    assert [w for w in qapp.allWidgets() if type(w).__module__.startswith(docks)] == []
    assert {t for t in threading.enumerate() if not t.daemon and not isinstance(t, threading._DummyThread)} <= threads
    left = {p for p in mine.children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE}
    assert left <= processes_before
    assert [p for p in (tmp_path / "temporary").iterdir() if not p.name.startswith("torchinductor")] == []
    assert list(tmp_path.rglob(".fetalseg-*.part")) == []


@pytest.fixture
def scans(tmp_path):
    """Six exams: a phantom head as it is and mirrored, bright and dark."""
    with Image.open(samples.folder() / SAMPLE) as picture:
        head = np.asarray(picture.convert("L"))
    folder = tmp_path / "scans"
    folder.mkdir()
    made = [head, head[:, ::-1], head[::-1], head[::-1, ::-1], head // 2 + head // 4, head[:, ::-1] // 2]
    for number, pixels in enumerate(made[:SCANS], start=1):
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number:03}_HC.png")
    rows = [f"{number:03}_HC.png,{MM},0" for number in range(1, SCANS + 1)]
    header = "filename,pixel size(mm),head circumference (mm)"
    (folder / "training_set_pixel_size_and_HC.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def settled(qtbot, viewer, *busy) -> None:
    """Wait until nothing runs and everything is drawn."""
    drawer = drawing_of(viewer)
    session = drawer.session

    def still() -> bool:
        edits = not session.edits.busy and not session.running
        return edits and not any(one() for one in busy)

    qtbot.wait(30)
    qtbot.waitUntil(still, timeout=PATIENCE)
    qtbot.waitUntil(lambda: not any(d.waiting for d in drawer._drawn), timeout=PATIENCE)
    qtbot.wait(30)


def segment_picture(qtbot, viewer, dock, path):
    """Open a picture, press Segment, and return its result."""
    (layer,) = viewer.open(path, plugin="napari")
    viewer.layers.selection.active = layer
    qtbot.waitUntil(lambda: dock.image.currentText() == layer.name, timeout=5_000)
    settled(qtbot, viewer)
    dock.press()
    settled(qtbot, viewer)
    assert dock.error.sentence() == ""
    return dock.session.selected_result()


def test_segment_correct_train_and_segment_again(nothing_left, make_napari_viewer, qtbot, tmp_path, scans):
    install_tiny(catalogue.user_folder())
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 800)
    segment, _ = open_docks(viewer)
    (sample,) = (row for row in samples.truth() if row.filename == SAMPLE)
    true = sample.hc_mm * MM / sample.pixel_mm
    for path in sorted(scans.glob("*.png")):
        found = segment_picture(qtbot, viewer, segment, path)
        assert found.provenance.model == "unet"
        assert found.measurement.values["hc_mm"] == pytest.approx(true, rel=0.05)

    dataset = tmp_path / "accepted"
    review_dock, review = viewer.window.add_plugin_dock_widget(PLUGIN, "Review")
    at_work = (lambda: review.desk.busy, lambda: review.tools.busy, lambda: review.setup._job is not None)
    review.start(dataset, "Anna", "head", filling.FromOpen.of(segment.session))
    settled(qtbot, viewer, *at_work)
    assert f"{SCANS} to do" in review.counts.text()

    def press(code, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        key(viewer, code, modifier)
        settled(qtbot, viewer, *at_work)

    first = review.desk.item
    labels = drawing_of(viewer).layers_of(review.desk.shown.series).mask.layer
    rows = np.arange(labels.data.shape[-2] // 4, labels.data.shape[-2] // 2)
    labels.data_setitem((rows, np.full_like(rows, 10)), 1)
    settled(qtbot, viewer, *at_work)
    corrected = labels.data.copy()
    press(Qt.Key.Key_N)
    press(Qt.Key.Key_W, SHIFT)  # grow
    press(Qt.Key.Key_N)
    press(Qt.Key.Key_R, SHIFT)
    for _ in range(SCANS - 3):
        press(Qt.Key.Key_N)
    store = Store.open(dataset)
    states = sorted(entry.state.value for entry in store.entries())
    assert states == ["accepted"] * 3 + ["edited"] * 2 + ["rejected"]
    np.testing.assert_array_equal(np.squeeze(store.annotation(store.get(first)).mask), np.squeeze(corrected))
    review.release()
    viewer.window.remove_dock_widget(review_dock)

    train = open_train(viewer)
    form = train.form
    form.data.show_folder(dataset)
    qtbot.waitUntil(lambda: not form.data.busy, timeout=PATIENCE)
    form.start.setCurrentIndex(next(i for i in range(form.start.count()) if "tiny" in form.start.itemText(i)))
    form.kept_out.setValue(50)
    form.seed.setValue(next(seed for seed in range(100) if all(n for n, _ in form.data.data.parts(0.5, seed).values())))
    form.epochs.setValue(2)
    form.device.setCurrentText("cpu")
    form.advanced.name.setText("mine")
    train.press()
    until(qtbot, train, Phase.DONE)
    assert len(train.training.progress.rows) == 2
    qtbot.waitUntil(lambda: not train.outcome.busy, timeout=PATIENCE)
    assert not train.outcome.use_button.isEnabled(), "two exams can't show that it is better"
    train.outcome.why.setText("the loop is tried")
    train.outcome.use_button.click()
    qtbot.waitUntil(lambda: not train.outcome.busy, timeout=PATIENCE)
    assert "'mine' is the default now" in plain(train.outcome.sentence)
    assert catalogue.find("head").card.promotion, "its card keeps that a person overrode"
    processes.end(train.training.folder, at_once=True)
    train.close_training()
    train.release() if hasattr(train, "release") else train.close()

    viewer.layers.clear()
    settled(qtbot, viewer)
    again = segment_picture(qtbot, viewer, segment, scans / "001_HC.png")
    assert again.provenance.model == "mine"
