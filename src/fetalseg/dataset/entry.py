"""`Entry`: an item of an annotation data set, as one row of its table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fetalseg.result import Ellipse
from fetalseg.scan import Spacing

_ELLIPSE = tuple(f"ellipse_{name}" for name in ("center_x_px", "center_y_px", "semi_major_px", "semi_minor_px"))
_ELLIPSE = (*_ELLIPSE, "ellipse_angle_deg")

COLUMNS = (
    *("item", "group", "task", "state", "image", "mask"),
    *("source", "frame", "source_sha256", "image_sha256", "rows", "columns", "slices"),
    *("spacing_x_mm", "spacing_y_mm", "slice_mm", "spacing_source"),
    *_ELLIPSE,
    *("hc_mm", "volume_ml", "given_hc_mm"),
    *("annotator", "seconds", "added", "changed"),
    *("model", "model_sha256", "confidence", "flags", "prediction", "prediction_ellipse_px", "prediction_hc_mm"),
    *("dice", "hc_change_mm", "version", "between", "note"),
)


class Status(StrEnum):
    """How far an item is: waiting for a person, or what the person said."""

    TODO = "to-do"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"

    @property
    def done(self) -> bool:
        """Whether a person has decided."""
        return self is not Status.TODO

    @property
    def truth(self) -> bool:
        """Whether the annotation is one that models may learn from."""
        return self in (Status.ACCEPTED, Status.EDITED)


@dataclass(frozen=True)
class Entry:
    """An item and all that is known of it.

    Parameters
    ----------
    item : str
        Its name, unique in the data set whatever the capitals.
    group : str
        Exam or patient: items of one group never lie on both sides of a split.
    task : str
    state : Status
    image, mask, prediction : str
        Paths relative to the data set, with ``/``; ``mask`` is empty until a person decided, ``prediction`` where no
        model was asked.
    source : str
        What the scan was called where it came from.
    frame : int or None
        Of a cine loop, from 0; None for a still and for a volume.
    source_sha256, image_sha256 : str
        Of the file it came from and of the one that is kept.
    shape : tuple of int
        (rows, columns), or (slices, rows, columns) of a volume as it lies in its scan.
    spacing : Spacing or None
    ellipse, prediction_ellipse : Ellipse or None
        In pixels.
    hc_mm, volume_ml, prediction_hc_mm : float or None
        Measured on the annotation, or the prediction.
    given_hc_mm : str
        The HC as the source wrote it, while its annotation stands.
    annotator : str
    seconds : float or None
        How long the person took.
    added, changed : str
        ISO times, UTC.
    model, model_sha256 : str
        Of the prediction.
    confidence : float or None
    flags : tuple of str
    dice : float or None
        Between prediction and annotation, 0 to 1.
    hc_change_mm : float or None
        Annotation minus prediction.
    version : str
        Hash of the annotation's content.
    between : tuple of str
        The versions that this one decides between, where two annotators differed.
    note : str
    """

    item: str
    group: str
    task: str
    state: Status
    image: str
    source: str
    source_sha256: str
    image_sha256: str
    shape: tuple[int, ...]
    frame: int | None = None
    spacing: Spacing | None = None
    mask: str = ""
    ellipse: Ellipse | None = None
    hc_mm: float | None = None
    volume_ml: float | None = None
    given_hc_mm: str = ""
    annotator: str = ""
    seconds: float | None = None
    added: str = ""
    changed: str = ""
    model: str = ""
    model_sha256: str = ""
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    prediction: str = ""
    prediction_ellipse: Ellipse | None = None
    prediction_hc_mm: float | None = None
    dice: float | None = None
    hc_change_mm: float | None = None
    version: str = ""
    between: tuple[str, ...] = ()
    note: str = ""

    @property
    def identity(self) -> tuple[str, int]:
        """What is the same for the same frame of the same file, whatever it is called."""
        return self.source_sha256, self.frame or 0

    def to_row(self) -> dict[str, str]:
        """Return its cells by `COLUMNS`; numbers so that reading them back gives the same ones."""
        slices = self.shape[0] if len(self.shape) == 3 else None
        row = {
            **{name: getattr(self, name) for name in _TEXTS},
            "state": self.state.value,
            "frame": _text(self.frame),
            "rows": str(self.shape[-2]),
            "columns": str(self.shape[-1]),
            "slices": _text(slices),
            **dict.fromkeys(_SPACING, ""),
            **dict.fromkeys(_ELLIPSE, ""),
            **{name: _text(getattr(self, name)) for name in _NUMBERS},
            "flags": ";".join(self.flags),
            "prediction_ellipse_px": " ".join(map(repr, _numbers(self.prediction_ellipse))),
            "between": ";".join(self.between),
        }
        if self.spacing is not None:
            row["spacing_x_mm"], row["spacing_y_mm"] = _text(self.spacing.column_mm), _text(self.spacing.row_mm)
            row["slice_mm"], row["spacing_source"] = _text(self.spacing.slice_mm), self.spacing.source
        row.update(zip(_ELLIPSE, map(repr, _numbers(self.ellipse)), strict=False))
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Entry:
        """Make it of a row's cells.

        Raises
        ------
        ValueError, KeyError
            If a cell is missing or no number where one belongs.
        """
        slices, frame, flags, between = row["slices"], row["frame"], row["flags"], row["between"]
        plane = int(row["rows"]), int(row["columns"])
        predicted = row["prediction_ellipse_px"].split()
        _number(row["given_hc_mm"])
        # Cell by cell and no loop over names: a table has ten thousand rows, and people wait for it.
        return cls(
            item=row["item"],
            group=row["group"],
            task=row["task"],
            state=_STATES[row["state"]],
            image=row["image"],
            mask=row["mask"],
            source=row["source"],
            source_sha256=row["source_sha256"],
            image_sha256=row["image_sha256"],
            shape=(int(slices), *plane) if slices else plane,
            frame=int(frame) if frame else None,
            spacing=_spacing(row) if row["spacing_x_mm"] else None,
            ellipse=_ellipse([row[name] for name in _ELLIPSE]) if row["ellipse_center_x_px"] else None,
            hc_mm=_number(row["hc_mm"]),
            volume_ml=_number(row["volume_ml"]),
            given_hc_mm=row["given_hc_mm"],
            annotator=row["annotator"],
            seconds=_number(row["seconds"]),
            added=row["added"],
            changed=row["changed"],
            model=row["model"],
            model_sha256=row["model_sha256"],
            confidence=_number(row["confidence"]),
            flags=tuple(flags.split(";")) if flags else (),
            prediction=row["prediction"],
            prediction_ellipse=_ellipse(predicted) if predicted else None,
            prediction_hc_mm=_number(row["prediction_hc_mm"]),
            dice=_number(row["dice"]),
            hc_change_mm=_number(row["hc_change_mm"]),
            version=row["version"],
            between=tuple(between.split(";")) if between else (),
            note=row["note"],
        )


_STATES = {state.value: state for state in Status}
_TEXTS = (
    *("item", "group", "task", "image", "mask", "source", "source_sha256", "image_sha256", "given_hc_mm"),
    *("annotator", "added", "changed", "model", "model_sha256", "prediction", "version", "note"),
)
_NUMBERS = (*("hc_mm", "volume_ml", "seconds", "confidence", "prediction_hc_mm", "dice", "hc_change_mm"),)
_SPACING = ("spacing_x_mm", "spacing_y_mm", "slice_mm", "spacing_source")


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _number(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is no number")
    return value


def _numbers(ellipse: Ellipse | None) -> tuple[float, ...]:
    if ellipse is None:
        return ()
    found = (ellipse.center_x, ellipse.center_y, ellipse.semi_major, ellipse.semi_minor, ellipse.angle_deg)
    return tuple(float(value) for value in found)


def _ellipse(texts: list[str]) -> Ellipse:
    x, y, major, minor, angle = map(float, texts)
    # Their sum is finite only if all of them are.
    if not (math.isfinite(x + y + major + minor + angle) and major >= minor > 0):
        raise ValueError(f"'{' '.join(texts)}' is no ellipse")
    return Ellipse(x, y, major, minor, angle)


def _spacing(row: Mapping[str, str]) -> Spacing:
    slice_mm = _number(row["slice_mm"])
    return Spacing(float(row["spacing_y_mm"]), float(row["spacing_x_mm"]), row["spacing_source"], slice_mm)
