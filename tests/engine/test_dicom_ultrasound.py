"""Ultrasound DICOM made here: each encoding gives the same grey values, and no file gives wrong millimetres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from fetalseg import pipeline
from fetalseg.errors import UnreadableError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io.folders import expand
from fetalseg.io.registry import read
from fetalseg.result import Ellipse, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from standins import SHAPE, TRUTH, bright, disc, loop, make_card
from ultrasounds import ENCODINGS, EXACT, PATIENT, dicom, region, whole

HEAD = disc(TRUTH, SHAPE)
ROWS, COLUMNS = SHAPE


class _Network:
    card = make_card()
    device, backend = "cpu", "standin"

    def __init__(self):
        self.passes = 0

    def __call__(self, batch):
        self.passes += len(batch)
        return bright(batch)


def found(scan, network=None):
    """The results of a scan's frames, by a network that takes what is bright for a head."""
    return list(pipeline.Pipeline(SegmentSettings(), network or _Network()).segment(scan))


def us(tmp_path, pixels=HEAD, regions=(), encoding="MONOCHROME2", name="us.dcm", **values):
    dicom(tmp_path / name, pixels, tuple(regions), encoding, **values)
    return read(tmp_path / name, volumes=False)


def codes(result):
    return {flag.code for flag in result.measurement.flags}


def hc_mm(ellipse, column_mm, row_mm):
    true = ellipses.scaled(ellipse, column_mm, row_mm)
    return ellipses.circumference(true.semi_major, true.semi_minor)


def in_pixels_only(result, *expected):
    """No millimetres anywhere, and a sentence that says why."""
    values = result.measurement.values
    assert result.spacing is None
    assert not [name for name, value in values.items() if "mm" in name and value is not None]
    assert set(expected) <= codes(result)
    return values


# Pixels


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("frames", [None, 3])
def test_every_encoding_gives_the_same_grey_values(tmp_path, encoding, frames):
    pixels = HEAD if frames is None else loop(frames)
    scan = us(tmp_path, pixels, [whole(pixels)], encoding)
    assert scan.shape == pixels.shape
    assert scan.pixels.shape == (frames or 1, *SHAPE)
    high = {"16 bit": 16, "PALETTE COLOR": 257}.get(encoding, 1)
    difference = abs(scan.pixels.astype(float) / high - pixels)
    assert difference.max() <= (0 if encoding in EXACT else 12)
    assert difference.mean() < 0.5
    assert "colour" not in scan.notes


def test_colours_become_luma_and_are_noted(tmp_path):
    made = dicom(tmp_path / "rgb.dcm", HEAD, (), "RGB")
    colour = np.zeros((*SHAPE, 3), np.uint8)
    colour[:60], colour[60:120], colour[120:] = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    made.PixelData = colour.tobytes()
    made.save_as(tmp_path / "rgb.dcm")
    scan = read(tmp_path / "rgb.dcm", volumes=False)
    assert [int(scan.pixels[0, row, 5]) for row in (5, 65, 125)] == [60, 117, 23]
    assert scan.notes == ("colour",)


def test_the_header_tells_date_and_kind_but_no_patient(tmp_path):
    scan = us(tmp_path, regions=[whole(HEAD)], SeriesDescription="OB  2nd")
    assert (scan.study_date, scan.modality, scan.description) == ("2024-05-20", "US", "OB 2nd")
    assert not any(value in repr(vars(scan)) for value in PATIENT.values())
    assert us(tmp_path, StudyDate="", AcquisitionDate="20240519").study_date == "2024-05-19"
    assert us(tmp_path, StudyDate="2024.05.20").study_date == "2024-05-20"
    assert us(tmp_path, StudyDate="").study_date is None


@pytest.mark.parametrize(
    ("study", "lmp", "told"),
    [
        ("20240520", "20240101", "2024-01-01"),
        ("20240520", "2024.01.01", "2024-01-01"),
        ("20240520", None, None),
        ("20240520", "", None),
        ("20240520", "20240520", None),  # no head is seen on that day
        ("20240520", "20240601", None),
        ("20241111", "20240101", "2024-01-01"),  # 45 weeks
        ("20241112", "20240101", None),  # of a pregnancy before
        ("", "20240101", None),  # of which day nobody knows
        ("20240520", "unknown", None),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_the_last_period_is_told_where_it_can_be_that_of_the_day(tmp_path, study, lmp, told):
    values = {} if lmp is None else {"LastMenstrualDate": lmp}
    assert us(tmp_path, StudyDate=study, **values).lmp == told


@pytest.mark.parametrize(
    ("maker", "model", "told"),
    [
        ("GE Healthcare", " Voluson  E8 ", "GE Healthcare Voluson E8"),
        ("SAMSUNG", "Samsung HERA W10", "Samsung HERA W10"),
        ("Philips", "", "Philips"),
        ("", "", None),
    ],
)
def test_the_header_tells_the_machine(tmp_path, maker, model, told):
    scan = us(tmp_path, regions=[whole(HEAD)], Manufacturer=maker, ManufacturerModelName=model)
    assert scan.machine == told
    assert found(scan)[0].machine == told


# Millimetres


def test_a_region_gives_each_axis_its_own_millimetres(tmp_path):
    scan = us(tmp_path, regions=[whole(HEAD, 0.03, 0.05)])
    assert scan.spacing.row_column == pytest.approx((0.5, 0.3))
    assert scan.spacing.source == "us.dcm (DICOM ultrasound region)"
    (result,) = found(scan)
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.3, 0.5), rel=0.004)
    assert result.study_date == "2024-05-20"
    assert result.spacing == scan.spacing


def test_a_region_of_the_whole_picture_measures_like_a_typed_spacing(tmp_path):
    scan = us(tmp_path, regions=[whole(HEAD, 0.03)])
    plain = Scan.from_array(HEAD, "x", Spacing(0.3, 0.3, "typed in"))
    (one,), (other,) = found(scan), found(plain)
    assert one.measurement == other.measurement
    np.testing.assert_array_equal(one.segmentation.mask, other.segmentation.mask)


def test_a_negative_delta_is_a_direction(tmp_path):
    scan = us(tmp_path, regions=[whole(HEAD, -0.03, -0.05)])
    assert scan.spacing.row_column == pytest.approx((0.5, 0.3))


def test_what_is_typed_stands_above_the_regions(tmp_path):
    scan = us(tmp_path, regions=[whole(HEAD, 0.03)]).with_spacing(Spacing(0.2, 0.2, "typed in"))
    (result,) = found(scan)
    assert result.spacing.source == "typed in"
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.2, 0.2), rel=0.004)


def test_pixel_spacing_only_where_no_region_speaks(tmp_path):
    scan = us(tmp_path, PixelSpacing=[0.4, 0.2])
    assert scan.spacing == Spacing(0.4, 0.2, "us.dcm (DICOM PixelSpacing)")
    assert us(tmp_path, regions=[whole(HEAD, 0.03)], PixelSpacing=[0.4, 0.2]).spacing.row_mm == pytest.approx(0.3)
    silent = whole(HEAD, 1.0, PhysicalUnitsXDirection=0, PhysicalUnitsYDirection=0)
    assert us(tmp_path, regions=[silent], PixelSpacing=[0.4, 0.2]).spacing.row_mm == 0.4
    assert us(tmp_path, ImagerPixelSpacing=[0.4, 0.2]).spacing is None
    assert us(tmp_path, PixelSpacing=[0, 0.2]).spacing is None


def test_a_first_region_without_units_does_not_speak(tmp_path):
    silent = whole(HEAD, 1.0, PhysicalUnitsXDirection=0, PhysicalUnitsYDirection=0)
    scan = us(tmp_path, regions=[silent, whole(HEAD, 0.03)])
    assert scan.spacing.row_mm == pytest.approx(0.3)
    (result,) = found(scan)
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.3, 0.3), rel=0.004)


BAD = {
    "zero delta": {"PhysicalDeltaX": 0.0},
    "no delta": {"PhysicalDeltaY": None},
    "delta of a metre": {"PhysicalDeltaX": 1.0, "PhysicalDeltaY": 1.0},
    "not a number": {"PhysicalDeltaX": float("nan")},
    "no units": {"PhysicalUnitsXDirection": 0, "PhysicalUnitsYDirection": 0},
    "one unit": {"PhysicalUnitsXDirection": 0},
    "seconds": {"PhysicalUnitsXDirection": 4},
    "outside of the picture": {"RegionLocationMinX0": 500, "RegionLocationMaxX1": 700},
    "larger than the picture": {"RegionLocationMaxX1": 2 * COLUMNS},
    "inside out": {"RegionLocationMinY0": 100, "RegionLocationMaxY1": 20},
}


@pytest.mark.parametrize("what", BAD)
def test_a_region_that_cannot_be_right_gives_no_millimetres(tmp_path, what):
    scan = us(tmp_path, regions=[whole(HEAD, 0.03, **BAD[what])])
    assert scan.spacing is None
    (result,) = found(scan)
    values = in_pixels_only(result, "no_region_scale")
    assert values["hc_px"] == pytest.approx(hc_mm(TRUTH, 1, 1), rel=0.004)
    assert result.measurement.state is State.REFUSE
    typed = found(scan.with_spacing(Spacing(0.2, 0.2, "typed in")))[0]  # a person may know better
    assert typed.measurement.values["hc_mm"] == pytest.approx(0.2 * values["hc_px"], rel=1e-6)
    assert "no_region_scale" not in codes(typed)


@pytest.mark.parametrize("past", [0, 1])
def test_a_box_may_count_to_the_picture_s_border(tmp_path, past):
    box = (0, ROWS - 1 + past, 0, COLUMNS - 1 + past)
    assert us(tmp_path, regions=[region(box, 0.03)]).spacing.row_mm == pytest.approx(0.3)


# Which region

LEFT, RIGHT = (0, ROWS - 1, 0, COLUMNS - 1), (0, ROWS - 1, COLUMNS, 2 * COLUMNS - 1)


def two(left=0.03, right=0.05):
    return [region(LEFT, left), region(RIGHT, right)]


@pytest.mark.parametrize("right", [False, True])
def test_the_region_that_holds_the_head_decides(tmp_path, right):
    empty = np.zeros_like(HEAD)
    scan = us(tmp_path, np.hstack([empty, HEAD] if right else [HEAD, empty]), two())
    assert scan.spacing is None  # the scan has no single one
    (result,) = found(scan)
    mm = 0.5 if right else 0.3
    assert result.spacing.row_column == pytest.approx((mm, mm))
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, mm, mm), rel=0.004)
    assert result.measurement.ellipse.center_x == pytest.approx(TRUTH.center_x + right * COLUMNS, abs=0.5)
    for line in result.measurement.calipers:
        ends = np.array([line.start_xy, line.end_xy])
        np.testing.assert_allclose(ends.mean(axis=0), [TRUTH.center_x + right * COLUMNS, TRUTH.center_y], atol=0.6)
    assert not {"crosses_regions", "no_spacing", "no_region_scale"} & codes(result)


@pytest.mark.parametrize("scales", [(0.03, 0.05), (0.03, 0.03)])
@pytest.mark.parametrize("shift", [-50, 0, 50])
def test_a_head_across_two_regions_has_no_millimetres(tmp_path, scales, shift):
    across = replace(TRUTH, center_x=float(COLUMNS + shift))
    scan = us(tmp_path, disc(across, (ROWS, 2 * COLUMNS)), two(*scales))
    (result,) = found(scan)
    in_pixels_only(result, "crosses_regions")
    assert result.measurement.state is State.REFUSE
    assert "no_spacing" not in codes(result)


@pytest.mark.parametrize(
    "display",
    [
        {"RegionSpatialFormat": 2, "PhysicalUnitsXDirection": 4},  # M-mode
        {"RegionSpatialFormat": 3, "RegionDataType": 3, "PhysicalUnitsXDirection": 4, "PhysicalUnitsYDirection": 7},
        {"RegionDataType": 2},  # colour flow alone
    ],
)
@pytest.mark.parametrize("tissue", [False, True])
def test_a_head_in_another_display_has_no_millimetres(tmp_path, display, tissue):
    pixels = np.hstack([np.zeros_like(HEAD), HEAD])
    regions = [*([region(LEFT, 0.03)] if tissue else []), region(RIGHT, 0.05, **display)]
    (result,) = found(us(tmp_path, pixels, regions))
    in_pixels_only(result, "other_region")
    assert result.measurement.state is State.REFUSE


def test_an_m_mode_beside_the_head_does_no_harm(tmp_path):
    strip = region((ROWS, ROWS + 59, 0, COLUMNS - 1), 0.01, RegionSpatialFormat=2, PhysicalUnitsXDirection=4)
    noise = np.random.default_rng(1).integers(0, 255, (60, COLUMNS), np.uint8)
    (result,) = found(us(tmp_path, np.vstack([HEAD, noise]), [region(LEFT, 0.03), strip]))
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.3, 0.3), rel=0.004)


def test_a_head_outside_all_regions_has_pixels_only(tmp_path):
    pixels = np.hstack([np.zeros_like(HEAD), HEAD])
    (result,) = found(us(tmp_path, pixels, [region(LEFT, 0.03)]))
    in_pixels_only(result, "outside_regions")


def test_text_and_marks_outside_the_region_are_not_seen(tmp_path):
    """They are brighter than the head, and one is larger than it."""
    pixels = np.zeros((ROWS + 200, COLUMNS), np.uint8)
    pixels[:ROWS] = HEAD
    pixels[ROWS + 10 :, 10:230] = 255
    network = _Network()
    (result,) = found(us(tmp_path, pixels, [region(LEFT, 0.03)]), network)
    (bare,) = found(us(tmp_path, HEAD, [whole(HEAD, 0.03)]))
    assert result.measurement == bare.measurement
    assert result.segmentation.mask.shape == pixels.shape
    assert not result.segmentation.mask[ROWS:].any()
    assert network.passes == 5  # no more than without regions


def test_colour_flow_on_part_of_the_head_asks_for_a_look(tmp_path):
    box = region((60, 120, 80, 150), 0.03, RegionDataType=2)
    (result,) = found(us(tmp_path, regions=[whole(HEAD, 0.03), box]))
    assert "colour_flow" in codes(result)
    assert result.measurement.state is State.CHECK
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.3, 0.3), rel=0.004)
    box = region((20, 160, 30, 210), 0.03, RegionDataType=2)
    in_pixels_only(found(us(tmp_path, regions=[whole(HEAD, 0.03), box]))[0], "other_region")


def test_a_region_listed_twice_is_one(tmp_path):
    inner = region((10, 100, 10, 200), 0.03)
    (result,) = found(us(tmp_path, regions=[whole(HEAD, 0.03), inner, whole(HEAD, 0.03)]))
    assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.3, 0.3), rel=0.004)
    assert "crosses_regions" not in codes(result)


def test_a_picture_without_a_head_has_none(tmp_path):
    for regions in ([whole(HEAD)], two()):
        (result,) = found(us(tmp_path, np.zeros((ROWS, 2 * COLUMNS), np.uint8), regions))
        assert "no_head" in codes(result)
        assert not result.measurement.found


# Frames


def test_one_set_of_regions_stands_for_all_frames_of_a_loop(tmp_path):
    frames = loop(3)
    scan = us(tmp_path, frames, [whole(frames, 0.03)])
    results = found(scan)
    assert [r.frame for r in results] == [0, 1, 2]
    for k, result in enumerate(results):
        true = Ellipse(110.0 + 3 * k, 90.0, 60.0, 45.0, 10.0)
        assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(true, 0.3, 0.3), rel=0.006)


def group(**values):
    made, measures = Dataset(), Dataset()
    if "mm" in values:
        measures.PixelSpacing = [values["mm"], values["mm"]]
        made.PixelMeasuresSequence = [measures]
    if "cm" in values:
        made.SequenceOfUltrasoundRegions = [whole(HEAD, values["cm"])]
    return made


@pytest.mark.parametrize("kind", ["mm", "cm"])
def test_each_frame_has_its_own_scale_where_the_file_says_so(tmp_path, kind):
    """A zoom in the middle of a loop."""
    unit = 1 if kind == "mm" else 0.1
    groups = [group(**{kind: unit * mm}) for mm in (0.3, 0.3, 0.2)]
    scan = us(tmp_path, np.stack([HEAD] * 3), PerFrameFunctionalGroupsSequence=groups)
    assert scan.spacing is None
    results = found(scan)
    assert [r.spacing.row_mm for r in results] == pytest.approx([0.3, 0.3, 0.2])
    for result in results:
        mm = result.spacing.row_mm
        assert result.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, mm, mm), rel=0.004)
    same = [group(**{kind: unit * 0.3})] * 3
    assert us(tmp_path, np.stack([HEAD] * 3), PerFrameFunctionalGroupsSequence=same).spacing.row_mm == pytest.approx(
        0.3
    )


def test_a_frame_without_a_scale_borrows_none(tmp_path):
    groups = [group(mm=0.3), group(), group(cm=0.02)]
    first, second, third = found(us(tmp_path, np.stack([HEAD] * 3), PerFrameFunctionalGroupsSequence=groups))
    assert first.spacing.row_mm == 0.3
    in_pixels_only(second, "no_region_scale")
    assert third.spacing.row_mm == pytest.approx(0.2)


# Edits


def test_an_edited_head_keeps_to_the_region_that_it_lies_in(tmp_path):
    wide = (ROWS, 2 * COLUMNS)
    (result,) = found(us(tmp_path, np.hstack([HEAD, np.zeros_like(HEAD)]), two()))
    left = pipeline.edit_ellipse(result, replace(TRUTH, center_y=91.0))
    assert left.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.3, 0.3), rel=1e-6)
    moved = replace(TRUTH, center_x=TRUTH.center_x + COLUMNS)
    right = pipeline.recalibrate(pipeline.edit_ellipse(result, moved, redraw_mask=True), None)
    assert right.measurement.values["hc_mm"] == pytest.approx(hc_mm(TRUTH, 0.5, 0.5), rel=1e-6)
    across = pipeline.edit_mask(result, ellipses.mask(replace(TRUTH, center_x=float(COLUMNS)), wide))
    in_pixels_only(across, "crosses_regions")
    in_pixels_only(pipeline.recalibrate(across, Spacing(0.3, 0.3, "typed in")), "crosses_regions")
    back = pipeline.edit_mask(across, ellipses.mask(TRUTH, wide))
    assert pipeline.recalibrate(back, None).measurement.values["hc_mm"] == pytest.approx(
        hc_mm(TRUTH, 0.3, 0.3), rel=0.01
    )


# What is wrong with a file


def refused(path, match):
    with pytest.raises(UnreadableError, match=match) as raised:
        read(path, volumes=False)
    assert str(raised.value).startswith(path.name)
    assert not any(value in str(raised.value) for value in PATIENT.values())


def test_what_is_no_ultrasound_picture_is_told(tmp_path):
    path = tmp_path / "us.dcm"
    dicom(path, HEAD, Modality="CT", SOPClassUID=CTImageStorage)
    refused(path, "modality CT, no ultrasound picture")
    made = dicom(path, HEAD)
    del made.PixelData
    made.save_as(path)
    refused(path, "cut short")
    del made.Rows
    made.Modality, made.SOPClassUID = "OT", "1.2.3"
    made.save_as(path)
    refused(path, "holds no picture")
    dicom(path, HEAD, PhotometricInterpretation="HSV")
    refused(path, "HSV")
    dicom(path, HEAD, NumberOfFrames=2)
    refused(path, "damaged or cut short")
    dicom(path, HEAD, (), "JPEG", NumberOfFrames=3)
    refused(path, "damaged or cut short")
    dicom(path, HEAD, NumberOfFrames=2_000_000_000)
    refused(path, "more than can be read at once")
    dicom(path, HEAD, Rows=ROWS + 1)
    refused(path, "damaged or cut short")
    path.write_bytes(b"nothing")
    refused(path, "no DICOM file")
    path.write_bytes(b"")
    refused(path, "0 bytes")


@pytest.mark.parametrize("encoding", ["MONOCHROME2", "RGB", "RLE", "JPEG", "JPEG 2000"])
def test_a_file_cut_anywhere_is_refused_or_read_whole(tmp_path, encoding):
    small = disc(Ellipse(20.0, 15.0, 12.0, 9.0, 20.0), (30, 40))
    dicom(tmp_path / "us.dcm", small, (whole(small, 0.03),), encoding)
    data, path = (tmp_path / "us.dcm").read_bytes(), tmp_path / "cut.dcm"
    pixels = read(tmp_path / "us.dcm", volumes=False).pixels
    for end in [*range(0, len(data) - 1, 29), len(data) - 1]:
        path.write_bytes(data[:end])
        try:
            scan = read(path, volumes=False)
        except UnreadableError as error:
            assert str(error).startswith("cut.dcm")  # noqa: PT017
        else:
            np.testing.assert_array_equal(scan.pixels, pixels)
            assert scan.spacing.row_mm == pytest.approx(0.3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    box=st.tuples(*[st.integers(0, 600)] * 4),
    delta=st.floats(allow_nan=True, allow_infinity=True),
    form=st.integers(0, 6),
    kind=st.integers(0, 20),
    units=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    flags=st.integers(0, 40),
)
def test_any_region_gives_right_millimetres_or_none(tmp_path, box, delta, form, kind, units, flags):
    odd = {"RegionSpatialFormat": form, "RegionDataType": kind, "RegionFlags": flags}
    odd |= {"PhysicalUnitsXDirection": units[0], "PhysicalUnitsYDirection": units[1]}
    good = form == kind == 1 and units == (3, 3) and 1e-4 <= abs(delta) <= 0.3
    for regions in ([region(box, delta, **odd)], [region(box, delta, **odd), whole(HEAD, 0.03)]):
        scan = us(tmp_path, regions=regions)
        sizes = {r.spacing.row_mm for r in scan.regions_of(0) if r.kind == "tissue" and r.spacing}
        allowed = {10 * abs(delta)} if good else set()
        assert sizes <= allowed | ({10 * 0.03} if len(regions) == 2 else set())
        assert scan.spacing is None or scan.spacing.row_mm in sizes


# Folders


def test_pictures_are_found_among_other_dicom_by_what_they_are(tmp_path):
    for name in ("exam/IM0001", "exam/IM0002.dcm", "b.DCM"):
        dicom(tmp_path / name, HEAD, (whole(HEAD),))
    dicom(tmp_path / "exam/ct.dcm", HEAD, Modality="CT", SOPClassUID=CTImageStorage)
    (tmp_path / "exam/notes.txt").write_text("nothing")
    items = expand([tmp_path])
    assert [item.name for item in items.items] == ["b.DCM", "exam/IM0001", "exam/IM0002.dcm"]
    assert items.skipped == 2
    assert [item.read().spacing.row_mm for item in items.items] == pytest.approx([0.5] * 3)
    (tmp_path / "exam/broken.dcm").write_bytes((tmp_path / "b.DCM").read_bytes()[:400])
    broken = next(item for item in expand([tmp_path]).items if item.name == "exam/broken.dcm")
    with pytest.raises(UnreadableError, match=r"broken\.dcm"):
        broken.read()


def test_a_run_over_volumes_leaves_pictures_out_unless_asked(tmp_path):
    dicom(tmp_path / "us.dcm", HEAD, (whole(HEAD),))
    found = expand([tmp_path], volumes=True)
    assert found.skipped == 1
    assert [item.name for item in expand([tmp_path], volumes=True, ultrasound=True).items] == ["us.dcm"]
    (named,) = expand([tmp_path / "us.dcm"], volumes=True).items
    assert named.read().shape == SHAPE
