"""What the Growth dock says under the chart, as rich text. The words and numbers are the engine's."""

from __future__ import annotations

import html
from collections.abc import Sequence

from fetalseg.growth.assessment import CIRCULAR, Assessment
from fetalseg.growth.charts import Chart
from fetalseg.growth.flags import GrowthFlag
from fetalseg.growth.wording import age_from_hc_text, signed
from napari_fetalseg import wording
from napari_fetalseg.widgets import AMBER, RED

#: Colour, sign and word of a flag: those of *check*; the ones that ask for a specialist stand out.
_LOOK, _GRAVE = (AMBER, "!", "look again"), (RED, "‼", "specialist")
_FLAGS = {
    "microcephaly_range": _GRAVE,
    "macrocephaly_range": _GRAVE,
    "severe_microcephaly_range": (RED, "‼", "urgent"),
}


def flags(found: Assessment) -> str:
    """Return the flags, each with sign, word and source."""
    return _paragraphs([_flag(flag) for flag in found.flags])


def sentences(found: Assessment) -> str:
    """Return what else must be said."""
    parts = []
    if found.ga_days is None:
        suggested = age_from_hc_text(found.age_from_hc)
        parts += [f"Age that this head itself suggests: <b>{html.escape(suggested)}</b>"]
        parts += [html.escape(sentence) for sentence in CIRCULAR]
        parts += [html.escape(sentence) for sentence in found.sentences]
    else:
        parts += [f"<small>{html.escape(sentence)}</small>" for sentence in found.sentences]
        suggested = age_from_hc_text(found.age_from_hc)
        parts += [f"<small>Age that this head itself suggests, for comparison only: {html.escape(suggested)}.</small>"]
    return _paragraphs(parts)


def comparison(found: Sequence[tuple[Chart, Assessment]], chosen: Chart) -> str:
    """Return each chart's range and what it makes of each measure, side by side; empty without an age."""
    readings = found[0][1].readings
    if found[0][1].ga_days is None:
        return ""
    head = "".join(f"<th align='left'>{r.measure.upper()} {r.value_mm:.1f}</th>" for r in readings)
    rows = [f"<tr><th></th>{head}</tr>"]
    reasons: list[str] = []
    for chart, assessment in found:
        name = _bold(html.escape(chart.title), chart is chosen)
        cells = [f"<td>{name}<br><small>{_short(chart)}</small></td>"]
        for mine in assessment.readings:
            text = mine.centile_text or wording.UNKNOWN
            z = f"<br><small>z {signed(mine.z)}</small>" if mine.z is not None else ""
            cells.append(f"<td>{_bold(html.escape(text), chart is chosen)}{z}</td>")
            if mine.measure in chart.measures and not mine.centile_text and mine.reason:
                reasons.append(mine.reason)
        rows.append(f"<tr>{''.join(cells)}</tr>")
    told = " ".join(["Numbers of two charts are not to be compared with each other.", *dict.fromkeys(reasons)])
    return f"<table cellspacing='0' cellpadding='3'>{''.join(rows)}</table><small>{html.escape(told)}</small>"


def _paragraphs(parts: Sequence[str]) -> str:
    return "".join(f"<p style='margin-top:3px; margin-bottom:3px'>{part}</p>" for part in parts)


def _short(chart: Chart) -> str:
    return chart.range_text.replace(" 0d", "")


def _flag(flag: GrowthFlag) -> str:
    color, sign, word = _FLAGS.get(flag.code, _LOOK)
    text = flag.text[:1].upper() + flag.text[1:]
    return (
        f"<span style='color:{color}'><b>{sign} {word}:</b></span> {html.escape(text)} "
        f"<small>[{html.escape(flag.source)}]</small>"
    )


def _bold(text: str, on: bool) -> str:
    return f"<b>{text}</b>" if on else f"<span style='font-weight:400'>{text}</span>"
