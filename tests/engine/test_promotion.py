"""A worse model is never promoted; a damaged one never stops the product."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fetalseg.dataset import hc18
from fetalseg.errors import DatasetError, ModelError, SettingsError
from fetalseg.evaluation import promotion
from fetalseg.evaluation.figures import Score
from fetalseg.evaluation.promotion import Comparison, compare, kept_out, promote
from fetalseg.models import catalogue, installed
from fetalseg.models.card import Card, dice_of
from trainings import write_heads, write_model

#: Of 12 exams the first two trained.
SPLIT = {f"{n:03}_HC.png": (f"{n:03}", "train" if n < 2 else "report" if n % 2 else "calibrate") for n in range(12)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_heads(tmp_path_factory.mktemp("heads"), 12)


@pytest.fixture
def new(tmp_path):
    return catalogue.at(write_model(tmp_path / "new", "new", 1, SPLIT))


@pytest.fixture
def old(tmp_path):
    return catalogue.at(write_model(tmp_path / "old", "old", 2))


def scored(monkeypatch, differences, groups=None):
    """Let the two models have these differences of DSC, scan by scan."""

    def scores(items, settings, progress):
        number = {"old": 0, "new": 1}.get(catalogue.at(catalogue.Path(settings.model)).card.name, 0)
        progress(len(items), len(items), "scored")
        return [
            Score(i.name, i.group, 200.0, 90.0 + number * d, 1.0, 2.0 - number, 0.9, ())
            for i, d in zip(items, differences, strict=True)
        ]

    monkeypatch.setattr("fetalseg.evaluation.run.score_model", scores)


def comparison(**values) -> Comparison:
    plain = {
        "task": "head",
        "old": "unet",
        "new": "new",
        "old_sha256": "a",
        "new_sha256": "b",
        "scans": 10,
        "groups": 9,
    }
    return Comparison(
        **plain | {"old_dice": 90.0, "new_dice": 91.0, "difference": 1.0, "low": 0.5, "high": 1.5} | values
    )


def test_what_was_kept_out_is_compared_and_nothing_else(data, new):
    kept = kept_out(new, data)
    assert [item.group for item in kept] == [f"{n:03}" for n in range(2, 12)]
    (new.folder / "split.csv").unlink()
    with pytest.raises(DatasetError, match=r"not known which scans 'new' was trained on"):
        kept_out(new, data)


def test_a_picture_of_an_exam_that_was_trained_on_is_never_measured_on(data, new, tmp_path):
    more = write_heads(tmp_path / "more", 12)
    for name in ("HC", "HC_Annotation"):
        (more / f"000_2{name}.png").write_bytes((more / f"000_{name}.png").read_bytes())
    table = more / "training_set_pixel_size_and_HC.csv"
    table.write_text(table.read_text() + "\n000_2HC.png,0.5,100")
    assert len(hc18.read(more)) == 13
    # Not named by the split, so not known to be kept out; nor when a split names its exam otherwise.
    assert len(kept_out(new, more)) == 10
    (new.folder / "split.csv").write_text((new.folder / "split.csv").read_text() + "000_2HC.png,other,report\n")
    assert {i.group for i in kept_out(new, more)} == {f"{n:03}" for n in range(2, 12)}


def test_better_by_the_same_everywhere_is_better(data, old, new, monkeypatch):
    scored(monkeypatch, [0.5] * 10)
    steps = []
    found = compare(old, new, data, progress=lambda done, total, text: steps.append((done, total)))
    assert (found.scans, found.groups) == (10, 10)
    assert (found.old_dice, found.new_dice) == pytest.approx((90, 90.5))
    assert (found.difference, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert (found.old_adf_mm, found.new_adf_mm) == (2, 1)
    assert found.better
    assert "is better" in found.sentence
    assert steps == [(10, 20), (20, 20)]
    assert json.loads(json.dumps(found.to_dict()))["better"] is True


@pytest.mark.parametrize(
    ("differences", "words"),
    [([-0.5] * 10, "not better"), ([0.0] * 10, "not better"), ([5.0, -4.5] * 5, "may be chance")],
)
def test_worse_equal_or_by_chance_is_not_better(data, old, new, monkeypatch, differences, words):
    scored(monkeypatch, differences)
    found = compare(old, new, data)
    assert not found.better
    assert words in found.sentence
    assert found.low <= found.difference <= found.high


def test_the_interval_is_that_of_resampled_exams(data, old, new, monkeypatch):
    differences = np.random.default_rng(3).normal(1.0, 1.0, 10)
    scored(monkeypatch, list(differences))
    found = compare(old, new, data)
    half = 1.96 * differences.std() / np.sqrt(10)  # the bootstrap's range, for a mean of independent values
    assert (found.low, found.high) == pytest.approx((found.difference - half, found.difference + half), abs=0.12)
    assert compare(old, new, data) == found  # seeded
    # Scans of two exams are two, however many there are.
    items = [replace(item, group="ab"[n % 2]) for n, item in enumerate(kept_out(new, data))]
    monkeypatch.setattr(promotion, "kept_out", lambda model, folder: items)
    few = compare(old, new, data)
    assert few.groups == 2
    assert not few.better
    assert "too few" in few.sentence


def test_what_the_old_model_saw_is_said(data, old, new, monkeypatch):
    scored(monkeypatch, [0.5] * 10)
    assert "may have been trained on" in compare(old, new, data).doubt
    split = {name: (group, "train" if group in ("002", "003") else "report") for name, (group, _) in SPLIT.items()}
    seen = catalogue.at(write_model(old.folder.parent / "seen", "old", 3, split))
    assert "was trained on 2 of these 10 exams, such as '002'" in compare(seen, new, data).doubt
    clean = catalogue.at(write_model(old.folder.parent / "clean", "old", 4, SPLIT))
    assert compare(clean, new, data).doubt == ""
    for key, how in (("started_from", "started from it"), ("taught_by", "was taught by it")):
        through = replace(new.card, training={key: {"sha256": seen.card.sha256}})
        assert compare(seen, replace(new, card=through), data).doubt.endswith(f"through it, which {how}.")
    with pytest.raises(ModelError, match="can't be compared"):
        compare(catalogue.Model(replace(old.card, task="tumour"), old.folder), new, data)


def test_two_untrained_networks_are_compared_for_real(data, old, new):
    found = compare(old, new, data, device="cpu")
    assert found.groups == 10
    assert 0 <= found.old_dice <= 100
    assert compare(new, new, data, device="cpu").difference == 0


def test_an_installed_model_is_found_by_its_name_and_removed_again(new):
    model = installed.install(new.folder, "ours")
    assert model.folder.parent == catalogue.user_folder()
    assert {p.name for p in model.folder.iterdir()} == {"card.json", "weights.safetensors", "split.csv"}
    assert catalogue.find("head", "ours") == model
    assert catalogue.find("head").bundled
    assert not [p for p in catalogue.user_folder().iterdir() if p.name.startswith(".")]
    for name in ("ours", "unet", "default", "../x", "", "a b"):
        with pytest.raises(SettingsError):
            installed.install(new.folder, name)
    assert not installed.remove("head", "ours")
    with pytest.raises(SettingsError, match="No model 'ours'"):
        installed.remove("head", "ours")
    with pytest.raises(SettingsError, match="came with the program"):
        installed.remove("head", "unet")


def test_a_damaged_model_is_not_installed(new):
    (new.folder / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError):
        installed.install(new.folder, "ours")
    assert list(catalogue.user_folder().glob("*")) == []


def test_only_a_better_model_becomes_the_default(new):
    model = installed.install(new.folder, "ours")
    before = catalogue.find("head")
    hashes = {"old_sha256": before.card.sha256, "new_sha256": model.card.sha256}
    with pytest.raises(ModelError, match="was not found better"):
        promote(model, comparison(difference=-1.0, low=-2.0, **hashes))
    with pytest.raises(ModelError, match="was not found better"):
        promote(model, None)
    with pytest.raises(ModelError, match="was not found better"):
        promote(model, None, override="   ")
    with pytest.raises(ModelError, match="not compared with the present default"):
        promote(model, comparison())
    with pytest.raises(SettingsError, match="Install the model first"):
        installed.set_default(new, override="because")
    assert catalogue.find("head") == before
    promoted = promote(model, comparison(**hashes), who="Dr Gray")
    assert catalogue.find("head") == promoted
    assert catalogue.models("head")[0] == promoted
    record = Card.read(promoted.folder / "card.json").promotion
    assert (record["who"], record["comparison"]["difference"], "override" in record) == ("Dr Gray", 1.0, False)
    assert installed.restore("head") == "unet"
    assert catalogue.find("head") == before
    assert catalogue.find("head", "ours").card.promotion == record


def test_an_override_is_in_the_card_with_who_and_why(new):
    model = installed.install(new.folder, "ours")
    hashes = {"old_sha256": catalogue.find("head").card.sha256, "new_sha256": model.card.sha256}
    promoted = promote(model, comparison(difference=-1.0, low=-2.0, **hashes), override="new machine", who="Dr Gray")
    assert promoted.card.promotion["override"] == "new machine"
    assert promoted.card.promotion["who"] == "Dr Gray"
    assert promoted.card.promotion["comparison"]["better"] is False
    # Removing it brings the bundled one back.
    assert installed.remove("head", "ours")
    assert catalogue.find("head").bundled
    assert not (catalogue.user_folder() / "defaults.json").exists()


def test_a_damaged_default_is_replaced_and_said_but_never_when_asked_for_by_name(new):
    model = promote(installed.install(new.folder, "ours"), None, override="a test")
    assert catalogue.problems() == []
    path = model.folder / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\x01")
    assert catalogue.find("head").bundled
    assert catalogue.models("head")[0].bundled
    assert "bundled 'unet' is used instead" in catalogue.default_problem("head")
    assert any("damaged" in sentence for sentence in catalogue.problems("head"))
    with pytest.raises(ModelError, match="not the file that its card names"):
        catalogue.find("head", "ours").load()
    path.unlink()
    assert catalogue.find("head").bundled
    path.write_bytes(whole)
    assert catalogue.find("head").card.name == "ours"
    (model.folder / "card.json").write_text("{")
    assert catalogue.find("head").bundled
    assert any("damaged" in sentence for sentence in catalogue.problems())
    with pytest.raises(ModelError, match="'ours' is damaged"):
        catalogue.find("head", "ours")
    # A damaged one can be removed, and installed anew over what is left.
    installed.install(new.folder, "ours")
    assert catalogue.find("head").card.name == "ours"
    installed.remove("head", "ours")
    (catalogue.user_folder() / "defaults.json").write_text("[]")
    assert catalogue.find("head").bundled


def test_dice_is_the_dsc_of_heads_and_the_mean_of_volumes():
    assert dice_of({"dsc": 97.5, "hd_mm": 1.0}) == 97.5
    assert dice_of({"dice": 88.9, "dice_median": 90}) == 88.9
    assert dice_of({"dsc": {"mean": 97.0}}) == 97.0
    assert dice_of({"on": "nothing"}) is None
