"""``measurements.csv``: one row a frame; of volumes one row a lesion, after one for all of them.

Plain UTF-8 without a byte order mark, commas, a line feed after each row, points in decimals. Numbers have
12 significant digits, what is not known is empty. ``file`` is the exact relative path, also where it starts
with a sign that a spreadsheet takes for a formula: import such a column as text.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fetalseg import tasks
from fetalseg.io.atomic import atomic_write
from fetalseg.io.dicom import IDENTIFIERS
from fetalseg.result import Ellipse, Measurement, Result

if TYPE_CHECKING:
    from fetalseg.growth.assessment import Assessment

COLUMNS = (
    "file",
    "frame",
    "status",
    "task",
    "model",
    "spacing_x_mm",
    "spacing_y_mm",
    "spacing_source",
    "hc_mm",
    "bpd_mm",
    "ofd_mm",
    "cephalic_index",
    "area_mm2",
    "ellipse_center_x_px",
    "ellipse_center_y_px",
    "ellipse_semi_major_px",
    "ellipse_semi_minor_px",
    "ellipse_angle_deg",
    "confidence",
    "flags",
    "error",
    "state",
    "hc_low_mm",
    "hc_high_mm",
    "hc_px",
    "bpd_px",
    "ofd_px",
    "area_px2",
    "edited",
    "model_sha256",
    *("chart", "chart_version", "ga_days", "ga_source", "z_score", "z_low", "z_high", "centile", "centile_text"),
    *("growth_flags", "bpd_z_score", "bpd_centile", "ofd_z_score", "ofd_centile"),
    *("study_date", "machine", "dating_formula", "growth_reason"),
)
_VALUES = ("hc_mm", "bpd_mm", "ofd_mm", "cephalic_index", "area_mm2", "hc_px", "bpd_px", "ofd_px", "area_px2")

_LESION_VALUES = (
    *("volume_ml", "volume_voxels", "area_mm2", "area_px2", "longest_mm", "perpendicular_mm", "product_mm2"),
    *("longest_px", "perpendicular_px", "product_px2", "slices"),
)
#: Of tasks that measure volumes. ``largest_slice`` counts from 0 in the order of the axial slices.
VOLUME_COLUMNS = (
    *("file", "lesion", "status", "task", "model"),
    *("spacing_x_mm", "spacing_y_mm", "slice_mm", "spacing_source"),
    *("volume_ml", "volume_voxels", "area_mm2", "largest_slice", "longest_mm", "perpendicular_mm", "product_mm2"),
    *("measurable", "measurable_why", "confidence", "flags", "error", "state"),
    *("volume_low_ml", "volume_high_ml", "slices", "area_px2", "longest_px", "perpendicular_px", "product_px2"),
    *("hc_mm", "bpd_mm", "ofd_mm", "cephalic_index", "hc_px", "bpd_px", "ofd_px"),
    *(name for name in COLUMNS if name.startswith("ellipse_")),
    *("study_date", "edited", "model_sha256"),
)


def columns(task: str, *, identifiers: bool = False) -> tuple[str, ...]:
    """Return the table's columns for a task, and where asked for those of the patient and the study."""
    names = VOLUME_COLUMNS if tasks.get(task).VOLUME else COLUMNS
    return (*names, *IDENTIFIERS) if identifiers else names


def number(value: float | None) -> str:
    """Return a number for a file: 12 digits, a point whatever the computer's language; empty if unknown."""
    return "" if value is None or not math.isfinite(value) else f"{value:.12g}"


def rows(result: Result, assessment: Assessment | None = None) -> list[dict[str, str]]:
    """Return the rows of a result, by `columns` of its task: a frame's row, or a volume's ``all`` and its lesions."""
    if not tasks.get(result.task).VOLUME:
        return [row(result, assessment)]
    return [_volume_row(result, part) for part in (result.measurement, *result.measurement.parts)]


def _volume_row(result: Result, part: Measurement) -> dict[str, str]:
    spacing = result.spacing
    out = dict.fromkeys(VOLUME_COLUMNS, "") | _common(result, part)
    out["lesion"] = part.texts.get("lesion", "all")
    out |= {name: number(part.values.get(name)) for name in (*_LESION_VALUES, *_VALUES) if name in out}
    out["largest_slice"] = "" if part.slice is None else str(part.slice)
    out["study_date"] = result.study_date or ""
    measurable = part.values.get("measurable")
    if part.parts or out["lesion"] == "all":  # how many of the lesions are
        out["measurable"] = number(measurable)
    else:
        out["measurable"] = "" if measurable is None else "yes" if measurable else "no"
        out["measurable_why"] = part.texts.get("measurable", "")
    if spacing is not None and spacing.slice_mm is not None:
        out["slice_mm"] = number(spacing.slice_mm)
    if "volume_ml" in part.intervals:
        out["volume_low_ml"], out["volume_high_ml"] = (number(value) for value in part.intervals["volume_ml"])
    return out


def row(result: Result, assessment: Assessment | None = None) -> dict[str, str]:
    """Return the row of a frame's result, by `COLUMNS`.

    ``status`` is *ok*, or *empty* where nothing was found. ``edited`` is *no*, or *mask* or *ellipse*: what a
    person changed. ``chart`` to ``ofd_centile`` are empty where the pregnancy is not dated or the measurement is
    refused; ``growth_reason`` then says why, as it does where a chart gives no z-score or no centile.
    """
    found = result.measurement
    out = dict.fromkeys(COLUMNS, "") | _common(result, found)
    out["frame"] = str(result.frame)
    out |= {name: number(found.values.get(name)) for name in _VALUES}
    if "hc_mm" in found.intervals:
        out["hc_low_mm"], out["hc_high_mm"] = (number(value) for value in found.intervals["hc_mm"])
    out["study_date"], out["machine"] = result.study_date or "", result.machine or ""
    if assessment is None:
        return out
    out["growth_reason"] = assessment.reason or ""
    return out if assessment.ga_days is None else out | _growth(assessment)


def _growth(assessment: Assessment) -> dict[str, str]:
    """What a head's size means at its age; what the chart does not tell is empty."""
    out = {
        "chart": assessment.chart,
        "chart_version": assessment.chart_version,
        "ga_days": number(assessment.ga_days),
        "ga_source": assessment.ga_source or "",
        "dating_formula": assessment.ga_formula,
        "z_low": number(assessment.z_low),
        "z_high": number(assessment.z_high),
        "growth_flags": ";".join(dict.fromkeys(flag.code for flag in assessment.flags)),
    }
    for reading in assessment.readings:
        before = "" if reading.measure == "hc" else f"{reading.measure}_"
        out[f"{before}z_score"], out[f"{before}centile"] = number(reading.z), number(reading.centile)
        if reading.measure == "hc":
            out["centile_text"] = reading.centile_text
    return out


def _common(result: Result, found: Measurement) -> dict[str, str]:
    """What every row tells: the scan, the model, how far the numbers can be trusted, and the ellipse if any."""
    spacing = result.spacing
    out = {
        "file": result.scan_name.replace(os.sep, "/"),
        "status": "ok" if found.found or found.texts.get("lesion", "all") != "all" else "empty",
        "task": result.task,
        "model": result.provenance.model,
        "model_sha256": result.provenance.model_sha256,
        "confidence": number(found.confidence),
        "flags": ";".join(dict.fromkeys(flag.code for flag in found.flags)),
        "state": found.state.value,
        "edited": result.origin if result.edited else "no",
    }
    if spacing is not None:
        out["spacing_x_mm"], out["spacing_y_mm"] = number(spacing.column_mm), number(spacing.row_mm)
        out["spacing_source"] = spacing.source
    if found.ellipse is not None:
        out["ellipse_center_x_px"] = number(found.ellipse.center_x)
        out["ellipse_center_y_px"] = number(found.ellipse.center_y)
        out["ellipse_semi_major_px"] = number(found.ellipse.semi_major)
        out["ellipse_semi_minor_px"] = number(found.ellipse.semi_minor)
        out["ellipse_angle_deg"] = number(found.ellipse.angle_deg)
    return out


def error_row(name: str, message: str, *, task: str = "", model: str = "") -> dict[str, str]:
    """Return the row of an input that could not be read.

    ``frame`` is 0, so that the column holds whole numbers only; ``status`` tells that there is none.
    """
    names = columns(task) if task else COLUMNS
    out = dict.fromkeys(names, "")
    out |= {"frame": "0"} if "frame" in out else {"lesion": "all"}
    out |= {"file": name.replace(os.sep, "/"), "status": "error", "task": task, "model": model}
    out["error"] = " ".join(message.split())
    return out


def ellipse_of(row: Mapping[str, str]) -> Ellipse | None:
    """Return the ellipse that a row tells, in pixels; None where nothing was found."""
    names = [name for name in COLUMNS if name.startswith("ellipse_")]
    return Ellipse(*(float(row[name]) for name in names)) if row.get(names[0]) else None


def to_csv(rows: Iterable[Mapping[str, str]], names: Sequence[str] = COLUMNS, *, header: bool = True) -> str:
    """Return rows as the text of a csv with the columns `names`; what a row does not hold is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: str | Path, rows: Iterable[Mapping[str, str]], names: Sequence[str] = COLUMNS) -> Path:
    """Write rows as a csv with the columns `names`, one after the other: they need not fit into memory.

    Raises
    ------
    OutputError
        Then the table that was there is still there.
    """

    def write_to(file: BinaryIO) -> None:
        file.write(to_csv([], names).encode())
        for row in rows:
            file.write(to_csv([row], names, header=False).encode("utf-8", "backslashreplace"))

    return atomic_write(path, write_to, sync=True)
