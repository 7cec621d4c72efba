"""``fetalseg dataset`` as a process: from annotated pictures to a table, a colleague's version, and out again."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from fetalseg.dataset.store import Store
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse
from standins import SHAPE, disc


def head(number: int, grow: float = 0.0) -> Ellipse:
    return Ellipse(120.0, 90.0, 50.0 + 3 * number + grow, 40.0 + 2 * number + grow, 20.0)


@pytest.fixture
def pictures(tmp_path):
    """Three heads in HC18's layout: a function of how many pixels larger they were annotated."""

    def make(name: str, grow: float = 0.0):
        folder = tmp_path / name
        folder.mkdir()
        lines = ["filename,pixel size(mm),head circumference (mm)"]
        for number in range(3):
            truth = head(number, grow)
            Image.fromarray(disc(head(number), SHAPE)).save(folder / f"00{number}_HC.png")
            drawn = np.zeros(SHAPE, np.uint8)
            x, y = np.round(ellipses.outline(truth, 3000)).astype(int).T
            drawn[y, x] = 255
            Image.fromarray(drawn).save(folder / f"00{number}_HC_Annotation.png")
            hc = 0.5 * ellipses.circumference(truth.semi_major, truth.semi_minor)
            lines.append(f"00{number}_HC.png,0.5,{hc:.2f}")
        (folder / "training_set_pixel_size_and_HC.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode())
        return folder

    return make


def test_from_pictures_to_agreement_and_out_again(fetalseg, pictures, tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    for folder, name, grow in ((one, "Dr Gray", 0.0), (two, "B", 2.0)):
        done = fetalseg("dataset", "init", folder, "--task", "head")
        assert done.returncode == 0, done.stderr
        source = pictures(f"hc18 {name}", grow)
        done = fetalseg("dataset", "import", folder, source, "--layout", "hc18", "--annotator", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert "3 added" in done.stdout
    listed = fetalseg("dataset", "list", one, "--state", "accepted")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:4]] == ["000_HC", "001_HC", "002_HC"]
    assert "3 items of 3 exams or patients: 3 accepted" in listed.stdout
    assert "by Dr Gray 3" in listed.stdout
    assert fetalseg("dataset", "list", one, "--state", "to-do").stdout.startswith("0 items")

    done = fetalseg("dataset", "agree", one, two, "--out", out / "agree", "--adjudicate", tmp_path / "third")
    assert done.returncode == 0, done.stderr
    told = json.loads((out / "agree" / "agreement.json").read_text(encoding="utf-8"))
    assert told["bland_altman"]["bias"] == pytest.approx(2 * np.pi, abs=0.1)  # 2 pixels of 0.5 mm all around
    assert told["icc_2_1"] == pytest.approx(float(done.stdout.split("ICC(2,1)")[1].split()[0]), abs=1e-4)
    assert Image.open(out / "agree" / "bland_altman.png").size == (1280, 720)
    assert "3 scans wait" in done.stdout
    assert {len(entry.between) for entry in Store.open(tmp_path / "third").entries()} == {2}

    done = fetalseg("dataset", "merge", one, two, "--conflicts", out / "conflicts.csv")
    assert done.returncode == 1
    assert done.stderr.count("conflict: ") == 3
    with (out / "conflicts.csv").open(newline="", encoding="utf-8") as file:
        assert [row["annotator_there"] for row in csv.DictReader(file)] == ["B"] * 3
    assert {entry.annotator for entry in Store.open(one).entries()} == {"Dr Gray"}

    assert fetalseg("dataset", "export", one, out / "hc18", "--layout", "hc18").returncode == 0
    name = "training_set_pixel_size_and_HC.csv"
    assert (out / "hc18" / name).read_bytes() == (tmp_path / "hc18 Dr Gray" / name).read_bytes()
    done = fetalseg("dataset", "check", one)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 items looked at: 0 errors, 0 warnings, 0 notes" in done.stdout
    (one / Store.open(one).entries()[1].mask).unlink()
    done = fetalseg("dataset", "check", one, "--quick")
    assert done.returncode == 1
    assert "error: 001_HC: masks/001_HC" in done.stdout


def test_wrong_usage_is_told_in_a_sentence(fetalseg, pictures, tmp_path):
    source = pictures("hc18")
    for arguments, code, words in (
        (("check", tmp_path), 1, "no annotation data set"),
        (("init", source, "--task", "head"), 1, "holds files already"),
        (("init", tmp_path / "x", "--task", "liver"), 2, "invalid choice"),
        ((), 2, "ACTION"),
    ):
        done = fetalseg("dataset", *arguments)
        assert done.returncode == code
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    fetalseg("dataset", "init", tmp_path / "d", "--task", "tumour")
    done = fetalseg("dataset", "import", tmp_path / "d", source, "--layout", "hc18")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is for the task head" in done.stderr
    done = fetalseg("dataset", "import", tmp_path / "d", source, "--layout", "pairs", "--spacing", "wide")
    assert done.returncode == 2
    assert "--spacing" in done.stderr


def test_help_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, contextlib\nfrom fetalseg.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['dataset', 'import', '--help'])\n"
        "print([name for name in ('torch', 'skimage', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "examples" in done.stdout
