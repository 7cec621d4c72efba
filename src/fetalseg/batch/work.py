"""What is done to one scan of many: read it, segment it, write its files. It runs anywhere: a thread, a cluster."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fetalseg import __version__, quality, samples, tasks
from fetalseg.batch import corrections
from fetalseg.batch.corrections import Correction
from fetalseg.batch.scale import outside, scaled
from fetalseg.errors import Cancelled, FetalSegError, OutputError, SettingsError, SpacingError
from fetalseg.io import atomic, dicom, folders, registry, spacing_csv, volumes, written
from fetalseg.models import catalogue
from fetalseg.pipeline import Cancel, Pipeline
from fetalseg.report import manifest, montage, overlay, structured, table
from fetalseg.result import Result
from fetalseg.scan import Scan
from fetalseg.settings import BatchSettings, GrowthSettings, SegmentSettings

if TYPE_CHECKING:
    from fetalseg.growth.assessment import Assessment
    from fetalseg.growth.exams import Growth

_log = logging.getLogger(__name__)

#: What a scan became, as plain values: a line of the journal. See `Worker.do`.
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One scan to be done; plain values, to be handed to whoever does it.

    Parameters
    ----------
    input : Input
    stem : str
        Of its outputs.
    key : str
        Of the input, model and settings that its outputs were made of before; empty where it is to be done anyway.
    files : mapping of str to str
        Hashes of the outputs that are there from before, by relative path.
    """

    input: folders.Input
    stem: str
    key: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the scan is called."""
        return self.input.name

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON can hold."""
        values = asdict(self)
        values["input"]["path"] = str(self.input.path)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Item:
        """Return the item of `to_dict`."""
        given = dict(values["input"])
        return cls(**{**values, "input": folders.Input(**{**given, "path": Path(given["path"])})})


@dataclass(frozen=True, eq=False)
class Work:
    """A scan between the steps.

    Parameters
    ----------
    item : Item
    key : str
        See `Item`; empty where it can't be told.
    unchanged : bool
        Whether all is there already.
    scan : Scan or None
        None where it is unchanged or can't be read.
    error : str
    correction : Correction or None
    results : sequence of Result
    """

    item: Item
    key: str = ""
    unchanged: bool = False
    scan: Scan | None = None
    error: str = ""
    correction: Correction | None = None
    results: Sequence[Result] = ()

    @property
    def shown(self) -> int:
        """Of a stack, the frame that can be trusted most stands for all."""
        return quality.most_trusted([(r.measurement.state, r.measurement.confidence) for r in self.results])


class Worker:
    """Does one scan after another, in three steps that may overlap between scans: `read`, `segment`, `write`.

    It can be pickled; the model is loaded where it is first needed, once a process.

    Parameters
    ----------
    out : Path
        The output folder, which every worker must reach under this path.
    settings : SegmentSettings
    batch : BatchSettings
    growth : GrowthSettings
        Where `batch` names exams.

    Raises
    ------
    SettingsError, ModelError
        If the model, the exams, their chart or the spacing csv can't be used.
    """

    def __init__(self, out: Path, settings: SegmentSettings, batch: BatchSettings, growth: GrowthSettings) -> None:
        self.out = Path(out)
        self.settings, self.batch, self.growth = settings, batch, growth
        if batch.spacing_csv is not None:
            try:
                spacing_csv.lookup(Path(batch.spacing_csv), "")
            except SpacingError as unreadable:  # wrong usage, before the run starts
                raise SettingsError(str(unreadable)) from unreadable
        if batch.exams is not None and settings.task != "head":
            raise SettingsError(f"Exams date fetal heads in ultrasound; the task is '{settings.task}'. Leave them out.")
        card = catalogue.find(settings.task, settings.model).card if tasks.get(settings.task).MODEL else None
        self.model, self.model_sha256 = (card.name, card.sha256) if card else ("classical", "")
        _ = self.by  # wrong usage too

    def __getstate__(self) -> dict[str, Any]:
        # Neither network nor exams: each process loads its own.
        return {name: value for name, value in self.__dict__.items() if name not in ("pipeline", "by", "_constant")}

    @cached_property
    def pipeline(self) -> Pipeline:
        """The task with its loaded model.

        Raises
        ------
        ModelError, DeviceError
        """
        return Pipeline.load(self.settings)

    def warm_up(self) -> None:
        """Load the model, and what else a first picture waits for, by segmenting one that comes with the product.

        Raises
        ------
        ModelError, DeviceError
        """
        pipeline = self.pipeline
        if not tasks.get(self.settings.task).VOLUME:
            with contextlib.suppress(FetalSegError):  # it is missing; then the first picture waits
                list(pipeline.segment(registry.read(samples.folder() / next(iter(samples.TITLES)))))

    @cached_property
    def by(self) -> Growth | None:
        """What heads are assessed by; None where no exams are given."""
        if self.batch.exams is None:
            return None
        from fetalseg.growth.exams import Growth

        return Growth.load(self.batch.exams, self.growth)

    def do(self, item: Item | Mapping[str, Any], cancel: Cancel | None = None) -> Outcome:
        """Do all three steps; what comes back is what `Batch.record` takes.

        Parameters
        ----------
        item : Item, or what its `to_dict` returned

        Returns
        -------
        dict
            Values that JSON can hold. ``status`` is ``"ok"``, ``"empty"`` (nothing found), ``"error"`` (with the
            sentence as ``error``) or ``"unchanged"`` (all was there); ``rows`` are the table's, without what is
            empty; ``files`` what was written, relative to the output folder.

        Raises
        ------
        Cancelled
        OutputError
            If the disk is full; else what can't be written is an outcome too.
        ModelError, DeviceError
            If the model can't be loaded.
        """
        given = item if isinstance(item, Item) else Item.from_dict(item)
        return self.write(self.segment(self.read(given), cancel))

    def read(self, item: Item) -> Work:
        """Read a scan, or find that nothing about it has changed."""
        error, key, correction = "", "", None
        try:
            correction = corrections.find(self.out, item.stem, item.files)
            if item.key and self._whole(item):
                key = self._key(item, item.input.sha256(), correction)
                if key == item.key:
                    return Work(item, key, unchanged=True)
            scan = scaled(item.input.read(), self.batch)
            key = self._key(item, scan.sha256 or "", correction)
            return Work(item, key, scan=scan, correction=correction)
        except FetalSegError as known:
            error = str(known)
        except Exception as unknown:
            _log.exception("reading %s", item.name)
            error = f"{item.name} can't be read ({type(unknown).__name__}: {unknown})."
        return Work(item, error=error)

    def segment(self, work: Work, cancel: Cancel | None = None) -> Work:
        """Segment what was read.

        Raises
        ------
        Cancelled, ModelError, DeviceError
        """
        if cancel is not None and cancel.is_set():
            raise Cancelled()
        if work.scan is None:
            return work
        pipeline, results, error = self.pipeline, [], ""
        try:
            results = list(pipeline.segment(work.scan, cancel=cancel))
            if work.correction is not None:
                results = corrections.apply(work.correction, work.scan, results)
        except Cancelled:
            raise
        except FetalSegError as known:
            error = str(known)
        except Exception as unknown:
            _log.exception("segmenting %s", work.item.name)
            error = f"{work.item.name} could not be segmented ({type(unknown).__name__}: {unknown})."
        kept = [] if error else results
        return Work(work.item, work.key, scan=work.scan, error=error, correction=work.correction, results=kept)

    def write(self, work: Work) -> Outcome:
        """Write a scan's masks and pictures, and return its outcome; see `do`."""
        item, scan, results = work.item, work.scan, work.results
        out: Outcome = {"name": item.name, "stem": item.stem}
        if work.unchanged:
            return out | {"status": "unchanged"}
        out |= {"key": work.key, "version": __version__, "warnings": []}
        if scan is not None:
            out["input"] = manifest.describe(scan)
        if scan is None or work.error:
            return out | self._failed(item.name, work.error)
        try:
            paths, rows, warnings = self._write(work, scan)
        except OutputError as error:
            if atomic.is_full(error):
                raise
            return out | self._failed(item.name, str(error))
        except Exception as unknown:
            _log.exception("writing %s", item.name)
            text = f"{item.name}: its results could not be written ({type(unknown).__name__}: {unknown})."
            return out | self._failed(item.name, text)
        empty = sum(not r.measurement.found for r in results)
        return out | {
            "status": "empty" if empty >= len(results) else "ok",
            "frames": len(results),
            "empty": empty,
            "rows": [{name: value for name, value in row.items() if value} for row in rows],
            "warnings": warnings,
            "files": {path.relative_to(self.out).as_posix(): _sha256(path) for path in paths},
            "ran": {"device": results[0].provenance.device, "backend": results[0].provenance.backend},
        }

    def _failed(self, name: str, error: str) -> Outcome:
        row = table.error_row(name, error, task=self.settings.task, model=self.model)
        return {"status": "error", "error": error, "rows": [{key: value for key, value in row.items() if value}]}

    def _write(self, work: Work, scan: Scan) -> tuple[list[Path], list[dict[str, str]], list[str]]:
        """Write the files; return their paths, the rows, and what is missing in sentences."""
        assessments, warnings = self._assess(scan, work.results)
        told = assessments or [None] * len(work.results)
        shown = told[work.shown]
        paths = self._masks(work, scan)
        if self.batch.overlays:
            paths.append(self._picture(work, scan, shown))
        if self.batch.sr:
            data, why = structured.report(scan, work.results[work.shown], shown)
            warnings += [why] if why else []
            if data is not None:
                path = self.out / "sr" / f"{work.item.stem}_sr.dcm"
                paths.append(atomic.atomic_write(path, lambda file: file.write(data)))
        rows = [row for result, growth in zip(work.results, told, strict=True) for row in table.rows(result, growth)]
        if self.batch.keep_identifiers:
            known = dicom.identifiers(work.item.input.path, work.item.input.series)
            rows = [row | known for row in rows]
        return paths, rows, warnings

    def _masks(self, work: Work, scan: Scan) -> list[Path]:
        """Write the masks, but for those that a person corrected."""
        keep = work.correction.kept if work.correction else frozenset()
        if tasks.get(self.settings.task).VOLUME:
            mask = work.results[0].segmentation.mask
            return list(volumes.write_labels(self.out, work.item.stem, scan, mask, keep=keep))
        masks = np.stack([r.segmentation.mask for r in work.results]).reshape(scan.shape)
        made = written.tiff(self.out / "masks" / f"{work.item.stem}_mask.tif", masks, keep)
        return [] if made is None else [made]

    def _picture(self, work: Work, scan: Scan, assessment: Assessment | None) -> Path:
        """Write the side-by-side picture, or the montage of a volume."""
        path = picture_of(self.out, work.item.stem)
        result = work.results[work.shown]
        if tasks.get(self.settings.task).VOLUME:
            about = overlay.small_print(result)
            mask = result.segmentation.mask
            drawn = montage.montage(scan.pixels, mask, result.measurement, spacing=scan.spacing, about=about)
            return atomic.write_png(path, drawn)
        frame = scan.pixels[result.frame]
        if not self.batch.keep_identifiers:
            frame = _without_banner(scan, result.frame)
        growth = self.by.line(assessment) if self.by else ""
        return overlay.write_overlay(path, frame, result, frames=scan.frames, growth=growth)

    def _assess(self, scan: Scan, results: Sequence[Result]) -> tuple[list[Assessment | None], list[str]]:
        """Return an assessment a result, and what is missing in sentences."""
        if self.by is None:
            return [], []
        told = [self.by.assess(result, scan.study_date, scan.lmp) for result in results]
        # Frames of a loop lack the same.
        return [assessment for assessment, _ in told], list(dict.fromkeys(text for _, text in told if text))

    def _whole(self, item: Item) -> bool:
        """Whether all that was written for a scan is there."""
        return bool(item.files) and all((self.out / name).is_file() for name in item.files)

    @cached_property
    def _constant(self) -> dict[str, Any]:
        """What is the same for all scans and changes results."""
        # The model's hash stands for its name.
        settings = {name: value for name, value in self.settings.to_dict().items() if name != "model"}
        outputs = {name: getattr(self.batch, name) for name in ("overlays", "sr", "keep_identifiers")}
        exams = {k: v for k, v in self.by.to_dict().items() if not k.startswith("exams")} if self.by else {}
        return {"version": __version__, "model": self.model_sha256, **settings, **outputs, **exams}

    def _key(self, item: Item, sha256: str, correction: Correction | None) -> str:
        """Return the hash of all that a scan's outputs are made of."""
        try:
            pixels = self.batch.pixels_only
            scale: Any = "pixels only" if pixels else outside(item.input.path, item.name, self.batch)
        except SpacingError as error:  # of a csv beside a scan that knows its own
            scale = error
        about = {
            "input": sha256,
            "scale": str(scale),
            "corrected": correction.sha256 if correction else None,
        }
        if self.by is not None:
            exam = self.by.exams.find(item.name)
            about["exam"] = exam if isinstance(exam, str) else repr((exam.scan_date, exam.dating))
        text = json.dumps(self._constant | about, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def picture_of(out: Path, stem: str) -> Path:
    """Return where a scan's side-by-side picture, or montage, lies."""
    return out / "overlays" / f"{stem}.png"


def _without_banner(scan: Scan, frame: int) -> NDArray[np.generic]:
    """Return a frame without what lies outside its display regions: machines write the patient's name there."""
    picture: NDArray[np.generic] = scan.pixels[frame]
    regions = scan.regions_of(frame)
    if not regions:
        return picture
    outside_all = np.ones(picture.shape, bool)
    for region in regions:
        outside_all[region.part] = False
    shown: NDArray[np.generic] = np.where(outside_all, picture.min(), picture)
    return shown


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
