"""The phantom FLAIR: its truth is that of its bodies, and the file shows them, half way in grey at their surface."""

import gzip
import math

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from fetalseg import samples
from fetalseg.phantoms import flair

BALL = flair.Lesion((1.0, -4.0, 6.0), (9.0, 20.0, 12.0), 30.0, ())


@pytest.fixture(scope="module")
def image():
    return nib.load(samples.folder() / samples.VOLUME)


@pytest.fixture(scope="module")
def volume(image):
    """Slices foot to head, rows front to back, columns from the patient's right to left."""
    return np.asarray(image.dataobj).transpose(1, 0, 2)[::-1]


def grids(step_mm=None, half=40.0, lesion=None):
    """Coordinates z, y, x in mm: of the voxels, or of a finer grid around a lesion."""
    if step_mm is None:
        lines = [(np.arange(n) - c) * s for n, c, s in zip(flair.SHAPE, flair._CENTER, flair.STEP_MM, strict=True)]
    else:
        lines = [np.arange(-half, half, step_mm) + c for c in lesion.center_mm]
    return np.meshgrid(*lines, indexing="ij", sparse=True)


def test_an_even_lesion_has_the_volume_and_diameters_of_its_ellipsoid():
    assert BALL.volume_ml == pytest.approx(4 / 3 * math.pi * 9 * 20 * 12 / 1000, rel=1e-6)
    line = BALL.outline(1.0)
    assert flair._area(line) == pytest.approx(math.pi * 20 * 12, rel=1e-3)
    assert flair._diameters(line) == pytest.approx((40, 24), abs=0.1)
    shrink = math.sqrt(1 - (4 / 9) ** 2)
    assert flair._diameters(BALL.outline(5.0)) == pytest.approx((40 * shrink, 24 * shrink), abs=0.1)
    assert not len(BALL.outline(10.5))


@pytest.mark.parametrize("lesion", flair.LESIONS)
def test_the_true_volume_is_that_of_the_points_inside(lesion):
    inside = lesion.outside_mm(*grids(0.5, 32.0, lesion)) < 0
    assert inside.sum() * 0.5**3 / 1000 == pytest.approx(lesion.volume_ml, rel=0.004)


@pytest.mark.parametrize("lesion", flair.LESIONS)
def test_the_distance_from_the_surface_is_near_the_true_one(lesion):
    fine = lesion.outside_mm(*grids(0.5, 32.0, lesion))
    apart = ndimage.distance_transform_edt(fine < 0, sampling=0.5)
    inner = (apart > 1) & (apart < 3)
    assert np.median(-fine[inner] / (apart[inner] - 0.25)) == pytest.approx(1, abs=0.12)


def test_the_truth_in_the_file_is_that_of_the_bodies():
    stored = samples.flair_truth()
    made = flair.truth()
    first, second = stored["lesions"]
    for row, again in zip((first, second), made["lesions"], strict=True):
        assert (row.pop("side"), row["lesion"]) == (again.pop("side"), again["lesion"])
        assert row == pytest.approx(again, abs=2e-3)
    assert 25 < first["volume_ml"] < 35
    assert 4 < second["volume_ml"] < 6
    assert stored["volume_ml"] == pytest.approx(first["volume_ml"] + second["volume_ml"], abs=1e-3)


@pytest.mark.parametrize("number", [0, 1])
def test_at_half_contrast_the_file_shows_the_true_lesion(volume, number):
    lesion, row = flair.LESIONS[number], samples.flair_truth()["lesions"][number]
    outside = lesion.outside_mm(*grids())
    high = np.median(volume[outside < -4])
    low = np.median(volume[(outside > 3) & (outside < 6) & (volume > 250)])
    assert 1.4 < high / low < 2.0
    shown = (volume > (high + low) / 2) & (outside < 5)
    assert shown.sum() * math.prod(flair.STEP_MM) / 1000 == pytest.approx(row["volume_ml"], rel=0.03)
    areas = shown.sum(axis=(1, 2))
    assert abs(int(areas.argmax()) - row["largest_slice"]) <= 1
    assert areas.max() * 1.1**2 == pytest.approx(row["area_mm2"], rel=0.05)


def test_the_file_is_oblique_and_says_where_left_is(image, volume):
    assert image.header["qform_code"] == image.header["sform_code"] == 1
    assert image.get_data_dtype() == np.int16
    assert volume.shape == flair.SHAPE
    assert image.header.get_zooms() == pytest.approx((1.1, 3.0, 1.1), abs=1e-4)
    assert nib.aff2axcodes(image.affine) == ("P", "I", "L")
    turned = np.abs(image.affine[:3, :3] / image.header.get_zooms())
    off_deg = np.degrees(np.arccos(turned.max(axis=0)))
    assert (off_deg > 8).all()
    assert (off_deg < 20).all()
    assert b"FLAIR" in image.header["descrip"].tobytes()
    for lesion, row in zip(flair.LESIONS, samples.flair_truth()["lesions"], strict=True):
        k, y, x = np.round(np.array(lesion.center_mm) / flair.STEP_MM + flair._CENTER).astype(int)
        world = image.affine @ [y, flair.SHAPE[0] - 1 - k, x, 1]
        middle = image.affine @ [flair._CENTER[1], flair.SHAPE[0] - 1 - flair._CENTER[0], flair._CENTER[2], 1]
        assert (world[0] < middle[0]) == (row["side"] == "left")
        assert world[2] > middle[2]
        assert np.asarray(image.dataobj)[y, flair.SHAPE[0] - 1 - k, x] > 500


def test_greys_follow_flair(volume):
    middle = volume[22]
    brain = np.median(middle[60:130, 50:125])
    assert brain == pytest.approx(400, rel=0.15)
    assert np.percentile(middle, 99.5) > 1.5 * brain  # scalp fat
    assert volume[22 + 4, 100, 75:100].min() < 0.5 * brain  # ventricles
    air = volume[:, :4].astype(float)
    assert air.std() < 0.03 * brain
    # Without a signal, Rician noise is Rayleigh's: mean over deviation 1.91.
    assert air.mean() / air.std() == pytest.approx(math.sqrt(math.pi / (4 - math.pi)), rel=0.05)
    assert (volume[:14] > 1.6 * brain).sum() > 50  # bright fat and specks below the brain are no lesions


def test_the_file_is_what_the_code_makes(volume):
    some = [6, 29, 32]
    off = np.abs(flair.make(slices=some).astype(int) - volume[some])
    # On one machine they are identical. Another processor's last bit may round a grey value the other way.
    assert off.max() <= 1
    assert (off > 0).mean() < 1e-4


def test_another_seed_is_another_head(volume):
    assert (flair.make(seed=1, slices=[25])[0] != volume[25]).mean() > 0.5


def test_it_is_written_the_same_byte_for_byte(monkeypatch, tmp_path, volume):
    monkeypatch.setattr(flair, "make", lambda seed: volume)
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        flair.write(folder)
    for name in (flair.VOLUME, flair.TRUTH):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    # Between versions of zlib the packed bytes differ; what they hold does not.
    ours, theirs = (gzip.decompress((f / flair.VOLUME).read_bytes()) for f in (folders[0], samples.folder()))
    assert ours == theirs
    assert (folders[0] / flair.VOLUME).stat().st_size < 2_500_000
