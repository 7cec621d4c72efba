"""The command line as a process, in an environment where neither Qt nor napari can be imported."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'napari', 'qtpy', 'PyQt6', 'PySide6', 'magicgui', 'napari_fetalseg'}:
            raise ImportError(f'{name} is not installed here')
sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture
def fetalseg(tmp_path):
    """Return a function that runs ``fetalseg`` with arguments and returns the finished process."""
    site = tmp_path / "without-qt"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_BLOCK)

    def run(*arguments, cwd=None, timeout=300):
        environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONUTF8": "1", "DISPLAY": ""}
        return subprocess.run(
            [sys.executable, "-m", "fetalseg.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=cwd or tmp_path,
            env=environment,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def rows():
    """Return a function that reads an output folder's ``measurements.csv``."""

    def read(out: Path) -> list[dict[str, str]]:
        with (out / "measurements.csv").open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))

    return read


@pytest.fixture
def record():
    """Return a function that reads an output folder's ``run.json``."""
    return lambda out: json.loads((out / "run.json").read_text(encoding="utf-8"))
