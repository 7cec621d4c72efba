"""Results that a run left in its output folder, as values that can be looked at and corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from fetalseg import __version__, pipeline, quality, tasks
from fetalseg.batch import corrections
from fetalseg.batch.scale import scaled
from fetalseg.batch.work import Item
from fetalseg.errors import UnreadableError
from fetalseg.io import volumes
from fetalseg.report import table
from fetalseg.result import Measurement, Origin, Provenance, Result, Segmentation
from fetalseg.scan import Scan
from fetalseg.settings import BatchSettings, SegmentSettings

Row = Mapping[str, str]


def read(
    out: Path, item: Item, rows: Sequence[Row], settings: SegmentSettings, batch: BatchSettings
) -> tuple[Scan, list[Result]]:
    """Read a scan again with what a run found in it: nothing is segmented anew.

    A mask that a person corrected in the output stands in place of the model's, also where no run has measured it yet.

    Parameters
    ----------
    out : Path
        The run's folder.
    item : Item
    rows : sequence of mapping
        Of the table, about this scan.
    settings : SegmentSettings
    batch : BatchSettings
        Both as the run had them.

    Returns
    -------
    Scan, list of Result
        One a frame, or one of a volume.

    Raises
    ------
    FetalSegError
        If scan or mask can't be read, or are no longer of one shape.
    """
    scan = scaled(item.input.read(), batch)
    volume = tasks.get(settings.task).VOLUME
    correction = corrections.find(out, item.stem, item.files)
    since = correction is not None and all(row.get("edited", "no") == "no" for row in rows)
    path = out / "masks" / f"{item.stem}_{'lesions' if volume else 'mask'}.tif"
    if correction is not None and not since:
        path = correction.path
    if since and correction is not None and path in correction.kept:
        labels = np.zeros(scan.pixels.shape, np.uint16)  # the model's is gone
    else:
        labels = _labels(path, scan)
    if volume:
        results = [_result(scan, rows, labels, settings)]
    else:
        masks = {int(row["frame"]): (labels[int(row["frame"])] > 0).astype(np.uint8) for row in rows}
        results = [_result(scan, [row], masks[int(row["frame"])], settings) for row in rows]
    return scan, corrections.apply(correction, scan, results) if since and correction is not None else results


def _labels(path: Path, scan: Scan) -> np.ndarray:
    labels = volumes.read_labels(path, scan)
    if labels is None:
        raise UnreadableError(f"{scan.name}: {path.name} is of another shape than the scan. Run the batch again.")
    return labels


def _result(scan: Scan, rows: Sequence[Row], mask: np.ndarray, settings: SegmentSettings) -> Result:
    """Return a result as its rows tell it; sizes are measured anew, doubts and confidence are the run's."""
    whole = next((row for row in rows if row.get("lesion", "all") == "all"), rows[0])
    edited = whole.get("edited", "no")
    bare = Result(
        scan_name=scan.name,
        scan_sha256=scan.sha256,
        frame=int(whole.get("frame") or 0),
        task=settings.task,
        segmentation=Segmentation(mask),
        measurement=replace(_trust(whole), parts=tuple(_trust(row) for row in rows if row is not whole)),
        spacing=None,
        provenance=Provenance(
            whole.get("model", ""),
            whole.get("model_sha256", ""),
            "",
            "",
            settings.to_dict(),
            __version__,
        ),
        origin=next((origin for origin in get_args(Origin) if origin == edited), "model"),
        study_date=scan.study_date,
        machine=scan.machine,
        regions=() if tasks.get(settings.task).VOLUME else scan.regions_of(int(whole.get("frame") or 0)),
    )
    return pipeline.recalibrate(bare, scan.spacing)


def _trust(row: Row) -> Measurement:
    flags = tuple(quality.known_flag(code) for code in row.get("flags", "").split(";") if code)
    return Measurement(
        {},
        ellipse=table.ellipse_of(row),
        confidence=float(row["confidence"]) if row.get("confidence") else None,
        flags=flags,
        state=quality.worst(flags),
        texts={"lesion": row["lesion"]} if row.get("lesion", "all") != "all" else {},
    )
