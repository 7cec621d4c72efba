"""A review in a process of its own that is killed in the middle: at most one stroke is lost, nothing accepted is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fetalseg.dataset import adding
from fetalseg.dataset.adding import New
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.entry import Status
from fetalseg.dataset.store import Store
from fetalseg.geometry import ellipse as ellipses
from fetalseg.review.review import Review
from fetalseg.scan import Scan, Spacing
from standins import SHAPE, TRUTH, disc

# Draws three strokes on each case, a row each, and accepts it; says what is on the disk as soon as it is.
_PERSON = """
import sys
import numpy as np
from fetalseg.review.standing import Drawing
from fetalseg.review.review import Review

review = Review.open(sys.argv[1], "Anna")
print("open", flush=True)
for entry in review.entries():
    case = review.load(entry.item)
    review.journal.show(entry.item)
    mask = case.result.segmentation.mask.copy()
    for row in range(3):
        mask[row] = 1
        review.journal.draw(entry.item, Drawing(mask, None, float(row)))
        print("drawn", entry.item, row, flush=True)
    decision = review.decide(case.entry, "accept", Drawing(mask, None, 3.0))
    print("accepted", entry.item, flush=True)
    review.carry_out()
print("end", flush=True)
"""


@pytest.mark.parametrize("lines", [3, 8, 13, 22])
def test_killed_at_any_moment_and_opened_again(tmp_path, lines):
    store = Store.create(tmp_path / "set", "head")
    drawn = Annotation(ellipses.mask(TRUTH, SHAPE), TRUTH)
    scale = Spacing(0.5, 0.5, "typed in")
    names = [f"{i:02}" for i in range(8)]
    adding.add(
        store,
        [
            New(Scan.from_array(disc(TRUTH, SHAPE, 150.0 + i), n, scale), n, n, prediction=Prediction(drawn, "m"))
            for i, n in enumerate(names)
        ],
    )
    command = [sys.executable, "-c", _PERSON, str(store.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as person:
        told = [person.stdout.readline().split() for _ in range(lines)]
        time.sleep(0.003 * lines)  # into the middle of something
        person.send_signal(signal.SIGKILL)
        told += [line.split() for line in person.stdout.read().splitlines() if line]
    review = Review.open(store.folder, "Anna")
    assert review.carry_out() == []
    accepted = [line[1] for line in told if line[0] == "accepted"]
    for item in accepted:
        entry = review.store.get(item)
        assert entry.state is Status.EDITED, "nothing accepted is lost"
        assert review.store.annotation(entry).mask[:3].all()
    strokes = [line for line in told if line[0] == "drawn" and line[1] not in accepted]
    if strokes:
        _, item, row = strokes[-1]
        entry = review.store.get(item)
        kept = review.store.annotation(entry).mask if entry.state.done else review.load(item).result.segmentation.mask
        assert kept[: int(row) + 1].all(), "what was said to be saved is there"
        assert review.journal.standing.current == item
    todo = [entry for entry in review.entries() if not entry.state.done]
    assert all(entry.mask == "" for entry in todo)
    for entry in todo:
        assert np.isin(review.load(entry.item).result.segmentation.mask, (0, 1)).all()
    review.close()
