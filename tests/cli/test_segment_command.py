"""``fetalseg segment`` and its contract, with the bundled model on the phantoms."""

import math
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from fetalseg import samples

CONTRACT = [
    "file", "frame", "status", "task", "model", "spacing_x_mm", "spacing_y_mm", "spacing_source", "hc_mm", "bpd_mm",
    "ofd_mm", "cephalic_index", "area_mm2", "ellipse_center_x_px", "ellipse_center_y_px", "ellipse_semi_major_px",
    "ellipse_semi_minor_px", "ellipse_angle_deg", "confidence", "flags", "error",
]  # fmt: skip
STILL = "second_trimester.png"
TRUTH = next(t for t in samples.truth() if t.filename == STILL)
MM = TRUTH.pixel_mm


@pytest.fixture
def scan(tmp_path):
    """A phantom with no csv beside it."""
    folder = tmp_path / "scans"
    folder.mkdir()
    return shutil.copy(samples.folder() / STILL, folder / "scan.png")


def test_one_picture_with_its_scale_typed_in(fetalseg, rows, record, scan, tmp_path):
    out = tmp_path / "out"
    done = fetalseg("segment", scan, "--spacing", MM, "--out", out)
    assert done.returncode == 0, done.stderr
    (row,) = rows(out)
    assert list(row)[: len(CONTRACT)] == CONTRACT
    assert float(row["hc_mm"]) == pytest.approx(TRUTH.hc_mm, rel=0.03)
    assert (row["file"], row["frame"], row["status"], row["task"], row["model"]) == (
        "scan.png",
        "0",
        "ok",
        "head",
        "unet",
    )
    assert row["spacing_source"] == "typed in"
    assert float(row["ellipse_center_x_px"]) == pytest.approx(TRUTH.ellipse_px.center_x, abs=5)
    assert float(row["ofd_mm"]) == pytest.approx(2 * float(row["ellipse_semi_major_px"]) * MM, rel=1e-6)
    assert 0 < float(row["confidence"]) <= 1
    mask = tifffile.imread(out / "masks" / "scan_mask.tif")
    assert mask.dtype == np.uint8
    assert mask.shape == (540, 800)
    assert set(np.unique(mask)) == {0, 1}
    e = TRUTH.ellipse_px
    assert mask.sum() == pytest.approx(math.pi * e.semi_major * e.semi_minor, rel=0.06)
    with Image.open(out / "overlays" / "scan.png") as overlay:
        assert overlay.width > 1.5 * overlay.height
    run = record(out)
    assert run["counts"]["frames"] == 1
    assert len(run["model"]["sha256"]) == 64
    assert len(run["inputs"][0]["sha256"]) == 64


def test_without_a_scale_there_are_pixels_only(fetalseg, rows, scan, tmp_path):
    assert fetalseg("segment", scan, "--out", tmp_path / "out").returncode == 0
    (row,) = rows(tmp_path / "out")
    assert row["hc_mm"] == row["bpd_mm"] == row["spacing_x_mm"] == row["area_mm2"] == ""
    assert float(row["hc_px"]) > 500
    assert "no_spacing" in row["flags"].split(";")


def test_oblong_pixels_are_measured_in_mm(fetalseg, rows, scan, tmp_path):
    with Image.open(scan) as picture:
        picture.resize((400, 540), Image.Resampling.BOX).save(scan)
    assert fetalseg("segment", scan, "--spacing", f"{2 * MM},{MM}", "--out", tmp_path / "out").returncode == 0
    (row,) = rows(tmp_path / "out")
    assert float(row["hc_mm"]) == pytest.approx(TRUTH.hc_mm, rel=0.03)
    assert (float(row["spacing_x_mm"]), float(row["spacing_y_mm"])) == pytest.approx((2 * MM, MM))


def test_a_folder_with_everything_in_it(fetalseg, rows, record, tmp_path):
    """Subfolders, a csv beside, shared stems, a stack, annotations, own masks, other kinds, broken files."""
    folder = tmp_path / "exams"
    shutil.copytree(samples.folder(), folder / "a")
    (folder / "b").mkdir()
    shutil.copy(samples.folder() / STILL, folder / "b" / "x.png")
    with Image.open(samples.folder() / STILL) as picture:
        picture.save(folder / "b" / "x.jpg")
        picture.save(folder / "b" / "001_HC_Annotation.png")
    tifffile.imwrite(folder / "b" / "x_mask.tif", np.zeros((5, 5), np.uint8))
    (folder / "b" / "broken.png").write_bytes((folder / "b" / "x.png").read_bytes()[:2000])
    (folder / "b" / "empty.tif").write_bytes(b"")
    (folder / "b" / "notes.docx").write_text("x")
    out = tmp_path / "out"
    done = fetalseg("segment", folder, "--out", out)
    assert done.returncode == 1
    table = rows(out)
    by_file = {}
    for row in table:
        by_file.setdefault(row["file"], []).append(row)
    assert list(by_file) == sorted(by_file)
    assert len(by_file["a/cine_loop.tif"]) == 10
    assert [row["frame"] for row in by_file["a/cine_loop.tif"]] == [str(k) for k in range(10)]
    for truth in samples.truth():
        row = by_file[f"a/{truth.filename}"][truth.frame]
        assert float(row["hc_mm"]) == pytest.approx(truth.hc_mm, rel=0.03)
        assert row["spacing_source"] == "pixel_size.csv"
    assert by_file["b/broken.png"][0]["status"] == by_file["b/empty.tif"][0]["status"] == "error"
    assert "b/broken.png" in by_file["b/broken.png"][0]["error"]
    assert "b/broken.png" in done.stderr
    assert not {"b/001_HC_Annotation.png", "b/x_mask.tif", "b/notes.docx"} & set(by_file)
    assert (out / "masks" / "b" / "x.png_mask.tif").exists()
    assert (out / "masks" / "b" / "x.jpg_mask.tif").exists()
    assert tifffile.imread(out / "masks" / "a" / "cine_loop_mask.tif").shape == (10, 336, 504)
    assert (out / "overlays" / "a" / "cine_loop.png").exists()
    assert record(out)["counts"]["failed"] == 2
    assert "skipped" in done.stdout.splitlines()[-1]


def test_a_second_run_gives_the_same_bytes(fetalseg, scan, tmp_path):
    for name in ("one", "two"):
        assert fetalseg("segment", scan, "--device", "cpu", "--out", tmp_path / name).returncode == 0
    for file in ("measurements.csv", "masks/scan_mask.tif", "overlays/scan.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_pattern_narrows_a_folder(fetalseg, rows, tmp_path):
    done = fetalseg("segment", samples.folder(), "--pattern", "*trimester.png", "--out", tmp_path / "out")
    assert done.returncode == 0
    assert [row["file"] for row in rows(tmp_path / "out")] == [STILL]


def test_a_csv_of_spacings_is_used(fetalseg, rows, scan, tmp_path):
    table = tmp_path / "sizes.csv"
    table.write_text("filename,pixel size(mm),head circumference (mm)\nscan.png,0.2,1\n")
    assert fetalseg("segment", scan, "--spacing-csv", table, "--out", tmp_path / "out").returncode == 0
    (row,) = rows(tmp_path / "out")
    assert (row["spacing_x_mm"], row["spacing_source"]) == ("0.2", "sizes.csv")


def make_odd(kind, path):
    rng = np.random.default_rng(0)
    grey = np.asarray(Image.open(samples.folder() / STILL))
    if kind == "rgb":
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(path.with_suffix(".png"))
    elif kind == "rgba":
        Image.fromarray(np.dstack([grey, grey, grey, np.full_like(grey, 255)])).save(path.with_suffix(".png"))
    elif kind == "palette":
        Image.fromarray(grey).convert("P").save(path.with_suffix(".png"))
    elif kind == "16-bit":
        tifffile.imwrite(path.with_suffix(".tif"), grey.astype(np.uint16) * 200)
    elif kind == "float with NaN":
        values = grey.astype(np.float32) / 255
        values[rng.random(values.shape) < 0.001] = np.nan
        tifffile.imwrite(path.with_suffix(".tif"), values)
    elif kind == "1x1":
        Image.new("L", (1, 1), 9).save(path.with_suffix(".png"))
    elif kind == "constant":
        Image.new("L", (640, 480), 90).save(path.with_suffix(".png"))
    elif kind == "noise":
        Image.fromarray(rng.integers(0, 255, (480, 640)).astype(np.uint8)).save(path.with_suffix(".png"))
    return next(path.parent.glob(path.name + "*"))


@pytest.mark.parametrize("kind", ["rgb", "rgba", "palette", "16-bit", "float with NaN"])
def test_every_kind_of_picture_gives_the_same_head(fetalseg, rows, tmp_path, kind):
    given = make_odd(kind, tmp_path / "odd")
    done = fetalseg("segment", given, "--spacing", MM, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (row,) = rows(tmp_path / "out")
    assert float(row["hc_mm"]) == pytest.approx(TRUTH.hc_mm, rel=0.03)
    assert ("not_finite" in row["flags"]) == (kind == "float with NaN")


@pytest.mark.parametrize("kind", ["1x1", "constant", "noise"])
def test_what_is_no_head_is_no_confident_head(fetalseg, rows, tmp_path, kind):
    given = make_odd(kind, tmp_path / "odd")
    assert fetalseg("segment", given, "--spacing", "0.15", "--out", tmp_path / "out").returncode == 0
    (row,) = rows(tmp_path / "out")
    assert row["state"] == "refuse"
    assert row["status"] in ("empty", "ok")
    assert row["flags"]
    assert float(row["confidence"] or 0) < 0.5


def test_wrong_usage_is_two_and_says_what_to_do(fetalseg, scan, tmp_path):
    out = tmp_path / "out"
    assert fetalseg("segment").returncode == 2
    wrong = fetalseg("segment", scan, "--spacing", "-1", "--out", out)
    assert wrong.returncode == 2
    assert "0.15" in wrong.stderr
    unknown = fetalseg("segment", scan, "--model", "nonesuch", "--out", out)
    assert unknown.returncode == 2
    assert "unet" in unknown.stderr
    assert "Traceback" not in unknown.stderr + wrong.stderr
    no_csv = fetalseg("segment", scan, "--spacing-csv", tmp_path / "none.csv", "--out", out)
    assert no_csv.returncode == 2
    assert "none.csv" in no_csv.stderr
    assert not (out / "measurements.csv").exists()


def test_a_missing_input_has_its_row_and_stops_no_other(fetalseg, rows, scan, tmp_path):
    done = fetalseg("segment", tmp_path / "gone.png", scan, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert {row["file"]: row["status"] for row in rows(tmp_path / "out")} == {"gone.png": "error", "scan.png": "ok"}


def test_an_unwritable_output_is_a_sentence(fetalseg, scan, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = fetalseg("segment", scan, "--out", tmp_path / "file" / "out")
    assert done.returncode == 1
    assert "file" in done.stderr
    assert "Traceback" not in done.stderr
