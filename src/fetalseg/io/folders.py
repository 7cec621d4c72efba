"""From what a person names (files and folders) to the list of scans, and to the names of their outputs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fetalseg.errors import UnreadableError
from fetalseg.io import registry
from fetalseg.scan import Scan, Spacing

PARTIAL_TABLE = "measurements.csv.part"
"""The table of measurements while its run goes on; see `fetalseg.report.table`."""
_OUTPUT_FOLDERS = ("masks", "overlays")
_OUTPUT_FILES = ("run.json", "measurements.csv", PARTIAL_TABLE)


@dataclass(frozen=True)
class Input:
    """One scan to be read.

    Parameters
    ----------
    path : Path
    name : str
        Relative to the given folder, with ``/``; the file's name for a single file.
    error : str
        Why it can't be read, where that is known before reading.
    """

    path: Path
    name: str
    error: str = ""

    def read(self, spacing: Spacing | None = None) -> Scan:
        """Read it, or raise `UnreadableError` with its sentence."""
        if self.error:
            raise UnreadableError(self.error)
        return registry.read(self.path, name=self.name, spacing=spacing)


@dataclass(frozen=True)
class Inputs:
    """What was found.

    Parameters
    ----------
    items : tuple of Input
        No two of the same name or file.
    skipped : int
        Files in folders whose ending no reader knows.
    not_scans : int
        Annotations, masks and overlays that were left out.
    """

    items: tuple[Input, ...]
    skipped: int = 0
    not_scans: int = 0


def is_annotation(name: str) -> bool:
    """Whether a file name is HC18's annotation (``*_Annotation.*``) or this product's mask (``*_mask.tif``)."""
    base = name.rsplit("/", 1)[-1].lower()
    return base.endswith("_mask.tif") or base.rsplit(".", 1)[0].endswith("_annotation")


def expand(inputs: Iterable[str | Path], pattern: str | None = None) -> Inputs:
    """List the scans in files and folders.

    Parameters
    ----------
    inputs : paths
        A folder is searched with all below it, in the order of the relative paths. Hidden files, annotations
        and the outputs of earlier runs are left out. A missing file, or a folder without a scan, is listed
        too: reading it gives its sentence, so it gets a row like the others.
    pattern : str, optional
        Narrows folders, as in ``*_HC.png``; with a ``/`` it is held against the end of the relative path.

    Returns
    -------
    Inputs
    """
    items: list[Input] = []
    left_out: list[Input] = []
    skipped = not_scans = 0
    for given in dict.fromkeys(Path(path) for path in inputs):
        name = _name(given)
        if given.is_dir():
            walk = _Walk()
            found = [item for item in walk.below(given) if item.error or _fits(item.name, pattern)]
            items += sorted(found, key=lambda item: item.name) or [Input(given, name, _nothing_in(name, pattern))]
            skipped += walk.skipped
            not_scans += walk.not_scans
        elif is_annotation(name) and given.exists():
            # A shell turns data/* into single files: annotations among scans are left out there too.
            left_out.append(Input(given, name, f"{name} is an annotation or a mask, not a scan."))
        else:
            items.append(Input(given, name))
    if not items:
        items, left_out = left_out, []
    return Inputs(_distinct(items), skipped, not_scans + len(left_out))


def _name(path: Path) -> str:
    return path.name or path.absolute().name or str(path)


def stems(names: Sequence[str]) -> dict[str, str]:
    """Return the stem of each input's outputs: its relative path without the ending.

    Where two share a stem (``a.png``, ``a.jpg``) the whole file name stands for it. Capitals make no
    difference, since some disks know none; the stems are distinct on those too.
    """
    out = {name: _without_ending(name) for name in names}
    while True:
        count = Counter(stem.casefold() for stem in out.values())
        shared = [name for name, stem in out.items() if count[stem.casefold()] > 1 and stem != name]
        if not shared:
            break
        out.update((name, name) for name in shared)
    taken: set[str] = set()
    for name in sorted(out):  # what still meets differs by capitals alone
        stem, number = out[name], 2
        while stem.casefold() in taken:
            stem, number = f"{out[name]}~{number}", number + 1
        taken.add(stem.casefold())
        out[name] = stem
    return out


def _without_ending(name: str) -> str:
    end = registry.ending(name)
    return name[: -len(end)] if end else str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).name else name


def _nothing_in(name: str, pattern: str | None) -> str:
    what = f"that fits the pattern {pattern}" if pattern else "that can be read here"
    return f"{name} is a folder without a scan {what}. Scans end in {', '.join(sorted(registry.ENDINGS))}."


def _fits(name: str, pattern: str | None) -> bool:
    return not pattern or PurePosixPath(name).match(pattern)


class _Walk:
    """The scans below a folder; counts what it leaves out."""

    def __init__(self) -> None:
        self.skipped = 0
        self.not_scans = 0
        self._seen: set[tuple[int, int]] = set()

    def below(self, folder: Path, prefix: str = "") -> Iterator[Input]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._seen:
                return  # a link back, or a second way to the same folder
            self._seen.add((status.st_dev, status.st_ino))
            # Real folders before links, so that a scan keeps the name of where it lies.
            entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            name = prefix.rstrip("/") or _name(folder)
            yield Input(folder, name, f"{name} is a folder that can't be opened: {error.strerror}.")
            return
        own = _is_output(entries)
        for entry in entries:
            path, name = folder / entry.name, prefix + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if own and entry.name in _OUTPUT_FOLDERS:
                    self.not_scans += _count(path)
                else:
                    yield from self.below(path, name + "/")
            elif not registry.readable(entry.name):
                self.skipped += not (own and entry.name in _OUTPUT_FILES)
            elif is_annotation(entry.name):
                self.not_scans += 1
            else:
                yield Input(path, name)


def _is_output(entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether a folder holds the outputs of a run, finished or broken off."""
    names = {entry.name for entry in entries}
    return PARTIAL_TABLE in names or {"run.json", "measurements.csv"} <= names


def _count(folder: Path) -> int:
    return sum(registry.readable(file) for _, _, files in os.walk(folder) for file in files)


def _distinct(items: Sequence[Input]) -> tuple[Input, ...]:
    """Drop files given twice; where names meet, put as much of the path before them as tells them apart."""
    once = {os.path.normcase(os.path.abspath(item.path)): item for item in reversed(items)}
    ordered = list(reversed(once.values()))
    for _ in range(256):
        count = Counter(item.name for item in ordered)
        if max(count.values(), default=0) < 2:
            break
        ordered = [_longer(item) if count[item.name] > 1 else item for item in ordered]
    return tuple(ordered)


def _longer(item: Input) -> Input:
    """Return the input with one more folder before its name."""
    parts = Path(os.path.abspath(item.path)).parts
    length = len(PurePosixPath(item.name).parts) + 1
    return replace(item, name="/".join(part.strip("/\\").rstrip(":") for part in parts[-length:] if part.strip("/\\")))
