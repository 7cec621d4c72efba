"""What to train and how: the Train dock's form."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from fetalseg.models import catalogue
from fetalseg.settings import DEVICES
from napari_fetalseg import card_text
from napari_fetalseg.fold import Fold
from napari_fetalseg.image_choice import narrow
from napari_fetalseg.train.choice import Choice, Start, defaults, new_name, starts, trainings
from napari_fetalseg.train.data_panel import DataPanel, split_problem, split_said
from napari_fetalseg.widgets import WrappedLabel


class TrainForm(QWidget):
    """Shows the choices; `choice` returns them.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._task = self._name = ""
        self._epochs = 0  # what was proposed
        self.data = DataPanel()
        self.start = QComboBox()
        narrow(self.start)
        self.start_line = WrappedLabel()
        self.kept_out, self.seed = QSpinBox(), QSpinBox()
        self.kept_out.setRange(0, 90)
        self.kept_out.setSuffix(" %")
        self.kept_out.setToolTip("So many exams or patients are kept out of training, to measure the model on")
        self.seed.setRange(0, 999_999)
        self.seed.setToolTip("The same seed splits the same way, and trains the same model")
        self.split_line = WrappedLabel()
        self.split_line.setToolTip(
            "No exam or patient is on two sides. Those that calibrate set the level of the outline; those that report "
            "are touched only to measure the model."
        )
        self.epochs = QSpinBox()
        self.epochs.setRange(1, 1000)
        self.device = QComboBox()
        self.device.addItems(DEVICES)
        self.advanced = Advanced()
        self._lay_out()
        self.data.changed.connect(self._data_changed)
        self.start.currentIndexChanged.connect(self._start_changed)
        for spin in (self.kept_out, self.seed):
            spin.valueChanged.connect(self.refresh)
        self.advanced.name.textChanged.connect(self._name_changed)
        self.advanced.reset.clicked.connect(self.show_defaults)
        self.show_defaults()

    def _lay_out(self) -> None:
        start, split, row = QVBoxLayout(), QVBoxLayout(), QHBoxLayout()
        start.addWidget(self.start)
        start.addWidget(self.start_line)
        row.addWidget(self.kept_out)
        row.addWidget(QLabel("seed"))
        row.addWidget(self.seed)
        row.addStretch()
        split.addLayout(row)
        split.addWidget(self.split_line)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for name, part in (
            ("Data", self.data),
            ("Start from", start),
            ("Keep out", split),
            ("Epochs", self.epochs),
            ("Device", self.device),
        ):
            form.addRow(name, part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.advanced)

    @property
    def task(self) -> str:
        """The task of the data set; empty without one."""
        return self.data.data.task if self.data.data is not None else ""

    def problem(self) -> str:
        """Return why nothing can be trained; nothing where it can."""
        if self.data.data is None:
            return self.data.problem
        if self.start.count() == 0:
            return "No model and no architecture is there to start from."
        if not self.advanced.name.text().strip():
            return "Give the new model a name (Advanced)."
        return split_problem(self.data.data, self.kept_out.value() / 100, self.seed.value())

    def choice(self) -> Choice:
        """Return what is chosen, once there is no `problem`."""
        data, start = self.data.data, self.start.currentData()
        assert data is not None
        assert isinstance(start, Start)
        advanced = self.advanced
        return Choice(
            data,
            start,
            epochs=self.epochs.value(),
            kept_out=self.kept_out.value() / 100,
            seed=self.seed.value(),
            device=self.device.currentText(),
            name=advanced.name.text().strip(),
            out=Path(advanced.out.text() or str(trainings() / advanced.name.text().strip())).expanduser().absolute(),
            learning_rate=advanced.learning_rate.value() or None,
            batch_size=advanced.batch_size.value() or None,
            patience=advanced.patience.value() or None,
        )

    def show_defaults(self) -> None:
        """Bring the engine's defaults back."""
        settings = defaults(self.task or "head", self.start.currentData())
        self.epochs.setValue(settings.epochs)
        self._epochs = settings.epochs
        self.kept_out.setValue(round(100 * settings.kept_out))
        self.seed.setValue(settings.seed)
        self.device.setCurrentIndex(0)
        self.advanced.show_defaults()
        self._start_changed()

    def reload_starts(self) -> None:
        """List what can be started from anew; the choice stays where it can."""
        chosen = self.start.currentData()
        self.start.blockSignals(True)
        self.start.clear()
        for at, entry in enumerate(starts(self.task) if self.task else ()):
            if entry.model is None and at and self.start.itemData(self.start.count() - 1).model is not None:
                self.start.insertSeparator(self.start.count())
            self.start.addItem(entry.title, entry)
            if isinstance(chosen, Start) and _same(entry, chosen):
                self.start.setCurrentIndex(self.start.count() - 1)
        self.start.blockSignals(False)
        self._start_changed()

    def refresh(self) -> None:
        """Say how the data would be split."""
        data = self.data.data
        self.split_line.setText(
            "" if data is None else split_said(data, self.kept_out.value() / 100, self.seed.value())
        )
        self.changed.emit()

    def _data_changed(self) -> None:
        if self.task and self.task != self._task:
            self._task = self.task
            self.show_defaults()
        self.reload_starts()
        self.refresh()

    def _start_changed(self) -> None:
        start = self.start.currentData()
        if not isinstance(start, Start):
            self.start_line.setText("")
            return
        if start.model is None:
            words = ["from the beginning: takes many epochs"]
        else:
            words = card_text.figures(start.model.card) or ["no figures are known of it"]
        self.start_line.setText(" · ".join(words))
        usual = defaults(self.task, start).epochs
        if self.epochs.value() == self._epochs:  # not set by a person
            self.epochs.setValue(usual)
        self._epochs = usual
        if self.advanced.name.text() in ("", self._name):  # not typed by a person
            self._name = new_name(start, self.task)
            self.advanced.name.setText(self._name)
        self.refresh()

    def _name_changed(self) -> None:
        name = self.advanced.name.text().strip()
        self.advanced.out.setPlaceholderText(str(trainings() / name) if name else "")
        self.changed.emit()


class Advanced(QWidget):
    """The choices that fold away."""

    def __init__(self) -> None:
        super().__init__()
        self.learning_rate = QDoubleSpinBox()
        self.learning_rate.setDecimals(6)
        self.learning_rate.setRange(0.0, 0.1)
        self.learning_rate.setSingleStep(0.0005)
        self.batch_size = QSpinBox()
        self.batch_size.setRange(0, 256)
        self.patience = QSpinBox()
        self.patience.setRange(0, 200)
        self.patience.setSuffix(" epochs without gain")
        self.patience.setSpecialValueText("never")
        self.patience.setToolTip("So many epochs without a better validation end the training, and the best is kept")
        for spin in (self.learning_rate, self.batch_size):
            spin.setSpecialValueText("default")
        self.name, self.out = QLineEdit(), QLineEdit()
        self.name.setToolTip("What the new model is called")
        self.out.setToolTip("The folder that gets weights, card, curves and split")
        self.choose = QPushButton("Choose…")
        self.choose.clicked.connect(self._ask)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Bring the defaults back")
        inside = QWidget()
        row = QHBoxLayout()
        row.addWidget(self.out, 1)
        row.addWidget(self.choose)
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Learning rate", self.learning_rate)
        form.addRow("Batch size", self.batch_size)
        form.addRow("Stop early after", self.patience)
        form.addRow("Name", self.name)
        form.addRow("Save to", row)
        form.addRow("", self.reset)
        self.fold = Fold("Advanced", inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(inside)

    def show_defaults(self) -> None:
        """Bring the defaults back."""
        self.learning_rate.setValue(0.0)
        self.batch_size.setValue(0)
        self.patience.setValue(0)
        self.out.clear()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save the training to", str(catalogue.user_folder()))
        if folder:
            self.out.setText(folder)


def _same(one: Start, other: Start) -> bool:
    if one.model is None or other.model is None:
        return one.model is other.model and one.arch == other.arch
    return one.model.folder == other.model.folder
