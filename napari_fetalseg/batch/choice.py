"""What a person chose to run, and what is in the chosen folder. No Qt."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from fetalseg import samples, tasks
from fetalseg.errors import FetalSegError, UnreadableError
from fetalseg.io import folders
from fetalseg.settings import BatchSettings, GrowthSettings, SegmentSettings


@dataclass(frozen=True)
class Choice:
    """A run as chosen.

    Parameters
    ----------
    folder, out : Path
        Of the scans, and of the results.
    settings : SegmentSettings
    batch : BatchSettings
    growth : GrowthSettings
        The chart that heads stand on where `batch` names exams.
    report : bool
        Whether the report is made at the end.
    anew : bool
        Do all anew, also what an earlier run did.
    """

    folder: Path
    out: Path
    settings: SegmentSettings
    batch: BatchSettings
    growth: GrowthSettings = field(default_factory=GrowthSettings)
    report: bool = True
    anew: bool = False


@dataclass(frozen=True)
class Found:
    """What a folder holds: scans, masks and annotations left out, files of other kinds."""

    scans: int
    left_out: int = 0
    others: int = 0

    def said(self) -> str:
        """Return it in a line."""
        words = [
            f"{self.scans} scan{'' if self.scans == 1 else 's'}",
            f"{self.left_out} masks or annotations left out" if self.left_out else "",
            f"{self.others} file{'' if self.others == 1 else 's'} of other kinds" if self.others else "",
        ]
        return " · ".join(word for word in words if word)


def look(folder: Path, task: str, batch: BatchSettings) -> Found:
    """Return what a run over a folder would find.

    Raises
    ------
    FetalSegError
        If there is nothing to run on.
    """
    if not folder.is_dir():
        raise UnreadableError(f"{folder} is no folder." if folder.exists() else f"{folder} is not there.")
    found = folders.expand(
        [folder], batch.pattern, volumes=tasks.get(task).VOLUME, series=batch.series, instances=batch.instances
    )
    if all(item.error for item in found.items):
        raise FetalSegError(found.items[0].error if found.items else f"{folder} holds no scan.")
    return Found(len(found.items), found.not_scans, found.skipped)


def default_out(folder: Path, task: str) -> Path:
    """Return where results go if nothing else is chosen: beside the scans, or at home where that can't be written."""
    name = f"{folder.name}-{task}"
    try:
        sample = folder == samples.folder()
    except UnreadableError:
        sample = False
    beside = not sample and folder.parent != folder and os.access(folder.parent, os.W_OK)
    return (folder.parent if beside else Path.home()) / name
