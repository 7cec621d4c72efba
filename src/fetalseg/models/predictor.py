"""`Predictor`: a loaded network, fed with arrays; which device and which backend it runs on."""

from __future__ import annotations

import ctypes
import logging
import platform
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import BackendError, DeviceError
from fetalseg.models import catalogue
from fetalseg.models.card import Card
from fetalseg.models.weights import CARD
from fetalseg.settings import Backend, Device

_loading = threading.Lock()
_log = logging.getLogger(__name__)


class Predictor(Protocol):
    """A network ready to answer.

    Attributes
    ----------
    card : Card
    device : str
        ``"cpu"``, ``"cuda"`` or ``"mps"``.
    backend : str
        ``"torch"`` or ``"openvino"``.
    """

    card: Card
    device: str
    backend: str

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities for inputs (n, channels, [slices,] rows, columns), without the channels."""

    def describe(self) -> str:
        """Return the line that doors show: device, backend and model."""


def choose_device(wanted: Device = "auto") -> str:
    """Return the device to run on; torch is not imported where no GPU can be.

    Raises
    ------
    DeviceError
        If a device is asked for that this machine, or this build of torch, has not.
    """
    if wanted == "cpu" or (wanted == "auto" and not _gpu_possible()):
        return "cpu"
    from fetalseg.models.torch_import import import_torch

    import_torch()
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, available in there.items() if available), "cpu")
    if not there[wanted]:
        raise DeviceError(f"The device '{wanted}' is not available here; choose 'auto' or 'cpu'.")
    return wanted


@lru_cache(maxsize=1)
def _gpu_possible() -> bool:
    """Whether torch may find a GPU: importing it only to hear that there is none takes seconds."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if Path("/dev/kfd").exists():  # AMD's driver
        return True
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        found = ctypes.c_int(0)
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(found)) == 0 and found.value > 0
    except (OSError, AttributeError):
        return False


def get_predictor(task: str, model: str = "default", device: Device = "auto", backend: Backend = "auto") -> Predictor:
    """Return the predictor of a model, loaded once a process, device and backend.

    By itself, OpenVINO runs on the CPU where it can, and PyTorch everywhere else.

    Raises
    ------
    ModelError, DeviceError
    BackendError
        If OpenVINO is asked for and can't run this model, or not on this device.
    """
    found = catalogue.find(task, model)
    with _loading:
        if backend == "openvino" and device == "auto":
            device = "cpu"
        return _load(found.folder, (found.folder / CARD).stat().st_mtime_ns, choose_device(device), backend)


@lru_cache(maxsize=4)
def _load(folder: Path, changed: int, device: str, backend: Backend) -> Predictor:  # noqa: ARG001 (a changed card is loaded anew)
    model = catalogue.Model(Card.read(folder / CARD), folder)
    if backend == "openvino" and device != "cpu":
        raise BackendError(
            f"OpenVINO runs on the CPU, not on '{device}': choose the device 'cpu', or the backend 'torch'."
        )
    if backend != "torch" and device == "cpu":
        from fetalseg.models.backends.openvino_predictor import OpenVinoPredictor

        try:
            return OpenVinoPredictor(model)
        except BackendError as error:
            if backend == "openvino":
                raise
            _log.warning("%s PyTorch runs it.", error)
    from fetalseg.models.backends.torch_predictor import TorchPredictor

    return TorchPredictor(model, device)
