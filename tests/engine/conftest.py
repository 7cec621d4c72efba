"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from fetalseg.models.card import Card
from standins import make_card


@pytest.fixture
def card() -> Card:
    return make_card(intervals=((100.0, 3.0), (300.0, 7.0)))
