"""Volumes in which no tumour is to be called, for training: T1 of a patient, fetal brain MRI, stacked ultrasound.

    python scripts/no_tumour.py LGG_PATIENT_FOLDER MRI_VOLUME HC18_FOLDER OUT

The patient's folder is one of the LGG set as it is downloaded (three channels: before contrast, FLAIR, after contrast).
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def main(patient: Path, fetal: Path, heads: Path, out: Path) -> None:
    """Fill the folder."""
    out.mkdir(parents=True, exist_ok=True)
    found = [path for path in patient.glob("*.tif") if not path.stem.endswith("_mask")]
    slices = sorted(found, key=lambda path: int(re.findall(r"\d+", path.stem)[-1]))
    pixels = np.stack([tifffile.imread(path) for path in slices])
    for channel, name in ((0, "before_contrast"), (2, "after_contrast")):
        tifffile.imwrite(out / f"{patient.name}_{name}.tif", pixels[..., channel], photometric="minisblack")
    shutil.copy(fetal, out / fetal.name)
    pictures = sorted((heads / "training_set").glob("*_HC.jpg"))[:24]
    shrunk = [np.asarray(Image.open(path).convert("L").resize((400, 270))) for path in pictures]
    tifffile.imwrite(out / "ultrasound.tif", np.stack(shrunk), photometric="minisblack")


if __name__ == "__main__":
    main(*(Path(given) for given in sys.argv[1:5]))
