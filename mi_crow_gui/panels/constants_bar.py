"""The numbers of a controller's text in fields of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QAbstractSpinBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from mi_crow_gui.document.controller_constants import Constant, written
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.panels.number_box import NumberBox

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGEST = 999_999_999.0
_DECIMALS = 6
_WIDEST, _WIDEST_SET = 5, 10  # digits
_TIP = "{} in the text above: what is set here is written there"


class ConstantsBar(QWidget):
    """Shows the constants of a text and asks to write another value; typing in the text changes the fields."""

    changed = Signal(object, str)  # Constant, what is to stand in place of its value

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("controllerConstants")
        self._flow = FlowLayout(self)
        self._shown: tuple[Constant, ...] = ()
        self._fields: list[NumberBox | QLineEdit] = []
        self.hide()

    def set_constants(self, constants: Sequence[Constant] | None) -> None:
        """Show these; None while the text can't be read: what was shown can't be set meanwhile."""
        self.setEnabled(constants is not None)
        if constants is None:
            return
        before, self._shown = self._shown, tuple(constants)
        if [_kind(one) for one in before] != [_kind(one) for one in self._shown]:
            self._build()
        for constant, field in zip(self._shown, self._fields, strict=True):
            field.blockSignals(True)
            if isinstance(field, NumberBox) and not isinstance(constant.value, tuple):
                field.setValue(constant.value)
            elif isinstance(field, QLineEdit) and isinstance(constant.value, tuple):
                field.setText(", ".join(map(str, constant.value)))
            field.blockSignals(False)
        self.setVisible(bool(self._shown))

    def _build(self) -> None:
        while (item := self._flow.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._fields = [self._field(place, constant) for place, constant in enumerate(self._shown)]

    def _field(self, place: int, constant: Constant) -> NumberBox | QLineEdit:
        field: NumberBox | QLineEdit
        if isinstance(constant.value, tuple):
            field = QLineEdit()
            field.setFont(fixed_font())
            field.setToolTip(f"{_TIP.format(constant.name)}; whole numbers, with commas between them")
            field.editingFinished.connect(self._on_text_finished)
        else:
            whole = isinstance(constant.value, int)
            field = NumberBox(-_LARGEST, _LARGEST, 0 if whole else _DECIMALS)
            if not whole:
                field.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
            field.setToolTip(_TIP.format(constant.name))
            field.valueChanged.connect(self._on_value_changed)
        field.setObjectName(f"constant_{constant.name}")
        field.setAccessibleName(f"{constant.name} of the controller")
        field.setProperty("place", place)
        digits = _WIDEST_SET if isinstance(constant.value, tuple) else _WIDEST
        field.setFixedWidth(field.fontMetrics().horizontalAdvance("0" * digits) + 4 * GRID)
        caption = QLabel(constant.name)
        caption.setFont(fixed_font())
        caption.setBuddy(field)
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(caption)
        row.addWidget(field)
        self._flow.addWidget(box)
        return field

    def _on_value_changed(self, value: float) -> None:
        constant = self._constant()
        self.changed.emit(constant, written(int(value) if isinstance(constant.value, int) else value))

    def _on_text_finished(self) -> None:
        constant, field = self._constant(), self.sender()
        assert isinstance(field, QLineEdit)
        parts = [part for part in re.split(r"[,\s]+", field.text().strip()) if part]
        if parts and all(re.fullmatch(r"-?\d{1,9}", part) for part in parts):
            values = tuple(dict.fromkeys(int(part) for part in parts))
            if values != constant.value:
                self.changed.emit(constant, written(values))
            return
        # What is no list of whole numbers is not written: the field says again what the text says.
        field.setText(", ".join(map(str, constant.value)) if isinstance(constant.value, tuple) else "")

    def _constant(self) -> Constant:
        return self._shown[int(self.sender().property("place"))]


def _kind(constant: Constant) -> tuple[str, type]:
    return constant.name, type(constant.value)
