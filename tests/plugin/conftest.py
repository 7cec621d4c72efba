"""A napari window with both docks, and a network that finds bright heads at once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QItemSelectionModel, QThreadPool

from fetalseg import tasks
from fetalseg.models import catalogue
from fetalseg.models.card import Card
from napari_fetalseg.layers.drawing import drawing_of
from standins import SHAPE, TRUTH, bright, disc, make_card
from tumours import CARD, bright_volume


@dataclass
class StandIn:
    """What the pipeline calls a predictor; `gate` holds it up, `error` makes it fail."""

    card: Card
    device: str = "cpu"
    backend: str = "stand-in"
    gate: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    pause_s: float = 0.0
    calls: int = 0
    answer: Callable[[np.ndarray], np.ndarray] = bright

    def describe(self) -> str:
        return "CPU · standin 1.0"

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.calls += 1
        self.gate.wait(10)
        if self.pause_s:
            threading.Event().wait(self.pause_s)
        if self.error is not None:
            raise self.error
        return self.answer(batch)


def install(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, folder: Path, serves: Callable[[str | None], bool]
) -> StandIn:
    """Make a stand-in the only model of the tasks that it serves."""
    stand_in.gate.set()
    model = catalogue.Model(stand_in.card, folder)
    monkeypatch.setattr("fetalseg.pipeline.get_predictor", lambda *_: stand_in)
    monkeypatch.setattr(catalogue, "models", lambda task=None: [model] if serves(task) else [])
    monkeypatch.setattr(catalogue, "find", lambda task, name="default": model)
    return stand_in


@pytest.fixture
def predictor(monkeypatch, tmp_path):
    card = make_card(
        intervals=((50.0, 2.0), (350.0, 4.0)),
        figures={"kept_out": {"dsc": 97.9, "adf_mm": 1.8}},
        limits="Bright discs only.",
    )
    return install(StandIn(card), monkeypatch, tmp_path, lambda _task: True)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch):
    """No test sees, or leaves, choices in the user's own settings."""
    monkeypatch.setattr("napari_fetalseg.preferences._section", lambda task: None)


def _threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)}


@pytest.fixture
def nothing_left(qtbot, qapp, monkeypatch, tmp_path):
    """No widget of a dock that works on many scans, thread, temporary or half-written file outlives a test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    threads = _threads()
    yield
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=10_000)
    gc.collect()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    docks = ("napari_fetalseg.batch", "napari_fetalseg.review")
    assert [w for w in qapp.allWidgets() if type(w).__module__.startswith(docks)] == []
    assert _threads() <= threads
    assert list((tmp_path / "temporary").iterdir()) == []
    assert list(tmp_path.rglob(".fetalseg-*.part")) == []


@pytest.fixture
def head():
    """A picture with a bright head of known size."""
    return disc(TRUTH, SHAPE)


class Window:
    """A viewer with the Segment and the Measurements dock."""

    def __init__(self, viewer, qtbot) -> None:
        from napari_fetalseg.actions import open_docks

        self.viewer, self.qtbot = viewer, qtbot
        self.segment, self.measurements = open_docks(viewer)
        self.session = self.segment.session

    def add(self, pixels, **looks):
        layer = self.viewer.add_image(pixels, contrast_limits=(0, 255), **{"name": "scan", "rgb": False, **looks})
        self.viewer.reset_view()
        self.qtbot.wait(30)
        return layer

    def run(self, every: bool = False) -> None:
        self.segment.all_frames.setChecked(every)
        self.segment.this_frame.setChecked(not every)
        self.segment.press()
        self.settle()

    def settle(self, timeout: int = 10_000) -> None:
        """Wait until nothing runs."""
        idle = lambda: not self.session.running and not self.session.edits.busy  # noqa: E731
        self.qtbot.wait(20)
        self.qtbot.waitUntil(idle, timeout=timeout)
        self.qtbot.waitUntil(lambda: not any(d.waiting for d in drawing_of(self.viewer)._drawn), timeout=timeout)
        self.qtbot.wait(20)

    def drawn(self, series=None):
        """The layers of a series; of the newest one by default."""
        return drawing_of(self.viewer).layers_of(series or self.session.series[-1])

    def result(self, frame: int = 0, series=None):
        return (series or self.session.series[-1]).results[frame]

    def pick(self, row: int) -> None:
        """Select one row of the table, whatever keys are held and wherever its header stands."""
        choice = self.measurements.table.selectionModel()
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        choice.setCurrentIndex(self.measurements.proxy.index(row, 0), flags)

    def cell(self, row: int, title: str) -> str:
        from napari_fetalseg.table_model import COLUMNS

        column = [c.title for c in COLUMNS].index(title)
        return self.measurements.proxy.index(row, column).data()


def on_screen(make_napari_viewer):
    """A viewer that is shown, of a size that the tests know."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1200, 800)
    return viewer


def until_settled(made: Window, stand_in: StandIn, wait: int = 0) -> Iterator[Window]:
    """Lend a window to a test, and leave it with nothing running."""
    made.qtbot.wait(wait)
    yield made
    stand_in.gate.set()
    made.settle()


@pytest.fixture
def window(make_napari_viewer, qtbot, predictor):
    yield from until_settled(Window(make_napari_viewer(show=False), qtbot), predictor)


@pytest.fixture
def shown(make_napari_viewer, qtbot, predictor):
    """The same on the screen, for the mouse."""
    yield from until_settled(Window(on_screen(make_napari_viewer), qtbot), predictor, wait=200)


@pytest.fixture
def network(monkeypatch, tmp_path):
    """A stand-in for the tumour's only model."""
    return install(StandIn(CARD, answer=bright_volume), monkeypatch, tmp_path, lambda task: task in (None, "tumour"))


class Volumes(Window):
    """A window in which a volume is looked at."""

    def target(self, task: str) -> None:
        """Choose what to find."""
        self.segment._target_buttons[tasks.NAMES.index(task)].click()

    def run(self, whole: bool = True, task: str = "tumour") -> None:
        self.target(task)
        super().run(whole)

    def row(self, row: int) -> dict[str, str]:
        """The visible cells of a row, by title."""
        from napari_fetalseg.table_model import COLUMNS

        model = self.measurements.model
        return {COLUMNS[c].title: model.index(row, c).data() for c in model.columns()}


@pytest.fixture
def volumes(make_napari_viewer, qtbot, network):
    yield from until_settled(Volumes(make_napari_viewer(show=False), qtbot), network)


@pytest.fixture
def shown_volumes(make_napari_viewer, qtbot, network):
    """The same on the screen, for the mouse."""
    yield from until_settled(Volumes(on_screen(make_napari_viewer), qtbot), network, wait=200)
