"""What to run on, by what, and what to write: the Batch dock's form."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from fetalseg import samples, tasks
from fetalseg.errors import FetalSegError
from fetalseg.settings import BatchSettings, SegmentSettings
from napari_fetalseg import preferences, workers
from napari_fetalseg.advanced import Advanced
from napari_fetalseg.batch.choice import Choice, Found, default_out, look
from napari_fetalseg.batch.dating_rule import DatingRule
from napari_fetalseg.batch.scale_rule import ScaleRule
from napari_fetalseg.fold import Fold
from napari_fetalseg.model_choice import ModelChoice
from napari_fetalseg.path_choice import PathChoice
from napari_fetalseg.widgets import RED, LinkLabel, link

SECTION = "batch"  # of what is remembered
_NO_FOLDER = "Choose a folder of scans first."


class BatchForm(QWidget):
    """Shows the choices; `choice` returns them once there is no `problem`.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.found: Found | None = None
        self._problem, self._looked_at = _NO_FOLDER, ""
        self._jobs = workers.Jobs(self)
        self._make_parts()
        self._lay_out()
        self._recall()
        self._connect()
        self._show_task()

    def _make_parts(self) -> None:
        self.scans = PathChoice("Folder of scans")
        self.said = LinkLabel(sample=self.show_samples)
        self.task = QComboBox()
        self.task.setAccessibleName("Find")
        for name in tasks.NAMES:
            self.task.addItem(tasks.get(name).TITLE, name)
        self.model = ModelChoice()
        self.scale = ScaleRule()
        self.out = PathChoice("Folder for the results")
        self.more = More()
        self.advanced = Advanced()

    def _lay_out(self) -> None:
        scans = QVBoxLayout()
        scans.addWidget(self.scans)
        scans.addWidget(self.said)
        self._form = form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows: dict[str, Any] = {"Scans": scans, "Find": self.task, "Model": self.model, "Scale": self.scale}
        rows |= {"Results": self.out, "Specks": self.advanced.smallest}
        for title, part in rows.items():
            form.addRow(title, part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.more)
        layout.addWidget(self.advanced)

    def _connect(self) -> None:
        self.scans.changed.connect(self._folder_changed)
        self.task.currentIndexChanged.connect(self._show_task)
        for line in (self.more.pattern, self.more.series, self.more.instances):
            line.editingFinished.connect(self.look)
        for signal in (self.model.changed, self.scale.changed, self.out.changed, self.more.dating.changed):
            signal.connect(self.changed)
        self.advanced.reset.clicked.connect(self._reset)

    # What is chosen

    @property
    def task_name(self) -> str:
        """The chosen task."""
        return str(self.task.currentData())

    @property
    def busy(self) -> bool:
        """Whether a folder is being looked through."""
        return self._jobs.busy

    @property
    def _dates(self) -> bool:
        """Whether what is found has a size for its age."""
        return self.task_name == "head"

    def problem(self) -> str:
        """Return why nothing can be started; nothing where it can."""
        dating = self.more.dating.problem() if self._dates else ""
        return self._problem or self.model.problem() or self.scale.problem() or dating

    def settings(self) -> SegmentSettings:
        """Return how to segment."""
        return self.advanced.settings(self.task_name, self.model.name)

    def choice(self) -> Choice:
        """Return what is chosen, once there is no `problem`."""
        folder = self.scans.path
        assert folder is not None
        out = self.out.path or default_out(folder, self.task_name)
        more = self.more
        told = self.scale.values() | more.outputs() | (more.dating.values() if self._dates else {})
        batch, growth = replace(self._narrowed(), **told), more.dating.growth()
        return Choice(folder, out, self.settings(), batch, growth, more.report.isChecked(), more.anew.isChecked())

    def _narrowed(self) -> BatchSettings:
        """Which files are taken."""
        more = self.more
        pattern, series, instances = (
            line.text().strip() or None for line in (more.pattern, more.series, more.instances)
        )
        return BatchSettings(pattern=pattern, series=series, instances=instances)

    def show_samples(self) -> None:
        """Choose the samples that come with the product."""
        try:
            self.scans.show_path(samples.folder())
        except FetalSegError as error:
            self._fail(error)

    def reload_models(self, task: str) -> None:
        """List the models anew, where some of this task came or went."""
        if task in ("", self.task_name):
            self.model.show_task(self.task_name, self.model.name)

    def look(self) -> None:
        """Look through the folder, in the background."""
        folder, task = self.scans.path, self.task_name
        asked = repr((folder, task, self._narrowed()))
        if asked == self._looked_at and not self._problem:
            return
        self._looked_at = asked
        self.stop()
        self.found, self._problem = None, _NO_FOLDER
        self.out.suggest(default_out(folder, task) if folder is not None else None)
        if folder is None:
            self.said.setText(f"Also in folders below it; kinds may be mixed. {link('sample', 'Use the samples')}")
        else:
            self._problem = "The folder is being looked through …"
            self.said.setText(self._problem)
            batch = self._narrowed()
            self._jobs.call(lambda: look(folder, task, batch), self._take, self._fail)
        self.changed.emit()

    def _folder_changed(self) -> None:
        """Results of other scans go elsewhere, until a person says where; and their exams are others."""
        self.out.show_path("")
        self.more.dating.exams.show_path("")
        self.look()

    def stop(self) -> None:
        """Stop looking."""
        self._jobs.drop()

    def _take(self, found: Found) -> None:
        self.found, self._problem = found, ""
        self.said.setText(html.escape(found.said()))
        self.changed.emit()

    def _fail(self, error: Exception) -> None:
        self._problem = str(error)
        self.said.setText(f"<span style='color:{RED}'><b>✕</b> {html.escape(self._problem)}</span>")
        self.changed.emit()

    def _show_task(self, _index: int = 0) -> None:
        kept = preferences.load(self.task_name)
        self.model.show_task(self.task_name, kept.model)
        self.advanced.show_task(self.task_name)
        card = self.model.card
        self.advanced.show_level(card.level if card is not None else 0.5)
        self.advanced.show_settings(kept)
        self._form.setRowVisible(self.advanced.smallest, self.task_name == "tumour")
        volume = bool(tasks.get(self.task_name).VOLUME)
        self.scale.show_task(volume)
        self.more.show_task(volume, head=self._dates)
        self.look()

    def _reset(self) -> None:
        self.advanced.show_settings(SegmentSettings(task=self.task_name))
        preferences.save(SegmentSettings(task=self.task_name))
        self.model.show_task(self.task_name)

    # What is remembered

    def _recall(self) -> None:
        kept = {name: preferences.recall(SECTION, name) for name in _KEPT}
        self.scans.line.setText(kept["folder"])
        self.out.line.setText(kept["out"])
        self.task.setCurrentIndex(max(self.task.findData(kept["task"]), 0))
        self.scale.csv.line.setText(kept["spacing_csv"])
        self.scale.show_mm(kept["spacing_mm"])
        self.scale.show_rule(kept["scale"])
        self.more.dating.exams.show_path(kept["exams"])
        for name in ("pattern", "series", "instances"):
            getattr(self.more, name).setText(kept[name])
        if kept["write"]:
            self.more.show_written(kept["write"].split())

    def remember(self) -> None:
        """Keep what is chosen for the next time."""
        preferences.save(self.settings())
        more, scale = self.more, self.scale
        values = {
            "folder": str(self.scans.path or ""),
            "out": str(self.out.path or ""),
            "task": self.task_name,
            "scale": scale.name,
            "spacing_csv": str(scale.csv.path or ""),
            "spacing_mm": scale.mm(),
            "exams": str(more.dating.exams.path or ""),
            "pattern": more.pattern.text().strip(),
            "series": more.series.text().strip(),
            "instances": more.instances.text().strip(),
            "write": more.written(),
        }
        for name, value in values.items():
            preferences.remember(SECTION, name, value)


_KEPT = (
    "folder",
    "out",
    "task",
    "scale",
    "spacing_csv",
    "spacing_mm",
    "exams",
    "pattern",
    "series",
    "instances",
    "write",
)


class More(QWidget):
    """The choices that fold away: what dates heads, which files, what is written, and whether all is done anew."""

    def __init__(self) -> None:
        super().__init__()
        self.dating = DatingRule()
        self.pattern, self.series, self.instances = QLineEdit(), QLineEdit(), QLineEdit()
        self.pattern.setPlaceholderText("all, or such as *_HC.png")
        self.pattern.setToolTip("Only files whose name fits")
        self.series.setToolTip("Of several DICOM series in a folder, those whose description holds this")
        self.instances.setPlaceholderText("all, or such as 1,4-9")
        self.instances.setToolTip("Of ultrasound DICOM, the instance numbers to take")
        self.masks = QCheckBox("masks")
        self.masks.setChecked(True)
        self.masks.setEnabled(False)
        self.masks.setToolTip("Always written: a click on a row, Review and the next run need them")
        self.overlays, self.report = QCheckBox("side-by-side pictures"), QCheckBox("report (HTML)")
        self.parquet = QCheckBox("measurements.parquet")
        self.overlays.setToolTip("They are the small pictures in the table, and those of the report")
        self.parquet.setToolTip("The table once more, for data frames; of several scans it needs pyarrow")
        for box in (self.overlays, self.report):
            box.setChecked(True)
        self.sr = QCheckBox("DICOM structured reports")
        self.sr.setToolTip("Of heads that came from DICOM, into the patient's own study; needs highdicom")
        self.identifiers = QCheckBox("patient and study of DICOM")
        self.identifiers.setToolTip("Patient id, accession number and study in the tables; not remembered")
        self.anew = QCheckBox("Do all anew")
        self.anew.setToolTip(
            "Else what an earlier run did with the same file, model and settings is left as it is. Masks that you "
            "corrected stay in any case."
        )
        inside = QWidget()
        self._form = form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        boxes = QVBoxLayout()
        for box in (self.masks, self.overlays, self.report, self.parquet, self.sr, self.identifiers):
            boxes.addWidget(box)
        form.addRow("Dating", self.dating)
        form.addRow("Pattern", self.pattern)
        form.addRow("DICOM series", self.series)
        form.addRow("Instances", self.instances)
        form.addRow("Write", boxes)
        form.addRow("Again", self.anew)
        self.fold = Fold("Dating, files, outputs, do all anew", inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(inside)

    def show_task(self, volume: bool, head: bool) -> None:
        """Show only what changes something for a task."""
        self.sr.setVisible(head)
        self._form.setRowVisible(self.dating, head)
        self.series.setPlaceholderText("flair, or such as T2 FLAIR" if volume else "all")
        self._form.setRowVisible(self.instances, not volume)

    def outputs(self) -> dict[str, bool]:
        """Return what is written, as `BatchSettings` takes it."""
        asked = {"overlays": self.overlays, "parquet": self.parquet, "keep_identifiers": self.identifiers}
        outputs = {name: box.isChecked() for name, box in asked.items()}
        return outputs | {"sr": self.sr.isChecked() and not self.sr.isHidden()}

    def written(self) -> str:
        """Return what is written, to be remembered."""
        boxes = {"masks": self.masks, "overlays": self.overlays, "report": self.report}
        boxes |= {"parquet": self.parquet, "sr": self.sr}
        return " ".join(name for name, box in boxes.items() if box.isChecked())

    def show_written(self, names: list[str]) -> None:
        """Show what `written` told."""
        for name in ("overlays", "report", "parquet", "sr"):
            getattr(self, name).setChecked(name in names)
