"""How long a picture takes by OpenVINO and by PyTorch on the CPU, and a cold command, as ratios.

    python benchmarks/backend.py [PICTURE ...] [--task head] [--model unet] [--runs 9] [--cold 3] [--cpu-time]

They take turns on the same scan, so what else the machine does disturbs them alike; each ratio is the median of the
paired ones. PyTorch is taken as this package runs it (channels last) and also plain: the layout that a network has when
it is loaded. Threads are those of ``OMP_NUM_THREADS``, else each library's own choice. On a
machine that is busy with other things, measure processor time on one thread: OMP_NUM_THREADS=1 python
benchmarks/backend.py --cpu-time
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg import samples, tasks
from fetalseg.batch.scale import choose_spacing
from fetalseg.io.registry import read
from fetalseg.models import catalogue
from fetalseg.pipeline import Pipeline
from fetalseg.scan import Scan
from fetalseg.settings import BatchSettings, SegmentSettings

BACKENDS = ("openvino", "torch")


def paired(work: dict[str, Callable[[], object]], runs: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of each, taking turns, after one untimed turn."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for run in range(runs + 1):
        for name, do in work.items():
            start = clock()
            do()
            if run:
                times[name].append(clock() - start)
    return times


def line(what: str, times: dict[str, list[float]], slow: str = "torch") -> None:
    fast, other = times["openvino"], times[slow]
    ratios = sorted(a / b for a, b in zip(fast, other, strict=True))
    medians = f"OpenVINO {1e3 * statistics.median(fast):8.1f} ms   PyTorch {1e3 * statistics.median(other):8.1f} ms"
    print(
        f"{what:<44} {medians}   ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); of the quickest {min(fast) / min(other):.2f}",
        flush=True,
    )


def plain_torch(settings: SegmentSettings) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The network as PyTorch has it once it is loaded."""
    import torch

    network = catalogue.find(settings.task, settings.model).load()

    def answer(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return torch.sigmoid(network(torch.from_numpy(batch)))[:, 0].numpy()

    return answer


def measure(name: str, scan: Scan, pipelines: dict[str, Pipeline], runs: int, clock: Callable[[], float]) -> None:
    """The network alone, on what it was asked for this scan, and the whole way from the scan to its measurement."""
    settings, network = pipelines["torch"].settings, pipelines["torch"].predictor
    frames = None if tasks.get(settings.task).VOLUME else [0]
    asked: list[NDArray[np.float32]] = []

    def record(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(batch)
        return network(batch)

    plain = plain_torch(settings)
    for given in (record, plain):
        given.card, given.device, given.backend = network.card, network.device, network.backend
    pipelines = pipelines | {"plain": Pipeline(settings, plain)}
    list(Pipeline(settings, record).segment(scan, frames=frames))
    networks = {n: p.predictor for n, p in pipelines.items()}
    bare = {n: (lambda answer=answer: [answer(batch) for batch in asked]) for n, answer in networks.items()}
    whole = {n: (lambda p=p: list(p.segment(scan, frames=frames))) for n, p in pipelines.items()}
    for what, work in (("network alone", bare), ("scan to measurement", whole)):
        times = paired(work, runs, clock)
        line(f"{name}: {what}", times)
        line(f"{name}: {what}, PyTorch plain", times, "plain")


def child_time() -> float:
    """Processor time of the processes that were waited for."""
    spent = os.times()
    return spent.children_user + spent.children_system


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("scans", nargs="*", type=Path)
    options.add_argument("--task", default="head", choices=("head", "tumour"))
    options.add_argument("--model", default="default")
    options.add_argument("--runs", type=int, default=9)
    options.add_argument("--cold", type=int, default=3, help="cold processes; 0 for none")
    options.add_argument("--cpu-time", action="store_true", help="processor time instead of time that passes")
    given = options.parse_args()
    clock = time.process_time if given.cpu_time else time.perf_counter

    sample = samples.VOLUME if given.task == "tumour" else "second_trimester.png"
    paths = given.scans or [samples.folder() / sample]
    pipelines = {
        name: Pipeline.load(SegmentSettings(task=given.task, model=given.model, device="cpu", backend=name))
        for name in BACKENDS
    }
    print(" | ".join(pipeline.describe for pipeline in pipelines.values()))
    for path in paths:
        scan = read(path)
        measure(path.name, scan.with_spacing(choose_spacing(scan, BatchSettings())), pipelines, given.runs, clock)

    def cold(backend: str, out: str) -> None:
        command = [sys.executable, "-m", "fetalseg.cli", "segment", str(paths[0]), "--out", f"{out}/{backend}"]
        command += [
            "--task",
            given.task,
            "--model",
            given.model,
            "--backend",
            backend,
            "--device",
            "cpu",
            "--overwrite",
        ]
        subprocess.run(command, check=True, capture_output=True)

    if given.cold:
        with tempfile.TemporaryDirectory() as out:
            work = {name: (lambda name=name: cold(name, out)) for name in BACKENDS}
            line("the command, from a cold process", paired(work, given.cold, child_time if given.cpu_time else clock))


if __name__ == "__main__":
    main()
