"""U-Net over the slices of a volume: a 2-D encoder and decoder whose deep features are mixed along the slices.

Each slice enters with its two neighbours. At the three coarsest levels, where a feature stands for a piece of anatomy,
features are mixed with those of the slices above and below, so that a lesion found at both ends is not lost in
its middle. Costs hardly more than the plain 2-D network.

References
----------
Ronneberger O, Fischer P, Brox T. U-Net. MICCAI 2015. doi:10.1007/978-3-319-24574-4_28
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fetalseg.models.architectures import unet

if TYPE_CHECKING:
    import torch

    from fetalseg.models.backends.graph import Graph, Value

TITLE = "U-Net"
DEFAULTS: dict[str, Any] = {
    "encoder": unet.DEFAULTS["encoder"],
    "decoder_channels": unet.DEFAULTS["decoder_channels"],
    "slices": 3,
    "dilations": [[1, 2], [1, 2, 4], [1, 2, 4]],
}


def reach(parameters: Mapping[str, Any]) -> int:
    """Return how many slices above and below can change a slice's answer."""
    p = {**DEFAULTS, **parameters}
    return int(p["slices"]) // 2 + int(max(sum(d) for d in p["dilations"]))


def margin(parameters: Mapping[str, Any]) -> int:  # noqa: ARG001 (the same question to all architectures)
    """Return how many slices at either end of a stack are only looked at in training: none, as at a volume's ends."""
    return 0


def build(parameters: Mapping[str, Any]) -> torch.nn.Module:
    """Return the network without trained weights.

    It takes (batch, 1, depth, rows, columns) and returns logits of the same shape.

    Parameters
    ----------
    parameters : mapping
        Names of `DEFAULTS`; what is missing is taken from there.
    """
    import torch
    from torch import nn

    from fetalseg.models.architectures._slices import AlongSlices, with_neighbours

    p = {**DEFAULTS, **parameters}

    class SliceUNet(nn.Module):
        #: Slices that pass encoder and decoder together when answering; a matter of memory, not of the result.
        at_once = 8

        def __init__(self) -> None:
            super().__init__()
            self.plain = unet.build({**p, "in_channels": p["slices"]})
            deep = self.plain.encoder.out_channels[-len(p["dilations"]) :]  # type: ignore[union-attr, index]
            self.along = nn.ModuleList(AlongSlices(c, tuple(d)) for c, d in zip(deep, p["dilations"], strict=True))

        def forward(self, volume: torch.Tensor) -> torch.Tensor:
            batch, _, depth, rows, columns = volume.shape
            pictures = with_neighbours(volume, p["slices"])
            portion = len(pictures) if self.training else self.at_once
            parts = [self.plain.encoder(part) for part in torch.split(pictures, portion)]  # type: ignore[operator]
            levels = [torch.cat(level) if len(level) > 1 else level[0] for level in zip(*parts, strict=True)]
            del parts, pictures
            first = len(levels) - len(self.along)
            for number, mix in enumerate(self.along):
                levels[first + number] = mix(levels[first + number], depth)
            answers = []
            for start in range(0, batch * depth, portion):
                decoded = self.plain.decoder([level[start : start + portion] for level in levels])  # type: ignore[operator]
                answers.append(self.plain.segmentation_head(decoded))  # type: ignore[operator]
            return torch.cat(answers).view(batch, 1, depth, rows, columns)

    return SliceUNet()


def draw_encoder(graph: Graph, picture: Value, parameters: Mapping[str, Any]) -> list[Value]:
    """Draw what a slice passes first, its neighbours as channels: the encoder, as far as all slices are alone."""
    return unet.draw_encoder(graph, picture, {**DEFAULTS, **parameters}["encoder"], "plain.")


def draw_mixing(graph: Graph, features: Value, level: int, parameters: Mapping[str, Any]) -> Value:
    """Draw how one of the deep levels is mixed along the slices.

    Parameters
    ----------
    features : value, shape (1, channels, slices, pixels)
    level : int
        From 0, the finest of the levels that are mixed.
    """
    for number, dilation in enumerate({**DEFAULTS, **parameters}["dilations"][level]):
        block = f"along.{level}.blocks.{number}."
        weight, bias = graph.folded(f"{block}0", f"{block}1")
        ends = graph.op.constant([0, 0, dilation, 0])
        x = graph.op.pad(features, ends, ends, "edge")
        x = graph.convolution(x, weight[..., None], bias, dilation=(dilation, 1), pads=((0, 0), (0, 0)))
        weight, bias = graph.folded(f"{block}3")
        features = graph.op.add(features, graph.convolution(graph.op.relu(x), weight[..., None], bias))
    return features


def draw_decoder(graph: Graph, levels: list[Value]) -> Value:
    """Draw the decoder over a slice's features; return the logits."""
    return unet.draw_decoder(graph, levels, "plain.")


def start_from_imagenet(network: torch.nn.Module) -> None:
    """Load ImageNet weights into the encoder; see `unet.start_from_imagenet`."""
    unet.start_from_imagenet(network.plain)  # type: ignore[arg-type]
