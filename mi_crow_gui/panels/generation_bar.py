"""Scrubbing through the steps of a generation: what every site held when a token had just been read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from collections.abc import Sequence


class GenerationBar(QWidget):
    """A slider from the prompt (step 0) to the last token that was fed; hidden when there is nothing to scrub.

    While a generation goes on it keeps its place, so that the plots keep their size, but there is nothing to choose.

    `stepChosen` gives a step, or -1 for the newest.
    """

    stepChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        caption = QLabel("Step")
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName("generationSlider")
        self._slider.setAccessibleName("Step of the generation")
        self._slider.setToolTip("What every captured site held at a step of the generation")
        self._slider.setPageStep(5)
        self._slider.valueChanged.connect(self._on_slider_value_changed)
        caption.setBuddy(self._slider)
        self._label = QLabel()
        self._label.setAccessibleName("Step shown")
        self._newest = QToolButton()
        self._newest.setText("Newest")
        self._newest.setObjectName("generationNewest")
        self._newest.setToolTip("Show the newest values again")
        self._newest.setAutoRaise(True)
        self._newest.clicked.connect(self._on_newest_clicked)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        row.setSpacing(GRID)
        row.addWidget(caption)
        row.addWidget(self._slider, 1)
        row.addWidget(self._label)
        row.addWidget(self._newest)
        self.set_steps(())

    def follow(self) -> None:
        """A generation goes on: the plots follow the newest token."""
        self._offer(())
        self._reach(1)  # the newest is at the right end, though nothing before it can be chosen
        self._label.setText("follows the newest token")
        self._slider.setEnabled(False)
        self._newest.setEnabled(False)
        self.show()

    def set_steps(self, words: Sequence[str]) -> None:
        """Offer the prompt and these fed tokens as steps, the newest shown; nothing to scrub hides the bar."""
        self._offer(words)
        self._slider.setEnabled(True)
        self.setVisible(bool(self._words))

    def _offer(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self._reach(len(self._words))
        # As wide as its longest text, so that the slider does not jump while it is moved.
        widest = max((self._text(step) for step in range(len(self._words) + 1)), key=len)
        self._label.setMinimumWidth(self._label.fontMetrics().horizontalAdvance(widest) + GRID)
        self._show_label()

    def _reach(self, last: int) -> None:
        """Let the slider go as far as this, and put it there."""
        self._slider.blockSignals(True)
        self._slider.setRange(0, last)
        self._slider.setValue(last)
        self._slider.blockSignals(False)

    @property
    def step(self) -> int:
        """The step shown; the last one is the newest."""
        return self._slider.value()

    def _on_slider_value_changed(self, step: int) -> None:
        self._show_label()
        self.stepChosen.emit(step if step < len(self._words) else -1)

    def _on_newest_clicked(self) -> None:
        self._slider.setValue(len(self._words))

    def _show_label(self) -> None:
        self._label.setText(self._text(self._slider.value()))
        self._newest.setEnabled(self._slider.value() < len(self._words))

    def _text(self, step: int) -> str:
        if step == 0:
            return "the prompt"
        of = f"{formatting.count(step)} of {formatting.count(len(self._words))}"
        return f"{of}: {formatting.elide_middle(readable_token(self._words[step - 1]), 16)}"
