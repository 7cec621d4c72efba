"""What the docks write of results: the table, a picture, and where the numbers come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fetalseg import tasks
from fetalseg.growth.wording import line
from fetalseg.result import Result
from napari_fetalseg.growth.standing import Standing
from napari_fetalseg.layers.image import Source


def provenance(result: Result, standing: Standing | None = None) -> str:
    """Return where a result's numbers come from, as text."""
    from fetalseg.report import table

    rows = table.rows(result, standing.found if standing else None)
    origin = result.provenance
    facts = {
        "file": result.scan_name,
        "sha256 of the scan": result.scan_sha256,
        "frame": result.frame,
        "task": result.task,
        "model": origin.model,
        "sha256 of the weights": origin.model_sha256,
        "device": f"{origin.device} ({origin.backend})",
        "settings": dict(origin.settings),
        "napari-fetalseg": origin.product_version,
        "edited": result.origin if result.edited else "no",
        "flags": [flag.text for flag in result.measurement.flags],
        "values": rows[0] if len(rows) == 1 else rows,
    }
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str)


def write_table(path: str | Path, found: Mapping[Result, Standing | None]) -> None:
    """Write results, each with where it stands on its chart, as the command line's ``measurements.csv``."""
    from fetalseg.io.atomic import write_text
    from fetalseg.report import table

    # Where heads and volumes are open together the table has the columns of both.
    names = dict.fromkeys(name for r in found for name in table.columns(r.task))
    rows = (row for r, standing in found.items() for row in table.rows(r, standing.found if standing else None))
    write_text(path, table.to_csv(rows, tuple(names)))


def write_picture(path: str | Path, source: Source, result: Result, standing: Standing | None = None) -> None:
    """Write a result's picture: the frame side by side with what was found, or a volume's slices."""
    from fetalseg.io.atomic import write_png
    from fetalseg.report import montage, overlay

    if not tasks.get(result.task).VOLUME:
        growth = line(standing.found, standing.chart) if standing else ""
        write_png(path, overlay.side_by_side(source.frame(result.frame)[0], result, growth=growth))
        return
    pixels, mask = source.volume(result.spacing, None).pixels, result.segmentation.mask
    on = result.measurement.slice
    if result.measurement.ellipse is None or on is None:
        about = overlay.small_print(result)
        write_png(path, montage.montage(pixels, mask, result.measurement, result.spacing, about))
        return
    flat = replace(result, frame=on, segmentation=replace(result.segmentation, mask=mask[on]))
    write_png(path, overlay.side_by_side(pixels[on], flat))
