"""The text of a capture that the plots are about: its tokens as chips, which part of it, and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QToolButton, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import count, plural
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID, bold
from mi_crow_gui.panels.measure_legend import MeasureLegend
from mi_crow_gui.panels.token_strip import TokenStrip

if TYPE_CHECKING:
    from collections.abc import Sequence


class CaptureTextPanel(QWidget):
    """Stands where the prompt is otherwise; positions are those of tokens in the text."""

    tokenSelected = Signal(int)
    tokenHovered = Signal(int)  # -1 when the mouse leaves
    stepRequested = Signal(int)  # to the next text (1) or the one before (-1)
    rangeRequested = Signal(int, int)  # first token, and how many

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("captureText")
        self.setAccessibleName("Text of the capture")
        self._first = 0
        self._title = QLabel()
        self._title.setFont(bold(self._title.font()))
        self._title.setObjectName("captureTextTitle")
        self._label = QLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setMaximumWidth(24 * GRID)
        self._before = _button("previousText", "◀", "Previous text", "The text before this one in the table")
        self._after = _button("nextText", "▶", "Next text", "The text after this one in the table")
        self._before.clicked.connect(lambda: self.stepRequested.emit(-1))
        self._after.clicked.connect(lambda: self.stepRequested.emit(1))
        self._from = _spin("firstToken", "First token shown")
        self._count = _spin("tokensShown", "Number of tokens shown")
        self._count.setMinimum(1)
        self._range = QWidget()
        row = QHBoxLayout(self._range)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(QLabel("from token"))
        row.addWidget(self._from)
        row.addWidget(QLabel("show"))
        row.addWidget(self._count)
        self._from.valueChanged.connect(self._on_range_changed)
        self._count.valueChanged.connect(self._on_range_changed)
        self._strip = TokenStrip()
        self._strip.setObjectName("captureTokens")
        self._strip.setAccessibleName("Tokens of the text")
        self._strip.tokenSelected.connect(self._on_strip_token_selected)
        self._strip.tokenHovered.connect(self._on_strip_token_hovered)
        self._legend = MeasureLegend(self._strip)
        self._legend.setObjectName("captureLegend")
        walk = QWidget()
        steps = QHBoxLayout(walk)
        steps.setContentsMargins(0, 0, 0, 0)
        steps.setSpacing(GRID // 2)
        for widget in (self._before, self._title, self._after, self._label):
            steps.addWidget(widget)
        top = FlowLayout()
        for part in (walk, self._range, self._legend):
            top.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(top)
        column.addWidget(self._strip)

    def set_text(
        self, number: int, texts: int, tokens: Sequence[str], first: int, length: int, most: int, label: str = ""
    ) -> None:
        """Show `tokens` of a text of `length` tokens, from position `first` on; at most `most` can be shown."""
        self._first = first
        self._title.setText(f"Text {count(number)} of {count(texts)}")
        self._label.setText(label or plural(length, "token"))
        self._label.setToolTip(f"Label: {label}" if label else "")
        for box, least, largest, value in (
            (self._from, 0, max(0, length - 1), first),
            (self._count, 1, max(1, min(length, most)), max(1, len(tokens))),
        ):
            box.blockSignals(True)
            box.setRange(least, largest)
            box.setValue(value)
            box.blockSignals(False)
        self._range.setVisible(length > 1)
        self._range.setToolTip(f"Of {plural(length, 'token')}; up to {count(most)} are shown at a time")
        self._strip.set_tokens(tokens)
        self.set_measure("")

    def set_measure(self, name: str, values: Sequence[float] = (), unit: str = "") -> None:
        """Colour the tokens by values of theirs, such as those of a channel; "" takes the colours away."""
        self._strip.set_measure(name, values, unit)
        self._legend.set_measure("value" if name else "", unit, about=f"of {name}" if name else "")

    def select_token(self, position: int) -> None:
        """Select the token at a position of the text; -1 selects none."""
        self._strip.set_selected(position - self._first if position >= 0 else -1)

    def point_at(self, position: int) -> None:
        """Show which token is under the mouse in a plot; -1 for none."""
        self._strip.set_pointed(position - self._first if position >= 0 else -1)

    @Slot(int)
    def _on_strip_token_hovered(self, place: int) -> None:
        self.tokenHovered.emit(place + self._first if place >= 0 else -1)

    @Slot(int)
    def _on_strip_token_selected(self, place: int) -> None:
        self.tokenSelected.emit(place + self._first if place >= 0 else -1)

    @Slot()
    def _on_range_changed(self) -> None:
        self.rangeRequested.emit(self._from.value(), self._count.value())


def _button(name: str, text: str, accessible: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setText(text)
    button.setAccessibleName(accessible)
    button.setToolTip(tip)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


def _spin(name: str, accessible: str) -> QSpinBox:
    box = QSpinBox()
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    box.setGroupSeparatorShown(True)
    box.setKeyboardTracking(False)
    return box
