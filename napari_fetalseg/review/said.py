"""What the Review dock says in words."""

from __future__ import annotations

import html
import math
from dataclasses import replace

from fetalseg import tasks
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.summary import Summary
from fetalseg.result import Result
from napari_fetalseg import spacing as spacings
from napari_fetalseg import wording


def changed(result: Result) -> str:
    """Return how far a case is from the model's version: ``changed 0.6 mm`` of HC, or of a volume's ml."""
    if not result.edited:
        return "as the model drew it"
    own = result.original
    if own.spacing != result.spacing:  # under another scale only pixels compare
        own, result = replace(own, spacing=None), replace(result, spacing=None)
    for quantity in ("hc", "volume"):
        before, now = wording.number(own, quantity), wording.number(result, quantity)
        if before is not None and now is not None:
            digits = 2 if quantity == "volume" and result.spacing is not None else 1
            what = "HC " if quantity == "hc" else ""
            return f"changed {what}{abs(now - before):.{digits}f}{wording.unit(result, quantity)}"
    return "changed"


def origin(entry: Entry) -> str:
    """Return the model that drew a case, and its scale: ``unet · 0.154 mm/px``."""
    volume = bool(tasks.get(entry.task).VOLUME)
    return f"{entry.model or 'no model'} · {spacings.text(entry.spacing, volume)}"


def heading(item: str, result: Result) -> str:
    """Return a case's name, size and state, with what to look at, as HTML."""
    size = wording.value(result, "hc" if result.task == "head" else "volume")
    what = "HC " if result.task == "head" else ""
    color, _, _ = wording.STATES[result.measurement.state]
    state = f"<span style='color:{color}'><b>{html.escape(wording.state(result))}</b></span>"
    words = " · ".join((f"<b>{html.escape(item)}</b>", what + html.escape(size), state))
    edited = wording.edited(result)
    if edited:
        words += f" · <i>{html.escape(edited)}</i>"
    doubts = wording.doubts(result)
    return f"{words}<br>{html.escape(doubts)}" if doubts else words


def ago(seconds: float) -> str:
    """Return ``1 s ago`` or ``3 min ago``."""
    return f"{seconds:.0f} s ago" if seconds < 90 else f"{seconds / 60:.0f} min ago"


def lasted(seconds: float) -> str:
    """Return ``14 s`` or ``2 min 5 s``."""
    whole = math.floor(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def sums(found: Summary) -> str:
    """Return the sums over what is done, in a line; nothing where nothing is."""
    parts = []
    if found.untouched is not None:
        parts.append(f"{100 * found.untouched:.0f} % of {found.judged} accepted untouched")
    if found.seconds is not None:
        parts.append(f"median {lasted(round(found.seconds))} a case")
    changes = []
    if found.dice is not None:
        changes.append(f"Dice {found.dice:.3f}")
    if found.hc_change_mm is not None:
        changes.append(f"HC {found.hc_change_mm:.1f} mm")
    if changes:
        parts.append(f"an edit changed (median) {', '.join(changes)}")
    return " · ".join(parts)
