"""Which model is used after a training: the better one, or a person's word; and back again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from train_windows import KEPT_OUT, PATIENCE, SEED, install_tiny, make_store, open_train, plain, until

from fetalseg.models import catalogue
from fetalseg.models.card import Card
from napari_fetalseg import processes
from napari_fetalseg.actions import open_docks
from napari_fetalseg.train.progress import Phase

ARGUMENTS = ("--task", "head", "--epochs", "1", "--device", "cpu", "--name", "mine", "--kept-out", f"0.{KEPT_OUT}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training of one epoch by the command line, and its data."""
    folder = tmp_path_factory.mktemp("trained")
    data, out = make_store(folder / "data").folder, folder / "out"
    start = install_tiny(folder / "models")
    command = [sys.executable, "-m", "fetalseg.cli", "train", "--data", data, "--from", start, "--out", out]
    told = subprocess.run(
        [*map(str, command), *ARGUMENTS, "--seed", str(SEED)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    return data, out


def found(folder, difference: float, low: float, old: str = "unet") -> dict[str, object]:
    """What ``fetalseg models compare --json`` says, had it found this."""
    new, before = Card.read(folder / "card.json"), catalogue.find("head", old).card
    return {
        "task": "head",
        "old": before.name,
        "new": new.name,
        "old_sha256": before.sha256,
        "new_sha256": new.sha256,
        "scans": 61,
        "groups": 61,
        "old_dice": 97.6,
        "new_dice": 97.6 + difference,
        "difference": difference,
        "low": low,
        "high": 0.5,
        "old_adf_mm": 2.0,
        "new_adf_mm": 1.8,
        "doubt": "",
        "better": True,  # what counts is what follows from the numbers
    }


@pytest.fixture
def asked(monkeypatch, trained):
    """The commands that were run, and what they answer."""
    made = {"commands": [], "answer": found(trained[1], 0.3, 0.1)}

    def output(arguments, _token):
        made["commands"].append(list(arguments))
        if isinstance(made["answer"], Exception):
            raise made["answer"]
        return json.dumps(made["answer"])

    monkeypatch.setattr(processes, "output", output)
    return made


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the training, as the dock starts one."""
    data, out = trained
    shutil.copytree(out, tmp_path / "out")
    started = {"pid": 1, "began": 0.0, "host": "here", "arguments": ["train", "--data", str(data), *ARGUMENTS]}
    (tmp_path / "out" / processes.PROCESS).write_text(json.dumps(started))
    return tmp_path / "out"


@pytest.fixture
def dock(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    made = open_train(viewer)
    yield made
    qtbot.waitUntil(lambda: not made.live.busy and not made.outcome.busy and not made.models._jobs.busy)
    made.close_training()


def opened(qtbot, dock, folder) -> None:
    dock.open_training(folder)
    until(qtbot, dock, Phase.DONE)
    qtbot.waitUntil(lambda: not dock.outcome.busy, timeout=PATIENCE)


def used(qtbot, dock) -> None:
    dock.outcome.use_button.click()
    qtbot.waitUntil(lambda: not dock.outcome.busy, timeout=PATIENCE)


def test_the_better_model_is_used_at_once_and_the_old_one_comes_back(dock, qtbot, asked, folder, trained):
    segment, _ = open_docks(dock.viewer)
    opened(qtbot, dock, folder)
    (command,) = asked["commands"]
    assert command == [
        *("models", "compare", str(catalogue.find("head").folder), str(folder)),
        *("--data", str(trained[0]), "--json", "--device", "cpu"),
    ]
    told = plain(dock.outcome.figures)
    assert told == "old 97.6 → new 97.9 (+0.3, 95 % 0.1 to 0.5, 61 kept-out exams)"
    assert "✓ The new model is better." in plain(dock.outcome.sentence)
    assert "Mean error of HC: old 2.0 mm, new 1.8 mm." in plain(dock.outcome.sentence)
    assert dock.outcome.why.isHidden()
    used(qtbot, dock)
    assert "'mine' is the default now" in plain(dock.outcome.sentence)
    model = catalogue.find("head")
    assert (model.card.name, model.folder.parent) == ("mine", catalogue.user_folder())
    assert model.card.promotion["comparison"]["difference"] == 0.3
    assert segment.model.list.itemText(0) == "SegNet · mine (default)", "selectable in the Segment dock at once"

    panel = dock.models
    panel.fold.setChecked(True)
    assert panel.restore_button.isEnabled()
    panel.restore_button.click()
    qtbot.waitUntil(lambda: not panel._jobs.busy, timeout=PATIENCE)
    assert plain(panel.said) == "'unet' is the default for Fetal head again."
    assert catalogue.find("head").card.name == "unet"
    assert segment.model.list.itemText(0) == "U-Net (default)"
    panel.list.setCurrentIndex(panel.list.findText("Fetal head: SegNet · mine"))
    panel.remove_button.click()
    assert panel.remove_button.text() == "Really remove it?"
    assert model.folder.exists()
    panel.remove_button.click()
    qtbot.waitUntil(lambda: not panel._jobs.busy, timeout=PATIENCE)
    assert not model.folder.exists()
    assert segment.model.list.findText("SegNet · mine") == -1
    assert not panel.remove_button.isEnabled(), "what is bundled stays"


def test_one_that_is_not_better_needs_a_reason_that_its_card_keeps(dock, qtbot, asked, folder):
    asked["answer"] = found(folder, -0.4, -0.9)
    opened(qtbot, dock, folder)
    assert plain(dock.outcome.figures) == "old 97.6 → new 97.2 (−0.4, 95 % −0.9 to 0.5, 61 kept-out exams)"
    assert "! The new model is not better." in plain(dock.outcome.sentence)
    assert not dock.outcome.use_button.isEnabled()
    dock.outcome.why.setText("  ")
    assert not dock.outcome.use_button.isEnabled()
    assert catalogue.find("head").card.name == "unet"
    dock.outcome.why.setText("our new machine")
    used(qtbot, dock)
    card = catalogue.find("head").card
    assert (card.name, card.promotion["override"]) == ("mine", "our new machine")


def test_the_old_one_is_kept_and_the_comparison_too(dock, qtbot, asked, folder):
    asked["answer"] = found(folder, 0.04, -0.2)
    opened(qtbot, dock, folder)
    assert "(+0.04, 95 % −0.20 to 0.50," in plain(dock.outcome.figures)
    dock.outcome.keep_button.click()
    assert dock.training is None
    assert dock.form.isVisible()
    assert catalogue.find("head").card.name == "unet"
    assert not [m for m in catalogue.models("head") if not m.bundled]
    opened(qtbot, dock, folder)
    assert len(asked["commands"]) == 1, "both models are the same still"
    assert dock.outcome.comparison is not None


def test_a_comparison_that_fails_is_a_sentence_and_can_be_tried_again(dock, qtbot, asked, folder):
    from fetalseg.errors import DatasetError

    answer, asked["answer"] = asked["answer"], DatasetError("The folder is gone.")
    opened(qtbot, dock, folder)
    assert dock.outcome.error.sentence() == "The folder is gone."
    assert not dock.outcome.use_button.isVisible()
    asked["answer"] = answer
    dock.outcome.again_button.click()
    qtbot.waitUntil(lambda: not dock.outcome.busy, timeout=PATIENCE)
    assert dock.outcome.error.sentence() == ""
    assert dock.outcome.use_button.isEnabled()


def test_a_training_of_the_command_line_is_opened_and_asks_for_its_data(dock, qtbot, asked, folder, trained):
    (folder / processes.PROCESS).unlink()
    opened(qtbot, dock, folder)
    assert not asked["commands"]
    assert dock.outcome.data_button.isVisible()
    dock.outcome.compare(str(trained[0]))
    qtbot.waitUntil(lambda: not dock.outcome.busy, timeout=PATIENCE)
    assert dock.outcome.use_button.isEnabled()
