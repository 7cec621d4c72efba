"""NIfTI as people have it: units, codes, scaling, and what is wrong with it."""

from __future__ import annotations

import gzip
import hashlib

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetalseg.errors import UnreadableError
from fetalseg.io import decoded, nifti
from fetalseg.io.folders import expand, is_annotation, stems
from fetalseg.io.registry import read
from fetalseg.io.volumes import write_labels
from fetalseg.scan import Spacing

VOXELS = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
AFFINE = np.array([[-2.0, 0, 0, 1], [0, 3.0, 0, 2], [0, 0, 4.0, 3], [0, 0, 0, 1]])


def save(path, array=VOXELS, affine=AFFINE, change=None, kind=nib.Nifti1Image):
    image = kind(array, affine)
    if change:
        change(image.header)
    nib.save(image, path)
    return path


def raw(path, header_change, array=VOXELS, affine=AFFINE):
    """Write a file whose header holds what nibabel would put right."""
    image = nib.Nifti1Image(array, affine)
    data = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(data[:348]), check=False)
    header_change(header)
    data[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(data)) if path.name.endswith("gz") else bytes(data))
    return path


def sizes(scan):
    return None if scan.spacing is None else (scan.spacing.slice_mm, *scan.spacing.row_column)


def test_millimetres_come_from_the_header(tmp_path):
    path = save(tmp_path / "scan.nii.gz")
    scan = read(path)
    assert sizes(scan) == (4.0, 3.0, 2.0)
    assert scan.spacing.source == "scan.nii.gz (NIfTI header)"
    assert scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert scan.layout.kind == "nifti"
    assert read(path, name="patient 7").spacing == Spacing(3.0, 2.0, "patient 7 (NIfTI header)", 4.0)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000.0), ("micron", 0.001), ("mm", 1.0)])
def test_units_of_length(tmp_path, unit, factor):
    scan = read(save(tmp_path / "a.nii", change=lambda h: h.set_xyzt_units(unit)))
    assert sizes(scan) == pytest.approx((4 * factor, 3 * factor, 2 * factor))
    np.testing.assert_allclose(scan.layout.affine[:3], AFFINE[:3] * factor)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_kinds_and_endings(tmp_path, kind, ending):
    scan = read(save(tmp_path / f"a{ending}", kind=kind))
    np.testing.assert_array_equal(scan.pixels, VOXELS[::-1, ::-1].transpose(2, 1, 0)[:, :, ::-1])


def test_big_endian(tmp_path):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    data = nib.Nifti1Image(VOXELS, AFFINE, header).to_bytes()
    assert data[:4] == (348).to_bytes(4, "big")
    (tmp_path / "a.nii").write_bytes(data)
    scan = read(tmp_path / "a.nii")
    assert scan.pixels.dtype == np.int16
    assert scan.pixels[0, -1, 0] == VOXELS[0, 0, 0]
    write_labels(tmp_path, "a", scan, scan.pixels > 30)
    back = np.asarray(nib.load(tmp_path / "masks" / "a_mask.nii.gz").dataobj)
    np.testing.assert_array_equal(back, VOXELS > 30)


def test_an_affine_by_quaternions_alone(tmp_path):
    def change(header):
        header.set_qform(AFFINE, code="scanner")
        header.set_sform(None)

    scan = read(save(tmp_path / "a.nii", change=change))
    np.testing.assert_allclose(scan.layout.affine, AFFINE, atol=1e-5)
    assert scan.oriented


def test_scaling_is_applied(tmp_path):
    scan = read(raw(tmp_path / "a.nii.gz", lambda h: h.__setitem__("scl_slope", 0.5) or h.__setitem__("scl_inter", -3)))
    assert scan.pixels.dtype == np.float32
    assert sorted(scan.pixels.ravel()) == sorted((VOXELS * 0.5 - 3).ravel())


def test_the_mask_takes_over_affine_codes_sizes_and_units(tmp_path):
    def change(header):
        header.set_qform(AFFINE, code=1)
        header.set_sform(AFFINE, code=4)
        header.set_xyzt_units("mm", "sec")
        header["descrip"] = b"JANE DOE"

    scan = read(save(tmp_path / "a.nii.gz", VOXELS.astype(float), change=change))
    write_labels(tmp_path, "a", scan, (scan.pixels > 50) * 2)
    given, image = nib.load(tmp_path / "a.nii.gz"), nib.load(tmp_path / "masks" / "a_lesions.nii.gz")
    for field in ("qform_code", "sform_code", "pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "xyzt_units"):
        np.testing.assert_array_equal(image.header[field], given.header[field])
    assert image.get_data_dtype() == np.uint8
    assert image.dataobj.slope == 1
    assert image.dataobj.inter == 0
    assert bytes(image.header["descrip"]).startswith(b"as_written ")  # and nothing of the patient
    np.testing.assert_array_equal(np.asarray(image.dataobj), (VOXELS > 50) * 2)
    mask = nib.load(tmp_path / "masks" / "a_mask.nii.gz")
    assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1}


def test_the_same_mask_is_the_same_file(tmp_path):
    scan = read(save(tmp_path / "a.nii.gz"))
    first = [path.read_bytes() for path in write_labels(tmp_path / "1", "a", scan, scan.pixels > 9)]
    assert first == [path.read_bytes() for path in write_labels(tmp_path / "2", "a", scan, scan.pixels > 9)]


def test_no_codes_no_orientation(tmp_path):
    def change(header):
        header.set_sform(AFFINE, code=0)
        header.set_qform(AFFINE, code=0)
        header.set_xyzt_units("mm")

    scan = read(raw(tmp_path / "a.nii", change))
    assert scan.notes == ("no_orientation",)
    assert not scan.oriented
    assert scan.layout.affine is None
    assert sizes(scan) == (4.0, 3.0, 2.0)
    np.testing.assert_array_equal(scan.pixels, VOXELS.transpose(2, 1, 0))


def test_sizes_that_nobody_wrote_are_no_spacing(tmp_path):
    scan = read(save(tmp_path / "a.nii", affine=None))
    assert scan.notes == ("no_orientation",)
    assert scan.spacing is None


def _zero(header):
    for row in ("srow_x", "srow_y", "srow_z"):
        header[row] = 0


def _not_a_number(header):
    header["srow_y"] = np.nan


def _singular(header):
    header["srow_y"] = header["srow_x"]


def _no_rotation(header):
    header["sform_code"], header["qform_code"] = 0, 1
    header["quatern_b"] = header["quatern_c"] = 3.0


@pytest.mark.parametrize("damage", [_zero, _not_a_number, _singular, _no_rotation])
def test_a_damaged_affine_is_told_and_gives_no_size_without_a_unit(tmp_path, damage):
    scan = read(raw(tmp_path / "a.nii.gz", damage))
    assert scan.notes == ("bad_affine",)
    assert scan.spacing is None
    assert not scan.oriented
    np.testing.assert_array_equal(scan.pixels, VOXELS.transpose(2, 1, 0))
    write_labels(tmp_path, "a", scan, scan.pixels > 30)
    back = np.asarray(nib.load(tmp_path / "masks" / "a_mask.nii.gz").dataobj)
    np.testing.assert_array_equal(back, VOXELS > 30)

    def with_unit(header):
        damage(header)
        header.set_xyzt_units("mm")

    assert sizes(read(raw(tmp_path / "b.nii", with_unit))) == (4.0, 3.0, 2.0)

    def no_size(header):
        with_unit(header)
        header["pixdim"][1:4] = 0

    assert read(raw(tmp_path / "c.nii", no_size)).spacing is None


def test_what_is_no_number_becomes_black(tmp_path):
    array = VOXELS.astype(np.float32)
    array[0, 0, 0], array[1, 1, 1] = np.nan, np.inf
    scan = read(save(tmp_path / "a.nii.gz", array))
    assert scan.notes == ("not_finite",)
    assert (scan.pixels == 0).sum() == 2
    with pytest.raises(UnreadableError, match="no number that is finite"):
        read(save(tmp_path / "b.nii", np.full((2, 3, 4), np.nan, np.float32)))


def test_one_volume_of_four_axes_is_read_and_several_are_not(tmp_path):
    scan = read(save(tmp_path / "a.nii", VOXELS[..., None]))
    assert scan.pixels.shape == (5, 4, 3)
    with pytest.raises(
        UnreadableError, match=r"a\.nii\.gz holds 2 volumes \(its shape is 3 x 4 x 5 x 2\).*Save the one"
    ):
        read(save(tmp_path / "a.nii.gz", np.stack([VOXELS, VOXELS], axis=-1)))


def test_a_single_slice(tmp_path):
    scan = read(save(tmp_path / "a.nii", VOXELS[..., 0]))
    assert scan.pixels.shape == (1, 4, 3)
    assert scan.spacing.row_column == (3.0, 2.0)
    assert scan.spacing.slice_mm is None
    paths = write_labels(tmp_path, "a", scan, scan.pixels > 20)
    assert np.asarray(nib.load(paths[1]).dataobj).tolist() == (VOXELS[..., 0] > 20).tolist()


def test_colours_and_complex_numbers(tmp_path):
    colour = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(UnreadableError, match=r"a\.nii is a colour picture"):
        read(save(tmp_path / "a.nii", colour))
    with pytest.raises(UnreadableError, match="complex64, which are no grey values"):
        read(save(tmp_path / "b.nii", VOXELS.astype(np.complex64)))


@pytest.mark.parametrize("share", [0.02, 0.4, 0.9, 0.999])
def test_cut_short(tmp_path, share):
    noise = np.random.default_rng(0).integers(0, 30000, (30, 31, 32)).astype(np.int16)
    for ending in (".nii.gz", ".nii"):
        path = save(tmp_path / f"a{ending}", noise)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UnreadableError, match=r"cut short|no NIfTI"):
            read(path)


def test_what_the_ending_promises_is_held_against_the_bytes(tmp_path):
    data = save(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(data)
    with pytest.raises(UnreadableError, match=r"b\.nii\.gz is not compressed.*rename"):
        read(tmp_path / "b.nii.gz")
    (tmp_path / "c.nii").write_bytes(gzip.compress(data))
    with pytest.raises(UnreadableError, match=r"c\.nii is compressed.*rename"):
        read(tmp_path / "c.nii")
    (tmp_path / "d.nii").write_bytes(b"no volume at all" * 100)
    with pytest.raises(UnreadableError, match=r"d\.nii is no NIfTI"):
        read(tmp_path / "d.nii")
    (tmp_path / "e.nii").write_bytes(b"")
    with pytest.raises(UnreadableError, match=r"e\.nii is empty"):
        read(tmp_path / "e.nii")
    (tmp_path / "f.nii.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(UnreadableError, match=r"f\.nii\.gz is empty"):
        read(tmp_path / "f.nii.gz")
    damaged = bytearray(save(tmp_path / "g.nii.gz").read_bytes())
    damaged[-6] ^= 0xFF
    (tmp_path / "g.nii.gz").write_bytes(damaged)
    with pytest.raises(UnreadableError, match="cut short or damaged"):
        read(tmp_path / "g.nii.gz")


def test_an_unknown_kind_of_numbers(tmp_path):
    with pytest.raises(UnreadableError, match="no kind of numbers has the code 206"):
        read(raw(tmp_path / "a.nii", lambda h: h.__setitem__("datatype", 206)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_to_a_header_is_read_or_told(changes):
    data = bytearray(nib.Nifti1Image(VOXELS, AFFINE).to_bytes())
    for place, value in changes:
        data[place] = value
    try:
        made = nifti.decode(bytes(data), "a.nii")
    except UnreadableError:  # whatever else is raised fails the test
        return
    assert np.isfinite(made.pixels).all()
    assert made.layout.to_stored(made.pixels).shape == made.layout.stored_shape
    assert made.spacing is None or all(size > 0 for size in made.spacing.row_column)


def test_no_voxels(tmp_path):
    with pytest.raises(UnreadableError, match="no pixels"):
        read(raw(tmp_path / "a.nii", lambda h: h.__setitem__("dim", [3, 4, 0, 5, 1, 1, 1, 1])))
    with pytest.raises(UnreadableError, match=r"damaged: its header names \d+ axes"):
        read(raw(tmp_path / "b.nii", lambda h: h.__setitem__("dim", [9] * 8)))
    with pytest.raises(UnreadableError, match="no rows and columns"):
        read(raw(tmp_path / "c.nii", lambda h: h.__setitem__("dim", [1, 60, 1, 1, 1, 1, 1, 1])))


def test_a_forged_size_is_refused_before_memory_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(decoded, "MAX_PIXELS", 1000)
    with pytest.raises(UnreadableError, match="more than can be read"):
        read(raw(tmp_path / "a.nii.gz", lambda h: h.__setitem__("dim", [3, 20, 20, 20, 1, 1, 1, 1])))


def test_folders_list_volumes_only_where_they_are_asked_for(tmp_path):
    for name in ("b.nii", "a.nii.gz", "a_mask.nii.gz", "a_lesions.nii.gz", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    found = expand([tmp_path], volumes=True)
    assert [item.name for item in found.items] == ["a.nii.gz", "b.nii"]
    assert (found.skipped, found.not_scans) == (1, 2)
    (nothing,) = expand([tmp_path]).items
    with pytest.raises(UnreadableError, match="a folder without a scan"):
        nothing.read()
    (alone,) = expand([tmp_path / "b.nii"]).items
    with pytest.raises(UnreadableError, match=r"b\.nii is of no kind that can be read here"):
        alone.read()


def test_the_ending_has_two_parts(tmp_path):
    assert stems(["s/a.nii.gz", "b.nii", "c.NII.GZ"]) == {"s/a.nii.gz": "s/a", "b.nii": "b", "c.NII.GZ": "c"}
    masks = [f"x_{what}.{end}" for what in ("mask", "lesions") for end in ("nii.gz", "tif")]
    assert all(is_annotation(name) for name in masks)
    assert not any(is_annotation(name) for name in ("mask.nii.gz", "lesions_flair.tif", "a_mask_2.nii"))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("turn_deg", [0.0, 13.0, 20.0])
@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("micron", 1000.0)])
def test_sizes_are_the_decimals_that_were_meant_and_the_affine_stays_exact(tmp_path, kind, turn_deg, unit, factor):
    cos, sin = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    turned = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.diag([0.469, 1.1, 3.3]) * factor
    scan = read(save(tmp_path / "a.nii.gz", affine=affine, change=lambda h: h.set_xyzt_units(unit), kind=kind))
    assert sizes(scan) == (3.3, 1.1, 0.469)
    kept = affine.astype(np.float32 if kind is nib.Nifti1Image else np.float64)
    np.testing.assert_allclose(scan.layout.affine[:3], kept[:3].astype(float) / factor, rtol=1e-15, atol=0)


def test_a_size_that_the_affine_alone_tells_has_no_more_digits_than_it_holds(tmp_path):
    path = raw(tmp_path / "a.nii", lambda h: h["pixdim"].__setitem__(slice(1, 4), 1), affine=AFFINE * 0.55)
    assert sizes(read(path)) == (2.2, 1.65, 1.1)
