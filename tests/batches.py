"""Runs over many scans with a stand-in network: here, and as a process that can be killed.

As a process: ``python tests/batches.py segment FOLDER --out OUT``, a second or so from start to end. In a Dask worker:
``--preload batches``, with this folder on the path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tumours
from fetalseg.result import Ellipse
from standins import SHAPE, bright, disc, make_card

_SLOW = "BATCH_TEST_SECONDS"


class Network:
    """Finds what is bright; takes `seconds` for each answer."""

    device, backend, at_once = "cpu", "standin", 8

    def __init__(self, task: str = "head", seconds: float = 0.0) -> None:
        self.card = make_card() if task == "head" else tumours.CARD
        self.seconds, self.asked = seconds, 0

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.asked += 1
        time.sleep(self.seconds)
        return bright(batch) if batch.ndim == 4 else tumours.bright_volume(batch)

    def describe(self) -> str:
        return "stand-in"


def stand_in(task: str, *_: Any) -> Network:
    """What takes the place of `fetalseg.pipeline.get_predictor`."""
    return Network(task, float(os.environ.get(_SLOW, 0)))


def head(number: int) -> np.ndarray:
    """A head that differs from picture to picture."""
    return disc(Ellipse(112.0 + number % 17, 85.0 + number % 7, 62.0 + number % 11, 45.0, 7.0 * number % 180), SHAPE)


def folder(path: Path, count: int, csv: bool = True) -> Path:
    """A folder of heads, ``000.png`` and on, with their scale beside them."""
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(head(number)).save(path / f"{number:03}.png")
    if csv:
        lines = [f"{number:03}.png,{0.5 + number / 100}" for number in range(count)]
        (path / "pixel_size.csv").write_text("\n".join(["filename,pixel size(mm)", *lines]) + "\n")
    return path


def process(*arguments: Any, seconds: float = 0.0, before: tuple[str, ...] = (), **options: Any) -> subprocess.Popen:
    """Start ``fetalseg`` with the stand-in network."""
    return subprocess.Popen(
        [*before, sys.executable, __file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, _SLOW: str(seconds), "OMP_NUM_THREADS": "1"},
        **options,
    )


def finished(*arguments: Any, **options: Any) -> tuple[int, str, str]:
    """Run it; return the exit code and what it said."""
    running = process(*arguments, **options)
    said, told = running.communicate(timeout=120)
    return running.returncode, said, told


def journalled(out: Path) -> int:
    """How many scans are on record."""
    try:
        return max(0, (out / "journal.jsonl").read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def same(one: Path, other: Path) -> None:
    """Hold that two runs left the same tables, masks and pictures, byte for byte."""
    for name in ("measurements.csv", "errors.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    for folder in ("masks", "overlays"):
        names = sorted(path.name for path in (one / folder).iterdir())
        assert names == sorted(path.name for path in (other / folder).iterdir() if not path.name.startswith("."))
        assert all((one / folder / name).read_bytes() == (other / folder / name).read_bytes() for name in names)


def until(true: Any, seconds: float = 60.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def dask_setup(*_: Any) -> None:
    """Give this process the stand-in network; Dask calls it in a worker."""
    from fetalseg import pipeline

    pipeline.get_predictor = stand_in  # type: ignore[assignment]


if __name__ == "__main__":
    from fetalseg import cli

    dask_setup()
    sys.exit(cli.main(sys.argv[1:]))
