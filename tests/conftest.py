"""Fixtures that all rooms share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# No deadline: the machine may be busy. On CI the same examples at every run; elsewhere new ones are looked for.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _own_models_folder(tmp_path_factory, monkeypatch):
    """No test sees, or leaves, models in the user's own folder."""
    monkeypatch.setenv("FETALSEG_MODELS", str(tmp_path_factory.mktemp("models")))


def pytest_collection_modifyitems(items):
    """Of two workers one has all that opens windows, which share a screen and its focus; the rest goes by file."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group("windows" if folder == "plugin" else str(item.path)))
