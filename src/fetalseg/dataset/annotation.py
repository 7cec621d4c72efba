"""`Annotation` and `Prediction`: a mask with its ellipse, whose content has a hash, and how two of them differ."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fetalseg import tasks
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse, Result
from fetalseg.scan import Spacing

_HEAD = "head"


@dataclass(frozen=True, eq=False)
class Annotation:
    """A mask and, of a head, its ellipse.

    Parameters
    ----------
    mask : ndarray of uint8 or uint16, shape (rows, columns), or (slices, rows, columns)
        0 outside, 1 inside; in a tumour's volume the number of the lesion.
    ellipse : Ellipse or None
        In pixels; None for a volume, and for a picture that holds no head.
    """

    mask: NDArray[Any]
    ellipse: Ellipse | None = None

    @classmethod
    def of(
        cls,
        task: str,
        shape: tuple[int, ...],
        spacing: Spacing | None,
        *,
        mask: NDArray[np.generic] | None = None,
        ellipse: Ellipse | None = None,
    ) -> Self:
        """Make it of what a person drew: what is not given follows from what is.

        Parameters
        ----------
        task : str
        shape : tuple of int
            Of the scan's frame, or of its volume: what an ellipse alone is drawn in.
        spacing : Spacing or None
            An ellipse is fitted in mm.
        mask : ndarray, optional
            Inside where it is not 0. A single value becomes 1; a tumour's several values are its lesions.
        ellipse : Ellipse, optional
        """
        if mask is None:
            assert ellipse is not None
            return cls(ellipses.mask(ellipse, (shape[-2], shape[-1])), ellipse)
        drawn = normalized(mask, labels=task == "tumour")
        if task == _HEAD and ellipse is None:
            ellipse = tasks.get(task).measure_mask(drawn, spacing, None)[1].ellipse
        return cls(drawn, ellipse)

    @classmethod
    def of_result(cls, result: Result) -> Self:
        """Make it of a result: of a head whose ellipse a person placed the mask is the ellipse's."""
        mask = result.segmentation.mask
        ellipse = result.measurement.ellipse if result.task == _HEAD else None
        if result.task == _HEAD and result.origin == "ellipse":
            return cls.of(result.task, mask.shape, result.spacing, ellipse=ellipse)
        return cls(normalized(mask, labels=result.task == "tumour"), ellipse)

    @property
    def version(self) -> str:
        """Hash of the content: the same for the same mask and ellipse, wherever and whenever they were drawn."""
        digest = hashlib.sha256(f"{self.mask.shape}:{_ellipse_text(self.ellipse)}:".encode())
        digest.update(np.ascontiguousarray(normalized(self.mask, labels=True), "<u2").tobytes())
        return digest.hexdigest()

    def sizes(self, task: str, spacing: Spacing | None) -> tuple[float | None, float | None]:
        """Return the head circumference in mm and the volume in ml; None where the task or the spacing gives none."""
        if task == _HEAD:
            if self.ellipse is None:
                return None, None
            return tasks.get(task).measure_ellipse(self.ellipse, spacing, None).values["hc_mm"], None
        voxel = spacing.voxel_ml if spacing is not None else None
        volume = None if voxel is None else int(np.count_nonzero(self.mask)) * voxel
        if task == "tumour" or not self.mask.any():
            return None, volume
        return tasks.get(task).measure_mask(self.mask, spacing, None)[1].values.get("hc_mm"), volume


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model drew; no truth until a person accepts it.

    Parameters
    ----------
    annotation : Annotation
    model, model_sha256 : str
    confidence : float or None
    flags : tuple of str
        Codes.
    """

    annotation: Annotation
    model: str = ""
    model_sha256: str = ""
    confidence: float | None = None
    flags: tuple[str, ...] = ()

    @classmethod
    def of_result(cls, result: Result) -> Self:
        """Make it of the model's own result that a result goes back to."""
        own = result.original
        return cls(
            Annotation.of_result(own),
            own.provenance.model,
            own.provenance.model_sha256,
            own.measurement.confidence,
            tuple(dict.fromkeys(flag.code for flag in own.measurement.flags)),
        )


def normalized(mask: NDArray[np.generic], *, labels: bool) -> NDArray[Any]:
    """Return a mask as uint8 or uint16: one value becomes 1, several stay what they are where they are `labels`."""
    array: NDArray[Any] = np.asarray(mask)
    inside: NDArray[np.bool_] = np.asarray(array != 0)
    if not labels or not inside.any():
        return np.asarray(inside, np.uint8)
    found = array[inside]
    if found.min() == found.max():
        return np.asarray(inside, np.uint8)
    return array.astype(np.uint8 if int(found.max()) < 256 else np.uint16)


def dice(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Return the Dice coefficient of what is not 0, from 0 to 1; 1 where both are empty."""
    a, b = np.asarray(first) != 0, np.asarray(second) != 0
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / total if total else 1.0


def _ellipse_text(ellipse: Ellipse | None) -> str:
    if ellipse is None:
        return ""
    values = (ellipse.center_x, ellipse.center_y, ellipse.semi_major, ellipse.semi_minor, ellipse.angle_deg)
    return " ".join(f"{value:.6f}" for value in values)
