"""Checkpoints as safetensors: all that an interrupted training needs to go on as if it had not been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from fetalseg.errors import ModelError
from fetalseg.io.atomic import atomic_write

NAME = "checkpoint.safetensors"

#: The weights of the best epoch by name, on the CPU; empty before the first epoch is over.
Best = dict[str, torch.Tensor]


def save(
    folder: Path,
    network: torch.nn.Module,
    average: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Best,
    state: dict[str, Any],
) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    state : dict
        Plain values (epoch, step, curves, what is trained), stored in the file's header.

    Raises
    ------
    OutputError
    """
    from safetensors.torch import save as packed

    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in best.items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    # Cloned: safetensors refuses tensors that share memory, and wants them contiguous.
    whole = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    atomic_write(folder / NAME, lambda file: file.write(packed(whole, {"state": json.dumps(state)})), sync=True)


def about(folder: Path) -> dict[str, Any] | None:
    """Return what the checkpoint of a folder was trained with, or None where there is none.

    Empty for a checkpoint that does not tell.

    Raises
    ------
    ModelError
        If the checkpoint is damaged.
    """
    from safetensors import safe_open

    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as handle:
            found: dict[str, Any] = json.loads((handle.metadata() or {})["state"]).get("about", {})
    except Exception as error:  # safetensors raises its own family
        raise ModelError(f"{path} is damaged; delete it to start anew.") from error
    return found


def load(
    folder: Path, network: torch.nn.Module, average: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Any], Best] | None:
    """Restore a checkpoint; return its state and the best weights, or None where there is none.

    Raises
    ------
    ModelError
        If the checkpoint is damaged or belongs to another network.
    """
    from safetensors import safe_open

    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as handle:
            state: dict[str, Any] = json.loads((handle.metadata() or {})["state"])
            tensors = {k: handle.get_tensor(k) for k in handle.keys()}  # noqa: SIM118 (not a dict)
        network.load_state_dict(_under(tensors, "network."))
        average.load_state_dict(_under(tensors, "average."))
    except Exception as error:  # safetensors raises its own family
        raise ModelError(f"{path} is damaged or belongs to another network; delete it to start anew.") from error
    values: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _under(tensors, "optimizer.").items():
        number, key = name.split(".", 1)
        values.setdefault(int(number), {})[key] = tensor
    whole = optimizer.state_dict()
    whole["state"] = values
    optimizer.load_state_dict(whole)
    # Checkpoints of before best weights were kept have none: the last ones then stand for them.
    return state, _under(tensors, "best.") or _under(tensors, "average.")


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
