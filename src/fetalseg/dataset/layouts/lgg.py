"""Volumes and masks of one name, ``<patient>_flair.tif`` and ``<patient>_mask.tif``, or NIfTI: see `dataset.lgg`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fetalseg.dataset import lgg
from fetalseg.dataset.adding import Coming, New, group_of
from fetalseg.dataset.annotation import Annotation
from fetalseg.dataset.layouts import ImportOptions
from fetalseg.dataset.layouts.common import drawn, with_spacing
from fetalseg.dataset.store import Store
from fetalseg.errors import FetalSegError
from fetalseg.io import registry

TASKS = ("tumour", "fetal-brain")


def scans(store: Store, source: Path, options: ImportOptions) -> Iterator[Coming]:
    """Yield the volumes of a folder that have a mask."""
    for volume in lgg.read(source):
        try:
            scan = with_spacing(registry.read(volume.path, name=volume.name), options)
            mask = registry.read(volume.mask_path, name=volume.mask_path.name).pixels
            group = group_of(volume.name, options.group, volume.group)
        except FetalSegError as error:
            yield volume.name, str(error)
            continue
        found = Annotation.of(store.task, scan.pixels.shape, scan.spacing, mask=mask)
        new = New(scan, volume.path.name.split("_flair.", 1)[0], group)
        yield drawn(new, found, options, "LGG")
