"""``run.json``: what ran on what, with what, and how it went."""

from __future__ import annotations

import json
import platform
import subprocess
import textwrap
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fetalseg import RESEARCH, __version__
from fetalseg.io.atomic import atomic_write
from fetalseg.scan import Scan, Spacing

if TYPE_CHECKING:
    from fetalseg.settings import BatchSettings, SegmentSettings

_LIBRARIES = (
    "imagecodecs",
    "napari",
    "numpy",
    "openvino",
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
    """What a run did; `write` puts it into ``run.json``.

    Parameters
    ----------
    out : path
        The output folder.
    command : str
        As typed. No other path of the person's computer is recorded.
    settings : SegmentSettings
    model : tuple of str
        The model's name and its weights' sha256.
    batch : BatchSettings, optional
    growth : mapping, optional
        The growth chart and the csv of exams that results were assessed by.
    """

    def __init__(
        self,
        out: str | Path,
        command: str,
        settings: SegmentSettings,
        model: tuple[str, str],
        batch: BatchSettings | None = None,
        growth: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(out) / "run.json"
        self._started = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._head: dict[str, Any] = {
            "note": RESEARCH,
            "product": product(),
            "command": command,
            "task": settings.task,
            "model": {"name": model[0], "sha256": model[1]},
            "settings": settings.to_dict() | (batch.to_dict() if batch else {}),
            "libraries": libraries(),
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
        if growth is not None:
            self._head["growth"] = dict(growth)

    def write(
        self,
        counts: Mapping[str, int],
        inputs: Iterable[Mapping[str, Any]],
        *,
        finished: bool,
        ran: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write ``run.json``.

        Parameters
        ----------
        counts : mapping
            By name: files, done, failed, ...
        inputs : iterable of mapping
            An item a scan, see `entry`; they need not fit into memory.
        finished : bool
            Whether all inputs were done.
        ran : mapping, optional
            ``device`` and ``backend`` of the network; none where it was not needed.

        Raises
        ------
        OutputError
        """
        whole = self._head | {
            "device": (ran or {}).get("device"),
            "backend": (ran or {}).get("backend"),
            "finished": finished,
            "started": self._started.isoformat(timespec="seconds"),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_s": round(time.perf_counter() - self._clock, 3),
            "counts": dict(counts),
        }

        def write_to(file: BinaryIO) -> None:
            file.write(_json(whole).removesuffix("\n}").encode() + b',\n  "inputs": [')
            before = "\n"
            for one in inputs:
                file.write((before + _json(one, 4)).encode("utf-8", "backslashreplace"))
                before = ",\n"
            file.write(b"\n  ]\n}\n")

        return atomic_write(self.path, write_to, sync=True)


def _json(value: Any, indent: int = 0) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return textwrap.indent(text, " " * indent) if indent else text


def describe(scan: Scan) -> dict[str, Any]:
    """Return what ``run.json`` tells of a scan, as plain values."""
    about: dict[str, Any] = {
        "sha256": scan.sha256,
        "bytes": _size(scan.path),
        "shape": list(scan.shape),
        "frames": scan.frames,
        "spacing": _spacing(scan.spacing),
    }
    return about | ({"notes": list(scan.notes)} if scan.notes else {})


def entry(outcome: Mapping[str, Any], *, unchanged: bool = False) -> dict[str, Any]:
    """Return a scan's item of ``run.json``.

    Parameters
    ----------
    outcome : mapping
        See `fetalseg.batch.work.Worker.do`.
    unchanged : bool
        Whether an earlier run did it, and it is as it was.
    """
    one: dict[str, Any] = {"name": outcome["name"], "stem": outcome["stem"], "status": outcome["status"]}
    one |= {name: outcome[name] for name in ("error", "warnings") if outcome.get(name)}
    one |= outcome.get("input", {})
    return one | ({"unchanged": True} if unchanged else {})


def stems(out: str | Path) -> dict[str, str]:
    """Return the stem of each input's outputs by its name, as a run noted them; empty where there is no ``run.json``.

    A run of earlier versions noted none: `fetalseg.io.folders.stems` gives what it took.
    """
    try:
        inputs = json.loads((Path(out) / "run.json").read_text(encoding="utf-8"))["inputs"]
        return {one["name"]: one["stem"] for one in inputs if "stem" in one}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


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
