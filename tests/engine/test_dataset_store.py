"""An annotation data set: what a person said is kept, whoever writes at the same time and whatever is killed."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.dataset import table
from fetalseg.dataset.adding import New, add
from fetalseg.dataset.annotation import Annotation, Prediction, dice
from fetalseg.dataset.check import check
from fetalseg.dataset.entry import COLUMNS, Entry, Status
from fetalseg.dataset.store import Store
from fetalseg.dataset.summary import summarize
from fetalseg.errors import DatasetError, FetalSegError, OutputError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.pipeline import edit_ellipse, edit_mask
from fetalseg.result import Ellipse, Provenance, Result, Segmentation
from fetalseg.scan import Scan, Spacing
from fetalseg.tasks import head
from standins import SHAPE, TRUTH, disc

MM = Spacing(0.5, 0.5, "typed in")


def scan(number: int = 0, spacing: Spacing | None = MM) -> Scan:
    """A picture with a head; each number has pixels of its own."""
    pixels = disc(TRUTH, SHAPE)
    pixels[0, 0] = number % 256
    pixels[0, 1] = number // 256
    return Scan.from_array(pixels, f"{number:03}_HC.png", spacing)


def predicted(ellipse: Ellipse = TRUTH, model: str = "unet") -> Prediction:
    return Prediction(Annotation.of("head", SHAPE, MM, ellipse=ellipse), model, "f" * 64, 0.9, ("size",))


def filled(folder, count: int = 1, prediction: Prediction | None = None) -> Store:
    store = Store.create(folder, "head")
    news = [New(scan(n), f"{n:03}_HC", f"{n:03}", prediction=prediction or predicted()) for n in range(count)]
    assert add(store, news).counts["added"] == count
    return store


def test_a_prediction_is_no_truth_until_it_is_accepted(tmp_path):
    store = filled(tmp_path / "d")
    (waiting,) = store.entries()
    assert (waiting.state, waiting.mask, waiting.model, waiting.group) == (Status.TODO, "", "unet", "000")
    assert store.annotation(waiting) is None
    done = store.accept("000_HC", annotator="Dr Gray", seconds=12.5)
    assert done.state is Status.ACCEPTED
    assert (done.dice, done.hc_change_mm, done.seconds, done.annotator) == (1.0, 0.0, 12.5, "Dr Gray")
    assert done.hc_mm == pytest.approx(0.5 * ellipses.circumference(TRUTH.semi_major, TRUTH.semi_minor))
    again = Store.open(tmp_path / "d")
    assert again.entries() == [done]
    assert np.array_equal(again.annotation(done).mask, ellipses.mask(TRUTH, SHAPE))
    assert again.annotation(done).ellipse == TRUTH
    assert np.array_equal(again.image(done).pixels[0], scan().pixels[0])
    assert [deed.state for deed in again.history("000_HC")] == [Status.TODO, Status.ACCEPTED]


def test_what_a_correction_changed_is_told(tmp_path):
    """An ellipse 2 pixels larger all around, at 0.5 mm a pixel; and one painted, whose ellipse follows."""
    store = filled(tmp_path / "d", 2)
    larger = Ellipse(TRUTH.center_x, TRUTH.center_y, TRUTH.semi_major + 2, TRUTH.semi_minor + 2, TRUTH.angle_deg)
    done = store.accept("000_HC", annotator="A", ellipse=larger)
    assert done.state is Status.EDITED
    expected = 0.5 * (ellipses.circumference(72, 52) - ellipses.circumference(70, 50))
    assert done.hc_change_mm == pytest.approx(expected, abs=1e-9)
    areas = 70 * 50, 72 * 52
    assert done.dice == pytest.approx(2 * areas[0] / sum(areas), abs=1e-3)
    painted = store.accept("001_HC", annotator="A", mask=ellipses.mask(larger, SHAPE) * 255)
    assert painted.ellipse.semi_major == pytest.approx(72, abs=0.15)
    assert painted.hc_change_mm == pytest.approx(expected, abs=0.3)
    assert store.annotation(painted).mask.max() == 1
    summary = summarize(store.entries())
    assert (summary.untouched, summary.judged, summary.states["edited"]) == (0.0, 2, 2)
    assert summary.hc_change_mm == pytest.approx(expected, abs=0.3)


def test_results_as_a_window_holds_them(tmp_path):
    """Untouched, with its ellipse moved, and painted; the scale that was typed in there comes along."""
    store = Store.create(tmp_path / "d", "head")
    add(store, [New(scan(n, None), f"{n}", f"{n}") for n in range(3)])
    where = Provenance("unet", "f" * 64, "cpu", "torch", {}, "1")
    model = Segmentation(ellipses.mask(TRUTH, SHAPE))
    own = Result("0", None, 0, "head", model, head.measure_ellipse(TRUTH, MM), MM, where)
    done = store.accept_result("0", own, annotator="A", seconds=2)
    assert (done.state, done.dice, done.hc_change_mm, done.model) == (Status.ACCEPTED, 1.0, 0.0, "unet")
    assert done.spacing == MM
    larger = Ellipse(TRUTH.center_x, TRUTH.center_y, TRUTH.semi_major + 2, TRUTH.semi_minor + 2, TRUTH.angle_deg)
    moved = store.accept_result("1", edit_ellipse(own, larger), annotator="A")
    assert (moved.state, moved.ellipse, moved.prediction_ellipse) == (Status.EDITED, larger, TRUTH)
    assert np.array_equal(store.annotation(moved).mask, ellipses.mask(larger, SHAPE))
    assert moved.hc_change_mm == pytest.approx(2 * np.pi, abs=0.1)
    painted = store.accept_result("2", edit_mask(own, ellipses.mask(larger, SHAPE)), annotator="A")
    assert painted.state is Status.EDITED
    assert painted.hc_change_mm == pytest.approx(2 * np.pi, abs=0.3)
    assert check(store) == []
    with pytest.raises(DatasetError, match="of the task 'tumour'"):
        store.accept_result("0", replace(own, task="tumour"), annotator="A")


def test_sums(tmp_path):
    store = filled(tmp_path / "d", 5)
    for number, seconds in enumerate((4.0, 30.0, 8.0)):
        store.accept(f"{number:03}_HC", annotator="A", seconds=seconds)
    larger = Ellipse(120.0, 90.0, 75.0, 52.0, 25.0)
    store.accept("001_HC", annotator="B", ellipse=larger, seconds=20.0)
    store.reject("003_HC", annotator="A", seconds=2.0, note="no\nplane")
    found = summarize(store.entries())
    assert found.states == {"to-do": 1, "accepted": 2, "edited": 1, "rejected": 1}
    assert found.untouched == pytest.approx(2 / 3)
    assert found.seconds == 6.0  # of 4, 20, 8 and 2
    assert found.annotators == {"A": 3, "B": 1}
    assert store.get("003_HC").note == "no plane"
    assert any("67 % of 3" in line for line in found.lines())
    assert summarize([]).untouched is None


def test_neither_a_new_run_nor_an_import_writes_over_a_person(tmp_path):
    store = filled(tmp_path / "d")
    done = store.accept("000_HC", annotator="A", ellipse=Ellipse(121.0, 90.0, 70.0, 50.0, 25.0))
    with pytest.raises(DatasetError, match=r"000_HC was edited by A"):
        store.propose("000_HC", predicted(model="newer"))
    other = Annotation.of("head", SHAPE, MM, ellipse=Ellipse(100.0, 90.0, 60.0, 50.0, 0.0))
    report = add(store, [New(scan(), "000_HC", "000", annotation=other, annotator="B")])
    assert report.counts == {"added": 0, "updated": 0, "same": 0, "kept": 1, "failed": 0}
    assert "edited by A" in report.told[0][2]
    assert add(store, [New(scan(), "000_HC", "000", prediction=predicted(model="newer"))]).counts["kept"] == 1
    assert store.entries() == [done]
    store.reject("000_HC", annotator="A")
    assert add(store, [New(scan(), "000_HC", "000", annotation=other, annotator="B")]).counts["kept"] == 1
    # What waits takes a newer prediction, and an annotation.
    store.reopen("000_HC", annotator="A")
    assert add(store, [New(scan(), "000_HC", "000", prediction=predicted(model="newer"))]).counts["updated"] == 1
    assert store.get("000_HC").model == "newer"
    assert add(store, [New(scan(), "000_HC", "000", annotation=other, annotator="B")]).counts["updated"] == 1
    assert (store.get("000_HC").annotator, store.get("000_HC").version) == ("B", other.version)
    # Every version that was ever accepted is still a file.
    for deed in store.history("000_HC"):
        assert not deed.mask or (store.folder / deed.mask).exists()
    assert not [f for f in check(store) if f.grade != "note"]


def test_who_was_quicker_is_told(tmp_path):
    store, other = filled(tmp_path / "d"), Store.open(tmp_path / "d")
    seen = store.get("000_HC")
    other.accept("000_HC", annotator="B")
    with pytest.raises(DatasetError, match=r"accepted by B .* in the meantime"):
        store.accept("000_HC", annotator="A", ellipse=TRUTH, seen=seen)
    with pytest.raises(DatasetError, match=r"in the meantime"):
        store.reject("000_HC", annotator="A", seen=seen)
    assert store.accept("000_HC", annotator="A", seen=store.get("000_HC")).annotator == "A"


def test_an_empty_mask_says_that_there_is_no_head(tmp_path):
    store = filled(tmp_path / "d")
    done = store.accept("000_HC", annotator="A", mask=np.zeros(SHAPE, np.uint8))
    assert (done.state, done.ellipse, done.hc_mm, done.dice) == (Status.EDITED, None, None, 0.0)
    assert store.annotation(done).ellipse is None
    assert not [f for f in check(store) if f.grade == "error"]


@pytest.mark.parametrize("shape", [(10, 12), (240, 180), (2, 180, 240)])
def test_a_label_of_another_size_changes_nothing(tmp_path, shape):
    store = filled(tmp_path / "d")
    before = (store.folder / "items.csv").read_bytes()
    with pytest.raises(DatasetError, match=r"the mask is .* the picture 240 x 180 pixels"):
        store.accept("000_HC", annotator="A", mask=np.zeros(shape, np.uint8))
    assert (store.folder / "items.csv").read_bytes() == before
    bad = Annotation(np.zeros(shape, np.uint8))
    report = add(store, [New(scan(5), "x", "x", annotation=bad), New(scan(6), "y", "y")])
    assert (report.counts["failed"], report.counts["added"]) == (1, 1)


def test_without_a_prediction_or_a_name_nothing_is_accepted(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    add(store, [New(scan(), "a", "a")])
    with pytest.raises(DatasetError, match="no prediction to accept"):
        store.accept("a", annotator="A")
    with pytest.raises(DatasetError, match="who annotates"):
        store.accept("a", annotator=" ", ellipse=TRUTH)
    with pytest.raises(DatasetError, match="no item 'b'"):
        store.accept("b", annotator="A", ellipse=TRUTH)
    drawn = store.accept("a", annotator="A", ellipse=TRUTH)
    assert (drawn.state, drawn.dice, drawn.hc_change_mm) == (Status.EDITED, None, None)


def test_what_can_not_be_written_leaves_all_as_it_was(tmp_path):
    store = filled(tmp_path / "d")
    before = store.entries()
    (store.folder / "masks").rmdir()
    (store.folder / "masks").write_text("a file where a folder belongs")
    with pytest.raises(OutputError, match="was not written"):
        store.accept("000_HC", annotator="A")
    assert store.entries() == before
    assert len(store.history()) == 1
    shutil.rmtree(store.folder)
    with pytest.raises(DatasetError, match="moved or deleted"):
        store.accept("000_HC", annotator="A")
    with pytest.raises(DatasetError, match="moved or deleted"):
        store.entries()
    assert not store.folder.exists()


def test_folders_that_are_none(tmp_path):
    with pytest.raises(DatasetError, match="no annotation data set"):
        Store.open(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match="holds files already"):
        Store.create(tmp_path, "head")
    with pytest.raises(FetalSegError, match="Unknown task"):
        Store.create(tmp_path / "new", "liver")
    store = Store.create(tmp_path / "d", "head")
    about = json.loads((store.folder / "dataset.json").read_text())
    for wrong, words in (({"version": 2}, "Update"), ({"format": "x"}, "another program"), ({"task": "liver"}, "task")):
        (store.folder / "dataset.json").write_text(json.dumps(about | wrong))
        with pytest.raises(DatasetError, match=words):
            Store.open(store.folder)
    (store.folder / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match="damaged"):
        Store.open(store.folder)


def test_a_table_that_others_touched(tmp_path):
    """A person's own column stays; what is damaged is named by its item."""
    store = filled(tmp_path / "d", 2)
    path = store.folder / "items.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # as a spreadsheet saves it
        writer = csv.DictWriter(file, ["ward", *COLUMNS])
        writer.writeheader()
        writer.writerows({"ward": "7", **row} for row in rows)
    store.accept("001_HC", annotator="A")
    with path.open(newline="") as file:
        assert [row["ward"] for row in csv.DictReader(file)] == ["7", "7"]
    text = path.read_text()
    path.write_text(text.replace(",180,240,", ",18x,240,", 1))
    with pytest.raises(DatasetError, match=r"item '000_HC'"):
        store.entries()
    assert [f.item for f in check(store) if f.grade == "error"] == ["000_HC"]
    path.write_text(text.replace(",", ";"))
    with pytest.raises(DatasetError, match="spreadsheet"):
        store.entries()


def test_check_finds_what_is_wrong(tmp_path):
    store = filled(tmp_path / "d", 6)
    for number in range(5):
        store.accept(f"{number:03}_HC", annotator="A")
    assert check(store) == []
    entries = store.entries()
    (store.folder / entries[0].image).unlink()
    (store.folder / entries[1].image).write_bytes((store.folder / entries[2].image).read_bytes())
    (store.folder / entries[3].mask).write_bytes((store.folder / entries[3].mask).read_bytes()[:200])
    (store.folder / "masks" / "stray.tif").write_bytes(b"x")
    store.accept("002_HC", annotator="A", mask=_ring(), note="an outline")
    with store.writing() as change:  # the same picture under another name and group
        row = change.table.rows["005_HC"]
        change.put(replace(Entry.from_row(row), item="copy", group="another exam"))
    found = {(f.grade, f.item) for f in check(store)}
    assert ("error", "000_HC") in found
    assert ("error", "001_HC") in found
    assert ("error", "003_HC") in found
    assert ("warning", "002_HC") in found
    assert ("error", "005_HC") in found
    assert ("note", "") in found
    assert not [f for f in check(store, quick=True) if f.item in ("001_HC", "003_HC")]


def _ring() -> np.ndarray:
    outer = ellipses.mask(Ellipse(120.0, 90.0, 72.0, 52.0, 25.0), SHAPE)
    return outer - ellipses.mask(Ellipse(120.0, 90.0, 68.0, 48.0, 25.0), SHAPE)


def test_the_version_is_of_what_can_be_learnt(tmp_path):
    """The same pictures and annotations give the same version, in whatever order and under whatever names."""
    one, two = filled(tmp_path / "one", 3), Store.create(tmp_path / "two", "head")
    add(two, [New(scan(n), f"other{n}", f"{n:03}", prediction=predicted(model="x")) for n in (2, 0, 1)])
    assert one.version() == two.version()
    empty = one.version()
    for number in range(3):
        one.accept(f"{number:03}_HC", annotator="A")
        two.accept(f"other{number}", annotator="B")
    assert one.version() == two.version() != empty
    two.reject("other1", annotator="B")
    assert one.version() != two.version()
    one.accept("001_HC", annotator="A", ellipse=Ellipse(120.0, 90.0, 70.0, 50.0, 25.001))
    assert one.version() != two.version()


def test_names_that_disks_do_not_take(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    names = ["a/b:c?.x", "A/b:c?.x", "", "..", "x" * 300, "Ünï 1", "ünï 1"]
    add(store, [New(scan(n), name, "g") for n, name in enumerate(names)])
    made = [entry.item for entry in store.entries()]
    assert made[:4] == ["a_b_c_.x", "A_b_c_.x~2", "item", "item~2"]
    assert len({name.casefold() for name in made}) == len(names)
    assert max(map(len, made)) <= 80
    assert check(store) != []  # they wait without a prediction
    assert {f.grade for f in check(store)} == {"note"}


def test_two_names_of_one_picture_that_come_together_stay_two(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    copies = [New(Scan.from_array(scan().pixels, name, MM), name, "7") for name in ("a", "b")]
    assert add(store, copies).counts["added"] == 2
    assert add(store, copies).counts["same"] == 2


def test_a_crash_in_the_middle_of_a_line_of_the_journal(tmp_path):
    store = filled(tmp_path / "d", 2)
    path = store.folder / table.HISTORY
    path.write_bytes(path.read_bytes() + b"001_HC,001,he")
    assert len(store.history()) == 2
    store.accept("000_HC", annotator="A")
    assert [deed.item for deed in store.history()] == ["000_HC", "001_HC", "000_HC"]
    path.write_bytes(b"item,gro")
    store.accept("001_HC", annotator="A")
    assert [deed.item for deed in store.history()] == ["001_HC"]


_WRITER = """
import sys
from fetalseg.dataset.store import Store
store = Store.open(sys.argv[1])
for number in range(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])):
    print(store.accept(f"{number:03}_HC", annotator=sys.argv[5]).item, flush=True)
"""


def test_two_programs_at_once_lose_no_row(tmp_path):
    store = filled(tmp_path / "d", 24)
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(store.folder), str(first), "24", "2", who])
        for first, who in ((0, "A"), (1, "B"))
    ]
    for number in range(5):  # and a reader, that sees whole tables only
        assert len(store.entries()) == 24, number
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    assert [entry.annotator for entry in store.entries()] == ["A", "B"] * 12
    assert all(entry.state is Status.ACCEPTED for entry in store.entries())
    assert len(store.history()) == 48
    assert check(store) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_program_loses_nothing_that_it_accepted(tmp_path):
    store = filled(tmp_path / "d", 40)
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(store.folder), "0", "40", "1", "A"], stdout=subprocess.PIPE, text=True
    )
    told = [process.stdout.readline().strip() for _ in range(5)]
    process.send_signal(signal.SIGKILL)
    told += [line.strip() for line in process.stdout if line.endswith("C\n")]
    process.wait(timeout=60)
    process.stdout.close()
    again = Store.open(store.folder)
    accepted = {entry.item for entry in again.entries() if entry.state is Status.ACCEPTED}
    assert set(told) <= accepted
    assert not [f for f in check(again) if f.grade != "note"]
    again.accept("039_HC", annotator="B")  # the lock went with the process


_NUMBER = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: value + 0.0)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)


@given(
    st.tuples(_TEXT, _TEXT),
    st.sampled_from(Status),
    st.none() | _NUMBER,
    st.none() | st.integers(0, 999),
    st.floats(0.01, 9),
    st.none() | st.builds(Ellipse, _NUMBER, _NUMBER, st.floats(2, 9), st.floats(1, 2), _NUMBER),
    st.booleans(),
)
def test_a_row_read_back_is_the_entry(texts, state, number, frame, size, ellipse, scaled):
    item, note = texts
    entry = Entry(
        *(item, "g", "head", state, "images/a.png", "a", "s", "t", (3, 4, 5) if frame is None else (4, 5)),
        frame=frame,
        spacing=Spacing(size, size / 3, "file", size if frame is None else None) if scaled else None,
        ellipse=ellipse,
        prediction_ellipse=ellipse,
        seconds=number,
        dice=number,
        flags=("a", "b"),
        between=("x", "y"),
        note=note,
    )
    assert Entry.from_row(entry.to_row()) == entry
    assert set(entry.to_row()) == set(COLUMNS)


def test_dice_of_known_overlaps():
    one, two = np.zeros((4, 4)), np.zeros((4, 4))
    assert dice(one, two) == 1.0
    one[:2] = 1
    assert dice(one, two) == 0.0
    two[1:3] = 7
    assert dice(one, two) == 0.5
