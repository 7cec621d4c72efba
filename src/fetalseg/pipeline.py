"""The one pipeline behind every door: scan in, results out; and the edits of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fetalseg import __version__, tasks
from fetalseg.errors import Cancelled, FetalSegError
from fetalseg.geometry import ellipse as ellipses
from fetalseg.geometry.regions import Place, place
from fetalseg.models import catalogue
from fetalseg.models.card import Card
from fetalseg.models.predictor import Predictor, get_predictor
from fetalseg.quality import worst
from fetalseg.result import Caliper, Ellipse, Measurement, Provenance, Result, Segmentation
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import head_regions

# The task that measures a volume on one slice, which a person can choose.
_ONE_SLICE = "fetal-brain"
# Flags that another scale may take away, and that measuring raises again where they still hold.
_OF_SCALE = {"no_spacing", "no_slice_spacing", "voxel_size", "size", "brain_size"}
_OF_SCALE |= {"axis_ratio", "mask_ellipse_disagree"}
_OF_SCALE |= {"crosses_regions", "other_region", "outside_regions", "no_region_scale", "colour_flow"}

#: Called as (done, total, text).
Progress = Callable[[int, int, str], None]


class Cancel(Protocol):
    """A token that a door sets to stop a run; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether the run is to stop."""


@dataclass(frozen=True)
class Pipeline:
    """A task with its loaded model, ready for many scans.

    Parameters
    ----------
    settings : SegmentSettings
    predictor : Predictor or None
        None for a task that needs no network.
    """

    settings: SegmentSettings
    predictor: Predictor | None

    @classmethod
    def load(cls, settings: SegmentSettings) -> Pipeline:
        """Load the model that the settings name.

        Raises
        ------
        ModelError, DeviceError, SettingsError
        """
        if not tasks.get(settings.task).MODEL:
            return cls(settings, None)
        return cls(settings, get_predictor(settings.task, settings.model, settings.device, settings.backend))

    @property
    def describe(self) -> str:
        """Device, backend and model in a line, as doors show it."""
        return self.predictor.describe() if self.predictor else "no network"

    @property
    def provenance(self) -> Provenance:
        """What every result of this pipeline came from."""
        if self.predictor is None:
            return Provenance("classical", "", "cpu", "scipy", self.settings.to_dict(), __version__)
        card = self.predictor.card
        return Provenance(
            model=card.name,
            model_sha256=card.sha256,
            device=self.predictor.device,
            backend=self.predictor.backend,
            settings=self.settings.to_dict(),
            product_version=__version__,
        )

    def segment(
        self,
        scan: Scan,
        *,
        frames: Sequence[int] | None = None,
        progress: Progress = lambda done, total, text: None,
        cancel: Cancel | None = None,
    ) -> Iterator[Result]:
        """Segment a scan: one result a frame as they are done, or one for a volume as a whole.

        Parameters
        ----------
        scan : Scan
        frames : sequence of int, optional
            Which frames, or slices of a volume; all by default.

        Raises
        ------
        Cancelled
            When the token is set; checked before each frame.
        """
        task = tasks.get(self.settings.task)
        provenance = self.provenance
        if task.VOLUME:
            yield self._whole(scan, frames, progress, cancel)
            return
        assert self.predictor is not None
        wanted = range(scan.frames) if frames is None else frames
        notes = tuple(note for note in scan.notes if note != "colour")  # ultrasound machines store colour
        for done, frame in enumerate(wanted):
            if cancel is not None and cancel.is_set():
                raise Cancelled()
            progress(done, len(wanted), scan.name)
            regions, spacing = scan.regions_of(frame), scan.spacing
            with_model = (self.predictor, self.predictor.card, self.settings, notes)
            if regions:
                segmentation, measurement, spacing = head_regions.segment(
                    scan.pixels[frame], regions, spacing, *with_model
                )
            else:
                segmentation, measurement = task.segment(scan.pixels[frame], spacing, *with_model)
            yield Result(
                scan_name=scan.name,
                scan_sha256=scan.sha256,
                frame=frame,
                task=self.settings.task,
                segmentation=segmentation,
                measurement=measurement,
                spacing=spacing,
                provenance=provenance,
                study_date=scan.study_date,
                machine=scan.machine,
                regions=regions,
            )
        progress(len(wanted), len(wanted), scan.name)

    def _whole(self, scan: Scan, slices: Sequence[int] | None, progress: Progress, cancel: Cancel | None) -> Result:
        """Segment a volume; the token is checked each time the network is asked."""
        task = tasks.get(self.settings.task)
        asked = 0

        def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal asked
            if cancel is not None and cancel.is_set():
                raise Cancelled()
            assert self.predictor is not None
            progress(min(asked, scan.frames), scan.frames, scan.name)
            asked += batch.shape[2] // (2 if self.settings.flips else 1)
            return self.predictor(batch)

        if cancel is not None and cancel.is_set():
            raise Cancelled()
        card = self.predictor.card if self.predictor else None
        segmentation, measurement = task.segment_volume(
            scan.pixels, scan.spacing, network, card, self.settings, (*scan.notes, *task.told(scan)), slices
        )
        progress(scan.frames, scan.frames, scan.name)
        result = Result(
            scan_name=scan.name,
            scan_sha256=scan.sha256,
            frame=0,
            task=self.settings.task,
            segmentation=segmentation,
            measurement=measurement,
            spacing=scan.spacing,
            provenance=self.provenance,
            study_date=scan.study_date,
            machine=scan.machine,
        )
        alone = slices is not None and len(slices) == 1 and measurement.slice == slices[0]
        return _on(result, measurement.slice) if alone and self.settings.task == _ONE_SLICE else result


def edit_mask(result: Result, mask: NDArray[np.generic]) -> Result:
    """Return the result after a person changed its mask, measured anew.

    Parameters
    ----------
    mask : ndarray, shape (rows, columns), or (slices, rows, columns) of lesion numbers
        Copied: later strokes do not reach into the result. A fetal brain stays measured on the slice that was chosen.
    """
    there = place(mask, result.regions, result.spacing)
    segmentation, measurement = _measure_mask(result, mask, there.spacing, None)
    edited = result.edit(segmentation, head_regions.told(measurement, there.codes), "mask")
    return replace(edited, spacing=there.spacing)


def edit_ellipse(result: Result, ellipse: Ellipse, *, redraw_mask: bool = False) -> Result:
    """Return the result after a person moved, turned or resized its ellipse (in pixels).

    Parameters
    ----------
    redraw_mask : bool
        Whether the ellipse becomes the mask as well; else the mask stays as it was.
    """
    task = tasks.get(result.task)
    there = _place_of(ellipse, result, result.spacing)
    measurement = head_regions.told(task.measure_ellipse(ellipse, there.spacing, None), there.codes)
    if task.VOLUME:  # volume and slice stay those of the mask
        kept = {name: result.measurement.values.get(name) for name in ("volume_ml", "volume_voxels")}
        measurement = replace(measurement, values={**measurement.values, **kept}, slice=result.measurement.slice)
    segmentation = result.segmentation
    if redraw_mask:
        shape = (segmentation.mask.shape[0], segmentation.mask.shape[1])
        segmentation = Segmentation(ellipses.mask(ellipse, shape), ellipses.outline(ellipse))
    return replace(result.edit(segmentation, measurement, "ellipse"), spacing=there.spacing)


def edit_calipers(result: Result, lesion: str, calipers: tuple[Caliper, ...]) -> Result:
    """Return the result after a person moved the diameters of a lesion (in pixels); the mask stays as it was."""
    from fetalseg.tasks import tumour

    measurement = tumour.measure_calipers(result.measurement, lesion, calipers, result.spacing)
    return result.edit(result.segmentation, measurement, "calipers")


def measure_on(result: Result, slice: int) -> Result:
    """Return a fetal brain's result with its ellipse measured on another axial slice; the mask stays.

    Later edits and another spacing keep to that slice. An ellipse that a person placed was that of the other slice.

    Raises
    ------
    FetalSegError
        If the mask does not reach that slice.
    """
    mask = result.segmentation.mask
    if not mask[slice].any():
        raise FetalSegError(f"There is no brain on slice {slice}; choose one that the mask reaches.")
    chosen = _on(result, slice)
    _, measured = _measure_mask(chosen, mask, result.spacing, None)
    flags = (*(f for f in result.measurement.flags if f.code not in _OF_SCALE), *measured.flags)
    trust = result.measurement.confidence
    chosen = replace(chosen, measurement=replace(measured, confidence=trust, flags=flags, state=worst(flags)))
    if result.origin != "ellipse":
        return chosen
    if np.array_equal(mask, result.original.segmentation.mask):
        return replace(chosen, origin="model", parent=None)
    return replace(chosen, origin="mask")


def chosen_slice(result: Result) -> int | None:
    """The slice that a person chose to measure a fetal brain on; None where it is the one with the largest area."""
    chosen = result.provenance.settings.get("slice") if result.task == _ONE_SLICE else None
    return None if chosen is None else int(chosen)


def _on(result: Result, slice: int | None) -> Result:
    """Return the result with the slice to measure on among its settings."""
    settings = {**result.provenance.settings, "slice": slice}
    return replace(result, provenance=replace(result.provenance, settings=settings))


def _measure_mask(
    result: Result, mask: NDArray[np.generic], spacing: Spacing | None, card: Card | None
) -> tuple[Segmentation, Measurement]:
    """Measure a mask as the result's task does, a fetal brain on the slice that was chosen."""
    chosen = chosen_slice(result)
    on = {} if chosen is None else {"slice": chosen}
    measured: tuple[Segmentation, Measurement] = tasks.get(result.task).measure_mask(mask, spacing, card, **on)
    return measured


def recalibrate(result: Result, spacing: Spacing | None) -> Result:
    """Return the result with another spacing: the same mask, or ellipse, in other millimetres."""
    if tasks.get(result.task).VOLUME:
        return _recalibrate_volume(result, replace(result, spacing=spacing))
    if result.measurement.ellipse is None:
        return replace(result, spacing=spacing)
    there = _place_of(result.measurement.ellipse, result, spacing)
    changed = replace(result, spacing=there.spacing)
    card = None if result.edited else _card(result)
    measured = tasks.get(result.task).measure_ellipse(result.measurement.ellipse, there.spacing, card)
    measured = head_regions.told(measured, there.codes)
    if card is None and not result.edited:  # the model is gone, and with it what is known of its errors
        measured = replace(measured, intervals={})
    # A head's mask and ellipse are compared in pixels: no scale changes what was found.
    doubts = [f for f in result.measurement.flags if f.code not in _OF_SCALE - {"mask_ellipse_disagree"}]
    flags = (*doubts, *measured.flags)
    kept = replace(measured, confidence=result.measurement.confidence, flags=flags, state=worst(flags))
    return replace(changed, measurement=kept)


def _place_of(ellipse: Ellipse, result: Result, spacing: Spacing | None) -> Place:
    """Return where a head lies among its frame's regions: what it was found in, or an ellipse that a person placed."""
    mask = result.segmentation.mask
    if not result.regions:
        return Place(None, spacing)
    placed = result.origin == "ellipse" or ellipse != result.measurement.ellipse
    if placed or not mask.any():
        mask = ellipses.mask(ellipse, (mask.shape[0], mask.shape[1]))
    return place(mask, result.regions, spacing)


def _recalibrate_volume(result: Result, changed: Result) -> Result:
    """Measure a volume's mask anew under its changed spacing; doubts, confidence and what a person placed stay."""
    card = None if result.edited else _card(result)
    before, mask = result.measurement, result.segmentation.mask
    _, anew = _measure_mask(changed, mask, changed.spacing, card)
    measured = _as_placed(result, replace(changed, measurement=anew))
    known = {f.code for f in measured.flags}
    doubts = [f for f in before.flags if f.code not in _OF_SCALE | known]
    flags = (*doubts, *measured.flags)
    trusts = {part.texts["lesion"]: part for part in before.parts}
    parts = tuple(
        replace(part, confidence=old.confidence, flags=old.flags, state=old.state)
        if (old := trusts.get(part.texts["lesion"]))
        else part
        for part in measured.parts
    )
    kept = replace(measured, confidence=before.confidence, flags=flags, state=worst(flags), parts=parts)
    return replace(changed, measurement=kept)


def _as_placed(before: Result, changed: Result) -> Measurement:
    """Return the measurement under the changed spacing with the ellipse or the diameters that a person placed."""
    old = before.measurement
    if before.origin == "ellipse" and old.ellipse is not None:
        return edit_ellipse(changed, old.ellipse).measurement
    if before.origin != "calipers":
        return changed.measurement
    # Lines that nobody moved are those of the mask: under pixels of another shape they are others.
    _, plain = _measure_mask(before, before.segmentation.mask, before.spacing, None)
    drawn = {part.texts["lesion"]: part.calipers for part in plain.parts}
    for part in old.parts:
        if (lesion := part.texts["lesion"]) in drawn and drawn[lesion] != part.calipers:
            changed = edit_calipers(changed, lesion, part.calipers)
    return changed.measurement


def _card(result: Result) -> Card | None:
    """The card of the result's model, for its intervals; None when the model is gone or another by now."""
    asked = result.provenance.settings.get("model", "default")
    try:
        # The default may be another model by now.
        card = catalogue.find(result.task, result.provenance.model if asked == "default" else asked).card
    except FetalSegError:
        return None
    return card if card.sha256 == result.provenance.model_sha256 else None
