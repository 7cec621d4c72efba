"""``fetalseg followup`` on tables as ``fetalseg segment --task tumour`` writes them."""

from __future__ import annotations

import csv
import datetime
import json

import numpy as np
import pytest
from PIL import Image

from fetalseg.errors import FetalSegError
from fetalseg.followup import studies as reader
from fetalseg.followup.rano import CATEGORIES, Lesion, Study, compare

ONE = {"lesion": "all", "status": "ok", "volume_ml": "20", "product_mm2": "1000", "slice_mm": "5", "model": "unet 1"}


def table(folder, *rows, columns=None):
    """Write a measurements.csv; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = columns or list(dict.fromkeys(key for row in rows for key in row))
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def grown(folder):
    """Two studies: the product grows by 30 %, the volume by half."""
    return table(
        folder,
        ONE | {"file": "sub-07_20200101.nii.gz"},
        {"file": "sub-07_20200101.nii.gz", "lesion": "1", "status": "ok", "volume_ml": "20", "measurable": "yes"},
        ONE | {"file": "sub-07_20210101.nii.gz", "volume_ml": "30", "product_mm2": "1300", "flags": "cut_by_volume"},
        {"file": "sub-07_20210101.nii.gz", "lesion": "1", "status": "ok", "volume_ml": "30", "measurable": "no"},
    )


def test_command_writes_table_record_and_picture(fetalseg, tmp_path):
    done = fetalseg("followup", grown(tmp_path / "results"), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "by size: within the range of progression" in done.stdout
    assert "corticosteroids" in done.stdout
    assert "Research use only. Not for diagnosis." in done.stdout
    with (tmp_path / "out" / "followup.csv").open(newline="", encoding="utf-8") as handle:
        first, second = csv.DictReader(handle)
    assert (first["baseline"], first["product_change_pct"], first["date"]) == ("yes", "", "2020-01-01")
    assert (second["date"], second["date_source"], second["days"]) == ("2021-01-01", "file name", "366")
    assert (second["product_change_pct"], second["volume_change_pct"]) == ("30", "50")
    assert (second["category_by_product"], second["category_by_volume"]) == ("PD", "PD")
    # (60 000)^(1/3) - (40 000)^(1/3) = 39.149 - 34.200 mm in 366 days
    assert float(second["growth_mm_per_year"]) == pytest.approx(4.949 * 365.25 / 366, abs=0.001)
    record = json.loads((tmp_path / "out" / "followup.json").read_text(encoding="utf-8"))
    assert record["proposal"] == CATEGORIES["PD"]
    assert record["changes"][1]["study"]["date"] == "2021-01-01"
    assert record["unknown"]
    picture = np.asarray(Image.open(tmp_path / "out" / "followup.png"))
    assert picture.shape == (720, 1280, 3)
    assert picture.mean() < 90


def test_command_refuses_in_sentences(fetalseg, tmp_path):
    one = table(tmp_path / "one", ONE | {"file": "a.nii"})
    done = fetalseg("followup", one, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert "two studies or more" in done.stderr
    assert "Traceback" not in done.stderr
    done = fetalseg("followup", one, "--patient", "nobody", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()


def test_several_tables_and_other_columns(tmp_path):
    """Tables in folders of their own; only `file` and `lesion` must be there, what is unknown is passed over."""
    table(tmp_path / "all" / "first", ONE | {"file": "a.nii", "study_date": "2020-05-01", "novel": "x"})
    table(tmp_path / "all" / "second", ONE | {"file": "a.nii", "study_date": "20210501"})
    studies, notes = reader.read([tmp_path / "all", tmp_path / "all" / "first" / "measurements.csv"])
    assert [(s.name, s.date.year, s.date_source) for s in studies] == [
        ("a.nii (1)", 2020, "scan"),
        ("a.nii (2)", 2021, "scan"),
    ]
    assert notes == []
    table(tmp_path / "bare", {"file": "b.nii", "lesion": "all"})
    assert reader.read([tmp_path / "bare"])[0] == [Study("b.nii", None, None, None)]


def test_lesions_of_a_study(tmp_path):
    folder = table(
        tmp_path,
        {"file": "a.nii", "lesion": "1", "product_mm2": "900.5", "volume_ml": "8", "measurable": "yes"},
        {"file": "a.nii", "lesion": "2", "product_mm2": "50", "volume_ml": "1", "measurable": "no"},
        {"file": "a.nii", "lesion": "3"},
        ONE | {"file": "a.nii", "edited": "mask"},
    )
    (study,), _ = reader.read([folder])
    assert study.lesions == (Lesion("1", 900.5, 8, True), Lesion("2", 50, 1, False), Lesion("3", None, None, None))
    assert study.edited
    assert (study.slice_mm, study.model) == (5.0, "unet 1")


def test_nothing_found_is_zero_but_refused_is_left_out(tmp_path):
    folder = table(
        tmp_path,
        ONE | {"file": "a.nii"},
        {"file": "b.nii", "lesion": "all", "status": "empty", "volume_ml": "0", "state": "check", "flags": "no_tumour"},
        {
            "file": "c.nii",
            "lesion": "all",
            "status": "empty",
            "volume_ml": "0",
            "state": "refuse",
            "flags": "not_flair",
        },
        {"file": "d.nii", "lesion": "", "status": "error", "error": "d.nii is damaged."},
        {"file": "e.nii", "lesion": "all", "status": "ok", "volume_ml": "1", "product_mm2": "0", "state": "accept"},
    )
    studies, notes = reader.read([folder])
    assert [(s.name, s.product_mm2, s.volume_ml) for s in studies] == [
        ("a.nii", 1000, 20),
        ("b.nii", 0, 0),
        ("e.nii", None, 1),  # lesions, none of them measurable: no product, and not a tumour gone
    ]
    assert [note.split(" ")[0] for note in notes] == ["b.nii", "c.nii", "d.nii"]
    assert "not flair" in notes[1]
    assert compare(studies[:2]).changes[-1].category == "CR"


def test_dates_from_a_csv_come_first(tmp_path):
    folder = grown(tmp_path / "results")
    dates = tmp_path / "dates.csv"
    dates.write_text("file,date\nsub-07_20200101.nii.gz,2019-03-02\nother.nii,20200101\n", encoding="utf-8")
    studies, notes = reader.read([folder], dates=dates)
    assert [(s.date, s.date_source) for s in studies] == [
        (datetime.date(2019, 3, 2), "csv of dates"),
        (datetime.date(2021, 1, 1), "file name"),
    ]
    assert any("other.nii" in note for note in notes)
    dates.write_text("file,date\na.nii,2020-13-02\n", encoding="utf-8")
    with pytest.raises(FetalSegError, match="no date"):
        reader.read([folder], dates=dates)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TCGA_CS_4941_19960909_flair.tif", "1996-09-09"),
        ("a/2020-02-29.nii.gz", "2020-02-29"),
        ("2020_02_28/flair.nii", "2020-02-28"),
        ("2019-01-01/x_20200101.nii", "2020-01-01"),
        ("x_20200101_20210101.nii", None),
        ("2020-02-30.nii", None),
        ("2020-0101.nii", None),
        ("1.2.840.1202001011.dcm", None),
        ("scan.nii", None),
    ],
)
def test_date_in_a_name(name, expected):
    found = reader.date_in_name(name)
    assert (found.isoformat() if found else None) == expected


def test_several_patients_are_told(tmp_path):
    folder = table(
        tmp_path,
        ONE | {"file": "TCGA_CS_4941_19960909.tif"},
        ONE | {"file": "TCGA_CS_4941_19970909.tif"},
        ONE | {"file": "TCGA-DU-7008_19830723.tif"},
    )
    assert any("several patients (TCGA_CS_4941, TCGA_DU_7008)" in note for note in reader.read([folder])[1])
    for pattern in ("CS_4941", "TCGA_CS_*"):
        studies, notes = reader.read([folder], pattern=pattern)
        assert (len(studies), notes) == (2, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,frame,hc_mm\na.png,0,170\n", "has no column lesion"),
        ("", "has no column file and no lesion"),
        ("file,lesion,volume_ml\na.nii,all,twelve\n", "volume_ml of a.nii is 'twelve'"),
        ("file,lesion,volume_ml\na.nii,all,-3\n", "is no size"),
        ("file,lesion,task\na.nii,all,fetal-brain\n", "holds no tumour"),
        ("file,lesion,volume_ml\na.nii,1,3\n", "no row 'all'"),
    ],
)
def test_wrong_tables(tmp_path, text, words):
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FetalSegError, match=words):
        reader.read([path])


def test_missing_inputs(tmp_path):
    with pytest.raises(FetalSegError, match="is not there"):
        reader.read([tmp_path / "none.csv"])
    with pytest.raises(FetalSegError, match="holds no measurements"):
        reader.read([tmp_path])


@pytest.mark.parametrize("dates", [("2020-01-01", "2021-01-01", "2021-01-01"), (None, None, "2021-01-01")])
@pytest.mark.parametrize("product", [None, 0.0, 800.0])
def test_picture_of_any_studies(dates, product):
    from fetalseg.followup.picture import draw

    days = [datetime.date.fromisoformat(day) if day else None for day in dates]
    names = ("a" * 90, "$b_2$", "c")
    studies = [Study(n, d, product, v) for n, d, v in zip(names, days, (20.0, 0.0, 1e-3), strict=True)]
    assert draw(compare(studies)).shape == (720, 1280, 3)
