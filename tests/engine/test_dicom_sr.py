"""The structured report is read back: codes, values, units, and what it refers to."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from fetalseg.batch import run as batch_run
from fetalseg.errors import OutputError
from fetalseg.growth.assessment import assess
from fetalseg.growth.dating import Dating
from fetalseg.io import folders
from fetalseg.quality import flag
from fetalseg.report import structured
from fetalseg.result import Ellipse, Measurement, Provenance, Result, Segmentation, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import BatchSettings, SegmentSettings
from fetalseg.tasks import head
from standins import SHAPE, TRUTH, bright, disc, make_card

MM = 0.5
PICTURE = disc(TRUTH, SHAPE)
NAME = "Müller^Änne"


def ultrasound(path, pixels=PICTURE, name=NAME, charset="ISO_IR 100", **values):
    """Write a grey still, or a loop of shape (frames, rows, columns)."""
    kind = UltrasoundImageStorage if pixels.ndim == 2 else UltrasoundMultiFrameImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SpecificCharacterSet = charset
    made.SOPClassUID, made.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = name, "4711", "19900101", "F"
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyID = "20240520", "101112", "A-77", "12"
    made.Modality, made.StationName, made.ProtocolName = "US", "Room 3", "not copied"
    made.ClinicalTrialSponsorName, made.PatientWeight = "Trial", "61"
    made.Rows, made.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        made.NumberOfFrames = len(pixels)
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelData = 7, pixels.tobytes()
    for keyword, value in values.items():
        if value is None:
            del made[keyword]
        else:
            setattr(made, keyword, value)
    made.save_as(path, enforce_file_format=True)
    return made


def scan_of(path, pixels=PICTURE):
    spacing = Spacing(MM, MM, f"{path.name} (DICOM)")
    stack = pixels if pixels.ndim == 3 else pixels[None]
    return Scan(stack, path.name, spacing, pixels.shape, path=path, study_date="2024-05-20")


def result_of(scan, ellipse=TRUTH, frame=0, **changes):
    card = make_card(intervals=((100.0, 3.0), (300.0, 7.0)))
    found = replace(head.measure_ellipse(ellipse, scan.spacing, card), confidence=0.97)
    made = Result(
        scan.name,
        scan.sha256,
        frame,
        "head",
        Segmentation(np.zeros(scan.frame_shape, np.uint8)),
        found,
        scan.spacing,
        Provenance("unet", "ab" * 32, "cpu", "torch", {}, "0.3.1"),
    )
    return replace(made, **changes)


def assessed(result, dating, chart="intergrowth21"):
    values = result.measurement.values
    return assess(
        values["hc_mm"],
        dating=dating,
        scan_date=datetime.date(2024, 5, 20),
        bpd_mm=values["bpd_mm"],
        ofd_mm=values["ofd_mm"],
        hc_interval_mm=result.measurement.intervals["hc_mm"],
        chart=chart,
    )


LMP = Dating.from_lmp(datetime.date(2023, 12, 29))  # 143 days at the scan


@pytest.fixture
def scan(tmp_path):
    ultrasound(tmp_path / "us.dcm")
    return scan_of(tmp_path / "us.dcm")


def written(tmp_path, scan, result, assessment=None):
    path = structured.write(tmp_path / "sr" / "us_sr.dcm", scan, result, assessment)
    return pydicom.dcmread(path), pydicom.dcmread(scan.path)


def walk(item):
    for child in item.get("ContentSequence", ()):
        yield child
        yield from walk(child)


def named(item):
    concept = item.get("ConceptNameCodeSequence")
    return (concept[0].CodingSchemeDesignator, concept[0].CodeValue) if concept else None


def group(report, code):
    """The biometry group whose first item is the measurement."""
    groups = [item for item in walk(report) if named(item) == ("DCM", "125005")]
    (found,) = [item for item in groups if named(item.ContentSequence[0]) == ("LN", code)]
    return found


def number(item):
    measured = item.MeasuredValueSequence[0]
    unit = measured.MeasurementUnitsCodeSequence[0]
    assert unit.CodingSchemeDesignator == "UCUM"
    return float(measured.NumericValue), unit.CodeValue


def numbers(item):
    """Code to (value, unit) of an item's own numbers."""
    return {named(child)[1]: number(child) for child in item.ContentSequence if child.get("ValueType") == "NUM"}


def texts(item):
    return [child.TextValue for child in item.get("ContentSequence", ()) if child.get("ValueType") == "TEXT"]


def test_it_lies_in_the_patients_own_study_and_in_a_series_of_its_own(tmp_path, scan):
    report, source = written(tmp_path, scan, result_of(scan), None)
    assert report.file_meta.MediaStorageSOPClassUID == report.SOPClassUID == ComprehensiveSRStorage
    assert report.file_meta.MediaStorageSOPInstanceUID == report.SOPInstanceUID != source.SOPInstanceUID
    for keyword in ("StudyInstanceUID", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        assert report[keyword].value == source[keyword].value
    assert (report.AccessionNumber, report.StudyID, report.ClinicalTrialSponsorName) == ("A-77", "12", "Trial")
    assert str(report.PatientName) == NAME
    assert report.SeriesInstanceUID != source.SeriesInstanceUID
    assert (report.Modality, report.PatientWeight, report.ReferringPhysicianName) == ("SR", 61, "")
    assert not {"StationName", "ProtocolName", "Rows", "PixelData"} & set(report.dir())
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == source.StudyInstanceUID
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert instance.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert instance.ReferencedSOPClassUID == source.SOPClassUID


@pytest.mark.parametrize(
    ("name", "charset"),
    [("Yamada^Tarou=山田^太郎", ["", "ISO 2022 IR 87"]), ("Люкceмбypг", "ISO_IR 144"), ("Plain^Jane", None)],
)
def test_a_name_in_any_script_outlives_the_change_of_character_set(tmp_path, name, charset):
    ultrasound(tmp_path / "us.dcm", name=name, SpecificCharacterSet=charset)
    scan = scan_of(tmp_path / "us.dcm")
    report, _ = written(tmp_path, scan, result_of(scan))
    assert str(report.PatientName) == name
    assert report.SpecificCharacterSet == "ISO_IR 192"


def test_it_is_an_unverified_report_of_template_5000_for_research(tmp_path, scan):
    report, _ = written(tmp_path, scan, result_of(scan))
    assert (report.VerificationFlag, report.CompletionFlag, report.PreliminaryFlag) == (
        "UNVERIFIED",
        "PARTIAL",
        "PRELIMINARY",
    )
    assert named(report) == ("DCM", "125000")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "5000"
    assert report.ContentTemplateSequence[0].MappingResource == "DCMR"
    (summary,) = [item for item in walk(report) if named(item) == ("DCM", "121111")]
    assert texts(summary)[0].startswith("Research use only, not for diagnosis.")
    assert "State: accept." in texts(summary)[1]
    (observer,) = [item for item in walk(report) if named(item) == ("DCM", "121005")]
    assert observer.ConceptCodeSequence[0].CodeValue == "121007"


def test_sizes_with_unit_uncertainty_algorithm_and_place(tmp_path, scan):
    result = result_of(scan)
    report, source = written(tmp_path, scan, result)
    values = result.measurement.values
    for code, value in (("11984-2", "hc_mm"), ("11820-8", "bpd_mm"), ("11851-3", "ofd_mm")):
        measured = group(report, code).ContentSequence[0]
        assert number(measured) == (pytest.approx(values[value], abs=0.05), "mm")
        about = {named(item)[1]: item.TextValue for item in measured.ContentSequence if item.ValueType == "TEXT"}
        assert about["111001"] == "napari-fetalseg unet"
        assert about["111003"] == f"0.3.1, model sha256 {'ab' * 32}"
        (drawn,) = [item for item in measured.ContentSequence if item.ValueType == "SCOORD"]
        (image,) = drawn.ContentSequence
        assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert "ReferencedFrameNumber" not in image.ReferencedSOPSequence[0]
    hc = group(report, "11984-2").ContentSequence[0]
    low, high = result.measurement.intervals["hc_mm"]
    assert numbers(hc) == {"371884006": (pytest.approx((high - low) / 2, abs=0.05), "mm")}
    (ratios,) = [item for item in walk(report) if named(item) == ("DCM", "125001")]
    assert numbers(ratios) == {"11823-2": (pytest.approx(values["cephalic_index"], abs=0.05), "%")}


def test_the_ellipse_is_drawn_as_dicom_counts_pixels(tmp_path, scan):
    """DICOM's (0, 0) is the corner of the first pixel, ours its centre: half a pixel on."""
    report, _ = written(tmp_path, scan, result_of(scan, Ellipse(120.0, 90.0, 70.0, 50.0, 0.0)))
    hc = group(report, "11984-2").ContentSequence[0]
    (drawn,) = [item for item in hc.ContentSequence if item.ValueType == "SCOORD"]
    assert drawn.GraphicType == "ELLIPSE"
    ends = np.reshape(drawn.GraphicData, (4, 2))
    np.testing.assert_allclose(ends, [(50.5, 90.5), (190.5, 90.5), (120.5, 40.5), (120.5, 140.5)], atol=1e-4)


def test_z_score_and_centile_with_chart_age_and_its_source(tmp_path, scan):
    result = result_of(scan)
    found = assessed(result, LMP)
    assert found.hc.z is not None
    report, _ = written(tmp_path, scan, result, found)
    hc = group(report, "11984-2")
    assert numbers(hc)["125013"] == (pytest.approx(found.hc.z, abs=0.005), "1")
    (z,) = [item for item in hc.ContentSequence if named(item) == ("DCM", "125013")]
    cited = [item.TextValue for item in z.ContentSequence if named(item) == ("DCM", "121421")]
    assert "intergrowth21, 2014" in cited[0]
    assert "10.1016/S0140-6736(14)61490-2" in cited[0]
    assert any(f"{found.z_low:.2f} to {found.z_high:.2f}" in text for text in texts(z))
    (summary,) = [item for item in walk(report) if named(item) == ("DCM", "125008")]
    assert numbers(summary)["18185-9"] == (143, "d")
    (age,) = [item for item in summary.ContentSequence if named(item) == ("LN", "18185-9")]
    assert "last menstrual period" in texts(age)[0]
    (due,) = [item for item in walk(report) if named(item) == ("LN", "11778-8")]
    assert due.Date == "20241004"


def test_ranks_name_the_age_they_were_read_at(tmp_path, scan):
    result = result_of(scan, Ellipse(120.0, 90.0, 62.0, 50.0, 25.0))
    report, _ = written(tmp_path, scan, result, assessed(result, Dating.from_ga(143)))
    ranks = [item for item in walk(report) if named(item) in (("DCM", "125012"), ("DCM", "125013"))]
    assert len(ranks) == 6
    for rank in ranks:
        assert numbers(rank) == {"18185-9": (143, "d")}


def test_hadlock_has_codes_and_bpd_is_not_compared(tmp_path, scan):
    result = result_of(scan)
    found = assessed(result, Dating.from_ga(154), "hadlock84")
    report, _ = written(tmp_path, scan, result, found)
    hc = group(report, "11984-2")
    coded = {
        named(item): {
            child.ConceptCodeSequence[0].CodeValue for child in item.ContentSequence if child.get("ValueType") == "CODE"
        }
        for item in hc.ContentSequence[1:]
    }
    assert coded[("LN", "18185-9")] == {"11932-1"}
    assert coded[("DCM", "125013")] == {"33173-6"}
    assert numbers(hc)["18185-9"][0] == pytest.approx(found.age_from_hc.ga_days, abs=0.05)
    assert not {"125012", "125013"} & set(numbers(group(report, "11820-8")))


def test_in_the_tails_words_stand_for_the_centile(tmp_path, scan):
    result = result_of(scan)
    found = assessed(result, Dating.from_ga(196))
    assert found.hc.centile_text == "< 1st"
    report, _ = written(tmp_path, scan, result, found)
    hc = group(report, "11984-2")
    assert "125012" not in numbers(hc)
    assert "125013" in numbers(hc)
    assert texts(hc) == ["< 1st centile"]
    (fetus,) = [item for item in walk(report) if named(item) == ("DCM", "125008")]
    assert set(texts(fetus)) == {flag.text for flag in found.flags}


@pytest.mark.parametrize("dating", [None, Dating("this_hc", 143)])
def test_an_age_from_the_head_gives_no_rank(tmp_path, scan, dating):
    result = result_of(scan)
    report, _ = written(tmp_path, scan, result, assessed(result, dating))
    codes = {named(item) for item in walk(report)}
    assert not {("DCM", "125012"), ("DCM", "125013")} & codes
    (age,) = [item for item in walk(report) if named(item) == ("LN", "18185-9")]
    assert age in list(group(report, "11984-2").ContentSequence)  # what this HC would suggest, with its equation


def test_ranks_that_someone_read_at_the_heads_own_age_stay_out(tmp_path, scan):
    result = result_of(scan)
    found = replace(assessed(result, Dating.from_ga(143)), ga_source="this_hc")
    report, _ = written(tmp_path, scan, result, found)
    assert not {("DCM", "125012"), ("DCM", "125013")} & {named(item) for item in walk(report)}


def test_a_local_chart_is_cited_as_a_table(tmp_path, scan):
    chart = tmp_path / "ours.csv"
    chart.write_text("ga,mean,sd\n19,160,7\n20,172,7.4\n22,195,8\n")
    result = result_of(scan)
    report, _ = written(tmp_path, scan, result, assessed(result, Dating.from_ga(147), str(chart)))
    (z,) = [item for item in group(report, "11984-2").ContentSequence if named(item) == ("DCM", "125013")]
    (cited,) = [item.TextValue for item in z.ContentSequence if named(item) == ("DCM", "121422")]
    assert cited.startswith("ours.csv, sha256 ")


def test_the_frame_of_a_loop_is_named(tmp_path):
    ultrasound(tmp_path / "loop.dcm", np.stack([PICTURE] * 3))
    scan = scan_of(tmp_path / "loop.dcm", np.stack([PICTURE] * 3))
    report, _ = written(tmp_path, scan, result_of(scan, frame=1))
    images = [item for item in walk(report) if item.get("ValueType") == "IMAGE"]
    assert {item.ReferencedSOPSequence[0].ReferencedFrameNumber for item in images} == {2}


def test_doubts_and_a_persons_edit_are_told(tmp_path, scan):
    result = result_of(scan, origin="ellipse")
    doubt = flag("cut_by_picture")
    result = replace(result, measurement=replace(result.measurement, flags=(doubt,), state=State.CHECK))
    report, _ = written(tmp_path, scan, result)
    (summary,) = [item for item in walk(report) if named(item) == ("DCM", "121111")]
    assert any("State: check." in text and doubt.text in text for text in texts(summary))
    assert any("edited by a person" in text for text in texts(summary))


def refused(scan, result, says):
    data, why = structured.report(scan, result)
    assert data is None
    assert why.startswith(f"{scan.name}: no DICOM structured report was written: ")
    assert says in why
    with pytest.raises(OutputError, match="no DICOM structured report"):
        structured.write(scan.path.parent / "sr" / "x.dcm", scan, result)
    assert not (scan.path.parent / "sr").exists()


def test_where_there_is_none_a_sentence_says_why(tmp_path, scan):
    result = result_of(scan)
    (tmp_path / "us.png").write_bytes(b"no DICOM")
    refused(replace(scan, path=tmp_path / "us.png"), result, "no DICOM file")
    without = replace(scan, spacing=None)
    refused(without, result_of(without, measurement=Measurement({"hc_px": 300.0})), "in mm")
    refused(scan, replace(result, measurement=replace(result.measurement, state=State.REFUSE)), "refused")
    refused(scan, replace(result, task="fetal-brain"), "not other tasks")
    ultrasound(tmp_path / "us.dcm", StudyInstanceUID=None)
    refused(scan, result, "lacks StudyInstanceUID")
    (tmp_path / "us.dcm").write_bytes((tmp_path / "us.dcm").read_bytes()[:140])
    refused(scan, result, "header")


@pytest.mark.parametrize("keyword", ["StudyDate", "PatientSex", "PatientBirthDate", "PatientAge"])
def test_a_value_that_breaks_the_rules_breaks_no_run(tmp_path, keyword):
    """Old machines write dates as 2024/05/20; whatever is there, there is a report or a sentence."""
    path = tmp_path / "us.dcm"
    made = ultrasound(path, PatientAge="034Y")
    good = {"StudyDate": b"20240520", "PatientSex": b"F ", "PatientBirthDate": b"19900101", "PatientAge": b"034Y"}
    data = path.read_bytes()
    assert data.count(good[keyword]) >= 1
    path.write_bytes(data.replace(good[keyword], b"\xff?/\\x\xfe12"[: len(good[keyword])]))
    scan = scan_of(path)
    report, why = structured.report(scan, result_of(scan))
    assert (report is None) == bool(why)
    if report is not None:
        assert pydicom.dcmread(pydicom.filebase.DicomBytesIO(report)).StudyInstanceUID == made.StudyInstanceUID


class _Network:
    card = make_card()
    device, backend = "cpu", "standin"

    def __call__(self, batch):
        return bright(batch)

    def describe(self):
        return "stand-in"


def test_a_run_writes_them_beside_the_table_and_says_where_not(tmp_path, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    ultrasound(tmp_path / "us.dcm")
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"read below")
    scans = {"a.png": scan_of(tmp_path / "us.dcm"), "b.png": replace(scan_of(folder / "b.png"), path=folder / "b.png")}
    monkeypatch.setattr(folders.Input, "read", lambda self: replace(scans[self.name], name=self.name))
    monkeypatch.setattr("fetalseg.pipeline.get_predictor", lambda *_: _Network())
    (tmp_path / "exams.csv").write_text("file,lmp\na.png,2023-12-29\nb.png,2023-12-29\n")
    batch = BatchSettings(exams=str(tmp_path / "exams.csv"), sr=True)
    outcome = batch_run.run([folder], out, SegmentSettings(), batch)
    assert [path.name for path in (out / "sr").iterdir()] == ["a_sr.dcm"]
    report = pydicom.dcmread(out / "sr" / "a_sr.dcm")
    (fetus,) = [item for item in walk(report) if named(item) == ("DCM", "125008")]
    assert numbers(fetus) == {"18185-9": (143, "d")}
    assert outcome.warnings == ["b.png: no DICOM structured report was written: the scan is no DICOM file, so there is no study that it belongs to."]  # noqa: E501  # fmt: skip
    again = folders.expand([out])
    assert again.skipped == 0  # a report is an output of ours, not a file of another kind
