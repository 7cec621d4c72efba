"""The last choices of each task, kept in napari's own settings (Preferences > FetalSeg)."""

from __future__ import annotations

import logging
from typing import Any

from fetalseg.errors import SettingsError
from fetalseg.settings import SegmentSettings

log = logging.getLogger(__name__)
PLUGIN = "napari-fetalseg"

_NETWORK = ("model", "device", "level", "flips")
#: What a person chooses for a task and finds again; the other settings mean nothing to it, or belong to one scan.
CHOICES: dict[str, tuple[str, ...]] = {
    "head": (*_NETWORK, "second_look", "keep_largest"),
    "tumour": (*_NETWORK, "smallest_lesion_voxels"),
    "fetal-brain": (),
}


def load(task: str) -> SegmentSettings:
    """Return the settings last used for a task; the defaults where there are none."""
    section = _section(task)
    if section is None:
        return SegmentSettings(task=task)
    try:
        kept = {name: getattr(section, name) for name in CHOICES[task]}
        return SegmentSettings(**kept | {"task": task, "level": float(kept.get("level") or 0.0) or None})
    except (SettingsError, AttributeError, TypeError, ValueError) as error:
        log.warning("The kept settings of '%s' can't be used (%s); the defaults are.", task, error)
        return SegmentSettings(task=task)


def save(settings: SegmentSettings) -> None:
    """Keep the settings of a task."""
    section = _section(settings.task)
    if section is None:
        return
    values = settings.to_dict()
    for name in CHOICES[settings.task]:
        setattr(section, name, values[name] if values[name] is not None else 0.0)


def _section(task: str) -> Any | None:
    """The task's part of napari's settings; None where the plugin is not installed in this napari."""
    from napari.settings import get_plugin_settings

    try:
        return getattr(get_plugin_settings(PLUGIN), task.replace("-", "_"), None)
    except KeyError:
        return None


def recall(section: str, name: str) -> str:
    """Return what was remembered under a name; empty where nothing was."""
    found = _section(section)
    return str(getattr(found, name, "") or "")


def remember(section: str, name: str, value: str) -> None:
    """Keep a text under a name."""
    found = _section(section)
    if found is not None:
        setattr(found, name, value)
