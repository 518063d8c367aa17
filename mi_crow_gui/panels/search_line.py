"""A line to search with: words or a regular expression, capitals counted or not."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID

_TYPING_MS = 250


class SearchLine(QWidget):
    """Says what is looked for a moment after the last key, and at once with Enter; "" is nothing."""

    searched = Signal(str, bool, bool)  # words, whether they are an expression, whether capitals count

    def __init__(self, name: str, accessible: str, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit = QLineEdit()
        self._edit.setObjectName(name)
        self._edit.setAccessibleName(accessible)
        self._edit.setPlaceholderText(placeholder)
        self._edit.setClearButtonEnabled(True)
        self._regex = _switch(f"{name}Regex", ".*", "Regular expression", "Read what is typed as a regular expression")
        self._case = _switch(f"{name}Case", "Aa", "Match case", "Capital and small letters are not the same")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(self._edit, 1)
        row.addWidget(self._case)
        row.addWidget(self._regex)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MS)
        self._timer.timeout.connect(self._say)
        self._edit.textChanged.connect(self._on_edit_text_changed)
        self._edit.returnPressed.connect(self._say)
        self._regex.toggled.connect(self._say)
        self._case.toggled.connect(self._say)

    @property
    def words(self) -> str:
        """What is typed."""
        return self._edit.text()

    def clear(self) -> None:
        """Nothing is looked for any more; nothing is emitted."""
        self._edit.blockSignals(True)
        self._edit.clear()
        self._edit.blockSignals(False)
        self._timer.stop()

    def focus(self) -> None:
        """Let the user type."""
        self._edit.setFocus()

    @Slot()
    def _on_edit_text_changed(self) -> None:
        self._timer.start()

    @Slot()
    def _say(self) -> None:
        self._timer.stop()
        self.searched.emit(self._edit.text(), self._regex.isChecked(), self._case.isChecked())


def _switch(name: str, text: str, accessible: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setAccessibleName(accessible)
    button.setText(text)
    button.setToolTip(f"{accessible}: {tip[0].lower()}{tip[1:]}")
    button.setCheckable(True)
    return button
