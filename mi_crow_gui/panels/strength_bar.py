"""The strength of a controller: a slider between two ends that can be moved, and the number itself."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from mi_crow_gui.document.strength import DEFAULT, LARGEST, Strength
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.number_box import NumberBox

_STEPS = 400  # of the slider
_DECIMALS = 3


class StrengthBar(QWidget):
    """Says which strength is wanted, at once while the slider moves; what is set from outside says nothing."""

    changed = Signal(object)  # Strength

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strengthBar")
        self._strength = DEFAULT
        self._showing = False
        label = QLabel("Strength")
        self._value = _box("strengthValue", "Strength", "What ctx.strength is: acts from the next forward on")
        self._least = _box("strengthLeast", "Lowest strength", "Left end of the slider")
        self._most = _box("strengthMost", "Highest strength", "Right end of the slider")
        label.setBuddy(self._value)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName("strengthSlider")
        self._slider.setAccessibleName("Strength of the controller")
        self._slider.setToolTip("ctx.strength: acts from the next forward on, while a text is generated too")
        self._slider.setRange(0, _STEPS)
        self._slider.setPageStep(_STEPS // 10)
        self._slider.setMinimumWidth(8 * GRID)
        self._slider.valueChanged.connect(self._on_slider_changed)
        self._value.valueChanged.connect(self._on_value_changed)
        self._least.valueChanged.connect(self._on_range_changed)
        self._most.valueChanged.connect(self._on_range_changed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(label)
        row.addWidget(self._value)
        row.addSpacing(GRID)
        row.addWidget(self._least)
        row.addWidget(self._slider, 1)
        row.addWidget(self._most)
        self._show()

    @property
    def strength(self) -> Strength:
        """What is shown."""
        return self._strength

    def set_strength(self, strength: Strength) -> None:
        """Show this one."""
        if strength != self._strength:
            self._strength = strength
            self._show()

    def _on_slider_changed(self, place: int) -> None:
        least, most = self._strength.least, self._strength.most
        self._take(self._strength.with_value(round(least + (most - least) * place / _STEPS, _DECIMALS)), by_slider=True)

    def _on_value_changed(self, value: float) -> None:
        self._take(self._strength.with_value(value))

    def _on_range_changed(self, end: float) -> None:
        self._take(self._strength.with_range(self._least.value(), self._most.value()))

    def _take(self, strength: Strength, by_slider: bool = False) -> None:
        if self._showing:
            return
        other = strength != self._strength
        self._strength = strength
        self._show(by_slider)
        if other:
            self.changed.emit(strength)

    def _show(self, by_slider: bool = False) -> None:
        self._showing = True
        strength = self._strength
        width = strength.most - strength.least
        for box, number in (
            (self._value, strength.value),
            (self._least, strength.least),
            (self._most, strength.most),
        ):
            box.setSingleStep(max(round(width / 40, _DECIMALS), 10**-_DECIMALS))
            box.setValue(number)
        if not by_slider:
            # Under the hand of who moves it, it stays where it was put.
            self._slider.setValue(round(_STEPS * (strength.value - strength.least) / width))
        self._showing = False


def _box(name: str, accessible: str, tip: str) -> NumberBox:
    box = NumberBox(-LARGEST, LARGEST, _DECIMALS)
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    box.setToolTip(tip)
    box.setFixedWidth(box.fontMetrics().horizontalAdvance("-0000.00") + 4 * GRID)
    return box
