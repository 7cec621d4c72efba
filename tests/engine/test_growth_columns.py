"""A csv of exams, and what a table and a picture say of a head's size at its age: published worked examples."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from fetalseg.errors import GrowthError, SettingsError
from fetalseg.growth import exams
from fetalseg.growth.dating import Dating
from fetalseg.growth.exams import Growth, read
from fetalseg.growth.results import assess_result
from fetalseg.report.overlay import side_by_side
from fetalseg.report.table import COLUMNS, row
from fetalseg.result import Ellipse, Flag, Measurement, Provenance, Result, Segmentation, State
from fetalseg.scan import Spacing
from fetalseg.settings import GrowthSettings

GROWTH = ["chart", "chart_version", "ga_days", "ga_source", "z_score", "z_low", "z_high", "centile", "centile_text"]
GROWTH += ["growth_flags", "bpd_z_score", "bpd_centile", "ofd_z_score", "ofd_centile"]
LATER = ["study_date", "machine", "dating_formula", "growth_reason"]
SCAN = datetime.date(2024, 5, 20)


def head(hc=180.0, bpd=50.0, ofd=64.0, interval=(176.0, 184.0), name="a/007_HC.png", task="head"):
    measurement = Measurement(
        {"hc_mm": hc, "bpd_mm": bpd, "ofd_mm": ofd},
        {"hc_mm": interval} if interval else {},
        Ellipse(100.0, 80.0, 60.0, 48.0, 10.0),
        confidence=0.97,
    )
    return Result(
        scan_name=name,
        scan_sha256="cd",
        frame=0,
        task=task,
        segmentation=Segmentation(np.zeros((160, 200), np.uint8)),
        measurement=measurement,
        spacing=Spacing(0.5, 0.5, "s.csv"),
        provenance=Provenance("unet", "ab" * 32, "cpu", "torch", {}, "0.1.0"),
    )


def table(tmp_path, text, name="exams.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def told(tmp_path, text, result, chart="intergrowth21", study_date=None, lmp=None):
    """A result's row, and the sentence, by a csv of exams."""
    growth = Growth.load(table(tmp_path, text), GrowthSettings(chart=chart))
    found, sentence = growth.assess(result, study_date, lmp)
    return row(result, found), sentence, growth.line(found)


def test_the_new_columns_come_last_and_are_empty_without_exams():
    assert list(COLUMNS[-len(GROWTH + LATER) :]) == GROWTH + LATER
    assert COLUMNS.index("chart") == COLUMNS.index("model_sha256") + 1
    assert {row(head())[name] for name in GROWTH + LATER} == {""}


@pytest.mark.parametrize(
    ("dating", "ga_days", "source"),
    [
        ("lmp,2024-01-01", 140, "lmp"),
        ("edd,2024-10-07", 140, "edd"),
        ("ivf,2024-01-15", 140, "ivf"),
        ("ga_weeks,20", 140, "ga"),
        ("ga_weeks,20+3", 143, "ga"),
        ("ga_days,143", 143, "ga"),
    ],
)
def test_every_way_of_dating(tmp_path, dating, ga_days, source):
    column, value = dating.split(",")
    got, sentence, _ = told(tmp_path, f"file,scan_date,{column}\n007_HC.png,2024-05-20,{value}\n", head())
    assert sentence == ""
    assert (float(got["ga_days"]), got["ga_source"]) == (ga_days, source)


def test_dating_by_crown_rump_length(tmp_path):
    """Robinson: 60 mm is 87.24 days; eight weeks later it is 143 in whole days."""
    text = "exam,scan_date,crl_mm,crl_date\n7,2024-05-20,60,2024-03-25\n"
    got, _, line = told(tmp_path, text, head())
    assert (float(got["ga_days"]), got["ga_source"]) == (143, "crl")
    assert line == "62nd centile at 20w 3d (INTERGROWTH-21st, 2014)"


def test_weeks_and_days_beyond_them(tmp_path):
    got, _, _ = told(tmp_path, "file;ga_weeks;ga_days\n007_HC.png;20;3\n", head())
    assert float(got["ga_days"]) == 143
    with pytest.raises(SettingsError, match="line 2: with ga_weeks 20, ga_days are those beyond"):
        read(table(tmp_path, "file,ga_weeks,ga_days\n007_HC.png,20,140\n"))


@pytest.mark.parametrize(
    ("ga_days", "hc", "z", "centile", "text", "flags"),
    [
        (140, 180.0, 1.011, 84.4, "84th", ""),
        (141, 180.0, 0.774, 78.1, "78th", ""),
        (213, 250.0, -3.432, 0.03, "< 1st", "microcephaly_range"),
        (252, 280.0, -3.661, 0.0126, "< 1st", "microcephaly_range"),
    ],
)
def test_worked_examples_on_intergrowth(tmp_path, ga_days, hc, z, centile, text, flags):
    result = head(hc, bpd=None, ofd=None, interval=None)
    got, _, _ = told(tmp_path, f"file,ga_days\n007_HC.png,{ga_days}\n", result)
    assert (got["chart"], got["chart_version"], got["centile_text"]) == ("intergrowth21", "2014", text)
    assert float(got["z_score"]) == pytest.approx(z, abs=0.005)
    assert float(got["centile"]) == pytest.approx(centile, abs=0.05)
    assert got["growth_flags"] == flags
    assert got["z_low"] == got["z_high"] == got["bpd_z_score"] == ""


def test_diameters_where_the_chart_measures_them_as_an_ellipse_does(tmp_path):
    """28 weeks: BPD 73 has z -0.166, OFD 92 z 0.054 outer to outer; Hadlock and WHO measure BPD to the inner edge."""
    result, text = head(260.4, 73.0, 92.0, None), "file,ga_days\n007_HC.png,196\n"
    got, _, _ = told(tmp_path, text, result)
    assert float(got["bpd_z_score"]) == pytest.approx(-0.166, abs=0.005)
    assert float(got["ofd_z_score"]) == pytest.approx(0.054, abs=0.005)
    assert float(got["z_score"]) == pytest.approx(0, abs=0.01)
    assert 40 < float(got["bpd_centile"]) < 50 < float(got["ofd_centile"]) < 60
    for chart in ("hadlock84", "who2017"):
        got, _, _ = told(tmp_path, text, result, chart)
        assert got["bpd_z_score"] == got["bpd_centile"] == got["ofd_z_score"] == got["ofd_centile"] == ""
        assert got["chart"] == chart
        assert got["centile"] != ""


def test_who_gives_a_centile_without_z_and_says_nothing_is_wrong(tmp_path):
    got, sentence, line = told(tmp_path, "file,ga_days\n007_HC.png,140\n", head(173.4, interval=None), "who2017")
    assert float(got["centile"]) == pytest.approx(50, abs=0.3)
    assert (got["z_score"], sentence) == ("", "")
    assert line == "50th centile at 20w 0d (WHO 2017, coefficients of 2023-03-13)"


def test_the_range_of_z_is_that_of_the_measurement(tmp_path):
    """SD at 20 weeks is 7.440 mm: 4 mm of either side are 0.54."""
    got, _, _ = told(tmp_path, "file,ga_days\n007_HC.png,140\n", head())
    assert float(got["z_high"]) - float(got["z_low"]) == pytest.approx(8 / 7.440, abs=0.001)
    assert float(got["z_low"]) < float(got["z_score"]) < float(got["z_high"])


def test_an_age_from_the_head_itself_gives_nothing():
    result = head()
    found = assess_result(result, dating=Dating("this_hc", 143), scan_date=SCAN)
    got = row(result, found)
    assert got["z_score"] == got["centile"] == got["centile_text"] == got["ga_days"] == ""
    growth = Growth(exams.Exams("e.csv", "", ()), exams.charts.get("intergrowth21"))
    assert growth.line(found) == ""


def test_an_age_outside_the_chart_gives_a_sentence_and_no_number(tmp_path):
    got, sentence, line = told(tmp_path, "file,ga_weeks\n007_HC.png,41\n", head(340.0, None, None, None))
    assert float(got["ga_days"]) == 287
    assert got["z_score"] == got["centile"] == got["centile_text"] == ""
    assert got["growth_reason"] in sentence
    assert "14w 0d to 40w 0d" in got["growth_reason"]
    assert sentence.startswith("a/007_HC.png: ")
    assert line == "No centile: INTERGROWTH-21st covers 14w 0d to 40w 0d, not 41w 0d."


def test_a_refused_head_gets_no_column_no_flag_and_a_sentence(tmp_path):
    """However small it would be on a chart: what is refused is no head's size."""
    flag = Flag("not_a_head", "This does not look like a fetal head plane.", State.REFUSE)
    small = head(120.0, 33.0, 44.0, (117.0, 123.0))
    refused = replace(small, measurement=replace(small.measurement, state=State.REFUSE, flags=(flag,)))
    text = "file,scan_date,lmp\n007_HC.png,2024-05-20,2024-01-01\n"
    got, sentence, line = told(tmp_path, text, refused)
    assert {got[name] for name in GROWTH} == {""}
    assert got["growth_reason"].startswith("The measurement is refused, so it has no place on a growth chart.")
    assert flag.text in got["growth_reason"]
    assert sentence == f"a/007_HC.png: {got['growth_reason']}"
    assert line == "No centile: the measurement is refused."
    kept, _, _ = told(tmp_path, text, small)
    assert kept["growth_flags"] == "severe_microcephaly_range"


@pytest.mark.parametrize(
    ("formula", "named", "age"),
    [("robinson1975", "Robinson & Fleming 1975", 149), ("intergrowth2014", "INTERGROWTH-21st 2014", 148)],
)
def test_the_formula_of_a_crown_rump_length_is_chosen_and_recorded(tmp_path, formula, named, age):
    text = "file,scan_date,crl_mm,crl_date\n007_HC.png,2024-05-20,45,2024-03-11\n"
    growth = Growth.load(table(tmp_path, text), GrowthSettings(crl_formula=formula))
    got = row(head(), growth.assess(head())[0])
    assert (float(got["ga_days"]), got["ga_source"], got["dating_formula"]) == (age, "crl", named)
    assert growth.to_dict()["crl_formula"] == f"{formula} ({named})"


def test_date_and_machine_of_the_scan_are_columns():
    got = row(replace(head(), study_date="2024-05-20", machine="GE Healthcare Voluson E8"))
    assert (got["study_date"], got["machine"]) == ("2024-05-20", "GE Healthcare Voluson E8")


@pytest.mark.parametrize(
    "key", ["a/007_HC.png", "007_HC.png", "a/007_HC", "007_HC", "7", "007", "a", "*_HC.png", "a/*.png"]
)
def test_a_row_finds_its_picture(tmp_path, key):
    found = read(table(tmp_path, f"file,ga_days\nother_9.png,100\n{key},143\n")).find("a/007_HC.png")
    assert found.line == 3


@pytest.mark.parametrize("key", ["b/007_HC.png", "07_HC.png", "70", "HC.png", "b", "*_2HC.png", "00"])
def test_a_row_of_another_exam_does_not(tmp_path, key):
    found = read(table(tmp_path, f"file,ga_days\n{key},143\n")).find("a/007_HC.png")
    assert isinstance(found, str)
    assert "belongs to no exam of exams.csv" in found


def test_the_nearest_row_counts_and_two_equal_ones_contradict_each_other(tmp_path):
    near = read(table(tmp_path, "file,ga_days\na,100\n7,110\n007_HC.png,143\n")).find("a/007_HC.png")
    assert near.line == 4
    both = read(table(tmp_path, "file,ga_days\n7,100\n007,101\n")).find("a/007_HC.png")
    assert "lines 2 and 3 of exams.csv contradict each other" in both
    same = read(table(tmp_path, "file,ga_days\n7,100\n007,100\n")).find("a/007_HC.png")
    assert same.dating.ga_days == 100


def test_without_a_scan_date_the_files_own_stands_in(tmp_path):
    text = "file,lmp\n007_HC.png,2024-01-01\n"
    got, sentence, _ = told(tmp_path, text, head(), study_date="2024-05-20")
    assert (float(got["ga_days"]), sentence) == (140, "")
    got, sentence, _ = told(tmp_path, text, head())
    assert got["ga_days"] == got["chart"] == ""
    assert "scan's date is needed" in sentence


def test_a_row_without_dating_gives_no_centile(tmp_path):
    got, sentence, line = told(tmp_path, "file,scan_date,lmp\n007_HC.png,2024-05-20,\n", head())
    assert got["centile"] == got["chart"] == line == ""
    assert "dates by nothing" in sentence


@pytest.mark.parametrize("text", ["file,lmp\n007_HC.png,\n", "file,lmp\nother.png,2024-02-01\n"])
def test_where_no_row_dates_a_picture_the_last_period_of_its_file_does(tmp_path, text):
    got, sentence, line = told(tmp_path, text, head(), study_date="2024-05-20", lmp="2024-01-01")
    assert (float(got["ga_days"]), got["ga_source"], sentence) == (140, "lmp", "")
    assert got["dating_formula"] == exams.LMP_OF_FILE
    assert not any("2024-01-01" in words for words in (*got.values(), line)), "the age is told, the date is not"


@pytest.mark.parametrize(
    ("text", "ga_days"),
    [
        ("file,ga_days\n007_HC.png,143\n", "143"),  # a person's dating
        ("file,ga_days\n7,100\n007,101\n", ""),  # rows that contradict each other
        ("file,scan_date,lmp\n7,2023-12-24,\n", ""),  # a day that the file's last period can't be of
    ],
)
def test_the_csv_stands_above_the_last_period_of_a_file(tmp_path, text, ga_days):
    got, sentence, _ = told(tmp_path, text, head(), study_date="2024-05-20", lmp="2024-01-01")
    assert got["ga_days"].removesuffix(".0") == ga_days
    assert bool(sentence) == (not ga_days)
    assert "2024-01-01" not in sentence


def test_what_is_no_head_in_mm_is_left_alone(tmp_path):
    text = "file,ga_days\n007_HC.png,140\n"
    assert told(tmp_path, text, head(None, None, None, None))[1:] == ("", "")
    assert assess_result(head(task="fetal-brain"), dating=Dating.from_ga(140), scan_date=None) is None


def test_a_size_that_is_no_heads_is_a_sentence(tmp_path):
    got, sentence, _ = told(tmp_path, "file,ga_days\n007_HC.png,140\n", head(17.5, None, None, None))
    assert got["centile"] == ""
    assert "cm" in sentence


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,scan_date,lmp\n1,2024-05-20,2024-13-01\n", "line 2: '2024-13-01' is no date"),
        ("file,scan_date,lmp\n1,2024-05-20,2024-06-01\n", "line 2: The scan of 2024-05-20 lies before the pregnancy"),
        ("file,scan_date,lmp\n1,2999-05-20,2024-01-01\n", "line 2: The scan has the date 2999-05-20"),
        ("file,ga_weeks\n1,55\n", "line 2: A gestational age of 55 weeks is not possible"),
        ("file,lmp,edd\n1,2024-01-01,2024-10-07\n", "line 2: it dates by lmp and edd; keep the one"),
        ("file,crl_mm,crl_date\n1,60,\n", "line 2: a crown-rump length dates only with both"),
        ("file,crl_mm,crl_date\n1,6,2024-03-25\n", "line 2: A crown-rump length of 6 mm can't"),
        ("file,ga_days\n,140\n", "line 2: the file or exam is missing"),
        ("file,ga_days\n1,many\n", "line 2: ga_days 'many' is no number"),
        ("name,ga_days\n1,140\n", "must name 'file' or 'exam'"),
        ("file,age\n1,140\n", "a way of dating"),
        ("file,ga_days\n", "holds no exam"),
        ("", "must name"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_with_its_line(tmp_path, text, says):
    with pytest.raises(SettingsError) as raised:
        read(table(tmp_path, text))
    assert says in str(raised.value)
    assert str(raised.value).startswith("exams.csv")


def test_no_such_csv_and_no_such_chart(tmp_path):
    with pytest.raises(SettingsError, match="no such csv of exams"):
        read(tmp_path / "none.csv")
    with pytest.raises(SettingsError, match="no growth chart 'nonesuch'"):
        Growth.load(table(tmp_path, "file,ga_days\n1,140\n"), GrowthSettings(chart="nonesuch"))


def test_what_a_run_records(tmp_path):
    path = table(tmp_path, "file,ga_days\n1,140\n")
    record = Growth.load(path, GrowthSettings()).to_dict()
    assert record["exams"] == "exams.csv"
    assert record["exams_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (record["chart"], record["chart_version"]) == ("intergrowth21", "2014")
    assert "10.1016/S0140-6736(14)61490-2" in record["chart_source"]


def test_the_picture_has_a_line_more(tmp_path):
    frame = np.zeros((160, 200), np.uint8)
    plain = side_by_side(frame, head())
    shown = side_by_side(frame, head(), growth="84th centile at 20w 0d (INTERGROWTH-21st, 2014)")
    assert shown.shape[0] > plain.shape[0]
    assert shown.shape[1] == plain.shape[1]
    other = side_by_side(frame, head(), growth="12th centile at 20w 0d (INTERGROWTH-21st, 2014)")
    assert shown.shape == other.shape
    assert (shown != other).any()


def test_a_result_is_assessed_by_the_engines_own_sentence_of_impossible_dates():
    with pytest.raises(GrowthError, match="before the pregnancy"):
        assess_result(head(), dating=Dating.from_lmp(datetime.date(2024, 6, 1)), scan_date=SCAN)
