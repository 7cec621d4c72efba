"""`fetalseg segment --task tumour` and `fetal-brain` on files, by the bundled network."""

import json

import numpy as np
import pytest
import tifffile

from fetalseg import samples


def test_the_phantoms_lesions_are_within_five_percent(fetalseg, rows, tmp_path):
    out = tmp_path / "out"
    done = fetalseg("segment", samples.folder() / samples.VOLUME, "--task", "tumour", "--out", out)
    assert done.returncode == 0, done.stderr
    whole, *lesions = rows(out)
    truth = samples.flair_truth()
    assert float(whole["volume_ml"]) == pytest.approx(truth["volume_ml"], rel=0.05)
    assert [row["lesion"] for row in (whole, *lesions)] == ["all", "1", "2"]
    for row, lesion in zip(lesions, truth["lesions"], strict=True):
        assert float(row["longest_mm"]) == pytest.approx(lesion["longest_mm"], abs=2.2)
        assert float(row["perpendicular_mm"]) == pytest.approx(lesion["perpendicular_mm"], abs=2.2)
        assert row["measurable"] == "yes"
    import nibabel

    given, mask = (
        nibabel.load(p) for p in (samples.folder() / samples.VOLUME, out / "masks/flair_phantom_mask.nii.gz")
    )
    assert mask.shape == given.shape
    assert np.allclose(mask.affine, given.affine)
    assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1}
    assert tifffile.imread(out / "masks/flair_phantom_lesions.tif").max() == 2
    assert (out / "overlays/flair_phantom.png").exists()
    assert json.loads((out / "run.json").read_text())["task"] == "tumour"


def test_a_tiff_gives_voxels_and_its_mask_the_files_own_shape(fetalseg, rows, tmp_path):
    from fetalseg.io.registry import read

    stack = np.asarray(read(samples.folder() / samples.VOLUME).pixels[20:40])
    tifffile.imwrite(tmp_path / "plain.tif", stack, photometric="minisblack")
    out = tmp_path / "out"
    assert (
        fetalseg("segment", tmp_path / "plain.tif", "--task", "tumour", "--out", out, "--no-overlays").returncode == 0
    )
    whole = rows(out)[0]
    assert whole["volume_ml"] == ""
    assert int(whole["volume_voxels"]) > 5000
    mask = tifffile.imread(out / "masks/plain_mask.tif")
    assert mask.shape == stack.shape
    assert mask.sum() == int(whole["volume_voxels"])
    done = fetalseg(
        "segment", tmp_path / "plain.tif", "--task", "tumour", "--out", tmp_path / "mm", "--no-overlays",
        "--spacing", "1.1,1.1,3",
    )  # fmt: skip
    assert done.returncode == 0
    measured = rows(tmp_path / "mm")[0]
    assert float(measured["volume_ml"]) == pytest.approx(int(measured["volume_voxels"]) * 1.1 * 1.1 * 3 / 1000)


def test_what_is_not_skull_stripped_is_refused_by_fetal_brain(fetalseg, rows, tmp_path):
    out = tmp_path / "out"
    fetalseg("segment", samples.folder() / samples.VOLUME, "--task", "fetal-brain", "--out", out, "--no-overlays")
    row = rows(out)[0]
    assert row["state"] == "refuse"
    assert "not_skull_stripped" in row["flags"]
    assert row["hc_mm"] == ""
