"""What a run over many scans takes beyond the bare network, and whether memory stays flat and time grows linearly.

    python benchmarks/batch.py throughput [--folder FOLDER] [--count 800]
    python benchmarks/batch.py growth [--counts 100,1000,10000]
    python benchmarks/batch.py watch [--count 20]

*throughput* runs the whole command (reading, two looks, ellipse, masks, side-by-side pictures, tables) over a folder
and sets its time against that of the same network alone on the same number of pictures in batches of eight, by PyTorch
and by whatever runs it here. *growth* puts a stand-in in the network's place, so that what is left is the product's own
time and memory. *watch* copies pictures into a folder one by one and tells how long each waits for its line in the
journal, and for its row in the table.

Figures are for an idle computer; each is of a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from fetalseg import samples

_JOURNAL = "journal.jsonl"
_BEFORE_S = 5.0  # the model is loaded by then
_STILL = "second_trimester.png"
_WINDOWS = 5  # that the network sees of a picture: one whole view, four mirrored copies of the second look


def pictures(folder: Path, count: int) -> Path:
    """Copies of a phantom, each a little other, with their scale beside them."""
    folder.mkdir(parents=True)
    plain = np.asarray(Image.open(samples.folder() / _STILL).convert("L"))
    for number in range(count):
        Image.fromarray(np.roll(plain, (number % 7, number % 11), (0, 1))).save(
            folder / f"{number:05}_HC.jpg", quality=87
        )
    rows = [f"{number:05}_HC.jpg,0.15" for number in range(count)]
    (folder / "pixel_size.csv").write_text("\n".join(["filename,pixel size(mm)", *rows]) + "\n")
    return folder


def in_process(what: str, *arguments: object) -> dict[str, float]:
    """Run a part of this file in a process of its own; return what it tells."""
    command = [sys.executable, __file__, what, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def told(**values: float) -> None:
    values["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(values))


def bare(count: int, backend: str) -> None:
    """The network alone on what `count` pictures make it see."""
    from fetalseg.models.predictor import get_predictor

    network = get_predictor("head", "default", "cpu", backend)  # type: ignore[arg-type]
    card = network.card
    batch = np.random.default_rng(0).random((8, 1, card.input_rows, card.input_columns), np.float32)
    network(batch)
    began = time.perf_counter()
    for _ in range(-(-count * _WINDOWS // 8)):
        network(batch)
    told(seconds=time.perf_counter() - began)


def whole(folder: str, out: str, stand_in: bool) -> None:
    """A run over a folder, timed from the first scan on: the model is loaded before."""
    from fetalseg.batch.run import Batch
    from fetalseg.settings import SegmentSettings

    if stand_in:
        import fetalseg.pipeline

        fetalseg.pipeline.get_predictor = lambda *_: _StandIn()  # type: ignore[assignment]
    with Batch([Path(folder)], Path(out), SegmentSettings(device="cpu")) as batch:
        backend = batch.worker.pipeline.provenance.backend
        began, used = time.perf_counter(), sum(os.times()[:2])
        for _ in batch.events():
            pass
    told(seconds=time.perf_counter() - began, processor=sum(os.times()[:2]) - used, backend=backend)  # type: ignore[arg-type]


class _StandIn:
    """Finds an ellipse in the middle of every window, in no time."""

    device, backend = "cpu", "stand-in"

    def __init__(self) -> None:
        from fetalseg.models import catalogue

        self.card = catalogue.find("head").card
        rows, columns = np.mgrid[: self.card.input_rows, : self.card.input_columns]
        radius = np.hypot((rows - self.card.input_rows / 2) / 60, (columns - self.card.input_columns / 2) / 80)
        self._answer = np.clip(0.5 - (radius - 1) * 30, 0, 1).astype(np.float32)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return np.repeat(self._answer[np.newaxis], len(batch), axis=0)


def throughput(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or pictures(Path(place) / "in", given.count)
        run = in_process("whole", folder, Path(place) / "out", 0)
        with (Path(place) / "out" / "measurements.csv").open(newline="") as handle:
            count = sum(1 for _ in csv.DictReader(handle))
    print(
        f"{count} pictures, {run['backend']}: {run['seconds']:.1f} s, {1e3 * run['seconds'] / count:.1f} ms each, "
        f"{1e3 * run['processor'] / count:.1f} ms of processor time each; peak {run['peak_mb']:.0f} MB"
    )
    for backend in ("torch", "auto"):
        alone = in_process("bare", count, backend)["seconds"]
        print(
            f"  bare network in batches ({backend}): {alone:.1f} s; the run takes {run['seconds'] / alone:.2f} of that"
        )


def growth(given: argparse.Namespace) -> None:
    for count in (int(text) for text in given.counts.split(",")):
        with tempfile.TemporaryDirectory() as place:
            folder = pictures(Path(place) / "in", count)
            first = in_process("whole", folder, Path(place) / "out", 1)
            again = in_process("whole", folder, Path(place) / "out", 1)
        each = 1e3 * first["seconds"] / count
        print(
            f"{count:6} pictures: {first['seconds']:7.1f} s ({each:.1f} ms each), peak {first['peak_mb']:.0f} MB; "
            f"again, all unchanged: {again['seconds']:.1f} s ({1e3 * again['seconds'] / count:.2f} ms each), "
            f"peak {again['peak_mb']:.0f} MB"
        )


def watch(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as place:
        store, folder, out = pictures(Path(place) / "store", given.count), Path(place) / "in", Path(place) / "out"
        folder.mkdir()
        command = [
            sys.executable,
            "-m",
            "fetalseg.cli",
            "segment",
            folder,
            "--watch",
            "--spacing",
            "0.15",
            "--out",
            out,
        ]
        running = subprocess.Popen(
            [str(part) for part in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while not (out / _JOURNAL).exists():
            time.sleep(0.02)
        time.sleep(_BEFORE_S)
        waits, used = [], _processor(running.pid)
        time.sleep(_BEFORE_S)
        idle = (_processor(running.pid) - used) / _BEFORE_S
        for path in sorted(store.glob("*.jpg")):
            shutil.copy(path, folder)
            began = time.perf_counter()
            waits.append([_listed(out / name, path.name, began) for name in (_JOURNAL, "measurements.csv")])
            time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        running.wait()
    for where, (first, *others) in zip(("journal", "table"), zip(*waits, strict=True), strict=True):
        print(
            f"{where}: the first {first:.2f} s, then {min(others):.2f} to {max(others):.2f} s, "
            f"the middle one {sorted(others)[len(others) // 2]:.2f} s"
        )
    print(f"before, waiting: {100 * idle:.1f} % of a processor")


def _listed(file: Path, name: str, began: float) -> float:
    """Return the seconds until a file names a picture."""
    while not file.exists() or name not in file.read_text():
        time.sleep(0.02)
    return time.perf_counter() - began


def _processor(process: int) -> float:
    """Return the processor time that a process has used; 0 where the system does not tell (it is no Linux)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="what", required=True)
    made = commands.add_parser("throughput")
    made.add_argument("--folder", type=Path)
    made.add_argument("--count", type=int, default=800)
    commands.add_parser("growth").add_argument("--counts", default="100,1000,10000")
    commands.add_parser("watch").add_argument("--count", type=int, default=20)
    for name, parts in {
        "bare": ("count", "backend"),
        "whole": ("folder", "out", "stand_in"),
    }.items():  # called by this file
        inner = commands.add_parser(name)
        for part in parts:
            inner.add_argument(part)
    given = top.parse_args()
    if given.what == "bare":
        bare(int(given.count), given.backend)
    elif given.what == "whole":
        whole(given.folder, given.out, given.stand_in == "1")
    else:
        {"throughput": throughput, "growth": growth, "watch": watch}[given.what](given)


if __name__ == "__main__":
    main()
