"""``fetalseg segment --exams``, ``--chart`` and ``--sr``, with the bundled model on phantoms."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

from fetalseg import samples
from fetalseg.growth import charts

STILL = "second_trimester.png"
TRUTH = next(t for t in samples.truth() if t.filename == STILL)
NEW = ("chart", "chart_version", "ga_days", "ga_source", "z_score", "z_low", "z_high", "centile", "centile_text")
NEW += ("growth_flags", "bpd_z_score", "bpd_centile", "ofd_z_score", "ofd_centile", "dating_formula", "growth_reason")


@pytest.fixture
def folder(tmp_path):
    """Two exams, one of them with two pictures."""
    made = tmp_path / "exams"
    made.mkdir()
    for name in ("007_HC.png", "007_2HC.png", "012_HC.png"):
        shutil.copy(samples.folder() / STILL, made / name)
    return made


def segment(fetalseg, folder, out, *more):
    return fetalseg("segment", folder, "--spacing", TRUTH.pixel_mm, "--out", out, *more)


def test_exams_of_a_folder(fetalseg, rows, record, folder, tmp_path):
    table = tmp_path / "dates.csv"
    table.write_text("exam,scan_date,lmp\n7,2024-05-23,2024-01-01\n")
    out, plain = tmp_path / "out", tmp_path / "plain"
    done = segment(fetalseg, folder, out, "--exams", table)
    assert done.returncode == 0, done.stderr
    by_file = {row["file"]: row for row in rows(out)}
    chart = charts.get("intergrowth21")
    for name in ("007_HC.png", "007_2HC.png"):
        row = by_file[name]
        assert (row["chart"], row["chart_version"], row["ga_source"]) == ("intergrowth21", "2014", "lmp")
        assert float(row["ga_days"]) == 143
        for column, size in (("z_score", "hc_mm"), ("z_low", "hc_low_mm"), ("z_high", "hc_high_mm")):
            assert float(row[column]) == pytest.approx(chart.read("hc", float(row[size]), 143).z, abs=1e-6)
        assert float(row["bpd_z_score"]) == pytest.approx(chart.read("bpd", float(row["bpd_mm"]), 143).z, abs=1e-6)
        assert row["centile_text"] == chart.read("hc", float(row["hc_mm"]), 143).centile_text
    assert {by_file["012_HC.png"][name] for name in NEW} == {""}
    assert "note: 012_HC.png belongs to no exam of dates.csv" in done.stderr
    run = record(out)
    assert run["growth"]["chart"] == "intergrowth21"
    assert run["growth"]["exams"] == "dates.csv"
    assert run["growth"]["exams_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    told = {entry["name"]: entry.get("warnings") for entry in run["inputs"]}
    assert told == {
        "007_2HC.png": None,
        "007_HC.png": None,
        "012_HC.png": ["012_HC.png belongs to no exam of dates.csv, so no centile is given."],
    }

    assert segment(fetalseg, folder, plain).returncode == 0
    for before in rows(plain):
        after = by_file[before["file"]]
        assert {before[name] for name in NEW} == {""}
        assert all(before[name] == after[name] for name in before if name not in NEW)
    assert "growth" not in record(plain)
    sizes = [Image.open(place / "overlays" / "007_HC.png").height for place in (out, plain)]
    assert sizes[0] > sizes[1]
    undated = [np.asarray(Image.open(place / "overlays" / "012_HC.png")) for place in (out, plain)]
    np.testing.assert_array_equal(*undated)


def test_another_chart_and_ones_own(fetalseg, rows, record, folder, tmp_path):
    table, own = tmp_path / "dates.csv", tmp_path / "ours.csv"
    table.write_text("file,ga_weeks,ga_days\n*.png,20,3\n")
    own.write_text("ga,mean,sd\n20,170,8\n21,180,8\n")
    assert segment(fetalseg, folder, tmp_path / "who", "--exams", table, "--chart", "who2017").returncode == 0
    row = rows(tmp_path / "who")[0]
    assert (row["chart"], row["z_score"], row["bpd_centile"]) == ("who2017", "", "")
    assert row["centile"]
    done = segment(fetalseg, folder, tmp_path / "own", "--exams", table, "--chart", own)
    assert done.returncode == 0, done.stderr
    row = rows(tmp_path / "own")[0]
    assert float(row["z_score"]) == pytest.approx((float(row["hc_mm"]) - (170 + 10 * 3 / 7)) / 8, abs=1e-6)
    assert row["chart"] == "ours.csv"
    assert record(tmp_path / "own")["growth"]["chart_version"].startswith("sha256 ")


def test_the_formula_of_a_crown_rump_length_is_an_option_and_recorded(fetalseg, rows, record, folder, tmp_path):
    table = tmp_path / "dates.csv"
    table.write_text("exam,scan_date,crl_mm,crl_date\n7,2024-05-20,45,2024-03-11\n12,2024-05-20,60,2024-03-27\n")
    done = segment(fetalseg, folder, tmp_path / "out", "--exams", table, "--crl-formula", "intergrowth2014")
    assert done.returncode == 0, done.stderr
    ages = {row["file"]: (float(row["ga_days"]), row["dating_formula"]) for row in rows(tmp_path / "out")}
    assert ages["007_HC.png"] == (148, "INTERGROWTH-21st 2014")
    assert ages["012_HC.png"] == (141, "INTERGROWTH-21st 2014")
    assert record(tmp_path / "out")["growth"]["crl_formula"] == "intergrowth2014 (INTERGROWTH-21st 2014)"
    wrong = segment(fetalseg, folder, tmp_path / "none", "--exams", table, "--crl-formula", "mine")
    assert wrong.returncode == 2
    assert "robinson1975" in wrong.stderr
    assert not (tmp_path / "none").exists()


def test_wrong_usage_ends_before_the_run(fetalseg, folder, tmp_path):
    table = tmp_path / "dates.csv"
    table.write_text("file,scan_date,lmp\n7,2024-05-20,2024-01-01\n12,2024-05-20,2024-06-01\n")
    out = tmp_path / "out"
    done = segment(fetalseg, folder, out, "--exams", table)
    assert done.returncode == 2
    assert "dates.csv, line 3" in done.stderr
    assert segment(fetalseg, folder, out, "--exams", tmp_path / "none.csv").returncode == 2
    table.write_text("file,ga_days\n7,140\n")
    done = segment(fetalseg, folder, out, "--exams", table, "--chart", "nonesuch")
    assert done.returncode == 2
    assert "who2017" in done.stderr
    done = segment(fetalseg, folder, out, "--exams", table, "--task", "tumour")
    assert done.returncode == 2
    assert "Exams date fetal heads" in done.stderr
    done = segment(fetalseg, folder, out, "--chart", "who2017")
    assert done.returncode == 2
    assert "--exams" in done.stderr
    assert not out.exists()


def test_no_structured_report_of_what_is_no_dicom(fetalseg, rows, record, folder, tmp_path):
    out = tmp_path / "out"
    done = segment(fetalseg, folder / "007_HC.png", out, "--sr")
    assert done.returncode == 0, done.stderr
    assert len(rows(out)) == 1
    assert not (out / "sr").exists()
    assert "note: 007_HC.png: no DICOM structured report was written: the scan is no DICOM file" in done.stderr
    assert "no DICOM file" in record(out)["inputs"][0]["warnings"][0]


def test_the_help_names_every_column(fetalseg):
    told = fetalseg("segment", "--help").stdout
    for word in ("scan_date", "lmp", "edd", "ivf", "crl_mm", "crl_date", "ga_weeks", "ga_days", "--chart", "--sr"):
        assert word in told
