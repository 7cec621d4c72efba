"""OpenVINO on the CPU: the same answers as PyTorch, without it; and PyTorch where OpenVINO can't."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fetalseg import samples
from fetalseg.errors import BackendError, ModelError, SettingsError
from fetalseg.io.registry import read
from fetalseg.models import architectures, catalogue, predictor, weights
from fetalseg.models.backends.openvino_predictor import OpenVinoPredictor
from fetalseg.models.backends.torch_predictor import TorchPredictor
from fetalseg.models.catalogue import Model
from fetalseg.models.predictor import get_predictor
from fetalseg.pipeline import Pipeline
from fetalseg.result import Result
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from standins import make_card

# Folders of real scans; without them those tests are skipped, visibly.
HC18, LGG = os.environ.get("FETALSEG_TEST_HC18"), os.environ.get("FETALSEG_TEST_LGG")

UNET = {"decoder_channels": [16, 16, 8, 8, 8]}
SEGNET = {"widths": [8, 12, 16], "convolutions": [2, 1, 2]}


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Any:
    predictor._load.cache_clear()
    yield
    predictor._load.cache_clear()


def make_model(folder: Path, arch: str, parameters: dict[str, Any], seed: int = 3) -> Model:
    """A network of random weights that answers between 0 and 1 all over, with normalisations that do something."""
    torch.manual_seed(seed)
    network = architectures.get(arch).build(parameters)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
        elif isinstance(module, torch.nn.Conv1d):  # starts as the identity
            torch.nn.init.normal_(module.weight, std=0.05)
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = weights.save(network, folder / weights.WEIGHTS)
    card = make_card(arch=arch, parameters=parameters, input_rows=64, input_columns=96, sha256=sha256)
    card.write(folder / weights.CARD)
    return Model(card, folder)


@pytest.mark.parametrize(
    ("arch", "parameters", "shape"),
    [
        ("unet", UNET, (3, 1, 64, 96)),
        ("unet", UNET | {"in_channels": 3}, (1, 3, 64, 96)),
        ("unet", UNET | {"encoder": "timm-tf_efficientnet_lite1"}, (1, 1, 64, 96)),
        ("segnet", SEGNET, (2, 1, 64, 96)),
        ("segnet", SEGNET | {"slices": 3, "volume": True}, (1, 1, 4, 64, 96)),
        ("unet_slices", UNET, (2, 1, 7, 64, 96)),
        ("unet_slices", UNET | {"slices": 5, "dilations": [[1], [3]]}, (1, 1, 1, 64, 96)),
    ],
)
def test_a_drawn_network_answers_as_the_built_one(tmp_path: Path, arch: str, parameters: Any, shape: Any) -> None:
    model = make_model(tmp_path, arch, parameters)
    batch = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    batch[..., :20, :30] = 0  # even ground: equal values in a pool
    there, here = OpenVinoPredictor(model)(batch), TorchPredictor(model, "cpu")(batch)
    assert here.std() > 1e-3
    assert there.shape == here.shape
    assert there.dtype == np.float32
    assert np.abs(there - here).max() < 1e-4


def test_an_answer_does_not_depend_on_its_neighbours_in_the_batch(tmp_path: Path) -> None:
    ready = OpenVinoPredictor(make_model(tmp_path, "unet", UNET))
    batch = np.random.default_rng(1).standard_normal((3, 1, 64, 96), dtype=np.float32)
    together = ready(batch)
    assert np.array_equal(ready(batch[1:2])[0], together[1])


def both(scan: Scan, settings: SegmentSettings, frames: range | None = None) -> tuple[list[Result], list[Result]]:
    by = [Pipeline.load(replace(settings, device="cpu", backend=name)) for name in ("openvino", "torch")]
    results = [list(pipeline.segment(scan, frames=frames)) for pipeline in by]
    assert [r[0].provenance.backend for r in results] == ["openvino", "torch"]
    return results[0], results[1]


def assert_same(fast: Result, plain: Result) -> None:
    a, b = fast.segmentation.mask != 0, plain.segmentation.mask != 0
    assert 2 * (a & b).sum() >= 0.999 * (a.sum() + b.sum())
    assert fast.measurement.state == plain.measurement.state
    for name in ("hc_mm", "bpd_mm", "ofd_mm", "longest_mm"):
        one, other = fast.measurement.values.get(name), plain.measurement.values.get(name)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert abs(one - other) < 0.05


@pytest.mark.parametrize("model", ["unet", "segnet"])
@pytest.mark.parametrize("name", ["first_trimester.tif", "second_trimester.png", "third_trimester.jpg"])
def test_heads_measure_the_same(model: str, name: str) -> None:
    pixel = next(t.pixel_mm for t in samples.truth() if t.filename == name)
    scan = read(samples.folder() / name).with_spacing(Spacing(pixel, pixel, source="typed in"))
    fast, plain = both(scan, SegmentSettings(model=model))
    assert plain[0].measurement.values["hc_mm"]
    assert_same(fast[0], plain[0])


@pytest.mark.parametrize("model", ["unet", "segnet"])
def test_tumours_measure_the_same(model: str) -> None:
    scan = read(samples.folder() / samples.VOLUME)
    middle = range(scan.frames // 2 - 3, scan.frames // 2 + 3)
    fast, plain = both(scan, SegmentSettings(task="tumour", model=model), middle)
    assert plain[0].measurement.parts
    assert_same(fast[0], plain[0])


@pytest.mark.skipif(not HC18, reason="FETALSEG_TEST_HC18 names no folder of HC18's layout")
def test_real_heads_measure_the_same() -> None:
    from fetalseg.dataset import hc18

    for item in hc18.read(Path(str(HC18)))[::40]:
        fast, plain = both(read(item.path).with_spacing(item.spacing), SegmentSettings())
        assert_same(fast[0], plain[0])


@pytest.mark.skipif(not LGG, reason="FETALSEG_TEST_LGG names no folder of FLAIR volumes")
def test_real_tumours_measure_the_same() -> None:
    for path in sorted(Path(str(LGG)).glob("*_flair.tif"))[::30]:
        fast, plain = both(read(path), SegmentSettings(task="tumour"))
        assert_same(fast[0], plain[0])


def test_a_head_is_measured_without_importing_torch(tmp_path: Path) -> None:
    scan = samples.folder() / "second_trimester.png"
    code = (
        "import sys; from fetalseg.cli import main\n"
        f"done = main(['segment', {str(scan)!r}, '--out', {str(tmp_path / 'out')!r}, '--device', 'cpu'])\n"
        "heavy = [m for m in ('torch', 'torchvision', 'timm', 'segmentation_models_pytorch') if m in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else done)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "OpenVINO on CPU" in ran.stdout
    assert '"backend": "openvino"' in (tmp_path / "out" / "run.json").read_text(encoding="utf-8")


def test_where_no_gpu_can_be_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "_gpu_possible", lambda: False)
    monkeypatch.setattr("fetalseg.models.torch_import.import_torch", lambda: pytest.fail("torch was imported"))
    assert predictor.choose_device("auto") == "cpu"
    assert get_predictor("head").backend == "openvino"


def test_a_network_that_openvino_does_not_know_runs_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_model(tmp_path / "m", "segnet", SEGNET)
    monkeypatch.delattr(architectures.get("segnet"), "draw")
    ready = get_predictor("head", str(tmp_path / "m"), "cpu", "auto")
    assert ready.backend == "torch"
    assert "PyTorch" in ready.describe()
    assert "can't run the model 'standin': the architecture 'segnet' is not known to it" in caplog.text
    with pytest.raises(BackendError, match="can't run the model"):
        get_predictor("head", str(tmp_path / "m"), "cpu", "openvino")


def test_without_openvino_torch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "openvino"] or ["openvino"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert get_predictor("head", "unet", "cpu").backend == "torch"
    with pytest.raises(BackendError, match="not installed"):
        get_predictor("head", "unet", "cpu", "openvino")


def test_damaged_weights_are_told_and_not_passed_on(tmp_path: Path) -> None:
    model = make_model(tmp_path, "segnet", SEGNET)
    (tmp_path / weights.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the file that its card names"):
        get_predictor("head", str(model.folder), "cpu")


def test_what_is_asked_for_is_what_runs() -> None:
    assert get_predictor("head", "unet", "cpu", "torch").backend == "torch"
    fast = get_predictor("head", "unet", "auto", "openvino")
    assert (fast.backend, fast.device) == ("openvino", "cpu")
    assert "OpenVINO" in fast.describe()
    with pytest.raises(SettingsError, match="Unknown backend 'onnx'"):
        SegmentSettings(backend="onnx")  # type: ignore[arg-type]


def test_openvino_on_a_gpu_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "choose_device", lambda wanted: wanted)
    with pytest.raises(BackendError, match="runs on the CPU, not on 'cuda'"):
        get_predictor("head", "unet", "cuda", "openvino")


def test_openmps_number_of_threads_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ready = OpenVinoPredictor(make_model(tmp_path, "segnet", SEGNET))
    assert ready.describe() == "CPU, 1 thread, OpenVINO · standin 1.0"


def test_the_bundled_models_all_run_by_openvino() -> None:
    for model in catalogue.models():
        if model.bundled:
            assert OpenVinoPredictor(model).card == model.card
