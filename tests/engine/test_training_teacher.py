"""A trained network has a part in what another learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fetalseg.dataset.split import Split
from fetalseg.errors import SettingsError
from fetalseg.models import catalogue
from fetalseg.models.card import Card
from fetalseg.settings import HeadTrainSettings, VolumeTrainSettings
from fetalseg.training import teacher as teaching
from fetalseg.training.run import train
from fetalseg.training.teacher import SHARE, Teacher, doubt
from trainings import write_heads

TINY = HeadTrainSettings(input_rows=64, input_columns=96, epochs=1, batch_size=2, imagenet=False, kept_out=0.3, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six small pictures in HC18's layout."""
    return write_heads(tmp_path_factory.mktemp("hc18"))


@pytest.fixture(scope="module")
def model(data, tmp_path_factory) -> catalogue.Model:
    """What teaches."""
    out = tmp_path_factory.mktemp("teacher")
    train(data, out, TINY)
    return catalogue.at(out)


def test_what_is_learnt_is_annotation_and_mirrored_answer(model, monkeypatch):
    class Left(torch.nn.Module):
        """Is sure of the left half, whatever it sees."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = torch.full_like(images, -30.0)
            logits[..., :48] = 30.0
            return logits

    monkeypatch.setattr(catalogue.Model, "load", lambda self: Left())
    annotated = torch.zeros(3, 1, 64, 96)
    annotated[:, :, :32] = 1
    made = Teacher(model, TINY, "cpu", mixed=False).targets(torch.randn(3, 1, 64, 96), annotated)
    # Mirrored too it is sure of neither half, so its answer is one half everywhere.
    assert made[:, :, :32].unique().tolist() == pytest.approx([1 - SHARE / 2])
    assert made[:, :, 32:].unique().tolist() == pytest.approx([SHARE / 2])


def test_a_learner_is_drawn_to_its_teacher(data, model, tmp_path, monkeypatch):
    alone = train(data, tmp_path / "alone", TINY)
    taught = train(data, tmp_path / "taught", TINY, teacher=model)
    assert taught.training["taught_by"] == {"model": model.card.name, "sha256": model.card.sha256}
    assert "taught_by" not in alone.training
    assert taught.sha256 != alone.sha256
    # A teacher without a say changes nothing.
    monkeypatch.setattr(teaching, "SHARE", 0.0)
    assert train(data, tmp_path / "mute", TINY, teacher=model).sha256 == alone.sha256


def test_a_teacher_that_does_not_fit_is_refused_before_anything_is_written(data, model, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(SettingsError, match="64 x 96 pixels and the model to train at 64 x 128"):
        train(data, out, replace(TINY, input_columns=128), teacher=model)
    assert not (out / "split.csv").exists()
    with pytest.raises(SettingsError, match="can't teach 'tumour'"):
        Teacher(model, VolumeTrainSettings(), "cpu", mixed=False)


def test_a_training_goes_on_with_the_teacher_that_it_had(data, model, tmp_path):
    out = tmp_path / "out"
    train(data, out, TINY, teacher=model)
    with pytest.raises(SettingsError, match="another teacher"):
        train(data, out, replace(TINY, epochs=2))
    assert "taught_by" in Card.read(out / "card.json").training


def test_what_a_teacher_may_have_seen_of_the_kept_out_exams_is_said(model, data, tmp_path):
    split = Split.read(model.folder / "split.csv")
    assert doubt(model, split) == ""  # the same split
    swapped = {name: (group, "report" if part == "train" else "train") for name, (group, part) in split.parts.items()}
    assert "has learnt from some of the exams" in doubt(model, Split(swapped))
    assert doubt(model, Split({name: (group, "train") for name, (group, _) in split.parts.items()})) == ""
    unknown = catalogue.Model(model.card, tmp_path)
    said: list[str] = []
    train(data, tmp_path / "out", TINY, teacher=catalogue.find("head", str(copy(model, tmp_path))), log=said.append)
    assert doubt(unknown, split) in said


def copy(model: catalogue.Model, folder: Path) -> Path:
    """Leave a model in a folder, without the split that it was trained on."""
    for name in ("card.json", "weights.safetensors"):
        (folder / name).write_bytes((model.folder / name).read_bytes())
    return folder
