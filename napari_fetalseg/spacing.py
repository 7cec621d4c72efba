"""Where millimetres come from: the layer, a csv beside the picture, a person. Never a guess."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fetalseg.errors import SpacingError
from fetalseg.scan import Spacing

UNKNOWN = "pixels only"
TYPED = "typed in"
HOW_TO = (
    "No scale is known: results are in pixels. Press Change… to type mm per pixel, draw a line of known length, "
    "or choose a csv."
)


def from_layer(layer: Any) -> Spacing | None:
    """Return the spacing of a layer whose units are a length; None where they are pixels."""
    import pint

    from napari_fetalseg.layers.image import facts

    registry = pint.get_application_registry()

    def mm(axis: int) -> float:
        return abs(float(registry.Quantity(float(layer.scale[axis]), layer.units[axis]).to("mm").magnitude))

    try:
        row, column = mm(-2), mm(-1)
    except pint.DimensionalityError:
        return None
    try:
        between = mm(-3) if layer.ndim == 3 else None
    except pint.DimensionalityError:
        between = None
    return Spacing(row, column, facts(layer).get("spacing_source") or "the layer's scale", between)


def from_file(path: str | Path | None) -> Spacing | None:
    """Return the spacing that the layer's file itself gives, which napari's own reader drops."""
    from fetalseg.io.registry import stored_spacing

    return stored_spacing(path) if path else None


def from_csv_beside(path: str | Path | None) -> Spacing | None:
    """Return the spacing that a csv beside the picture gives; None where there is none.

    Raises
    ------
    SpacingError
        If the csv lists the picture but holds no usable figure for it.
    """
    from fetalseg.io.spacing_csv import find_beside, lookup

    if not path:
        return None
    found = find_beside(path)
    return lookup(found, path) if found else None


def from_csv(csv: str | Path, picture: str) -> Spacing:
    """Return the spacing that a csv gives for a picture.

    Raises
    ------
    SpacingError
        If the csv can't be read or does not list the picture.
    """
    from fetalseg.io.spacing_csv import lookup

    found = lookup(csv, picture)
    if found is None:
        raise SpacingError(f"{Path(csv).name} does not list {picture}; add a row for it, or type mm per pixel.")
    return found


def from_line(layer: Any, points: Any, length_mm: float) -> Spacing:
    """Return the spacing that makes a drawn line as long as it is known to be.

    Rows and columns keep the proportion of the layer's scale (square pixels, mostly).

    Parameters
    ----------
    layer : napari.layers.Image
    points : array, shape (2, ndim)
        The line's ends in the image's pixels.
    length_mm : float

    Raises
    ------
    SpacingError
        If the line or its length is 0.
    """
    rows, columns = (abs(float(points[1][i]) - float(points[0][i])) for i in (-2, -1))
    row, column = (abs(float(s)) for s in layer.scale[-2:])
    drawn = math.hypot(rows * row, columns * column)
    if drawn == 0:
        raise SpacingError("The line has no length; draw it from one mark of the scale to another.")
    if not length_mm > 0:
        raise SpacingError("Give the line's true length in mm, a number above 0.")
    return Spacing(row * length_mm / drawn, column * length_mm / drawn, f"a line of {length_mm:g} mm")


def automatic(layer: Any) -> Spacing | None:
    """Return what is known of a layer without asking: its own scale, then its file's, then a csv beside it.

    Raises
    ------
    SpacingError
    """
    return from_layer(layer) or from_file(layer.source.path) or from_csv_beside(layer.source.path)


def text(spacing: Spacing | None, volume: bool = False) -> str:
    """Return a spacing as people read it: ``0.154 mm/px`` or ``0.154 x 0.2 mm/px (x, y)``; of a volume with slices."""
    if spacing is None:
        return UNKNOWN
    x, y = spacing.column_mm, spacing.row_mm
    words = f"{x:.4g} mm/px" if math.isclose(x, y, rel_tol=1e-6) else f"{x:.4g} × {y:.4g} mm/px (x, y)"
    if not volume:
        return words
    between = "slice distance unknown" if spacing.slice_mm is None else f"slices {spacing.slice_mm:.4g} mm apart"
    return f"{words}, {between}"
