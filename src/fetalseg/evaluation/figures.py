"""HC18's four figures for ellipses against annotated ones, with intervals.

References
----------
van den Heuvel TLA et al. PLoS ONE 2018;13(8):e0200412. doi:10.1371/journal.pone.0200412
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Points on each outline, for rasterizing and for the Hausdorff distance.
_POINTS = 720


@dataclass(frozen=True)
class Score:
    """How one picture's ellipse compares with the annotated one.

    Parameters
    ----------
    name, group : str
        Picture and exam.
    hc_mm : float
        Annotated.
    dsc : float
        Overlap of the filled ellipses, percent; 0 where nothing was found.
    hd_mm : float or None
        Hausdorff distance of the outlines.
    df_mm : float or None
        Measured minus annotated circumference.
    confidence : float or None
    flags : tuple of str
    rim_mm : float or None
        Width of the unsure rim.
    """

    name: str
    group: str
    hc_mm: float
    dsc: float
    hd_mm: float | None
    df_mm: float | None
    confidence: float | None
    flags: tuple[str, ...]
    rim_mm: float | None = None


def compare(found: Ellipse, truth: Ellipse, pixel_mm: float) -> tuple[float, float]:
    """Return DSC in percent and Hausdorff distance in mm of two ellipses given in pixels.

    The filled ellipse is what the outline, drawn as a line of pixels, encloses, and the line itself.
    """
    from scipy.spatial import cKDTree

    a, b = ellipses.outline(found, _POINTS), ellipses.outline(truth, _POINTS)
    low = np.floor(np.minimum(a.min(axis=0), b.min(axis=0))) - 2
    high = np.ceil(np.maximum(a.max(axis=0), b.max(axis=0))) + 2
    shape = (int(high[1] - low[1]) + 1, int(high[0] - low[0]) + 1)
    first, second = _filled(a, low, shape), _filled(b, low, shape)
    dsc = 200.0 * int((first & second).sum()) / int(first.sum() + second.sum())
    hd = max(np.max(cKDTree(b).query(a)[0]), np.max(cKDTree(a).query(b)[0]))
    return dsc, float(hd) * pixel_mm


def _filled(outline_xy: NDArray[np.float64], origin: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    from scipy import ndimage
    from skimage.draw import polygon_perimeter

    x, y = np.floor(outline_xy - origin + 0.5).astype(int).T
    drawn = np.zeros(shape, bool)
    drawn[polygon_perimeter(y, x)] = True
    return np.asarray(ndimage.binary_fill_holes(drawn))


@dataclass(frozen=True)
class Summary:
    """Figures over many pictures; each interval is the 95 % range over resampled exams."""

    n: int
    missing: int
    dsc: float
    hd_mm: float
    adf_mm: float
    adf_sd_mm: float
    df_mm: float
    over_10mm: int
    over_10mm_unflagged: tuple[str, ...]
    flagged: float
    worst: str
    worst_dsc: float
    intervals: dict[str, tuple[float, float]]


def summarize(scores: Sequence[Score], *, resamples: int = 2000, seed: int = 0) -> Summary:
    """Return the mean figures with bootstrap intervals.

    Whole exams are drawn, since pictures of one exam are alike.

    Parameters
    ----------
    scores : sequence of Score
        At least one.
    """
    df = np.array([np.nan if s.df_mm is None else s.df_mm for s in scores])
    hd = np.array([np.nan if s.hd_mm is None else s.hd_mm for s in scores])
    dsc = np.array([s.dsc for s in scores])
    measures: dict[str, Callable[[NDArray[np.intp]], float]] = {
        "dsc": lambda i: float(dsc[i].mean()),
        "hd_mm": lambda i: _mean(hd[i]),
        "adf_mm": lambda i: _mean(np.abs(df[i])),
        "df_mm": lambda i: _mean(df[i]),
    }
    drawn = resampled([s.group for s in scores], resamples, seed)
    intervals = {}
    for name, measure in measures.items():
        values = [measure(i) for i in drawn]
        low, high = np.nanpercentile(values, [2.5, 97.5])
        intervals[name] = (round(float(low), 3), round(float(high), 3))
    every = np.arange(len(scores))
    bad = [s for s in scores if s.df_mm is not None and abs(s.df_mm) > 10]
    worst = min(scores, key=lambda s: s.dsc)
    return Summary(
        n=len(scores),
        missing=sum(s.df_mm is None for s in scores),
        **{name: measure(every) for name, measure in measures.items()},
        adf_sd_mm=float(np.nanstd(np.abs(df))),
        over_10mm=len(bad),
        over_10mm_unflagged=tuple(s.name for s in bad if not s.flags),
        flagged=sum(bool(s.flags) for s in scores) / len(scores),
        worst=worst.name,
        worst_dsc=worst.dsc,
        intervals=intervals,
    )


def resampled(groups: Sequence[str], resamples: int, seed: int) -> list[NDArray[np.intp]]:
    """Return the numbers of the items in each resample: whole groups, drawn with replacement."""
    names = np.array(groups)
    members = [np.flatnonzero(names == g) for g in np.unique(names)]
    rng = np.random.default_rng(seed)
    return [np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))]) for _ in range(resamples)]


def write_summary(folder: Path, summary: DataclassInstance, about: Mapping[str, object]) -> None:
    """Write ``figures.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**about, **asdict(summary)}, indent=2, ensure_ascii=False)
    (folder / "figures.json").write_text(text + "\n", encoding="utf-8")


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
