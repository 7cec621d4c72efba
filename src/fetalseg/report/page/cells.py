"""Numbers and words of the table as the report shows them: one decimal, unit, interval; an em dash where not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fetalseg.growth.dating import SOURCE_TEXTS, ga_text
from fetalseg.growth.wording import signed
from fetalseg.report.page.folder import FAILED, Case, Row, codes, number
from fetalseg.report.table import COLUMNS, VOLUME_COLUMNS
from fetalseg.result import State

UNKNOWN = "—"
#: Sign of each state; the word is the state's own.
SIGNS = {State.ACCEPT.value: "✓", State.CHECK.value: "!", State.REFUSE.value: "✕", FAILED: "–"}
#: Names and units of a quantity: the one with a scale first.
_UNITS = {
    **{name: ((f"{name}_mm", "mm"), (f"{name}_px", "px")) for name in ("hc", "bpd", "ofd", "longest", "perpendicular")},
    **{name: ((f"{name}_mm2", "mm²"), (f"{name}_px2", "px²")) for name in ("area", "product")},
    "volume": (("volume_ml", "ml"), ("volume_voxels", "voxels")),
}
_WHOLE = ("mm²", "px²", "voxels")


@dataclass(frozen=True)
class Cell:
    """What one place of the table shows.

    Parameters
    ----------
    text : str
    sort : float or str
        What the column is sorted by.
    rank : int
        Cells of a higher rank come after all others, whichever way the column is sorted: 1 pixels after millimetres,
        2 what is not known.
    full : str
        With all digits, shown on demand.
    """

    text: str
    sort: float | str = ""
    rank: int = 0
    full: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the table: `key` for the page, `title` at its head, `about` in words, and how a case fills it."""

    key: str
    title: str
    about: str
    cell: Callable[[Case], Cell]
    numeric: bool = True


NONE = Cell(UNKNOWN, rank=2)


def quantity(row: Row, name: str) -> Cell:
    """Return a size with unit and 95 % interval: in mm where they are known, else in pixels or voxels."""
    for rank, (column, unit) in enumerate(_UNITS[name]):
        value = number(row, column)
        if value is None:
            continue
        stem, _, scale = column.rpartition("_")
        low, high = number(row, f"{stem}_low_{scale}"), number(row, f"{stem}_high_{scale}")
        digits = 0 if unit in _WHOLE else 2 if unit == "ml" and abs(value) < 1 else 1
        text, full = f"{value:.{digits}f} {unit}", f"{row[column]} {unit}"
        if low is not None and high is not None:
            full += f", 95 % interval {low:.4g} to {high:.4g} {unit}"
            half = f"{value:.{digits}f} ± {(high - low) / 2:.{digits}f} {unit}"
            # A volume's interval is wide: both its ends are told.
            text = f"{text} ({low:.{digits}f} to {high:.{digits}f})" if name == "volume" else half
        return Cell(text, value, rank, full)
    return NONE


def plain(row: Row, column: str, digits: int) -> Cell:
    """Return a number without a unit."""
    value = number(row, column)
    return NONE if value is None else Cell(f"{value:.{digits}f}", value, full=row[column])


def words(row: Row, column: str) -> Cell:
    """Return text as it is."""
    text = row.get(column, "")
    return Cell(text, text) if text else NONE


def diameters(row: Row) -> Cell:
    """Return the longest diameter and its longest perpendicular with one unit; sorted by the longest."""
    long, short = quantity(row, "longest"), quantity(row, "perpendicular")
    if NONE in (long, short):
        return NONE
    return Cell(f"{long.text.split(' ')[0]} × {short.text}", long.sort, long.rank, f"{long.full} by {short.full}")


def lesions(case: Case) -> Cell:
    """Return how many lesions there are, and how many of them are measurable."""
    if case.failed:
        return NONE
    count, measurable = len(case.parts), number(case.row, "measurable")
    if not count or measurable is None:
        return Cell(str(count), float(count))
    return Cell(f"{count} ({measurable:.0f} measurable)", float(count))


def scale(row: Row) -> Cell:
    """Return mm a pixel and where it comes from."""
    x, y, z = (number(row, name) for name in ("spacing_x_mm", "spacing_y_mm", "slice_mm"))
    if x is None or y is None:
        return Cell("pixels only", "", 2) if row.get("status") != "error" else NONE
    text = f"{x:.3g}" if abs(x - y) < 1e-6 * x else f"{x:.3g} × {y:.3g}"
    text += f" mm/px, slices {z:.3g} mm" if z is not None else " mm/px"
    source = row.get("spacing_source", "")
    return Cell(text, x, full=f"{row['spacing_x_mm']} mm, from {source}" if source else row["spacing_x_mm"])


def age(row: Row) -> Cell:
    """Return the gestational age."""
    days = number(row, "ga_days")
    if days is None:
        return NONE
    source = SOURCE_TEXTS.get(row.get("ga_source", ""), "")
    return Cell(ga_text(days), days, full=f"{days:g} days" + (f", by {source}" if source else ""))


def z_score(row: Row) -> Cell:
    """Return the z-score of HC with its range."""
    z, low, high = (number(row, name) for name in ("z_score", "z_low", "z_high"))
    if z is None:
        return NONE
    ends = f"{signed(low)} to {signed(high)}" if low is not None and high is not None else ""
    return Cell(f"{signed(z)} ({ends})" if ends else signed(z), z, full=f"z {row['z_score']}")


def centile(row: Row) -> Cell:
    """Return the centile of HC as the chart tells it."""
    text, value = row.get("centile_text", ""), number(row, "centile")
    beyond = {"<": 0.0, ">": 100.0}.get(text[:1], 50.0)
    return Cell(text, beyond if value is None else value, full=row.get("centile", "")) if text else NONE


def growth_sentence(row: Row, title: str) -> str:
    """Return ``HC: 56th centile (INTERGROWTH-21st), z +0.15, at 20w 3d by crown-rump length.``; or why not."""
    days, text, z = number(row, "ga_days"), row.get("centile_text", ""), z_score(row)
    if days is None or not (text or z is not NONE):
        return row.get("growth_reason", "")
    told = [f"{text} centile ({title})"] if text else []
    told += [f"z {z.text}"] if z is not NONE else []
    source = SOURCE_TEXTS.get(row.get("ga_source", ""), "")
    return f"HC: {', '.join(told)}, at {ga_text(days)}" + (f" by {source}" if source else "") + "."


def frame(case: Case) -> str:
    """Return which frame of a loop the numbers are of, counted from 1 as the pictures do."""
    if not case.parts or "frame" not in case.row:
        return ""
    return f"frame {int(number(case.row, 'frame') or 0) + 1} of {len(case.parts)}"


def of_frames(case: Case) -> str:
    """Return how many of a loop's frames are in which state: ``8 ✓ accept, 2 ! check``."""
    if not frame(case):
        return ""
    found = Counter(row.get("state", "") for row in case.parts)
    return ", ".join(f"{found[state]} {SIGNS[state]} {state}" for state in SIGNS if found[state])


def code_words(found: Iterable[str]) -> str:
    """Return codes as people read them: ``faint outline, no spacing``."""
    return ", ".join(code.replace("_", " ") for code in found)


def _of(show: Callable[..., Cell], *more: object) -> Callable[[Case], Cell]:
    return lambda case: show(case.row, *more)


_TRUST = Column("confidence", "Confidence", "0 no trust, 1 sure; no probability", _of(plain, "confidence", 2))
_SCALE = Column("scale", "Scale", "mm a pixel, and its source", _of(scale), numeric=False)
_ELLIPSE = (
    Column("bpd", "BPD", "biparietal diameter, outer to outer edge", _of(quantity, "bpd")),
    Column("ofd", "OFD", "occipitofrontal diameter, outer to outer edge", _of(quantity, "ofd")),
    Column("ci", "CI", "cephalic index, 100 × BPD / OFD", _of(plain, "cephalic_index", 1)),
)
_GROWTH = (
    Column("ga", "GA", "gestational age at the scan", _of(age)),
    Column("z", "z of HC", "standard deviations from the chart's mean at this age, with its range", _of(z_score)),
    Column("centile", "Centile", "of HC on the growth chart at this age", _of(centile)),
)
_VOLUME = Column("volume", "Volume", "voxels times their size, with its 95 % range", _of(quantity, "volume"))


def columns(task: str, *, dated: bool = False) -> tuple[Column, ...]:
    """Return the columns of a task's table, without state, picture, name and flags, which every task has."""
    if task == "tumour":
        return (
            _VOLUME,
            Column("product", "Product", "of the diameters, summed over the lesions (RANO)", _of(quantity, "product")),
            Column("diameters", "Diameters", "longest, and longest at a right angle to it", _of(diameters)),
            Column("lesions", "Lesions", "and how many are measurable by RANO", lesions),
            _TRUST,
            _SCALE,
        )
    if task == "fetal-brain":
        hc = Column(
            "hc", "HC of the brain", "circumference of the brain's ellipse: less than the skull's", _of(quantity, "hc")
        )
        return (
            _VOLUME,
            hc,
            *_ELLIPSE,
            Column("slice", "Slice", "measured on, from 0", _of(plain, "largest_slice", 0)),
            _SCALE,
        )
    hc = Column("hc", "HC", "head circumference on the outer edge, with its 95 % range", _of(quantity, "hc"))
    return (hc, *_ELLIPSE, *(_GROWTH if dated else ()), _TRUST, _SCALE)


def part_columns(task: str) -> tuple[tuple[str, Callable[[Row], Cell]], ...]:
    """Return title and cell of the small table of a case: its frames, or its lesions."""
    state: tuple[str, Callable[[Row], Cell]] = (
        "State",
        lambda row: Cell(f"{SIGNS.get(row.get('state', ''), '!')} {row.get('state', '')}"),
    )
    trust = ("Confidence", lambda row: plain(row, "confidence", 2))
    doubts = ("Flags", lambda row: Cell(code_words(codes(row, "flags")) or UNKNOWN))
    if task == "tumour":
        return (
            ("Lesion", lambda row: words(row, "lesion")),
            state,
            ("Volume", lambda row: quantity(row, "volume")),
            ("Diameters", diameters),
            ("Product", lambda row: quantity(row, "product")),
            trust,
            ("Largest on slice", lambda row: plain(row, "largest_slice", 0)),
            ("Measurable", lambda row: words(row, "measurable_why")),
            doubts,
        )  # fmt: skip
    first = ("Frame", lambda row: Cell(f"{(number(row, 'frame') or 0) + 1:.0f}"))
    sizes = tuple((name.upper(), lambda row, name=name: quantity(row, name)) for name in ("hc", "bpd", "ofd"))
    return (first, state, *sizes, trust, doubts)


def headline(case: Case) -> str:
    """Return the number that matters most, in a line."""
    if case.failed:
        return ""
    row = case.row
    if case.task == "tumour":
        if not case.parts:
            return "No tumour was found."
        parts = [f"{quantity(row, 'volume').text}", f"{len(case.parts)} lesion{'s' if len(case.parts) > 1 else ''}"]
        return " · ".join(parts)
    hc, volume = quantity(row, "hc"), quantity(row, "volume")
    if case.task == "fetal-brain":
        return "No brain was measured." if volume is NONE else f"{volume.text} · HC of the brain {hc.text}"
    return "No head was found." if hc is NONE else f"HC {hc.text}"


def edited(case: Case) -> str:
    """Return what a person changed, or nothing."""
    changed = case.row.get("edited", "no")
    return f"{changed} edited by hand" if changed not in ("", "no") else ""


def details(case: Case) -> list[tuple[str, Cell]]:
    """Return label and cell of all that the table knows of a case."""
    row = case.row
    told = [(column.title, column.cell(case)) for column in columns(case.task, dated=bool(row.get("ga_days")))]
    if case.task == "head":
        told.append(("Area", quantity(row, "area")))
    told += [("Frame", Cell(frame(case))), ("Frames", Cell(of_frames(case))), ("Edited", Cell(edited(case)))]
    model, sha256 = row.get("model", ""), row.get("model_sha256", "")
    told += [("Scale from", words(row, "spacing_source"))]
    told += [("Model", Cell(f"{model}, sha256 {sha256[:12]}…" if sha256 else model, full=sha256))]
    told += [("File's sha256", Cell(f"{case.sha256[:12]}…" if case.sha256 else "", full=case.sha256))]
    known = {*COLUMNS, *VOLUME_COLUMNS} - {"study_date", "machine", "dating_formula"}
    told += [(name.replace("_", " ").capitalize(), words(row, name)) for name in row if name not in known]
    return [(label, cell) for label, cell in told if cell.text not in ("", UNKNOWN)]
