"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from fetalseg.models.card import Card


@pytest.fixture
def card() -> Card:
    return Card(
        name="stand-in",
        task="head",
        arch="unet",
        title="Stand-in",
        version="0",
        parameters={},
        input_rows=192,
        input_columns=288,
        sha256="0" * 64,
        intervals=((100.0, 3.0), (300.0, 7.0)),
    )
