"""Confidence, flags and states, with the wording shown to people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from fetalseg.result import Flag, State
from fetalseg.scan import Spacing

_TEXTS: dict[str, tuple[State, str]] = {
    "no_head": (State.REFUSE, "No head was found."),
    "not_a_head": (State.REFUSE, "This does not look like a fetal head plane: no sharp, closed outline."),
    "several_regions": (State.CHECK, "More than one region was found; only one was measured."),
    "cut_by_picture": (State.CHECK, "Part of the head lies outside the picture; the ellipse completes it."),
    "cut_by_sector": (State.CHECK, "Part of the head lies outside the sector; the ellipse completes it."),
    "short_arc": (State.CHECK, "The outline covers too little of the ellipse to be sure of its size."),
    "mask_ellipse_disagree": (State.CHECK, "Mask and ellipse disagree: the outline is no ellipse."),
    "flips_disagree": (State.CHECK, "Mirrored copies of the picture gave different outlines."),
    "looks_disagree": (State.CHECK, "The magnified second look gave another size than the first."),
    "faint_outline": (State.CHECK, "The outline is blurred: the network is unsure where the skull ends."),
    "sides_unseen": (State.CHECK, "The skull is hardly seen at its sides: the circumference is less certain."),
    "axis_ratio": (State.CHECK, "The head's shape (short to long axis) is outside what heads have; check the plane."),
    "size": (State.CHECK, "The circumference is outside what fetal heads have (40 to 390 mm); check the scale."),
    "no_tumour": (State.CHECK, "No tumour was found. A small or faint one can be missed."),
    "region_left_out": (State.ACCEPT, "A region that the network was much less sure of than of the rest was left out."),
    "no_tissue": (State.REFUSE, "The volume holds one grey value only: there is nothing to look at."),
    "not_flair": (State.REFUSE, "No head's outline is seen: this is no axial FLAIR; what was found can't be trusted."),
    "not_flair_contrast": (State.CHECK, "Tissue beside fluid is darker than deep tissue: rather T1 or T2 than FLAIR."),
    "fluid_not_dark": (State.CHECK, "No dark fluid is seen in the head, as FLAIR shows it: rather another sequence."),
    "other_sequence": (State.CHECK, "The file's description names another sequence than FLAIR."),
    "other_modality": (State.REFUSE, "The file says that it is no MRI; what was found can't be trusted."),
    "colour": (State.REFUSE, "This is a colour picture, not one sequence of an MRI; what was found can't be trusted."),
    "not_skull_stripped": (State.REFUSE, "More than a brain is seen: only a skull-stripped volume can be measured."),
    "no_brain": (State.REFUSE, "No brain was found."),
    "not_a_volume": (State.REFUSE, "Not a whole volume: a brain needs several slices, and a number in every voxel."),
    "single_slice": (State.CHECK, "A single slice: no volume, and the slices around it were not seen."),
    "cut_by_volume": (State.CHECK, "The lesion reaches the first or last slice: part of it may lie outside."),
    "no_slice_spacing": (State.CHECK, "The distance between slices is not known: voxels instead of millilitres."),
    "voxel_size": (State.CHECK, "With voxels of this size the picture would hold no head; check the scale."),
    "bad_affine": (State.CHECK, "The file's orientation is damaged; its slices were taken as they are stored."),
    "no_orientation": (State.CHECK, "The file tells no orientation; its slices were taken as axial."),
    "flair_channel": (State.ACCEPT, "Of the three channels the second, FLAIR, was taken."),
    "crosses_regions": (State.REFUSE, "The head crosses two regions of the picture, each a view of its own: no scale."),
    "other_region": (State.REFUSE, "The head lies in a Doppler, M-mode or other display, not in 2-D tissue: no scale."),
    "outside_regions": (State.CHECK, "The head lies outside the regions that the file gives a scale for: pixels only."),
    "no_region_scale": (State.REFUSE, "The file's scale of the region with the head is damaged or not in cm: no mm."),
    "colour_flow": (State.CHECK, "Colour flow covers part of the head; check the outline."),
    "no_spacing": (State.CHECK, "No scale is known: pixels only. Give mm per pixel to get millimetres."),
    "not_finite": (State.CHECK, "The file held values that are no numbers; they were read as black."),
    "low_confidence": (State.CHECK, "The confidence is low; check the outline."),
}  # fmt: skip


def flag(code: str) -> Flag:
    """Return the flag of a code, with its text and how grave it is."""
    state, text = _TEXTS[code]
    return Flag(code, text, state)


def known_flag(code: str) -> Flag:
    """Return the flag of a code read from a file; a code of another version asks for a check."""
    return flag(code) if code in _TEXTS else Flag(code, code.replace("_", " "), State.CHECK)


def worst(flags: Iterable[Flag]) -> State:
    """Return the gravest state of some flags; *accept* where there is none."""
    order = [State.ACCEPT, State.CHECK, State.REFUSE]
    return max((f.state for f in flags), key=order.index, default=State.ACCEPT)


def most_trusted(found: Sequence[tuple[State, float | None]]) -> int:
    """Return which of several results, as (state, confidence), can be trusted most; it stands for all of a stack."""
    order = list(State)
    trust = [(order.index(state), -(confidence or 0.0)) for state, confidence in found]
    return trust.index(min(trust))


def scale_codes(spacing: Spacing | None) -> list[str]:
    """Return the codes of what a volume's scale lacks."""
    if spacing is None:
        return ["no_spacing"]
    return ["no_slice_spacing"] if spacing.slice_mm is None else []


@dataclass(frozen=True)
class Evidence:
    """What a prediction itself tells about how far to trust it. All but the counts are shares or ratios.

    Parameters
    ----------
    inside : float
        Mean probability inside the ellipse.
    blur : float
        Width of the unsure rim over the square root of the region's area.
    second_region : float
        Area of the largest other region over that of the measured one.
    off_picture, off_sector : float
        Share of the ellipse's circumference outside the picture, and outside the sector.
    arc : float
        Share of the ellipse's directions that the traced outline covers.
    roughness : float
        Root mean square distance of the outline from the ellipse over its mean radius.
    overlap : float
        Dice of mask and ellipse inside the picture.
    flips : float
        One minus the soft Dice between mirrored predictions and their mean (mean over copies).
    looks : float or None
        Relative difference of the circumference between first and second look.
    axis_ratio : float
        Short over long axis.
    hc_mm : float or None
    rim_mm : float or None
        Width of the unsure rim.
    rim : float or None
        The same over the rim that one in ten of the model's kept-out heads exceeds.
    """

    inside: float = 1.0
    blur: float = 0.0
    second_region: float = 0.0
    off_picture: float = 0.0
    off_sector: float = 0.0
    arc: float = 1.0
    roughness: float = 0.0
    overlap: float = 1.0
    flips: float = 0.0
    looks: float | None = None
    axis_ratio: float = 0.78
    hc_mm: float | None = None
    rim_mm: float | None = None
    rim: float | None = None

    def known(self) -> dict[str, float]:
        """Return what is known, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


# Where each piece of evidence starts to count against a result, and where it speaks against any trust. Set on
# the calibration part of the split, on heads of another hospital, and on pictures without a head.
_LIMITS: dict[str, tuple[float, float]] = {
    "blur": (0.045, 0.15),
    "flips": (0.003, 0.020),
    "roughness": (0.025, 0.070),
    "looks": (0.03, 0.30),
    "second_region": (0.10, 0.60),
    "off_picture": (0.15, 0.60),
    "missing": (0.15, 0.55),
    "outside": (0.045, 0.120),
}


def confidence(e: Evidence) -> float:
    """Return a confidence of 0 to 1: high only where every piece of evidence speaks for the result.

    A product of one factor a piece of evidence: near 1 below the piece's first limit, one half midway, near 0
    above the second. It finds gross failures and pictures that hold no head; it is no probability, and it says
    little of the few millimetres by which two readers of one picture differ.
    """
    doubts = {
        "blur": e.blur,
        "flips": e.flips,
        "roughness": e.roughness,
        "looks": e.looks or 0.0,
        "second_region": e.second_region,
        "off_picture": max(e.off_picture, e.off_sector),
        "missing": 1 - e.arc,
        "outside": 1 - e.inside,
    }
    product = 1.0
    for name, doubt in doubts.items():
        start, end = _LIMITS[name]
        steepness = 6 * (doubt - (start + end) / 2) / (end - start)
        product /= 1 + math.exp(min(steepness, 50.0))
    return round(product, 4)


def flags(e: Evidence, trust: float, notes: Iterable[str] = (), has_spacing: bool = True) -> tuple[Flag, ...]:
    """Return the flags of a head that was found."""
    codes = list(notes)
    if trust < 0.35:
        codes.append("not_a_head")
    elif trust < 0.6:
        codes.append("low_confidence")
    tests = {
        "several_regions": e.second_region > 0.10,
        "cut_by_picture": e.off_picture > 0.10,
        "cut_by_sector": e.off_sector > 0.15,
        "short_arc": e.arc < 0.70,
        "mask_ellipse_disagree": e.overlap < 0.95 or e.roughness > 0.032,
        "flips_disagree": e.flips > 0.004,
        "looks_disagree": (e.looks or 0.0) > 0.03,
        "faint_outline": e.blur > 0.06 or e.inside < 0.945,
        "sides_unseen": e.rim is not None and (e.rim > 1.7 or (e.rim > 1.4 and e.axis_ratio > 0.84)),
        "axis_ratio": not 0.60 <= e.axis_ratio <= 0.97,
        "size": e.hc_mm is not None and not 40 <= e.hc_mm <= 390,
        "no_spacing": not has_spacing,
    }
    codes += [code for code, raised in tests.items() if raised]
    return tuple(flag(code) for code in codes)
