"""The words and signs in which docks show results: one decimal, unit, interval, state."""

from __future__ import annotations

from fetalseg.result import Result, State

UNKNOWN = "—"
RESEARCH = "Research use only. Not for diagnosis."

#: Colour, sign and word of each state; colours that people with red-green blindness tell apart.
STATES: dict[State, tuple[str, str, str]] = {
    State.ACCEPT: ("#009E73", "✓", "accept"),
    State.CHECK: ("#E69F00", "!", "check"),
    State.REFUSE: ("#D55E00", "✕", "refuse"),
}

_UNITS = {"hc": " mm", "bpd": " mm", "ofd": " mm", "area": " mm²"}
_IN_PIXELS = {"hc": "hc_px", "bpd": "bpd_px", "ofd": "ofd_px", "area": "area_px2"}
_IN_MM = {"hc": "hc_mm", "bpd": "bpd_mm", "ofd": "ofd_mm", "area": "area_mm2"}


def name_of(result: Result, quantity: str) -> str:
    """Return the name of the value that is shown for a quantity: in mm where they are known."""
    if quantity == "ci":
        return "cephalic_index"
    return _IN_MM[quantity] if result.spacing is not None else _IN_PIXELS[quantity]


def number(result: Result, quantity: str) -> float | None:
    """Return the number that is shown for ``hc``, ``bpd``, ``ofd``, ``area`` or ``ci``."""
    return result.measurement.values.get(name_of(result, quantity))


def half_width(result: Result, quantity: str) -> float | None:
    """Return half the 95 % interval."""
    interval = result.measurement.intervals.get(name_of(result, quantity))
    return (interval[1] - interval[0]) / 2 if interval else None


def unit(result: Result, quantity: str) -> str:
    """Return the unit with its space before it."""
    if quantity == "ci":
        return ""
    if result.spacing is None:
        return " px²" if quantity == "area" else " px"
    return _UNITS[quantity]


def value(result: Result, quantity: str) -> str:
    """Return ``174.2 ± 3.1 mm``, or a dash."""
    shown = number(result, quantity)
    if shown is None:
        return UNKNOWN
    half = half_width(result, quantity)
    text = f"{shown:.0f}" if quantity == "area" else f"{shown:.1f}"
    return text + (f" ± {half:.1f}" if half is not None else "") + unit(result, quantity)


def state(result: Result) -> str:
    """Return sign and word."""
    _, sign, word = STATES[result.measurement.state]
    return f"{sign} {word}"


def doubts(result: Result) -> str:
    """Return what to look at, as sentences."""
    return " ".join(flag.text for flag in result.measurement.flags)


def calliper(result: Result, name: str) -> str:
    """Return a calliper's label: ``BPD 48.1 mm``."""
    return f"{name.upper()} {value(result, name)}"


def edited(result: Result) -> str:
    """Return what a person changed, or nothing."""
    return {"model": "", "mask": "mask edited", "ellipse": "ellipse edited"}[result.origin]


#: The plugin's keys and what they do, as the Keys popup lists them.
KEYS = {
    "Shift-S": "Segment, or Cancel while it runs",
    "Shift-E": "make the ellipse the mask",
    "Shift-M": "back to the model's version",
    "Ctrl-Z": "undo a stroke on the mask (napari's own)",
}
