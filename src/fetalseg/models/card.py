"""`Card`: what a model is, was trained on, can do and can't. A JSON file beside the weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fetalseg.errors import ModelError
from fetalseg.io.atomic import write_text

SCHEMA = 1


@dataclass(frozen=True)
class Card:
    """A model card.

    Parameters
    ----------
    name : str
        What a person picks: ``"unet"``.
    task, arch : str
    title : str
        ``"U-Net"``.
    version : str
    parameters : mapping
        What the architecture's ``build`` takes.
    input_rows, input_columns : int
    level : float
        Probability at which the outline is drawn, calibrated on exams kept out of training.
    intervals : list of [hc_mm, half_width_mm]
        95 % half-width of HC at that size, from the kept-out exams; linear between, flat beyond.
    rim_mm : float
        Width of the unsure rim that one in ten of the kept-out heads exceeds; a wider one asks for a check.
    figures : mapping
        Measured figures by the name of the split.
    training : mapping
        Settings, data, number of pictures and exams, versions.
    promotion : mapping
        Of a model that a user made the default: what it was compared with, or who overrode that and why.
    data_licence, weights_licence, limits : str
    sha256 : str
        Hash of the weights' file.
    """

    name: str
    task: str
    arch: str
    title: str
    version: str
    parameters: Mapping[str, Any]
    input_rows: int
    input_columns: int
    sha256: str
    level: float = 0.5
    intervals: tuple[tuple[float, float], ...] = ()
    rim_mm: float = 1.7
    figures: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    promotion: Mapping[str, Any] = field(default_factory=dict)
    data_licence: str = ""
    weights_licence: str = ""
    limits: str = ""
    schema: int = SCHEMA

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        return self.input_rows, self.input_columns

    def write(self, path: Path) -> None:
        """Write the card as JSON, atomically. Raises `OutputError`."""
        write_text(path, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card.

        Raises
        ------
        ModelError
            If the file is no card, or of a newer schema.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.get("schema", 0) > SCHEMA:
                raise ModelError(f"{path.name} was written by a newer version; update napari-fetalseg.")
            known = {f.name for f in fields(cls)}
            values = {k: v for k, v in values.items() if k in known}
            values["intervals"] = tuple((float(a), float(b)) for a, b in values.get("intervals", ()))
            return cls(**values)
        except OSError as error:
            raise ModelError(f"{path} can't be read: {error.strerror}.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{path.name} is no model card ({error}).") from error


def dice_of(figures: Mapping[str, Any]) -> float | None:
    """Return by how much masks agree with the truth, in percent: a head's DSC, or of volumes the mean Dice.

    Parameters
    ----------
    figures : mapping
        What `Card.figures` holds of one split.
    """
    dsc = number_of(figures, "dsc")
    return number_of(figures, "dice") if dsc is None else dsc


def number_of(figures: Mapping[str, Any], name: str) -> float | None:
    """Return a figure of a split, however it is written: plain, or with its interval."""
    found = figures.get(name)
    if isinstance(found, Mapping):
        found = found.get("mean", found.get("value"))
    if isinstance(found, list | tuple) and found:
        found = found[0]
    return float(found) if isinstance(found, int | float) else None


def file_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
