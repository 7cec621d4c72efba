"""The words and signs in which docks show results: one decimal, unit, interval, state."""

from __future__ import annotations

from fetalseg.result import Result, State

UNKNOWN = "—"

#: Colour, sign and word of each state; colours that people with red-green blindness tell apart.
STATES: dict[State, tuple[str, str, str]] = {
    State.ACCEPT: ("#009E73", "✓", "accept"),
    State.CHECK: ("#E69F00", "!", "check"),
    State.REFUSE: ("#D55E00", "✕", "refuse"),
}

_UNITS = {
    **dict.fromkeys(("hc", "bpd", "ofd", "longest", "perpendicular"), (" mm", " px")),
    **dict.fromkeys(("area", "product"), (" mm²", " px²")),
    "volume": (" ml", " voxels"),
    "ci": ("", ""),
    "slices": ("", ""),
}
_NAMES = {
    **{name: (f"{name}_mm", f"{name}_px") for name in ("hc", "bpd", "ofd", "longest", "perpendicular")},
    **{name: (f"{name}_mm2", f"{name}_px2") for name in ("area", "product")},
    "volume": ("volume_ml", "volume_voxels"),
    "ci": ("cephalic_index", "cephalic_index"),
    "slices": ("slices", "slices"),
}
_WHOLE = ("area", "product", "slices")


def in_pixels(result: Result, quantity: str) -> bool:
    """Whether a quantity is shown in pixels, or a volume in voxels: where no millimetres are known for it."""
    unknown = result.spacing is None
    return unknown or (quantity == "volume" and result.spacing.slice_mm is None)  # type: ignore[union-attr]


def name_of(result: Result, quantity: str) -> str:
    """Return the name of the value that is shown for a quantity: in mm where they are known."""
    return _NAMES[quantity][in_pixels(result, quantity)]


def number(result: Result, quantity: str) -> float | None:
    """Return the number that is shown for ``hc``, ``bpd``, ``volume``, ``longest`` and so on."""
    return result.measurement.values.get(name_of(result, quantity))


def half_width(result: Result, quantity: str) -> float | None:
    """Return half the 95 % interval."""
    interval = result.measurement.intervals.get(name_of(result, quantity))
    return (interval[1] - interval[0]) / 2 if interval else None


def unit(result: Result, quantity: str) -> str:
    """Return the unit with its space before it."""
    return _UNITS[quantity][in_pixels(result, quantity)]


def value(result: Result, quantity: str) -> str:
    """Return ``174.2 ± 3.1 mm``, or a dash."""
    shown = number(result, quantity)
    if shown is None:
        return UNKNOWN
    half = half_width(result, quantity)
    voxels = quantity == "volume" and in_pixels(result, quantity)
    digits = 0 if quantity in _WHOLE or voxels else 2 if quantity == "volume" and 0 < shown < 1 else 1
    width = max(digits, 0 if voxels else 1)
    return f"{shown:.{digits}f}" + (f" ± {half:.{width}f}" if half is not None else "") + unit(result, quantity)


def diameters(result: Result) -> str:
    """Return both diameters with one unit: ``49.4 × 30.8 mm``."""
    long, short = value(result, "longest"), value(result, "perpendicular")
    return f"{long.removesuffix(unit(result, 'longest'))} × {short}"


def measurable(result: Result) -> str:
    """Return whether a lesion is measurable by RANO; of several, how many are."""
    value = result.measurement.values.get("measurable")
    if "measurable" in result.measurement.texts:
        return "not known" if value is None else "yes" if value else "no"
    count = result.measurement.values.get("lesions")
    if not count:
        return UNKNOWN
    return "not known" if value is None else f"{value:.0f} of {count:.0f}"


def why_measurable(result: Result) -> str:
    """Return why a lesion is measurable by RANO or not; of several, for each."""
    parts = result.measurement.parts
    if parts:
        return "\n".join(f"Lesion {part.texts['lesion']}: {part.texts['measurable']}" for part in parts)
    return result.measurement.texts.get("measurable", "")


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


_EDITED = {"model": "", "mask": "mask edited", "ellipse": "ellipse edited", "calipers": "diameters moved"}


def edited(result: Result) -> str:
    """Return what a person changed, or nothing."""
    return _EDITED[result.origin]


#: The plugin's keys and what they do, as the Keys popup lists them.
KEYS = {
    "Shift-S": "Segment, or Cancel while it runs",
    "Shift-E": "make the ellipse the mask",
    "Shift-M": "back to the model's version",
    "Shift-G": "where this head stands on a growth chart",
    "Shift-W": "wider: grow the mask by a step",
    "Shift-T": "tighter: shrink the mask by a step",
    "Shift-O": "round off: smooth the mask's outline; its area stays",
    "Shift-F": "fill the holes in the mask",
    "Shift-K": "keep the largest region of the mask only",
    "Shift-C": "fit the ellipse to the mask again, after it was moved",
    "Shift-D": "dots: draw the ellipse through 4 to 8 points that you click on the outline",
    "Shift-I": "interpolate the mask between slices or frames that you drew or corrected",
    "Shift-N": "carry the mask on to the next slice or frame, and go there",
    "N": "in Review: accept the case and go on to the next",
    "Shift-R": "in Review: reject the case and go on to the next",
    "K": "in Review: skip the case; it comes again at the end",
    "J": "in Review: back to the case before",
    "H": "in Review: back to the model's version of the case",
    "Ctrl-Z": "undo a stroke on the mask (napari's own)",
}
