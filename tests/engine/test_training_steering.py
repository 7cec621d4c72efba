"""Pausing, stopping, ending early, going on after a kill -9, and a memory that is too small."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fetalseg.dataset.split import Split
from fetalseg.errors import Cancelled, DatasetError, DeviceError, OutputError, SettingsError
from fetalseg.models import catalogue
from fetalseg.training import events
from fetalseg.training import fit as fitting
from fetalseg.training.portions import Portions, computes_mixed, loss
from fetalseg.training.run import train
from trainings import QUICK, write_heads


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The card of an uninterrupted training, and its folder."""
    out = tmp_path_factory.mktemp("whole") / "m"
    return train(data, out, QUICK), out


def told(out: Path, kind: str) -> list[dict]:
    return [event for event in events.latest(out) if event["event"] == kind]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_training_tells_what_happens(whole):
    card, out = whole
    (start,) = told(out, "start")
    assert (start["epochs"], start["device"], start["batch_size"], start["seed"]) == (3, "cpu", 2, 1)
    assert start["counts"]["pictures"] + start["counts"]["kept_out_pictures"] == 6
    assert start["steps"] >= 2
    epochs = told(out, "epoch")
    assert [e["epoch"] for e in epochs] == [1, 2, 3]
    assert [f"{e['train_loss']}" for e in epochs] == [row["train_loss"] for row in rows(out)]
    dices = [e["validation_dice"] for e in epochs]
    assert [e["best"] for e in epochs] == [d > max([*dices[:i], -1]) for i, d in enumerate(dices)]
    assert epochs[-1]["seconds_left"] == 0
    assert events.latest(out)[-1] == {"event": "end", "reason": "done"}
    # All epochs done and no patience: the last weights, as the schedule is made for.
    assert (card.training["ended"], card.training["weights_of_epoch"]) == ("done", 3)
    assert not events.running(out)


def test_the_worst_cases_are_shown_side_by_side(whole):
    _, out = whole
    last = told(out, "cases")[-1]
    assert last["epoch"] == 3
    assert len(last["files"]) == min(4, told(out, "start")[0]["counts"]["kept_out_pictures"])
    assert last["dice"] == sorted(last["dice"])
    picture = np.asarray(Image.open(out / last["files"][0]))
    assert picture.shape[1] > 2 * 300
    yellow = (picture[..., 0] > 200) & (picture[..., 1] > 150) & (picture[..., 2] < 80)
    assert yellow[:, : picture.shape[1] // 2].sum() > 100  # the truth's outline, left
    assert not yellow[:, picture.shape[1] // 2 :].any()
    kept = {path.name.split("_")[1] for path in (out / "cases").iterdir()}
    assert kept == {"0002", "0003"}


def test_stopped_it_keeps_the_best_so_far_and_goes_on_later(data, whole, tmp_path, monkeypatch):
    asked = iter(["run"] * 10_000)
    original = fitting.checkpoint.save

    def stop_after_two(*arguments):
        nonlocal asked
        original(*arguments)
        if arguments[-1]["epoch"] == 2:
            asked = iter(["run", "run", "stop", "stop"])

    monkeypatch.setattr(fitting.Steering, "asked", lambda self: next(asked))
    monkeypatch.setattr(fitting.checkpoint, "save", stop_after_two)
    card = train(data, tmp_path, QUICK)
    assert card.training["ended"] == "stopped"
    best = max(rows(tmp_path), key=lambda row: float(row["validation_dice"]))
    assert card.training["weights_of_epoch"] == int(best["epoch"])
    assert told(tmp_path, "end") == [{"event": "end", "reason": "stopped"}]
    catalogue.find("head", str(tmp_path)).load()
    monkeypatch.undo()
    again = train(data, tmp_path, QUICK)
    assert again.sha256 == whole[0].sha256
    assert [e["epoch"] for e in told(tmp_path, "epoch")] == [1, 2, 3]


def test_a_stop_is_obeyed_once_and_needs_an_epoch_to_keep(data, tmp_path):
    events.steer(tmp_path, "stop")
    with pytest.raises(Cancelled, match="no weights to keep"):
        train(data, tmp_path, QUICK)
    assert "no weights" in told(tmp_path, "error")[0]["text"]
    assert not (tmp_path / events.CONTROL).exists()
    assert not (tmp_path / "card.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there")
def test_killed_while_an_epoch_is_under_way_it_goes_on_bit_for_bit(data, tmp_path):
    threads = {"OMP_NUM_THREADS": "1"}
    config = tmp_path / "tiny.toml"
    config.write_text(
        'arch = "segnet"\ninput_rows = 64\ninput_columns = 96\nepochs = 30\nbatch_size = 2\nimagenet = false\n'
        "kept_out = 0.3\nseed = 1\n[parameters]\nwidths = [4, 8]\nconvolutions = [1, 1]\n"
    )

    def begin(out: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "fetalseg.cli", "train", "--config", config, "--data", data, "--out", out]
        return subprocess.Popen(list(map(str, command)), env={**os.environ, **threads}, stdout=subprocess.DEVNULL)

    # Many epochs, so that there is time to ask for a pause on a machine however busy.
    out = tmp_path / "cut"
    process = begin(out)
    reader, seen = events.Reader(out), []
    while not any("Paused before step" in e.get("text", "") for e in seen):
        assert process.poll() is None, seen
        seen += reader.new()
        if any(e["event"] == "epoch" for e in seen):
            events.steer(out, "pause")
        time.sleep(0.02)
    assert events.running(out)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not events.running(out)
    assert not any(e["event"] == "end" for e in seen)
    assert 1 <= len(rows(out)) < 30
    # What was asked of the killed one is not asked of the next.
    second, third = begin(out), begin(tmp_path / "whole")
    assert second.wait() == third.wait() == 0
    assert (out / "weights.safetensors").read_bytes() == (tmp_path / "whole" / "weights.safetensors").read_bytes()
    assert [row["validation_dice"] for row in rows(out)] == [r["validation_dice"] for r in rows(tmp_path / "whole")]


def test_patience_ends_a_training_early_with_the_best_weights(data, tmp_path, monkeypatch):
    dices = iter([0.2, 0.6, 0.5, 0.6, 0.9, 0.9])
    averages = []

    def validate(network, *_):
        averages.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"validation_loss": 1.0, "validation_dice": next(dices)}

    monkeypatch.setattr(fitting, "validate", validate)
    card = train(data, tmp_path, replace(QUICK, epochs=6, patience=2))
    assert len(rows(tmp_path)) == 4
    assert (card.training["ended"], card.training["weights_of_epoch"]) == ("early", 2)
    kept = catalogue.find("head", str(tmp_path)).load().state_dict()
    assert all(torch.equal(kept[k], v.half().float() if v.is_floating_point() else v) for k, v in averages[1].items())
    # Started again it does not go on, and says the same.
    assert train(data, tmp_path, replace(QUICK, epochs=6, patience=2)).sha256 == card.sha256
    assert [e["best"] for e in told(tmp_path, "epoch")] == [True, True, False, False]
    assert told(tmp_path, "end")[0]["reason"] == "early"


def test_patience_needs_something_kept_out(data, tmp_path):
    with pytest.raises(SettingsError, match="kept out"):
        train(data, tmp_path, replace(QUICK, kept_out=0.0, patience=1))
    with pytest.raises(SettingsError, match="patience"):
        replace(QUICK, patience=-1)


def test_other_settings_or_data_go_on_only_when_told_to(data, whole, tmp_path):
    out = tmp_path / "m"
    train(data, out, replace(QUICK, epochs=1))
    with pytest.raises(SettingsError, match=r"epochs \(1, now 2\).*--resume"):
        train(data, out, replace(QUICK, epochs=2))
    assert "other settings" in told(out, "error")[-1]["text"]
    with pytest.raises(SettingsError, match="seed"):
        train(data, out, replace(QUICK, seed=2), resume=True)
    with pytest.raises(SettingsError, match="would now be kept out"):
        train(data, out, replace(QUICK, kept_out=0.6), resume=True)
    more = write_heads(tmp_path / "more", 8)
    with pytest.raises(SettingsError, match="2 scans more"):
        train(more, out, replace(QUICK, epochs=1))
    card = train(data, out, replace(QUICK, epochs=2, version="1.1"), resume=True)
    assert [row["epoch"] for row in rows(out)] == ["1", "2"]
    assert card.training["ended"] == "done"
    assert "epochs" in told(out, "note")[0]["text"]


def test_a_given_split_is_kept_to_and_no_exam_lies_on_both_sides(data, tmp_path):
    parts = {f"{n:03}_HC.png": (f"{n:03}", "report" if n == 0 else "train") for n in range(5)}
    Split(parts).write(tmp_path / "split.csv")
    card = train(data, tmp_path / "m", replace(QUICK, epochs=1), split=tmp_path / "split.csv")
    assert Split.read(tmp_path / "m" / "split.csv").parts == parts
    assert (card.training["pictures"], card.training["kept_out_pictures"], card.training["left_out"]) == (4, 1, 1)
    (tmp_path / "torn.csv").write_text("filename,exam,part\n000_HC.png,7,train\n001_HC.png,7,report\n")
    with pytest.raises(DatasetError, match="Exam '7' would lie on both sides"):
        train(data, tmp_path / "n", QUICK, split=tmp_path / "torn.csv")
    # Nor does a list that calls them different exams.
    write_heads(tmp_path / "twice", 1)
    for name in ("000_HC", "000_HC_Annotation"):
        (tmp_path / "twice" / f"{name.replace('000_', '000_2')}.png").write_bytes(
            (tmp_path / "twice" / f"{name}.png").read_bytes()
        )
    table = tmp_path / "twice" / "training_set_pixel_size_and_HC.csv"
    table.write_text(table.read_text() + "\n000_2HC.png,0.5,100")
    (tmp_path / "torn.csv").write_text("filename,exam,part\n000_HC.png,a,train\n000_2HC.png,b,report\n")
    with pytest.raises(DatasetError, match="Exam '000' would lie"):
        train(tmp_path / "twice", tmp_path / "n", QUICK, split=tmp_path / "torn.csv")
    (tmp_path / "torn.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="is no split"):
        Split.read(tmp_path / "torn.csv")


def test_two_trainings_do_not_share_a_folder(data, tmp_path):
    with events.held(tmp_path):
        assert events.running(tmp_path)
        with pytest.raises(OutputError, match="Another training"):
            train(data, tmp_path, QUICK)
    assert events.Reader(tmp_path).new() == []  # nothing was said into the other's file


class SmallMemory(torch.nn.Module):
    """A convolution on a device that holds a certain number of pictures."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.holds, self.seen = torch.nn.Conv2d(1, 1, 3, padding=1), holds, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.seen.append(len(images))
        return self.layer(images)


def test_out_of_memory_halves_the_portion_and_learns_the_same():
    torch.manual_seed(1)
    images, targets = torch.randn(8, 1, 16, 16), (torch.randn(8, 1, 16, 16) > 0.5).float()
    targets[3] = 0
    large, small, said = SmallMemory(8), SmallMemory(3), []
    at_once = Portions("cpu", False, said.append).learn(large, images, targets)
    assert said == []
    assert at_once[0] == pytest.approx(float(loss(large.layer(images), targets).detach()))
    portions = Portions("cpu", False, said.append)
    in_parts = portions.learn(small, images, targets)
    assert small.seen == [2, 2, 2, 2]
    assert [text.split("portions of ")[1][0] for text in said] == ["4", "2"]
    assert "still learns from 8" in said[-1]
    assert in_parts[0] == pytest.approx(at_once[0], rel=1e-5)
    assert in_parts[1] == pytest.approx(at_once[1])
    for a, b in zip(large.parameters(), small.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-7)
    # From then on they pass so at once; and so they do when they are only looked at.
    assert torch.allclose(portions.answer(small, images), large.layer(images), atol=1e-6)
    assert small.seen == [2] * 8
    with pytest.raises(DeviceError, match="does not suffice for one picture"):
        Portions("cpu", False, said.append).learn(SmallMemory(0), images, targets)
    with pytest.raises(RuntimeError, match="channels"):
        portions.learn(small, torch.randn(2, 3, 8, 8), targets[:2, :, :8, :8])


def test_a_training_says_that_its_batches_were_halved(data, tmp_path, monkeypatch):
    holds = {"now": 1}
    original = torch.nn.Conv2d.forward

    def forward(self, images):
        if len(images) > holds["now"]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(self, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    lines = []
    card = train(data, tmp_path, replace(QUICK, epochs=1), log=lines.append)
    assert card.training["ended"] == "done"
    (note,) = told(tmp_path, "note")
    assert "portions of 1" in note["text"]
    assert note["text"] in lines


def test_mixed_precision_is_for_cuda_unless_asked_for(monkeypatch):
    assert not computes_mixed("auto", "cpu")
    assert computes_mixed("bfloat16", "cpu")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert computes_mixed("auto", "cuda")
    assert not computes_mixed("float32", "cuda")


@pytest.mark.device
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no cuda device on this machine")
def test_a_training_on_cuda(data, tmp_path):
    card = train(data, tmp_path, QUICK, device="cuda")
    assert card.training["ended"] == "done"
    catalogue.find("head", str(tmp_path)).load()


def test_calibrating_when_trained(data, tmp_path, monkeypatch):
    from fetalseg.evaluation import run as evaluation

    def calibrated(card, items, settings):
        assert [item.group for item in items] == ["000"]
        assert settings.model == str(tmp_path / "m")
        return replace(card, level=0.43, intervals=((100.0, 3.0),)), {}

    def nothing(card, items, settings):
        raise DatasetError("No head was found.")

    parts = {f"{n:03}_HC.png": (f"{n:03}", ("calibrate", "report")[n] if n < 2 else "train") for n in range(6)}
    Split(parts).write(tmp_path / "split.csv")
    monkeypatch.setattr(evaluation, "calibrated", calibrated)
    card = train(data, tmp_path / "m", replace(QUICK, epochs=1), split=tmp_path / "split.csv", calibrate=True)
    assert (card.level, card.intervals) == (0.5, ())
    assert "1 scans are too few to calibrate on" in told(tmp_path / "m", "note")[-1]["text"]
    monkeypatch.setattr("fetalseg.training.run._FEWEST_TO_CALIBRATE", 1)
    card = train(data, tmp_path / "m", replace(QUICK, epochs=1), split=tmp_path / "split.csv", calibrate=True)
    assert (card.level, card.intervals) == (0.43, ((100.0, 3.0),))
    assert catalogue.at(tmp_path / "m").card == card
    assert [e["event"] for e in events.latest(tmp_path / "m")][-2:] == ["note", "end"]
    monkeypatch.setattr(evaluation, "calibrated", nothing)
    card = train(data, tmp_path / "m", replace(QUICK, epochs=1), split=tmp_path / "split.csv", calibrate=True)
    assert card.level == 0.5
    assert "No head was found" in told(tmp_path / "m", "note")[-1]["text"]


def test_a_model_that_finds_nothing_is_not_calibrated(monkeypatch):
    from fetalseg.evaluation import run as evaluation
    from fetalseg.evaluation.figures import Score
    from fetalseg.settings import SegmentSettings

    missed = Score("a", "a", 200.0, 0.0, None, None, None, ())
    monkeypatch.setattr(evaluation, "score_model", lambda items, settings, progress: [missed])
    with pytest.raises(DatasetError, match="No head was found in any of the 3"):
        evaluation.calibrate([None] * 3, SegmentSettings())
