"""A case: an item's picture with what the model drew and what a person made of it, as one `Result`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fetalseg import __version__, pipeline, tasks
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.entry import Entry
from fetalseg.geometry import ellipse as ellipses
from fetalseg.quality import known_flag, worst
from fetalseg.result import Measurement, Provenance, Result, Segmentation
from fetalseg.review.standing import Drawing
from fetalseg.scan import Scan
from fetalseg.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class Case:
    """An item, ready to be looked at.

    Parameters
    ----------
    entry : Entry
    scan : Scan
        Of one frame, or of a volume.
    result : Result
        As the person left it, or the model's; `Result.original` is the model's version.
    seconds : float
        How long a person has looked at it before.
    told : tuple of str
        What a person should know, as sentences.
    """

    entry: Entry
    scan: Scan
    result: Result
    seconds: float = 0.0
    told: tuple[str, ...] = ()


def predicted(entry: Entry, scan: Scan, settings: SegmentSettings, drawn: Annotation | None) -> Result:
    """Return what a model drew as it is kept in the data set, measured; without a drawing an empty result."""
    if drawn is None:
        drawn = Annotation(np.zeros(entry.shape, np.uint8))
        entry_flags: tuple[str, ...] = ()
    else:
        entry_flags = entry.flags
    flags = tuple(known_flag(code) for code in entry_flags)
    bare = Result(
        scan_name=scan.name,
        scan_sha256=scan.sha256,
        frame=0,
        task=entry.task,
        segmentation=Segmentation(drawn.mask),
        measurement=Measurement(
            {}, ellipse=drawn.ellipse, confidence=entry.confidence, flags=flags, state=worst(flags)
        ),
        spacing=None,
        provenance=Provenance(
            entry.model, entry.model_sha256, "", "", settings.to_dict() | {"model": entry.model}, __version__
        ),
        study_date=scan.study_date,
        regions=() if tasks.get(entry.task).VOLUME else scan.regions_of(0),
    )
    return pipeline.recalibrate(bare, entry.spacing)


def with_annotation(result: Result, annotation: Annotation) -> Result:
    """Return a model's result as a person accepted it: the same where nothing was changed."""
    own = Annotation.of_result(result)
    if annotation.version == own.version:
        return result
    ellipse = annotation.ellipse
    placed = ellipse is not None and np.array_equal(annotation.mask != 0, _filled(annotation))
    if placed and ellipse is not None:
        return pipeline.edit_ellipse(result, ellipse, redraw_mask=True)
    return pipeline.edit_mask(result, annotation.mask)


def with_drawing(result: Result, drawing: Drawing) -> Result:
    """Return a result with what a person drew on it and did not decide yet."""
    if drawing.mask is not None:
        result = pipeline.edit_mask(result.original, drawing.mask)
    if drawing.ellipse is not None:
        result = pipeline.edit_ellipse(result, drawing.ellipse)
    return result


def _filled(annotation: Annotation) -> np.ndarray:
    assert annotation.ellipse is not None
    filled: np.ndarray = ellipses.mask(annotation.ellipse, (annotation.mask.shape[0], annotation.mask.shape[1])) != 0
    return filled
