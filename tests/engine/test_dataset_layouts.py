"""Layouts in and out: what was annotated comes back as it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tumours
from fetalseg.dataset import hc18, rle
from fetalseg.dataset.check import check
from fetalseg.dataset.entry import Status
from fetalseg.dataset.layouts import ImportOptions, bring_in, send_out
from fetalseg.dataset.layouts.hc18 import draw_outline
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io import registry
from fetalseg.io.volumes import write_labels
from fetalseg.pipeline import edit_ellipse
from fetalseg.report import table
from fetalseg.result import Ellipse, Provenance, Result, Segmentation
from fetalseg.scan import Spacing
from fetalseg.tasks import head, tumour
from standins import SHAPE, TRUTH, disc, loop

#: Heads inside the picture, at its edge and beyond; names as HC18 has them, numbers as its csv writes them.
HEADS = {
    "010_2HC.png": (Ellipse(300.4, 210.7, 180.2, 131.9, 12.3), "0.0691358041432", "69.0"),
    "010_HC.png": (Ellipse(311.0, 200.0, 171.3, 140.0, 178.9), "0.0691358041432", "68.90"),
    "011_HC.jpg": (Ellipse(90.5, 200.25, 120.0, 96.5, 95.0), "0.1", "68.2"),
    "205_HC.png": (Ellipse(330.0, 100.0, 150.0, 118.0, 40.0), "0.25", "211.5"),
}
BIG = (420, 620)


def hc18_folder(folder: Path, exact: bool = False) -> Path:
    """Draw `HEADS` in HC18's layout: outlines of pixels by the distance to the ellipse, not by our own writer."""
    from scipy.spatial import cKDTree

    (folder / "training_set").mkdir(parents=True)
    lines = ["filename,pixel size(mm),head circumference (mm)"]
    grid = np.stack(np.meshgrid(np.arange(BIG[1]), np.arange(BIG[0])), axis=-1).reshape(-1, 2)
    for number, (name, (ellipse, size, hc)) in enumerate(HEADS.items()):
        picture = disc(ellipse, BIG)
        picture[0, :8] = number * 10
        Image.fromarray(picture).save(folder / "training_set" / name)
        far, _ = cKDTree(ellipses.outline(ellipse, 20000)).query(grid, distance_upper_bound=3)
        drawn = (far <= 1.36).reshape(BIG) * np.uint8(255)
        Image.fromarray(drawn).save(folder / "training_set" / f"{Path(name).stem}_Annotation.png")
        lines.append(f"{name},{size},{hc}")
    (folder / "training_set_pixel_size_and_HC.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode())
    return folder


def apart(one: Ellipse, two: Ellipse) -> float:
    """How far two ellipses' outlines are at most, in pixels, where the directions are the same."""
    points = ellipses.outline(one, 720)
    middle = np.array([two.center_x, two.center_y])
    return float((np.abs(ellipses.radius(two, points) - 1) * np.linalg.norm(points - middle, axis=1)).max())


def test_hc18_in_and_out_again(tmp_path):
    source = hc18_folder(tmp_path / "source")
    store = Store.create(tmp_path / "d", "head")
    assert bring_in(store, source, "hc18").counts["added"] == 4
    assert [(e.item, e.group, e.state, e.annotator) for e in store.entries()][:3] == [
        ("010_2HC", "010", Status.ACCEPTED, "HC18"),
        ("010_HC", "010", Status.ACCEPTED, "HC18"),
        ("011_HC", "011", Status.ACCEPTED, "HC18"),
    ]
    for entry in store.entries():
        assert apart(HEADS[Path(entry.source).name][0], entry.ellipse) < 0.1
    out = tmp_path / "out"
    assert send_out(store, out, "hc18").written == 4
    assert (out / "training_set_pixel_size_and_HC.csv").read_bytes() == (
        source / "training_set_pixel_size_and_HC.csv"
    ).read_bytes()
    for name in HEADS:
        assert (out / "training_set" / name).read_bytes() == (source / "training_set" / name).read_bytes()
    for exact in (True, False):  # by the numbers beside, and by the outline alone
        if not exact:
            (out / "ellipses.csv").unlink()
        back = {item.path.name: item for item in hc18.read(out)}
        for entry in store.entries():
            item = back[Path(entry.source).name]
            assert apart(item.truth, entry.ellipse) < (1e-9 if exact else 0.1)
            assert (item.hc_mm, item.group) == (float(HEADS[item.path.name][2]), entry.group)
    assert bring_in(store, source, "hc18").counts["same"] == 4
    assert bring_in(store, out, "hc18").counts["same"] == 4
    assert check(store) == []


def test_an_edited_head_goes_out_with_its_own_circumference(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    bring_in(store, hc18_folder(tmp_path / "source"), "hc18")
    moved = Ellipse(200.0, 200.0, 100.0, 80.0, 0.0)
    store.accept("205_HC", annotator="A", ellipse=moved)
    store.reject("011_HC", annotator="A")
    done = send_out(store, tmp_path / "out", "hc18")
    assert done.written == 3
    with (tmp_path / "out" / "training_set_pixel_size_and_HC.csv").open(newline="") as file:
        rows = {row[0]: row[1:] for row in csv.reader(file)}
    assert rows["205_HC.png"] == ["0.25", f"{0.25 * ellipses.circumference(100, 80):.2f}"]
    assert rows["010_HC.png"] == ["0.0691358041432", "68.90"]
    assert "011_HC.jpg" not in rows


def test_what_hc18_has_no_room_for_is_named(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number, name in enumerate(("no_spacing", "oblong", "empty")):
        Image.fromarray(disc(TRUTH, SHAPE) + np.uint8(number)).save(folder / f"{name}.png")
        Image.fromarray(ellipses.mask(TRUTH, SHAPE) * (name != "empty")).save(folder / f"{name}_mask.png")
    (folder / "size.csv").write_text("filename,spacing_x_mm,spacing_y_mm\noblong.png,0.2,0.3\nempty.png,0.2,0.2\n")
    assert bring_in(store, folder, "pairs").counts["added"] == 3
    done = send_out(store, tmp_path / "out", "hc18")
    assert done.written == 0
    assert {item: why.split(",")[0] for item, why in done.left_out} == {
        "no_spacing": "its pixel size is not known",
        "oblong": "its pixels are oblong",
        "empty": "it holds no head",
    }
    with pytest.raises(DatasetError, match="holds files already"):
        send_out(store, tmp_path / "out", "hc18")


def test_an_outline_is_three_pixels_wide():
    drawn = draw_outline(Ellipse(50.0, 40.0, 30.0, 30.0, 0.0), (80, 100)) > 0
    assert drawn[40].sum() == 6
    assert drawn[40, 19:22].all()
    assert drawn[40, 79:82].all()


def result(name: str, frame: int, ellipse: Ellipse, shape: tuple[int, int], spacing: Spacing | None) -> Result:
    measured = head.measure_ellipse(ellipse, spacing)
    where = Provenance("unet", "a" * 64, "cpu", "torch", {}, "1")
    return Result(name, None, frame, "head", Segmentation(ellipses.mask(ellipse, shape)), measured, spacing, where)


def test_results_come_as_predictions(tmp_path):
    """A still in a folder below, a loop whose frames are items of their own, and a file that was damaged."""
    images, out = tmp_path / "images", tmp_path / "out"
    (images / "exam 7").mkdir(parents=True)
    Image.fromarray(disc(TRUTH, SHAPE)).save(images / "exam 7" / "007_HC.png")
    frames = loop(3)
    tifffile.imwrite(images / "loop.tif", frames, photometric="minisblack")
    spacing = Spacing(0.3, 0.2, "typed in")
    moving = [Ellipse(110.0 + 3 * k, 90.0, 60.0, 45.0, 10.0) for k in range(3)]
    found = [edit_ellipse(result("exam 7/007_HC.png", 0, TRUTH, SHAPE, spacing), TRUTH)]
    found += [result("loop.tif", k, e, SHAPE, None) for k, e in enumerate(moving)]
    failed = table.error_row("bad.png", "bad.png is damaged.", task="head", model="unet")
    table.write(out / "measurements.csv", [*(row for one in found for row in table.rows(one)), failed])
    (out / "masks" / "exam 7").mkdir(parents=True)
    tifffile.imwrite(out / "masks" / "exam 7" / "007_HC_mask.tif", ellipses.mask(TRUTH, SHAPE))
    tifffile.imwrite(
        out / "masks" / "loop_mask.tif", np.stack([ellipses.mask(e, SHAPE) for e in moving]), photometric="minisblack"
    )
    store = Store.create(tmp_path / "d", "head")
    with pytest.raises(DatasetError, match="--images"):
        bring_in(store, out, "results")
    report = bring_in(store, out, "results", ImportOptions(images=images))
    assert (report.counts["added"], report.counts["failed"]) == (4, 1)
    assert report.told == [("bad.png", "failed", "bad.png is damaged.")]
    first, *others = store.entries()
    assert (first.item, first.group, first.state, first.model) == ("exam_7_007_HC", "007", Status.TODO, "unet")
    assert (first.spacing.column_mm, first.spacing.row_mm) == (0.2, 0.3)
    assert first.note != ""
    assert [(e.item, e.frame, e.image) for e in others] == [
        (f"loop_f{k:04d}", k, f"images/loop_f{k:04d}.png") for k in range(3)
    ]
    for number, entry in enumerate(others):
        assert np.array_equal(store.image(entry).pixels[0], frames[number])
        assert np.array_equal(store.prediction(entry).mask, ellipses.mask(moving[number], SHAPE))
        assert apart(entry.prediction_ellipse, moving[number]) < 1e-6
    done = store.accept(first.item, annotator="A", seconds=3)
    assert (done.state, done.dice, done.hc_change_mm) == (Status.ACCEPTED, 1.0, 0.0)
    assert bring_in(store, out, "results", ImportOptions(images=images)).counts["kept"] == 1
    assert store.get(first.item) == done
    with pytest.raises(DatasetError, match="results of the task head"):
        bring_in(Store.create(tmp_path / "t", "tumour"), out, "results", ImportOptions(images=images))


def test_results_of_a_volume(tmp_path):
    """What a run on an oblique NIfTI volume drew is accepted, and its mask lies where the volume lies."""
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    path = images / "sub_20200101.nii.gz"
    affine = np.array([[0, 0.9, 0, 1], [-0.1, 0, 3.0, 2], [1.1, 0, 0, 3], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(tumours.phantom().transpose(1, 2, 0), affine), path)
    scan = registry.read(path)
    lesions = (scan.pixels > 100).astype(np.uint8)
    lesions[:, :, : scan.pixels.shape[2] // 2] *= 2
    where = Provenance("unet_slices", "a" * 64, "cpu", "torch", {}, "1")
    segmentation, measurement = tumour.measure_mask(lesions, scan.spacing, None)
    made = Result(scan.name, scan.sha256, 0, "tumour", segmentation, measurement, scan.spacing, where)
    write_labels(out, "sub_20200101", scan, segmentation.mask)
    table.write(out / "measurements.csv", table.rows(made), table.columns("tumour"))
    store = Store.create(tmp_path / "d", "tumour")
    assert bring_in(store, out, "results", ImportOptions(images=images)).counts["added"] == 1
    (entry,) = store.entries()
    assert (entry.group, entry.shape) == ("sub", scan.pixels.shape)
    np.testing.assert_array_equal(store.prediction(entry).mask, segmentation.mask)
    done = store.accept(entry.item, annotator="A", mask=(lesions > 0) & (scan.pixels > 0))
    assert done.state is Status.EDITED
    assert done.dice == 1.0  # the lesions were painted as one; what is inside is the same
    assert done.volume_ml == pytest.approx(int((lesions > 0).sum()) * 0.9 * 1.1 * np.hypot(3.0, 0) / 1000, rel=0.02)
    stored = nib.load(store.folder / done.mask)
    np.testing.assert_allclose(stored.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(stored.dataobj) > 0, np.asarray(nib.load(path).dataobj) > 100)
    assert check(store) == []
    assert send_out(store, tmp_path / "nn", "nnunet").written == 1
    label = nib.load(tmp_path / "nn" / "labelsTr" / f"{entry.item}.nii.gz")
    np.testing.assert_allclose(label.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(label.dataobj), np.asarray(stored.dataobj) > 0)


def test_volumes_of_lgg(tmp_path):
    source = tmp_path / "lgg"
    source.mkdir()
    volume, mask = tumours.phantom(), (tumours.LARGE | tumours.SMALL).astype(np.uint8)
    for name in ("TCGA_CS_4941_19960909", "TCGA_CS_4941_19970909", "TCGA_HT_1_20000101"):
        volume = volume + np.uint8(1)
        tifffile.imwrite(source / f"{name}_flair.tif", volume, photometric="minisblack")
        tifffile.imwrite(source / f"{name}_mask.tif", mask, photometric="minisblack")
    store = Store.create(tmp_path / "d", "tumour")
    assert bring_in(store, source, "lgg", ImportOptions(spacing_mm=(1.0, 1.0, 3.0))).counts["added"] == 3
    assert [entry.group for entry in store.entries()] == ["TCGA_CS_4941", "TCGA_CS_4941", "TCGA_HT_1"]
    entry = store.entries()[0]
    assert entry.volume_ml == pytest.approx(int(mask.sum()) * 3e-3)
    np.testing.assert_array_equal(store.annotation(entry).mask, mask)
    np.testing.assert_array_equal(tifffile.imread(store.folder / entry.mask), mask)
    send_out(store, tmp_path / "nn", "nnunet")
    image = nib.load(tmp_path / "nn" / "imagesTr" / f"{entry.item}_0000.nii.gz")
    assert image.header.get_zooms() == (1.0, 1.0, 3.0)
    again = registry.read(tmp_path / "nn" / "imagesTr" / f"{entry.item}_0000.nii.gz")
    label = registry.read(tmp_path / "nn" / "labelsTr" / f"{entry.item}.nii.gz")
    np.testing.assert_array_equal(again.pixels, store.image(entry).pixels)
    np.testing.assert_array_equal(label.pixels, mask)
    folds = json.loads((tmp_path / "nn" / "splits_final.json").read_text())
    assert len(folds) == 2
    for fold in folds:  # a patient's two scans are on one side
        sides = [{name[:12] for name in fold[side]} for side in ("train", "val")]
        assert not sides[0] & sides[1]
    with pytest.raises(DatasetError, match="is for the task head"):
        send_out(store, tmp_path / "x", "coco")


def test_pairs_in_folders_of_their_own(tmp_path):
    source = tmp_path / "set"
    for part in ("images", "masks"):
        (source / part).mkdir(parents=True)
    for number in range(3):
        Image.fromarray(disc(TRUTH, SHAPE) + np.uint8(number)).save(source / "images" / f"P{number // 2}_{number}.png")
    Image.fromarray(ellipses.mask(TRUTH, SHAPE) * 255).save(source / "masks" / "P0_0.png")
    Image.fromarray(ellipses.mask(TRUTH, SHAPE)[:50]).save(source / "masks" / "P0_1_mask.png")
    store = Store.create(tmp_path / "d", "head")
    options = ImportOptions(annotator="Dr Gray", spacing_mm=(0.5, 0.5), group=r"^images/(P\d)")
    report = bring_in(store, source, "pairs", options)
    assert (report.counts["added"], report.counts["failed"]) == (1, 2)
    assert any("240 x 50" in text for _, _, text in report.told)
    (entry,) = store.entries()
    assert (entry.group, entry.annotator, entry.state) == ("P0", "Dr Gray", Status.ACCEPTED)
    assert apart(entry.ellipse, TRUTH) < 0.4
    assert entry.hc_mm == pytest.approx(0.5 * ellipses.circumference(70, 50), rel=0.003)
    waiting = Store.create(tmp_path / "w", "head")
    bring_in(waiting, source, "pairs", ImportOptions(annotator="student", waiting=True))
    (entry,) = waiting.entries()
    assert (entry.state, entry.model, entry.mask, entry.annotator) == (Status.TODO, "student", "", "")
    with pytest.raises(DatasetError, match="no picture with a mask"):
        bring_in(waiting, source / "images", "pairs")
    bad = bring_in(waiting, source, "pairs", ImportOptions(group="("))
    assert "no regular expression" in bad.told[0][2]


#: `known_mask` as pycocotools 2.0.11 packs it.
KNOWN = r"01W8>_H00000000000000F\O3d0M\O3d0M\O3d070000000000000000000000]j0B"


def known_mask() -> np.ndarray:
    mask = np.zeros((37, 53), np.uint8)
    mask[5:20, 7:30] = 1
    mask[10:12, 15:18] = 0
    mask[36, 52] = mask[0, 0] = 1
    return mask


def test_run_lengths_as_coco_packs_them():
    assert rle.pack(rle.to_counts(known_mask())) == KNOWN
    np.testing.assert_array_equal(rle.decode({"size": [37, 53], "counts": KNOWN}, (37, 53)), known_mask())
    with pytest.raises(DatasetError, match="sum up to"):
        rle.decode({"size": [37, 53], "counts": [1, 2, 3]}, (37, 53))
    with pytest.raises(DatasetError, match="Run lengths are of"):
        rle.decode({"size": [53, 37], "counts": KNOWN}, (37, 53))
    with pytest.raises(DatasetError, match="cut short"):
        rle.unpack("o")


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_run_lengths_and_polygons_give_the_mask_again(rows, columns, seed, share):
    mask = (np.random.default_rng(seed).random((rows, columns)) < share).astype(np.uint8)
    counts = rle.to_counts(mask)
    assert rle.unpack(rle.pack(counts)) == counts
    np.testing.assert_array_equal(rle.from_counts(counts, (rows, columns)), mask)
    polygons = rle.to_polygons(mask)
    if polygons is not None:
        np.testing.assert_array_equal(rle.from_polygons(polygons, (rows, columns)), mask)


def test_a_polygon_of_coco_counts_from_the_corner():
    """[2, 1] to [5, 3] are the three columns 2 to 4 and the two rows 1 and 2."""
    drawn = rle.decode([[2, 1, 5, 1, 5, 3, 2, 3]], (5, 7))
    np.testing.assert_array_equal(np.argwhere(drawn), [[r, c] for r in (1, 2) for c in (2, 3, 4)])
    assert rle.to_polygons(_with_hole()) is None
    with pytest.raises(DatasetError, match="takes pairs"):
        rle.decode([[1, 2, 3, 4]], (5, 7))
    with pytest.raises(DatasetError, match="neither"):
        rle.decode(None, (5, 7))


def _with_hole() -> np.ndarray:
    mask = np.ones((9, 9), np.uint8)
    mask[4, 4] = 0
    return mask


def test_coco_in_and_out_again(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    bring_in(store, hc18_folder(tmp_path / "source"), "hc18")
    store.accept("205_HC", annotator="A", mask=_ring_mask())
    assert send_out(store, tmp_path / "coco", "coco").written == 4
    told = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    kinds = {type(one["segmentation"]) for one in told["annotations"]}
    assert kinds == {list, dict}  # a mask with a hole goes out as run lengths
    back = Store.create(tmp_path / "back", "head")
    assert bring_in(back, tmp_path / "coco", "coco").counts["added"] == 4
    for mine, theirs in zip(store.entries(), back.entries(), strict=True):
        assert (theirs.item, theirs.group, theirs.version) == (mine.item, mine.group, mine.version)
        assert theirs.spacing.row_column == mine.spacing.row_column
    assert back.version() == store.version()


def _ring_mask() -> np.ndarray:
    outer = ellipses.mask(Ellipse(300.0, 200.0, 90.0, 70.0, 0.0), BIG)
    outer[195:205, 295:305] = 0
    return outer


def test_coco_of_other_programs(tmp_path):
    """Two categories, one picture without an annotation, one that is missing, pictures in a folder of their own."""
    (tmp_path / "pictures").mkdir()
    for name in ("a_1.png", "b_1.png"):
        Image.fromarray(disc(TRUTH, SHAPE) + np.uint8(name == "a_1.png")).save(tmp_path / "pictures" / name)
    outline = (ellipses.outline(TRUTH, 60) + 0.5).ravel().tolist()
    told = {
        "images": [{"id": k, "file_name": n} for k, n in enumerate(("a_1.png", "b_1.png", "gone.png"))],
        "categories": [{"id": 1, "name": "head"}, {"id": 2, "name": "abdomen"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [outline]},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": [outline]},
            {"id": 3, "image_id": 2, "category_id": 1, "segmentation": [outline]},
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(told))
    store = Store.create(tmp_path / "d", "head")
    with pytest.raises(DatasetError, match="--category"):
        bring_in(store, path, "coco", ImportOptions(images=tmp_path / "pictures"))
    report = bring_in(store, path, "coco", ImportOptions(images=tmp_path / "pictures", category="head"))
    assert (report.counts["added"], report.counts["failed"]) == (1, 2)
    (entry,) = store.entries()
    assert (entry.item, entry.group, entry.annotator) == ("a_1", "a", "COCO")
    assert apart(entry.ellipse, TRUTH) < 0.5


def test_layouts_that_do_not_fit(tmp_path):
    store = Store.create(tmp_path / "d", "head")
    with pytest.raises(DatasetError, match="Unknown layout"):
        bring_in(store, tmp_path, "dicom")
    with pytest.raises(DatasetError, match="Unknown layout"):
        send_out(store, tmp_path / "x", "lgg")
    with pytest.raises(DatasetError, match="is for the task tumour"):
        bring_in(store, tmp_path, "lgg")
    with pytest.raises(DatasetError, match="is not there"):
        bring_in(store, tmp_path / "none", "pairs")
    with pytest.raises(DatasetError, match="nothing to export"):
        send_out(store, tmp_path / "x", "hc18")
