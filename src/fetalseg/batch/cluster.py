"""Many scans by the workers of a Dask cluster: a scan a task; this process alone writes journal and tables.

Workers need the same napari-fetalseg and the same models as this process, and must reach inputs and results under the
same paths, as on a disk that all share. They write a scan's masks and pictures; what became of it comes back as plain
values. A worker that is lost costs time only: its scans are done again, with the same bytes, and each counts once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import replace
from importlib.util import find_spec
from itertools import count, islice
from typing import Any

from fetalseg.batch import cluster_task
from fetalseg.batch.run import Batch, Event
from fetalseg.batch.work import Item, Outcome, Work, Worker
from fetalseg.errors import Cancelled, ClusterError, FetalSegError, SettingsError
from fetalseg.pipeline import Cancel

# Scans that are handed out at a time, for each thread of the workers and at least: the next is there when one is done,
# and neither this process nor the scheduler has to hold more, however many there are.
_EACH, _LEAST = 3, 8
# How often it is looked who works, after how long it is said that nobody does, and how long a scheduler may keep still.
_LOOK_S, _ALONE_S, _ANSWER_S = 2.0, 5.0, 15.0
_TICK_S = 0.1
_KEEPS = "What was finished is kept; the same command goes on from there."


def demand() -> None:
    """Raise `SettingsError` where Dask's distributed is not installed."""
    if find_spec("distributed") is None:
        raise SettingsError(
            "Work on a cluster, or by several processes, needs Dask's distributed, which is not installed here: "
            "pip install 'napari-fetalseg[cluster]' brings it."
        )


@contextlib.contextmanager
def connected(address: str, say: Callable[[str], None] = lambda sentence: None) -> Iterator[Cluster]:
    """Yield the cluster of a scheduler that runs elsewhere.

    Parameters
    ----------
    address : str
        Such as ``"tcp://10.0.0.5:8786"``.
    say : callable
        Told in a sentence that no worker is there.

    Raises
    ------
    SettingsError
        If distributed is not installed, or this is no address.
    ClusterError
        If no scheduler answers there.
    """
    demand()
    from distributed import Client

    with _quiet():
        try:
            client = Client(address, timeout=_ANSWER_S, set_as_default=False)
        except ValueError as error:
            raise SettingsError(f"'{address}' is no scheduler's address; one is tcp://10.0.0.5:8786.") from error
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"No scheduler answers at {address}. Start one with 'dask scheduler', and look whether a firewall lies "
                "between."
            ) from error
        with client:
            yield Cluster(client, say)


@contextlib.contextmanager
def started(workers: int) -> Iterator[Cluster]:
    """Yield a cluster of so many processes on this computer, which share its cores.

    As processes are started, a script that calls this must do so under ``if __name__ == "__main__":``.

    Raises
    ------
    SettingsError
        If distributed is not installed, or the number is below 1.
    """
    if workers < 1:
        raise SettingsError(f"There must be at least one worker, not {workers}.")
    demand()
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, CPU_COUNT // workers))
    with (
        _quiet() as level,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            # Scans are not held: a limit would only end workers on a computer whose memory others use.
            memory_limit=0,
            env={"OMP_NUM_THREADS": threads},
            config={"distributed.worker.profile.enabled": False},
            preload=[*dask.config.get("distributed.worker.preload"), cluster_task.__name__],
            silence_logs=level,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield Cluster(client)


class Cluster:
    """Workers who do a batch's scans; see `connected` and `started`.

    Parameters
    ----------
    client : distributed.Client
    say : callable
        Told in a sentence that no worker is there.
    """

    def __init__(self, client: Any, say: Callable[[str], None] = lambda sentence: None) -> None:
        self._client, self._say = client, say
        self._looked, self._room = 0.0, _LEAST
        self._alone, self._told = time.monotonic(), False

    def events(self, batch: Batch, cancel: Cancel | None = None, pause: Cancel | None = None) -> Iterator[Event]:
        """Have all scans done, and yield what happens to each, as `Batch.events` does.

        A *started* is a scan that is handed out; what becomes of them comes in any order, without results: rows and
        files tell all.

        Parameters
        ----------
        cancel : token, optional
            Scans that a worker has begun are not waited for; the next run does them.
        pause : token, optional
            While it is set no further scan is handed out.

        Raises
        ------
        Cancelled
        ClusterError
            If the scheduler is lost, a worker does not see the files, or has another version or model.
        OutputError
            If the disk is full.
        ModelError, DeviceError
            If a worker can't load the model.
        """
        items = batch.plan()
        left, (done, failed) = iter(items), (0, 0)
        hands = _Hands(self._client, batch.worker)
        try:
            while True:
                if cancel is not None and cancel.is_set():
                    raise Cancelled()
                if pause is None or not pause.is_set():
                    given = list(islice(left, max(0, self._window() - len(hands))))
                    hands.give(given)
                    for item in given:
                        yield Event("started", item.name, done, failed, len(items))
                    if not hands:
                        return
                for outcome in hands.take():
                    event = batch.record(outcome)
                    done, failed = event.done, event.failed
                    yield event
        except Cancelled:
            yield from map(batch.record, hands.take(wait=False))
            raise
        finally:
            hands.let_go()

    def _window(self) -> int:
        """Return how many scans may be handed out at a time: workers come and go."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_S and self._client.status == "running":
            self._looked = now
            try:
                threads = sum(self._client.nthreads().values())
            except OSError:  # the scans that are out will tell
                return self._room
            self._room = max(_LEAST, _EACH * threads)
            if threads:
                self._alone, self._told = now, False
            elif not self._told and now - self._alone >= _ALONE_S:
                self._told = True
                self._say("The scheduler has no workers now; the run waits for them.")
        return self._room


class _Hands:
    """The scans that are handed out."""

    def __init__(self, client: Any, worker: Worker) -> None:
        self._client, self._worker = client, worker
        self._out: dict[str, tuple[Any, Item]] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._came: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._run, self._number = uuid.uuid4().hex, count()
        self._shipped = cluster_task.shipped(self._run, worker)
        threading.Thread(target=self._fetch, daemon=True).start()

    def __len__(self) -> int:
        return len(self._out)

    def give(self, items: Iterable[Item]) -> None:
        """Hand out scans."""
        for item in items:
            key = f"fetalseg-{self._run}-{next(self._number)}"
            there = replace(item, input=replace(item.input, path=cluster_task.absolute(item.input.path)))
            future = self._client.submit(cluster_task.do, self._shipped, pickle.dumps(there), key=key, pure=False)
            self._out[key] = (future, item)
            future.add_done_callback(self._done.put)

    def _fetch(self) -> None:
        """Fetch what became of scans, all that are done at once; where a worker was lost it waits for another."""
        while (future := self._done.get()) is not None:
            some = {future.key: future}
            with contextlib.suppress(queue.Empty):
                while (future := self._done.get_nowait()) is not None:
                    some[future.key] = future
            try:
                became = self._client.gather(some, errors="skip")
            except BaseException as error:
                became = dict.fromkeys(some, error)
            for key, one in some.items():
                if (outcome := became.get(key)) is None:
                    outcome = one.exception() if one.status == "error" else futures.CancelledError()
                self._came.put((key, outcome))
            if future is None:
                return

    def take(self, *, wait: bool = True) -> Iterator[Outcome]:
        """Yield the outcomes that have come back; wait a moment for the first.

        Raises
        ------
        FetalSegError
            What ends the run.
        """
        with contextlib.suppress(queue.Empty):
            while True:
                key, became = self._came.get(timeout=_TICK_S if wait else 0)
                wait = False
                _, item = self._out.pop(key, (None, None))
                if item is not None:
                    yield self._outcome(item, became)

    def _outcome(self, item: Item, became: Any) -> Outcome:
        from distributed import KilledWorker

        if isinstance(became, cluster_task.Done):
            if not became.seen and item.input.path.exists():
                raise ClusterError(
                    f"The worker on {became.host} does not see {item.input.path}. {cluster_task.SHARED} {_KEEPS}"
                )
            return became.outcome
        if isinstance(became, KilledWorker):
            text = f"{item.name}: all workers that took it ended before it was done. Does their memory suffice?"
            return self._worker.write(Work(item, error=text))
        if isinstance(became, FetalSegError):
            raise became
        if isinstance(became, asyncio.CancelledError | futures.CancelledError | OSError):  # tasks raise no OSError
            raise ClusterError(f"The scheduler has ended, was started anew, or can't be reached. {_KEEPS}") from became
        raise ClusterError(
            f"A worker can't do its part ({type(became).__name__}: {became}). Scheduler and workers need the same "
            "napari-fetalseg with its extra 'cluster', and the same packages, as this computer."
        ) from became

    def let_go(self) -> None:
        """Call back what is still out."""
        out = [future for future, _ in self._out.values()]
        self._out.clear()
        self._done.put(None)
        if out and self._client.status == "running":
            with contextlib.suppress(OSError):
                self._client.cancel(out, force=True)


@contextlib.contextmanager
def _quiet() -> Iterator[int]:
    """Let Dask tell of lost workers and the like only where all is told; yields its level."""
    import distributed  # noqa: F401 (it sets up its logging)

    level = logging.WARNING if logging.getLogger().isEnabledFor(logging.INFO) else logging.CRITICAL
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(level)
        yield level
    finally:
        for logger, own in zip(loggers, before, strict=True):
            logger.setLevel(own)
