"""The Segment dock: pick an image, press Segment."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from fetalseg import RESEARCH, tasks
from fetalseg.errors import FetalSegError
from fetalseg.settings import SegmentSettings
from napari_fetalseg import _compat, keys, preferences, workers
from napari_fetalseg.advanced import Advanced
from napari_fetalseg.extent import Extent
from napari_fetalseg.image_choice import ImageChoice
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.layers.image import Geometry, current_frame, view_problem
from napari_fetalseg.model_choice import ModelChoice
from napari_fetalseg.result_panel import ResultPanel
from napari_fetalseg.scale_panel import ScalePanel, scale_words
from napari_fetalseg.volume_panel import VolumePanel
from napari_fetalseg.widgets import Dock, ErrorBox, LinkLabel, WrappedLabel, link, primary_style

if TYPE_CHECKING:
    import napari.viewer


class SegmentWidget(Dock):
    """Segment and measure an image layer.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self._drawing = drawing_of(self.viewer)
        self.session = session = self._drawing.session
        self._where = "model loads at the first run"
        self._target = tasks.NAMES[0]
        self._make_parts()
        self._lay_out()
        self._connect()
        workers.when_destroyed(self, session.close)
        self._fill_models()
        self.reset_choices()

    # Building

    def _make_parts(self) -> None:
        self.image = ImageChoice(self.viewer)
        self.targets = QButtonGroup(self)
        self._target_buttons = [QRadioButton(tasks.get(name).TITLE) for name in tasks.NAMES]
        for i, button in enumerate(self._target_buttons):
            button.setChecked(i == 0)
            self.targets.addButton(button, i)
        self.model = ModelChoice()
        self.scale_line = WrappedLabel()
        self.scale_source = WrappedLabel()
        for label in (self.scale_line, self.scale_source):
            label.setTextFormat(Qt.TextFormat.RichText)
        self.change = QPushButton("Change…")
        self.change.setCheckable(True)
        self.scale = ScalePanel(self.viewer, self.session)
        self.scale.hide()
        self.extent = Extent(self.viewer)
        self.this_frame, self.all_frames = self.extent.this_frame, self.extent.all_frames
        self.advanced = Advanced()
        self.button = QPushButton("Segment   (Shift-S)")
        self.reason = WrappedLabel()
        self.reason.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = QProgressBar()
        keep = self.progress.sizePolicy()
        keep.setRetainSizeWhenHidden(True)  # nothing moves when it appears
        self.progress.setSizePolicy(keep)
        self.progress.hide()
        self.status = LinkLabel(keys=self.show_keys)
        self.error = ErrorBox()
        self.result = ResultPanel(self.session)
        self.volume = VolumePanel(self.viewer, self._drawing, self.error)

    def _lay_out(self) -> None:
        find = QVBoxLayout()
        for button in self._target_buttons:
            find.addWidget(button)
        scale = QVBoxLayout()
        known = QHBoxLayout()
        known.addWidget(self.scale_line, 1)
        known.addWidget(self.change)
        scale.addLayout(known)
        scale.addWidget(self.scale_source)
        self.form = form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows = {"Image": self.image, "Find": find, "Model": self.model, "Scale": scale, "": self.scale}
        rows |= {"Frames": self.extent, "Specks": self.advanced.smallest}
        for name, part in rows.items():
            if name:
                form.addRow(name, part)
            else:
                form.addRow(part)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addLayout(form)
        for part in (self.advanced, self.button, self.reason, self.progress, self.error, self.result, self.volume):
            layout.addWidget(part)
        layout.addStretch()
        layout.addWidget(self.status)
        self._fill(inside)

    def _connect(self) -> None:
        session, layers = self.session, self.viewer.layers
        self.button.clicked.connect(self.press)
        self.result.growth.clicked.connect(self.show_growth)
        self.image.currentIndexChanged.connect(self._image_changed)
        self.model.changed.connect(self._model_changed)
        self.targets.idClicked.connect(self._target_changed)
        self.change.toggled.connect(self._show_scale)
        self.advanced.reset.clicked.connect(self._reset)
        for signal in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            self._listen(signal, self.reset_choices)
        self._listen(layers.selection.events.active, self._follow_active)
        self._listen(self.viewer.dims.events.current_step, self._refresh)
        self._listen(self.viewer.dims.events.ndisplay, self._refresh)
        self._listen(self.viewer.dims.events.order, self._refresh)
        self._listen(self.viewer.events.theme, self._on_theme)
        self._on_theme()
        self._listen(session.started, self._on_started)
        self._listen(session.loaded, self._on_loaded)
        self._listen(session.progressed, self._on_progress)
        self._listen(session.ended, self._on_ended)
        self._listen(session.failed, self._on_failed)
        self._listen(session.told, self._on_told)
        self._listen(session.spacing_changed, self._on_spacing)
        self._listen(session.models_changed, self._fill_models)
        self._listen(session.selected, self._on_selected)
        for signal in (session.selected, session.changed, session.removed, session.added):
            self._listen(signal, self.result.refresh)
            self._listen(signal, self.volume.refresh)
        self._listen(self.viewer.dims.events.ndisplay, self.volume.refresh)
        actions = {"Shift-S": self.press, "Shift-E": self.result.convert, "Shift-M": self.result.go_back}
        actions["Shift-G"] = self.show_growth
        self._undo.append(keys.bind(self.viewer, self, actions))
        self._undo.append(session.cancel)
        self._undo.append(self.scale.remove_line)
        self._undo.append(self.volume.stop)

    # What is chosen

    @property
    def task(self) -> str:
        """The chosen target's task."""
        return tasks.NAMES[max(self.targets.checkedId(), 0)]

    @property
    def layer(self) -> Any | None:
        """The chosen image layer."""
        return self.image.layer

    @property
    def card(self) -> Any | None:
        """The chosen model's card."""
        return self.model.card

    def settings(self) -> SegmentSettings:
        """Return what is set."""
        return self.advanced.settings(self.task, self.model.name)

    def reset_choices(self, _event: Any = None) -> None:
        """List the image layers anew; the choice stays where it can."""
        if not self.open:
            return
        if self.image.reload():
            self._image_changed()
        else:
            self._refresh()

    def _follow_active(self, event: Any) -> None:
        self.image.choose(event.value)

    def _image_changed(self, _index: int = 0) -> None:
        self.scale.show_layer(self.layer, self.takes_volume)
        series = self._drawing.series_of(self.layer) if self.layer is not None else None
        selected = self.session.selection
        if series is not None and (selected is None or selected[0].image() is not self.layer):
            frame = self._drawing.frame_of(series)
            self.session.select(series, frame, "frame")
        self._refresh()

    @property
    def takes_volume(self) -> bool:
        """Whether the chosen target is looked for in a volume as a whole."""
        return bool(tasks.get(self.task).VOLUME)

    def _target_changed(self, _index: int = 0) -> None:
        if self.task == self._target:  # clicked again
            return
        self._target = self.task
        self.extent.set_volume(self.takes_volume)
        self.form.labelForField(self.extent).setText(self.extent.title)
        self.scale.show_layer(self.layer, self.takes_volume)
        self._fill_models()

    def _fill_models(self, task: str = "") -> None:
        if task not in ("", self.task):  # a model of another task came or went
            return
        kept = preferences.load(self.task)
        self.advanced.show_task(self.task)
        self.form.setRowVisible(self.advanced.smallest, self.task == "tumour")
        self.advanced.show_settings(kept)
        self.model.show_task(self.task, kept.model)

    def _model_changed(self) -> None:
        self.advanced.show_level(self.card.level if self.card is not None else 0.5)
        self._refresh()

    def _reset(self) -> None:
        self.model.show_task(self.task)
        self.advanced.show_settings(SegmentSettings(task=self.task))
        preferences.save(SegmentSettings(task=self.task))

    def _show_scale(self, on: bool) -> None:
        self.scale.setVisible(on)
        if on:
            self.scale.show_layer(self.layer, self.takes_volume)
        else:
            self.scale.remove_line()

    # Running

    def press(self) -> None:
        """Segment, or cancel."""
        if not self.open:
            return
        if self.session.running:
            self.button.setEnabled(False)
            self.button.setText("Stopping…")
            self.session.cancel()
            return
        if self._problem():
            self._refresh()
            return
        layer, settings = self.layer, self.settings()
        self.error.clear()
        try:
            geometry = Geometry.of(layer)
            shown = current_frame(self.viewer, layer, geometry)
            preferences.save(settings)
            if self.takes_volume:
                self.session.segment_volume(layer, settings, self.extent.slices(shown))
            else:
                self.session.segment(layer, settings, self.extent.frames(geometry.frames, shown), shown)
        except FetalSegError as error:
            self.error.show_error(error)

    def _problem(self) -> str:
        """Why Segment can't be pressed; nothing when it can."""
        if self.layer is None:
            return "Open an image first: File > Open, or File > Open Sample > FetalSeg."
        return self.model.problem() or view_problem(self.viewer) or ""

    def _refresh(self, _event: Any = None) -> None:
        """Bring scale, frames, button and status to what is chosen."""
        if not self.open:
            return
        spacing, source = scale_words(self.session, self.layer, self.takes_volume)
        self.scale_line.setText(spacing)
        self.scale_source.setText(source)
        self.extent.refresh(self.layer)
        if not self.session.running:
            problem = self._problem()
            self.button.setEnabled(not problem)
            self.button.setText("Segment   (Shift-S)")
            self.button.setToolTip(problem or "Segment and measure (Shift-S)")
            self.reason.setText(problem)
            self.reason.setVisible(bool(problem))
        name = f"{self.card.name} {self.card.version}" if self.card is not None else "no network"
        where = self._where if self.card is None or self.card.name in self._where else f"{name} · {self._where}"
        small = f"<small>{RESEARCH} {link('keys', 'Keys')}</small>"
        self.status.setText(f"{html.escape(where)} · {spacing}<br>{small}")

    # Hearing the session

    def _on_started(self, _series: Any, _frames: int) -> None:
        self.button.setText("Cancel   (Shift-S)")
        self.button.setEnabled(True)
        self.progress.setRange(0, 0)
        self.progress.setFormat("")
        self.progress.show()
        self.status.setText("Loading the model …")

    def _on_loaded(self, text: str) -> None:
        self._where = text
        self._refresh()

    def _on_progress(self, done: int, total: int, seconds: float) -> None:
        words = f"{done} of {total}" + (" slices" if self.takes_volume else "")
        if 0 < done < total:
            each = seconds / done
            words += f" · {each:.1f} s each · {each * (total - done):.0f} s left"
        # A bar that changes repaints the whole window at once; so it is painted with the rest, later.
        self.progress.setUpdatesEnabled(False)
        self.progress.setRange(0, total)
        self.progress.setFormat(words)
        self.progress.setValue(done)
        self.progress.setUpdatesEnabled(True)

    def _on_ended(self, how: str) -> None:
        self.progress.hide()
        self._refresh()
        if how == "cancelled":
            self._on_told("Stopped. What was finished is kept.")

    def _on_failed(self, error: Exception) -> None:
        self.error.show_error(error)

    def _on_told(self, sentence: str) -> None:
        if self._problem():
            return  # what to do next stays legible
        self.reason.setText(sentence)
        self.reason.show()

    def _on_selected(self, series: Any, _frame: Any, chooser: str) -> None:
        if chooser == "row" and series is not None:
            self.image.choose(series.image())  # what is looked at is what Segment would take

    def _on_theme(self, _event: Any = None) -> None:
        self.button.setStyleSheet(primary_style(self.viewer.theme))

    def _on_spacing(self, layer: Any) -> None:
        if layer is self.layer:
            self.error.clear()
            self.scale.show_layer(layer, self.takes_volume)
            self._refresh()

    def show_growth(self) -> None:
        """Open the Growth dock."""
        from napari_fetalseg.actions import open_growth

        open_growth(self.viewer)

    def show_keys(self) -> None:
        """Show the keys."""
        keys.show(self)
