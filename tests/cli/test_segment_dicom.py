"""``fetalseg segment`` on ultrasound DICOM, with the bundled model on phantoms of known circumference."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from fetalseg import samples
from ultrasounds import PATIENT, dicom, region, whole

STILL, CINE = "second_trimester.png", "cine_loop.tif"
TRUTH = {name: [t for t in samples.truth() if t.filename == name] for name in (STILL, CINE)}
HEAD = np.asarray(Image.open(samples.folder() / STILL).convert("L"))
MM = TRUTH[STILL][0].pixel_mm
# What the model's own validation allows; a wrong scale is further off.
CLOSE = 0.02


def screen(head, right=320, below=80):
    """The head as a machine's screen shows it: text and marks around, a spectrum beside. Return it and its box."""
    rows, columns = head.shape
    page = np.zeros((rows + below, columns + right), np.uint8)
    page[:rows, :columns] = head
    rng = np.random.default_rng(5)
    page[60:400, columns + 20 :] = rng.integers(0, 255, (340, right - 20), np.uint8)
    for row in range(rows + 8, rows + below - 12, 14):  # lines of letters
        page[row : row + 9, 20:600:11] = page[row : row + 9, 21:600:11] = 255
    page[10:500:24, columns + 4 : columns + 12] = 255  # a ruler
    return page, (0, rows - 1, 0, columns - 1)


def hidden(out):
    """Assert that nothing of the patient reached an output."""
    for path in out.rglob("*"):
        if path.is_file() and path.suffix not in (".dcm",):
            data = path.read_bytes()
            assert not any(value.encode() in data for value in PATIENT.values()), path


def test_stills_loops_and_other_files_of_a_folder(fetalseg, rows, record, tmp_path):
    folder, out = tmp_path / "exam", tmp_path / "out"
    page, box = screen(HEAD)
    spectrum = region((60, 399, box[3] + 20, page.shape[1] - 1), 0.01, RegionSpatialFormat=3, RegionDataType=3)
    spectrum.PhysicalUnitsXDirection, spectrum.PhysicalUnitsYDirection = 4, 7
    dicom(folder / "a" / "IM0001", page, (region(box, MM / 10), spectrum), "RGB")
    dicom(folder / "a" / "IM0002", page, (region(box, MM / 10),), "JPEG RGB")
    cine = tifffile.imread(samples.folder() / CINE)[:3]
    dicom(folder / "b" / "loop.dcm", cine, (whole(cine, TRUTH[CINE][0].pixel_mm / 10),), "RLE")
    dicom(folder / "none.dcm", HEAD)
    dicom(folder / "ct.dcm", HEAD, Modality="CT", SOPClassUID=pydicom.uid.CTImageStorage)
    (folder / "cut.dcm").write_bytes((folder / "none.dcm").read_bytes()[:90_000])
    Image.fromarray(HEAD).save(folder / "plain.png")
    done = fetalseg("segment", folder, "--out", out)
    assert done.returncode == 1, done.stderr
    assert "failed: cut.dcm is damaged or cut short" in done.stderr
    assert not any(value in done.stdout + done.stderr for value in PATIENT.values())
    by_file = {}
    for row in rows(out):
        by_file.setdefault(row["file"], []).append(row)
    assert sorted(by_file) == ["a/IM0001", "a/IM0002", "b/loop.dcm", "cut.dcm", "none.dcm", "plain.png"]
    for name in ("a/IM0001", "a/IM0002"):
        (row,) = by_file[name]
        assert float(row["hc_mm"]) == pytest.approx(TRUTH[STILL][0].hc_mm, rel=CLOSE)
        assert float(row["spacing_x_mm"]) == pytest.approx(MM)
        assert row["spacing_source"] == f"{name[2:]} (DICOM ultrasound region)"
        assert "cut_by" not in row["flags"]
    for row, truth in zip(by_file["b/loop.dcm"], TRUTH[CINE], strict=False):
        assert float(row["hc_mm"]) == pytest.approx(truth.hc_mm, rel=CLOSE)
    assert len(by_file["b/loop.dcm"]) == 3
    for name in ("none.dcm", "plain.png"):
        (row,) = by_file[name]
        assert (row["hc_mm"], row["flags"].count("no_spacing")) == ("", 1)
    assert by_file["none.dcm"][0]["hc_px"] == by_file["plain.png"][0]["hc_px"]
    mask = tifffile.imread(out / "masks" / "a" / "IM0001_mask.tif")
    assert mask.shape == page.shape
    assert not mask[:, box[3] + 1 :].any()
    assert tifffile.imread(out / "masks" / "b" / "loop_mask.tif").shape == cine.shape
    assert record(out)["counts"]["skipped"] == 1
    hidden(out)


def test_two_scales_on_one_screen(fetalseg, rows, tmp_path):
    """The head in the right half has the right half's millimetres; one across both has none."""
    out, columns = tmp_path / "out", HEAD.shape[1]
    both = [region((0, 539, 0, columns - 1), 0.04), region((0, 539, columns, 2 * columns - 1), MM / 10)]
    dicom(tmp_path / "in" / "right.dcm", np.hstack([np.zeros_like(HEAD), HEAD]), tuple(both))
    half = columns // 2
    across = [region((0, 539, 0, half - 1), 0.04), region((0, 539, half, columns - 1), MM / 10)]
    dicom(tmp_path / "in" / "across.dcm", HEAD, tuple(across))
    assert fetalseg("segment", tmp_path / "in", "--out", out).returncode == 0
    table = {row["file"]: row for row in rows(out)}
    assert float(table["right.dcm"]["hc_mm"]) == pytest.approx(TRUTH[STILL][0].hc_mm, rel=CLOSE)
    assert float(table["right.dcm"]["spacing_x_mm"]) == pytest.approx(MM)
    assert table["across.dcm"]["hc_mm"] == table["across.dcm"]["bpd_mm"] == ""
    assert table["across.dcm"]["state"] == "refuse"
    assert "crosses_regions" in table["across.dcm"]["flags"]


def test_a_structured_report_in_the_study_of_the_picture(fetalseg, rows, record, tmp_path):
    out, dates = tmp_path / "out", tmp_path / "dates.csv"
    source = dicom(tmp_path / "in" / "head.dcm", HEAD, (whole(HEAD, MM / 10),), "JPEG 2000")
    dicom(tmp_path / "in" / "bare.dcm", HEAD)
    dates.write_text("file,lmp\nhead.dcm,2023-12-31\n")  # the scan's day is in its header
    done = fetalseg("segment", tmp_path / "in", "--sr", "--exams", dates, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "bare.dcm: no DICOM structured report was written: no head circumference in mm is known" in done.stderr
    assert [path.name for path in (out / "sr").iterdir()] == ["head_sr.dcm"]
    row = next(row for row in rows(out) if row["file"] == "head.dcm")
    assert float(row["ga_days"]) == 141
    report = pydicom.dcmread(out / "sr" / "head_sr.dcm")
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.PatientID == PATIENT["PatientID"]
    told = json.loads(report.to_json())
    texts = json.dumps(told)
    assert source.SOPInstanceUID in texts
    assert "head.dcm (DICOM ultrasound region)" in texts
    values = [
        item
        for group in _walk(report)
        for item in group.get("ContentSequence", ())
        if item.get("ValueType") == "NUM" and item.ConceptNameCodeSequence[0].CodeValue == "11984-2"
    ]
    (hc,) = values
    measured = hc.MeasuredValueSequence[0]
    assert float(measured.NumericValue) == pytest.approx(float(row["hc_mm"]), abs=0.05)
    assert float(measured.NumericValue) == pytest.approx(TRUTH[STILL][0].hc_mm, rel=CLOSE)
    hidden(out)
    again = fetalseg("segment", out, "--out", tmp_path / "again")  # a report is no picture
    assert again.returncode == 1
    assert "without a scan" in again.stderr


def _walk(item):
    yield item
    for child in item.get("ContentSequence", ()):
        yield from _walk(child)
