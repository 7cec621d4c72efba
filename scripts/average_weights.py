"""A model whose weights are the mean of two: of a training, and of one that went on from it.

    python scripts/average_weights.py FIRST SECOND OUT

The two lie near each other, and the mean is often better on new patients than either (Wortsman M et al., Model soups,
ICML 2022, arXiv:2203.05482). OUT gets the second's card, without figures, its split and its curves.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch

from fetalseg.models import catalogue, weights


def main(first: Path, second: Path, out: Path) -> None:
    """Fill the folder."""
    models = [catalogue.at(folder) for folder in (first, second)]
    networks = [model.load() for model in models]
    state = networks[1].state_dict()
    with torch.no_grad():
        for name, other in networks[0].state_dict().items():
            if state[name].is_floating_point():
                state[name].add_(other).div_(2)
    out.mkdir(parents=True, exist_ok=True)
    sha256 = weights.save(networks[1], out / weights.WEIGHTS)
    card = models[1].card
    training = {**card.training, "mean_of": [{"model": m.card.name, "sha256": m.card.sha256} for m in models]}
    replace(card, sha256=sha256, figures={}, training=training).write(out / weights.CARD)
    for name in ("split.csv", "curves.csv", "curves.png"):
        shutil.copy(second / name, out / name)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
