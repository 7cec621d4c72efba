"""`TorchPredictor`: a network on the CPU or a GPU by PyTorch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import DeviceError
from fetalseg.models import catalogue
from fetalseg.models.card import Card
from fetalseg.models.torch_import import import_torch

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
# What one picture of the bundled networks takes on a GPU at most, with room to spare.
_BYTES_A_PICTURE = 60_000_000


class TorchPredictor:
    """A network ready to answer; see `fetalseg.models.predictor.Predictor`.

    Parameters
    ----------
    model : catalogue.Model
    device : {"cpu", "cuda", "mps"}

    Attributes
    ----------
    at_once : int
        Pictures or slices that pass together; it halves where a GPU's memory runs out.
    """

    backend = "torch"

    def __init__(self, model: catalogue.Model, device: str) -> None:
        import_torch()
        import torch

        self.card: Card = model.card
        self.device = device
        self.at_once = _at_once(device)
        try:
            self._network = model.load().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        except RuntimeError as error:
            raise DeviceError(f"The model can't be moved to '{device}': {str(error).splitlines()[0]}") from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities for inputs (n, channels, [slices,] rows, columns), without the channels.

        On a GPU convolutions run in half precision. Where its memory does not suffice, pictures or slices pass in
        half as large portions from then on; where it lacks an operation of the network, the CPU takes over.

        Raises
        ------
        DeviceError
            If the memory does not suffice for one picture either.
        """
        import torch

        given = torch.from_numpy(batch)
        while True:
            try:
                with torch.inference_mode():
                    result: NDArray[np.float32] = self._answer(given).float().cpu().numpy()
                return result
            except NotImplementedError as error:
                if self.device == "cpu":
                    raise
                _log.warning("'%s' lacks an operation of this network, the CPU goes on: %s", self.device, error)
                self._network, self.device, self.at_once = self._network.float().to("cpu"), "cpu", _at_once("cpu")
            except RuntimeError as error:
                if not memory_ran_out(error):
                    raise
                if self.at_once == 1:
                    raise DeviceError(
                        f"The memory of '{self.device}' does not suffice for this model; choose the device 'cpu'."
                    ) from error
                self.at_once = max(1, self.at_once // 2)
                empty_cache(self.device)
                _log.warning("The memory of '%s' ran out; %d pictures at once from now on.", self.device, self.at_once)

    def _answer(self, given: torch.Tensor) -> torch.Tensor:
        import torch

        gpu = self.device != "cpu"
        with torch.autocast(self.device, torch.float16, enabled=gpu):
            if given.dim() == 5:
                self._network.at_once = self.at_once  # type: ignore[assignment]
                return torch.sigmoid(self._network(given.to(self.device)).float())[:, 0]
            parts = torch.split(given, self.at_once)
            answers = [self._network(p.to(self.device, memory_format=torch.channels_last)) for p in parts]
            return torch.sigmoid(torch.cat(answers).float())[:, 0]

    def describe(self) -> str:
        """Return the line that doors show: device, backend and model."""
        import torch

        threads = torch.get_num_threads()
        cpu = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        return f"{cpu if self.device == 'cpu' else self.device.upper()}, PyTorch · {self.card.name} {self.card.version}"


def memory_ran_out(error: RuntimeError) -> bool:
    """Return whether an error says that a device's memory did not suffice."""
    import torch

    # Apple's backend raises a plain RuntimeError that says so.
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)


def empty_cache(device: str) -> None:
    """Give back what torch keeps of a device's memory."""
    import torch

    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def _at_once(device: str) -> int:
    """Pictures at once: what keeps a CPU's caches warm, or what a GPU's free memory holds."""
    if device != "cuda":
        return 8
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(min(64, max(1, free // _BYTES_A_PICTURE)))
