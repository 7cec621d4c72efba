"""The selected result, large, with what to do about it. Part of the Segment dock."""

from __future__ import annotations

import html
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from fetalseg import tasks
from fetalseg.result import Result
from napari_fetalseg import wording
from napari_fetalseg.series import ALL, Series, view
from napari_fetalseg.session import Session
from napari_fetalseg.widgets import WrappedLabel


class ResultPanel(QWidget):
    """HC, or a volume, with its interval and state, the other values, and one sentence when there is a doubt.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.headline = WrappedLabel()
        self.values = WrappedLabel()
        self.doubts = WrappedLabel()
        self.to_mask = QPushButton("Ellipse → mask")
        self.to_mask.setToolTip("Make the ellipse the mask, as one step that Ctrl-Z undoes (Shift-E)")
        self.revert = QPushButton("Model's version")
        self.revert.setToolTip("Go back to what the model found in this frame (Shift-M)")
        self.to_mask.clicked.connect(self.convert)
        self.revert.clicked.connect(self.go_back)
        self.growth = QPushButton("Growth…")
        self.growth.setToolTip("Where this head stands on a growth chart (Shift-G)")
        buttons = QHBoxLayout()
        for button in (self.to_mask, self.revert, self.growth):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.headline, self.values, self.doubts):
            layout.addWidget(part)
        layout.addLayout(buttons)
        self.refresh()

    def convert(self) -> None:
        """Make the selected ellipse the mask."""
        if self._session.selection is not None and not self._session.selection[0].volume:
            self._session.ellipse_to_mask(*self._session.selection)

    def go_back(self) -> None:
        """Go back to the model's version."""
        if self._session.selection is not None:
            self._session.revert(*self._session.selection)

    def refresh(self, *_: Any) -> None:
        """Show the selected result."""
        result = self._session.selected_result()
        volume = result is not None and bool(tasks.get(result.task).VOLUME)
        self.to_mask.setVisible(not volume)
        self.growth.setVisible(not volume)
        self.growth.setEnabled(result is not None and result.task == "head" and result.measurement.found)
        self.to_mask.setEnabled(result is not None and result.measurement.found)
        self.revert.setEnabled(result is not None and result.edited)
        self.revert.setToolTip(f"Go back to what the model found in this {'volume' if volume else 'frame'} (Shift-M)")
        if result is None:
            self.headline.setText("")
            self.values.setText(
                "No result yet: press Segment." if not self._session.series else "Nothing found here yet."
            )
            self.doubts.setText("")
            return
        assert self._session.selection is not None
        series, frame = self._session.selection
        row = view(result, self._session.lesion)
        color = wording.STATES[row.measurement.state][0]
        self.headline.setText(
            f"<span style='font-size:large; font-weight:600'>{_headline(row)}</span>"
            f"&nbsp;&nbsp;<span style='font-size:medium; font-weight:600; color:{color}'>{wording.state(row)}</span>"
        )
        where = html.escape(_where(series, frame, self._session.lesion))
        self.values.setText(f"{_values(row)}<br>{where}{_origin(row)}")
        self.doubts.setText(html.escape(wording.doubts(row)))

    def text(self) -> str:
        """Return what is shown, as plain text."""
        from qtpy.QtGui import QTextDocument

        document = QTextDocument()
        document.setHtml(f"{self.headline.text()}<br>{self.values.text()}<br>{self.doubts.text()}")
        return document.toPlainText()


def _headline(result: Result) -> str:
    if result.task == "head":
        return f"HC {wording.value(result, 'hc')}" if result.measurement.found else "No head found"
    nothing = "No tumour found" if result.task == "tumour" else "No brain found"
    return wording.value(result, "volume") if wording.number(result, "volume") else nothing


def _values(result: Result) -> str:
    """The other values, in a line or two."""
    if result.task != "tumour":
        names = ("bpd", "ofd", "ci") if result.task == "head" else ("hc", "bpd", "ofd", "ci")
        return " · ".join(f"{n.upper()} {wording.value(result, n)}" for n in names)
    if not wording.number(result, "volume"):
        return ""
    found = result.measurement
    lines = f"{wording.diameters(result)} on slice {found.slice}"
    if found.parts:
        count = len(found.parts)
        lines = f"{count} lesion{'s' * (count > 1)} · {'largest ' if count > 1 else ''}{lines}"
    product = f"product {wording.value(result, 'product')}"
    return f"{lines}<br>{product}<br>measurable by RANO: {wording.measurable(result)}"


def _where(series: Series, frame: int, lesion: str) -> str:
    if series.volume:
        return series.title if lesion in ("", ALL) else f"{series.title}, lesion {lesion}"
    return series.title if series.geometry.frames == 1 else f"{series.title}, frame {frame}"


def _origin(result: Result) -> str:
    words = wording.edited(result)
    if not words:
        return ""
    quantity = "hc" if result.task == "head" else "volume"
    was = wording.value(result.original, quantity) if result.original.spacing == result.spacing else ""
    return f" · <i>{words}</i>" + (f" (model: {was})" if was and was != wording.UNKNOWN else "")
