"""What a training tells, and what is asked of it, through its folder."""

from __future__ import annotations

import json

import pytest

from fetalseg.errors import OutputError
from fetalseg.training.events import CONTROL, EVENTS, Reader, Steering, Writer, clear, latest, steer

START = {"epochs": 2, "steps": 3, "device": "cpu", "batch_size": 2, "counts": {"pictures": 6}, "seed": 1}


def test_what_is_told_is_read_as_it_comes(tmp_path):
    reader = Reader(tmp_path / "m")
    assert reader.new() == []
    writer = Writer(tmp_path / "m")
    writer.start(**START)
    assert reader.new() == [{"event": "start", **START}]
    writer.epoch({"epoch": 1, "train_loss": 0.5, "validation_dice": None}, best=True, seconds_left=3.21)
    writer.cases(1, ["cases/a.png"], [0.91234567])
    writer.note("half")
    writer.end("early")
    epoch, cases, note, end = reader.new()
    assert epoch == {
        "event": "epoch",
        "epoch": 1,
        "train_loss": 0.5,
        "validation_dice": None,
        "best": True,
        "seconds_left": 3.2,
    }
    assert cases == {"event": "cases", "epoch": 1, "files": ["cases/a.png"], "dice": [0.9123]}
    assert (note["text"], end["reason"]) == ("half", "early")
    assert reader.new() == []


def test_steps_are_told_at_most_twice_a_second(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("fetalseg.training.events.time.monotonic", lambda: clock[0])
    writer, reader = Writer(tmp_path), Reader(tmp_path)
    for number in range(21):
        clock[0] = number / 10
        writer.step(1, number, 0.5)
    assert [event["step"] for event in reader.new()] == [0, 5, 10, 15, 20]


def test_half_a_line_waits_and_a_damaged_one_is_left_out(tmp_path):
    path = tmp_path / EVENTS
    path.write_text('{"event": "note", "text": "a"}\n{"event": "no')
    reader = Reader(tmp_path)
    assert [e["text"] for e in reader.new()] == ["a"]
    assert reader.new() == []
    # The training was killed there; the next one goes on in a line of its own.
    Writer(tmp_path).note("b")
    assert [e["text"] for e in reader.new()] == ["b"]
    path.write_text('{"event": "end", "reason": "done"}\n[1]\n{"x": 1}\n')
    assert [e["event"] for e in reader.new()] == ["end"]


def test_the_latest_training_is_told_from_its_start_on(tmp_path):
    assert latest(tmp_path) == []
    writer = Writer(tmp_path)
    writer.start(**START)
    writer.end("stopped")
    Writer(tmp_path).start(**START)
    assert [e["event"] for e in latest(tmp_path)] == ["start"]


def test_what_is_asked_is_looked_at_five_times_a_second(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("fetalseg.training.events.time.monotonic", lambda: clock[0])
    steering = Steering(tmp_path)
    assert steering.asked() == "run"
    steer(tmp_path, "pause")
    assert json.loads((tmp_path / CONTROL).read_text()) == {"do": "pause"}
    clock[0] = 0.1
    assert steering.asked() == "run"
    clock[0] = 0.2
    assert steering.asked() == "pause"
    for damaged in ("", "{", "[]", '{"do": "dance"}', '{"do": ["stop"]}'):
        (tmp_path / CONTROL).write_text(damaged)
        clock[0] += 1
        assert steering.asked() == "run"
    clear(tmp_path)
    clear(tmp_path)
    assert not (tmp_path / CONTROL).exists()


def test_a_folder_that_takes_no_file_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        Writer(tmp_path / "file")
    (tmp_path / EVENTS).mkdir()
    with pytest.raises(OutputError, match="folder of that name"):
        Writer(tmp_path).note("a")
