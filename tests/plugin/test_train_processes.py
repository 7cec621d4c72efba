"""Processes of the plugin's own command line: told from others, ended, and what they said."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import psutil
import pytest

from fetalseg import __version__
from fetalseg.errors import Cancelled, FetalSegError, OutputError
from napari_fetalseg import processes
from napari_fetalseg.workers import Token


def until(condition, seconds: float = 120.0) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)


def test_a_detached_process_is_told_from_others_and_leaves_its_words(tmp_path):
    folder = tmp_path / "run"
    made = processes.detach(["models", "--card", "no-such"], folder)
    assert processes.alive(folder)
    assert processes.started(folder) == made
    with pytest.raises(FetalSegError, match=r"runs in .* already"):
        processes.detach(["--version"], folder)
    until(lambda: not processes.alive(folder))
    assert "no model 'no-such'" in processes.last_words(folder)
    assert not processes._started, "no zombie stays"

    values = json.loads((folder / processes.PROCESS).read_text())
    assert values["arguments"] == ["models", "--card", "no-such"]
    own = psutil.Process()
    values |= {"pid": own.pid, "began": own.create_time()}
    (folder / processes.PROCESS).write_text(json.dumps(values))
    assert processes.alive(folder)
    for other in ({"began": values["began"] - 60}, {"host": "elsewhere"}):  # its number belongs to another one now
        (folder / processes.PROCESS).write_text(json.dumps(values | other))
        assert not processes.alive(folder)
        processes.end(folder, at_once=True)
    (folder / processes.PROCESS).write_text("{")
    assert processes.started(folder) is None
    assert processes.last_words(tmp_path) == ""


def test_a_folder_that_can_not_be_written_to_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        processes.detach(["--version"], tmp_path / "file")


def test_what_a_command_prints_and_what_it_refuses():
    assert processes.output(["--version"], Token()).strip() == f"fetalseg {__version__}"
    with pytest.raises(FetalSegError, match="no model 'none'"):
        processes.output(["models", "--card", "none"], Token())


def test_a_command_that_is_not_wanted_any_more_is_ended(monkeypatch):
    monkeypatch.setattr(processes, "_command", lambda _: [sys.executable, "-c", "import time; time.sleep(600)"])
    token = Token()
    threading.Timer(0.3, token.set).start()
    with pytest.raises(Cancelled):
        processes.output([], token)
    assert not psutil.Process().children()


def test_opening_the_dock_brings_no_torch():
    code = (
        "import sys, napari_fetalseg.train.dock\n"
        "heavy = {'torch', 'segmentation_models_pytorch', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
