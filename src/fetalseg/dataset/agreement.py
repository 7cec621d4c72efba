"""How far two annotators agree on the same scans, and a third version that decides between them.

References
----------
Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement. Lancet
1986;327:307-310. doi:10.1016/S0140-6736(86)90837-8
Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychol Bull 1979;86:420-428.
doi:10.1037/0033-2909.86.2.420
McGraw KO, Wong SP. Forming inferences about some intraclass correlation coefficients. Psychol Methods 1996;1:30-46.
doi:10.1037/1082-989X.1.1.30
Raya SP, Udupa JK. Shape-based interpolation of multidimensional objects. IEEE Trans Med Imaging 1990;9:32-42.
doi:10.1109/42.52980
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fetalseg import tasks
from fetalseg.dataset.adding import Coming, New, Report, add
from fetalseg.dataset.annotation import Annotation, Prediction, dice
from fetalseg.dataset.entry import Entry
from fetalseg.dataset.store import Store
from fetalseg.errors import DatasetError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io.atomic import write_text
from fetalseg.scan import Spacing

Progress = Callable[[int, int, str], None]
_LIMIT = 1.96


@dataclass(frozen=True)
class Pair:
    """One scan that two people annotated.

    Parameters
    ----------
    first, second : Entry
    dice : float
        0 to 1.
    sizes : (float, float) or None
        Of the first and the second; see `Agreement.measure`.
    """

    first: Entry
    second: Entry
    dice: float
    sizes: tuple[float, float] | None


@dataclass(frozen=True)
class BlandAltman:
    """Second minus first, in the unit measured.

    Parameters
    ----------
    n : int
    bias, sd : float
        Mean and standard deviation of the differences.
    low, high : float
        95 % limits of agreement: bias ± 1.96 SD.
    bias_interval, low_interval, high_interval : (float, float)
        95 % intervals, by Student's t; of a limit with the standard error sqrt(3 / n) SD.
    """

    n: int
    bias: float
    sd: float
    low: float
    high: float
    bias_interval: tuple[float, float]
    low_interval: tuple[float, float]
    high_interval: tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """How two data sets agree.

    Parameters
    ----------
    pairs : tuple of Pair
    names : (str, str)
        The annotators, or the folders where there are several.
    measure, unit : str
        What the sizes are: ``hc`` in mm (in pixels where no spacing is known), or ``volume`` in ml (in voxels).
    dice : float
        Mean.
    lowest : str
        The item with the lowest Dice.
    icc : float or None
        ICC(2,1) of the sizes; None for fewer than 3 pairs or sizes that are all alike.
    icc_interval : (float, float) or None
        95 %.
    bland_altman : BlandAltman or None
        None for fewer than 3 pairs with sizes.
    """

    pairs: tuple[Pair, ...]
    names: tuple[str, str]
    measure: str
    unit: str
    dice: float
    lowest: str
    icc: float | None
    icc_interval: tuple[float, float] | None
    bland_altman: BlandAltman | None


def agree(first: Store, second: Store, progress: Progress = lambda done, total, text: None) -> Agreement:
    """Compare the annotations of scans that are in both data sets and accepted or edited in both.

    Raises
    ------
    DatasetError
        If the tasks differ, or no scan is annotated in both.
    """
    if first.task != second.task:
        raise DatasetError(f"{first.folder} is for the task '{first.task}', {second.folder} for '{second.task}'.")
    matched = _matched(first, second)
    if not matched:
        raise DatasetError(f"No scan is accepted or edited in both {first.folder} and {second.folder}.")
    volume = tasks.get(first.task).VOLUME
    known = "volume_ml" if volume else "hc_mm"
    in_mm = any(getattr(a, known) is not None and getattr(b, known) is not None for a, b in matched)
    pairs = []
    for number, (a, b) in enumerate(matched):
        progress(number, len(matched), a.item)
        one, two = first.annotation(a), second.annotation(b)
        assert one is not None
        assert two is not None
        # One spacing for both: the difference is between people, not between scales.
        spacing = a.spacing or b.spacing
        sizes = tuple(_size(first.task, drawn, spacing, in_mm) for drawn in (one, two))
        both = (sizes[0], sizes[1]) if sizes[0] is not None and sizes[1] is not None else None
        pairs.append(Pair(a, b, dice(one.mask, two.mask), both))
    measured = np.array([pair.sizes for pair in pairs if pair.sizes is not None], dtype=np.float64).reshape(-1, 2)
    icc, interval = icc_2_1(measured) if len(measured) >= 3 else (None, None)
    return Agreement(
        pairs=tuple(pairs),
        names=_names(first, second, matched),
        measure="volume" if volume else "hc",
        unit=("ml" if in_mm else "voxels") if volume else ("mm" if in_mm else "pixels"),
        dice=float(np.mean([pair.dice for pair in pairs])),
        lowest=min(pairs, key=lambda pair: pair.dice).first.item,
        icc=icc,
        icc_interval=interval,
        bland_altman=bland_altman(measured) if len(measured) >= 3 else None,
    )


def _matched(first: Store, second: Store) -> list[tuple[Entry, Entry]]:
    """Pairs by file and frame; copies of a picture by their names as well."""
    theirs: dict[tuple[str, int], list[Entry]] = {}
    for entry in second.entries():
        if entry.state.truth:
            theirs.setdefault(entry.identity, []).append(entry)
    pairs = []
    for entry in first.entries():
        same = theirs.get(entry.identity, [])
        if not entry.state.truth or not same:
            continue
        match = next((other for other in same if other.source == entry.source), same[0])
        same.remove(match)
        pairs.append((entry, match))
    return pairs


def _size(task: str, drawn: Annotation, spacing: Spacing | None, in_mm: bool) -> float | None:
    if task == "head":
        if drawn.ellipse is None or (in_mm and spacing is None):
            return None
        if in_mm:
            return drawn.sizes(task, spacing)[0]
        return ellipses.circumference(drawn.ellipse.semi_major, drawn.ellipse.semi_minor)
    return drawn.sizes(task, spacing)[1] if in_mm else float(np.count_nonzero(drawn.mask))


def _names(first: Store, second: Store, matched: Sequence[tuple[Entry, Entry]]) -> tuple[str, str]:
    names = []
    for store, entries in zip((first, second), zip(*matched, strict=True), strict=True):
        who = {entry.annotator for entry in entries}
        names.append(who.pop() if len(who) == 1 and "" not in who else store.folder.resolve().name)
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")


def icc_2_1(ratings: ArrayLike) -> tuple[float | None, tuple[float, float] | None]:
    """Return ICC(2,1) with its 95 % interval: absolute agreement of single raters who stand for others.

    From a two-way analysis of variance without repetition, of n targets by k raters, with the mean squares of rows
    MSR, of columns MSC and of the residual MSE::

        ICC(2,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n)

    Parameters
    ----------
    ratings : array, shape (n, k)
        At least 3 targets and 2 raters.

    Returns
    -------
    icc : float or None
        None where all ratings are alike.
    interval : (float, float) or None

    References
    ----------
    Shrout and Fleiss 1979, the formula of case 2 and its interval (called ICC(A,1) by McGraw and Wong 1996).
    """
    from scipy import stats

    x = np.asarray(ratings, dtype=np.float64)
    n, k = x.shape
    rows, columns, mean = x.mean(axis=1), x.mean(axis=0), x.mean()
    msr = k * float(((rows - mean) ** 2).sum()) / (n - 1)
    msc = n * float(((columns - mean) ** 2).sum()) / (k - 1)
    mse = float(((x - rows[:, None] - columns + mean) ** 2).sum()) / ((n - 1) * (k - 1))
    denominator = msr + (k - 1) * mse + k * (msc - mse) / n
    scale = max(abs(float(mean)), 1.0)
    if msr + msc + mse <= 1e-20 * scale**2 or denominator <= 0:
        return None, None
    icc = (msr - mse) / denominator
    if mse <= 1e-20 * scale**2 or not 0 <= icc < 1:  # no noise to base an interval on, or less than chance
        return icc, None
    # Satterthwaite's degrees of freedom of the denominator.
    fj = msc / mse
    spread = n * (1 + (k - 1) * icc) - k * icc
    v = (k - 1) * (n - 1) * (k * icc * fj + spread) ** 2 / ((n - 1) * k**2 * icc**2 * fj**2 + spread**2)
    upper_f, lower_f = stats.f.ppf(0.975, n - 1, v), stats.f.ppf(0.975, v, n - 1)
    low = n * (msr - upper_f * mse) / (upper_f * (k * msc + (k * n - k - n) * mse) + n * msr)
    high = n * (lower_f * msr - mse) / (k * msc + (k * n - k - n) * mse + n * lower_f * msr)
    return icc, (float(low), float(high))


def bland_altman(ratings: ArrayLike) -> BlandAltman:
    """Return bias and 95 % limits of agreement of the second column minus the first.

    Parameters
    ----------
    ratings : array, shape (n, 2)
        At least 3.
    """
    from scipy import stats

    x = np.asarray(ratings, dtype=np.float64)
    difference = x[:, 1] - x[:, 0]
    n, bias, sd = len(x), float(difference.mean()), float(difference.std(ddof=1))
    t = float(stats.t.ppf(0.975, n - 1))
    of_bias, of_limit = t * sd / math.sqrt(n), t * sd * math.sqrt(3 / n)
    low, high = bias - _LIMIT * sd, bias + _LIMIT * sd
    return BlandAltman(
        n,
        bias,
        sd,
        low,
        high,
        (bias - of_bias, bias + of_bias),
        (low - of_limit, low + of_limit),
        (high - of_limit, high + of_limit),
    )


def consensus(first: NDArray[np.generic], second: NDArray[np.generic], sizes: Sequence[float]) -> NDArray[np.uint8]:
    """Return the mask midway between two: where the mean of their signed distances lies inside.

    Parameters
    ----------
    first, second : ndarray of one shape
    sizes : sequence of float
        Of a pixel along each axis.

    References
    ----------
    Raya and Udupa 1990.
    """
    from scipy import ndimage

    total = np.zeros(first.shape)
    for mask in (first, second):
        inside = np.asarray(mask) != 0
        if not inside.any():
            return np.asarray((first != 0) & (second != 0), np.uint8)
        total += ndimage.distance_transform_edt(inside, sizes) - ndimage.distance_transform_edt(~inside, sizes)
    return np.asarray(total > 0, np.uint8)


def adjudicate(
    agreement: Agreement,
    first: Store,
    second: Store,
    third: Store,
    progress: Progress = lambda done, total, text: None,
) -> Report:
    """Put the pairs into a third data set, each waiting with what lies midway between the two annotations.

    Whoever accepts or edits it there decides; ``between`` names the versions of the two. Pairs that are decided already
    stay as they are.
    """
    if third.task != first.task:
        raise DatasetError(f"{third.folder} is for the task '{third.task}', {first.folder} for '{first.task}'.")

    def coming() -> Iterator[Coming]:
        for number, pair in enumerate(agreement.pairs):
            progress(number, len(agreement.pairs), pair.first.item)
            one, two = first.annotation(pair.first), second.annotation(pair.second)
            assert one is not None
            assert two is not None
            yield _midway(first, pair, one, two, agreement.names)

    report = add(third, coming())
    _name_versions(third, agreement)
    return report


def _midway(store: Store, pair: Pair, one: Annotation, two: Annotation, names: tuple[str, str]) -> New:
    entry = pair.first
    spacing = entry.spacing
    sizes: tuple[float, ...] = spacing.row_column if spacing else (1.0, 1.0)
    if len(entry.shape) == 3:
        sizes = ((spacing.slice_mm if spacing else None) or 1.0, *sizes)
    mask = consensus(one.mask, two.mask, sizes)
    made = Annotation.of(store.task, entry.shape, spacing, mask=mask)
    scan = replace(store.image(entry), name=entry.source)
    prediction = Prediction(made, model=f"between {names[0]} and {names[1]}")
    return New(scan, entry.item, entry.group, entry.frame, prediction=prediction, source_sha256=entry.source_sha256)


def _name_versions(third: Store, agreement: Agreement) -> None:
    between = {pair.first.identity: (pair.first.version, pair.second.version) for pair in agreement.pairs}
    with third.writing() as change:
        for entry in change.table.entries():
            versions = between.get(entry.identity, ())
            if versions and not entry.state.done and entry.between != versions:
                change.put(replace(entry, between=versions))


def write(folder: Path, agreement: Agreement) -> None:
    """Write ``agreement.csv`` (a row a scan) and ``agreement.json``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    name = f"{agreement.measure}_{agreement.unit}"
    writer.writerow(["item", "group", "dice", f"{name}_first", f"{name}_second", f"{agreement.measure}_difference"])
    for pair in agreement.pairs:
        sizes = ["", "", ""] if pair.sizes is None else [*pair.sizes, pair.sizes[1] - pair.sizes[0]]
        numbers = ["" if value == "" else f"{value:.6g}" for value in (pair.dice, *sizes)]
        writer.writerow([pair.first.item, pair.first.group, *numbers])
    write_text(folder / "agreement.csv", text.getvalue())
    told = {
        "first": agreement.names[0],
        "second": agreement.names[1],
        "scans": len(agreement.pairs),
        "dice": agreement.dice,
        "lowest_dice": agreement.lowest,
        "measure": agreement.measure,
        "unit": agreement.unit,
        "icc_2_1": agreement.icc,
        "icc_2_1_interval": agreement.icc_interval,
        "bland_altman": asdict(agreement.bland_altman) if agreement.bland_altman else None,
    }
    write_text(folder / "agreement.json", json.dumps(told, indent=2, ensure_ascii=False) + "\n")
