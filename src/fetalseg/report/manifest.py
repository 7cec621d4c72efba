"""``run.json``: what ran on what, with what, and how it went."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalseg import RESEARCH, __version__
from fetalseg.io.atomic import write_text
from fetalseg.scan import Scan, Spacing

if TYPE_CHECKING:
    from fetalseg.pipeline import Pipeline
    from fetalseg.settings import BatchSettings

_LIBRARIES = (
    "imagecodecs",
    "napari",
    "numpy",
    "pillow",
    "safetensors",
    "scikit-image",
    "scipy",
    "segmentation-models-pytorch",
    "tifffile",
    "timm",
    "torch",
    "torchvision",
)


class Manifest:
    """Gathers what a run did; `write` puts it into ``run.json``.

    Parameters
    ----------
    out : path
        The output folder.
    command : str
        As typed. No other path of the person's computer is recorded.
    pipeline : Pipeline
    batch : BatchSettings, optional
    growth : mapping, optional
        The growth chart and the csv of exams that results were assessed by.
    """

    def __init__(
        self,
        out: str | Path,
        command: str,
        pipeline: Pipeline,
        batch: BatchSettings | None = None,
        growth: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(out) / "run.json"
        self._started = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._inputs: list[dict[str, Any]] = []
        origin = pipeline.provenance
        self._head: dict[str, Any] = {
            "note": RESEARCH,
            "product": product(),
            "command": command,
            "task": pipeline.settings.task,
            "model": {"name": origin.model, "sha256": origin.model_sha256},
            "device": origin.device,
            "backend": origin.backend,
            "settings": pipeline.settings.to_dict() | (batch.to_dict() if batch else {}),
            "libraries": libraries(),
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
        if growth is not None:
            self._head["growth"] = dict(growth)

    def add(
        self, scan: Scan | None, name: str, error: str = "", *, empty: int = 0, warnings: Sequence[str] = ()
    ) -> None:
        """Record an input.

        Parameters
        ----------
        scan : Scan or None
            None where it could not be read.
        name : str
        error : str
            The sentence, where it failed.
        empty : int
            Frames in which nothing was found.
        warnings : sequence of str
            What was asked for and is not there, such as a centile; sentences.
        """
        entry: dict[str, Any] = {"name": name, "status": "error" if error else "ok"}
        if error:
            entry["error"] = error
        if warnings:
            entry["warnings"] = list(warnings)
        if scan is not None:
            if not error and empty >= scan.frames:
                entry["status"] = "empty"
            entry |= {
                "sha256": scan.sha256,
                "bytes": _size(scan.path),
                "shape": list(scan.shape),
                "frames": scan.frames,
                "spacing": _spacing(scan.spacing),
            }
            if scan.notes:
                entry["notes"] = list(scan.notes)
        self._inputs.append(entry)

    def write(self, files: int, frames: int, failed: int, empty: int, skipped: int) -> Path:
        """Write ``run.json``.

        Parameters
        ----------
        files, frames, failed, empty, skipped : int
            Inputs, frames measured, inputs that failed, frames without a finding, files of unknown kinds. A run
            that was stopped has fewer inputs listed than `files`, and says so.

        Raises
        ------
        OutputError
        """
        whole = self._head | {
            "finished": len(self._inputs) >= files,
            "started": self._started.isoformat(timespec="seconds"),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_s": round(time.perf_counter() - self._clock, 3),
            "counts": {
                "files": files,
                "done": len(self._inputs),
                "failed": failed,
                "frames": frames,
                "empty_frames": empty,
                "skipped": skipped,
            },
            "inputs": self._inputs,
        }
        return write_text(self.path, json.dumps(whole, indent=2, ensure_ascii=False, default=str) + "\n", sync=True)


@lru_cache(maxsize=1)
def _product() -> tuple[str, str | None]:
    # Only a checkout of this product: an installed copy may lie inside another project's repository.
    root = Path(__file__).parents[3]
    if not ((root / ".git").exists() and (root / "napari_fetalseg").is_dir()):
        return __version__, None
    describe = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
    try:
        done = subprocess.run(describe, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return __version__, None
    return __version__, done.stdout.strip() or None


def product() -> dict[str, str | None]:
    """Return name, version and, in a checkout, the commit (with ``+changes`` where files differ from it)."""
    version, commit = _product()
    return {"name": "napari-fetalseg", "version": version, "commit": commit}


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that a result may depend on, without importing any."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _size(path: Path | None) -> int | None:
    try:
        return path.stat().st_size if path else None
    except OSError:
        return None


def _spacing(spacing: Spacing | None) -> dict[str, Any] | None:
    if spacing is None:
        return None
    values: dict[str, Any] = {"x_mm": spacing.column_mm, "y_mm": spacing.row_mm, "source": spacing.source}
    if spacing.slice_mm is not None:
        values["slice_mm"] = spacing.slice_mm
    return values
