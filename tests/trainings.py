"""Small pictures in HC18's layout, and a network that is trained on them in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fetalseg.geometry import ellipse as ellipses
from fetalseg.models import architectures, catalogue, weights
from fetalseg.result import Ellipse
from fetalseg.settings import HeadTrainSettings
from standins import disc, make_card

#: A SegNet of two stages: an epoch takes a moment.
NETWORK = {"widths": [4, 8], "convolutions": [1, 1]}
QUICK = HeadTrainSettings(
    arch="segnet",
    parameters=NETWORK,
    input_rows=64,
    input_columns=96,
    epochs=3,
    batch_size=2,
    imagenet=False,
    kept_out=0.3,
    seed=1,
)


def write_heads(folder: Path, count: int = 6) -> Path:
    """Write annotated discs, one an exam."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = ["filename,pixel size(mm),head circumference (mm)"]
    for number in range(count):
        truth = Ellipse(80 + 5 * (number % 6), 55, 40 - number % 6, 30 - number % 6, 20.0 * number)
        stem = f"{number:03}_HC"
        noise = rng.integers(0, 40, (110, 160)).astype(np.uint8)
        Image.fromarray(disc(truth, (110, 160)) // 2 + noise).save(folder / f"{stem}.png")
        drawn = np.zeros((110, 160), np.uint8)
        x, y = np.round(ellipses.outline(truth, 2000)).astype(int).T
        drawn[y, x] = 255
        Image.fromarray(drawn).save(folder / f"{stem}_Annotation.png")
        rows.append(f"{stem}.png,0.5,{0.5 * ellipses.circumference(truth.semi_major, truth.semi_minor):.2f}")
    (folder / "training_set_pixel_size_and_HC.csv").write_text("\n".join(rows))
    return folder


def write_model(folder: Path, name: str, seed: int = 0, split: dict[str, tuple[str, str]] | None = None) -> Path:
    """Write an untrained network with its card and, where given, its ``split.csv``."""
    import torch

    from fetalseg.dataset.split import Split

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    sha256 = weights.save(architectures.get("segnet").build(NETWORK), folder / weights.WEIGHTS)
    card = make_card(
        name=name, arch="segnet", title="SegNet", parameters=NETWORK, input_rows=64, input_columns=96, sha256=sha256
    )
    card.write(folder / weights.CARD)
    if split is not None:
        Split(split).write(folder / "split.csv")
    assert catalogue.at(folder).card == card
    return folder
