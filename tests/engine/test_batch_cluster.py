"""Many scans by other processes: the same bytes as here, whatever becomes of them; refusals in sentences."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import batches
from fetalseg import cli
from fetalseg.batch import cluster, cluster_task
from fetalseg.batch.run import Batch, run
from fetalseg.errors import Cancelled, ClusterError, ModelError, OutputError, SettingsError
from fetalseg.settings import BatchSettings, SegmentSettings

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("networks")

HEAD = SegmentSettings()


def scans_in(folder, count=12):
    """Heads and a damaged file, with their scale in a csv elsewhere."""
    made = batches.folder(folder / "scans", count)
    shutil.move(made / "pixel_size.csv", folder / "sizes.csv")
    (made / "004.png").write_bytes(b"no picture")
    return made


# As real processes.


class Dask:
    """A scheduler and workers as processes, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, []
        file = folder / "scheduler.json"
        quiet = ("--host", "127.0.0.1", "--no-dashboard")
        self.start("dask_scheduler", *quiet, "--port", "0", "--scheduler-file", file)
        self._quiet = quiet
        batches.until(lambda: file.exists() and file.stat().st_size, 180)
        self.address = json.loads(file.read_text())["address"]

    def start(self, what, *arguments):
        tests = str(Path(batches.__file__).parent)
        self.running.append(
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{what}", *map(str, arguments)],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": tests, "BATCH_TEST_SECONDS": "0.1", "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return self.running[-1]

    def worker(self):
        alone = ("--no-nanny", "--nthreads", "1", "--preload", "batches")
        return self.start("dask_worker", self.address, *self._quiet, *alone)

    def end(self):
        for one in self.running:
            one.kill()
            one.wait()


@pytest.fixture
def dask(tmp_path):
    (tmp_path / "dask").mkdir()
    made = Dask(tmp_path / "dask")
    yield made
    made.end()


def test_a_worker_killed_in_the_middle_changes_no_byte(tmp_path, dask):
    """Two workers, one of them killed; then the run itself is stopped, and goes on. All paths are relative."""
    lost, _ = dask.worker(), dask.worker()
    scans_in(tmp_path)
    command = ("segment", "scans", "--spacing-csv", "sizes.csv", "--out")
    assert batches.finished(*command, "here", cwd=tmp_path)[0] == 1
    out = tmp_path / "there"
    running = batches.process(*command, "there", "--scheduler", dask.address, cwd=tmp_path)
    batches.until(lambda: batches.journalled(out) >= 3, 180)
    lost.kill()
    batches.until(lambda: batches.journalled(out) >= 7, 180)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert (running.returncode, "Traceback" in told) == (130, False)
    done = batches.journalled(out)
    assert 7 <= done < 12
    code, said, told = batches.finished(*command, "there", "--scheduler", dask.address, cwd=tmp_path)
    assert (code, "Traceback" in told) == (1, False)
    assert said.startswith("11 of 12 files, 11 frames measured by standin on CPU (")
    unchanged = int(said.split("CPU (")[1].split()[0])
    assert unchanged in (done - 1, done)  # what failed is tried again
    batches.same(tmp_path / "here", out)
    with (out / "measurements.csv").open(newline="") as handle:
        assert [row["file"] for row in csv.DictReader(handle)] == [f"{number:03}.png" for number in range(12)]
    assert not (dask.folder / "there").exists()


def test_several_processes_on_this_computer(tmp_path, monkeypatch):
    scans_in(tmp_path, 6)
    command = ("segment", "scans", "--spacing-csv", "sizes.csv", "--out")
    assert batches.finished(*command, "here", cwd=tmp_path)[0] == 1
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PRELOAD", '["batches"]')
    code, said, told = batches.finished(*command, "there", "--workers", "2", cwd=tmp_path)
    assert (code, "Traceback" in told) == (1, False)
    assert "failed: 004.png is no PNG or JPEG picture" in told
    batches.same(tmp_path / "here", tmp_path / "there")


# In this process: a client whose workers are threads.


class Given(Future):
    """A task; what is told when it is done comes from a thread, as Dask's does."""

    key = ""

    @property
    def status(self):
        failed = self.exception()
        return "cancelled" if isinstance(failed, CancelledError) else "error" if failed else "finished"


class Client:
    """Stands in for Dask's client."""

    status = "running"

    def __init__(self, threads=2, change=lambda number, done: done):
        self.threads, self.change = threads, change
        self.pool = ThreadPoolExecutor(max(1, threads))
        self.most, self.given, self.through, self.called_back = 0, 0, 0, 0

    def nthreads(self):
        return {"tcp://127.0.0.1:1": self.threads} if self.threads else {}

    def submit(self, function, *arguments, key, pure):
        future, number = Given(), self.given
        future.key = key
        self.given += 1
        self.most = max(self.most, self.given - self.through)
        if self.threads:
            self.pool.submit(self.do, future, number, function, *arguments)
        return future

    def do(self, future, number, function, *arguments):
        try:
            done = self.change(number, function(*arguments))
        except BaseException as error:
            self.through += 1
            future.set_exception(error)
        else:
            self.through += 1
            future.set_result(done)

    def gather(self, futures, errors):
        return {key: None if future.exception() else future.result() for key, future in futures.items()}

    def cancel(self, futures, force):
        self.called_back += len(futures)


@pytest.fixture
def scans(tmp_path):
    return scans_in(tmp_path)


def events(inputs, out, client, cancel=None, pause=None, batch=None, **options):
    with Batch([inputs], out, HEAD, batch, **options) as made:
        return list(cluster.Cluster(client).events(made, cancel, pause))


def kinds(found, kind):
    return sorted(event.name for event in found if event.kind == kind)


def test_few_are_handed_out_at_a_time_and_the_network_is_loaded_once(scans, tmp_path, networks):
    here, there = tmp_path / "here", tmp_path / "there"
    sizes = BatchSettings(spacing_csv=str(tmp_path / "sizes.csv"))
    for number in range(8):
        shutil.copy(scans / "000.png", scans / f"more_{number}.png")
    run([scans], here, HEAD, sizes)
    networks.clear()
    client = Client(threads=3)
    found = events(scans, there, client, batch=sizes)
    batches.same(here, there)
    assert len(networks) == 1
    assert client.most <= 9
    assert kinds(found, "started") == sorted(path.name for path in scans.iterdir())
    assert (len(kinds(found, "done")), kinds(found, "failed")) == (19, ["004.png"])
    assert (found[-1].done, found[-1].failed, found[-1].total) == (20, 1, 20)
    assert found[-1].rows[0]["file"] == found[-1].name
    again = events(scans, there, Client(), batch=sizes)
    assert (len(kinds(again, "unchanged")), kinds(again, "failed")) == (19, ["004.png"])
    batches.same(here, there)
    assert len(kinds(events(scans, there, Client(), batch=sizes, overwrite=True), "done")) == 19


def test_stopped_and_held(scans, tmp_path):
    cancel, pause = threading.Event(), threading.Event()
    client, seen = Client(threads=1), []

    def watched():
        with Batch([scans], tmp_path / "out", HEAD) as made:
            for event in cluster.Cluster(client).events(made, cancel, pause):
                seen.append(event)
                if len(kinds(seen, "done")) == 2:
                    pause.set()

    def stopped():
        with pytest.raises(Cancelled):
            watched()

    thread = threading.Thread(target=stopped)
    thread.start()
    batches.until(lambda: client.through == client.given >= 8 and len(seen) == 2 * client.given)
    assert client.given < 12  # what was handed out is done, and no more
    cancel.set()
    thread.join(10)
    assert not thread.is_alive()
    with (tmp_path / "out" / "measurements.csv").open(newline="") as handle:
        assert len(list(csv.DictReader(handle))) == client.through
    assert json.loads((tmp_path / "out" / "run.json").read_text())["finished"] is False


def test_what_is_under_way_is_called_back(scans, tmp_path):
    cancel = threading.Event()

    def stop(number, done):
        cancel.set()
        time.sleep(0.2)
        return done

    client = Client(threads=1, change=stop)
    with pytest.raises(Cancelled):
        events(scans, tmp_path / "out", client, cancel)
    assert client.called_back > 0


def test_a_scan_that_ends_its_workers_is_a_row(scans, tmp_path):
    from distributed import KilledWorker

    def end(number, done):
        if number == 2:
            raise KilledWorker("key", "tcp://127.0.0.1:1", 3)
        return done

    found = events(scans, tmp_path / "out", Client(change=end))
    assert kinds(found, "failed") == ["002.png", "004.png"]
    with (tmp_path / "out" / "errors.csv").open(newline="") as handle:
        told = {row["file"]: row["error"] for row in csv.DictReader(handle)}
    assert told["002.png"] == "002.png: all workers that took it ended before it was done. Does their memory suffice?"
    assert kinds(events(scans, tmp_path / "out", Client()), "done") == ["002.png"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            CancelledError("gone"),
            ClusterError,
            "scheduler has ended, was started anew, or .* What was finished is kept",
        ),
        (OSError("no connection"), ClusterError, "scheduler has ended, was started anew, or can't be reached"),
        (ModuleNotFoundError("No module named 'fetalseg'"), ClusterError, "need the same napari-fetalseg"),
        (OutputError("The disk is full."), OutputError, "The disk is full."),
    ],
)
def test_what_ends_a_run(scans, tmp_path, error, kind, text):
    def fail(number, done):
        raise error

    with pytest.raises(kind, match=text):
        events(scans, tmp_path / "out", Client(change=fail))
    events(scans, tmp_path / "out", Client())  # the lock is free, and the same again does the rest


def test_a_worker_that_does_not_see_a_file(scans, tmp_path):
    """Another computer's disk: ends the run. A file that is gone everywhere is a row."""

    def elsewhere(number, done):
        return cluster_task.Done({**done.outcome, "status": "error", "error": "gone"}, "node7", seen=False)

    with pytest.raises(ClusterError, match=r"worker on node7 does not see .*000\.png\. Workers must reach inputs"):
        events(scans, tmp_path / "out", Client(change=elsewhere))
    with Batch([scans], tmp_path / "out", HEAD) as made:
        (scans / "003.png").unlink()
        found = list(cluster.Cluster(Client()).events(made))
    assert kinds(found, "failed") == ["003.png", "004.png"]


def test_a_worker_that_is_set_up_otherwise(scans, tmp_path, monkeypatch):
    with Batch([scans], tmp_path / "out", HEAD) as made:
        shipped = cluster_task.shipped("run", made.worker)
        item = pickle.dumps(made.plan()[0])
        assert cluster_task.do(shipped, item).outcome["status"] == "ok"
        made.worker.out = tmp_path / "nowhere"
        with pytest.raises(ClusterError, match=r"does not see the results' folder .*nowhere\. .*\(The worker on "):
            cluster_task.do(cluster_task.shipped("a", made.worker), item)
        assert not (tmp_path / "nowhere").exists()
        made.worker.out, made.worker.model_sha256 = tmp_path / "out", "0" * 64
        with pytest.raises(ModelError, match=r"A worker has another model 'default' \(unet"):
            cluster_task.do(cluster_task.shipped("b", made.worker), item)
        other = cluster_task.shipped("c", made.worker)
        monkeypatch.setattr(cluster_task, "__version__", "99.0")
        with pytest.raises(ClusterError, match=r"A worker has napari-fetalseg 99\.0, and the run "):
            cluster_task.do(other, item)


def test_paths_are_absolute_for_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scans_in(tmp_path, 1)
    (tmp_path / "exams.csv").write_text("file,scan_date,lmp\n000.png,2024-05-20,2024-01-01\n")
    settings = BatchSettings(spacing_csv="sizes.csv", exams="exams.csv")
    with Batch([Path("scans")], Path("out"), HEAD, settings) as made:
        _, _, data = pickle.loads(cluster_task.shipped("run", made.worker))
        there = pickle.loads(data)
        assert (there.out, made.worker.out) == (tmp_path / "out", Path("out"))
        assert there.batch.spacing_csv == str(tmp_path / "sizes.csv")
        assert there.batch.exams == str(tmp_path / "exams.csv")
        assert (there.settings, there.growth) == (made.worker.settings, made.worker.growth)


def test_no_worker_is_said_once(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_LOOK_S", 0.0)
    monkeypatch.setattr(cluster, "_ALONE_S", 0.0)
    cancel, said = threading.Event(), []

    def say(sentence):
        said.append(sentence)
        threading.Timer(0.5, cancel.set).start()

    with Batch([scans], tmp_path / "out", HEAD) as made, pytest.raises(Cancelled):
        list(cluster.Cluster(Client(threads=0), say).events(made, cancel))
    assert said == ["The scheduler has no workers now; the run waits for them."]


# The command.


def test_wrong_usage(scans, tmp_path, monkeypatch, capsys):
    def told(*arguments):
        code = cli.main(["segment", str(scans), "--out", str(tmp_path / "out"), *arguments])
        return code, capsys.readouterr().err

    assert told("--workers", "0") == (2, "fetalseg: There must be at least one worker, not 0.\n")
    assert told("--workers", "2", "--watch") == (
        2,
        "fetalseg: --watch measures in this process; leave out --workers and --scheduler.\n",
    )
    assert told("--scheduler", "not an address")[0] == 2
    monkeypatch.setattr(cluster, "_ANSWER_S", 0.5)
    code, text = told("--scheduler", "tcp://127.0.0.1:9")
    assert (code, text.startswith("fetalseg: No scheduler answers at tcp://127.0.0.1:9. ")) == (1, True)
    with pytest.raises(SystemExit):
        told("--workers", "2", "--scheduler", "tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()
    found = importlib.util.find_spec
    monkeypatch.setattr(cluster, "find_spec", lambda name: None if name == "distributed" else found(name))
    for arguments in (("--workers", "2"), ("--scheduler", "tcp://127.0.0.1:9")):
        code, text = told(*arguments)
        assert (code, "pip install 'napari-fetalseg[cluster]'" in text) == (2, True)
    with pytest.raises(SettingsError, match="is not installed here"):
        cluster.demand()
