"""What stands in the window while nothing is open: ways to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT, CellDelegate
from mi_crow_gui.panels.look import GRID, bold

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 64 * GRID
_MOST_RECENT = 6
_LEAST_RECENT = 2


class StartPage(QWidget):
    """Four ways in, what was open lately, and a word on dropping files."""

    openModelRequested = Signal()
    openDemoRequested = Signal()
    openCaptureRequested = Signal()
    openSessionRequested = Signal()
    recentRequested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = QLabel("Look inside a language model")
        font = bold(title.font())
        font.setPointSizeF(font.pointSizeF() * 1.8)
        title.setFont(font)
        title.setWordWrap(True)
        subtitle = _muted("Tick a layer, run a prompt, see what flows through it. Then change it.")

        ways = QGridLayout()
        ways.setHorizontalSpacing(2 * GRID)
        ways.setVerticalSpacing(GRID)
        ways.setColumnStretch(1, 1)
        demo = _add_way(ways, "startDemo", "Open the demo", "A small model with a circuit to find.")
        demo.setDefault(True)
        demo.clicked.connect(self.openDemoRequested)
        for name, text, what, signal in (
            ("startModel", "Open a model…", "A folder, a .safetensors or .gguf file.", self.openModelRequested),
            ("startCapture", "Open a capture…", "Saved activations, without the model.", self.openCaptureRequested),
            ("startSession", "Open a session…", "A .microw file: hooks, code, prompt.", self.openSessionRequested),
        ):
            _add_way(ways, name, text, what).clicked.connect(signal)

        self._recent_title = QLabel("Recent")
        self._recent_title.setFont(bold(self._recent_title.font()))
        self._recent = QListWidget()
        self._recent.setObjectName("recentList")
        self._recent.setAccessibleName("Recently opened")
        self._recent.setItemDelegate(CellDelegate(self._recent))
        self._recent.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._recent.itemActivated.connect(self._on_recent_activated)
        self._recent.itemClicked.connect(self._on_recent_activated)
        self._recent_title.setBuddy(self._recent)

        column = QWidget()
        column.setMaximumWidth(_WIDTH)
        inner = QVBoxLayout(column)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(GRID)
        inner.addWidget(title)
        inner.addWidget(subtitle)
        inner.addSpacing(2 * GRID)
        inner.addLayout(ways)
        inner.addSpacing(2 * GRID)
        inner.addWidget(self._recent_title)
        inner.addWidget(self._recent)
        inner.addWidget(_muted("Or drop a model, a capture or a session anywhere on this window."))
        layout = QGridLayout(self)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        # Slightly above the middle is where the eye finds the middle.
        layout.setRowStretch(0, 2)
        layout.addWidget(column, 1, 1)
        layout.setRowStretch(2, 3)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 100)
        layout.setColumnStretch(2, 1)
        self.set_recent([])

    def set_recent(self, entries: Sequence[tuple[str, str]]) -> None:
        """Offer what was open lately as (path or hub id, kind: "model", "capture", "session"), the newest first."""
        self._recent.clear()
        for source, kind in entries[:_MOST_RECENT]:
            item = QListWidgetItem(f"{source}  ({kind})" if kind else source)
            item.setToolTip(source)
            item.setData(Qt.ItemDataRole.UserRole, source)
            self._recent.addItem(item)
        rows = self._recent.count()
        frame = 2 * self._recent.frameWidth()
        # It scrolls in a low window, which must not grow by what was opened lately.
        self._recent.setMinimumHeight(min(rows, _LEAST_RECENT) * ROW_HEIGHT + frame)
        self._recent.setMaximumHeight(rows * ROW_HEIGHT + frame)
        for part in (self._recent_title, self._recent):
            part.setVisible(rows > 0)

    def _on_recent_activated(self, item: QListWidgetItem) -> None:
        self.recentRequested.emit(item.data(Qt.ItemDataRole.UserRole))


def _add_way(ways: QGridLayout, name: str, text: str, what: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(text)
    button.setAccessibleDescription(what)
    button.setMinimumSize(18 * GRID, 4 * GRID)
    row = ways.rowCount()
    ways.addWidget(button, row, 0)
    ways.addWidget(_muted(what), row, 1)
    return button


def _muted(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label
