"""What training and evaluation read of a data set: what a person accepted, and nothing else."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tifffile

import tumours
from fetalseg.dataset import sources
from fetalseg.dataset.adding import New, add
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.layouts import bring_in
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError
from fetalseg.result import Ellipse
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import HeadTrainSettings
from fetalseg.training.run import train
from standins import disc

TINY = HeadTrainSettings(input_rows=64, input_columns=96, epochs=1, batch_size=2, imagenet=False, kept_out=0.3, seed=1)
SIZE = (110, 160)
MM = Spacing(0.5, 0.5, "typed in")


def head(number: int) -> Ellipse:
    return Ellipse(80.0 + number, 55.0, 40.0 - number, 30.0 - number, 20.0 * number)


@pytest.fixture
def store(tmp_path) -> Store:
    """Eight pictures of four exams: 0 to 4 accepted, 5 without a head, 6 rejected, 7 waiting."""
    store = Store.create(tmp_path / "d", "head")
    for number in range(8):
        scan = Scan.from_array(disc(head(number), SIZE), f"{number}.png", MM)
        prediction = Prediction(Annotation.of("head", SIZE, MM, ellipse=head(number)), "unet")
        add(store, [New(scan, f"{number}", f"exam{number // 2}", prediction=prediction)])
    for number in range(5):
        store.accept(f"{number}", annotator="A")
    store.accept("5", annotator="A", mask=np.zeros(SIZE, np.uint8))
    store.reject("6", annotator="A")
    return store


def test_only_what_was_accepted_is_learnt_from(store):
    items, empty = sources.heads(store.folder)
    assert [item.name for item in items] == [f"images/{n}.png" for n in range(5)]
    assert [item.truth for item in items] == [head(n) for n in range(5)]
    assert [item.group for item in items] == ["exam0", "exam0", "exam1", "exam1", "exam2"]
    assert [(item.name, item.truth) for item in empty] == [("images/5.png", None)]
    with pytest.raises(DatasetError, match="for the task 'head'"):
        sources.volumes(store.folder)
    for number in range(6):
        store.reopen(f"{number}", annotator="A")
    with pytest.raises(DatasetError, match="nothing to learn from"):
        sources.heads(store.folder)


def test_a_training_on_a_data_set(store, tmp_path):
    card = train(store.folder, tmp_path / "model", TINY)
    with (tmp_path / "model" / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["filename"] for row in rows) == [f"images/{n}.png" for n in range(6)]
    sides: dict[str, set[bool]] = {}
    for row in rows:
        sides.setdefault(row["exam"], set()).add(row["part"] == "train")
    assert all(len(side) == 1 for side in sides.values())
    assert card.training["data_version"] == store.version()
    assert json.loads((tmp_path / "model" / "card.json").read_text())["training"]["data_version"] == store.version()


def test_volumes_with_their_masks(tmp_path):
    source = tmp_path / "lgg"
    source.mkdir()
    for number, name in enumerate(("TCGA_CS_4941_19960909", "TCGA_HT_1_20000101")):
        tifffile.imwrite(source / f"{name}_flair.tif", tumours.phantom() + np.uint8(number), photometric="minisblack")
        tifffile.imwrite(source / f"{name}_mask.tif", tumours.LARGE.astype(np.uint8), photometric="minisblack")
    store = Store.create(tmp_path / "d", "tumour")
    bring_in(store, source, "lgg")
    found = sources.volumes(store.folder)
    assert [(volume.group, volume.institution) for volume in found] == [("TCGA_CS_4941", "CS"), ("TCGA_HT_1", "HT")]
    scan, mask = found[1].read()
    np.testing.assert_array_equal(scan.pixels, tumours.phantom() + 1)
    np.testing.assert_array_equal(mask, tumours.LARGE)
    assert sources.volumes(source)[0].name == "TCGA_CS_4941_19960909_flair.tif"
    assert sources.version(source) == {}
