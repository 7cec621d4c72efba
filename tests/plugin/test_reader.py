"""napari opens NIfTI, DICOM series and folders of slices through the plugin, in millimetres."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import tifffile
from npe2 import PluginManager
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from fetalseg.errors import UnreadableError
from napari_fetalseg.reader import METADATA, get_reader

NAME = "napari-fetalseg"
VOXELS = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
AFFINE = np.array([[2.0, 0, 0, 1], [0, 3.0, 0, 2], [0, 0, 4.0, 3], [0, 0, 0, 1]])


def nifti(path, array=VOXELS, affine=AFFINE):
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def series(folder, description="AX FLAIR", value=0, ending=".dcm", count=3):
    folder.mkdir(parents=True, exist_ok=True)
    uid = generate_uid()
    for number in range(count):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        made.Modality, made.StudyDate, made.SeriesDescription = "MR", "20010203", description
        made.SeriesInstanceUID, made.PixelSpacing = uid, [0.5, 0.6]
        made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 4 * number]
        made.Rows, made.Columns, made.SamplesPerPixel = 2, 3, 1
        made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
        made.BitsAllocated = made.BitsStored = 16
        made.HighBit = 15
        made.PixelData = (np.arange(6, dtype=np.uint16) + 10 * number + value).tobytes()
        made.save_as(folder / f"{description[-2:]}{number}{ending}", enforce_file_format=True)
    return folder


def slices(folder, count=3):
    folder.mkdir()
    for number in range(1, count + 1):
        tifffile.imwrite(folder / f"p_{number}.tif", np.full((6, 7, 3), number, np.uint8), photometric="rgb")
        tifffile.imwrite(folder / f"p_{number}_mask.tif", np.zeros((6, 7), np.uint8))
    return folder


@pytest.fixture
def viewer(make_napari_viewer):
    PluginManager.instance().discover()
    return make_napari_viewer()


@pytest.mark.parametrize("name", ["head.nii", "head.nii.gz", "HEAD.NII.GZ"])
def test_nifti_opens_as_axial_slices_in_millimetres(viewer, tmp_path, name):
    path = nifti(tmp_path / name)
    (layer,) = viewer.open(path, plugin=NAME)
    np.testing.assert_array_equal(layer.data, VOXELS.transpose(2, 1, 0)[:, ::-1, ::-1])
    assert tuple(layer.scale) == (4.0, 3.0, 2.0)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.name.lower() == "head"
    told = layer.metadata[METADATA]
    assert told["path"] == str(path)
    assert told["spacing_source"] == f"{name} (NIfTI header)"
    assert told["oriented"]
    np.testing.assert_array_equal(told["affine"], AFFINE)
    np.testing.assert_array_equal(told["layout"].to_stored(layer.data), VOXELS)


@pytest.mark.parametrize(
    ("name", "offered"),
    [("a.nii", True), ("a.nii.gz", True), ("A.NII", True), ("I1.dcm", True), ("I1.IMA", True), ("a.tif", False)],
)
def test_napari_offers_the_reader_for_its_own_kinds(tmp_path, name, offered):
    manager = PluginManager.instance()
    manager.discover()
    assert (NAME in {found.plugin_name for found in manager.iter_compatible_readers([tmp_path / name])}) is offered
    assert NAME in {found.plugin_name for found in manager.iter_compatible_readers([tmp_path])}


def test_a_dicom_folder_and_one_of_its_files(viewer, tmp_path):
    folder = series(tmp_path / "exam")
    series(folder, "T1", value=500)
    (layer,) = viewer.open(folder, plugin=NAME)
    assert layer.data[2, 0, 0] == 20
    assert tuple(layer.scale) == (4.0, 0.5, 0.6)
    assert layer.name == "AX FLAIR"
    told = layer.metadata[METADATA]
    assert (told["modality"], told["description"], told["study_date"]) == ("MR", "AX FLAIR", "2001-02-03")
    assert "positions" in told["spacing_source"]
    (other,) = viewer.open(folder / "T10.dcm", plugin=NAME)
    assert other.data.shape == (3, 2, 3)
    assert other.data[0, 0, 0] == 500
    assert np.array_equal(get_reader([str(folder / f"T1{k}.dcm") for k in range(3)])(None)[0][0], other.data)


def test_a_folder_of_slices(viewer, tmp_path):
    (layer,) = viewer.open(slices(tmp_path / "patient"), plugin=NAME)
    assert layer.data[:, 0, 0].tolist() == [1, 2, 3]
    assert layer.metadata[METADATA]["notes"] == ("flair_channel",)
    assert [str(unit) for unit in layer.units] == ["pixel"] * 3


def test_a_tree_of_volumes(tmp_path):
    nifti(tmp_path / "a.nii")
    slices(tmp_path / "p")
    tifffile.imwrite(tmp_path / "photo.tif", np.zeros((4, 5), np.uint8))
    names = [looks["name"] for _, looks, _ in get_reader(str(tmp_path))(str(tmp_path))]
    assert names == ["a", "p"]
    for number in range(12):
        nifti(tmp_path / f"b{number}.nii")
    with pytest.raises(UnreadableError, match="14 volumes, too many to show at once"):
        get_reader(str(tmp_path))(str(tmp_path))


def test_what_is_not_ours_stays_with_napari(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 5), np.uint8))
    (tmp_path / "notes.ima").write_text("no DICOM")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "a.tif", tmp_path / "notes.ima", tmp_path, tmp_path / "empty"):
        assert get_reader(str(path)) is None
    assert get_reader([str(tmp_path / "a.tif"), str(tmp_path / "a.tif")]) is None


def test_the_sentence_reaches_the_person(viewer, tmp_path):
    path = nifti(tmp_path / "a.nii.gz", np.stack([VOXELS, VOXELS], axis=-1))
    with pytest.raises(Exception, match="holds 2 volumes"):
        viewer.open(path, plugin=NAME)
    folder = series(tmp_path / "exam", "T1")
    series(folder, "T2")
    with pytest.raises(Exception, match="2 DICOM series, and none of them fits 'flair': 'T1', 'T2'"):
        viewer.open(folder, plugin=NAME)
    (tmp_path / "b.dcm").write_bytes(b"nothing")
    with pytest.raises(Exception, match=r"b\.dcm is no DICOM file"):
        viewer.open(tmp_path / "b.dcm", plugin=NAME)
    assert len(viewer.layers) == 0


def test_a_single_slice_has_no_thickness_of_its_own(viewer, tmp_path):
    (layer,) = viewer.open(nifti(tmp_path / "a.nii", VOXELS[..., 0]), plugin=NAME)
    assert layer.data.shape == (1, 4, 3)
    assert tuple(layer.scale) == (1.0, 3.0, 2.0)
    assert [str(unit) for unit in layer.units] == ["pixel", "millimeter", "millimeter"]


def test_one_bright_voxel_leaves_the_brain_visible(tmp_path):
    array = np.tile(np.arange(100, dtype=np.float32), 900).reshape(30, 30, 100)
    array[0, 0, 0] = 1e6
    ((_, looks, _),) = get_reader(str(nifti(tmp_path / "a.nii", array)))(None)
    low, high = looks["contrast_limits"]
    assert low == 0
    assert 90 < high < 110


def test_a_flat_volume_can_be_shown(viewer, tmp_path):
    (layer,) = viewer.open(nifti(tmp_path / "a.nii", VOXELS * 0), plugin=NAME)
    assert layer.contrast_limits == [0, 1]
