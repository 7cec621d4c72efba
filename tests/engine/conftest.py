"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

import batches
from fetalseg.models.card import Card
from standins import make_card


@pytest.fixture
def card() -> Card:
    return make_card(intervals=((100.0, 3.0), (300.0, 7.0)))


@pytest.fixture
def networks(monkeypatch):
    """The stand-in networks that were loaded in place of models."""
    made = []

    def load(task, *_):
        made.append(batches.Network(task))
        return made[-1]

    monkeypatch.setattr("fetalseg.pipeline.get_predictor", load)
    return made
