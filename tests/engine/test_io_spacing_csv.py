"""Spacing from a csv: HC18's layout and its kin."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.errors import SpacingError
from fetalseg.io.spacing_csv import find_beside, lookup

HC18 = """filename,pixel size(mm),head circumference (mm)
000_HC.png,0.0691358041432,44.3
001_HC.png,0.0896585200514,56.81
"""


@pytest.fixture
def table(tmp_path):
    def make(text, name="pixels.csv", **how):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(how.get("encoding", "utf-8")))
        return path

    return make


def test_hc18(table):
    path = table(HC18, "training_set_pixel_size_and_HC.csv")
    spacing = lookup(path, "001_HC.png")
    assert spacing.row_column == (0.0896585200514, 0.0896585200514)
    assert spacing.source == "training_set_pixel_size_and_HC.csv"
    assert lookup(path, "002_HC.png") is None


@pytest.mark.parametrize(
    "text",
    [
        "filename,pixel_size_mm\na.png,0.25\n",
        "Filename , Pixel Size (mm)\r\n a.png , 0.25\r\n",
        "other,filename,pixel size(mm)\n1,a.png,0.25\n",
        'filename,pixel size(mm)\n"a.png","0.25"\n',
        "\ufefffilename;pixel size(mm)\na.png;0,25\n",
        "filename\tpixel_size_mm\na.png\t2.5e-1\n",
        "filename,spacing_x_mm,spacing_y_mm\na.png,0.25,0.25\n",
        "filename,pixel_size_mm\n\na.png,0.25",
    ],
)
def test_layouts(table, text):
    assert lookup(table(text), "a.png").row_column == (0.25, 0.25)


def test_oblong_pixels(table):
    spacing = lookup(table("filename,spacing_x_mm,spacing_y_mm\na.png,0.1,0.2\n"), "a.png")
    assert (spacing.column_mm, spacing.row_mm) == (0.1, 0.2)


def test_old_spreadsheets_letters(table):
    assert lookup(table("filename,pixel_size_mm\nköpf.png,0.2\n", encoding="latin-1"), "köpf.png").row_mm == 0.2


def test_names_in_folders(table):
    path = table("filename,pixel_size_mm\na/1.png,0.1\nb\\1.png,0.2\n2.png,0.3\n")
    assert lookup(path, "a/1.png").row_mm == 0.1
    assert lookup(path, "b/1.png").row_mm == 0.2
    assert lookup(path, "deep/a/1.png").row_mm == 0.1
    assert lookup(path, "any/2.png").row_mm == 0.3
    assert lookup(path, "c/1.png") is None  # never another folder's
    with pytest.raises(SpacingError, match=r"pixels\.csv gives 2 different pixel sizes for 1\.png"):
        lookup(path, "1.png")


def test_a_path_knows_its_folders(table, tmp_path, monkeypatch):
    path = table("filename,pixel_size_mm\na/1.png,0.1\nb/1.png,0.2\n")
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    assert lookup(path, type(path)("1.png")).row_mm == 0.2


@pytest.mark.parametrize("bad", ["", "wide", "0", "-1", "nan", "inf", "0,1", "1e999"])
def test_bad_number_names_file_and_line_and_spoils_no_other(table, bad):
    path = table(f'filename,pixel_size_mm\na.png,0.1\nb.png,"{bad}"\n')
    assert lookup(path, "a.png").row_mm == 0.1
    with pytest.raises(SpacingError, match=r"pixels\.csv, line 3, b\.png: "):
        lookup(path, "b.png")


@pytest.mark.parametrize(
    "text", ["", "\n", "name,size\na.png,0.1\n", "filename,pixel size\na.png,0.1\n", "filename,spacing_x_mm\na.png,1\n"]
)
def test_header_that_does_not_fit(table, text):
    with pytest.raises(SpacingError, match=r"pixels\.csv is no spacing csv"):
        lookup(table(text), "")


def test_csv_that_is_not_there(tmp_path):
    with pytest.raises(SpacingError, match=r"gone\.csv: there is no such spacing csv"):
        lookup(tmp_path / "gone.csv", "")


def test_a_changed_csv_is_read_again(table):
    path = table("filename,pixel_size_mm\na.png,0.1\n")
    assert lookup(path, "a.png").row_mm == 0.1
    table("filename,pixel_size_mm\na.png,0.2\n")
    os.utime(path, ns=(1, 1))
    assert lookup(path, "a.png").row_mm == 0.2


def test_beside_or_one_folder_up(table, tmp_path):
    picture = tmp_path / "set" / "001_HC.png"
    picture.parent.mkdir()
    assert find_beside(picture) is None
    table("a,b\n1,2\n", "set/results.csv")
    table("", "set/empty.csv")
    (tmp_path / "set" / "noise.csv").write_bytes(bytes(range(256)))
    assert find_beside(picture) is None
    above = table(HC18, "hc.csv")
    assert find_beside(picture) == above
    near = table("filename,pixel_size_mm\nother.png,0.1\n", "set/near.csv")
    assert find_beside(picture) == above  # it lists the picture
    assert find_beside(picture.with_name("unlisted.png")) == near
    table("filename,pixel_size_mm\n001_HC.png,0.1\n", "set/a.csv")
    named = table("filename,pixel_size_mm\n001_HC.png,0.1\n", "set/pixel_size.csv")
    assert find_beside(picture) == named


def test_our_own_measurements_are_no_source(table, tmp_path):
    from fetalseg.report.table import COLUMNS

    table(",".join(COLUMNS) + "\n", "measurements.csv")
    assert find_beside(tmp_path / "a.png") is None


NAMES = st.from_regex(r"\A([a-z]{1,3}/){0,2}[a-zA-Z0-9_]{1,6}\.png\Z")
SIZES = st.floats(1e-3, 10)


@given(st.dictionaries(NAMES, st.tuples(SIZES, SIZES), min_size=1, max_size=6))
def test_every_full_path_finds_its_own_row(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "s.csv"
    lines = [f"{name},{x!r},{y!r}" for name, (x, y) in rows.items()]
    path.write_text("\n".join(["filename,spacing_x_mm,spacing_y_mm", *lines]), encoding="utf-8")
    for name, (x, y) in rows.items():
        spacing = lookup(path, name)
        assert (spacing.column_mm, spacing.row_mm) == (x, y)
