"""Where the network runs: a GPU's answers, memory that runs out, and what a device lacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalseg.errors import DeviceError
from fetalseg.models import catalogue
from fetalseg.models.backends.torch_predictor import TorchPredictor
from fetalseg.models.predictor import choose_device


class OnesNetwork(torch.nn.Module):
    """Says 1 where the picture is not dark; its memory holds `holds` pictures."""

    def __init__(self, holds: int, message: str = "") -> None:
        super().__init__()
        self.holds, self.message, self.seen = holds, message, []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(pictures))
        if len(pictures) > self.holds:
            raise RuntimeError(self.message) if self.message else torch.OutOfMemoryError("CUDA out of memory")
        return torch.where(pictures > 0, 20.0, -20.0)


@pytest.fixture
def predictor() -> TorchPredictor:
    return TorchPredictor(catalogue.find("head", "unet"), "cpu")


@pytest.mark.parametrize("message", ["", "MPS backend out of memory (allocated 8 GB)"])
def test_memory_that_runs_out_halves_the_portion_and_says_so(predictor, caplog, message) -> None:
    predictor._network = OnesNetwork(3, message)
    batch = np.zeros((9, 1, 8, 8), np.float32)
    batch[::2] = 1
    answer = predictor(batch)
    assert np.allclose(answer[:, 0, 0], [1, 0] * 4 + [1])
    assert predictor.at_once == 2
    assert "ran out" in caplog.text
    predictor(batch)
    assert predictor._network.seen[-5:] == [2, 2, 2, 2, 1]


def test_memory_that_holds_not_one_picture_is_a_sentence(predictor) -> None:
    predictor._network = OnesNetwork(0)
    with pytest.raises(DeviceError, match="choose the device 'cpu'"):
        predictor(np.zeros((2, 1, 8, 8), np.float32))


def test_another_error_of_the_network_is_not_taken_for_lack_of_memory(predictor) -> None:
    predictor._network = OnesNetwork(0, "shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"):
        predictor(np.zeros((2, 1, 8, 8), np.float32))


def test_the_cpu_takes_over_where_a_device_lacks_an_operation(predictor, caplog, monkeypatch) -> None:
    answers = predictor._answer

    def lacking(given: torch.Tensor) -> torch.Tensor:
        if predictor.device != "cpu":
            raise NotImplementedError("max_unpool2d")
        return answers(given)

    monkeypatch.setattr(predictor, "_answer", lacking)
    predictor.device = "mps"
    predictor._network = OnesNetwork(8)
    assert (predictor(np.ones((2, 1, 8, 8), np.float32)) == 1).all()
    assert predictor.device == "cpu"
    assert "max_unpool2d" in caplog.text


@pytest.mark.device
@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize(("task", "model"), [("head", "unet"), ("head", "segnet"), ("tumour", "unet")])
def test_a_gpu_answers_as_the_cpu_does(device: str, task: str, model: str) -> None:
    try:
        choose_device(device)  # type: ignore[arg-type]
    except DeviceError:
        pytest.skip(f"no {device} device on this machine")
    found = catalogue.find(task, model)
    rng = np.random.default_rng(5)
    shape = (2, 1, *found.card.size) if task == "head" else (1, 1, 6, *found.card.size)
    batch = rng.standard_normal(shape, dtype=np.float32)
    there, here = TorchPredictor(found, device), TorchPredictor(found, "cpu")
    assert np.abs(there(batch) - here(batch)).max() < 0.05  # half precision
    assert there.device == device
