"""Runs as real processes: killed, in each other's way, on a disk that is full, and waiting for files."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

import batches

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and mounts of Unix")


@pytest.fixture
def scans(tmp_path):
    made = batches.folder(tmp_path / "scans", 10)
    (made / "004.png").write_bytes(b"no picture")
    return made


def test_killed_at_any_moment_the_same_command_gives_the_same_bytes(scans, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert batches.finished("segment", scans, "--out", whole)[0] == 1
    chance = random.Random(7)
    for at in (0, 2, 5, 9):
        running = batches.process("segment", scans, "--out", out, seconds=0.05)
        batches.until(lambda wanted=at: batches.journalled(out) >= wanted)
        time.sleep(chance.random() * 0.1)
        running.kill()
        running.communicate()
    code, said, told = batches.finished("segment", scans, "--out", out)
    assert code == 1
    assert "files unchanged since an earlier run" in said
    batches.same(whole, out)
    assert json.loads((out / "run.json").read_text())["finished"] is True


def test_stopped_by_a_signal_the_tables_are_whole(scans, tmp_path):
    out = tmp_path / "out"
    running = batches.process("segment", scans, "--out", out, seconds=0.1)
    batches.until(lambda: batches.journalled(out) >= 2)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopped; what was finished is kept" in told
    assert "Traceback" not in told
    with (out / "measurements.csv").open(newline="") as handle:
        assert 2 <= len(list(csv.DictReader(handle))) < 10
    assert json.loads((out / "run.json").read_text())["finished"] is False


def test_a_second_run_on_the_same_output_refuses(scans, tmp_path):
    out = tmp_path / "out"
    running = batches.process("segment", scans, "--out", out, seconds=2)
    batches.until(lambda: batches.journalled(out) >= 1)
    code, said, told = batches.finished("segment", scans, "--out", out)
    assert code == 1
    assert told == f"fetalseg: Another run is writing to {out}. Wait until it ends, or choose another folder for these results.\n"  # noqa: E501  # fmt: skip
    running.kill()
    running.communicate()
    assert (out / ".fetalseg-lock").exists()  # what a killed run leaves blocks nobody
    assert batches.finished("segment", scans, "--out", out)[0] == 1
    assert len(rows(out)) == 10


def test_a_full_disk(scans, tmp_path):
    """A disk of 250 kB: it says so, keeps what was whole, and goes on once there is room."""
    disk = tmp_path / "disk"
    script = "mount -t tmpfs -o size=250k tmpfs {0} && {1}; code=$?; cp -r {0}/. {2}; exit $code"
    disk.mkdir()
    probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True)
    if not shutil.which("unshare") or probe.returncode:
        pytest.skip("no disk can be mounted here")
    kept, whole = tmp_path / "kept", tmp_path / "whole"
    kept.mkdir()
    command = f"{sys.executable} {batches.__file__} segment {scans} --out {disk}/out"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script.format(disk, command, kept)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "the disk is full. Make room and run again; finished files stay." in done.stderr
    assert "Traceback" not in done.stderr
    assert 1 <= batches.journalled(kept / "out") < 10
    code, said, _ = batches.finished("segment", scans, "--out", kept / "out")
    assert (code, "unchanged since an earlier run" in said) == (1, True)
    assert batches.finished("segment", scans, "--out", whole)[0] == 1
    batches.same(whole, kept / "out")


def test_an_output_that_can_not_be_written(scans, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, told = batches.finished("segment", scans, "--out", tmp_path / "file" / "out")
    assert (code, "Traceback" in told) == (1, False)
    assert "a part of its path is a file and no folder" in told
    locked = tmp_path / "locked"
    locked.mkdir()
    before = ("setpriv", "--bounding-set=-dac_override") if os.getuid() == 0 else ()  # root may write anywhere, else
    if before and not shutil.which("setpriv"):
        pytest.skip("root may write anywhere")
    locked.chmod(0o555)
    code, _, told = batches.finished("segment", scans, "--out", locked, before=before)
    assert (code, "Traceback" in told) == (1, False)
    assert "you have no permission there" in told


def rows(out):
    try:
        with (out / "measurements.csv").open(newline="") as handle:
            return {row["file"]: row for row in csv.DictReader(handle)}
    except FileNotFoundError:
        return {}


def test_watching_a_folder(tmp_path):
    """What is there, what arrives, what is copied with a pause, what is written anew; Ctrl-C ends it."""
    folder, out, store = tmp_path / "export", tmp_path / "out", batches.folder(tmp_path / "store", 5)
    folder.mkdir()
    shutil.copy(store / "000.png", folder)
    running = batches.process("segment", folder, "--watch", "--spacing", "0.5", "--out", out)
    try:
        batches.until(lambda: "000.png" in rows(out))
        (folder / "sub").mkdir()
        shutil.copy(store / "001.png", folder / "sub")
        batches.until(lambda: "sub/001.png" in rows(out))
        data = (store / "002.png").read_bytes()
        (folder / "002.png").write_bytes(data[: len(data) // 2])
        time.sleep(1)
        assert "002.png" not in rows(out)
        with (folder / "002.png").open("ab") as file:
            file.write(data[len(data) // 2 :])
        batches.until(lambda: "002.png" in rows(out))
        before = rows(out)["000.png"]
        shutil.copy(store / "004.png", folder / "000.png")
        batches.until(lambda: rows(out)["000.png"] != before)
        (folder / "sub" / "001.png").unlink()  # exports are tidied up; their rows stay
        shutil.copy(store / "003.png", folder)
        batches.until(lambda: "003.png" in rows(out))
    finally:
        running.send_signal(signal.SIGINT)
        said, told = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "Traceback" not in told
    assert said.startswith("4 of 4 files, 4 frames measured")
    assert {name: row["status"] for name, row in rows(out).items()} == dict.fromkeys(
        ["000.png", "002.png", "003.png", "sub/001.png"], "ok"
    )
    assert json.loads((out / "run.json").read_text())["finished"] is True
