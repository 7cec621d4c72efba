"""nnU-Net's layout (version 2): ``imagesTr/CASE_0000.png``, ``labelsTr/CASE.png``, ``dataset.json``; volumes as NIfTI.

``splits_final.json`` keeps exams and patients on one side; nnU-Net looks for it in its folder of preprocessed data.

References
----------
Isensee F et al. nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation. Nat Methods
2021;18:203-211. doi:10.1038/s41592-020-01008-z
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fetalseg import tasks
from fetalseg.dataset import content
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.layouts import Exported, Progress
from fetalseg.dataset.layouts.common import eight_bit
from fetalseg.dataset.store import Store
from fetalseg.io import nifti
from fetalseg.io.atomic import atomic_write, write_png, write_text
from fetalseg.scan import Scan

TASKS: tuple[str, ...] = ()
_CHANNELS = {"head": "ultrasound", "tumour": "FLAIR", "fetal-brain": "T2"}
_FOLDS = 5


def export(store: Store, entries: Sequence[Entry], out: Path, progress: Progress) -> Exported:
    """Write the folder; lesions are one label."""
    done = Exported()
    volume = tasks.get(store.task).VOLUME
    ending = ".nii.gz" if volume else ".png"
    for number, entry in enumerate(entries):
        progress(number, len(entries), entry.item)
        scan, found = store.image(entry), store.annotation(entry)
        assert found is not None
        image, label = out / "imagesTr" / f"{entry.item}_0000{ending}", out / "labelsTr" / f"{entry.item}{ending}"
        if volume:
            _write_volume(store, entry, scan, found, image, label)
        else:
            write_png(image, eight_bit(scan.pixels[0]))
            write_png(label, (found.mask != 0).astype(np.uint8))
        done.written += 1
    about = {
        "channel_names": {"0": _CHANNELS[store.task]},
        "labels": {"background": 0, store.task: 1},
        "numTraining": done.written,
        "file_ending": ending,
        "description": f"napari-fetalseg data set, version {store.version()[:12]}",
    }
    write_text(out / "dataset.json", json.dumps(about, indent=1) + "\n")
    write_text(out / "splits_final.json", json.dumps(folds(entries), indent=1) + "\n")
    return done


def _write_volume(store: Store, entry: Entry, scan: Scan, found: Annotation, image: Path, label: Path) -> None:
    path = store.folder / entry.image
    inside = (found.mask != 0).astype(np.uint8)
    if scan.layout is not None and scan.layout.kind == "nifti":
        data = path.read_bytes()
        packed = data if entry.image.endswith(".gz") else gzip.compress(data, mtime=0)
        atomic_write(image, lambda file: file.write(packed))
        nifti.write(label, scan.layout.to_stored(inside), scan.layout.origin)
        return
    made = content.nifti_bytes(scan)
    atomic_write(image, lambda file: file.write(made))
    nifti.write(label, content.columns_first(inside), nifti.header_of(content.affine_of(scan)))


def folds(entries: Sequence[Entry]) -> list[dict[str, list[str]]]:
    """Return five folds, or as many as there are groups: no group trains and validates in one of them."""
    order = sorted({entry.group for entry in entries}, key=lambda g: hashlib.sha256(g.encode()).hexdigest())
    count = min(_FOLDS, len(order))
    place = {group: number % count for number, group in enumerate(order)}
    return [
        {
            "train": [e.item for e in entries if place[e.group] != fold],
            "val": [e.item for e in entries if place[e.group] == fold],
        }
        for fold in range(count)
    ]
