"""Networks for volumes, and two steps of training them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from fetalseg.dataset import lgg
from fetalseg.errors import DatasetError, ModelError
from fetalseg.evaluation.volumes import compare, summarize
from fetalseg.models import architectures, weights
from fetalseg.models.catalogue import find
from fetalseg.settings import VolumeTrainSettings
from fetalseg.training.feed import feed
from fetalseg.training.run import train
from fetalseg.training.volumes import Prepared, VolumeData

TINY = VolumeTrainSettings(
    input_rows=32, input_columns=32, epochs=2, batch_size=2, stack_slices=4, kept_out=0.34, imagenet=False
)


def write_patient(folder: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((9, 40, 36), np.uint8)
    mask[3:6, 10:20, 12:20] = 1
    pixels = np.zeros(mask.shape, np.uint8)
    pixels[:, 4:36, 4:32] = 60
    pixels[mask > 0] = 140
    pixels = (pixels + rng.integers(0, 5, mask.shape)).astype(np.uint8)
    tifffile.imwrite(folder / f"{name}_flair.tif", pixels, photometric="minisblack")
    tifffile.imwrite(folder / f"{name}_mask.tif", mask, photometric="minisblack")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(6):
        write_patient(folder, f"TCGA_{'AB'[number % 2]}_{number:04d}_20000101", number)
    return folder


@pytest.mark.parametrize("name", ["unet_slices", "segnet"])
def test_answers_do_not_depend_on_the_portion_or_on_far_slices(name: str) -> None:
    torch.manual_seed(1)
    architecture = architectures.get(name)
    parameters = {**architecture.DEFAULTS, "slices": 3, "volume": True}
    network = architecture.build(parameters).eval().double()
    for module in network.modules():  # the mixing starts as the identity: give it something to say
        if isinstance(module, torch.nn.Conv1d):
            torch.nn.init.normal_(module.weight, std=0.05)
    stack = torch.randn(1, 1, 20, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        before = network(stack)
        network.at_once = 3
        assert torch.allclose(before, network(stack), atol=1e-9)
        stack[:, :, -1] += 3
        after = network(stack)
    reach = architecture.reach(parameters)
    changed = (before - after).abs().amax(dim=(0, 1, 3, 4)) > 1e-12
    assert before.shape == stack.shape
    assert changed[-1]
    assert not changed[: 19 - reach].any()


def test_segnet_answers_in_training_for_the_slices_whose_neighbours_are_there() -> None:
    network = architectures.get("segnet").build({"slices": 5, "volume": True, "widths": [4], "convolutions": [1]})
    stack = torch.randn(2, 1, 7, 16, 16)
    trained = network.train()(stack)
    assert trained.shape == (2, 1, 3, 16, 16)
    trained[:, :, 0].sum().backward()
    network.plain.zero_grad()
    one = stack.clone().requires_grad_()
    network(one)[0, 0, 1, 8, 8].backward()  # the fourth slice of the seven sees the second to the sixth
    assert one.grad[0, 0, [1, 5]].abs().sum() > 0
    assert one.grad[0, 0, [0, 6], 8, 8].abs().max() < one.grad[0, 0, 3, 8, 8].abs()


def test_a_margin_is_looked_at_and_not_learnt(data: Path) -> None:
    scan, mask = lgg.read(data)[0].read()
    volume = Prepared.of(scan.pixels, mask, (32, 32))
    images, targets = next(feed(VolumeData([volume], [], [], replace(TINY, repeats=3), margin=2), 0, 1))
    assert images.shape == (2, 1, 8, 32, 32)
    assert targets.shape == (2, 1, 4, 32, 32)
    plain, _ = next(feed(VolumeData([volume], [], [], replace(TINY, stack_slices=8)), 0, 1))
    assert plain.shape == images.shape


def test_a_network_for_volumes_starts_from_one_for_pictures() -> None:
    segnet = architectures.get("segnet")
    small = {"widths": [4, 8], "convolutions": [1, 1]}
    pictures = segnet.build(small)
    volumes = segnet.build({**small, "slices": 3, "volume": True})
    weights.start_from(volumes, pictures)
    # Three equal slices are what one was.
    stack = torch.randn(1, 1, 1, 16, 16)
    pictures.eval(), volumes.eval()
    assert torch.allclose(volumes(stack)[:, 0], pictures(stack[:, 0])[:, 0], atol=1e-5)
    with pytest.raises(ModelError, match="another architecture"):
        weights.start_from(volumes, segnet.build({"widths": [5, 9], "convolutions": [1, 1]}))


def test_segnets_unpooling_puts_values_back_where_they_came_from() -> None:
    network = architectures.get("segnet").build({"widths": [4, 4], "convolutions": [1, 1]})
    pooled, indices = network.pool(torch.arange(16.0).view(1, 1, 4, 4))
    assert torch.equal(network.unpool(pooled, indices)[0, 0, 1::2, 1::2], torch.arange(16.0).view(4, 4)[1::2, 1::2])
    assert network(torch.zeros(2, 1, 16, 16)).shape == (2, 1, 16, 16)


def test_patients_are_split_within_each_institution(data: Path) -> None:
    volumes = lgg.read(data)
    parts = lgg.split(volumes, 0.34, 7)
    assert {v.institution for v in volumes} == {"A", "B"}
    assert sorted(parts.values()).count("train") == 4
    kept = {v.institution for v in volumes if parts[v.name] != "train"}
    assert kept == {"A", "B"}


def test_two_visits_of_a_patient_stay_on_one_side(data: Path) -> None:
    write_patient(data, "TCGA_A_0000_20010101", 9)
    volumes = lgg.read(data)
    for seed in range(20):
        parts = lgg.split(volumes, 0.34, seed)
        sides = {parts[v.name] for v in volumes if v.group == "TCGA_A_0000"}
        assert len(sides) == 1


def test_a_folder_without_volumes_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="_flair"):
        lgg.read(tmp_path)


def test_stacks_are_the_same_for_the_same_seed_epoch_and_place(data: Path) -> None:
    read = [v.read() for v in lgg.read(data)]
    prepared = [Prepared.of(scan.pixels, mask, (32, 32)) for scan, mask in read]
    first, again = (next(feed(VolumeData(prepared, [], [], TINY), 3, 4)) for _ in range(2))
    other = next(feed(VolumeData(prepared, [], [], TINY), 4, 5))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (2, 1, 4, 32, 32)


@pytest.mark.parametrize("arch", ["unet_slices", "segnet"])
def test_two_epochs_give_a_model_that_the_catalogue_finds(data: Path, tmp_path: Path, arch: str) -> None:
    parameters = {"slices": 3, "volume": True} if arch == "segnet" else {}
    settings = VolumeTrainSettings(**{**TINY.to_dict(), "arch": arch, "parameters": parameters})
    card = train(data, tmp_path / "model", settings, name="mine")
    assert card.task == "tumour"
    assert card.training["volumes"] == 4
    assert find("tumour", str(tmp_path / "model")).load() is not None
    assert len(card.training["curves"]) > 0


def test_scores_of_known_overlap(data: Path) -> None:
    volume = lgg.read(data)[0]
    truth = np.zeros((5, 10, 10), bool)
    truth[1:3, :4] = True
    found = np.zeros_like(truth)
    found[1:4, :2] = True
    score = compare(volume, found, truth)
    assert score.dice == pytest.approx(200 * 40 / (60 + 80))
    assert (score.free_slices, score.false_slices) == (3, 1)
    summary = summarize([score])
    assert summary.dice == pytest.approx(score.dice)
    assert summary.false_slices == pytest.approx(100 / 3)
