"""`Predictor`: a loaded network on a device, fed with arrays."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import DeviceError
from fetalseg.models import catalogue
from fetalseg.models.card import Card
from fetalseg.models.weights import CARD
from fetalseg.settings import Device

_loading = threading.Lock()


class Predictor:
    """A network ready to answer.

    Parameters
    ----------
    model : catalogue.Model
    device : {"cpu", "cuda", "mps"}

    Attributes
    ----------
    card : Card
    device : str
    backend : str
        ``"torch"``.
    """

    backend = "torch"

    def __init__(self, model: catalogue.Model, device: str) -> None:
        import torch

        self.card: Card = model.card
        self.device = device
        try:
            self._network = model.load().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        except RuntimeError as error:
            raise DeviceError(f"The model can't be moved to '{device}': {str(error).splitlines()[0]}") from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (n, rows, columns) for inputs (n, channels, rows, columns)."""
        import torch

        with torch.inference_mode():
            given = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
            try:
                answer = self._network(given).sigmoid()[:, 0]
            except torch.OutOfMemoryError as error:
                raise DeviceError(
                    f"The memory of '{self.device}' does not suffice for this model; choose the device 'cpu'."
                ) from error
            result: NDArray[np.float32] = answer.float().cpu().numpy()
        return result

    def describe(self) -> str:
        """Return the line that doors show: device and model."""
        import torch

        where = f"CPU, {torch.get_num_threads()} threads" if self.device == "cpu" else self.device.upper()
        return f"{where} · {self.card.name} {self.card.version}"


def choose_device(wanted: Device = "auto") -> str:
    """Return the device to run on.

    Raises
    ------
    DeviceError
        If a device is asked for that this machine, or this build of torch, has not.
    """
    if wanted == "cpu":
        return "cpu"
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, available in there.items() if available), "cpu")
    if not there[wanted]:
        raise DeviceError(f"The device '{wanted}' is not available here; choose 'auto' or 'cpu'.")
    return wanted


def get_predictor(task: str, model: str = "default", device: Device = "auto") -> Predictor:
    """Return the predictor of a model, loaded once a process and device.

    Raises
    ------
    ModelError, DeviceError
    """
    found = catalogue.find(task, model)
    with _loading:
        return _load(found.folder, (found.folder / CARD).stat().st_mtime_ns, choose_device(device))


@lru_cache(maxsize=4)
def _load(folder: Path, changed: int, device: str) -> Predictor:  # noqa: ARG001 (a changed card is loaded anew)
    return Predictor(catalogue.Model(Card.read(folder / CARD), folder), device)
