"""Many scans: what is done, what is left, what is kept, and what the doors hear."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image

import batches
import tumours
from fetalseg.batch.run import Batch, Item, run
from fetalseg.errors import Cancelled, OutputError, SettingsError
from fetalseg.result import Ellipse
from fetalseg.settings import BatchSettings, SegmentSettings
from standins import SHAPE, disc, loop
from ultrasounds import PATIENT, dicom, region

pytestmark = pytest.mark.usefixtures("networks")

HEAD = SegmentSettings()


@pytest.fixture
def scans(tmp_path):
    return batches.folder(tmp_path / "scans", 6)


def table(out):
    with (out / "measurements.csv").open(newline="", encoding="utf-8") as handle:
        return {(row["file"], row.get("frame", row.get("lesion"))): row for row in csv.DictReader(handle)}


def kinds(inputs, out, settings=HEAD, batch=None, **options):
    """Run; return the kind of event by scan."""
    with Batch(inputs if isinstance(inputs, list) else [inputs], out, settings, batch, **options) as made:
        return {e.name: e.kind for e in made.events() if e.kind != "started"}


def only(found, kind="done"):
    return [name for name, own in found.items() if own == kind]


def test_a_second_run_does_what_is_left(scans, tmp_path, networks):
    out = tmp_path / "out"
    first = run([scans], out, HEAD)
    assert (first.files, first.frames, first.failed, first.unchanged) == (6, 6, 0, 0)
    before = (out / "measurements.csv").read_bytes()
    stamp = (out / "masks" / "000_mask.tif").stat().st_mtime_ns
    networks.clear()
    second = run([scans], out, HEAD)
    assert (second.files, second.frames, second.unchanged) == (6, 6, 6)
    assert networks == []  # not even loaded
    assert (out / "measurements.csv").read_bytes() == before
    assert (out / "masks" / "000_mask.tif").stat().st_mtime_ns == stamp
    record = json.loads((out / "run.json").read_text())
    assert record["counts"]["unchanged"] == 6
    assert all(entry["unchanged"] for entry in record["inputs"])
    shutil.copy(scans / "002.png", scans / "new.png")
    Image.fromarray(batches.head(9)).save(scans / "004.png")
    (out / "overlays" / "001.png").unlink()
    assert only(kinds(scans, out)) == ["001.png", "004.png", "new.png"]
    (scans / "003.png").unlink()
    assert only(kinds(scans, out)) == []
    assert [name for name, _ in table(out)] == ["000.png", "001.png", "002.png", "004.png", "005.png", "new.png"]


def test_what_changes_a_result_is_done_anew(scans, tmp_path):
    out = tmp_path / "out"
    run([scans], out, HEAD)
    assert len(only(kinds(scans, out, overwrite=True))) == 6
    assert len(only(kinds(scans, out, SegmentSettings(flips=False)))) == 6
    assert len(only(kinds(scans, out, SegmentSettings(flips=False, device="cpu")))) == 6
    assert (
        len(only(kinds(scans, out, SegmentSettings(model="unet", device="cpu", flips=False)))) == 0
    )  # the default's name
    assert len(only(kinds(scans, out))) == 6
    text = (scans / "pixel_size.csv").read_text()
    (scans / "pixel_size.csv").write_text(text.replace("003.png,0.53", "003.png,0.6") + "900.png,0.1\n")
    assert only(kinds(scans, out)) == ["003.png"]
    assert table(out)["003.png", "0"]["spacing_x_mm"] == "0.6"
    assert len(only(kinds(scans, out, batch=BatchSettings(spacing_mm=(0.2, 0.2))))) == 6
    exams = tmp_path / "exams.csv"
    exams.write_text("file,scan_date,lmp\n001.png,2024-05-20,2024-01-01\n")
    plain = BatchSettings(exams=str(exams))
    assert len(only(kinds(scans, out, batch=plain))) == 6
    exams.write_text("file,scan_date,lmp\n005.png,2024-05-20,2024-01-01\n001.png,2024-05-20,2024-01-01\n")
    assert only(kinds(scans, out, batch=plain)) == ["005.png"]


def test_one_bad_file_stops_no_other_and_is_tried_again(scans, tmp_path):
    out = tmp_path / "out"
    good = (scans / "002.png").read_bytes()
    (scans / "002.png").write_bytes(good[:300])
    (scans / "empty.png").write_bytes(b"")
    made = run([scans, tmp_path / "gone.png"], out, HEAD)
    assert (made.files, made.failed) == (8, 3)
    rows = table(out)
    assert [key for key, row in rows.items() if row["status"] == "error"] == [
        ("002.png", "0"),
        ("empty.png", "0"),
        ("gone.png", "0"),
    ]
    with (out / "errors.csv").open(newline="") as handle:
        errors = {row["file"]: row["error"] for row in csv.DictReader(handle)}
    assert list(errors) == ["002.png", "empty.png", "gone.png"]
    assert errors["empty.png"].startswith("empty.png is empty (0 bytes).")
    assert dict(made.errors) == errors
    (scans / "002.png").write_bytes(good)
    (scans / "empty.png").unlink()
    assert kinds(scans, out) == dict.fromkeys([f"{n:03}.png" for n in range(6)], "unchanged") | {"002.png": "done"}
    assert not (out / "errors.csv").exists()


def test_an_input_that_vanishes_or_changes_while_the_run_goes_on(scans, tmp_path):
    with Batch([scans], tmp_path / "out", HEAD) as made:
        for event in made.events():
            if event.name == "000.png" and event.kind == "started":
                (scans / "005.png").unlink()
                (scans / "004.png").write_bytes(b"")
    rows = table(tmp_path / "out")
    assert [rows[f"00{n}.png", "0"]["status"] for n in range(6)] == ["ok"] * 4 + ["error"] * 2
    assert rows["005.png", "0"]["error"] == "005.png is not there. Check the path."


def test_a_mask_that_a_person_corrected_is_measured_and_never_written_over(scans, tmp_path):
    out, path = tmp_path / "out", tmp_path / "out" / "masks" / "003_mask.tif"
    tifffile.imwrite(scans / "loop.tif", loop(3), photometric="minisblack")
    run([scans], out, HEAD)
    model = table(out)
    corrected = disc(Ellipse(120.0, 90.0, 80.0, 60.0, 0.0), SHAPE) > 100
    tifffile.imwrite(path, corrected.astype(np.uint8))
    frames = tifffile.imread(out / "masks" / "loop_mask.tif")
    frames[1] = corrected
    with tifffile.TiffWriter(out / "masks" / "loop_mask.tif") as file:
        file.write(frames, photometric="minisblack")
    for options in ({}, {"overwrite": True}, {"settings": SegmentSettings(second_look=False)}, {}):
        before = path.read_bytes()
        found = kinds(scans, out, **options)
        assert found["003.png"] == found["loop.tif"] == "done" or not options
        assert path.read_bytes() == before
    rows = table(out)
    row = rows["003.png", "0"]
    assert row["edited"] == "mask"
    assert float(row["ofd_mm"]) == pytest.approx(160 * 0.53, rel=0.02)
    assert [rows["loop.tif", str(k)]["edited"] for k in range(3)] == ["no", "mask", "no"]
    assert rows["000.png", "0"] == model["000.png", "0"]
    assert len(only(kinds(scans, out))) == 0
    path.unlink()  # away with it: the model's is back
    assert only(kinds(scans, out)) == ["003.png"]
    assert table(out)["003.png", "0"] == model["003.png", "0"]


def test_a_corrected_mask_that_does_not_fit_is_kept_and_said(scans, tmp_path):
    out, path = tmp_path / "out", tmp_path / "out" / "masks" / "001_mask.tif"
    run([scans], out, HEAD)
    tifffile.imwrite(path, np.ones((7, 9), np.uint8))
    (out / "masks" / "002_mask.tif").write_bytes(b"no picture")
    assert only(kinds(scans, out), "failed") == ["001.png", "002.png"]
    assert "001_mask.tif in the results was changed and is of another shape" in table(out)["001.png", "0"]["error"]
    assert tifffile.imread(path).shape == (7, 9)
    assert (out / "masks" / "002_mask.tif").read_bytes() == b"no picture"


def test_masks_of_a_run_that_left_no_journal_are_the_models(scans, tmp_path):
    """A killed worker has written a mask and told nobody: that is nobody's correction, whatever the settings were."""
    out = tmp_path / "out"
    run([scans], out, SegmentSettings(second_look=False, level=0.3))
    (out / "journal.jsonl").unlink()
    run([scans], out, HEAD)
    assert {row["edited"] for row in table(out).values()} == {"no"}
    run([scans], tmp_path / "fresh", HEAD)
    assert (out / "measurements.csv").read_bytes() == (tmp_path / "fresh" / "measurements.csv").read_bytes()


@pytest.mark.parametrize("kind", ["tif", "nifti"])
def test_corrected_lesions_of_a_volume(tmp_path, kind):
    folder, out, settings = tmp_path / "in", tmp_path / "out", SegmentSettings(task="tumour", smallest_lesion_voxels=5)
    folder.mkdir()
    if kind == "tif":
        tifffile.imwrite(folder / "a.tif", tumours.phantom(), photometric="minisblack")
    else:
        nib = pytest.importorskip("nibabel")
        affine = np.diag([1.0, 1.0, 3.0, 1.0])
        nib.save(nib.Nifti1Image(tumours.phantom().transpose(2, 1, 0), affine), folder / "a.nii.gz")
    assert kinds(folder, out, settings) == {f"a.{'tif' if kind == 'tif' else 'nii.gz'}": "done"}
    name = next(iter(table(out)))[0]
    assert sorted(lesion for _, lesion in table(out)) == ["1", "2", "all"]
    assert kinds(folder, out, settings) == {name: "unchanged"}
    path = out / "masks" / ("a_mask.tif" if kind == "tif" else "a_lesions.nii.gz")
    if kind == "tif":
        mask = tifffile.imread(path)
        mask[:, :60] = 0  # without the first lesion
        tifffile.imwrite(path, mask, photometric="minisblack")
    else:
        image = nib.load(path)
        mask = np.asarray(image.dataobj).copy()
        mask[mask == 1] = 0
        nib.save(nib.Nifti1Image(mask, image.affine), path)
    before = path.read_bytes()
    assert kinds(folder, out, settings) == {name: "done"}
    assert path.read_bytes() == before
    assert sorted(lesion for _, lesion in table(out)) in (["1", "all"], ["2", "all"])
    assert table(out)[name, "all"]["edited"] == "mask"
    beside = tifffile.imread(out / "masks" / "a_lesions.tif")
    assert int((beside > 0).sum()) == int(table(out)[name, "all"]["volume_voxels"])
    assert kinds(folder, out, settings) == {name: "unchanged"}


def test_outputs_of_files_that_come_later_take_no_others_place(scans, tmp_path):
    out = tmp_path / "out"
    run([scans / "000.png"], out, HEAD)
    before = (out / "masks" / "000_mask.tif").read_bytes()
    Image.fromarray(batches.head(5)).save(scans / "000.jpg")
    made = run([scans / "000.jpg"], out, HEAD)
    assert made.elsewhere == 1
    assert (out / "masks" / "000_mask.tif").read_bytes() == before
    assert (out / "masks" / "000.jpg_mask.tif").exists()
    assert [name for name, _ in table(out)] == ["000.jpg"]
    assert only(kinds([scans], out)) == ["001.png", "002.png", "003.png", "004.png", "005.png"]


def test_events_tell_what_a_table_shows(scans, tmp_path):
    (scans / "bad.png").write_bytes(b"x")
    with Batch([scans], tmp_path / "out", HEAD) as made:
        events = list(made.events())
        ended = [event for event in events if event.kind != "started"]
        assert [event.name for event in ended] == [f"00{n}.png" for n in range(6)] + ["bad.png"]
        assert [event.done for event in ended] == list(range(1, 8))
        assert {event.total for event in events} == {7}
        for event in ended[:6]:
            assert event.picture.is_file()  # there by now
            assert event.rows[0]["file"] == event.name
            assert event.results[0].measurement.values["hc_mm"] == pytest.approx(float(event.rows[0]["hc_mm"]))
        assert (ended[-1].kind, ended[-1].picture, ended[-1].failed) == ("failed", None, 1)
        assert ended[-1].error.startswith("bad.png is no PNG")
    starts = [event.name for event in events if event.kind == "started"]
    assert starts == [event.name for event in ended]
    with Batch([scans], tmp_path / "out", HEAD) as made:
        again = [event for event in made.events() if event.kind == "unchanged"]
    assert [event.rows for event in again] == [event.rows for event in ended[:6]]
    assert all(event.results == () for event in again)


def test_cancel_keeps_what_was_finished_and_pause_waits(scans, tmp_path):
    out, cancel, pause = tmp_path / "out", threading.Event(), threading.Event()
    made = Batch([scans], out, HEAD)
    seen = []

    def go():
        with pytest.raises(Cancelled), made:
            for event in made.events(cancel, pause):
                seen.append((event.kind, event.name))
                if event.name == "002.png":
                    pause.set()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        batches.until(lambda: ("done", "002.png") in seen)
        threading.Event().wait(0.3)
        assert seen[-1] == ("done", "002.png")
        pause.clear()
        batches.until(lambda: ("started", "003.png") in seen)
    finally:
        pause.clear()
        cancel.set()
        thread.join()
    rows = table(out)
    assert 0 < len(rows) < 6
    assert json.loads((out / "run.json").read_text())["finished"] is False
    assert sorted(only(kinds(scans, out), "unchanged")) == [name for name, _ in rows]


def test_items_can_be_done_anywhere_in_any_order(scans, tmp_path):
    """As a cluster does: plain values there and back, one item twice, the last first; the same bytes."""
    here, there = tmp_path / "here", tmp_path / "there"
    (scans / "bad.png").write_bytes(b"x")
    run([scans], here, HEAD)
    with Batch([scans], there, HEAD) as made:
        worker = pickle.loads(pickle.dumps(made.worker))
        items = [json.loads(json.dumps(item.to_dict())) for item in made.plan()]
        assert [Item.from_dict(item) for item in items] == made.plan()
        outcomes = [json.loads(json.dumps(worker.do(item))) for item in reversed([*items, items[2]])]
        events = [made.record(outcome) for outcome in outcomes]
    assert [event.kind for event in events].count("failed") == 1
    assert (made.summary.files, made.summary.frames, made.summary.failed) == (7, 6, 1)
    for name in ("measurements.csv", "errors.csv", "masks/003_mask.tif", "overlays/003.png"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    with Batch([scans], there, HEAD) as made:
        worker = pickle.loads(pickle.dumps(made.worker))
        assert [worker.do(item)["status"] for item in made.plan()] == ["unchanged"] * 6 + ["error"]


def test_one_folder_holds_one_tasks_results_for_one_run_at_a_time(scans, tmp_path):
    out = tmp_path / "out"
    with Batch([scans], out, HEAD), pytest.raises(OutputError, match=r"Another run is writing to .*out"):
        Batch([scans], out, HEAD)
    with pytest.raises(OutputError, match="holds results of the task 'head', not of 'fetal-brain'"):
        Batch([scans], out, SegmentSettings(task="fetal-brain"))
    run([scans], out, HEAD)  # neither has left a lock
    lines = (out / "journal.jsonl").read_text().splitlines()
    (out / "journal.jsonl").write_text(lines[0].replace('"version":1', '"version":99') + "\n")
    with pytest.raises(OutputError, match="newer version"):
        Batch([scans], out, HEAD)
    with pytest.raises(SettingsError, match="nothing to segment"):
        Batch([], tmp_path / "none", HEAD)
    assert not (tmp_path / "none").exists()


def test_a_line_that_was_cut_short_is_taken_away(scans, tmp_path):
    out = tmp_path / "out"
    run([scans], out, HEAD)
    whole = (out / "journal.jsonl").read_bytes()
    table_before = (out / "measurements.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    (out / "journal.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:100])
    assert only(kinds(scans, out)) == ["003.png", "004.png", "005.png"]
    assert (out / "journal.jsonl").read_bytes() == whole
    assert (out / "measurements.csv").read_bytes() == table_before
    (out / "journal.jsonl").write_bytes(b"".join([*lines[:3], b"\x00" * 50 + b"\n", *lines[4:]]))
    assert only(kinds(scans, out)) == ["002.png"]


def test_lines_that_no_longer_stand_are_cleared_away(scans, tmp_path):
    out = tmp_path / "out"
    for _ in range(3):
        run([scans], out, HEAD, overwrite=True)
    assert batches.journalled(out) == 6
    assert len(only(kinds(scans, out))) == 0


def test_a_full_disk_ends_the_run_with_a_sentence_and_the_next_goes_on(scans, tmp_path, monkeypatch):
    from fetalseg.io import atomic

    out, real, left = tmp_path / "out", atomic.os.replace, [5]

    def full(source, target):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(OutputError, match=r"the disk is full\. Make room and run again; finished files stay"):
        run([scans], out, HEAD)
    monkeypatch.setattr(atomic.os, "replace", real)
    assert 0 < batches.journalled(out) < 6
    assert 0 < len(only(kinds(scans, out), "unchanged")) < 6
    run([scans], tmp_path / "fresh", HEAD)
    assert (out / "measurements.csv").read_bytes() == (tmp_path / "fresh" / "measurements.csv").read_bytes()


def test_an_output_that_can_not_be_written_is_that_scans_row(scans, tmp_path):
    out = tmp_path / "out"
    (out / "overlays" / "002.png").mkdir(parents=True)
    made = run([scans], out, HEAD)
    assert (made.failed, made.frames) == (1, 5)
    assert "a folder of that name is in its place" in table(out)["002.png", "0"]["error"]


def outputs(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_no_identifier_reaches_an_output_unless_asked(tmp_path):
    pytest.importorskip("pyarrow")
    page = np.zeros((SHAPE[0] + 40, SHAPE[1]), np.uint8)
    page[40:] = batches.head(1)
    page[5:25, 10:200] = 240  # the name, where machines write it
    box = (40, page.shape[0] - 1, 0, page.shape[1] - 1)
    for name in ("a.dcm", "b.dcm"):
        about = {"AccessionNumber": "ACC-0815", "LastMenstrualDate": "20240115"}
        dicom(tmp_path / "in" / name, page, (region(box, 0.05),), **about)
    secret = [*PATIENT.values(), "ACC-0815", "20240115", "2024-01-15"]
    out, kept = tmp_path / "out", tmp_path / "kept"
    run([tmp_path / "in"], out, HEAD, command="fetalseg segment in")
    uid = __import__("pydicom").dcmread(tmp_path / "in" / "a.dcm", stop_before_pixels=True).StudyInstanceUID
    for name, data in outputs(out).items():
        assert not any(value.encode() in data for value in (*secret, uid)), name
    assert "patient_id" not in next(iter(table(out).values()))
    assert np.asarray(Image.open(out / "overlays" / "a.png"))[:30, :200].max() < 100  # black, where the name was
    run([tmp_path / "in"], kept, HEAD, BatchSettings(keep_identifiers=True))
    row = table(kept)["a.dcm", "0"]
    assert (row["patient_id"], row["accession_number"], row["study_instance_uid"]) == ("PID-4711", "ACC-0815", uid)
    assert not any(PATIENT["PatientName"].encode() in data for data in outputs(kept).values())
    run([tmp_path / "in"], kept, HEAD)  # asked no longer: gone, from the journal too
    for name, data in outputs(kept).items():
        assert not any(value.encode() in data for value in (*secret, uid)), name


def test_dicom_is_chosen_by_series_and_instance(tmp_path):
    for number in range(1, 6):
        series = "Head biometry" if number < 5 else "Femur"
        picture = batches.head(number)
        dicom(tmp_path / "in" / "exam" / f"IM{number}", picture, SeriesDescription=series, InstanceNumber=str(number))
    out = tmp_path / "out"
    assert len(kinds(tmp_path / "in", out)) == 5
    chosen = BatchSettings(series="head", instances="1,3-9")
    assert list(kinds(tmp_path / "in", out, batch=chosen)) == ["exam/IM1", "exam/IM3", "exam/IM4"]
    with pytest.raises(SettingsError, match="such as 1 or 1,4-9; not by '3-1'"):
        run([tmp_path / "in"], out, HEAD, BatchSettings(instances="3-1"))


def test_parquet_is_the_table_with_types(scans, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    (scans / "bad.png").write_bytes(b"x")
    run([scans], tmp_path / "out", HEAD)
    got, rows = pq.read_table(tmp_path / "out" / "measurements.parquet"), table(tmp_path / "out")
    assert got.column_names == list(next(iter(rows.values())))
    types = {name: str(got.schema.field(name).type) for name in got.column_names}
    assert (types["hc_mm"], types["frame"], types["file"], types["flags"]) == ("double", "int64", "string", "string")
    for found, row in zip(got.to_pylist(), rows.values(), strict=True):
        for name, value in found.items():
            assert ("" if value is None else value) == (type(value)(row[name]) if row[name] else "")
    alone = tmp_path / "alone"
    run([scans / "000.png"], alone, HEAD)
    assert not (alone / "measurements.parquet").exists()
    run([scans / "000.png"], alone, HEAD, BatchSettings(parquet=True))
    assert (alone / "measurements.parquet").exists()


def test_parquet_without_its_package_is_a_sentence(scans, tmp_path, monkeypatch):
    monkeypatch.setattr("fetalseg.report.parquet.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"napari-fetalseg\[parquet\]"):
        run([scans], tmp_path / "out", HEAD, BatchSettings(parquet=True))
    run([scans], tmp_path / "out", HEAD)
    assert not (tmp_path / "out" / "measurements.parquet").exists()
