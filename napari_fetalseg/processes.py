"""The only place that starts processes: the plugin's own command line, beside napari.

A training is detached: neither a crash nor the end of napari takes it along, and the other way round. Its folder says
which process it is, so that another napari finds it again. What napari waits for (`output`) ends with napari.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fetalseg.errors import Cancelled, FetalSegError
from fetalseg.io.atomic import make_folder, output_error, write_text
from napari_fetalseg.workers import Token

log = logging.getLogger(__name__)

PROCESS, LOG = "process.json", "train.log"
# Two clocks' readings of when a process began differ by less.
_SAME_S = 2.0
_LOOKS_APART_S = 0.1
_PATIENCE_S = 5.0
_NICE = 10

# Children of this napari: whoever starts a process has to ask for its end, or it stays behind as a zombie.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Started:
    """A detached process, as its folder tells.

    Parameters
    ----------
    pid : int
    began : float
        When the process began, seconds since 1970: another one may have got its number since.
    host : str
        The computer it runs on.
    arguments : tuple of str
        Of ``fetalseg``.
    """

    pid: int
    began: float
    host: str
    arguments: tuple[str, ...]


def detach(arguments: Sequence[str], folder: Path) -> Started:
    """Run ``fetalseg`` with arguments in a process that outlives this one.

    Parameters
    ----------
    arguments : sequence of str
    folder : Path
        Gets the log and a file that says which process it is.

    Raises
    ------
    OutputError
        If the folder can't be written to.
    FetalSegError
        If no process can be started, or one of this folder runs already.
    """
    import psutil

    if alive(folder):
        raise FetalSegError(f"A training runs in {folder} already: open it, or choose another folder.")
    make_folder(folder)
    try:
        with (folder / LOG).open("ab") as told:
            process = subprocess.Popen(
                _command(arguments), stdin=subprocess.DEVNULL, stdout=told, stderr=told, cwd=folder, **_detached()
            )
    except OSError as error:
        if isinstance(error.filename, str) and error.filename == sys.executable:
            raise FetalSegError(f"Python could not be started ({error.strerror}): {sys.executable}.") from error
        raise output_error(folder / LOG, error) from error
    _started.append(process)
    began = time.time()
    with contextlib.suppress(psutil.Error, OSError):
        child = psutil.Process(process.pid)
        began = child.create_time()
        if os.name == "posix":
            child.nice(_NICE)  # napari comes first
    made = Started(process.pid, began, platform.node(), tuple(arguments))
    write_text(folder / PROCESS, json.dumps(made.__dict__, indent=2) + "\n")
    return made


def started(folder: Path) -> Started | None:
    """Return the process that was last started in a folder; None where none was."""
    try:
        values = json.loads((folder / PROCESS).read_text(encoding="utf-8"))
        return Started(int(values["pid"]), float(values["began"]), str(values["host"]), tuple(values["arguments"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def alive(folder: Path) -> bool:
    """Whether the process that was last started in a folder runs on this computer."""
    return _process(folder) is not None


def end(folder: Path, *, at_once: bool = False) -> None:
    """End the process of a folder: as Ctrl-C does, or at once."""
    import psutil

    process = _process(folder)
    if process is not None:
        with contextlib.suppress(psutil.Error):
            process.kill() if at_once else process.terminate()


def last_words(folder: Path) -> str:
    """Return the last line that a folder's process wrote to its log."""
    try:
        with (folder / LOG).open("rb") as told:
            told.seek(max(0, told.seek(0, os.SEEK_END) - 4000))
            lines = told.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def output(arguments: Sequence[str], token: Token) -> str:
    """Run ``fetalseg`` with arguments to its end and return what it printed; for a worker's thread.

    Raises
    ------
    Cancelled
        If the token was set meanwhile: the process is ended.
    FetalSegError
        With what the command said, if it failed.
    """
    with subprocess.Popen(
        _command(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    ) as process:
        while True:
            try:
                printed, said = process.communicate(timeout=_LOOKS_APART_S)
                break
            except subprocess.TimeoutExpired:
                if token.is_set():
                    _end_child(process)
                    raise Cancelled from None
    if process.returncode:
        lines = [line for line in said.splitlines() if line.strip()]
        last = lines[-1].removeprefix("fetalseg: ") if lines else f"It ended with code {process.returncode}."
        log.debug("fetalseg %s\n%s", " ".join(arguments), said)
        raise FetalSegError(last)
    return printed


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "fetalseg.cli", *arguments]


def _detached() -> dict[str, Any]:
    """What keeps a child clear of this process's console, its signals and its end."""
    if os.name == "nt":
        names = ("DETACHED_PROCESS", "CREATE_NEW_PROCESS_GROUP", "BELOW_NORMAL_PRIORITY_CLASS")
        return {"creationflags": sum(getattr(subprocess, name) for name in names)}
    return {"start_new_session": True}


def _process(folder: Path) -> Any | None:
    import psutil

    known = started(folder)
    _reap()
    if known is None or known.host != platform.node():
        return None
    try:
        process = psutil.Process(known.pid)
        same = abs(process.create_time() - known.began) < _SAME_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]


def _end_child(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
