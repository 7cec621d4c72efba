"""Tools beside napari's brush that correct the mask of the selected result, each one step that Ctrl-Z undoes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from fetalseg.errors import FetalSegError
from fetalseg.geometry import mask_tools
from napari_fetalseg import _compat, keys, mask_edit, workers
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.layers.image import current_frame, show_frame, view_problem
from napari_fetalseg.mask_edit import TOOLS, Plan, Target, Tool
from napari_fetalseg.mask_points import OutlinePoints
from napari_fetalseg.session import Session
from napari_fetalseg.widgets import AMBER, Dock, ErrorBox, LinkLabel, link

if TYPE_CHECKING:
    import napari.viewer

# More presses than these are not kept while one is computed: a key that is held down must not run on.
_WAITING = 4
_COLUMNS = 3


class MaskTools(Dock):
    """The tools as buttons, for the selected result.

    It may stand alone, or within another dock, which then calls `release` when it is closed.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session, optional
        The viewer's own by default.
    keys_in : QWidget, optional
        The dock that it stands in: there the keys work as well. By default it is a dock of its own.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, session: Session | None = None, keys_in: QWidget | None = None
    ) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self._drawing = drawing_of(self.viewer)
        self.session = session or self._drawing.session
        self._waiting: list[Tool] = []
        self._jobs = workers.Jobs(self)
        self._labels: Any = None
        self._shown: Any = None
        self._embedded = keys_in is not None
        self.points = OutlinePoints(self.viewer, self._say, self.finish_points, self.cancel_points, self._points_gone)
        self._make_parts()
        self._lay_out()
        self._connect(keys_in or self)
        self.refresh()

    def place(self) -> None:
        """Stand with the other docks; within one of them, stay there."""
        if not self._embedded:
            super().place()

    def _make_parts(self) -> None:
        self.buttons = {tool.name: QPushButton(tool.label) for tool in TOOLS}
        self.top = QStackedWidget()
        self.top.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.what = QLabel()
        self.step = QSpinBox()
        self.step.setRange(1, 50)
        self.step.setPrefix("by ")
        self.step.setSuffix(" px")
        self.step.setToolTip("How far Grow and Shrink move the edge, in pixels of their longer side")
        self.everywhere = QCheckBox("all slices")
        self.everywhere.setToolTip(
            "Grow, Shrink, Smooth, Fill and Largest change all slices of the volume, not only the one on the screen"
        )
        self.finish = QPushButton("Finish (Enter)")
        self.cancel = QPushButton("Cancel (Escape)")
        self.said = LinkLabel(keys=self.show_keys)
        self.error = ErrorBox()

    def _lay_out(self) -> None:
        pages = (self.what, self.everywhere, self.step), (self.finish, self.cancel)
        for parts in pages:  # one in place of the other: nothing moves
            page = QWidget()
            row = QHBoxLayout(page)
            row.setContentsMargins(0, 0, 0, 0)
            for part in parts:
                row.addWidget(part, int(part is not self.step and part is not self.everywhere))
            self.top.addWidget(page)
        grid = QGridLayout()
        for number, button in enumerate(self.buttons.values()):
            grid.addWidget(button, *divmod(number, _COLUMNS))
        layout = QVBoxLayout(self)
        if self._embedded:
            layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.top)
        layout.addLayout(grid)
        layout.addWidget(self.said)
        layout.addWidget(self.error)

    def _connect(self, keys_in: QWidget) -> None:
        for tool in TOOLS:
            self.buttons[tool.name].clicked.connect(partial(self.use, tool.name))
        self.finish.clicked.connect(self.finish_points)
        self.cancel.clicked.connect(self.cancel_points)
        self._ends = [self._shortcut(key, self.finish_points, keys_in) for key in ("Return", "Enter")]
        self._ends.append(self._shortcut("Escape", self.cancel_points, keys_in))
        self._undo.append(keys.bind(self.viewer, keys_in, {t.key: partial(self.use, t.name) for t in TOOLS}))
        session, dims = self.session, self.viewer.dims.events
        for signal in (session.added, session.changed, session.removed):
            self._listen(signal, self.refresh)
        self._listen(session.selected, self._on_selected)
        for event in (dims.current_step, dims.ndisplay, dims.order):
            self._listen(event, self.refresh)
        self._undo += [self.points.stop, self._forget_labels, self._drop_jobs]
        self._undo += [partial(shortcut.setEnabled, False) for shortcut in self._ends]

    def _shortcut(self, key: str, action: Callable[[], Any], where: QWidget) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), where)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(action)
        shortcut.setEnabled(False)
        return shortcut

    # What is edited

    def problem(self) -> str:
        """Why no tool can be used; nothing when they can."""
        if self.session.selection is None:
            if self.session.series:
                return "There is no result on the screen: segment this frame first, or click a row of the table."
            return "There is no result yet: open an image and press Segment."
        if words := view_problem(self.viewer):
            return words
        series = self.session.selection[0]
        drawn = self._drawing.layers_of(series)
        if drawn is not None and drawn.mask.layer.data.shape != series.geometry.shape:
            return "The mask has another shape than the image; segment it again."
        return ""

    def problem_of(self, name: str) -> str:
        """Why one of the tools can't be used now; nothing when it can."""
        if words := self.problem():
            return words
        assert self.session.selection is not None
        if self.points.active and name != "points":
            return "Finish the points first (Enter), or cancel them (Escape)."
        series, frame = self.session.selection
        measured = series.results[frame].measurement
        if name in ("to_mask", "to_ellipse") and series.settings.task == "tumour":
            return "A lesion is measured by its diameters; it has no ellipse."
        if name == "to_mask" and measured.ellipse is None:
            return "There is no ellipse that could become the mask."
        if name in ("interpolate", "carry") and series.geometry.frames == 1:
            return "The image has a single frame."
        return ""

    def target(self) -> Target:
        """Return what the tools edit.

        Raises
        ------
        FetalSegError
            If there is nothing to edit.
        """
        if words := self.problem():
            raise FetalSegError(words)
        assert self.session.selection is not None
        series, frame = self.session.selection
        drawn = self._drawing.ensure(series)
        if drawn is None:
            raise FetalSegError("The image of this result is closed; open it and segment it again.")
        layer = drawn.mask.layer
        plane = current_frame(self.viewer, layer, series.geometry) if series.volume else frame
        lesion = int(layer.selected_label) if series.settings.task == "tumour" else 1
        if lesion < 1:
            raise FetalSegError("Choose a lesion first: click its row, or pick it with napari's picker (L).")
        return Target(series, plane, layer, lesion)

    def _on_selected(self, series: Any, frame: Any, _chooser: str) -> None:
        """The lesion of the row is the brush's, and so the tools'."""
        if (series, frame) != self._shown:  # what was said is about another one
            self._shown = (series, frame)
            self._say("")
        drawn = self._drawing.layers_of(series) if series is not None else None
        layer = drawn.mask.layer if drawn is not None else None
        if layer is not self._labels:
            self._forget_labels()
            if layer is not None:
                self._labels = layer
                layer.events.selected_label.connect(self.refresh)
        if layer is not None and self.session.lesion.isdigit():
            layer.selected_label = int(self.session.lesion)
        if self.points.active:
            self.cancel_points()
        self.refresh()

    def _forget_labels(self) -> None:
        labels, self._labels = self._labels, None
        if labels is not None:
            labels.events.selected_label.disconnect(self.refresh)

    # Using a tool

    @property
    def busy(self) -> bool:
        """Whether a tool is at work."""
        return self._jobs.busy or bool(self._waiting)

    def use(self, name: str, _checked: bool = False) -> None:
        """Use a tool on the selected result."""
        if not self.open:
            return
        self.error.clear()
        if words := self.problem_of(name):
            self._warn(words)
        elif len(self._waiting) < _WAITING:
            self._waiting.append(next(tool for tool in TOOLS if tool.name == name))
            self._next()

    def _next(self) -> None:
        """Start the next tool that waits: each sees what the one before it made."""
        while self._waiting and not self._jobs.busy:
            tool = self._waiting.pop(0)
            try:
                plan = self._plan(tool.name, self.target())
            except FetalSegError as error:
                self._warn(str(error))
                continue
            if plan is not None:
                self._run(tool, plan)

    def _plan(self, name: str, target: Target) -> Plan | None:
        """Return what a tool does to the mask; None where the session does it, or points are to be clicked first."""
        series, result = target.series, target.result
        whole = series.volume and self.everywhere.isChecked()
        tool = {"smooth": mask_tools.smooth, "fill": mask_tools.fill_holes, "largest": mask_tools.keep_largest}
        if name in ("grow", "shrink"):
            by = mask_edit.step(target, self.step.value())
            return mask_edit.local(target, getattr(mask_tools, name), by, everywhere=whole)
        if name in tool:
            return mask_edit.local(target, tool[name], everywhere=whole, spaced=name == "smooth")
        if name == "interpolate":
            return mask_edit.interpolated(target)
        if name == "carry":
            return mask_edit.carried(target)
        if name == "points":
            self._toggle_points(target)
        elif name == "to_ellipse" and result.origin != "ellipse":
            self._say("The ellipse is that of the mask already.")
        elif name == "to_ellipse":
            self.session.ellipse_from_mask(series, target.frame)
            self._say("The ellipse is that of the mask again. Ctrl-Z takes it back.")
        elif series.volume and result.measurement.ellipse is not None and result.measurement.slice is not None:
            return mask_edit.from_ellipse(target, result.measurement.ellipse, result.measurement.slice)
        else:
            self.session.ellipse_to_mask(series, target.frame)
            self._say("The ellipse is the mask. Ctrl-Z takes it back.")
        return None

    def _run(self, tool: Tool, plan: Plan) -> None:
        before = plan.target.read(plan.planes)

        def done(after: Any) -> None:
            if self.open and plan.target.series in self.session.series:
                changed = plan.target.write(plan.planes, before, after)
                if plan.show is not None:
                    show_frame(self.viewer, plan.target.layer, plan.target.series.geometry, plan.show)
                many = f"{changed} pixel{'s' * (changed != 1)} changed"
                words = f"{many}. Ctrl-Z takes it back." if changed else "nothing to change."
                self._say(f"{tool.text}: {words}")

        def end(_how: workers.End, error: Exception | None) -> None:
            if isinstance(error, FetalSegError):
                self._warn(str(error))
            elif error is not None:
                self.error.show_error(error)
            self._next()

        def make(_token: workers.Token) -> Any:
            yield plan.compute(before)

        self._jobs.start(make, done, end)

    def _drop_jobs(self) -> None:
        self._waiting.clear()
        self._jobs.drop()

    # Points

    def _toggle_points(self, target: Target) -> None:
        if self.points.active:
            self.finish_points()
        else:
            self.points.start(target.series.geometry, target.pixel)
            self.refresh()

    def finish_points(self) -> None:
        """Make the ellipse through the points the mask; stay with the points where there is none."""
        if not self.points.active:
            return
        try:
            ellipse, plane = self.points.ellipse(), self.points.plane()
            target = self.target()
            if not target.series.volume and plane not in target.series.results:
                raise FetalSegError(f"Frame {plane} has no result yet: segment it first.")
        except FetalSegError as error:
            self._warn(str(error))
            return
        self.points.stop()
        self.refresh()
        tool = next(tool for tool in TOOLS if tool.name == "points")
        if target.series.volume:
            self._run(tool, mask_edit.from_ellipse(target, ellipse, plane))
        else:
            self.session.ellipse_to_mask(target.series, plane, ellipse)
            self._say("The ellipse through the points is the mask. Ctrl-Z takes it back.")

    def cancel_points(self) -> None:
        """Leave the points; nothing changes."""
        if self.points.active:
            self.points.stop()
            self._points_gone()

    def _points_gone(self) -> None:
        if self.open:
            self.refresh()
            self._say("Cancelled; nothing changed.")

    # What is shown

    def refresh(self, *_: Any) -> None:
        """Bring the buttons to what is selected."""
        if not self.open:
            return
        problem = self.problem()
        for tool in TOOLS:
            why = self.problem_of(tool.name)
            self.buttons[tool.name].setEnabled(not why)
            self.buttons[tool.name].setToolTip(why or f"{tool.tip} ({tool.key})")
        volume = self.session.selection is not None and self.session.selection[0].volume
        self.everywhere.setVisible(volume)
        for part in (self.step, self.everywhere):
            part.setEnabled(not problem)
        self.top.setCurrentIndex(int(self.points.active))
        for shortcut in self._ends:
            shortcut.setEnabled(self.points.active)
        self.what.setText("" if problem else self._what())
        if problem or self._told_problem:
            self._warn(problem) if problem else self._say("")
        self._told_problem = bool(problem)

    _told_problem = False

    def _what(self) -> str:
        """What the tools change: a lesion, a head's frame, a brain's slice."""
        assert self.session.selection is not None
        series, _ = self.session.selection
        if series.settings.task != "tumour":
            return series.title
        label = self._labels.selected_label if self._labels is not None else 1
        return f"Lesion {label}" if label else "No lesion chosen"

    def _say(self, sentence: str) -> None:
        self.said.setText(f"{sentence} {link('keys', 'Keys')}" if sentence else link("keys", "Keys"))

    def _warn(self, sentence: str) -> None:
        self.said.setText(f"<span style='color:{AMBER}'><b>!</b></span> {sentence} {link('keys', 'Keys')}")

    def show_keys(self) -> None:
        """Show the plugin's keys."""
        keys.show(self)
