"""The other commands, as processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tifffile

from fetalseg import samples
from fetalseg.cli import main


@pytest.mark.parametrize("command", ["", "segment", "demo", "models", "train", "evaluate", "benchmark"])
def test_help_teaches_without_loading_torch(command):
    code = (
        "import sys, contextlib\nfrom fetalseg.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({[*([command] if command else []), '--help']!r})\n"
        "print('torch' in sys.modules, 'skimage' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False False False")
    assert "examples" in done.stdout or "first steps" in done.stdout


@pytest.mark.parametrize(
    "before",
    [
        ("segment", "--out", "out"),
        ("evaluate",),
        ("benchmark",),
        ("followup", "--out", "out"),
        ("train", "--out", "m", "--data"),
    ],
)
def test_a_path_too_long_to_be_one_is_a_sentence(capsys, monkeypatch, tmp_path, before):
    monkeypatch.chdir(tmp_path)
    name = "a" * 400
    assert main([*before, name]) in (1, 2)
    said = capsys.readouterr().err
    assert name in said
    assert "Traceback" not in said


def test_demo_measures_the_phantoms_within_three_percent(fetalseg, rows, tmp_path):
    done = fetalseg("demo", "--no-gui", "--out", tmp_path / "demo-results")
    assert done.returncode == 0, done.stderr
    found = {(row["file"], int(row["frame"])): float(row["hc_mm"]) for row in rows(tmp_path / "demo-results")}
    truths = samples.truth()
    assert len(found) == len(truths)
    for truth in truths:
        assert found[truth.filename, truth.frame] == pytest.approx(truth.hc_mm, rel=0.03)
    assert "second_trimester.png" in done.stdout
    assert "Not for diagnosis" in done.stdout
    assert len(list((tmp_path / "demo-results" / "overlays").iterdir())) == 4


def test_models_lists_the_bundled_unet_with_its_figures(fetalseg):
    done = fetalseg("models")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if " unet " in line)
    assert "head" in line
    assert "report" in line  # the split its figures were measured on
    card = json.loads(fetalseg("models", "--card", "unet").stdout)
    assert card["figures"]["report"]["dsc"] > 97
    assert card["data_licence"]
    assert card["limits"]
    assert card["intervals"]


def test_benchmark_prints_its_parts(fetalseg):
    done = fetalseg("benchmark", "--runs", "1")
    assert done.returncode == 0, done.stderr
    for part in ("decode", "network", "picture to measurements", "x (network + decoding)"):
        assert part in done.stdout


def test_an_evaluation_of_a_run_scores_what_it_measured(fetalseg, rows, tmp_path):
    import numpy as np
    from PIL import Image

    from fetalseg.geometry import ellipse as ellipses

    data = tmp_path / "data"
    data.mkdir()
    truth = next(t for t in samples.truth() if t.filename == "second_trimester.png")
    Image.open(samples.folder() / truth.filename).save(data / "001_HC.png")
    drawn = np.zeros((540, 800), np.uint8)
    x, y = np.round(ellipses.outline(truth.ellipse_px, 4000)).astype(int).T
    drawn[y, x] = 255
    Image.fromarray(drawn).save(data / "001_HC_Annotation.png")
    (data / "pixel_size.csv").write_text(f"filename,pixel size(mm),hc\n001_HC.png,{truth.pixel_mm},{truth.hc_mm}\n")
    assert fetalseg("segment", data, "--out", tmp_path / "out").returncode == 0
    done = fetalseg("evaluate", data, "--results", tmp_path / "out" / "measurements.csv", "--out", tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures" / "figures.json").read_text())
    (row,) = rows(tmp_path / "out")
    assert figures["df_mm"] == pytest.approx(float(row["hc_mm"]) - truth.hc_mm, abs=1e-3)
    assert figures["adf_mm"] == pytest.approx(abs(figures["df_mm"]))
    assert 95 < figures["dsc"] <= 100
    own = fetalseg("evaluate", data, "--out", tmp_path / "own")
    assert own.returncode == 0, own.stderr
    assert json.loads((tmp_path / "own" / "figures.json").read_text())["dsc"] == pytest.approx(figures["dsc"], abs=1e-6)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_whole_files(tmp_path, rows, stop):
    folder, out = tmp_path / "many", tmp_path / "out"
    folder.mkdir()
    still = (samples.folder() / "second_trimester.png").read_bytes()
    for number in range(200):
        (folder / f"{number:03}.png").write_bytes(still)
    process = subprocess.Popen(
        [sys.executable, "-m", "fetalseg.cli", "segment", str(folder), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
        # What runs the tests in the background may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while len(list((out / "masks").glob("*.tif"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(stop)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    table = rows(out)
    assert 2 <= len(table) < 200
    for row in table:
        assert row["status"] == "ok"
        assert tifffile.imread(out / "masks" / f"{row['file'][:-4]}_mask.tif").shape == (540, 800)
    hidden = [p.name for p in out.rglob("*") if p.suffix == ".part" or p.name.startswith(".")]
    assert hidden == [".fetalseg-lock"]
    assert not json.loads((out / "run.json").read_text())["finished"]
