"""The sample scans that come with the product, and their true measurements."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fetalseg.errors import UnreadableError
from fetalseg.result import Ellipse

TITLES = {
    "second_trimester.png": "Phantom head, second trimester",
    "third_trimester.jpg": "Phantom head, third trimester",
    "first_trimester.tif": "Phantom head, first trimester",
    "cine_loop.tif": "Phantom head, cine loop",
}
VOLUME = "flair_phantom.nii.gz"
VOLUME_TITLE = "Phantom FLAIR, two lesions"


@dataclass(frozen=True)
class Truth:
    """The true measurements of one frame of a sample."""

    filename: str
    frame: int
    ellipse_px: Ellipse
    pixel_mm: float
    hc_mm: float


def folder() -> Path:
    """Return where the samples lie: in the installed package, or at the top of a checkout.

    Raises
    ------
    UnreadableError
        If they are in neither place.
    """
    package = Path(__file__).parent
    for place in (package / "sample_data", package.parents[1] / "sample_data"):
        if (place / "truth.csv").exists():
            return place
    raise UnreadableError("The sample scans are missing from this installation; install napari-fetalseg anew.")


def names() -> list[str]:
    """Return the samples' file names."""
    return list(TITLES)


def truth() -> list[Truth]:
    """Return the true measurements, one a frame."""
    axes = ("center_x_px", "center_y_px", "semi_major_px", "semi_minor_px", "angle_deg")
    with (folder() / "truth.csv").open(newline="", encoding="utf-8") as handle:
        return [
            Truth(
                row["filename"],
                int(row["frame"]),
                Ellipse(*(float(row[name]) for name in axes)),
                float(row["pixel_size_mm"]),
                float(row["hc_mm"]),
            )
            for row in csv.DictReader(handle)
        ]


def flair_truth() -> dict[str, Any]:
    """Return the true measurements of `VOLUME`: ``volume_ml`` in all, and ``lesions``, the largest first."""
    found: dict[str, Any] = json.loads((folder() / "flair_truth.json").read_text(encoding="utf-8"))
    return found
