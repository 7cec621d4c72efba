"""Weights in safetensors, half precision on disk, single precision in memory. A pickle is never loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import ModelError
from fetalseg.io.atomic import atomic_write
from fetalseg.models import architectures
from fetalseg.models.card import Card, file_sha256

if TYPE_CHECKING:
    import torch

WEIGHTS = "weights.safetensors"
CARD = "card.json"


def save(network: torch.nn.Module, path: Path) -> str:
    """Write a network's weights atomically in half precision; return the file's SHA-256.

    What half precision can't hold (a variance over 65504) stays in single precision.

    Raises
    ------
    ModelError
        If a weight is no finite number.
    OutputError
        If the file can't be written.
    """
    from safetensors.torch import save as packed

    tensors = {k: _smaller(k, v).detach().cpu().clone().contiguous() for k, v in network.state_dict().items()}
    atomic_write(path, lambda file: file.write(packed(tensors)))
    return file_sha256(path)


def _smaller(name: str, value: torch.Tensor) -> torch.Tensor:
    import torch

    if not value.dtype.is_floating_point:
        return value
    if not value.isfinite().all():
        raise ModelError(
            f"The training diverged: '{name}' is no finite number. Lower the learning rate and train anew."
        )
    half = value.to(torch.float16)
    return half if half.isfinite().all() else value.float()


def load(card: Card, path: Path) -> torch.nn.Module:
    """Build the card's network with the weights of a file.

    Raises
    ------
    ModelError
        If the file is missing, damaged, not the one that the card names, or no safetensors file.
    """
    from fetalseg.models.torch_import import import_torch

    import_torch()
    from safetensors.torch import load_file

    _check(card, path)
    network: torch.nn.Module = architectures.get(card.arch).build(card.parameters)
    try:
        tensors = {k: v.float() if v.dtype.is_floating_point else v for k, v in load_file(path).items()}
        network.load_state_dict(tensors)
    except Exception as error:  # safetensors raises its own family
        raise ModelError(f"{path.name} does not fit the architecture '{card.arch}'.") from error
    return network.eval().requires_grad_(False)


def read(card: Card, path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file by name, in single precision, without torch.

    Raises
    ------
    ModelError
        If the file is missing, damaged, not the one that the card names, or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    _check(card, path)
    try:
        return {name: np.asarray(value, np.float32) for name, value in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} of model '{card.name}' can't be read.") from error


def _check(card: Card, path: Path) -> None:
    """Refuse a file that is not the one that the card names."""
    if not path.exists():
        raise ModelError(f"The weights of model '{card.name}' are missing: {path}.")
    if file_sha256(path) != card.sha256:
        raise ModelError(f"{path.name} of model '{card.name}' is not the file that its card names; install it anew.")


def start_from(network: torch.nn.Module, trained: torch.nn.Module) -> None:
    """Copy into a network what a trained one of the same kind has learnt, before it is trained on.

    A network for volumes takes a picture network's layers, and the other way round: what is alike in name and shape.
    A first layer that sees another number of slices gets the mean of the trained filters, spread over its slices.

    Raises
    ------
    ModelError
        If less than half of the network's values find their like.
    """
    import torch

    learnt = {_plain(name): value for name, value in trained.state_dict().items()}
    taken = total = 0
    with torch.no_grad():
        for name, value in network.state_dict().items():
            total += value.numel()
            found = learnt.get(_plain(name))
            if found is not None and found.dim() == value.dim() == 4 and found.shape[1] != value.shape[1]:
                found = (found.sum(dim=1, keepdim=True) / value.shape[1]).expand(-1, value.shape[1], -1, -1)
            if found is not None and found.shape == value.shape:
                value.copy_(torch.where(found.isfinite(), found, value))
                taken += value.numel()
    if 2 * taken < total:
        raise ModelError("The model to start from is of another architecture or width than the one to be trained.")


def _plain(name: str) -> str:
    """The name of a layer in the picture network that a network for volumes holds."""
    return name.removeprefix("plain.")
