"""The Review dock in a real window: a queue worked through, saved as it happens, and gone on with after closing."""

from __future__ import annotations

import errno
import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from mouse import drag, key
from qtpy.QtCore import Qt

from fetalseg.dataset.entry import Status
from fetalseg.dataset.store import Store
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse
from fetalseg.review import journal as journals
from napari_fetalseg import work
from napari_fetalseg.actions import PLUGIN
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.review import filling, setup_panel
from standins import SHAPE, TRUTH, disc

SHIFT = Qt.KeyboardModifier.ShiftModifier


class Reviewing:
    """A window with the Review dock, and a folder of six heads."""

    def __init__(self, viewer, qtbot, folder) -> None:
        self.viewer, self.qtbot, self.folder = viewer, qtbot, folder
        self.set = folder / "set"
        self.dock, self.widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Review")
        self.desk = self.widget.desk
        qtbot.wait(50)

    def start(self, bring=None, task="head", annotator="Anna") -> None:
        self.widget.start(self.set, annotator, task, bring)
        self.settle()

    def settle(self, timeout: int = 30_000) -> None:
        session = self.desk._stage.session

        def still():
            idle = not session.edits.busy and not self.widget.tools.busy
            return idle and not self.desk.busy and self.widget.setup._job is None

        self.qtbot.wait(30)
        self.qtbot.waitUntil(still, timeout=timeout)
        self.qtbot.waitUntil(lambda: not any(d.waiting for d in drawing_of(self.viewer)._drawn), timeout=timeout)
        self.qtbot.wait(30)

    @property
    def labels(self):
        return drawing_of(self.viewer).layers_of(self.desk.shown.series).mask.layer

    def press(self, code, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        key(self.viewer, code, modifier)
        self.settle()

    def paint(self) -> None:
        """A stroke from the head outwards."""
        self.labels.data_setitem((np.arange(5, 95), np.full(90, 120)), 1)
        self.settle()

    def states(self) -> dict[str, str]:
        return {entry.item: entry.state.value for entry in Store.open(self.set).entries()}


def heads(folder, number: int = 6) -> None:
    """Heads of different sizes, as pictures of exams."""
    folder.mkdir()
    for i in range(number):
        truth = Ellipse(TRUTH.center_x, TRUTH.center_y, TRUTH.semi_major - 3 * i, TRUTH.semi_minor - 3 * i, 25.0)
        tifffile.imwrite(folder / f"{i + 1:03}_HC.tif", disc(truth, SHAPE))


@pytest.fixture
def remembered(monkeypatch):
    """napari's settings of the Review dock, for one test."""
    kept = SimpleNamespace(dataset="", annotator="")
    monkeypatch.setattr("napari_fetalseg.preferences._section", lambda name: kept if name == "review" else None)
    return kept


@pytest.fixture
def reviewing(nothing_left, make_napari_viewer, qtbot, predictor, tmp_path, remembered):
    heads(tmp_path / "scans")
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    qtbot.wait(100)
    made = Reviewing(viewer, qtbot, tmp_path)
    yield made
    predictor.gate.set()
    made.settle()
    made.widget.release()


def test_a_queue_of_six_is_worked_through(reviewing, qtbot):
    """Edited with the mouse, back to the model's version, rejected, gone back to, accepted; reopened after closing."""
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    desk, viewer = reviewing.desk, reviewing.viewer
    assert "6 to do" in reviewing.widget.counts.text()
    order = [desk.item, *desk._upcoming()]
    assert sorted(order) == [f"{i:03}_HC" for i in range(1, 7)]
    assert order[1:] == [e.item for e in desk.queue() if e.item != desk.item], "the worst comes next"
    assert viewer.layers[0].name == order[0]
    assert viewer.layers.selection.active is reviewing.labels, "ready to paint"

    reviewing.press(Qt.Key.Key_N)
    assert desk.item == order[1]
    assert Store.open(reviewing.set).get(order[0]).state is Status.ACCEPTED
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)  # the case before goes with its layers

    labels = reviewing.labels
    own = labels.data.copy()
    labels.mode, labels.selected_label, labels.brush_size = "paint", 1, 20
    drag(viewer, qtbot, (20, 100), (20, 140))
    reviewing.settle()
    assert not np.array_equal(labels.data, own)
    assert "changed HC" in reviewing.widget.status.text()
    assert "Saved" in reviewing.widget.status.text()
    drawn = journals.standing(reviewing.set, "Anna").drafts
    assert list(drawn) == [order[1]], "on the disk before anything is decided"
    reviewing.press(Qt.Key.Key_H)
    np.testing.assert_array_equal(labels.data, own)
    assert "as the model drew it" in reviewing.widget.status.text()
    key(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    reviewing.settle()
    edited = labels.data.copy()
    assert not np.array_equal(edited, own), "going back to the model's version is one step that can be undone"
    reviewing.press(Qt.Key.Key_N)
    entry = Store.open(reviewing.set).get(order[1])
    assert entry.state is Status.EDITED
    assert entry.annotator == "Anna"
    assert 0 < entry.seconds < 120
    assert 0.8 < entry.dice < 1
    assert entry.hc_change_mm is None, "no scale is known of these"
    np.testing.assert_array_equal(Store.open(reviewing.set).annotation(entry).mask, edited)
    assert reviewing.labels.mode == "paint", "the brush stays"

    reviewing.press(Qt.Key.Key_R, SHIFT)
    assert reviewing.states()[order[2]] == "rejected"
    reviewing.press(Qt.Key.Key_J)
    assert desk.item == order[2]
    reviewing.press(Qt.Key.Key_N)
    assert reviewing.states()[order[2]] == "accepted"
    assert desk.item == order[3], "on where it was before going back"
    reviewing.press(Qt.Key.Key_K)
    assert desk.item == order[4]
    reviewing.paint()
    on_screen = reviewing.labels.data.copy()
    reviewing.widget.release()
    qtbot.waitUntil(lambda: len(viewer.layers) == 0)  # a case that is not watched over does not stay open
    viewer.window.remove_dock_widget(reviewing.dock)

    again = Reviewing(viewer, qtbot, reviewing.folder)
    again.settle()
    assert again.widget.setup.button.text() == "Go on with the review"
    assert f"stood at {order[4]}" in again.widget.setup.said.text()
    again.widget.setup.button.click()
    again.settle()
    assert again.desk.item == order[4]
    np.testing.assert_array_equal(again.labels.data, on_screen)
    assert "mask edited" in again.widget.case.text()
    for _ in range(3):
        again.press(Qt.Key.Key_N)
    assert again.desk.shown is None
    assert "All cases are done" in again.widget.case.text()
    assert again.widget.counts.text() == "0 to do · 6 accepted (4 untouched) · 0 rejected"
    assert "67 % of 6 accepted untouched" in again.widget.sums.text()
    assert not again.widget.accept.isEnabled()
    again.widget.show_only.setCurrentIndex(again.widget.show_only.findData("edited"))
    again.widget.show_only.activated.emit(again.widget.show_only.currentIndex())
    again.settle()
    assert again.desk.item in (order[1], order[4])
    assert again.desk.shown.result.edited, "a person's version is shown, not the model's"
    again.widget.release()


def test_the_next_case_is_read_and_segmented_ahead(reviewing, predictor):
    """A data set whose items no model has seen: the first is waited for, the second is there already."""
    from fetalseg.dataset import adding
    from fetalseg.dataset.adding import New
    from fetalseg.scan import Scan

    store = Store.create(reviewing.set, "head")
    adding.add(store, [New(Scan.from_array(disc(TRUTH, SHAPE, 150.0 + i), n, None), n, n) for i, n in enumerate("abc")])
    reviewing.start()
    first, second = reviewing.desk.item, reviewing.desk._upcoming()[0]
    assert store.get(second).prediction, "segmented while the first is looked at"
    assert not store.get(second).state.done
    assert second in reviewing.desk._ahead._ready
    assert store.get(first).model == "standin"


def test_the_picture_comes_before_the_work_beside_it(reviewing, monkeypatch):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    desk, happened = reviewing.desk, []
    order = [desk.item, *desk._upcoming()]

    def noted(what, function):
        def call(*given):
            happened.append(what)
            return function(*given)

        return call

    desk.showing.connect(lambda _: happened.append("shown"))
    canvas = reviewing.viewer.window._qt_viewer.canvas
    canvas._scene_canvas.events.draw.connect(lambda _: happened.append("painted"), position="last")
    monkeypatch.setattr(desk.review, "carry_out", noted("written", desk.review.carry_out))
    monkeypatch.setattr(desk.review, "load", noted("read ahead", desk.review.load))
    monkeypatch.setattr(desk._stage, "sweep", noted("swept", desk._stage.sweep))
    reviewing.press(Qt.Key.Key_N)
    assert desk.item == order[1]
    after = happened[happened.index("shown") :]
    assert after[1] == "painted"
    assert {"written", "read ahead", "swept"} <= set(after)
    assert happened.index("shown") < min(happened.index(what) for what in ("written", "read ahead", "swept"))
    assert reviewing.states()[order[0]] == "accepted"


def test_a_decision_is_written_where_the_window_closes_at_once(reviewing, monkeypatch):
    monkeypatch.setattr("napari_fetalseg.review.desk._PAINT_MS", 60_000)
    reviewing.widget.start(reviewing.set, "Anna", "head", filling.FromFolder(reviewing.folder / "scans"))
    desk = reviewing.desk
    reviewing.qtbot.waitUntil(lambda: desk.shown is not None and not desk.filling, timeout=30_000)
    item = desk.item
    desk.decide("accept")
    reviewing.qtbot.waitUntil(lambda: desk.item != item, timeout=10_000)
    assert reviewing.states()[item] == "to-do"
    waiting = journals.standing(reviewing.set, "Anna").waiting
    assert [decision.item for decision in waiting.values()] == [item], "on the disk before the next is shown"
    reviewing.widget.release()
    assert reviewing.states()[item] == "accepted"


def test_a_stroke_that_is_still_measured_does_not_bring_its_case_back(reviewing, qtbot, monkeypatch):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    desk, session, item = reviewing.desk, reviewing.desk._stage.session, reviewing.desk.item
    gate, measure = threading.Event(), work.apply
    monkeypatch.setattr(work, "apply", lambda edit, base: gate.wait(10) and measure(edit, base))
    reviewing.labels.data_setitem((np.arange(5, 95), np.full(90, 120)), 1)
    qtbot.waitUntil(lambda: session.edits.busy)
    desk.decide("accept")
    qtbot.waitUntil(lambda: desk.item != item, timeout=10_000)
    gate.set()
    reviewing.settle()
    assert reviewing.states()[item] == "edited"
    assert [series.title for series in session.series] == [desk.item]
    assert len(reviewing.viewer.layers) == 4


def test_what_was_accepted_by_a_person_is_not_segmented_again(reviewing, predictor):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    item = reviewing.desk.item
    reviewing.paint()
    mine = reviewing.labels.data.copy()
    reviewing.press(Qt.Key.Key_N)
    before = Store.open(reviewing.set).get(item)
    calls = predictor.calls
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    assert Store.open(reviewing.set).get(item) == before
    np.testing.assert_array_equal(Store.open(reviewing.set).annotation(before).mask, mine)
    assert predictor.calls == calls


def test_open_results_come_with_what_was_drawn_on_them(reviewing, qtbot, predictor):
    from napari_fetalseg.actions import open_docks

    segment, _ = open_docks(reviewing.viewer)
    reviewing.viewer.add_image(disc(TRUTH, SHAPE), name="mine", contrast_limits=(0, 255))
    segment.press()
    qtbot.waitUntil(lambda: bool(segment.session.rows()), timeout=10_000)
    reviewing.settle()
    series = segment.session.series[0]
    labels = drawing_of(reviewing.viewer).layers_of(series).mask.layer
    labels.data_setitem((np.arange(5, 95), np.full(90, 120)), 1)
    reviewing.settle()
    reviewing.start(filling.FromOpen.of(segment.session))
    assert reviewing.desk.item == "mine"
    np.testing.assert_array_equal(reviewing.labels.data, labels.data)
    assert reviewing.desk.shown.result.edited
    assert reviewing.states() == {"mine": "to-do"}, "nothing is truth before it is accepted"
    reviewing.press(Qt.Key.Key_N)
    assert reviewing.states() == {"mine": "edited"}


def test_no_key_is_taken_from_napari(reviewing):
    from napari.settings import get_settings

    taken = {str(k) for keys in get_settings().shortcuts.shortcuts.values() for k in keys}
    assert not taken & {"N", "K", "J", "H", "Shift+R"}


def test_a_name_with_an_n_can_be_typed(reviewing, qtbot):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    item = reviewing.desk.item
    reviewing.widget.change.setChecked(True)
    reviewing.widget.setup.name.clear()
    qtbot.keyClicks(reviewing.widget.setup.name, "Hanna K")
    assert reviewing.widget.setup.name.text() == "Hanna K"
    assert reviewing.desk.item == item


def test_setup_says_what_is_missing(reviewing, qtbot, tmp_path):
    setup = reviewing.widget.setup
    assert not setup.button.isEnabled()
    setup.show_folder(tmp_path / "scans")
    reviewing.settle()
    assert "data set" in setup.said.text()
    assert not setup.button.isEnabled()
    setup.show_folder(tmp_path / "new")
    reviewing.settle()
    assert "where they come from" in setup.reason.text()
    setup.source.setCurrentIndex(setup_panel.FOLDER)
    assert "a folder of scans first" in setup.reason.text()
    setup.scans.setText(str(tmp_path / "scans"))
    setup.name.setText("")
    assert "name first" in setup.reason.text()
    setup.name.setText("Anna")
    assert setup.button.isEnabled()
    setup.button.click()
    reviewing.settle()
    assert "6 to do" in reviewing.widget.counts.text()
    assert reviewing.widget.title.text() == "<b>new</b> · Anna"


# Faults


def full(*_args, **_more):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_the_case_open_and_tries_again(reviewing, monkeypatch):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    desk, item = reviewing.desk, reviewing.desk.item
    monkeypatch.setattr("napari_fetalseg.review.keeping._AGAIN_MS", 100)
    with monkeypatch.context() as patched:
        patched.setattr("fetalseg.review.journal.os.fsync", full)
        reviewing.labels.data_setitem((np.arange(5, 95), np.full(90, 120)), 1)
        reviewing.qtbot.waitUntil(lambda: "disk is full" in reviewing.widget.error.sentence(), timeout=10_000)
        desk.decide("accept")
        reviewing.qtbot.wait(300)
        assert desk.item == item, "what is not on the disk is not left"
        assert "disk is full" in reviewing.widget.error.sentence()
    reviewing.settle()
    assert item in journals.standing(reviewing.set, "Anna").drafts, "tried again without being asked"
    reviewing.press(Qt.Key.Key_N)
    assert reviewing.states()[item] == "edited"


def test_the_data_set_is_moved_away_and_comes_back(reviewing):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    desk, item = reviewing.desk, reviewing.desk.item
    reviewing.paint()
    reviewing.set.rename(reviewing.folder / "moved")
    reviewing.press(Qt.Key.Key_N)
    while desk.shown is not None:  # those that were read ahead can still be decided
        reviewing.press(Qt.Key.Key_N)
    assert "moved or deleted" in reviewing.widget.error.sentence()
    assert "in the journal" in reviewing.widget.status.text()
    assert not desk.broken
    (reviewing.folder / "moved").rename(reviewing.set)
    desk.again()
    reviewing.settle()
    assert desk.waiting == 0
    assert reviewing.states()[item] == "edited"
    assert desk.shown is not None, "the queue goes on"


def test_a_corrupt_picture_in_the_middle_is_passed_over(reviewing):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    order = [reviewing.desk.item, *reviewing.desk._upcoming()]
    store = Store.open(reviewing.set)
    reviewing.desk._ahead.forget(order[1])
    (reviewing.set / store.get(order[1]).image).write_bytes(b"no picture")
    reviewing.press(Qt.Key.Key_N)
    assert order[1] in reviewing.widget.error.sentence()
    assert reviewing.desk.item == order[2]
    row = reviewing.widget.model.find(order[1])
    assert reviewing.widget.model.index(row, 2).data() == "can't be read"
    for _ in range(5):
        reviewing.press(Qt.Key.Key_N)
    assert list(reviewing.states().values()).count("accepted") == 5
    assert reviewing.states()[order[1]] == "to-do"


def test_a_mask_of_another_size_is_not_accepted(reviewing):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    item, labels = reviewing.desk.item, reviewing.labels
    own = labels.data.copy()
    labels.data = np.ones((9, 9), np.uint8)
    reviewing.settle()
    reviewing.press(Qt.Key.Key_N)
    assert "9 x 9 pixels" in reviewing.widget.error.sentence()
    assert reviewing.desk.item == item
    reviewing.press(Qt.Key.Key_H)
    np.testing.assert_array_equal(reviewing.labels.data, own)
    reviewing.press(Qt.Key.Key_N)
    assert reviewing.states()[item] == "accepted"


def test_somebody_else_was_quicker(reviewing):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    item = reviewing.desk.item
    Store.open(reviewing.set).reject(item, annotator="Bert")
    reviewing.paint()
    reviewing.press(Qt.Key.Key_N)
    assert "Bert" in reviewing.widget.error.sentence()
    assert reviewing.states()[item] == "rejected"
    assert item in journals.standing(reviewing.set, "Anna").drafts


# Volumes


def test_tumour_volumes_are_reviewed(nothing_left, make_napari_viewer, qtbot, network, tmp_path, remembered):
    from tumours import SMALL, ellipsoid, phantom

    (tmp_path / "scans").mkdir()
    for i, name in enumerate(("p1", "p2")):
        # Largest below the middle slice, which shows some of it as well.
        large = ellipsoid((9, 45, 35), (5, 14, 9))
        pixels = phantom(large, SMALL) + np.uint8(i)
        tifffile.imwrite(tmp_path / "scans" / f"{name}.tif", pixels, photometric="minisblack")
    viewer = make_napari_viewer(show=True)
    reviewing = Reviewing(viewer, qtbot, tmp_path)
    reviewing.start(filling.FromFolder(tmp_path / "scans"), "tumour")
    first = reviewing.desk.item
    assert viewer.dims.ndim == 3
    assert viewer.dims.current_step[0] == 9, "the slice with most of it"
    assert reviewing.labels.data.max() == 2
    index = np.nonzero(large)
    reviewing.labels.data_setitem(index, 0)
    reviewing.settle()
    left = reviewing.labels.data.copy()
    assert "changed" in reviewing.widget.status.text()
    reviewing.press(Qt.Key.Key_N)
    entry = Store.open(reviewing.set).get(first)
    assert entry.state is Status.EDITED
    np.testing.assert_array_equal(Store.open(reviewing.set).annotation(entry).mask > 0, left > 0)
    reviewing.press(Qt.Key.Key_N)
    assert sorted(reviewing.states().values()) == ["accepted", "edited"]
    reviewing.widget.release()


def test_an_ellipse_that_was_dragged_is_what_is_accepted(reviewing):
    reviewing.start(filling.FromFolder(reviewing.folder / "scans"))
    item = reviewing.desk.item
    wanted = Ellipse(110.0, 85.0, 55.0, 40.0, 12.0)
    reviewing.desk._stage.session.edit_ellipse(reviewing.desk.shown.series, 0, wanted)
    reviewing.settle()
    assert journals.standing(reviewing.set, "Anna").drafts[item]["ellipse"]["center_x"] == 110.0
    reviewing.press(Qt.Key.Key_N)
    store = Store.open(reviewing.set)
    assert store.get(item).ellipse == wanted
    np.testing.assert_array_equal(store.annotation(store.get(item)).mask, ellipses.mask(wanted, SHAPE))


def test_results_of_a_run_are_offered_by_another_dock(reviewing):
    results, scans = reviewing.folder / "out", reviewing.folder / "scans"
    reviewing.desk._stage.session.review_asked.emit(results, scans, "tumour")
    setup = reviewing.widget.setup
    assert setup.source.currentText() == "results of fetalseg segment"
    assert setup.scans.text() == str(results)
    assert setup.task.currentData() == "tumour"
    assert not setup.isHidden()
    asked = []
    setup.start.connect(lambda *what: asked.append(what))
    setup.show_folder(reviewing.set)
    reviewing.settle()
    setup.name.setText("Anna")
    setup.press()
    (what,) = asked
    assert what[3] == filling.FromResults(results, scans)
