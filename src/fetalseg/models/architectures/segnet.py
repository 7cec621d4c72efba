"""SegNet: a VGG-style encoder whose max-pooling indices tell the decoder where to put each value back.

References
----------
Badrinarayanan V, Kendall A, Cipolla R. SegNet: a deep convolutional encoder-decoder architecture for image
segmentation. IEEE TPAMI 2017;39(12):2481-2495 (arXiv:1511.00561, 2015). doi:10.1109/TPAMI.2016.2644615
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TITLE = "SegNet"
DEFAULTS: dict[str, Any] = {
    "widths": [24, 48, 96, 192, 192],
    "convolutions": [2, 2, 3, 3, 3],
    "slices": 1,
    "volume": False,
}


def reach(parameters: Mapping[str, Any]) -> int:
    """Return how many slices above and below can change a slice's answer."""
    return int({**DEFAULTS, **parameters}["slices"]) // 2


def margin(parameters: Mapping[str, Any]) -> int:
    """Return how many slices at either end of a stack are only looked at in training: all that have no neighbours."""
    return reach(parameters)


def build(parameters: Mapping[str, Any]) -> torch.nn.Module:
    """Return the network without trained weights.

    Parameters
    ----------
    parameters : mapping
        Names of `DEFAULTS`; what is missing is taken from there. With `volume` the network takes volumes (batch, 1,
        depth, rows, columns), each slice with its neighbours as `slices` channels; else single pictures.
        VGG-16, the original's encoder, has the widths 64-128-256-512-512 and the same numbers of convolutions.
    """
    from torch import nn

    from fetalseg.models.architectures._slices import SliceBySlice

    def block(channels: Sequence[int]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class SegNet(nn.Module):
        def __init__(self, widths: Sequence[int], convolutions: Sequence[int], in_channels: int) -> None:
            super().__init__()
            narrower = [in_channels, *widths[:-1]]
            self.encoder = nn.ModuleList(
                block([before, *[width] * n]) for before, width, n in zip(narrower, widths, convolutions, strict=True)
            )
            # The last convolution of a decoder block narrows to the width of the next finer one.
            finer = [widths[0], *widths[:-1]]
            self.decoder = nn.ModuleList(
                block([*[width] * n, after]) for width, n, after in zip(widths, convolutions, finer, strict=True)
            )
            self.classify = nn.Conv2d(widths[0], 1, 3, padding=1)
            self.pool = nn.MaxPool2d(2, return_indices=True)
            self.unpool = nn.MaxUnpool2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            places = []
            for stage in self.encoder:
                x, indices = self.pool(stage(x))
                places.append(indices)
            for stage in reversed(self.decoder):
                x = stage(self.unpool(x, places.pop()))
            answer: torch.Tensor = self.classify(x)
            return answer

    p = {**DEFAULTS, **parameters}
    network = SegNet(p["widths"], p["convolutions"], p["slices"])
    return SliceBySlice(network, p["slices"]) if p["volume"] else network
