"""The row of choices above an experiment's map, each bound to one field of its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QResizeEvent


class ExperimentHeader(QWidget):
    """Choices that wrap where the room ends, with a button that begins the experiment at their end.

    `changed` carries a field's name and its new value; `measureRequested` comes of the button and of Enter in a text.
    """

    changed = Signal(str, object)
    measureRequested = Signal()
    heightClaimed = Signal()

    def __init__(self, verb: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._fields: dict[str, Any] = {}
        self._boxes: dict[str, QWidget] = {}
        self.measure = QPushButton(verb)
        self.measure.setObjectName(f"{name}Measure")
        self.measure.setAccessibleName(verb)
        self.measure.setToolTip("Compute with these settings (Enter)")
        self.measure.clicked.connect(self._on_asked)
        self._flow = FlowLayout()
        whole = self._whole = QVBoxLayout(self)
        whole.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        whole.addLayout(self._flow)

    def add_choice(self, field: str, label: str, choices: Sequence[tuple[str, str]], tip: str) -> None:
        """A list of (value, words)."""
        box = QComboBox()
        for value, words in choices:
            box.addItem(words, value)
        box.currentIndexChanged.connect(lambda _index: self.changed.emit(field, box.currentData()))
        self._add(field, label, box, tip)

    def add_text(self, field: str, label: str, placeholder: str, tip: str, letters: int = 10) -> None:
        """A line of text, taken when Enter is pressed or the line is left."""
        edit = QLineEdit()
        edit.setPlaceholderText(placeholder)
        edit.setMinimumWidth(edit.fontMetrics().averageCharWidth() * letters + 2 * GRID)
        edit.editingFinished.connect(lambda: self._text_finished(field, edit))
        edit.returnPressed.connect(self._on_asked)
        self._add(field, label, edit, tip)

    def add_switch(self, field: str, label: str, tip: str) -> None:
        """A check box."""
        box = QCheckBox(label)
        box.toggled.connect(lambda on: self.changed.emit(field, on))
        self._add(field, "", box, tip, accessible=label)

    def add_number(self, field: str, label: str, most: float, tip: str) -> None:
        """A positive number."""
        box = QDoubleSpinBox()
        box.setRange(0.1, most)
        box.setDecimals(1)
        box.setSingleStep(0.5)
        box.valueChanged.connect(lambda value: self.changed.emit(field, value))
        self._add(field, label, box, tip)

    def add_position(self, field: str, label: str, tip: str) -> None:
        """Index of a token; -1 is the last."""
        box = QSpinBox()
        box.setRange(-1, 1_000_000)
        box.setSpecialValueText("last")
        box.valueChanged.connect(lambda value: self.changed.emit(field, value))
        self._add(field, label, box, tip)

    def add_lines(self, field: str, label: str, placeholder: str, tip: str) -> None:
        """A text of several lines."""
        edit = _Lines()
        edit.setPlaceholderText(placeholder)
        edit.setTabChangesFocus(True)
        edit.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        edit.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        edit.setFixedHeight(edit.fontMetrics().lineSpacing() * 2 + 2 * GRID)
        edit.setMinimumWidth(36 * GRID)
        edit.left.connect(lambda: self.changed.emit(field, edit.toPlainText()))
        self._add(field, label, edit, tip)

    def add_widget(self, widget: QWidget) -> None:
        """Something of the plot's own."""
        self._flow.addWidget(widget)

    def finish(self) -> None:
        """Put the button at the end."""
        self._flow.addWidget(self.measure)

    def field(self, name: str) -> Any:
        """The widget of a field."""
        return self._fields[name]

    def set_visible(self, field: str, visible: bool) -> None:
        """Show or hide a field with its label."""
        self._boxes[field].setVisible(visible)

    def show_settings(self, settings: Any) -> None:
        """Say what the settings are; nothing is emitted."""
        for name, widget in self._fields.items():
            value = getattr(settings, name)
            widget.blockSignals(True)
            if isinstance(widget, QComboBox):
                widget.setCurrentIndex(max(0, widget.findData(value)))
            elif isinstance(widget, QLineEdit):
                if widget.text() != value:
                    widget.setText(value)
                    # A long text is known by its beginning.
                    widget.setCursorPosition(0)
            elif isinstance(widget, QPlainTextEdit):
                if widget.toPlainText() != value:
                    widget.setPlainText(value)
            elif isinstance(widget, QCheckBox):
                widget.setChecked(value)
            else:
                widget.setValue(value)
            widget.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._claim_height()

    def event(self, event: QEvent) -> bool:  # noqa: D102 - Qt's
        handled = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._claim_height()
        return handled

    def _claim_height(self) -> None:
        """As many lines as the width asks for: a layout that is short of room would give it one."""
        height = self._whole.heightForWidth(self.width())
        if height != self.minimumHeight():
            self.setMinimumHeight(height)
            self.heightClaimed.emit()

    def _add(self, field: str, label: str, widget: QWidget, tip: str, accessible: str = "") -> None:
        widget.setObjectName(f"{self._name}_{field}")
        widget.setAccessibleName(accessible or label)
        widget.setToolTip(tip)
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        if label:
            caption = QLabel(label)
            caption.setBuddy(widget)
            row.addWidget(caption)
        row.addWidget(widget)
        self._fields[field], self._boxes[field] = widget, box
        self._flow.addWidget(box)

    def _text_finished(self, field: str, edit: QLineEdit) -> None:
        if not edit.hasFocus():
            # A long text is known by its beginning.
            edit.setCursorPosition(0)
        self.changed.emit(field, edit.text())

    def _on_asked(self) -> None:
        # A text that is being typed is taken first.
        for name, widget in self._fields.items():
            if isinstance(widget, QLineEdit):
                self.changed.emit(name, widget.text())
            elif isinstance(widget, QPlainTextEdit):
                self.changed.emit(name, widget.toPlainText())
        self.measureRequested.emit()


class HeaderArea(QScrollArea):
    """A header in a place that may be lower than it: it is as high as it needs while there is room, then scrolls."""

    def __init__(self, header: ExperimentHeader) -> None:
        super().__init__()
        self._header = header
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(header)
        header.heightClaimed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(24 * GRID, self._header.minimumHeight())

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(0, min(5 * GRID, self._header.minimumHeight()))


class _Lines(QPlainTextEdit):
    """Tells when it has been left, as a line of text does: each key would be a step of undo."""

    left = Signal()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()
