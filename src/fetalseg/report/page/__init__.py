"""``report.html``: a run's results on one page that needs nothing else, made from its output folder alone.

The same folder gives the same bytes. The page loads nothing: pictures lie in it, or beside it where it would grow too
large (see `pictures`), and its policy forbids the browser to ask for more.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fetalseg import RESEARCH
from fetalseg.growth.flags import PROMPT
from fetalseg.io.atomic import atomic_write
from fetalseg.report.page import cells, growth_plot, pictures, plots, record
from fetalseg.report.page.folder import Case, Folder, codes, read

__all__ = ["NAME", "Written", "write"]

NAME = "report.html"


@dataclass(frozen=True)
class Written:
    """What was written: the page, how many cases it has, and how many large pictures lie in it and beside it."""

    path: Path
    cases: int
    inside: int
    beside: int


def write(folder: str | Path, *, tick: Callable[[int, int, str], None] = lambda done, total, name: None) -> Written:
    """Write a run's report into its folder.

    Parameters
    ----------
    folder : path
        What ``fetalseg segment`` wrote.
    tick : callable
        Called as (done, total, name) after each case.

    Returns
    -------
    Written

    Raises
    ------
    UnreadableError
        If the folder holds no results.
    OutputError
        If the page can't be written.
    """
    found = read(folder)
    done = iter(range(1, len(found.cases) + 1))
    held = list(pictures.gather(found, lambda name: tick(next(done), len(found.cases), name)))
    parts = _template().generate(**_values(found, held))
    path = atomic_write(
        found.path / NAME, lambda file: file.writelines(part.encode("utf-8", "backslashreplace") for part in parts)
    )
    return Written(path, len(held), sum(bool(p.large) for p in held), sum(bool(p.link) for p in held))


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("fetalseg.report.page", package_path="")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(
        "page.html"
    )


def _source(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def _values(folder: Folder, held: list[pictures.Pictures]) -> dict[str, Any]:
    """Return what the template asks for."""
    chart = growth_plot.population(folder)
    script = _source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    flags = _flags(folder)
    return {
        "title": folder.title,
        "kind": ("file" if folder.task == "head" else "volume") + ("" if len(folder.cases) == 1 else "s"),
        "cases": len(folder.cases),
        "made_with": record.made_with(folder),
        "notes": record.notes(folder),
        "research": RESEARCH,
        "css": _source("page.css").replace("$research", RESEARCH),
        "js": script,
        "script_hash": f"sha256-{digest}",
        "counts": folder.counts,
        "signs": cells.SIGNS,
        "errors": folder.errors,
        "chart": chart[0] if chart else None,
        "plots": plots.distributions(folder),
        "flags": list(flags.values()),
        "prompt": PROMPT if any(codes(case.row, "growth_flags") for case in folder.cases) else "",
        "run": record.run(folder),
        "folded": record.folded(folder),
        "pictures_told": _pictures_told(held),
        "pictures": held,
        "data": _json(_data(folder, held, flags, chart[1] if chart else {})),
    }


def _pictures_told(held: list[pictures.Pictures]) -> str:
    beside = sum(bool(p.link) for p in held)
    if not beside:
        return "Every picture is in this page." if any(p.large for p in held) else "The run wrote no pictures."
    return (
        f"{sum(bool(p.large) for p in held)} large pictures are in this page, of the cases that ask for a look first; "
        f"the other {beside} are opened from overlays/ beside it, to keep the page small."
    )


def _flags(folder: Folder) -> dict[str, dict[str, Any]]:
    """Return the flags that were raised, the most frequent first, with words, sentence and count."""
    found: dict[str, dict[str, Any]] = {}
    for case in folder.cases:
        for code, text in dict(case.flags).items():
            known = found.setdefault(code, {"words": cells.code_words([code]), "text": text, "count": 0})
            known["count"] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1]["count"], item[0])))


def _data(
    folder: Folder, held: list[pictures.Pictures], flags: dict[str, Any], points: dict[str, list[int]]
) -> dict[str, Any]:
    """Return what the page's script works with."""
    columns = cells.columns(folder.task, dated=folder.dated)
    chart = growth_plot.chart_title(folder.record)
    return {
        "research": RESEARCH,
        "signs": cells.SIGNS,
        "states": [{"word": state, "count": count} for state, count in folder.counts.items()],
        "columns": [{"key": c.key, "title": c.title, "about": c.about, "numeric": c.numeric} for c in columns],
        "parts": [title for title, _ in cells.part_columns(folder.task)],
        "flags": flags,
        "points": points,
        "cases": [_case(case, columns, chart, own.link) for case, own in zip(folder.cases, held, strict=True)],
    }


def _case(case: Case, columns: tuple[cells.Column, ...], chart: str, link: str) -> dict[str, Any]:
    shown = [column.cell(case) for column in columns]
    return {
        "name": case.name,
        "state": case.state,
        "frame": cells.frame(case),
        "edited": cells.edited(case),
        "told": case.error,
        "headline": cells.headline(case),
        "flags": list(dict(case.flags)),
        "notes": [note for note in (cells.growth_sentence(case.row, chart), *case.notes) if note],
        "cells": [_cell(cell) for cell in shown],
        "details": [
            [label, cell.text, cell.full] if cell.full else [label, cell.text] for label, cell in cells.details(case)
        ],
        "parts": [[show(part).text for _, show in cells.part_columns(case.task)] for part in case.parts],
        "link": link,
    }


def _cell(cell: cells.Cell) -> list[Any]:
    return [cell.text, cell.sort, cell.rank, cell.full] if cell.full else [cell.text, cell.sort, cell.rank]


def _json(values: Any) -> str:
    """Return JSON that ends no script element, whatever its texts hold."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")
