"""How a training stands, by what it told: without a window and without a process."""

from __future__ import annotations

import pytest

from fetalseg.training import events
from napari_fetalseg import processes
from napari_fetalseg.train import said
from napari_fetalseg.train.progress import _MOST_STEPS, Phase, Progress, Training

ABOUT = {"epochs": 4, "steps": 10, "device": "cpu", "batch_size": 8, "counts": {"pictures": 6}, "seed": 1}


def row(epoch: int, dice: float) -> dict[str, float]:
    return {"epoch": epoch, "train_loss": 0.5, "validation_dice": dice, "seconds": 2.0}


@pytest.fixture
def alive(monkeypatch):
    made = {"process": True, "lock": False}
    monkeypatch.setattr(processes, "alive", lambda folder: made["process"])
    monkeypatch.setattr(events, "running", lambda folder: made["lock"])
    return made


def look(training: Training) -> Phase:
    training.take(training.look())
    return training.phase


def test_from_its_start_to_its_end(tmp_path, alive):
    training = Training(tmp_path)
    assert look(training) is Phase.PREPARING
    assert said.bar(training) == "Reading the data …"
    writer = events.Writer(tmp_path)
    writer.start(**ABOUT)
    writer.step(1, 5, 0.9)
    assert look(training) is Phase.RUNNING
    assert training.progress.behind == 0.5
    writer.epoch(row(1, 0.8), best=True, seconds_left=600.0)
    writer.epoch(row(2, 0.7), best=False, seconds_left=400.0)
    writer.note("half")
    assert look(training) is Phase.RUNNING
    assert (training.progress.best, training.progress.behind) == (1, 2.0)
    assert 390 < training.progress.seconds_left() <= 400
    assert said.bar(training) == "epoch 3 of 4 · 2.0 s each · 7 min left"
    events.steer(tmp_path, "pause")
    look(training)
    assert said.bar(training) == "paused · epoch 3 of 4"
    writer.end("early")
    assert look(training) is Phase.DONE
    ended = "Ended early after 2 of 4 epochs: it got no better. Best after epoch 1: validation Dice 80.0 %."
    assert said.ended(training) == ended
    assert said.status(training) == f"CPU · {tmp_path.name} · 6 pictures of ? exams train, ? exams kept out · " + (
        "batches of 8 · seed 1"
    )


def test_without_a_process_it_is_dead_or_says_why(tmp_path, alive):
    training = Training(tmp_path)
    alive["process"] = False
    (tmp_path / processes.LOG).write_text("first\nlast words\n\n")
    assert look(training) is Phase.DIED
    assert training.last_words == "last words"
    assert "before it had begun" in said.ended(training)
    assert "starts it anew" in said.ended(training)
    alive["lock"] = True
    assert look(training) is Phase.PREPARING, "one that was started elsewhere"
    alive["lock"] = False
    writer = events.Writer(tmp_path)
    writer.start(**ABOUT)
    writer.epoch(row(1, 0.8), best=True, seconds_left=1.0)
    assert look(training) is Phase.DIED
    assert "in epoch 2 of 4" in said.ended(training)
    assert "starts after the last whole epoch" in said.ended(training)
    writer.error("The disk is full.")
    assert look(training) is Phase.FAILED
    assert said.ended(training) == "The disk is full."


def test_what_went_before_in_the_same_folder_is_past(tmp_path, alive):
    writer = events.Writer(tmp_path)
    writer.start(**ABOUT)
    writer.epoch(row(1, 0.8), best=True, seconds_left=1.0)
    writer.end("stopped")
    again = Training(tmp_path)
    again.skip()
    assert look(again) is Phase.PREPARING
    writer.start(**ABOUT)
    writer.epoch(row(1, 0.8), best=True, seconds_left=1.0)
    assert look(again) is Phase.RUNNING
    later = Training(tmp_path)
    assert look(later) is Phase.RUNNING, "the last start counts"
    assert len(later.progress.rows) == 1


def test_a_long_training_keeps_few_steps_and_an_unknown_event_is_passed_over():
    progress = Progress()
    progress.take([{"event": "start", **ABOUT}, {"event": "dance"}])
    progress.take({"event": "step", "epoch": 1 + n // 10, "step": 1 + n % 10, "loss": 0.1} for n in range(9000))
    assert _MOST_STEPS / 2 <= len(progress.steps) <= _MOST_STEPS
    assert progress.steps[-1][0] > 890


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (9.96, "10 s"), (59, "59 s"), (61, "1 min"), (3700, "1 h 2 min")]
)
def test_times_as_people_wait_for_them(seconds, words):
    assert said.span(seconds) == words
