"""A training of two steps, the split, and what is written."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.dataset import hc18
from fetalseg.dataset.items import Item, split
from fetalseg.errors import DatasetError, ModelError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry.view import View
from fetalseg.models import catalogue, weights
from fetalseg.models.card import Card
from fetalseg.result import Ellipse
from fetalseg.settings import HeadTrainSettings
from fetalseg.training.augment import Picture, warp
from fetalseg.training.batches import HeadData, order
from fetalseg.training.feed import feed
from fetalseg.training.fit import loss, one_cycle
from fetalseg.training.run import train
from standins import disc
from trainings import write_heads

TINY = HeadTrainSettings(input_rows=64, input_columns=96, epochs=2, batch_size=2, imagenet=False, kept_out=0.3, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six small pictures in HC18's layout."""
    return write_heads(tmp_path_factory.mktemp("hc18"))


def test_hc18_is_read_with_its_ellipses(data):
    items = hc18.read(data)
    assert len(items) == 6
    first = items[0]
    assert first.group == "000"
    assert (first.truth.semi_major, first.truth.semi_minor) == pytest.approx((40, 30), abs=0.3)
    assert first.hc_mm == pytest.approx(0.5 * ellipses.circumference(40, 30), abs=0.01)


@pytest.mark.parametrize("name", ["012_HC", "012_2HC", "012_3HC"])
def test_pictures_of_one_exam_are_one_group(name):
    assert hc18._exam(name) == "012"


def test_a_folder_that_is_no_data_set_says_why(tmp_path):
    with pytest.raises(DatasetError, match="pixel sizes"):
        hc18.read(tmp_path)
    (tmp_path / "pixel_size.csv").write_text("filename,pixel size(mm)\na.png,much\n")
    with pytest.raises(DatasetError, match=r"pixel_size.csv, line 2"):
        hc18.read(tmp_path)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=300), st.integers(0, 5))
def test_no_exam_is_on_two_sides_of_the_split(exams, seed):
    items = [Item(f"{k}.png", Path("x"), f"{e:03}", None, None, None) for k, e in enumerate(exams)]
    parts = split(items, 0.2, seed)
    sides = {}
    for item in items:
        assert sides.setdefault(item.group, parts[item.name]) == parts[item.name]
    # Adding an item moves no other.
    more = [*items, Item("new.png", Path("x"), "new", None, None, None)]
    assert {k: v for k, v in split(more, 0.2, seed).items() if k != "new.png"} == parts


def test_the_split_is_eighty_to_twenty_in_the_long_run():
    items = [Item(f"{k}", Path("x"), f"{k}", None, None, None) for k in range(4000)]
    parts = list(split(items, 0.2, 3).values())
    assert parts.count("train") / 4000 == pytest.approx(0.8, abs=0.02)
    assert parts.count("calibrate") / 4000 == pytest.approx(0.1, abs=0.015)


def test_small_heads_come_twice_and_some_samples_hold_no_head():
    settings = HeadTrainSettings(batch_size=1, negative_share=0.1, small_head_repeats=2)
    samples = order([True, False, False], 5, settings, epoch=0)
    assert samples.count(0) == 2
    assert samples.count(1) == samples.count(2) == 1
    many = order([False] * 900, 20, settings, epoch=1)
    assert sum(s < 0 or s >= 900 for s in many) == 100


def test_batches_are_the_same_for_the_same_seed_and_epoch():
    pictures = [Picture.of(disc(Ellipse(80, 55, 40, 30, 0), (110, 160)), Ellipse(80, 55, 40, 30, 0), (64, 96))] * 3
    data = HeadData(pictures, [False] * 3, [], TINY)
    once, twice = (list(feed(data, 4, 5)) for _ in range(2))
    assert all(torch.equal(a, b) for one, two in zip(once, twice, strict=True) for a, b in zip(one, two, strict=True))
    other = next(feed(data, 5, 6))
    assert not torch.equal(once[0][0], other[0])


def test_worker_processes_make_the_same_batches_in_the_same_order():
    pictures = [Picture.of(disc(Ellipse(80, 55, 40, 30, 0), (110, 160)), Ellipse(80, 55, 40, 30, 0), (64, 96))] * 5
    data = HeadData(pictures, [False] * 5, [], TINY)
    alone, beside = list(feed(data, 3, 5)), list(feed(data, 3, 5, workers=2))
    assert len(alone) == 2 * data.steps
    for one, two in zip(alone, beside, strict=True):
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])


def test_augmentation_moves_picture_and_target_together():
    truth = Ellipse(80, 55, 40, 30, 25)
    picture = Picture.of(disc(truth, (110, 160)), truth, (64, 96))
    for seed in range(8):
        image, target = warp(picture, View.whole((110, 160), (64, 96)), TINY, np.random.default_rng(seed))
        assert (((image > 0.5) ^ (target > 0.5)).float().mean()) < 0.01
        assert 0 < target.mean() < 1


def test_loss_is_least_for_the_truth_and_asks_no_dice_of_empty_pictures():
    target = torch.zeros(2, 1, 8, 8)
    target[0, 0, 2:6, 2:6] = 1
    right, wrong = (target * 2 - 1) * 9, (1 - target * 2) * 9
    assert loss(right, target) < 0.01
    assert loss(wrong, target) > 5
    empty = torch.zeros(1, 1, 8, 8)
    assert loss(torch.full_like(empty, -9), empty) < 0.01


def test_learning_rate_rises_and_falls_to_nothing():
    rates = [one_cycle(s, 100, 1e-3) for s in range(101)]
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 30
    assert rates[-1] < 1e-8


def test_a_killed_training_goes_on_as_if_it_had_not_been(data, tmp_path, monkeypatch):
    whole = train(data, tmp_path / "whole", TINY)
    from fetalseg.training import fit as fitting

    calls = []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    original = fitting.checkpoint.save
    monkeypatch.setattr(fitting.checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "cut", TINY)
    monkeypatch.setattr(fitting.checkpoint, "save", original)
    resumed = train(data, tmp_path / "cut", TINY)
    assert resumed.sha256 == whole.sha256  # the same weights, bit for bit
    with (tmp_path / "cut" / "curves.csv").open() as handle:
        assert [row["epoch"] for row in csv.DictReader(handle)] == ["1", "2"]


def test_a_training_leaves_a_model_that_can_be_used(data, tmp_path):
    out = tmp_path / "model"
    card = train(data, out, TINY, name="tiny")
    assert {p.name for p in out.iterdir()} >= {
        "weights.safetensors",
        "card.json",
        "curves.csv",
        "curves.png",
        "split.csv",
    }
    model = catalogue.find("head", str(out))
    assert model.card == Card.read(out / "card.json")
    network = model.load()
    assert network(torch.zeros(1, 1, 64, 96)).shape == (1, 1, 64, 96)
    assert card.training["pictures"] + card.training["kept_out_pictures"] == 6
    with pytest.raises(ModelError, match="tumour"):
        catalogue.find("tumour", str(out))


def test_a_model_of_all_scans_tells_whose_figures_its_card_shows(data, tmp_path):
    measured = train(data, tmp_path / "split", replace(TINY, epochs=1))
    figures = {"report": {"on": "two pictures", "dsc": 97.0}}
    replace(measured, level=0.42, figures=figures).write(tmp_path / "split" / "card.json")
    card = train(data, tmp_path / "all", replace(TINY, kept_out=0.0), card_from=tmp_path / "split")
    assert (card.level, card.figures) == (0.42, figures)
    told = card.training["figures_from"]
    assert f"{measured.training['pictures']} pictures" in told
    assert "for 1 epochs" in told
    assert told.endswith("on all of the data, for 2 epochs.")


def test_weights_that_are_not_the_cards_are_refused(data, tmp_path):
    out = tmp_path / "model"
    train(data, out, TINY)
    path = out / weights.WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelError, match="not the file that its card names"):
        catalogue.find("head", str(out)).load()
    path.unlink()
    with pytest.raises(ModelError, match="missing"):
        catalogue.find("head", str(out)).load()


def test_a_pickle_is_never_loaded(data, tmp_path):
    out = tmp_path / "model"
    train(data, out, TINY)
    torch.save({"a": torch.zeros(1)}, out / weights.WEIGHTS)
    card = json.loads((out / "card.json").read_text())
    from fetalseg.models.card import file_sha256

    card["sha256"] = file_sha256(out / weights.WEIGHTS)
    (out / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="does not fit"):
        catalogue.find("head", str(out)).load()
