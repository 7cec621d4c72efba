"""`measurements.csv` and `run.json`."""

from __future__ import annotations

import csv
import io
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetalseg.errors import OutputError
from fetalseg.quality import flag
from fetalseg.report import manifest, table
from fetalseg.report.table import COLUMNS, error_row, number, row, to_csv
from fetalseg.result import Ellipse, Measurement, Provenance, Result, Segmentation, State
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import BatchSettings, SegmentSettings

CONTRACT = """
file frame status task model spacing_x_mm spacing_y_mm spacing_source hc_mm bpd_mm ofd_mm cephalic_index area_mm2
ellipse_center_x_px ellipse_center_y_px ellipse_semi_major_px ellipse_semi_minor_px ellipse_angle_deg confidence
flags error
""".split()  # noqa: SIM905


def make(name="sub/a.png", frame=0, *, found=True, spacing=True, origin="model", flags=()):
    measurement = Measurement(
        {"hc_mm": 174.2 + 1 / 3 if spacing else None, "bpd_mm": 48.1, "cephalic_index": 77.7, "hc_px": 1131.4},
        {"hc_mm": (171.1, 177.3)},
        Ellipse(400.25, 270.5, 201.0, 156.0, 12.5),
        confidence=0.97,
        flags=flags,
        state=State.CHECK if flags else State.ACCEPT,
    )
    return Result(
        scan_name=name,
        scan_sha256="cd",
        frame=frame,
        task="head",
        segmentation=Segmentation(np.zeros((4, 5), np.uint8)),
        measurement=measurement if found else Measurement({}, flags=(flag("no_head"),), state=State.REFUSE),
        spacing=Spacing(0.2, 0.0691358041432, "s.csv") if spacing else None,
        provenance=Provenance("unet", "ab" * 32, "cpu", "torch", {}, "0.1.0"),
        origin=origin,
    )


def read(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_columns_begin_as_promised():
    assert list(COLUMNS[: len(CONTRACT)]) == CONTRACT
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_a_row():
    got = row(make(frame=3, flags=(flag("cut_by_picture"), flag("faint_outline"))))
    assert tuple(got) == COLUMNS
    assert got["file"] == "sub/a.png"
    assert got["frame"] == "3"
    assert got["status"] == "ok"
    assert got["flags"] == "cut_by_picture;faint_outline"
    assert got["state"] == "check"
    assert (got["spacing_x_mm"], got["spacing_y_mm"], got["spacing_source"]) == ("0.0691358041432", "0.2", "s.csv")
    assert float(got["hc_mm"]) == pytest.approx(174.2 + 1 / 3, abs=1e-8)
    assert (got["hc_low_mm"], got["hc_high_mm"]) == ("171.1", "177.3")
    assert (got["ellipse_center_x_px"], got["ellipse_center_y_px"]) == ("400.25", "270.5")
    assert (got["ellipse_semi_major_px"], got["ellipse_semi_minor_px"]) == ("201", "156")
    assert got["ellipse_angle_deg"] == "12.5"
    assert got["area_mm2"] == ""  # not known
    assert got["edited"] == "no"
    assert got["error"] == ""


def test_unknown_is_empty():
    got = row(make(spacing=False, origin="ellipse"))
    assert [got[name] for name in ("hc_mm", "spacing_x_mm", "spacing_y_mm", "spacing_source")] == [""] * 4
    assert got["hc_px"] == "1131.4"
    assert got["edited"] == "ellipse"


def test_nothing_found():
    got = row(make(found=False))
    assert (got["status"], got["state"], got["flags"]) == ("empty", "refuse", "no_head")
    assert got["hc_mm"] == got["ellipse_center_x_px"] == got["confidence"] == ""


def test_error_row():
    got = error_row("a.png", "a.png is damaged.\nCopy it again.", task="head", model="unet")
    assert tuple(got) == COLUMNS
    assert (got["status"], got["file"], got["frame"]) == ("error", "a.png", "0")
    assert got["error"] == "a.png is damaged. Copy it again."


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (float("nan"), ""), (float("inf"), ""), (2.0, "2"), (0.1, "0.1")]
)
def test_number(value, text):
    assert number(value) == text


@given(st.floats(1e-6, 1e7))
def test_numbers_keep_their_digits(value):
    assert float(number(value)) == pytest.approx(value, rel=1e-11)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1), max_size=5))
def test_any_name_comes_back(file_names):
    rows = [error_row(name, "x") for name in file_names]
    text = to_csv(rows)
    assert [got["file"] for got in csv.DictReader(io.StringIO(text, newline=""))] == [r["file"] for r in rows]


def test_a_table_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out" / "measurements.csv"
    got = [*table.rows(make(frame=0)), *table.rows(make(frame=1)), error_row("bad.png", "bad.png is empty.", task="head", model="unet")]  # noqa: E501  # fmt: skip
    table.write(path, iter(got))
    assert [(row["file"], row["frame"], row["status"]) for row in read(path)] == [
        ("sub/a.png", "0", "ok"),
        ("sub/a.png", "1", "ok"),
        ("bad.png", "0", "error"),
    ]
    assert read(path)[2]["model"] == "unet"
    assert path.read_bytes().startswith(b"file,frame,status")  # no byte order mark
    before = path.read_bytes()

    def breaks_off():
        yield got[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="the disk is full"):
        table.write(path, breaks_off())
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["measurements.csv"]


def test_rows_without_what_is_empty_give_the_same_table(tmp_path):
    (row,) = table.rows(make())
    short = {name: value for name, value in row.items() if value}
    assert table.write(tmp_path / "a.csv", [row]).read_bytes() == table.write(tmp_path / "b.csv", [short]).read_bytes()


def test_a_table_that_cannot_be_written(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="a part of its path is a file"):
        table.write(tmp_path / "out" / "measurements.csv", [])


def test_manifest(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"12345")
    scan = Scan(np.zeros((1, 4, 5), np.uint8), "a.png", Spacing(0.2, 0.1, "s.csv"), (4, 5), file, "ef" * 32)
    model = ("unet", "ab" * 32)
    record = manifest.Manifest(
        tmp_path / "out", "fetalseg segment a.png", SegmentSettings(), model, BatchSettings(pattern="*.png")
    )
    told = {"name": "a.png", "stem": "a", "status": "ok", "input": manifest.describe(scan), "rows": [{"file": "a.png"}]}
    failed = {"name": "c.png", "stem": "c", "status": "error", "error": "c.png is empty.", "warnings": []}
    inputs = [manifest.entry(told), manifest.entry(failed, unchanged=True)]
    counts = {"files": 3, "done": 2, "failed": 1}
    path = record.write(counts, iter(inputs), finished=False, ran={"device": "cpu", "backend": "torch"})
    got = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "out" / "run.json"
    assert got["note"] == "Research use only. Not for diagnosis."
    assert got["command"] == "fetalseg segment a.png"
    assert got["model"] == {"name": "unet", "sha256": "ab" * 32}
    assert (got["device"], got["backend"], got["task"]) == ("cpu", "torch", "head")
    assert got["settings"]["flips"] is True
    assert got["settings"]["pattern"] == "*.png"
    assert got["libraries"]["numpy"] == np.__version__
    assert got["finished"] is False
    assert got["started"] <= got["ended"]
    assert got["wall_s"] >= 0
    assert got["counts"] == counts
    first, second = got["inputs"]
    assert (first["name"], first["stem"], first["status"], first["frames"]) == ("a.png", "a", "ok", 1)
    assert first["sha256"] == "ef" * 32
    assert first["bytes"] == 5
    assert first["spacing"] == {"x_mm": 0.1, "y_mm": 0.2, "source": "s.csv"}
    assert "rows" not in first
    assert "warnings" not in second
    assert (second["error"], second["unchanged"]) == ("c.png is empty.", True)
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    assert manifest.stems(tmp_path / "out") == {"a.png": "a", "c.png": "c"}
    assert manifest.stems(tmp_path) == {}


def test_a_run_without_inputs_is_json_too(tmp_path):
    path = manifest.Manifest(tmp_path, "", SegmentSettings(), ("m", "")).write({}, [], finished=True)
    assert json.loads(path.read_text())["inputs"] == []


def test_product_and_libraries_import_nothing_heavy():
    before = set(sys.modules)
    assert manifest.product()["name"] == "napari-fetalseg"
    assert "torch" in manifest.libraries()
    assert not {"torch", "napari", "matplotlib"} & (set(sys.modules) - before)
