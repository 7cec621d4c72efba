"""The models there are: remove one of your own, make the bundled one the default again."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from fetalseg import tasks
from fetalseg.models import catalogue
from napari_fetalseg import card_text, workers
from napari_fetalseg.fold import Fold
from napari_fetalseg.image_choice import narrow
from napari_fetalseg.session import Session
from napari_fetalseg.widgets import ErrorBox, LinkLabel, TextDialog, WrappedLabel, link


class ModelsPanel(QWidget):
    """Folded at first.

    Parameters
    ----------
    session : Session
        Is told what changed.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._jobs = workers.Jobs(self)
        self.list = QComboBox()
        narrow(self.list)
        self.line = LinkLabel(card=self._show_card)
        self.remove_button, self.restore_button = QPushButton("Remove model"), QPushButton("Restore bundled")
        self.restore_button.setToolTip("The model that came with the plugin is the default again; yours stay")
        self.said = WrappedLabel()
        self.error = ErrorBox()
        inside = QWidget()
        buttons = QHBoxLayout()
        buttons.addWidget(self.remove_button)
        buttons.addWidget(self.restore_button)
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(0, 0, 0, 0)
        for part in (self.list, self.line):
            rows.addWidget(part)
        rows.addLayout(buttons)
        rows.addWidget(self.said)
        rows.addWidget(self.error)
        self.fold = Fold("Models", inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(inside)
        self.fold.toggled.connect(self.reload)
        self.list.currentIndexChanged.connect(self._show)
        self.remove_button.clicked.connect(self.remove)
        self.restore_button.clicked.connect(self.restore)
        self.reload()

    @property
    def model(self) -> catalogue.Model | None:
        """The chosen model."""
        return self.list.currentData()  # type: ignore[no-any-return]

    def reload(self, _on: Any = None) -> None:
        """List the models anew."""
        chosen = self.model
        self.list.blockSignals(True)
        self.list.clear()
        for model in catalogue.models():
            default = model.card.name == catalogue.default_name(model.card.task)
            title = f"{tasks.get(model.card.task).TITLE}: {card_text.title(model)}"
            self.list.addItem(f"{title} (default)" if default else title, model)
            if chosen is not None and model.folder == chosen.folder:
                self.list.setCurrentIndex(self.list.count() - 1)
        self.list.blockSignals(False)
        self._show()

    def stop(self) -> None:
        """Change nothing more."""
        self._jobs.drop()

    def remove(self) -> None:
        """Remove the chosen model, when pressed twice."""
        from fetalseg.models import installed

        model = self.model
        if model is None or model.bundled:
            return
        if self.remove_button.text() == "Remove model":
            self.remove_button.setText("Really remove it?")
            return
        card = model.card

        def done(was_default: bool) -> None:
            words = " It was the default; now that is the bundled one." if was_default else ""
            self._changed(card.task, f"'{card.name}' is removed.{words}")

        self._jobs.call(lambda: installed.remove(card.task, card.name), done, self._failed)

    def restore(self) -> None:
        """Make the bundled model of the chosen one's task the default again."""
        from fetalseg.models import installed

        if self.model is not None:
            task = self.model.card.task
            words = f"'{{}}' is the default for {tasks.get(task).TITLE} again."
            self._jobs.call(
                lambda: installed.restore(task), lambda name: self._changed(task, words.format(name)), self._failed
            )

    def _changed(self, task: str, words: str) -> None:
        self.error.clear()
        self._session.models_changed.emit(task)
        self.reload()
        self.said.setText(words)

    def _failed(self, error: Exception) -> None:
        self.error.show_error(error)
        self.reload()

    def _show(self) -> None:
        model = self.model
        own = model is not None and not model.bundled
        self.remove_button.setText("Remove model")
        self.remove_button.setEnabled(own)
        self.remove_button.setToolTip("" if own else "It came with the plugin and stays")
        task = model.card.task if model is not None else ""
        self.restore_button.setEnabled(bool(task) and catalogue.default_name(task) != catalogue.DEFAULTS.get(task))
        self.said.setText("")
        parts = card_text.figures(model.card) if model is not None else []
        self.line.setText(" · ".join([*parts, link("card")]) if model is not None else "")

    def _show_card(self) -> None:
        if self.model is not None:
            card = self.model.card
            TextDialog(f"Model card: {card.title}", card_text.text(card), self).show()
