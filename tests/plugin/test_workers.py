"""Runs in threads, at the edges of a program's life."""

from __future__ import annotations

import subprocess
import sys

# More runs than threads, started when no event loop is left that would wait for them.
_PROGRAM = """
import sys, time
from pathlib import Path
from napari.qt import get_qapp
from napari_fetalseg import workers
app = get_qapp()

def make(token):
    while not token.is_set():
        Path(sys.argv[1]).touch()
        time.sleep(0.01)
    yield

for _ in range(30):
    workers.start(make, print, print)
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
"""


def test_a_program_that_ends_waits_for_what_it_let_run(tmp_path):
    ran = tmp_path / "ran"
    command = [sys.executable, "-c", _PROGRAM, ran]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
