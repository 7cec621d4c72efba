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

import numpy as np

if TYPE_CHECKING:
    import torch

    from fetalseg.models.backends.graph import Graph, Value

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


def draw(graph: Graph, picture: Value, parameters: Mapping[str, Any]) -> Value:
    """Draw the network that `build` returns, of a volume the one that each slice passes.

    Pooling's indices are drawn as what they say: which of the four pixels of a block was the largest, the first
    of equal ones.

    Parameters
    ----------
    picture : value, shape (n, channels, rows, columns)

    Returns
    -------
    value
        The logits.
    """
    p = {**DEFAULTS, **parameters}
    prefix = "plain." if p["volume"] else ""

    def block(x: Value, name: str) -> Value:
        number = 0
        while f"{prefix}{name}.{number}.weight" in graph.weights:
            folded = graph.folded(f"{prefix}{name}.{number}", f"{prefix}{name}.{number + 1}")
            x = graph.op.relu(graph.convolution(x, *folded))
            number += 3
        return x

    x, places = picture, []
    for stage in range(len(p["widths"])):
        x, place = _pool(graph, block(x, f"encoder.{stage}"))
        places.append(place)
    for stage in reversed(range(len(p["widths"]))):
        x = block(_unpool(graph, x, places.pop()), f"decoder.{stage}")
    return graph.convolution(x, *graph.folded(f"{prefix}classify"))


def _pool(graph: Graph, x: Value) -> tuple[Value, list[Value]]:
    """Halve rows and columns; return the largest of each four pixels, and for each of them 1 where it was that one."""
    op = graph.op
    rows, columns = x.shape[2:]
    four = [
        op.strided_slice(x, [0, 0, row, column], [0, 0, rows, columns], [1, 1, 2, 2], [1, 1, 0, 0], [1, 1, 0, 0])
        for row in (0, 1)
        for column in (0, 1)
    ]
    largest = op.maximum(op.maximum(four[0], four[1]), op.maximum(four[2], four[3]))
    free = op.constant(np.float32(1))
    places = []
    for pixel in four[:3]:
        place = op.multiply(op.convert(op.equal(pixel, largest), np.float32), free)
        free = op.subtract(free, place)
        places.append(place)
    return largest, [*places, free]


def _unpool(graph: Graph, x: Value, places: list[Value]) -> Value:
    """Put each value back where the largest pixel was, 0 elsewhere."""
    four = [graph.op.multiply(x, place) for place in places]
    return graph.op.depth_to_space(graph.op.concat(four, 1), "blocks_first", 2)
