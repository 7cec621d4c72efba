"""The Measurements dock: one row a frame, in step with the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, QSortFilterProxyModel, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
)

from fetalseg.errors import FetalSegError
from fetalseg.result import State
from napari_fetalseg import _compat, exports, workers
from napari_fetalseg.growth.standing import standing_of
from napari_fetalseg.layers.drawing import drawing_of
from napari_fetalseg.series import ALL, Series, view
from napari_fetalseg.side_by_side import SideBySide
from napari_fetalseg.table_model import COLUMNS, ResultsModel
from napari_fetalseg.widgets import Dock, ErrorBox, LinkLabel, TextDialog, link

if TYPE_CHECKING:
    import napari.viewer

_EMPTY = (
    "<p>No measurements yet.</p><p>Open an ultrasound scan, or an MRI volume, and press <b>Segment</b> in the Segment "
    "dock: each frame, or each lesion, becomes a row here.</p><p>" + link("sample", "Open sample") + "</p>"
)


class MeasurementsWidget(Dock):
    """All results of a viewer as a table.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    BELOW = True

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = _compat.real_viewer(viewer)
        self._drawing = drawing_of(self.viewer)
        self.session = self._drawing.session
        self._busy = False
        self._sized = False
        self._soon = self._timer(200, self._widen)  # columns are measured once after a burst of rows
        self._jobs = workers.Jobs(self)
        self.pictures = SideBySide(self.viewer, self._side_ended)
        self._make_parts()
        self._lay_out()
        self._connect()
        self._refresh()

    def _make_parts(self) -> None:
        self.model = ResultsModel(self.session)
        self.proxy = QSortFilterProxyModel()
        self.proxy.setSourceModel(self.model)
        self.proxy.setSortRole(Qt.ItemDataRole.UserRole)
        self.table = QTableView()
        self.table.setModel(self.proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        rows = self.table.verticalHeader()
        rows.hide()
        rows.setMinimumSectionSize(0)
        rows.setDefaultSectionSize(round(self.fontMetrics().height() * 1.5))
        # Figures to the right beside words to the left would read as one.
        self.table.setStyleSheet("QTableView::item, QHeaderView::section { padding: 0 0.3em; }")
        self.table.horizontalHeader().setStretchLastSection(True)
        self.empty = LinkLabel(sample=self.open_sample)
        self.empty.setText(_EMPTY)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(self.table)
        self.copy_button = QPushButton("Copy")
        self.save_button = QPushButton("Save…")
        self.side_button = QPushButton("Side by side")
        self.side_button.setCheckable(True)
        self.picture_button = QPushButton("Save picture…")
        self.count = QLabel()
        self.follow = QCheckBox("follow selection")
        self.follow.setChecked(True)
        self.error = ErrorBox()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for part in (self.copy_button, self.save_button, self.side_button, self.picture_button):
            row.addWidget(part)
        row.addStretch()
        row.addWidget(self.count)
        row.addWidget(self.follow)
        layout = QVBoxLayout(self)
        sides = layout.contentsMargins()
        layout.setContentsMargins(sides.left(), 0, sides.right(), 0)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.error)
        layout.addLayout(row)

    def _connect(self) -> None:
        session = self.session
        self.copy_button.clicked.connect(self.copy)
        self.save_button.clicked.connect(self._ask_and_save)
        self.side_button.toggled.connect(self._toggle_side)
        self.picture_button.clicked.connect(self._ask_and_save_picture)
        self.table.customContextMenuRequested.connect(self._menu)
        self.table.selectionModel().currentRowChanged.connect(self._row_chosen)
        self.table.clicked.connect(self._row_chosen)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.table)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.copy)
        self._listen(session.added, self._on_added)
        self._listen(session.changed, self._on_changed)
        self._listen(session.removed, self._on_removed)
        self._listen(session.selected, self._on_selected)
        self._listen(session.pregnancies.changed, self._on_growth)
        self._undo.append(self.pictures.stop)
        self._undo.append(self._jobs.drop)

    # Rows

    def chosen(self) -> list[int]:
        """Return the model's rows that are selected, in the table's order."""
        picked = {i.row() for i in self.table.selectionModel().selectedIndexes()}
        return [self.proxy.mapToSource(self.proxy.index(r, 0)).row() for r in sorted(picked)]

    def _all(self) -> list[int]:
        return [self.proxy.mapToSource(self.proxy.index(r, 0)).row() for r in range(self.proxy.rowCount())]

    def _on_added(self, _series: Series, _frames: list[int]) -> None:
        self._quietly(self.model.extend)
        self._reselect()

    def _on_changed(self, series: Series, frames: list[int], _change: str) -> None:
        came: list[bool] = []
        self._quietly(lambda: came.append(self.model.update(series, frames)))
        if came == [True]:
            self._reselect()
        self._refresh()

    def _on_removed(self, _series: Series, _frames: list[int]) -> None:
        self._quietly(self.model.reload)
        self._reselect()

    def _on_growth(self) -> None:
        self._quietly(self.model.growth_changed)
        self._refresh()

    def _reselect(self) -> None:
        """Select the session's row again: rows that came or went took the selection with them."""
        self._refresh()
        if self.session.selection is not None:
            self._on_selected(*self.session.selection, "run")

    def _on_selected(self, series: Series | None, frame: int | None, _chooser: str) -> None:
        if not self.follow.isChecked() or self._busy:
            return
        row = self.model.find(series, frame, self.session.lesion) if series is not None and frame is not None else None
        if row is None:
            self._quietly(self.table.clearSelection)
            return
        index = self.proxy.mapFromSource(self.model.index(row, 0))
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self._quietly(lambda: self.table.selectionModel().setCurrentIndex(index, flags))
        self.table.scrollTo(index)

    def _row_chosen(self, index: Any, _before: Any = None) -> None:
        if self._busy or not index.isValid():
            return
        self._busy = True
        try:
            row = self.proxy.mapToSource(index).row()
            self.session.select(*self.model.row_at(row), "row", self.model.lesion_at(row))
        finally:
            self._busy = False

    def _quietly(self, action: Any) -> None:
        self._busy = True
        try:
            action()
        finally:
            self._busy = False

    def _refresh(self) -> None:
        rows = self.model.rowCount()
        self.pages.setCurrentIndex(1 if rows else 0)
        shown = set(self.model.columns())
        for column in range(len(COLUMNS)):
            self.table.setColumnHidden(column, column not in shown)
        states = [view(self.model.result_at(r), self.model.lesion_at(r)).measurement.state for r in range(rows)]
        doubtful = sum(state is not State.ACCEPT for state in states)
        self.count.setText(f"{rows} row{'s' * (rows != 1)} · {doubtful} to check" if rows else "")
        if rows:
            self._soon.start()
        for button in (self.copy_button, self.save_button, self.side_button, self.picture_button):
            button.setEnabled(bool(rows))
            button.setToolTip("" if rows else "There is no result yet: press Segment first")
        if rows:
            self.copy_button.setToolTip("Copy the selected rows, or all, for a spreadsheet (Ctrl-C)")

    def _widen(self) -> None:
        """Let columns grow with their contents; what a person made wider stays."""
        most = self.fontMetrics().averageCharWidth() * 42
        header = self.table.horizontalHeader()
        for column in range(len(COLUMNS) - 1):
            needed = max(self.table.sizeHintForColumn(column), header.sectionSizeHint(column))
            if self.table.columnWidth(column) < min(needed, most) or not self._sized:
                self.table.setColumnWidth(column, min(needed, most))
        self._sized = True

    # Out

    def copy(self) -> None:
        """Copy the selected rows, or all, as a spreadsheet takes them."""
        rows = self.chosen() or self._all()
        shown = self.model.columns()
        lines = ["\t".join(COLUMNS[c].title for c in shown)]
        lines += ["\t".join(str(self.model.index(r, c).data()) for c in shown) for r in rows]
        QApplication.clipboard().setText("\n".join(lines))

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save measurements", "measurements.csv", "Tables (*.csv)")
        if path:
            self.save(path)

    def save(self, path: str | Path) -> None:
        """Save all rows as the command line's ``measurements.csv``."""
        found = {self.model.result_at(r): self.model.standing_at(r) for r in self._all()}
        self._work(lambda: exports.write_table(path, found))

    def _ask_and_save_picture(self) -> None:
        if self.session.selected_result() is None:
            self.error.show_error(FetalSegError("Click a row first: its picture is the one that is saved."))
            return
        path, _ = QFileDialog.getSaveFileName(self, "Save picture", "side-by-side.png", "Pictures (*.png)")
        if path:
            self.save_picture(path)

    def save_picture(self, path: str | Path) -> None:
        """Save the selected result's picture: original and segmented, with the values below."""
        if self.session.selection is None:
            return
        series, frame = self.session.selection
        result, source = series.results[frame], series.source
        standing = standing_of(self.session.pregnancies, series, result)
        self._work(lambda: exports.write_picture(path, source, result, standing))

    def _work(self, function: Any) -> None:
        self.error.clear()
        self._jobs.call(function, lambda _: None, self.error.show_error)

    # Pictures

    def _toggle_side(self, on: bool) -> None:
        if not on:
            self.pictures.stop()
            return
        rows = self.session.rows()
        selection = self.session.selection or (rows[-1] if rows else None)
        image = selection[0].image() if selection else None
        drawn = self._drawing.ensure(selection[0]) if selection else None
        if drawn is None or image is None or image not in self.viewer.layers:
            self.side_button.setChecked(False)
            self.error.show_error(FetalSegError("The image of this result is closed; open it and segment it again."))
            return
        self.pictures.start(image, drawn.all)

    def _side_ended(self) -> None:
        if self.open:
            self.side_button.setChecked(False)

    def open_sample(self) -> None:
        """Open the first sample."""
        from fetalseg import samples

        try:
            self.viewer.open_sample("napari-fetalseg", Path(samples.names()[0]).stem)
        except (KeyError, FetalSegError, IndexError) as error:
            self.error.show_error(error)

    # The row's menu

    def _menu(self, position: Any) -> None:
        rows = self.chosen()
        if not rows:
            return
        menu = QMenu(self)
        back = menu.addAction("Back to the model's version", lambda: self.revert(rows))
        back.setEnabled(any(self.model.result_at(r).edited for r in rows))
        menu.addAction("Copy row" if len(rows) == 1 else f"Copy {len(rows)} rows", self.copy)
        menu.addAction("Show provenance", lambda: self.show_provenance(rows[0]))
        menu.addSeparator()
        menu.addAction("Delete", lambda: self.delete(rows))
        menu.popup(self.table.viewport().mapToGlobal(position))

    def revert(self, rows: Sequence[int]) -> None:
        """Go back to the model's version of some rows."""
        for series, frame in dict.fromkeys(self.model.row_at(r) for r in rows):
            self.session.revert(series, frame)

    def delete(self, rows: Sequence[int]) -> None:
        """Delete some rows with their masks and ellipses; a lesion is erased from its mask."""
        chosen: dict[Series, list[int]] = {}
        erased: dict[Series, list[str]] = {}
        for row in rows:
            (series, frame), lesion = self.model.row_at(row), self.model.lesion_at(row)
            if lesion in ("", ALL):
                chosen.setdefault(series, []).append(frame)
            else:
                erased.setdefault(series, []).append(lesion)
        for series, frames in chosen.items():
            self.session.delete(series, frames)
        for series, lesions in erased.items():
            if series not in chosen:
                self.session.erase(series, lesions)

    def show_provenance(self, row: int) -> None:
        """Show where a row's numbers come from."""
        told = exports.provenance(self.model.result_at(row), self.model.standing_at(row))
        TextDialog("Provenance", told, self).show()
