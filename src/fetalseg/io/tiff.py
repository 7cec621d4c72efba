"""TIFF: stills and stacks, with the spacing where the file names its unit beyond doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.io.decoded import Decoded, check_size, coloured, finite, grey
from fetalseg.scan import Spacing

_SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_MM = {
    "mm": 1.0,
    "millimeter": 1.0,
    "millimetre": 1.0,
    "cm": 10.0,
    "centimeter": 10.0,
    "um": 1e-3,
    "µm": 1e-3,  # micro sign
    "μm": 1e-3,  # Greek mu
    "micron": 1e-3,
    "microns": 1e-3,
    "m": 1e3,
    "nm": 1e-6,
}
_PRINT_DPI = (72, 96, 100, 120, 150, 200, 240, 300, 360, 400, 600, 1200)


def decode(data: bytes, name: str) -> Decoded:
    """Read a TIFF from its bytes: one page or many, any numbers, grey or colour, any compression known.

    Values that are not finite become 0 (background), with the note ``not_finite``; ``colour`` tells of colours.

    Raises
    ------
    UnreadableError
        If it is no TIFF, damaged, cut short, too large, of complex numbers, of pictures of different
        sizes, or holds no finite value.
    """
    import tifffile

    if not data.startswith(_SIGNATURES):
        raise UnreadableError(f"{name} is no TIFF, although its ending says so.")
    try:
        with tifffile.TiffFile(BytesIO(data), name=name) as tif:
            _whole(tif, data, name)
            colours: list[bool] = []
            array = _grey_array(tif, name, colours)
            spacing = _spacing(tif, array.ndim, name)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # decoders raise what they like on forged bytes
        text = " ".join(str(error).split())[:100] or type(error).__name__
        raise UnreadableError(f"{name} can't be decoded ({text}). It is damaged or of an unknown kind.") from error
    array, notes = finite(array, name)
    notes = (*notes, "colour") if any(colours) else notes
    return Decoded(array.reshape(-1, *array.shape[-2:]), array.shape, spacing, notes)


def _whole(tif: Any, data: bytes, name: str) -> None:
    """Raise if pages or pixels lie beyond the end of the file: tifffile alone would return fewer pages."""
    cut = UnreadableError(f"{name} is cut short: its last pages are missing. Copy it again from its source.")
    form = tif.tiff
    offset = int.from_bytes(data[8 if form.version == 43 else 4 :][: form.offsetsize], _order(form))
    seen: set[int] = set()
    while offset:
        entries = int.from_bytes(data[offset : offset + form.tagnosize], _order(form))
        link = offset + form.tagnosize + entries * form.tagsize
        if link + form.offsetsize > len(data):
            raise cut
        if offset in seen:
            raise UnreadableError(f"{name} is damaged: its list of pages runs in a circle.")
        seen.add(offset)
        offset = int.from_bytes(data[link : link + form.offsetsize], _order(form))
    if not len(tif.pages):
        raise UnreadableError(f"{name} is a TIFF without a picture.")
    for series in tif.series:
        if series.dataoffset is not None and series.dataoffset + series.nbytes > len(data):
            raise cut
    for page in tif.pages:
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if start + count > len(data):
                raise cut


def _order(form: Any) -> Any:
    return "little" if form.byteorder == "<" else "big"


def _in_one_piece(tif: Any) -> bool:
    """Whether the first series is all there is."""
    return len(tif.series) == 1


def _grey_array(tif: Any, name: str, colours: list[bool]) -> NDArray[np.generic]:
    """Return grey values of shape (..., rows, columns) with the input's own leading axes.

    Whether there were colours is added to `colours`.
    """
    if _in_one_piece(tif):
        series = tif.series[0]
        _check(series.axes, series.shape, name)
        return _grey(series.asarray(), series.axes, series.keyframe, name, colours)
    # Pages that differ in kind (colour and grey, say) are no series to tifffile; they are a stack all
    # the same when their sizes agree. Small copies for previews are no frames.
    pages = [tif.pages.get(i, aspage=True) for i in range(len(tif.pages))]
    pages = [page for page in pages if not page.is_reduced] or pages
    sizes = sorted({(page.imagelength, page.imagewidth) for page in pages})
    if len(sizes) > 1:
        text = ", ".join(f"{columns} x {rows}" for rows, columns in sizes[:3])
        raise UnreadableError(f"{name} holds pictures of different sizes ({text}); save them as separate files.")
    check_size(name, *sizes[0], len(pages))
    frames = [_grey(page.asarray(), page.axes, page, name, colours) for page in pages]
    return np.stack(frames) if len(frames) > 1 else frames[0]


def _check(axes: str, shape: Sequence[int], name: str) -> None:
    if "Y" not in axes or "X" not in axes:
        raise UnreadableError(f"{name} has no rows and columns (its axes are {axes}).")
    sizes = dict(zip(axes, shape, strict=True))
    leading = math.prod(size for axis, size in sizes.items() if axis not in "YXS")
    # axes may name one letter twice; the product over the shape is right then too
    total = math.prod(shape) // max(1, sizes.get("S", 1))
    check_size(name, sizes["Y"], sizes["X"], max(leading, total // max(1, sizes["Y"] * sizes["X"])))


def _grey(array: NDArray[Any], axes: str, page: Any, name: str, colours: list[bool]) -> NDArray[np.generic]:
    """Turn what tifffile decoded into grey, rows and columns last."""
    photometric = page.photometric.name
    array = np.asarray(array)
    if "S" in axes:
        array = np.moveaxis(array, axes.index("S"), -1)
        axes = axes.replace("S", "")
        samples = array.shape[-1]
        if samples >= 3 and (photometric == "RGB" or (photometric == "YCBCR" and page.compression.name != "NONE")):
            colours.append(coloured(array))
            array = grey(array)
        elif samples == 4 and photometric == "SEPARATED" and array.dtype == np.uint8:
            ink = 255 - array.astype(np.uint16)  # cyan, magenta, yellow, black: 0 is no ink
            array = ((ink[..., :3] * ink[..., 3:] + 127) // 255).astype(np.uint8)
            colours.append(coloured(array))
            array = grey(array)
        elif samples <= 2 or photometric == "YCBCR":
            array = array[..., 0]  # grey with alpha, or luma with its colours
        else:
            raise UnreadableError(
                f"{name} has {samples} channels that are no colours ({photometric}); save the channel to measure alone."
            )
    elif photometric == "PALETTE" and page.colormap is not None:
        palette = np.moveaxis(np.asarray(page.colormap), 0, -1)
        colours.append(coloured(palette[array]))
        table: NDArray[Any] = grey(palette)
        # The table's entries have 16 bits, of which some writers fill 8.
        array = np.asarray(table >> 8 if palette.max() > 255 else table, np.uint8)[array]
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "uif":
        raise UnreadableError(f"{name} holds numbers of the kind {array.dtype}, which are no grey values.")
    if photometric == "MINISWHITE" and array.dtype.kind == "u":
        bits = 8 if page.bitspersample == 1 else page.bitspersample
        array = np.asarray((1 << bits) - 1 - array.astype(np.uint64), array.dtype)
    array = np.moveaxis(array, (axes.index("Y"), axes.index("X")), (-2, -1))
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def stored_spacing(path: Path) -> Spacing | None:
    """Return the spacing that a TIFF's header gives, without reading its pixels; None where it gives none.

    For pixels that another program has read already and whose spacing it dropped.
    """
    import tifffile

    with tifffile.TiffFile(path) as tif:
        axes = tif.series[0].axes if tif.series else ""
        return _spacing(tif, len(axes.replace("S", "")), path.name)


def _spacing(tif: Any, ndim: int, name: str) -> Spacing | None:
    """Return the physical spacing, if the file names a unit of length that is no printing resolution.

    Plain resolution tags (dots per inch or cm) say how large to print a picture, not how large the
    head is; they are never taken.
    """
    base = name.rsplit("/", 1)[-1]
    if tif.is_ome:
        return _ome_spacing(tif.ome_metadata, base)
    if tif.is_imagej:
        return _imagej_spacing(tif, ndim, base)
    return None


def _imagej_spacing(tif: Any, ndim: int, base: str) -> Spacing | None:
    meta = tif.imagej_metadata or {}
    unit = str(meta.get("unit", "")).replace("\\u00B5", "µ").strip().lower()
    tags = tif.pages[0].tags
    if unit not in _MM or "XResolution" not in tags or "YResolution" not in tags:
        return None
    per_unit = [_ratio(tags[key].value) for key in ("YResolution", "XResolution")]
    if not all(value and math.isfinite(value) and value > 0 for value in per_unit):
        return None
    if unit in ("cm", "centimeter") and any(abs(per_unit[1] * 2.54 - dpi) < 0.02 for dpi in _PRINT_DPI):
        return None  # ImageJ turns a printing resolution in dots per cm into "unit=cm"
    row, column = (_MM[unit] / value for value in per_unit)
    between = meta.get("spacing")
    slices = None
    if ndim == 3 and meta.get("slices", 1) > 1 and isinstance(between, int | float) and between > 0:
        slices = between * _MM[unit]
    return Spacing(row, column, f"{base} (ImageJ unit)", slices)


def _ratio(value: Any) -> float:
    if isinstance(value, tuple):
        return float(value[0]) / float(value[1]) if value[1] else 0.0
    return float(value)


def _ome_spacing(xml: str | None, base: str) -> Spacing | None:
    try:
        root = ElementTree.fromstring(xml or "")
    except ElementTree.ParseError:
        return None
    pixels = next((element for element in root.iter() if element.tag.rsplit("}", 1)[-1] == "Pixels"), None)
    if pixels is None:
        return None

    def size(axis: str) -> float | None:
        # OME's unit is µm when none is written, and so many writers mean mm by that: only a written unit counts.
        unit = _MM.get(pixels.get(f"PhysicalSize{axis}Unit", "").strip().lower())
        try:
            value = float(pixels.get(f"PhysicalSize{axis}", ""))
        except ValueError:
            return None
        return value * unit if unit and math.isfinite(value) and value > 0 else None

    row, column = size("Y"), size("X")
    return Spacing(row, column, f"{base} (OME)", size("Z")) if row and column else None
