"""``fetalseg benchmark``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import tasks
from fetalseg.cli._shared import add_command, add_model_options, segment_settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "benchmark",
        run,
        "Time the parts of one frame or volume: decoding, the network's passes, everything else; and the ratio of the\n"
        "whole to the network plus decoding.",
        "examples:\n  fetalseg benchmark\n  fetalseg benchmark scan.png --runs 20",
    )
    made.add_argument("input", nargs="?", type=Path, help="a picture or volume (default: the first sample scan)")
    made.add_argument("--runs", type=int, default=15, help="timed runs; medians are shown (default: %(default)s)")
    add_model_options(made)


def run(given: argparse.Namespace) -> int:
    """Time one picture."""
    from fetalseg import samples
    from fetalseg.batch.scale import choose_spacing
    from fetalseg.io.registry import read
    from fetalseg.pipeline import Pipeline
    from fetalseg.settings import BatchSettings

    path = given.input or samples.folder() / samples.names()[0]
    settings = segment_settings(given)
    start = time.perf_counter()
    pipeline = Pipeline.load(settings)
    loading = time.perf_counter() - start
    scan = read(path)
    scan = scan.with_spacing(choose_spacing(scan, BatchSettings()))
    asked: list[NDArray[np.float32]] = []
    predictor = pipeline.predictor
    frames = None if tasks.get(settings.task).VOLUME else [0]
    recording = Pipeline(settings, _Recorder(predictor, asked))  # type: ignore[arg-type]
    list(recording.segment(scan, frames=frames))

    decode = _median(lambda: read(path), given.runs)
    assert predictor is not None
    network = _median(lambda: [predictor(batch) for batch in asked], given.runs)
    whole = _median(lambda: list(pipeline.segment(read(path).with_spacing(scan.spacing), frames=frames)), given.runs)
    passes = " + ".join(str(len(batch) * (batch.shape[2] if batch.ndim == 5 else 1)) for batch in asked)
    print(f"{path.name}: {scan.frames} x {scan.frame_shape[1]} x {scan.frame_shape[0]} pixels; {pipeline.describe}")
    print(f"  load the model once     {1e3 * loading:8.0f} ms")
    print(f"  decode the file         {1e3 * decode:8.1f} ms")
    print(f"  network, bare           {1e3 * network:8.1f} ms  ({passes} pictures: mirrored copies, looks)")
    print(f"  all else                {1e3 * (whole - decode - network):8.1f} ms  (prepare, outline, ellipse, mask)")
    print(f"  picture to measurements {1e3 * whole:8.1f} ms = {whole / (decode + network):.2f} x (network + decoding)")
    return 0


class _Recorder:
    """A predictor that keeps what it was asked."""

    def __init__(self, predictor: Any, asked: list[NDArray[np.float32]]) -> None:
        self._predictor = predictor
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self._asked.append(batch)
        answer: NDArray[np.float32] = self._predictor(batch)
        return answer


def _median(work: Callable[[], object], runs: int) -> float:
    work()
    times = []
    for _ in range(max(1, runs)):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
