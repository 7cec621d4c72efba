"""Where a review stands: what was drawn and decided, as the lines of its journal tell it one after the other."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from fetalseg.errors import DatasetError
from fetalseg.result import Ellipse
from fetalseg.scan import Spacing

_log = logging.getLogger(__name__)

Verdict = Literal["accept", "reject"]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A case as a person has it before their eyes.

    Parameters
    ----------
    mask : ndarray or None
        As the scan lies; None where it is the model's own.
    ellipse : Ellipse or None
        Where a person placed it, in pixels.
    seconds : float
        How long the person has looked at the case.
    """

    mask: NDArray[Any] | None = None
    ellipse: Ellipse | None = None
    seconds: float = 0.0

    @property
    def touched(self) -> bool:
        """Whether anything differs from the model's version."""
        return self.mask is not None or self.ellipse is not None


@dataclass(frozen=True)
class Decision:
    """What a person said of a case, on its way into the data set.

    Parameters
    ----------
    item : str
    verdict : {"accept", "reject"}
    number : int
        Its place in the journal.
    seconds : float
    mask : str
        Name of the drawing's file; empty where the mask is the model's own.
    ellipse : Ellipse or None
    spacing : Spacing or None
        Where the person gave another one than the data set has.
    seen : tuple of str
        State, version and annotator of the item as the person saw it.
    """

    item: str
    verdict: Verdict
    number: int
    seconds: float
    mask: str = ""
    ellipse: Ellipse | None = None
    spacing: Spacing | None = None
    seen: tuple[str, str, str] = ("", "", "")


@dataclass
class Standing:
    """Where a review stands, by its journal.

    Parameters
    ----------
    current : str
        The case that was shown last; empty before the first.
    drafts : dict of item to line
        Cases that were drawn on and not decided since.
    seconds : dict of item to float
        How long cases that are not decided have been looked at.
    waiting : dict of number to Decision
        Decisions that the data set does not hold yet.
    choices : dict
        What the person chose: order, filter.
    at : str
        When the last line was written, ISO, UTC.
    """

    current: str = ""
    drafts: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    waiting: dict[int, Decision] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    at: str = ""
    number: int = 0


def read(path: Path) -> Standing:
    """Return where a review stands; a line that can't be understood is left out.

    Raises
    ------
    DatasetError
        If the journal can't be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}.") from error
    found = Standing()
    for text in data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n")[:-1]:
        try:
            take(found, json.loads(text))
        except (ValueError, KeyError, TypeError):
            _log.warning("%s: a line can't be understood and is left out: %.80s", path, text)
    return found


def take(found: Standing, line: Mapping[str, Any]) -> None:
    """Bring the standing to after a line."""
    do = line["do"]
    found.at = str(line.get("at", ""))
    if do == "choose":
        found.choices |= line["choices"]
    elif do == "show":
        found.current = line["item"]
    elif do == "look":
        found.seconds[line["item"]] = float(line["seconds"])
    elif do == "draw":
        found.drafts[line["item"]] = {name: line[name] for name in ("mask", "ellipse")}
        found.seconds[line["item"]] = float(line["seconds"])
    elif do == "decide":
        found.number = int(line["number"])
        spacing = Spacing(**line["spacing"]) if line["spacing"] else None
        state, version, annotator = line["seen"]
        found.waiting[found.number] = Decision(
            item=line["item"],
            verdict=line["verdict"],
            number=found.number,
            seconds=float(line["seconds"]),
            mask=line["mask"],
            ellipse=ellipse_of(line["ellipse"]),
            spacing=spacing,
            seen=(state, version, annotator),
        )
        found.drafts.pop(line["item"], None)
        found.seconds.pop(line["item"], None)
    elif do in ("done", "refused"):
        decision = found.waiting.pop(int(line["number"]))
        if do == "refused" and decision.item not in found.drafts:
            ellipse = asdict(decision.ellipse) if decision.ellipse else None
            found.drafts[decision.item] = {"mask": decision.mask, "ellipse": ellipse}
            found.seconds[decision.item] = decision.seconds


def ellipse_of(values: Mapping[str, float] | None) -> Ellipse | None:
    """Return the ellipse that a line tells of; None where it tells of none."""
    return Ellipse(**values) if values else None
