"""The queue, the journal and what they do to the data set, without a window."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import tifffile

from fetalseg.dataset import adding
from fetalseg.dataset.adding import New
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.entry import Status
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError, ModelError, OutputError, UnreadableError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io import registry
from fetalseg.io.atomic import write_mask
from fetalseg.models import catalogue
from fetalseg.pipeline import Pipeline
from fetalseg.report import table
from fetalseg.result import Ellipse
from fetalseg.review import journal as journals
from fetalseg.review import queue, sources
from fetalseg.review.journal import Journal, folder_of
from fetalseg.review.review import Review
from fetalseg.review.standing import Drawing
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from standins import SHAPE, TRUTH, bright, disc, make_card

HALF = Spacing(0.5, 0.5, "typed in")
FLAGS = {"a": (), "b": ("cut_by_picture",), "c": ("not_a_head",), "d": ("several_regions", "short_arc"), "e": ()}
TRUST = {"a": 0.95, "b": 0.7, "c": 0.2, "d": 0.8, "e": 0.5}


def drawn(dx: float = 0.0) -> Annotation:
    ellipse = Ellipse(TRUTH.center_x + dx, TRUTH.center_y, TRUTH.semi_major, TRUTH.semi_minor, TRUTH.angle_deg)
    return Annotation(ellipses.mask(ellipse, SHAPE), ellipse)


def waiting(folder, names="abcde", predicted: bool = True) -> Store:
    """A data set in which items wait, each with a prediction unless told otherwise."""
    store = Store.create(folder, "head")
    new = [
        New(
            Scan.from_array(disc(TRUTH, SHAPE, 150.0 + i), name, HALF),
            name,
            name,
            prediction=Prediction(drawn(), "standin", "0" * 64, TRUST[name], FLAGS[name]) if predicted else None,
        )
        for i, name in enumerate(names)
    ]
    adding.add(store, new)
    return store


@pytest.fixture
def folder(tmp_path):
    return waiting(tmp_path / "set").folder


@pytest.fixture
def review(folder):
    made = Review.open(folder, "Anna")
    yield made
    made.close()


class Network:
    """A stand-in predictor that counts what it is asked."""

    device, backend, calls = "cpu", "stand-in", 0
    card = make_card()

    def describe(self):
        return "standin"

    def __call__(self, batch):
        self.calls += 1
        return bright(batch)


@pytest.fixture
def network(monkeypatch, tmp_path):
    made = Network()
    model = catalogue.Model(made.card, tmp_path)
    monkeypatch.setattr("fetalseg.pipeline.get_predictor", lambda *_: made)
    monkeypatch.setattr(catalogue, "find", lambda task, name="default": model)
    return made


# The queue


def test_worst_first_is_by_state_then_flags_then_confidence(folder):
    entries = Store.open(folder).entries()
    assert [e.item for e in queue.arranged(entries)] == ["c", "d", "b", "e", "a"]
    assert [e.item for e in queue.arranged(entries, "given")] == list("abcde")


def test_what_no_model_has_seen_comes_last(tmp_path):
    store = waiting(tmp_path / "set", "c", predicted=False)
    adding.add(store, [New(Scan.from_array(disc(TRUTH, SHAPE), "a", HALF), "a", "a", prediction=Prediction(drawn()))])
    assert [e.item for e in queue.arranged(store.entries())] == ["a", "c"]
    assert queue.trust(store.get("c")) is None


def test_filters_and_the_counter(folder):
    store = Store.open(folder)
    store.accept("a", annotator="Anna")
    store.accept("b", annotator="Anna", mask=drawn(9).mask)
    store.reject("c", annotator="Anna")
    entries = store.entries()
    shown = {show: [e.item for e in queue.arranged(entries, "given", show)] for show in queue.SHOWS}
    assert shown == {
        "to-do": ["d", "e"],
        "accepted": ["a", "b"],
        "edited": ["b"],
        "rejected": ["c"],
        "all": list("abcde"),
    }
    assert queue.Counts.of(entries).line() == "2 to do · 2 accepted (1 untouched) · 1 rejected"


def test_the_queue_goes_round_and_passes_over_what_cannot_be_shown(folder):
    entries = queue.arranged(Store.open(folder).entries(), "given")
    assert queue.upcoming(entries, None) == list("abcde")
    assert queue.upcoming(entries, "d") == list("eabc")
    assert queue.upcoming(entries, "b", {"c", "d"}) == list("ea")
    assert queue.upcoming(entries[:1], "a") == []


def test_the_worst_comes_next_and_what_was_skipped_last(folder):
    entries = queue.arranged(Store.open(folder).entries())
    assert queue.upcoming(entries, "e", skipped=[]) == list("cdba")
    assert queue.upcoming(entries, "b", skipped=["d", "c"]) == list("eadc")
    assert queue.upcoming(entries[:1], "c", skipped=["c", "x"]) == []


# Deciding


def test_accepted_as_it_is_edited_and_rejected(review):
    a, b, c = (review.load(name) for name in "abc")
    assert a.result.measurement.values["hc_mm"] == pytest.approx(a.entry.prediction_hc_mm)
    assert a.result.measurement.confidence == pytest.approx(0.95)
    assert [f.code for f in c.result.measurement.flags] == ["not_a_head"]
    review.decide(a.entry, "accept", Drawing(seconds=3.0))
    review.decide(b.entry, "accept", Drawing(drawn(6).mask, None, 14.25))
    review.decide(c.entry, "reject", Drawing(seconds=1.0))
    assert [e.state.value for e in review.entries()][:3] == ["to-do"] * 3, "no truth before it is carried out"
    assert review.carry_out() == []
    a, b, c, *_ = review.entries()
    assert (a.state, a.annotator, a.seconds, a.dice) == (Status.ACCEPTED, "Anna", 3.0, 1.0)
    assert (b.state, b.seconds, b.model) == (Status.EDITED, 14.25, "standin")
    assert 0.9 < b.dice < 1
    assert c.state is Status.REJECTED
    sums = review.sums()
    assert (sums.untouched, sums.judged, sums.seconds) == (0.5, 2, 3.0)
    assert sums.dice == b.dice
    assert sums.hc_change_mm == abs(b.hc_change_mm)


def test_an_ellipse_that_was_placed_is_what_is_accepted(review):
    placed = Ellipse(110.0, 95.0, 60.0, 40.0, 10.0)
    review.decide(review.load("a").entry, "accept", Drawing(None, placed, 5.0))
    review.carry_out()
    entry = review.store.get("a")
    assert entry.ellipse == placed
    np.testing.assert_array_equal(review.store.annotation(entry).mask, ellipses.mask(placed, SHAPE))
    again = review.load("a").result
    assert again.measurement.ellipse == placed
    assert again.original.measurement.ellipse == drawn().ellipse, "the model's version is there to go back to"


def test_what_was_accepted_comes_back_as_it_was_and_can_be_accepted_again(review):
    review.decide(review.load("a").entry, "accept", Drawing(drawn(6).mask, None, 5.0))
    review.carry_out()
    case = review.load("a")
    np.testing.assert_array_equal(case.result.segmentation.mask, drawn(6).mask)
    assert case.result.edited
    assert case.seconds == 5.0
    version = case.entry.version
    review.decide(case.entry, "accept", Drawing(case.result.segmentation.mask, None, 7.0))
    assert review.carry_out() == []
    entry = review.store.get("a")
    assert (entry.version, entry.seconds) == (version, 7.0)


def test_a_new_run_never_touches_what_a_person_decided_or_draws(review, network, tmp_path):
    mine = drawn(6).mask
    review.decide(review.load("a").entry, "accept", Drawing(mine, None, 5.0))
    review.carry_out()
    review.journal.draw("b", Drawing(drawn(9).mask, None, 2.0))
    before = review.store.get("a")
    newer = Prediction(drawn(-20), "newer", "1" * 64)
    with pytest.raises(DatasetError, match="does not change that"):
        review.store.propose("a", newer)
    coming = [
        New(review.store.image(e).with_spacing(HALF), e.item, e.group, prediction=newer, source_sha256=e.source_sha256)
        for e in review.entries()[:2]
    ]
    list(sources.fill(review.store, coming))
    assert review.predict("a") == before
    assert review.store.get("a") == before
    np.testing.assert_array_equal(review.store.annotation(before).mask, mine)
    assert review.store.get("b").model == "newer"
    np.testing.assert_array_equal(review.load("b").result.segmentation.mask, drawn(9).mask)
    assert network.calls == 0


def test_somebody_else_was_quicker(review, folder):
    seen = review.load("a").entry
    Store.open(folder).accept("a", annotator="Bert")
    review.decide(seen, "accept", Drawing(drawn(6).mask, None, 5.0))
    (why,) = review.carry_out()
    assert "Bert" in why
    assert review.store.get("a").annotator == "Bert"
    np.testing.assert_array_equal(review.load("a").result.segmentation.mask, drawn(6).mask), "the drawing is kept"


def test_nothing_to_accept_is_said_before_anything_is_written(tmp_path, monkeypatch):
    def none(*_):
        raise ModelError("No model is installed for heads.")

    monkeypatch.setattr("fetalseg.pipeline.get_predictor", none)
    review = Review.open(waiting(tmp_path / "set", "a", predicted=False).folder, "Anna")
    case = review.load("a")
    assert "No model" in case.told[0]
    assert not case.result.segmentation.mask.any()
    with pytest.raises(DatasetError, match="Draw a mask"):
        review.decide(case.entry, "accept", Drawing())
    review.decide(case.entry, "accept", Drawing(drawn().mask, None, 4.0))
    assert review.carry_out() == []
    assert review.store.get("a").state is Status.EDITED
    review.close()


def test_a_scale_that_a_person_gave_is_accepted_with_the_case(review):
    review.decide(review.load("a").entry, "accept", Drawing(), Spacing(0.25, 0.25, "typed in"))
    review.carry_out()
    entry = review.store.get("a")
    assert entry.spacing.row_mm == 0.25
    assert entry.hc_mm == pytest.approx(entry.prediction_hc_mm)
    assert entry.state is Status.ACCEPTED


# The journal


def test_a_review_reopens_where_it_stood(folder):
    review = Review.open(folder, "Anna")
    review.journal.choose(order="given", show="all")
    review.journal.show("b")
    review.journal.draw("b", Drawing(drawn(6).mask, None, 4.0))
    review.journal.draw("b", Drawing(drawn(9).mask, None, 8.0))
    review.journal.look("c", 2.5)
    assert len(list((review.journal.folder / "drawings").iterdir())) == 1, "an older drawing is not kept"
    review.close()
    stood = journals.standing(folder, "Anna")
    assert (stood.current, stood.choices) == ("b", {"order": "given", "show": "all"})
    assert journals.standing(folder, "Bert") is None
    again = Review.open(folder, "Anna")
    case = again.load("b")
    np.testing.assert_array_equal(case.result.segmentation.mask, drawn(9).mask)
    assert case.seconds == 8.0
    assert again.load("c").seconds == 2.5
    again.close()


def test_the_models_version_after_an_edit_is_kept_as_that(folder):
    review = Review.open(folder, "Anna")
    review.decide(review.load("a").entry, "accept", Drawing(drawn(6).mask, None, 4.0))
    review.carry_out()
    review.journal.draw("a", Drawing(seconds=6.0))
    assert not review.load("a").result.edited
    review.close()


def test_a_decision_that_a_crash_kept_from_the_data_set_is_carried_out_once(folder):
    review = Review.open(folder, "Anna")
    review.decide(review.load("a").entry, "accept", Drawing(drawn(6).mask, None, 4.0))
    review.decide(review.load("b").entry, "reject", Drawing(seconds=2.0))
    review.close()  # as if killed before carry_out
    again = Review.open(folder, "Anna")
    assert again.carry_out() == []
    assert [e.state.value for e in again.entries()][:2] == ["edited", "rejected"]
    lines = (again.journal.folder / "journal.jsonl").read_bytes().split(b"\n")
    again.close()
    # killed between the data set's writing and the journal's: the last `done` is missing
    (again.journal.folder / "journal.jsonl").write_bytes(b"\n".join(lines[:-2]) + b"\n")
    third = Review.open(folder, "Anna")
    deeds = len(third.store.history())
    assert third.carry_out() == []
    assert len(third.store.history()) == deeds
    assert not third.journal.standing.waiting
    third.close()


def test_a_line_that_was_cut_off_is_left_out_and_written_over(folder):
    review = Review.open(folder, "Anna")
    review.journal.show("a")
    review.close()
    path = review.journal.folder / "journal.jsonl"
    with path.open("ab") as file:
        file.write(b'{"do": "show", "item": "b')
    again = Review.open(folder, "Anna")
    assert again.journal.standing.current == "a"
    again.journal.show("c")
    again.close()
    assert [json.loads(line)["item"] for line in path.read_text().splitlines()] == ["a", "c"]


def test_one_window_at_a_time_and_each_annotator_apart(folder):
    review = Review.open(folder, "Anna")
    with pytest.raises(DatasetError, match="another window"):
        Review.open(folder, "Anna")
    other = Review.open(folder, "Bert")
    other.close()
    review.close()
    Review.open(folder, "Anna").close()
    assert folder_of(folder, "A/B") != folder_of(folder, "A:B")
    with pytest.raises(DatasetError, match="who annotates"):
        Review.open(folder, " ")


# What goes wrong


def full(*_args, **_more):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_loses_nothing_and_decides_nothing(review, monkeypatch):
    case = review.load("a")
    review.journal.draw("a", Drawing(drawn(6).mask, None, 4.0))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="disk is full"):
            review.journal.draw("a", Drawing(drawn(9).mask, None, 5.0))
        with pytest.raises(OutputError, match="disk is full"):
            review.decide(case.entry, "accept", Drawing())
    assert not review.journal.standing.waiting
    np.testing.assert_array_equal(review.load("a").result.segmentation.mask, drawn(6).mask)
    review.decide(case.entry, "accept", Drawing(drawn(9).mask, None, 5.0))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError):
            review.carry_out()
    assert len(review.journal.standing.waiting) == 1, "it waits in the journal"
    assert review.carry_out() == []
    assert review.store.get("a").state is Status.EDITED


def test_the_data_set_is_moved_away_and_comes_back(review, folder):
    case = review.load("a")
    folder.rename(folder.with_name("moved"))
    review.decide(case.entry, "accept", Drawing(drawn(6).mask, None, 4.0))
    with pytest.raises(DatasetError, match="moved or deleted"):
        review.carry_out()
    assert not review.there
    folder.with_name("moved").rename(folder)
    assert review.carry_out() == []
    assert review.store.get("a").state is Status.EDITED


def test_a_corrupt_picture_is_one_sentence(review, folder):
    (folder / review.store.get("b").image).write_bytes(b"no picture")
    with pytest.raises(UnreadableError, match="b"):
        review.load("b")
    assert review.load("c").entry.item == "c"


def test_a_mask_of_another_size_is_told_and_drawn_anew(review, folder, network):
    tifffile.imwrite(folder / review.store.get("a").prediction, np.ones((9, 9), np.uint8))
    case = review.load("a")
    assert "9 x 9" in case.told[0]
    assert case.result.measurement.ellipse.center_x == pytest.approx(TRUTH.center_x, abs=1)
    with pytest.raises(DatasetError, match="another size"):
        review.decide(case.entry, "accept", Drawing(np.ones((9, 9), np.uint8)))


def test_a_journal_that_cannot_be_written_is_said_at_the_start(folder, monkeypatch):
    def denied(*_args, **_more):
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr("pathlib.Path.mkdir", denied)
    with pytest.raises(OutputError, match="permission"):
        Journal(folder_of(folder, "Anna"))


# Where a queue comes from


def scans(folder, names):
    folder.mkdir()
    for i, name in enumerate(names):
        tifffile.imwrite(folder / f"{name}.tif", disc(TRUTH, SHAPE, 150.0 + i))
    return folder


def test_a_folder_is_segmented_as_it_comes_and_a_corrupt_scan_stops_nothing(tmp_path, network):
    folder = scans(tmp_path / "scans", ["001_HC", "001_2HC", "002_HC"])
    (folder / "000_HC.tif").write_bytes(b"no picture")
    tifffile.imwrite(
        folder / "loop.tif", np.stack([disc(TRUTH, SHAPE, 90.0 + i) for i in range(3)]), photometric="minisblack"
    )
    store = Store.create(tmp_path / "set", "head")
    inputs = sources.list_scans(store, folder)
    *_, told = sources.fill(store, sources.scans(store, inputs, SegmentSettings()), len(inputs))
    assert (told.report.counts["added"], told.report.counts["failed"]) == (6, 1)
    assert told.report.told[0][0] == "000_HC.tif"
    entries = {e.item: e for e in store.entries()}
    assert list(entries) == ["001_2HC", "001_HC", "002_HC", "loop_f0000", "loop_f0001", "loop_f0002"]
    assert entries["001_2HC"].group == entries["001_HC"].group == "001"
    assert all(e.prediction and e.model == "standin" and e.state is Status.TODO for e in entries.values())
    asked = network.calls
    list(sources.fill(store, sources.scans(store, inputs, SegmentSettings())))
    assert network.calls == asked, "what is drawn already is not segmented again"
    with pytest.raises(DatasetError, match="data set itself"):
        sources.list_scans(store, store.folder)


@pytest.mark.usefixtures("network")
def test_results_of_the_command_line_find_their_scans(tmp_path):
    folder = scans(tmp_path / "scans", ["001_HC", "002_HC"])
    pipeline = Pipeline.load(SegmentSettings())
    rows = []
    for path in sorted(folder.iterdir()):
        found = next(pipeline.segment(registry.read(path)))
        write_mask(tmp_path / "out" / "masks" / f"{path.stem}_mask.tif", found.segmentation.mask)
        rows += table.rows(found)
    (tmp_path / "out" / "measurements.csv").write_text(table.to_csv(rows))
    store = Store.create(tmp_path / "set", "head")
    assert sources.images_of(tmp_path / "out") == folder
    list(sources.fill(store, sources.results(store, tmp_path / "out", folder)))
    review = Review(store, "Anna")
    case = review.load("001_HC")
    mask = tifffile.imread(tmp_path / "out" / "masks" / "001_HC_mask.tif")
    np.testing.assert_array_equal(case.result.segmentation.mask, mask)
    review.close()
    folder.rename(tmp_path / "out" / "elsewhere")
    assert sources.images_of(tmp_path / "out") is None


def test_tumour_volumes_are_reviewed_with_their_lesions(tmp_path):
    from tumours import LARGE, SMALL, phantom

    store = Store.create(tmp_path / "set", "tumour")
    labels = LARGE.astype(np.uint8) + 2 * SMALL
    scan = Scan.from_array(phantom(), "p", Spacing(1.0, 1.0, "typed in", 3.0))
    adding.add(store, [New(scan, "p", "p", prediction=Prediction(Annotation(labels), "standin", "0" * 64, 0.8))])
    review = Review(store, "Anna")
    case = review.load("p")
    assert len(case.result.measurement.parts) == 2
    assert case.result.measurement.values["volume_ml"] == pytest.approx((labels > 0).sum() * 3e-3)
    mine = np.where(SMALL, 0, labels)
    review.journal.draw("p", Drawing(mine, None, 3.0))
    np.testing.assert_array_equal(review.load("p").result.segmentation.mask, mine)
    review.decide(case.entry, "accept", Drawing(mine, None, 3.0))
    review.carry_out()
    entry = review.store.get("p")
    assert entry.state is Status.EDITED
    assert entry.volume_ml == pytest.approx(LARGE.sum() * 3e-3)
    np.testing.assert_array_equal(review.load("p").result.segmentation.mask > 0, LARGE)
    review.close()
