"""What the Batch dock says of a run, in sentences of HTML."""

from __future__ import annotations

import html

from fetalseg import tasks
from fetalseg.batch import telling
from fetalseg.batch.run import Event
from napari_fetalseg.batch.choice import Choice
from napari_fetalseg.batch.runner import Ended
from napari_fetalseg.widgets import AMBER, link

_BANG = f"<span style='color:{AMBER}'><b>!</b></span> "


def progress(event: Event, rate: telling.Rate, unchanged: int, *, paused: bool = False) -> str:
    """Return ``12 of 40 · 0.8 s each · 23 s left · 1 failed``."""
    pace, rest = rate(event)
    parts = [
        f"{event.done} of {event.total}",
        "paused" if paused else "",
        telling.each(pace),
        f"{telling.left(rest)} left" if rest and not paused else "",
        f"{event.failed} failed" if event.failed else "",
        f"{unchanged} done before" if unchanged else "",
    ]
    return " · ".join(part for part in parts if part)


def heading(choice: Choice) -> str:
    """Return what is run on, and where the results go."""
    names = (html.escape(path.name or str(path)) for path in (choice.folder, choice.out))
    return "<b>{}</b> → {}".format(*names)


def ended(end: Ended) -> str:
    """Return what a run did, and what to do next."""
    summary, choice = end.summary, end.choice
    volume = bool(tasks.get(choice.settings.task).VOLUME)
    words = html.escape(f"{telling.done(summary, volume=volume)}.")
    if end.stopped:
        words = f"Stopped; what was finished is kept, and <i>Start batch</i> goes on from there. {words}"
    elif summary.unchanged and summary.unchanged == summary.files - summary.failed:
        words = f"All was done before, and nothing has changed since. {words}"
    elif summary.unchanged:
        words = f"{summary.unchanged} were done before and left as they were. {words}"
    lines = [f"{words} {link('folder', 'Open the folder')}"]
    others = telling.elsewhere(summary, choice.out.name)
    lines += [_BANG + html.escape(others)] if others else []
    told = list(dict.fromkeys(summary.warnings))
    if told:
        more = f" ({len(told) - 1} more of these, in run.json)" if len(told) > 1 else ""
        lines.append(_BANG + html.escape(told[0]) + more)
    return "<br>".join(lines)
