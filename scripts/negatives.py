"""Pictures without a head, for training and for the gate: planes of other body parts, and slices of fetal brain MRI.

Half of the patients (by a hash of their name) and four of six MRI volumes train; the others are kept for the gate.

    python scripts/negatives.py OTHER_PLANES_FOLDER MRI_FOLDER OUT     makes OUT/train and OUT/gate
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image


def main(planes: Path, volumes: Path, out: Path) -> None:
    """Fill the two folders."""
    for part in ("train", "gate"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for path in sorted(planes.glob("*.jpg")):
        patient = path.stem.split("_")[0]
        trains = hashlib.sha256(patient.encode()).digest()[0] % 2 == 1
        shutil.copy(path, out / ("train" if trains else "gate") / path.name)
    scans = [path for path in sorted(volumes.glob("*.nii.gz")) if "_mask" not in path.name]
    for number, path in enumerate(scans):
        pixels = np.asarray(nibabel.nifti1.load(path).dataobj, dtype=np.float32)
        grey = np.clip(pixels / np.percentile(pixels[pixels > 0], 99.5), 0, 1) * 255
        part = "gate" if number % 3 == 2 else "train"
        for axis in range(3):
            for share in (0.4, 0.5, 0.6):
                section = np.take(grey, int(grey.shape[axis] * share), axis=axis).astype(np.uint8)
                name = f"{path.name.split('.')[0].replace('_', '-')}_{axis}_{int(share * 100)}.png"
                Image.fromarray(np.rot90(section)).save(out / part / name)


if __name__ == "__main__":
    main(*(Path(given) for given in sys.argv[1:4]))
