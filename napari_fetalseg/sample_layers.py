"""File > Open Sample > FetalSeg: the phantoms that come with the product, in millimetres."""

from __future__ import annotations

from typing import Any

LayerData = tuple[Any, dict[str, Any], str]


def second_trimester() -> list[LayerData]:
    """Open the second-trimester phantom."""
    return _open("second_trimester")


def third_trimester() -> list[LayerData]:
    """Open the third-trimester phantom."""
    return _open("third_trimester")


def first_trimester() -> list[LayerData]:
    """Open the first-trimester phantom."""
    return _open("first_trimester")


def cine_loop() -> list[LayerData]:
    """Open the cine loop."""
    return _open("cine_loop")


def flair_phantom() -> list[LayerData]:
    """Open the FLAIR phantom with two lesions."""
    from fetalseg import samples
    from napari_fetalseg.reader import get_reader

    path = str(samples.folder() / samples.VOLUME)
    reader = get_reader(path)
    assert reader is not None
    return reader(path)


def _open(stem: str) -> list[LayerData]:
    from fetalseg import samples
    from fetalseg.io.registry import read
    from fetalseg.io.spacing_csv import find_beside, lookup

    name = next(n for n in samples.names() if n.split(".")[0] == stem)
    path = samples.folder() / name
    scan = read(path)
    table = find_beside(path)
    spacing = scan.spacing or (lookup(table, path) if table else None)
    pixels = scan.pixels if len(scan.shape) > 2 else scan.pixels[0]
    lead = pixels.ndim - 2
    looks: dict[str, Any] = {"name": stem, "rgb": False, "axis_labels": (*("frame",) * lead, "y", "x")}
    if spacing is not None:
        looks |= {"scale": (*(1.0,) * lead, *spacing.row_column), "units": (*("pixel",) * lead, "mm", "mm")}
    return [(pixels, looks, "image")]
