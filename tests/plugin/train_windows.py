"""A small data set, a tiny network, and what a Train dock needs in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtGui import QTextDocument

from fetalseg.dataset.adding import New, add
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.store import Store
from fetalseg.models import architectures, weights
from fetalseg.result import Ellipse
from fetalseg.scan import Scan, Spacing
from napari_fetalseg.actions import PLUGIN
from napari_fetalseg.train.progress import Phase
from standins import disc, make_card

# A process imports torch first, beside whatever else the machine does.
PATIENCE = 180_000

SHAPE, MM = (64, 96), Spacing(0.5, 0.5, "typed in")
#: Pictures and exams: two pictures an exam.
PICTURES, EXAMS = 20, 10
KEPT_OUT, SEED = 40, 3


def head(number: int) -> Ellipse:
    return Ellipse(44.0 + number % 5, 32.0, 26.0 - number % 7, 18.0 - number % 4, 20.0 * number)


def make_store(folder: Path) -> Store:
    """Bright discs in noise: 20 accepted of ten exams, one rejected, one waiting."""
    store = Store.create(folder, "head")
    rng = np.random.default_rng(0)
    for number in range(PICTURES + 2):
        pixels = disc(head(number), SHAPE) // 2 + rng.integers(0, 60, SHAPE).astype(np.uint8)
        scan = Scan.from_array(pixels, f"{number}.png", MM)
        prediction = Prediction(Annotation.of("head", SHAPE, MM, ellipse=head(number)), "unet")
        add(store, [New(scan, f"{number:02}", f"exam{number // 2}", prediction=prediction)])
    for number in range(PICTURES):
        store.accept(f"{number:02}", annotator="A")
    store.reject(f"{PICTURES}", annotator="A")
    return store


def install_tiny(folder: Path, name: str = "tiny") -> Path:
    """Put an untrained network that trains in a second among the user's models."""
    import torch

    torch.manual_seed(0)
    parameters = {"widths": [4, 4, 4, 4, 4], "convolutions": [1, 1, 1, 1, 1], "slices": 1, "volume": False}
    network = architectures.get("segnet").build(parameters)
    out = folder / name
    out.mkdir(parents=True)
    card = make_card(
        name=name,
        title="Tiny",
        arch="segnet",
        parameters=parameters,
        input_rows=64,
        input_columns=96,
        sha256=weights.save(network, out / weights.WEIGHTS),
    )
    card.write(out / weights.CARD)
    return out


def plain(label: Any) -> str:
    """A label's words without their looks."""
    document = QTextDocument()
    document.setHtml(label.text())
    return " ".join(document.toPlainText().replace("\xa0", " ").split())


def open_train(viewer: Any) -> Any:
    """The Train dock, opened as the menu does."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    widget.place()
    return widget


def until(qtbot: Any, dock: Any, *phases: Phase) -> None:
    """Wait until the watched training has come so far."""
    qtbot.waitUntil(lambda: dock.training is not None and dock.training.phase in phases, timeout=PATIENCE)
