"""A volume in every order of its axes becomes the same axial slices, and its mask goes back to where it came from."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import tifffile

from fetalseg.io.orientation import axial, layout, sound
from fetalseg.io.registry import read
from fetalseg.io.volumes import write_labels
from fetalseg.scan import Layout, Scan

# Slices foot to head, rows front to back, columns right to left; no two sizes and no two voxels are alike.
AXIAL = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
SIZES_MM = (4.0, 0.9, 0.7)
ORDERS = [(axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)]
# World directions (right, front, head) of a slice, a row and a column of AXIAL.
TOWARDS = np.array([[0, 0, 1], [0, -1, 0], [-1, 0, 0]], float)


def stored(axes, signs, turn=None):
    """AXIAL stored in another order, and the affine of that order: (array, affine)."""
    turn = np.eye(3) if turn is None else turn
    array = AXIAL.transpose(axes)[tuple(slice(None, None, s) for s in signs)]
    affine = np.eye(4)
    origin = np.array([11.0, -7.0, 5.0])
    for stored_axis, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        step = turn @ TOWARDS[axis] * SIZES_MM[axis]
        affine[:3, stored_axis] = sign * step
        if sign < 0:
            origin = origin + step * (AXIAL.shape[axis] - 1)
    affine[:3, 3] = origin
    return array, affine


def world(index):
    """Where a voxel of AXIAL lies, by the geometry that `stored` draws."""
    return np.array([11.0, -7.0, 5.0]) + sum(TOWARDS[k] * SIZES_MM[k] * index[k] for k in range(3))


def marks():
    labels = np.zeros(AXIAL.shape, np.uint8)
    labels[2, 1, 4], labels[0, 3, 0] = 1, 2
    return labels


@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_all_48_orders_become_the_same_slices_and_masks_return(tmp_path, axes, signs):
    array, affine = stored(axes, signs)
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(array, affine), path)
    scan = read(path)
    np.testing.assert_array_equal(scan.pixels, AXIAL)
    assert (scan.spacing.slice_mm, *scan.spacing.row_column) == pytest.approx(SIZES_MM)
    assert scan.oriented
    assert scan.notes == ()
    assert scan.layout.stored_shape == array.shape
    np.testing.assert_array_equal(scan.layout.to_stored(AXIAL), array)
    np.testing.assert_array_equal(scan.layout.from_stored(array), AXIAL)
    np.testing.assert_allclose(scan.layout.affine, affine, atol=1e-5)

    write_labels(tmp_path, "a", scan, marks())
    image = nib.load(tmp_path / "masks" / "a_lesions.nii.gz")
    lesions = np.asarray(image.dataobj)
    np.testing.assert_array_equal(lesions, tifffile.imread(tmp_path / "masks" / "a_lesions.tif"))
    for number, index in ((1, (2, 1, 4)), (2, (0, 3, 0))):
        place = nib.affines.apply_affine(image.affine, np.argwhere(lesions == number)[0])
        np.testing.assert_allclose(place, world(index), atol=1e-4)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_an_oblique_volume_keeps_its_world(tmp_path, signs):
    a, b = np.radians(21), np.radians(-13)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    array, affine = stored((2, 0, 1), signs, turn)
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "a.nii")
    scan = read(tmp_path / "a.nii")
    np.testing.assert_array_equal(scan.pixels, AXIAL)
    assert (scan.spacing.slice_mm, *scan.spacing.row_column) == pytest.approx(SIZES_MM)
    write_labels(tmp_path, "a", scan, marks())
    image = nib.load(tmp_path / "masks" / "a_mask.nii.gz")
    np.testing.assert_allclose(image.affine, affine, atol=1e-5)
    (found,) = np.argwhere((np.asarray(image.dataobj) > 0) & (array == AXIAL[2, 1, 4]))
    expected = np.array([11.0, -7.0, 5.0]) + turn @ (world((2, 1, 4)) - [11.0, -7.0, 5.0])
    np.testing.assert_allclose(nib.affines.apply_affine(image.affine, found), expected, atol=1e-4)


def test_a_single_slice_has_two_axes():
    flat = np.arange(6).reshape(2, 3)
    for kind, three in (("nifti", flat.T[None]), ("tiff", flat[None])):
        made = layout(flat.shape, None, kind)
        np.testing.assert_array_equal(made.from_stored(flat), three)
        np.testing.assert_array_equal(made.to_stored(three), flat)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 3), (4, 5)])
def test_a_tiff_gets_its_mask_in_its_own_shape(tmp_path, shape):
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    scan = read(tmp_path / "a.tif")
    labels = (scan.pixels == pixels.flat[-2]) * 300
    written = write_labels(tmp_path, "s/a", scan, labels)
    assert [path.name for path in written] == ["a_mask.tif", "a_lesions.tif"]
    mask, lesions = (tifffile.imread(path) for path in written)
    assert (mask.shape, lesions.shape) == (shape, shape)
    assert (mask.dtype, lesions.dtype) == (np.uint8, np.uint16)
    assert (mask.max(), lesions.max()) == (1, 300)
    np.testing.assert_array_equal(mask > 0, pixels == pixels.flat[-2])
    np.testing.assert_array_equal(lesions > 0, mask > 0)


def test_few_lesions_take_one_byte(tmp_path):
    scan = Scan.from_array(np.zeros((2, 3, 4)))
    paths = write_labels(tmp_path, "a", scan, np.full((2, 3, 4), 255, np.int64))
    assert [tifffile.imread(path).dtype for path in paths] == [np.uint8, np.uint8]
    with tifffile.TiffFile(paths[0]) as tif:
        assert tif.pages[0].compression.name == "ADOBE_DEFLATE"


def test_what_lies_flat_tells_no_orientation():
    good = np.diag([2.0, 3.0, 4.0, 1.0])
    assert sound(good)
    assert axial(good) == ((2, 1, 0), (False, True, True))
    for column, value in ((0, 0.0), (1, np.nan), (2, np.inf)):
        bad = good.copy()
        bad[:, column] = value
        assert not sound(bad)
    bad = good.copy()
    bad[:3, 1] = bad[:3, 0] * 2
    assert not sound(bad)
    assert not sound(np.zeros((4, 4)))


def test_a_layout_is_a_view():
    array = np.zeros((3, 4, 5))
    made = Layout((2, 0, 1), (True, False, True), (3, 4, 5), None, "nifti")
    made.from_stored(array)[0, 0, 0] = 7
    assert array[0, 3, 4] == 7
