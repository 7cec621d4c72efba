"""Fixtures that all rooms share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_models_folder(tmp_path_factory, monkeypatch):
    """No test sees, or leaves, models in the user's own folder."""
    monkeypatch.setenv("FETALSEG_MODELS", str(tmp_path_factory.mktemp("models")))
