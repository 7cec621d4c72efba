"""``fetalseg growth``."""

from __future__ import annotations

import datetime
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fetalseg.cli import main
from fetalseg.growth.assessment import CIRCULAR
from fetalseg.growth.pregnancy import read
from ultrasounds import dicom

LATER = (datetime.date.today() + datetime.timedelta(days=1)).isoformat()


@pytest.fixture
def growth(capsys):
    """Run the command; return its exit code, its output (parsed with --json) and what it says of errors."""

    def call(*arguments):
        try:
            code = main(["growth", *map(str, arguments)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, error = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and code == 0 else out, error

    return call


def record(growth, *arguments):
    code, out, error = growth(*arguments, "--json")
    assert code == 0, error
    return out


def test_the_command_runs_by_itself(fetalseg):
    done = fetalseg("growth", "--hc", "180", "--ga-weeks", "20", "--hc-interval", "175", "185", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["chart"] == "intergrowth21"
    assert found["ga_weeks"] == 20
    assert found["ga_source"] == "ga"
    assert found["z_score"] == pytest.approx(1.011, abs=0.005)
    assert found["centile"] == pytest.approx(84.4, abs=0.1)
    assert found["z_low"] == pytest.approx((175 - 172.48) / 7.44, abs=0.005)
    assert found["z_high"] == pytest.approx((185 - 172.48) / 7.44, abs=0.005)
    assert found["reason"] is None
    assert found["ga_from_hc_weeks"] == pytest.approx(20.43, abs=0.01)
    assert found["ga_from_hc_range_weeks"] == pytest.approx([20.43 - 1.48, 20.43 + 1.48], abs=0.01)
    assert "Hadlock 1984" in found["dating_formula"]
    assert found["flags"] == []
    assert "Not for diagnosis" in found["disclaimer"]


def test_without_dating_no_centile_but_the_three_sentences(growth):
    found = record(growth, "--hc", 120, "--hc-interval", 117, 123)
    assert found["ga_source"] == "this_hc"
    for key in ("ga_weeks", "z_score", "centile", "z_low", "z_high", "centile_low", "centile_high"):
        assert found[key] is None
    assert found["centile_text"] == ""
    assert found["flags"] == []
    assert found["ga_from_hc_weeks"] == pytest.approx(8.96 + 0.54 * 12 + 0.0003 * 12**3)
    assert all(sentence in found["reason"] for sentence in CIRCULAR)
    code, out, _ = growth("--hc", 120)
    assert code == 0
    assert all(sentence in out for sentence in CIRCULAR)
    assert "centile 5" not in out
    assert "z +" not in out


@pytest.mark.parametrize(
    ("arguments", "source", "weeks"),
    [
        (("--ga-weeks", "20.5"), "ga", 20.5),
        (("--ga-weeks", "20+3"), "ga", 143 / 7),
        (("--ga-days", "143"), "ga", 143 / 7),
        (("--lmp", "2024-01-01", "--scan-date", "2024-05-20"), "lmp", 20),
        (("--ivf", "2024-01-15", "--scan-date", "2024-05-20"), "ivf", 20),
        (("--edd", "2024-10-07", "--scan-date", "20240520"), "edd", 20),
        (("--crl", "60", "--crl-date", "2024-03-28", "--scan-date", "2024-05-20"), "crl", 20),
        (("--earlier-ga", "12+0", "--earlier-date", "2024-03-25", "--scan-date", "2024-05-20"), "earlier_scan", 20),
    ],
)
def test_every_way_of_dating(growth, arguments, source, weeks):
    found = record(growth, "--hc", 175, *arguments)
    assert found["ga_source"] == source
    assert found["ga_weeks"] == pytest.approx(weeks, abs=1e-9)
    assert found["z_score"] is not None
    assert (found["edd"] == "2024-10-07") == ("--scan-date" in arguments)


def test_the_formula_of_a_crl_is_told(growth):
    crl = ("--hc", 175, "--crl", 60, "--crl-date", "2024-03-28", "--scan-date", "2024-05-20")
    assert "Robinson & Fleming 1975" in record(growth, *crl)["dating_formula"]
    assert "INTERGROWTH-21st 2014" in record(growth, *crl, "--crl-formula", "intergrowth2014")["dating_formula"]


def test_what_is_null_has_a_reason(growth):
    dated = ("--hc", 175, "--ga-weeks", 20)
    found = record(growth, *dated)
    assert (found["z_low"], found["z_high"]) == (None, None)
    assert "No 95 % interval of HC was given" in found["reason"]
    assert record(growth, *dated, "--hc-interval", 172, 178)["reason"] is None
    assert "no z-score" in record(growth, *dated, "--chart", "who2017")["reason"]


def test_the_last_period_comes_from_the_scans_file_where_none_is_given(growth, tmp_path):
    file, path = tmp_path / "scan.dcm", tmp_path / "p.json"
    dicom(file, np.zeros((8, 8), np.uint8), LastMenstrualDate="20240101")
    found = record(growth, "--hc", 180, "--scan", file)
    assert (found["ga_source"], found["ga_days"]) == ("lmp", 140)
    assert "The last period, 2024-01-01, is taken from scan.dcm." in found["sentences"]
    typed = record(growth, "--hc", 180, "--scan", file, "--lmp", "2024-01-08")
    assert typed["ga_days"] == 133
    assert "The last period was typed as 2024-01-08; scan.dcm says 2024-01-01." in typed["sentences"]
    assert record(growth, "--hc", 180, "--scan", file, "--edd", "2024-10-14")["ga_source"] == "edd"
    record(growth, "--pregnancy", path, "--edd", "2024-10-14", "--hc", 170, "--scan-date", "2024-05-13")
    later = record(growth, "--pregnancy", path, "--hc", 180, "--scan", file)
    assert (later["ga_source"], later["ga_days"]) == ("edd", 133)


def test_date_and_machine_come_from_the_scans_file(growth, tmp_path):
    file = tmp_path / "scan.dcm"
    dicom(file, np.zeros((8, 8), np.uint8), Manufacturer="GE Healthcare", ManufacturerModelName="Voluson E8")
    found = record(growth, "--hc", 180, "--lmp", "2024-01-01", "--scan", file)
    assert (found["scan_date"], found["ga_weeks"]) == ("2024-05-20", 20)
    typed = record(growth, "--hc", 180, "--lmp", "2024-01-01", "--scan", file, "--scan-date", "2024-05-21")
    assert typed["ga_days"] == 141
    assert "typed as 2024-05-21; scan.dcm says 2024-05-20" in " ".join(typed["sentences"])
    path = tmp_path / "p.json"
    record(growth, "--pregnancy", path, "--lmp", "2024-01-01", "--hc", 180, "--scan", file)
    assert read(path).exams[0].machine == "GE Healthcare Voluson E8"
    picture = tmp_path / "a.png"
    picture.write_bytes(b"no dicom")
    for other, told in ((picture, "is no DICOM file"), (tmp_path / "none.dcm", "is not there")):
        code, out, error = growth("--hc", 180, "--lmp", "2024-01-01", "--scan", other)
        assert (code, out) == (1, "")
        assert told in error


def test_the_picture_is_of_the_measure_that_is_asked_for(growth, tmp_path):
    path = tmp_path / "bpd.svg"
    sizes = ("--hc", 175, "--bpd", 48, "--ofd", 62, "--ga-weeks", "20")
    assert growth(*sizes, "--picture", path, "--measure", "bpd")[0] == 0
    assert "BPD 48.0 mm at 20w 0d: 42nd centile (INTERGROWTH-21st), z −0.19" in path.read_text(encoding="utf-8")
    code, out, error = growth(*sizes, "--picture", path, "--measure", "ofd", "--chart", "who2017")
    assert (code, out) == (2, "")
    assert "WHO 2017 has no OFD: choose hc" in error


def test_every_chart_and_a_local_one(growth, tmp_path):
    local = tmp_path / "ours.csv"
    local.write_text("ga,mean,sd\n19,160,8\n21,184,8\n", encoding="utf-8")
    scores = {}
    for chart in ("intergrowth21", "hadlock84", "who2017", local):
        found = record(growth, "--hc", 180, "--ga-weeks", 20, "--chart", chart)
        scores[found["chart"]] = found["z_score"], found["centile"]
    assert scores["intergrowth21"][0] == pytest.approx(1.011, abs=0.005)
    assert scores["hadlock84"][0] == pytest.approx(0.318, abs=0.005)
    assert scores["who2017"][0] is None
    assert 50 < scores["who2017"][1] < 90
    assert scores["ours.csv"][0] == pytest.approx(1)


def test_outside_the_chart_a_reason_and_no_number(growth):
    for weeks in (13, 41):
        found = record(growth, "--hc", 175, "--ga-weeks", weeks, "--hc-interval", 170, 180)
        assert (found["z_score"], found["centile"], found["z_low"]) == (None, None, None)
        assert "14w 0d to 40w 0d" in found["reason"]
        assert found["ga_weeks"] == weeks


def test_flags_have_code_text_and_source(growth):
    found = record(growth, "--hc", 156, "--bpd", 38, "--ofd", 60, "--ga-weeks", 20, "--hc-interval", 152, 160)
    assert [flag["code"] for flag in found["flags"]] == ["small_head", "head_shape"]
    assert found["flags"][0]["text"].startswith("HC more than 2 SD below the mean for this GA.")
    assert "both sides" in found["flags"][0]["text"]
    assert all(set(flag) == {"code", "text", "source"} and flag["source"] for flag in found["flags"])


def test_what_people_read(growth):
    dated = ("--lmp", "2024-01-01", "--scan-date", "2024-05-20", "--hc-interval", 152, 160)
    code, out, _ = growth("--hc", 156, "--bpd", 48, "--ofd", 60, *dated)
    assert code == 0
    assert "Age at the scan: 20w 0d by last menstrual period, due 2024-10-07" in out
    assert "1st centile, z -2.22 (-2.75 to -1.68); mean 172 mm" in out
    assert "! HC more than 2 SD below the mean" in out
    assert "[SMFM 2016]" in out
    for chart in ("intergrowth21 (2014)", "hadlock84 (1984)", "who2017 (2017"):
        assert chart in out
    assert "they are not compared" in out
    assert "Research use only. Not for diagnosis." in out


def test_last_period_and_scan_together_are_compared_not_mixed(growth):
    dated = ("--hc", 175, "--lmp", "2024-01-08", "--scan-date", "2024-05-20")
    crl = ("--crl", 60, "--crl-date", "2024-03-28")
    found = record(growth, *dated, *crl)
    assert (found["ga_source"], found["edd"]) == ("lmp", "2024-10-14")
    (note,) = [text for text in found["sentences"] if "ACOG 700" in text]
    assert "7 days older" in note
    assert "within the 7 days" in note


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--hc"),
        (("--hc", "-175"), "above 0"),
        (("--hc", "0"), "above 0"),
        (("--hc", "nan"), "above 0"),
        (("--hc", "17.5", "--ga-weeks", "20"), "in cm"),
        (("--hc", "175", "--bpd", "4.8"), "in cm"),
        (("--hc", "175", "--bpd", "-48"), "above 0"),
        (("--hc", "175", "--bpd", "62", "--ofd", "48"), "longer than OFD"),
        (("--hc", "175", "--hc-interval", "176", "180"), "does not hold"),
        (("--hc", "175", "--hc-interval", "170", "nan"), "does not hold"),
        (("--hc", "175", "--ga-weeks", "-1"), "between 0 and 45"),
        (("--hc", "175", "--ga-weeks", "46"), "between 0 and 45"),
        (("--hc", "175", "--ga-days", "nan"), "between 0 and 45"),
        (("--hc", "175", "--ga-weeks", "soon"), "no gestational age"),
        (("--hc", "175", "--ga-weeks", "20", "--ga-days", "140"), "by one of"),
        (("--hc", "175", "--lmp", "2024-01-01", "--edd", "2024-10-07", "--scan-date", "2024-05-20"), "by one of"),
        (("--hc", "175", "--lmp", "2024-01-01"), "--scan-date"),
        (("--hc", "175", "--lmp", "2024-01-01", "--scan-date", "2023-12-31"), "before the pregnancy"),
        (("--hc", "175", "--lmp", "2023-01-01", "--scan-date", "2024-01-01"), "between 0 and 45"),
        (("--hc", "175", "--lmp", "2024-01-01", "--scan-date", LATER), "in the future"),
        (("--hc", "175", "--lmp", LATER, "--scan-date", LATER), "in the future"),
        (("--hc", "175", "--ga-weeks", "20", "--scan-date", LATER), "in the future"),
        (("--hc", "175", "--scan-date", LATER), "in the future"),
        (("--hc", "175", "--crl", "60", "--crl-date", LATER), "in the future"),
        (("--hc", "175", "--crl", "60", "--scan-date", "2024-05-20"), "together"),
        (("--hc", "175", "--crl", "6", "--crl-date", "2024-03-28"), "45 to 84 mm"),
        (("--hc", "175", "--earlier-ga", "12"), "together"),
        (("--hc", "175", "--lmp", "1.5.2024", "--scan-date", "2024-05-20"), "no date"),
        (("--hc", "175", "--ga-weeks", "20", "--chart", "jeanty"), "no growth chart"),
        (("--hc", "175", "--ga-weeks", "20", "--chart", "no.csv"), "can't be read"),
        (("--pregnancy", "none.json"), "not there"),
        (("--hc", "175", "--pregnancy", "none.json", "--ga-weeks", "20"), "--scan-date"),
        (
            (
                "--hc",
                "big",
            ),
            "invalid float",
        ),
    ],
)
def test_the_impossible_ends_with_2_and_a_sentence(growth, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, out, error = growth(*arguments)
    assert code == 2
    assert told in error
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_csv_that_is_no_chart(growth, tmp_path):
    (tmp_path / "table.csv").write_text("file,hc_mm\na.png,175\n", encoding="utf-8")
    code, _, error = growth("--hc", 175, "--ga-weeks", 20, "--chart", tmp_path / "table.csv")
    assert code == 2
    assert "table.csv is no growth chart" in error


def test_a_pregnancy_grows(growth, tmp_path):
    path = tmp_path / "p.json"
    common = ("--pregnancy", path, "--machine", "E8")
    record(growth, *common, "--lmp", "2024-01-01", "--hc", 172, "--scan-date", "2024-05-20", "--hc-interval", 169, 175)
    found = record(growth, *common, "--hc", 216, "--scan-date", "2024-06-17", "--hc-interval", 212, 220)
    assert (found["ga_source"], found["ga_weeks"], found["hc_mm"]) == ("lmp", 24, 216)
    assert [(e["scan_date"], e["ga_weeks"]) for e in found["exams"]] == [("2024-05-20", 20), ("2024-06-17", 24)]
    (velocity,) = found["velocities"]
    assert velocity["mm_per_week"] == pytest.approx(11)
    assert velocity["interval_mm_per_week"] == pytest.approx([11 - 5 / 4, 11 + 5 / 4])
    assert velocity["median_mm_per_week"] == pytest.approx((219.1 - 172.5) / 4, abs=0.03)
    before = path.read_bytes()
    # Read only, and on another chart: all exams move together, and the file stays.
    found = record(growth, "--pregnancy", path, "--chart", "hadlock84")
    assert {e["chart"] for e in found["exams"]} == {"hadlock84"}
    assert path.read_bytes() == before
    code, out, _ = growth("--pregnancy", path)
    assert code == 0
    assert (
        "HC grew by 11.0 mm a week (9.8 to 12.2) in the 28 days since 2024-05-20; the chart's median grows 11.6 mm"
        in out
    )


def test_a_pregnancys_dating_changes_only_when_told_to(growth, tmp_path):
    path = tmp_path / "p.json"
    growth("--pregnancy", path, "--lmp", "2024-01-01", "--hc", 172, "--scan-date", "2024-05-20")
    before = path.read_bytes()
    code, _, error = growth("--pregnancy", path, "--edd", "2024-10-14", "--hc", 200, "--scan-date", "2024-06-10")
    assert code == 2
    assert "--redate" in error
    assert path.read_bytes() == before
    found = record(growth, "--pregnancy", path, "--edd", "2024-10-14", "--redate")
    assert found["exams"][0]["ga_weeks"] == 19
    assert read(path).dating.source == "edd"


def test_an_impossible_exam_leaves_the_file_as_it_was(growth, tmp_path):
    path = tmp_path / "p.json"
    growth("--pregnancy", path, "--lmp", "2024-01-01", "--hc", 172, "--scan-date", "2024-05-20")
    before = path.read_bytes()
    for values in (
        ("--hc", 20, "--scan-date", "2024-06-10"),
        ("--hc", 200, "--scan-date", "2023-06-10"),
        ("--hc", 200),
    ):
        code, _, _ = growth("--pregnancy", path, *values)
        assert code == 2
    inner = ("--hc", 200, "--bpd", 50, "--bpd-calipers", "outer-inner", "--scan-date", "2024-06-10")
    assert growth("--pregnancy", path, *inner)[0] == 2
    assert path.read_bytes() == before


def test_a_file_that_is_no_pregnancy(growth, tmp_path):
    (tmp_path / "p.json").write_text("{}", encoding="utf-8")
    code, _, error = growth("--pregnancy", tmp_path / "p.json")
    assert code == 1
    assert "no pregnancy file" in error


def test_the_picture_gets_chart_pregnancy_and_assessment(growth, tmp_path, monkeypatch):
    drawn = []
    curves = SimpleNamespace(save=lambda path, chart, **values: drawn.append((path, chart, values)))
    monkeypatch.setitem(sys.modules, "fetalseg.growth.curves", curves)
    growth("--hc", 172, "--ga-weeks", 20, "--chart", "who2017", "--picture", tmp_path / "a.svg")
    dated = ("--lmp", "2024-01-01", "--scan-date", "2024-05-20")
    growth("--pregnancy", tmp_path / "p.json", "--hc", 156, *dated, "--picture", tmp_path / "b.png")
    (first, alone, values), (second, chart, others) = drawn
    assert (first.name, alone.name, values["pregnancy"]) == ("a.svg", "who2017", None)
    assert values["assessment"].hc.centile_text
    assert (second.name, chart.name) == ("b.png", "intergrowth21")
    assert [exam.hc_mm for exam in others["pregnancy"].exams] == [156]
    assert others["assessment"].hc.z < -2


def test_without_matplotlib_the_numbers_are_told(growth, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fetalseg.growth.curves", None)
    code, out, error = growth("--hc", 172, "--ga-weeks", 20, "--picture", tmp_path / "a.png")
    assert code == 0
    assert "centile" in out
    assert "no picture" in error
