"""What runs in the workers of a cluster: a scan a task, and the run that it belongs to, as bytes."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import socket
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fetalseg import __version__, tasks
from fetalseg.batch.work import Item, Outcome, Worker
from fetalseg.errors import ClusterError, FetalSegError, ModelError
from fetalseg.io.folders import JOURNAL
from fetalseg.models import catalogue

#: What a sentence about a file that a worker does not see ends in.
SHARED = "Workers must reach inputs and results under the same paths as this computer, as on a disk that all share."


@dataclass(frozen=True)
class Done:
    """What became of a scan, and where; `seen` tells whether its file was there."""

    outcome: Outcome
    host: str
    seen: bool


# A worker with several threads does what a run on one computer does: it reads, segments and writes different scans at
# the same time, and each step one scan at a time.
_ARRIVING, _READING, _SEGMENTING, _WRITING = (threading.Lock() for _ in range(4))


def do(shipped: bytes, item: bytes) -> Done:
    """Do a scan in a worker: read it, segment it, write its files.

    Parameters
    ----------
    shipped, item : bytes
        What the run and the scan are, pickled.

    Raises
    ------
    FetalSegError
        What ends the run: the disk is full, the model can't be loaded, or `arrived` refuses.
    """
    host = socket.gethostname()
    try:
        with _ARRIVING:
            worker = arrived(shipped)
        one: Item = pickle.loads(item)
        with _READING:
            work = worker.read(one)
        with _SEGMENTING:
            work = worker.segment(work)
        with _WRITING:
            outcome = worker.write(work)
    except FetalSegError as error:
        raise type(error)(f"{error} (The worker on {host}.)") from error
    return Done(outcome, host, outcome["status"] != "error" or bool(one.input.error) or one.input.path.exists())


def dask_setup(_: object) -> None:
    """Leave Ctrl-C to the process that started this one; Dask calls it in each worker of `cluster.started`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def shipped(run: str, worker: Worker) -> bytes:
    """Return what every task of a run carries: small, since the network is loaded by the workers themselves."""
    there = copy.copy(worker)
    batch, chart, model = worker.batch, worker.growth.chart, worker.settings.model
    # Workers stand in other folders.
    there.out = absolute(worker.out)
    if catalogue.is_there(model):
        there.settings = replace(worker.settings, model=str(absolute(model)))
    if chart.lower().endswith(".csv"):
        there.growth = replace(worker.growth, chart=str(absolute(chart)))
    there.batch = replace(
        batch,
        spacing_csv=None if batch.spacing_csv is None else str(absolute(batch.spacing_csv)),
        exams=None if batch.exams is None else str(absolute(batch.exams)),
    )
    return pickle.dumps((__version__, run, pickle.dumps(there)))


@lru_cache(maxsize=1)
def arrived(shipped: bytes) -> Worker:
    """Return the run's worker: the same for all its tasks in this process, so that the network is loaded once.

    Raises
    ------
    ClusterError
        If this process has another version, or does not see the results' folder.
    ModelError
        If it has another model of that name.
    """
    version, _, data = pickle.loads(shipped)
    if version != __version__:
        raise ClusterError(
            f"A worker has napari-fetalseg {__version__}, and the run {version}. Install the same everywhere."
        )
    worker: Worker = pickle.loads(data)
    if not (worker.out / JOURNAL).is_file():
        raise ClusterError(f"A worker does not see the results' folder {worker.out}. {SHARED}")
    if tasks.get(worker.settings.task).MODEL:
        found = catalogue.find(worker.settings.task, worker.settings.model).card
        if found.sha256 != worker.model_sha256:
            raise ModelError(
                f"A worker has another model '{worker.settings.model}' ({found.name} {found.version}). Put the model "
                "where all reach it and give its folder with --model."
            )
    return worker


def absolute(path: str | Path) -> Path:
    """Return a path that means the same from any folder; links stay."""
    return Path(os.path.abspath(path))
