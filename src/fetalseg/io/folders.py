"""From what a person names (files and folders) to the list of scans, and to the names of their outputs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fetalseg.errors import UnreadableError
from fetalseg.io import dicom, registry, slice_folder
from fetalseg.io.registry import is_annotation
from fetalseg.scan import Scan, Spacing

__all__ = ["Input", "Inputs", "expand", "is_annotation", "stems"]

JOURNAL = "journal.jsonl"
"""What a run has done, while it goes on and afterwards; see `fetalseg.batch.journal`."""
_PARTIAL_TABLE = "measurements.csv.part"  # of earlier versions, broken off
_OUTPUT_FOLDERS = ("masks", "overlays", "sr", "report")
_OUTPUT_FILES = (
    *("run.json", "measurements.csv", "measurements.parquet", "errors.csv", "report.html", "report.pdf", "cases.pdf"),
    *(JOURNAL, _PARTIAL_TABLE),
)


@dataclass(frozen=True)
class Input:
    """One scan to be read.

    Parameters
    ----------
    path : Path
        Of the file, or of the folder of a DICOM series or of numbered slices.
    name : str
        Relative to the given folder, with ``/``; the file's name for a single file.
    error : str
        Why it can't be read, where that is known before reading.
    series : str, optional
        Which DICOM series, or which numbered slices, of the folder.
    volumes : bool
        Whether volumes are read.
    """

    path: Path
    name: str
    error: str = ""
    series: str | None = None
    volumes: bool = False

    def read(self, spacing: Spacing | None = None) -> Scan:
        """Read it, or raise `UnreadableError` with its sentence."""
        if self.error:
            raise UnreadableError(self.error)
        return registry.read(self.path, name=self.name, spacing=spacing, series=self.series, volumes=self.volumes)

    def sha256(self) -> str:
        """Return the hash that its `Scan` has, of a file without decoding it; raises as `read` does."""
        if self.error:
            raise UnreadableError(self.error)
        if self.series is not None or self.path.is_dir():
            return self.read().sha256 or ""
        return registry.sha256(self.path, self.name)


@dataclass(frozen=True)
class Inputs:
    """What was found.

    Parameters
    ----------
    items : tuple of Input
        No two of the same name or file.
    skipped : int
        Files in folders that no reader knows.
    not_scans : int
        Annotations, masks and overlays that were left out.
    """

    items: tuple[Input, ...]
    skipped: int = 0
    not_scans: int = 0


def expand(
    inputs: Iterable[str | Path],
    pattern: str | None = None,
    *,
    volumes: bool = False,
    series: str | None = None,
    instances: str | None = None,
    ultrasound: bool | None = None,
    only: Callable[[Path], bool] | None = None,
) -> Inputs:
    """List the scans in files and folders.

    Parameters
    ----------
    inputs : paths
        A folder is searched with all below it, in the order of the relative paths. Hidden files, annotations
        and the outputs of earlier runs are left out. A missing file, or a folder without a scan, is listed
        too: reading it gives its sentence, so it gets a row like the others.
    pattern : str, optional
        Narrows folders, as in ``*_HC.png``; with a ``/`` it is held against the end of the relative path.
    volumes : bool
        List NIfTI files, DICOM series (one input each) and folders of numbered slices (one input each) as well.
        DICOM files are known by what they hold, whatever their ending.
    series : str, optional
        Of several DICOM series in a folder the one whose description holds this is taken; "flair" by default. Of
        ultrasound pictures and loops those are listed whose series' description holds it; all by default.
    instances : str, optional
        Of ultrasound pictures and loops those with these instance numbers are listed, as in ``"1,4-9"``.
    ultrasound : bool, optional
        List the ultrasound pictures and loops among a folder's DICOM files; by default where volumes are not listed.
    only : callable, optional
        Which files of folders are looked at. A folder without a scan is then no input.

    Returns
    -------
    Inputs

    Raises
    ------
    SettingsError
        If `instances` holds what is no number and no range.
    """
    items: list[Input] = []
    left_out: list[Input] = []
    pictures = None if volumes else dicom.picked(series, instances)
    walk = _Walk(volumes, series, not volumes if ultrasound is None else ultrasound, pictures, only)
    for given in dict.fromkeys(Path(path) for path in inputs):
        name = _name(given)
        if given.is_dir():
            found = [item for item in walk.below(given) if item.error or _fits(item.name, pattern)]
            nothing = Input(given, name, _nothing_in(name, pattern, volumes, series))
            items += sorted(found, key=lambda item: item.name) or ([nothing] if only is None else [])
        elif is_annotation(name) and given.exists():
            # A shell turns data/* into single files: annotations among scans are left out there too.
            left_out.append(Input(given, name, f"{name} is an annotation or a mask, not a scan."))
        else:
            items.append(walk.file(given, name))
    if not items and only is None:
        items, left_out = left_out, []
    return Inputs(_distinct(items), walk.skipped, walk.not_scans + len(left_out))


def _name(path: Path) -> str:
    return path.name or path.absolute().name or str(path)


def stems(names: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the stem of each input's outputs: its relative path without the ending.

    Where two share a stem (``a.png``, ``a.jpg``) the whole file name stands for it. Capitals make no
    difference, since some disks know none; the stems are distinct on those too.

    Parameters
    ----------
    names : iterable of str
    known : mapping of str to str, optional
        Stems that were given before, to these names or to others: they stay, and are given to no other.
    """
    known = known or {}
    wanted = list(dict.fromkeys(names))
    out = {name: _without_ending(name) for name in dict.fromkeys((*wanted, *known))}
    while True:
        count = Counter(stem.casefold() for stem in out.values())
        shared = [name for name, stem in out.items() if count[stem.casefold()] > 1 and stem != name]
        if not shared:
            break
        out.update((name, name) for name in shared)
    out.update(known)
    taken = {stem.casefold() for stem in known.values()}
    for name in sorted(out.keys() - known.keys()):  # what still meets differs by capitals alone, or came later
        stem, number = out[name], 2
        if stem.casefold() in taken:
            stem = out[name] = name
        while stem.casefold() in taken:
            stem, number = f"{out[name]}~{number}", number + 1
        taken.add(stem.casefold())
        out[name] = stem
    return {name: out[name] for name in wanted}


def _without_ending(name: str) -> str:
    end = registry.ending(name)
    return name[: -len(end)] if end else str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).name else name


def _nothing_in(name: str, pattern: str | None, volumes: bool, series: str | None) -> str:
    what = f"that fits the pattern {pattern}" if pattern else "that can be read here"
    if volumes and series is not None:
        what += f" or a DICOM series that fits '{series}'"
    return f"{name} is a folder without a scan {what}. Scans end in {registry.kinds(volumes=volumes)}."


def _fits(name: str, pattern: str | None) -> bool:
    return not pattern or PurePosixPath(name).match(pattern)


class _Walk:
    """The scans below folders; counts what it leaves out."""

    def __init__(
        self,
        volumes: bool,
        series: str | None,
        ultrasound: bool,
        pictures: Callable[[Path], bool] | None = None,
        only: Callable[[Path], bool] | None = None,
    ) -> None:
        self.skipped = 0
        self.not_scans = 0
        self._volumes = volumes
        self._series = series
        self._ultrasound = ultrasound
        self._picked = pictures
        self._only = only
        self._seen: set[tuple[int, int]] = set()
        self._known: dict[Path, list[dicom.Series]] = {}

    def file(self, path: Path, name: str) -> Input:
        """Return the input of a file given by name: one of a DICOM series stands for the series."""
        other = self._volumes and not registry.readable(name, volumes=True) and dicom.is_dicom(path)
        if other and dicom.modality(path) not in dicom.ULTRASOUND:
            folder = path.absolute().parent
            if folder not in self._known:
                self._known[folder] = dicom.series_in(folder)
            found = next((s for s in self._known[folder] if folder / path.name in s.files), None)
            if found is not None:
                return self._of_series(folder, _name(folder), found)
        return Input(path, name, volumes=self._volumes)

    def below(self, folder: Path) -> Iterator[Input]:
        """Yield what lies in a folder and in those below it."""
        self._seen.clear()
        yield from self._below(folder, "", _name(folder))

    def _below(self, folder: Path, prefix: str, own_name: str) -> Iterator[Input]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._seen:
                return  # a link back, or a second way to the same folder
            self._seen.add((status.st_dev, status.st_ino))
            # Real folders before links, so that a scan keeps the name of where it lies.
            entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            yield Input(folder, own_name, f"{own_name} is a folder that can't be opened: {error.strerror}.")
            return
        own = _is_output(entries)
        files: list[Path] = []
        others: list[Path] = []
        for entry in entries:
            path, name = folder / entry.name, prefix + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if own and entry.name in _OUTPUT_FOLDERS:
                    self.not_scans += _count(path, self._volumes)
                else:
                    yield from self._below(path, name + "/", name)
            elif self._only is not None and not self._only(path):
                continue
            elif not registry.readable(entry.name, volumes=self._volumes):
                if not (own and entry.name in _OUTPUT_FILES):
                    others.append(path)
            elif is_annotation(entry.name):
                self.not_scans += 1
            else:
                files.append(path)
        if self._volumes:
            files = yield from self._slices(folder, own_name, files)
        others = yield from self._dicom(folder, own_name, prefix, others)
        self.skipped += len(others)
        for path in files:
            yield Input(path, prefix + path.name, volumes=self._volumes)

    def _slices(self, folder: Path, name: str, files: list[Path]) -> Generator[Input, None, list[Path]]:
        """Yield the numbered slices as volumes; return the other files."""
        found = slice_folder.find(files)
        for stack in found:
            own = name if len(found) == 1 else f"{name}/{_safe(stack.label)}"
            yield Input(folder, own, series=stack.label, volumes=True)
        taken = {path for stack in found for path in stack.files}
        return [path for path in files if path not in taken]

    def _dicom(self, folder: Path, name: str, prefix: str, files: list[Path]) -> Generator[Input, None, list[Path]]:
        """Yield the DICOM pictures, and the series that is meant; return the files of other kinds."""
        mine = [path for path in files if dicom.is_dicom(path)]
        kinds = dicom.ULTRASOUND if self._volumes else (*dicom.MAYBE_ULTRASOUND, dicom.DAMAGED)
        pictures = [path for path in mine if dicom.modality(path) in kinds]
        series = [path for path in mine if path not in set(pictures)] if self._volumes else []
        if self._ultrasound:
            for path in pictures:
                if self._picked is not None and not self._picked(path):
                    self.not_scans += 1
                    continue
                yield Input(path, prefix + path.name, volumes=self._volumes)
        else:
            pictures = []
        if series:
            yield from self._chosen(folder, name, series)
        return [path for path in files if path not in {*pictures, *series}]

    def _chosen(self, folder: Path, name: str, mine: list[Path]) -> Iterator[Input]:
        """Yield the DICOM series that is meant."""
        found = dicom.series_of(mine)
        if found:
            try:
                yield self._of_series(folder, name, dicom.choose(found, self._series, name))
            except UnreadableError as none_or_several:
                # A folder a series, as archives hand them out: this is another one.
                if len(found) == 1 and not found[0].damaged:
                    self.not_scans += len(mine)
                else:
                    yield Input(folder, name, str(none_or_several), volumes=True)

    @staticmethod
    def _of_series(folder: Path, name: str, found: dicom.Series) -> Input:
        return Input(folder, f"{name}/{_safe(found.label)}", series=found.label, volumes=True)


def _safe(label: str) -> str:
    """Return a description as a part of a path: scanners write what disks don't take."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "_", label).strip(" .") or "series"


def _is_output(entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether a folder holds the outputs of a run, finished or broken off."""
    names = {entry.name for entry in entries}
    return bool({JOURNAL, _PARTIAL_TABLE} & names) or {"run.json", "measurements.csv"} <= names


def _count(folder: Path, volumes: bool) -> int:
    return sum(registry.readable(file, volumes=volumes) for _, _, files in os.walk(folder) for file in files)


def _distinct(items: Sequence[Input]) -> tuple[Input, ...]:
    """Drop files given twice; where names meet, put as much of the path before them as tells them apart."""
    once = {(os.path.normcase(os.path.abspath(item.path)), item.series): item for item in reversed(items)}
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
    last = _safe(item.series or "")
    if item.series is not None and item.name.endswith(f"/{last}"):
        parts = (*parts, last)
    length = len(PurePosixPath(item.name).parts) + 1
    return replace(item, name="/".join(part.strip("/\\").rstrip(":") for part in parts[-length:] if part.strip("/\\")))
