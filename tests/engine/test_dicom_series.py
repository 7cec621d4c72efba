"""DICOM series made here, one file a slice or all in one: geometry, choice of the series, and what is wrong with it."""

from __future__ import annotations

import hashlib
import re

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from fetalseg.errors import UnreadableError
from fetalseg.io.folders import expand, stems
from fetalseg.io.registry import read
from fetalseg.io.volumes import write_labels

VOLUME = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
SPACING = (0.9, 0.7)
STEP = 3.0
AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)


def dataset(path, kind=MRImageStorage, syntax=ExplicitVRLittleEndian):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = syntax
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    made.PatientName, made.PatientID, made.PatientBirthDate = "Doe^Jane", "4711", "19700101"
    made.Modality, made.StudyDate, made.SeriesNumber = "MR", "20000902", 5
    return made


def fill(made, pixels):
    made.Rows, made.Columns = pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(pixels.dtype.kind == "i")
    made.PixelData = np.ascontiguousarray(pixels).tobytes()


def place(number, orientation=AXIAL, step=STEP, origin=(-10.0, -20.0, 30.0)):
    normal = np.cross(orientation[:3], orientation[3:])
    return [float(x) for x in np.array(origin) + normal * step * number]


def save(made, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)


def series(folder, volume=VOLUME, orientation=AXIAL, uid=None, description="AX T2 FLAIR", change=None, step=STEP):
    """Write a series whose file names run against its slices; `change(dataset, number)` alters each."""
    uid = uid or generate_uid()
    for number, plane in enumerate(volume):
        path = folder / f"IM{len(volume) - number:03d}{re.sub('[^A-Za-z0-9]', '', description)}"
        made = dataset(path)
        made.SeriesInstanceUID, made.SeriesDescription, made.InstanceNumber = uid, description, number + 1
        made.ImageOrientationPatient, made.ImagePositionPatient = list(orientation), place(number, orientation, step)
        made.PixelSpacing, made.SliceThickness = list(SPACING), 2.5
        fill(made, plane)
        if change:
            change(made, number)
        save(made, path)
    return folder


def enhanced(path, volume=VOLUME, positions=None):
    """Write all slices in one file, in the order that `positions` gives."""
    made = dataset(path, EnhancedMRImageStorage)
    made.SeriesInstanceUID, made.SeriesDescription = generate_uid(), "3D FLAIR"
    fill(made, volume)
    made.NumberOfFrames = len(volume)
    measures, plane, values, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), 2.5
    plane.ImageOrientationPatient = list(AXIAL)
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 2, -1, "US"
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelValueTransformationSequence = Sequence([values])
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for number in positions or range(len(volume)):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = place(number)
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    made.PerFrameFunctionalGroupsSequence = Sequence(frames)
    save(made, path)
    return path


def sizes(scan):
    return None if scan.spacing is None else (scan.spacing.slice_mm, *scan.spacing.row_column)


def refused(folder, match):
    with pytest.raises(UnreadableError, match=match) as raised:
        read(folder, name="study/FLAIR")
    assert str(raised.value).startswith("study/FLAIR")


def test_a_series_becomes_axial_slices_foot_to_head(tmp_path):
    scan = read(series(tmp_path))
    np.testing.assert_array_equal(scan.pixels, VOLUME)
    assert scan.pixels.dtype == np.uint16
    assert sizes(scan) == pytest.approx((STEP, *SPACING))
    assert "positions" in scan.spacing.source
    assert (scan.modality, scan.description, scan.study_date) == ("MR", "AX T2 FLAIR", "2000-09-02")
    assert scan.oriented
    assert scan.notes == ()
    files = sorted(tmp_path.iterdir(), reverse=True)
    assert scan.sha256 == hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_nobody_is_named(tmp_path):
    scan = read(series(tmp_path))
    assert not any(word in repr(vars(scan)) for word in ("Doe", "Jane", "4711", "1970"))


@pytest.mark.parametrize(
    "orientation", [AXIAL, SAGITTAL, CORONAL, (-1, 0, 0, 0, 1, 0), (0.96, 0.28, 0, -0.28, 0.96, 0)]
)
def test_every_plane_keeps_its_world(tmp_path, orientation):
    scan = read(series(tmp_path / "in", orientation=orientation))
    slice_, row, column = (int(x[0]) for x in np.where(scan.pixels == VOLUME[3, 1, 4]))
    labels = np.zeros(scan.pixels.shape, np.uint8)
    labels[slice_, row, column] = 1
    paths = write_labels(tmp_path, "a", scan, labels)
    stored = tifffile.imread(paths[0])
    assert stored.shape == VOLUME.shape
    image = nib.load(tmp_path / "masks" / "a_mask.nii.gz")
    assert image.header.get_xyzt_units()[0] == "mm"
    (index,) = np.argwhere(np.asarray(image.dataobj))
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    lps = np.array(place(3, orientation)) + along_column * SPACING[0] * 1 + along_row * SPACING[1] * 4
    np.testing.assert_allclose(nib.affines.apply_affine(image.affine, index), lps * [-1, -1, 1], atol=1e-4)
    np.testing.assert_allclose(
        nib.affines.apply_affine(scan.layout.affine, np.argwhere(stored)[0]), lps * [-1, -1, 1], atol=1e-4
    )


def test_a_sagittal_series_is_shown_in_axial_slices(tmp_path):
    scan = read(series(tmp_path, orientation=SAGITTAL))
    assert scan.pixels.shape == (5, 6, 4)
    assert sizes(scan) == pytest.approx((SPACING[0], SPACING[1], STEP))
    # Rows ran from head to foot, columns from front to back, slices from the patient's left to the right.
    np.testing.assert_array_equal(scan.pixels, VOLUME.transpose(1, 2, 0)[::-1, :, ::-1])


def test_all_slices_in_one_file(tmp_path):
    path = enhanced(tmp_path / "one", VOLUME[[2, 0, 3, 1]], (2, 0, 3, 1))
    scan = read(path)
    np.testing.assert_array_equal(scan.pixels, VOLUME * 2.0 - 1)
    assert sizes(scan) == pytest.approx((STEP, *SPACING))
    assert scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    enhanced(path, VOLUME, (0, 0, 1, 1))
    refused(path, "4 slices at 2 places")


def test_values_are_rescaled_and_monochrome1_is_turned(tmp_path):
    def change(made, number):
        made.PhotometricInterpretation, made.BitsStored, made.HighBit = "MONOCHROME1", 12, 11
        made.RescaleSlope, made.RescaleIntercept = "0.5", str(number)

    scan = read(series(tmp_path, change=change))
    np.testing.assert_array_equal(scan.pixels, (4095.0 - VOLUME) * 0.5 + np.arange(4)[:, None, None])


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEGLosslessSV1])
def test_compressed_series(tmp_path, syntax):
    import imagecodecs

    volume = (VOLUME * 301).astype(np.uint16)
    encoders = {JPEGLSLossless: imagecodecs.jpegls_encode, JPEGLosslessSV1: imagecodecs.ljpeg_encode}

    def change(made, number):
        if syntax == RLELossless:
            made.compress(syntax)
            return
        data = encoders[syntax](volume[number])
        made.PixelData = pydicom.encaps.encapsulate([data])
        made["PixelData"].is_undefined_length = True
        made.file_meta.TransferSyntaxUID = syntax

    np.testing.assert_array_equal(read(series(tmp_path, volume, change=change)).pixels, volume)


def test_a_single_slice_takes_its_thickness_and_says_so(tmp_path):
    scan = read(series(tmp_path / "a", VOLUME[:1]))
    assert sizes(scan) == pytest.approx((2.5, *SPACING))
    assert "thickness" in scan.spacing.source
    bare = read(series(tmp_path / "b", VOLUME[:1], change=lambda made, number: made.__delattr__("SliceThickness")))
    assert bare.spacing.slice_mm is None
    assert bare.layout.affine is None
    paths = write_labels(tmp_path, "b", bare, bare.pixels > 3)
    assert [path.suffix for path in paths] == [".tif", ".tif"]


def test_without_pixel_spacing_there_are_no_millimetres(tmp_path):
    scan = read(series(tmp_path, change=lambda made, number: made.__delattr__("PixelSpacing")))
    assert scan.spacing is None
    assert scan.oriented
    np.testing.assert_array_equal(scan.pixels, VOLUME)


@pytest.mark.parametrize(
    ("lost", "text"), [((2,), "a slice is missing after slice 2"), ((1, 2), "2 slices are missing")]
)
def test_a_missing_slice_is_told_with_its_place(tmp_path, lost, text):
    series(tmp_path, np.repeat(VOLUME, 2, axis=0))
    for number in lost:
        (tmp_path / f"IM{8 - number:03d}AXT2FLAIR").unlink()
    refused(tmp_path, text)


def test_uneven_slices(tmp_path):
    def change(made, number):
        if number == 3:
            made.ImagePositionPatient = place(3.4)

    refused(
        series(tmp_path, change=change), r"not evenly spaced: 4\.2 mm after slice 3 \(IM002AXT2FLAIR\), 3 mm elsewhere"
    )


def test_positions_written_with_few_digits_are_even(tmp_path):
    def change(made, number):
        made.ImagePositionPatient = [round(x, 2) for x in place(number, step=1.1234)]

    assert read(series(tmp_path, change=change)).spacing.slice_mm == pytest.approx(1.1234, abs=0.01)


def _second(made, number, name, value):
    if number == 1:
        setattr(made, name, value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d, n: _second(d, n, "PixelSpacing", [0.5, 0.5]), r"two pixel spacings \(.*0\.5 x 0\.5 mm"),
        (lambda d, n: _second(d, n, "ImagePositionPatient", place(0)), "several time points, echoes or repeats"),
        (lambda d, n: d.__delattr__("ImagePositionPatient"), "do not all tell where they lie"),
        (lambda d, n: n == 1 and fill(d, VOLUME[0, :3]), r"different sizes \(6 x 5 and 6 x 3, IM003AXT2FLAIR\)"),
        (lambda d, n: _second(d, n, "PixelData", d.PixelData[:20]), "IM003AXT2FLAIR is damaged or cut short"),
        (lambda d, n: _second(d, n, "PhotometricInterpretation", "RGB"), r"IM003AXT2FLAIR is a colour picture"),
        (lambda d, n: _second(d, n, "NumberOfFrames", 3), "several frames without their positions"),
    ],
)
def test_what_is_no_volume_is_told(tmp_path, change, text):
    refused(series(tmp_path, change=change), text)


def test_the_flair_is_found_among_other_series(tmp_path):
    series(tmp_path / "exam", description="AX T2 FLAIR")
    series(tmp_path / "exam", VOLUME + 500, description="T1/post 3.0", orientation=CORONAL)
    (tmp_path / "exam" / "DICOMDIR.txt").write_text("no picture")
    (flair,) = expand([tmp_path], volumes=True).items
    assert flair.name == "exam/AX T2 FLAIR"
    np.testing.assert_array_equal(flair.read().pixels, VOLUME)
    assert expand([tmp_path], volumes=True).skipped == 1
    (other,) = expand([tmp_path / "exam"], volumes=True, series="t1").items
    assert other.name == "exam/T1_post 3.0"
    assert other.read().pixels.min() == 500
    (none,) = expand([tmp_path], volumes=True, series="DWI").items
    with pytest.raises(UnreadableError, match=r"exam holds 2 .*none of them fits 'DWI': 'AX T2 FLAIR'.*--series"):
        none.read()
    assert stems([flair.name]) == {flair.name: "exam/AX T2 FLAIR"}


def test_two_flairs_are_listed_and_a_whole_description_chooses(tmp_path):
    series(tmp_path / "exam", description="FLAIR")
    series(tmp_path / "exam", VOLUME + 500, description="FLAIR fs")
    (item,) = expand([tmp_path], volumes=True, series="flair fs").items
    assert item.read().pixels.min() == 500
    (item,) = expand([tmp_path], volumes=True).items
    assert item.read().description == "FLAIR"
    series(tmp_path / "more", description="3D FLAIR")
    series(tmp_path / "more", description="AX FLAIR")
    with pytest.raises(UnreadableError, match="2 of them fit 'flair': '3D FLAIR', 'AX FLAIR'"):
        read(tmp_path / "more")


def test_a_localiser_is_split_by_plane(tmp_path):
    uid = generate_uid()
    series(tmp_path / "a", description="AX loc", uid=uid)
    series(tmp_path / "a", VOLUME + 500, description="CO loc", orientation=CORONAL, uid=uid)
    with pytest.raises(UnreadableError, match=r"'AX loc \(axial\)', 'CO loc \(coronal\)'"):
        read(tmp_path / "a")
    assert read(tmp_path / "a", series="coronal").pixels.min() == 500


def test_a_folder_a_series_as_archives_hand_them_out(tmp_path):
    series(tmp_path / "5-flair", description="AX FLAIR")
    series(tmp_path / "6-t1", description="AX T1")
    names = [item.name for item in expand([tmp_path], volumes=True).items]
    assert names == ["5-flair/AX FLAIR", "6-t1/AX T1"]
    found = expand([tmp_path], volumes=True, series="FLAIR")
    assert [item.name for item in found.items] == ["5-flair/AX FLAIR"]
    assert found.not_scans == 4
    (nothing,) = expand([tmp_path / "6-t1"], volumes=True, series="FLAIR").items
    with pytest.raises(UnreadableError, match=r"6-t1 is a folder without a scan .* DICOM series that fits 'FLAIR'"):
        nothing.read()


def test_one_file_stands_for_its_series(tmp_path):
    series(tmp_path / "exam", description="AX T1")
    series(tmp_path / "exam", VOLUME + 500, description="FLAIR")
    files = [tmp_path / "exam" / "IM001AXT1", tmp_path / "exam" / "IM002AXT1"]
    (item,) = expand(files, volumes=True).items
    assert item.name == "exam/AX T1"
    np.testing.assert_array_equal(item.read().pixels, VOLUME)
    np.testing.assert_array_equal(read(files[1]).pixels, VOLUME)


def test_same_names_of_two_exams_are_told_apart(tmp_path):
    for exam in ("1", "2"):
        series(tmp_path / exam / "mr")
    found = expand([tmp_path / "1" / "mr", tmp_path / "2" / "mr"], volumes=True)
    assert [item.name for item in found.items] == ["1/mr/AX T2 FLAIR", "2/mr/AX T2 FLAIR"]


def test_without_volumes_a_series_is_skipped(tmp_path):
    series(tmp_path / "exam")
    found = expand([tmp_path])
    assert found.skipped == 4
    with pytest.raises(UnreadableError, match="a folder without a scan"):
        found.items[0].read()
    with pytest.raises(UnreadableError, match="of the modality MR, no ultrasound"):
        expand([tmp_path / "exam" / "IM001AXT2FLAIR"]).items[0].read()


def test_a_damaged_file_among_the_slices(tmp_path):
    path = series(tmp_path) / "IM001AXT2FLAIR"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UnreadableError, match=r"IM001AXT2FLAIR is (a )?damaged"):
        read(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_damage_to_a_slice_is_read_or_told(tmp_path):
    path = sorted(series(tmp_path / "s").iterdir())[1]
    whole, draw = path.read_bytes(), np.random.default_rng(1)
    for _ in range(150):
        data = bytearray(whole)
        for place_ in draw.integers(132, len(data), 3):
            data[place_] = draw.integers(0, 256)
        path.write_bytes(data[: draw.integers(len(data) // 2, 2 * len(data))])
        try:
            frames = read(tmp_path / "s").frames
        except UnreadableError:  # whatever else is raised fails the test
            continue
        assert frames == len(VOLUME)


def test_no_dicom_although_the_ending_says_so(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"x" * 300)
    with pytest.raises(UnreadableError, match=r"a\.dcm is no DICOM file"):
        read(tmp_path / "a.dcm")
