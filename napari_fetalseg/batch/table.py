"""The table of the Batch dock: of each scan its picture, state, name and size, and below them what to look at."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette, QTextLayout, QTextOption
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from fetalseg.report.page.folder import Case
from fetalseg.report.page.pictures import THUMBNAIL
from napari_fetalseg.batch.rows import ABOUT, PICTURE, Rows, sentence, size, state

_LINES = 3  # of text in a row: one of what it is, two of its sentence
_WIDTH = 64  # characters


class Table(QTableView):
    """Shows rows; a click, or Enter, asks for the scan.

    Signals
    -------
    asked(Case)
    """

    asked = Signal(object)

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows
        self.setModel(rows)
        self.setAccessibleName("Scans of the run")
        self.setItemDelegateForColumn(ABOUT, _About(self))
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.horizontalHeader().hide()
        self.verticalHeader().hide()
        self._measure()
        self.clicked.connect(self._ask)
        self.activated.connect(self._ask)

    def _measure(self) -> None:
        """Take heights and widths from the font."""
        metrics = self.fontMetrics()
        height, pad = metrics.lineSpacing() * _LINES, metrics.averageCharWidth()
        picture = QSize(round(height * THUMBNAIL[0] / THUMBNAIL[1]), height)
        self._rows.thumbs.size, self._rows.thumbs.ratio = picture, self.devicePixelRatioF()
        # Of one height all: only then are ten thousand rows laid out at once.
        self.verticalHeader().setMinimumSectionSize(0)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(height + pad)
        self.horizontalHeader().setMinimumSectionSize(pad)
        self.horizontalHeader().setSectionResizeMode(PICTURE, QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setSectionResizeMode(ABOUT, QHeaderView.ResizeMode.Stretch)
        self.setColumnWidth(PICTURE, picture.width() + pad)
        self.setMinimumSize(pad * _WIDTH, 4 * (height + pad))

    def case_at(self, index: Any) -> Case:
        """Return the case of a row."""
        return self._rows.cases[index.row()]

    def _ask(self, index: Any) -> None:
        self.asked.emit(self.case_at(index))


class _About(QStyledItemDelegate):
    """Draws what stands beside the picture."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        self.initStyleOption(option, index)
        option.text = ""
        style, view = option.widget.style(), option.widget
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, view)
        case: Case = index.data(Qt.ItemDataRole.UserRole)
        metrics, pad = option.fontMetrics, option.fontMetrics.averageCharWidth()
        place = option.rect.adjusted(pad // 2, pad // 2, -pad, -pad // 2)
        line = QRect(place.left(), place.top(), place.width(), metrics.lineSpacing())
        word, colour = state(case)
        painter.save()
        painter.setPen(QColor(colour))
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, word)
        painter.setPen(option.palette.color(QPalette.ColorRole.Text))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, size(case))
        left, right = (metrics.horizontalAdvance(text) + pad for text in (word, size(case)))
        line.adjust(left, 0, -right, 0)
        name = metrics.elidedText(case.name, Qt.TextElideMode.ElideMiddle, line.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, name)
        below = place.adjusted(0, metrics.lineSpacing(), 0, 0)
        _wrapped(painter, below, sentence(case), option)
        painter.restore()


def _wrapped(painter: QPainter, place: QRect, text: str, option: QStyleOptionViewItem) -> None:
    """Draw a sentence in the lines that there is room for; the last one is cut off with dots."""
    layout = QTextLayout(text, option.font)
    layout.setTextOption(QTextOption(Qt.AlignmentFlag.AlignLeft))
    height, top = option.fontMetrics.lineSpacing(), place.top()
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(place.width())
        last = top + 2 * height > place.bottom() + 1
        shown = text[line.textStart() :] if last else text[line.textStart() :][: line.textLength()]
        if last:
            shown = option.fontMetrics.elidedText(shown, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(QRect(place.left(), top, place.width(), height), Qt.AlignmentFlag.AlignLeft, shown)
        top += height
        if last:
            break
    layout.endLayout()
