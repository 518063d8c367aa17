"""A box for a number that shows no zeros behind the last digit that matters."""

from __future__ import annotations

from PySide6.QtWidgets import QDoubleSpinBox, QWidget

from mi_crow_gui.panels.look import fixed_font

_DIGITS = 7


class NumberBox(QDoubleSpinBox):
    """Says a number once it is whole: half of one is not meant yet."""

    def __init__(self, least: float, most: float, decimals: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(decimals)
        self.setRange(least, most)
        self.setFont(fixed_font())
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:  # noqa: D102 - Qt's
        return self.locale().toString(value, "g", _DIGITS).replace(self.locale().groupSeparator(), "")
