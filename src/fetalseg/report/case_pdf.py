"""Results as PDF, one page a case: picture, numbers with their intervals, doubts, growth, and what made them.

Drawn by reportlab: a picture goes in as JPEG, so a page takes about 150 kB and a hundredth of matplotlib's time. The
letters are DejaVu's, which matplotlib brings. The same folder gives the same bytes.
"""

from __future__ import annotations

import fnmatch
import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import escape

from fetalseg import RESEARCH
from fetalseg.errors import SettingsError
from fetalseg.growth.flags import PROMPT
from fetalseg.io.atomic import atomic_write
from fetalseg.report.ink import STATE_COLOURS
from fetalseg.report.page import cells, growth_plot, pictures, record
from fetalseg.report.page.folder import Case, Folder, codes, read
from fetalseg.result import State

#: Of all cases, and of some that were asked for.
NAME, NAME_OF_SOME = "report.pdf", "cases.pdf"
_WIDEST, _QUALITY = 1608, 82
_MM = 72 / 25.4
_EDGE, _FOOT = 15 * _MM, 17 * _MM
_CHART_IN = (4.0, 2.8)
_MOST_PARTS = 12
_FAILED = (0x9A, 0xA0, 0xA8)


def write(
    folder: str | Path,
    names: Sequence[str] = (),
    *,
    tick: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Path:
    """Write a page a case into the folder of a run.

    Parameters
    ----------
    folder : path
        What ``fetalseg segment`` wrote.
    names : sequence of str
        Files as the table names them, their names without folders, or patterns (``*_HC.png``); all by default.
    tick : callable
        Called as (done, total, name) after each case.

    Returns
    -------
    Path
        ``report.pdf``, or ``cases.pdf`` where `names` are given.

    Raises
    ------
    UnreadableError
        If the folder holds no results.
    SettingsError
        If a name fits no case.
    OutputError
        If the file can't be written.
    """
    found = read(folder)
    cases = chosen(found.cases, names)
    buffer = io.BytesIO()
    canvas = _canvas(buffer, found)
    for number, case in enumerate(cases, start=1):
        _page(canvas, found, case, f"{number} of {len(cases)}")
        tick(number, len(cases), case.name)
    canvas.save()
    return atomic_write(found.path / (NAME_OF_SOME if names else NAME), lambda file: file.write(buffer.getbuffer()))


def chosen(cases: Sequence[Case], names: Sequence[str]) -> list[Case]:
    """Return the cases that names or patterns mean, in the report's order; all where there are no names.

    Raises
    ------
    SettingsError
        If a name fits no case.
    """
    if not names:
        return list(cases)
    lost = [name for name in names if not any(_fits(case.name, name) for case in cases)]
    if lost:
        raise SettingsError(f"No case of these results is called {', '.join(lost)}; measurements.csv has their names.")
    return [case for case in cases if any(_fits(case.name, name) for name in names)]


def _fits(case: str, name: str) -> bool:
    name = name.replace("\\", "/")
    own = PurePosixPath(case)
    return case == name or own.name == name or fnmatch.fnmatchcase(case, name) or fnmatch.fnmatchcase(own.name, name)


def _canvas(buffer: io.BytesIO, folder: Folder) -> Any:
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(f"{folder.title}: cases")
    canvas.setSubject(RESEARCH)
    canvas.setCreator("napari-fetalseg")
    return canvas


def _page(canvas: Any, folder: Folder, case: Case, place: str) -> None:
    """Draw a case's page, with its entry in the list of contents."""
    from reportlab.platypus import Frame, KeepInFrame

    fonts()
    width, height = canvas._pagesize
    name = shown(case.name)
    canvas.bookmarkPage(place)
    canvas.addOutlineEntry(f"{cells.SIGNS[case.state]} {name}", place)
    room = (width - 2 * _EDGE, height - _EDGE - _FOOT - 6)
    # What is long is made smaller, so that a case stays on its page.
    story = KeepInFrame(*room, _story(folder, case, room[0]), mode="shrink", hAlign="LEFT")
    Frame(_EDGE, _FOOT + 6, *room, 0, 0, 0, 0).addFromList([story], canvas)
    _foot(canvas, folder, case, place, width)
    canvas.showPage()


def _foot(canvas: Any, folder: Folder, case: Case, place: str, width: float) -> None:
    canvas.setStrokeColorRGB(0.7, 0.7, 0.7)
    canvas.line(_EDGE, _FOOT, width - _EDGE, _FOOT)
    canvas.setFillColorRGB(0.3, 0.3, 0.3)
    canvas.setFont("DejaVu", 6.5)
    sha256 = case.row.get("model_sha256", "")
    lines = [
        f"{record.made_with(folder)} · {record.short(folder)}".strip(" ·"),
        f"model's sha256 {sha256}" if sha256 else "",
    ]
    for at, line in enumerate(lines):
        canvas.drawString(_EDGE, _FOOT - 9 - 8 * at, shown(line))
    canvas.drawRightString(width - _EDGE, _FOOT - 9, place)
    canvas.setFillColorRGB(0, 0, 0)
    canvas.setFont("DejaVu-Bold", 8.5)
    canvas.drawString(_EDGE, _FOOT - 28, RESEARCH)


def _story(folder: Folder, case: Case, width: float) -> list[Any]:
    """Return what stands on a case's page, from above."""
    from reportlab.platypus import Spacer

    story: list[Any] = [_title(case, width), Spacer(1, 4)]
    if case.failed:
        return [*story, _text(case.error, "plain")]
    picture = _picture(case, width)
    story += [picture, Spacer(1, 6)] if picture else []
    chart = growth_plot.chart_title(folder.record)
    said = [text for _, text in case.flags]
    said += [note for note in (cells.growth_sentence(case.row, chart), *case.notes) if note]
    said += [PROMPT] if codes(case.row, "growth_flags") else []
    story += [_text(f"• {text}", "plain") for text in said]
    story += [Spacer(1, 6), _numbers(folder, case, width)]
    source = growth_plot.chart_of(folder.record)
    story += [_text(f"{source.title}: {source.source}", "faint")] if source and case.row.get("ga_days") else []
    if case.parts:
        story += [Spacer(1, 8), *_parts(case, width)]
    return story


def _title(case: Case, width: float) -> Any:
    """The state's badge, the number that matters most, and the file."""
    from reportlab.platypus import Table

    colour = STATE_COLOURS[State(case.state)] if case.state in STATE_COLOURS else _FAILED
    badge = Table([[_text(f"{cells.SIGNS[case.state]} {case.state}", "badge")]], colWidths=[74])
    badge.setStyle([("BACKGROUND", (0, 0), (-1, -1), _rgb(colour)), ("ROUNDEDCORNERS", [4, 4, 4, 4])])
    about = ", ".join(part for part in (cells.frame(case), cells.edited(case)) if part)
    words = [_text(cells.headline(case), "large")] if cells.headline(case) else []
    words += [_text(case.name + (f" ({about})" if about else ""), "plain")]
    table = Table([[badge, words]], colWidths=[86, width - 86])
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("LEFTPADDING", (0, 0), (0, 0), 0)])
    return table


def _picture(case: Case, width: float) -> Any:
    from reportlab.platypus import Image

    picture = pictures.opened(case)
    if picture is None:
        return None
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, max(1, round(picture.height * _WIDEST / picture.width))))
    scale = min(width / picture.width, 155 * _MM / picture.height)
    size = (picture.width * scale, picture.height * scale)
    return Image(io.BytesIO(pictures.jpeg(picture, _QUALITY)), *size)


def _numbers(folder: Folder, case: Case, width: float) -> Any:
    """All numbers, and beside them the head on its chart where its age is known."""
    from reportlab.platypus import Image, Table

    chart = growth_plot.chart_of(folder.record)
    drawn = growth_plot.one(case, chart, _CHART_IN, 200) if chart else None
    left = width - (72 * _CHART_IN[0] + 12 if drawn else 0)
    rows = [[_text(label, "faint"), _text(cell.text, "plain")] for label, cell in cells.details(case)]
    numbers = Table(rows, colWidths=[82, left - 88], hAlign="LEFT")
    numbers.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight()])
    if drawn is None:
        return numbers
    image = Image(io.BytesIO(drawn), 72 * _CHART_IN[0], 72 * _CHART_IN[1])
    both = Table([[numbers, image]], colWidths=[left, width - left])
    both.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight()])
    return both


def _parts(case: Case, width: float) -> list[Any]:
    """The small table of frames or lesions."""
    from reportlab.lib.colors import Color
    from reportlab.platypus import Table

    columns = cells.part_columns(case.task)
    rows = [[_text(title, "head") for title, _ in columns]]
    rows += [[_text(show(part).text, "small") for _, show in columns] for part in case.parts[:_MOST_PARTS]]
    table = Table(rows, colWidths=[width / len(columns)] * len(columns), repeatRows=1)
    table.setStyle(
        [("LINEBELOW", (0, 0), (-1, -1), 0.4, Color(0.8, 0.8, 0.8)), ("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight()]
    )
    more = len(case.parts) - _MOST_PARTS
    return [table, _text(f"and {more} more in measurements.csv", "faint")] if more > 0 else [table]


def _tight() -> list[tuple[Any, ...]]:
    ends = ((0, 0), (-1, -1))
    return [
        ("TOPPADDING", *ends, 1),
        ("BOTTOMPADDING", *ends, 1),
        ("LEFTPADDING", *ends, 0),
        ("RIGHTPADDING", *ends, 6),
    ]


@lru_cache(maxsize=1)
def fonts() -> dict[str, Any]:
    """Register the fonts; return the styles of paragraphs by name."""
    import matplotlib
    from reportlab.lib.colors import Color
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in (("DejaVu", "DejaVuSans.ttf"), ("DejaVu-Bold", "DejaVuSans-Bold.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    black, grey = Color(0.1, 0.1, 0.12), Color(0.35, 0.37, 0.4)

    def style(name: str, size: float, font: str = "DejaVu", colour: Any = black) -> Any:
        # Long file names have no spaces to break at.
        return ParagraphStyle(
            name, fontName=font, fontSize=size, leading=1.3 * size, textColor=colour, splitLongWords=1
        )

    plain, large, badge = style("plain", 9), style("large", 15, "DejaVu-Bold"), style("badge", 11, "DejaVu-Bold")
    others = [style("faint", 8, colour=grey), style("small", 7.5), style("head", 7.5, "DejaVu-Bold")]
    return {one.name: one for one in (plain, large, badge, *others)}


def _text(text: str, style: str) -> Any:
    from reportlab.platypus import Paragraph

    styles = fonts()
    return Paragraph(escape(shown(text)), styles[style])


def shown(text: str) -> str:
    """Return text in letters that the font has; others as their number, so that names stay apart."""
    from reportlab.pdfbase import pdfmetrics

    fonts()
    known = pdfmetrics.getFont("DejaVu").face.charToGlyph
    return "".join(c if ord(c) in known or c == "\n" else f"\\u{ord(c):04x}" for c in text)


def _rgb(colour: tuple[int, int, int]) -> Any:
    from reportlab.lib.colors import Color

    return Color(*(value / 255 for value in colour))
