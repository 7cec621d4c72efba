"""What is written to disk is what was learnt."""

import pytest
import torch

from fetalseg.errors import ModelError
from fetalseg.models import weights


def small() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))


def stored(path):
    from safetensors.torch import load_file

    return load_file(path)


def test_a_variance_that_half_precision_cannot_hold_is_kept(tmp_path):
    network = small()
    network[1].running_var[2] = 68404.0
    weights.save(network, tmp_path / "weights.safetensors")
    kept = stored(tmp_path / "weights.safetensors")
    assert kept["1.running_var"][2] == 68404.0
    assert kept["0.weight"].dtype == torch.float16


def test_a_diverged_network_is_not_saved(tmp_path):
    network = small()
    with torch.no_grad():
        network[0].weight[0] = float("nan")
    with pytest.raises(ModelError, match="diverged"):
        weights.save(network, tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())


def test_training_on_from_damaged_weights_leaves_out_what_is_no_number():
    trained, fresh = small(), small()
    with torch.no_grad():
        trained[0].weight.fill_(0.5)
        trained[1].running_var[2] = float("inf")
    weights.start_from(fresh, trained)
    assert fresh[1].running_var.tolist() == [1.0, 1.0, 1.0, 1.0]
    assert (fresh[0].weight == 0.5).all()
