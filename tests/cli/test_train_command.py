"""``fetalseg train`` and ``fetalseg models`` as processes: from pictures to a default that can be taken back."""

from __future__ import annotations

import argparse
import json

import pytest

from fetalseg.cli.train import _start
from trainings import write_heads, write_model

CONFIG = """
arch = "segnet"
input_rows = 64
input_columns = 96
epochs = 1
batch_size = 2
imagenet = false
kept_out = 0.3
seed = 1
[parameters]
widths = [4, 8]
convolutions = [1, 1]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG)
    return path


def test_from_pictures_to_a_default_and_back(fetalseg, config, tmp_path):
    data, out = write_heads(tmp_path / "heads", 14), tmp_path / "m"
    done = fetalseg("train", "--data", data, "--config", config, "--epochs", 2, "--patience", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in out.iterdir()} >= {"weights.safetensors", "card.json", "curves.csv", "split.csv"}
    assert json.loads((out / "card.json").read_text())["training"]["settings"]["patience"] == 1
    other = fetalseg("train", "--data", data, "--config", config, "--epochs", 3, "--out", out)
    assert other.returncode == 2
    assert "--resume" in other.stderr
    # A network of two epochs on discs is not better than the bundled one.
    done = fetalseg("models", "install", out, "--name", "ours", "--default", "--data", data)
    assert done.returncode == 1, done.stderr
    assert "'ours' is installed" in done.stdout
    assert "stays the default" in done.stdout
    compared = fetalseg("models", "compare", "unet", "ours", "--data", data, "--json")
    assert compared.returncode == 0, compared.stderr
    found = json.loads(compared.stdout)
    assert found["better"] is False
    assert found["difference"] == pytest.approx(found["new_dice"] - found["old_dice"])
    assert fetalseg("models", "remove", "ours").returncode == 0
    done = fetalseg("models", "install", out, "--name", "ours", "--default", "--override", "a test")
    assert done.returncode == 0, done.stderr
    listed = fetalseg("models").stdout
    assert "(default)" in next(line for line in listed.splitlines() if " ours " in line)
    card = json.loads(fetalseg("models", "--card", "ours").stdout)
    assert card["promotion"]["override"] == "a test"


def test_the_chosen_default_segments_and_a_damaged_one_is_replaced(fetalseg, rows, record, tmp_path):
    from fetalseg import samples
    from fetalseg.models import catalogue, installed

    model = installed.install(write_model(tmp_path / "m", "m"), "ours")
    installed.set_default(model, override="a test", who="a test")
    picture = samples.folder() / "second_trimester.png"
    assert fetalseg("segment", picture, "--out", tmp_path / "a").returncode == 0
    assert record(tmp_path / "a")["model"]["name"] == "ours"
    (catalogue.user_folder() / "head_ours" / "weights.safetensors").write_bytes(b"damaged")
    done = fetalseg("segment", picture, "--out", tmp_path / "b")
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "b")["model"]["name"] == "unet"
    assert "bundled 'unet' is used instead" in done.stderr
    asked = fetalseg("segment", picture, "--model", "ours", "--out", tmp_path / "c")
    assert asked.returncode == 1
    assert "install it anew" in asked.stderr
    listed = fetalseg("models")
    assert listed.returncode == 1
    assert "damaged" in listed.stderr
    assert "the default of the task 'head' again" in fetalseg("models", "restore", "--task", "head").stdout
    assert fetalseg("models", "install", tmp_path / "m", "--name", "x", "--default").returncode == 2


@pytest.mark.parametrize("task", ["head", "tumour"])
def test_a_models_name_is_that_of_the_task_to_learn(tmp_path, task):
    config = tmp_path / "some.toml"
    config.write_text(f'task = "{task}"\narch = "segnet"\n')
    by_config = _start(argparse.Namespace(start="segnet", task=None, config=config))
    by_option = _start(argparse.Namespace(start="segnet", task=task, config=None))
    assert by_config is not None
    assert by_option is not None
    assert by_config.card.task == by_option.card.task == task


def test_a_better_model_teaches_and_one_that_does_not_fit_is_refused(fetalseg, config, tmp_path):
    data, teacher = write_heads(tmp_path / "heads"), write_model(tmp_path / "teacher", "wise")
    done = fetalseg("train", "--data", data, "--config", config, "--teacher", teacher, "--out", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert "'wise' may have learnt from the exams that are kept out" in done.stdout
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert card["training"]["taught_by"]["model"] == "wise"
    for name, words in (("unet", "192 x 288 pixels"), ("nobody", "nobody")):
        done = fetalseg("train", "--data", data, "--config", config, "--teacher", name, "--out", tmp_path / name)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
