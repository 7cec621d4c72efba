"""Checkpoints as safetensors: all that an interrupted training needs to go on as if it had not been."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from fetalseg.errors import ModelError

NAME = "checkpoint.safetensors"


def save(
    folder: Path,
    network: torch.nn.Module,
    average: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    state : dict
        Plain values (epoch, step, curves), stored in the file's header.
    """
    from safetensors.torch import save_file

    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    beside = folder / (NAME + ".part")
    # Cloned: safetensors refuses tensors that share memory, and wants them contiguous.
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, beside, {"state": json.dumps(state)})
    os.replace(beside, folder / NAME)


def load(
    folder: Path, network: torch.nn.Module, average: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any] | None:
    """Restore a checkpoint; return its state, or None where there is none.

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
    return state


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
