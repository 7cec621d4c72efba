"""What a data set's folder is: ``dataset.json``, its version, and the lock that writers hold."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fetalseg import __version__, tasks
from fetalseg.dataset import content, table
from fetalseg.errors import DatasetError
from fetalseg.io.atomic import make_folder, output_error, write_text

ABOUT = "dataset.json"
FORMAT = "fetalseg data set"
VERSION = 1
_LOCK = ".fetalseg-lock"
_PATIENCE_S = 60.0


def make(folder: Path, task: str) -> dict[str, Any]:
    """Make an empty data set and return what its ``dataset.json`` says.

    Raises
    ------
    DatasetError
        If the folder holds anything already.
    SettingsError
        If there is no such task.
    OutputError
    """
    tasks.get(task)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder} holds files already; a data set is made in a new or empty folder.")
    for name in content.FOLDERS:
        make_folder(folder / name)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "id": uuid.uuid4().hex,
        "task": task,
        "created": now(),
        "product": f"napari-fetalseg {__version__}",
    }
    table.Table().write(folder / table.ITEMS)
    write_text(folder / ABOUT, json.dumps(about, indent=2) + "\n", sync=True)
    return about


def read_about(folder: Path) -> dict[str, Any]:
    """Return what ``dataset.json`` says.

    Raises
    ------
    DatasetError
        If there is none, it is damaged, another program's, or of a newer version of this one.
    """
    path = folder / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{folder} is no annotation data set: it has no {ABOUT}. Make one with 'fetalseg dataset init'."
        ) from error
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: it is no JSON. Restore it from a copy.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DatasetError(f"{path} belongs to another program: {folder} is no annotation data set.")
    version = about.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise DatasetError(
            f"{folder} is of version {version}; this program reads up to version {VERSION}. Update napari-fetalseg."
        )
    if about.get("task") not in tasks.NAMES:
        raise DatasetError(f"{path} names no known task ('{about.get('task')}').")
    return about


def is_one(folder: Path) -> bool:
    """Whether a folder holds an annotation data set, of whatever version."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("format") == FORMAT


@contextmanager
def locked(folder: Path, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Hold a data set's lock; it ends with the process that holds it.

    Raises
    ------
    DatasetError
        If the data set is gone, or the lock is held for longer than `patience_s`.
    OutputError
        If the folder can't be written to.
    """
    from filelock import FileLock, Timeout

    if not (folder / ABOUT).exists():  # nothing is written to where a data set was
        raise DatasetError(f"{folder} is not there any more: was the data set moved or deleted?")
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout as error:
        raise DatasetError(f"Another program has been writing to {folder} for a minute; try again.") from error
    except OSError as error:
        raise output_error(folder / table.ITEMS, error) from error
    try:
        yield
    finally:
        lock.release()


def now() -> str:
    """Return the time as the table has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def line(text: str) -> str:
    """Return a text on one line: a row of the tables is one line of their files."""
    return " ".join(text.split())
