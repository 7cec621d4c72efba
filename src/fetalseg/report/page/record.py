"""The run's own record in words: models, device, versions, counts, time.

The command as typed and paths stay out: they may name a patient where the table does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fetalseg.report.page.cells import UNKNOWN
from fetalseg.report.page.folder import RECORD, Folder
from fetalseg.report.page.growth_plot import chart_of

Line = tuple[str, str, str]


def made_with(folder: Folder) -> str:
    """Return product, model and day of a run in a line."""
    product, model = _of(folder, "product"), _of(folder, "model")
    parts = [
        f"{product.get('name', '')} {product.get('version', '')}".strip(),
        f"model {model['name']}" if model.get("name") else "",
    ]
    return " · ".join(part for part in (*parts, str(folder.record.get("started", ""))[:10]) if part)


def notes(folder: Folder) -> list[str]:
    """Return what must be said before any number."""
    if not folder.record:
        return [f"{RECORD} is missing or damaged: what the numbers were made with is not known."]
    counts = _of(folder, "counts")
    if folder.record.get("finished") is False:
        done = f"{counts.get('done', '?')} of {counts.get('files', '?')}"
        return [f"The run was stopped after {done} files; the others are not here."]
    return []


def run(folder: Folder) -> list[Line]:
    """Return label, value and kind (``"mono"`` of what is to be compared sign by sign) of what a run was."""
    record, product = folder.record, _of(folder, "product")
    lines: list[Line] = [("Task", folder.title, "")]
    if product:
        lines.append(("Product", f"{product.get('name', '')} {product.get('version', '')}", ""))
        lines.append(("Commit", str(product.get("commit") or UNKNOWN), "mono"))
    for name, sha256 in _models(folder):
        lines.append(("Model", f"{name}, weights' sha256 {sha256}" if sha256 else f"{name}, without weights", "mono"))
    for label, key in (("Device", "device"), ("Backend", "backend"), ("Started", "started"), ("Ended", "ended")):
        if record.get(key):
            lines.append((label, str(record[key]), ""))
    lines += _time(folder)
    lines += _growth(folder)
    for label, key in (("Python", "python"), ("Platform", "platform")):
        if record.get(key):
            lines.append((label, str(record[key]), ""))
    return lines


def folded(folder: Folder) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what is shown on demand: settings and library versions."""
    settings = [(name, _plain(value)) for name, value in _of(folder, "settings").items()]
    libraries = [(name, str(value)) for name, value in _of(folder, "libraries").items()]
    return [(label, pairs) for label, pairs in (("Settings", settings), ("Library versions", libraries)) if pairs]


def _models(folder: Folder) -> list[tuple[str, str]]:
    """Return name and weights' hash of each model: the run's, and those that only rows tell."""
    model = _of(folder, "model")
    found = {(str(model.get("name", "")), str(model.get("sha256", ""))): None} if model.get("name") else {}
    rows = (row for case in folder.cases for row in (case.row, *case.parts) if not case.failed)
    found |= dict.fromkeys((row.get("model", ""), row.get("model_sha256", "")) for row in rows)
    return [pair for pair in found if pair[0]]


def _time(folder: Folder) -> list[Line]:
    counts, wall = _of(folder, "counts"), folder.record.get("wall_s")
    lines: list[Line] = []
    if isinstance(wall, int | float):
        done = counts.get("done")
        each = f", {wall / done:.2f} s a file" if isinstance(done, int) and done else ""
        lines.append(("Time", f"{wall:.1f} s{each}", ""))
    told = [f"{value} {str(name).replace('_', ' ')}" for name, value in counts.items()]
    return [*lines, ("Counts", ", ".join(told), "")] if told else lines


def _growth(folder: Folder) -> list[Line]:
    growth, chart = _of(folder, "growth"), chart_of(folder.record)
    if not growth:
        return []
    name = chart.title if chart else _plain(growth.get("chart"))
    lines: list[Line] = [("Growth chart", f"{name}, version {growth.get('chart_version', '')}", "")]
    if growth.get("chart_source"):
        lines.append(("Chart's source", str(growth["chart_source"]), ""))
    lines.append(("Exams", f"{_plain(growth.get('exams'))}, sha256 {growth.get('exams_sha256', '')}", "mono"))
    return lines


def _of(folder: Folder, key: str) -> Mapping[str, Any]:
    value = folder.record.get(key)
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> str:
    """Return a setting as text; of a path its last part only."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return re.split(r"[\\/]", str(value))[-1]


def short(folder: Folder) -> str:
    """Return device, backend and commit in a line."""
    commit = str(_of(folder, "product").get("commit") or "")
    parts = [
        str(folder.record.get("device") or ""),
        str(folder.record.get("backend") or ""),
        commit and f"commit {commit[:12]}",
    ]
    return " · ".join(part for part in parts if part)
