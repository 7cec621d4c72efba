"""The correcting tools: their names and keys, the mask that they change, and what they do to it. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import FetalSegError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry import mask_tools
from fetalseg.result import Ellipse, Result
from napari_fetalseg import wording
from napari_fetalseg.series import Series

Labels = NDArray[Any]


@dataclass(frozen=True)
class Tool:
    """A button with its key; what it does is said in the list of keys."""

    name: str
    text: str
    key: str

    @property
    def label(self) -> str:
        """Text and key, as short as a button in three columns needs it."""
        return f"{self.text}  {self.key.replace('Shift-', '⇧')}"

    @property
    def tip(self) -> str:
        """What it does."""
        return wording.KEYS[self.key]


TOOLS = (
    Tool("grow", "Grow", "Shift-W"),
    Tool("shrink", "Shrink", "Shift-T"),
    Tool("smooth", "Smooth", "Shift-O"),
    Tool("fill", "Fill", "Shift-F"),
    Tool("largest", "Largest", "Shift-K"),
    Tool("to_mask", "Ellipse → mask", "Shift-E"),
    Tool("to_ellipse", "Mask → ellipse", "Shift-C"),
    Tool("points", "Points → ellipse", "Shift-D"),
    Tool("interpolate", "Interpolate", "Shift-I"),
    Tool("carry", "Carry on", "Shift-N"),
)


@dataclass(frozen=True, eq=False)
class Target:
    """The mask that is edited.

    Parameters
    ----------
    series : Series
    plane : int
        The frame, or the slice of a volume, on the screen.
    layer : napari.layers.Labels
        With the masks of all planes.
    lesion : int
        The number that the tools change: that of the brush in a volume with lesions, else 1.
    """

    series: Series
    plane: int
    layer: Any
    lesion: int

    @property
    def frame(self) -> int:
        """The result's frame."""
        return 0 if self.series.volume else self.plane

    @property
    def word(self) -> str:
        """What a plane is called."""
        return "slice" if self.series.volume else "frame"

    @property
    def result(self) -> Result:
        """The result that the mask is of."""
        return self.series.results[self.frame]

    @property
    def pixel(self) -> tuple[float, float]:
        """Row and column spacing: in mm, or in pixels where they are not known."""
        spacing = self.result.spacing
        return spacing.row_column if spacing else (1.0, 1.0)

    @property
    def voxel(self) -> tuple[float | None, float, float]:
        """Spacing of slices, rows and columns."""
        spacing = self.result.spacing
        return (spacing.slice_mm if spacing else None, *self.pixel)

    def read(self, planes: Sequence[int]) -> Labels:
        """Return a copy of the mask on some planes, shape (planes, rows, columns); 0 and 1 where it has no lesions."""
        index = self.series.geometry.index
        mask = np.stack([np.asarray(self.layer.data[index(plane)]) for plane in planes])
        return mask if self.series.settings.task == "tumour" else (mask != 0).astype(np.uint8)

    def write(self, planes: Sequence[int], before: Labels, after: Labels) -> int:
        """Write what differs as if it had been painted, one step that can be undone; return how many pixels it is."""
        at, rows, columns = np.nonzero(before != after)
        if at.size:
            lead = np.array([self.series.geometry.index(plane) for plane in planes], int).reshape(len(planes), -1)
            index = (*(lead[at, axis] for axis in range(lead.shape[1])), rows, columns)
            self.layer.data_setitem(index, after[at, rows, columns])
        return int(at.size)


@dataclass(frozen=True, eq=False)
class Plan:
    """A tool that is about to run.

    Parameters
    ----------
    target : Target
    planes : sequence of int
        Those that it looks at.
    compute : callable
        Makes the new mask of the one that is there, shape (planes, rows, columns); runs in a worker.
    show : int, optional
        The plane to go to afterwards.
    """

    target: Target
    planes: Sequence[int]
    compute: Callable[[Labels], Labels]
    show: int | None = None


def local(
    target: Target, tool: Callable[..., Labels], *values: float, everywhere: bool = False, spaced: bool = True
) -> Plan:
    """Plan a tool that works on the plane on the screen, or on all slices of a volume together.

    Parameters
    ----------
    tool : callable
        Of `fetalseg.geometry.mask_tools`, called with the mask, the lesion, `values` and, if `spaced`, the spacing.
    """
    if everywhere:
        spacing = (target.voxel,) if spaced else ()
        planes = range(target.series.geometry.frames)
        return Plan(target, planes, lambda mask: tool(mask, target.lesion, *values, *spacing))
    pixel = (target.pixel,) if spaced else ()
    return Plan(target, [target.plane], lambda mask: tool(mask[0], target.lesion, *values, *pixel)[np.newaxis])


def step(target: Target, pixels: int) -> float:
    """Return a step in the target's unit. It is as long as pixels are on their coarser side, so it moves every edge."""
    return pixels * max(target.pixel)


def from_ellipse(target: Target, ellipse: Ellipse, plane: int) -> Plan:
    """Plan that a lesion becomes an ellipse, given in pixels, on a slice of a volume."""
    inside = ellipses.mask(ellipse, target.series.geometry.plane)
    return Plan(target, [plane], lambda mask: mask_tools.draw(mask[0], target.lesion, inside)[np.newaxis])


def interpolated(target: Target) -> Plan:
    """Plan that the mask is interpolated on the planes around the one on the screen.

    Raises
    ------
    FetalSegError
        If there are no two frames to interpolate between; of a volume only when it is computed.
    """
    lesion, pixel, at = target.lesion, target.pixel, target.plane
    if target.series.volume:
        original = target.result.original.segmentation.mask

        def through(mask: Labels) -> Labels:
            before = original if target.series.settings.task == "tumour" else (original != 0).astype(np.uint8)
            present = (mask == lesion).any(axis=(1, 2))
            pairs = mask_tools.gaps(present, mask_tools.edited_planes(mask, before, lesion), at)
            return _between(mask, lesion, pairs, pixel)

        return Plan(target, range(target.series.geometry.frames), through)
    results = target.series.results
    frames = range(target.series.geometry.frames)
    present = np.array([f in results and results[f].measurement.found for f in frames])
    edited = np.array([f in results and results[f].edited for f in frames])
    pairs = mask_tools.gaps(present, edited, at, "frame")
    planes = range(pairs[0][0], pairs[-1][1] + 1)
    missing = [f for f in planes if f not in results]
    if missing:
        raise _no_result(missing[0])
    drawn = {f: _drawn(results[f]) for f in planes if f in (pairs[0][0], at, pairs[-1][1])}

    def among(mask: Labels) -> Labels:
        inner = [(low - planes.start, high - planes.start) for low, high in pairs]
        ends = mask.copy()
        for frame, ellipse in drawn.items():
            if ellipse is not None:
                ends[frame - planes.start] = ellipse
        out = _between(ends, lesion, inner, pixel)
        for number in {n for pair in inner for n in pair}:
            out[number] = mask[number]
        return out

    return Plan(target, planes, among)


def carried(target: Target) -> Plan:
    """Plan that the next plane gets the mask of the one on the screen.

    Raises
    ------
    FetalSegError
        If there is no next one, or it has no result.
    """
    here, following = target.plane, target.plane + 1
    if following >= target.series.geometry.frames:
        raise FetalSegError(f"This is the last {target.word}.")
    if not target.series.volume and following not in target.series.results:
        raise _no_result(following)
    ellipse = None if target.series.volume else _drawn(target.result)

    def onward(mask: Labels) -> Labels:
        source = mask if ellipse is None else np.stack([ellipse, mask[1]])
        out = mask_tools.carry(source, target.lesion, 0, 1)
        out[0] = mask[0]
        return out

    return Plan(target, [here, following], onward, show=following)


def _between(mask: Labels, lesion: int, pairs: list[tuple[int, int]], pixel: tuple[float, float]) -> Labels:
    for low, high in pairs:
        mask = mask_tools.interpolate(mask, lesion, low, high, pixel)
    return mask


def _drawn(result: Result) -> Labels | None:
    """The ellipse that a person placed, as a mask: the frame is measured by it though the mask is still another."""
    ellipse = result.measurement.ellipse
    if result.origin != "ellipse" or ellipse is None:
        return None
    rows, columns = result.segmentation.mask.shape
    return ellipses.mask(ellipse, (rows, columns))


def _no_result(frame: int) -> FetalSegError:
    return FetalSegError(f"Frame {frame} has no result yet: segment it first.")
