"""What was reported: one row a cause, the traceback one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QStyle,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.document import formatting
from mi_crow_gui.itemmodels.log_model import LEVEL_ROLE, LogColumn, LogModel
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.panels.row_table import RowTable

if TYPE_CHECKING:
    from PySide6.QtCore import QPersistentModelIndex

    from mi_crow_gui.itemmodels.log_model import Level, LogEntry

_EMPTY = "Nothing to report. Failures come here as one sentence, with the whole traceback under Details."
_SIGNS = {
    "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
    "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
    "info": QStyle.StandardPixmap.SP_MessageBoxInformation,
}


class LogPanel(QWidget):
    """A table of messages over the details of the selected one."""

    errorsChanged = Signal(int)  # how many errors are listed, repeats not counted

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = LogModel(self)
        self._view = RowTable(self._model, "logTable", "Messages", (9, 10, 40, 7), (LogColumn.TIME, LogColumn.COUNT))
        self._view.setItemDelegateForColumn(LogColumn.LEVEL, _LevelDelegate(self._view))
        self._view.setItemDelegateForColumn(
            LogColumn.MESSAGE, CellDelegate(self._view, elide=Qt.TextElideMode.ElideRight)
        )
        header = self._view.horizontalHeader()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(LogColumn.MESSAGE, header.ResizeMode.Stretch)
        self._view.copyRequested.connect(self.copy_selected)
        self._view.activated.connect(self._on_view_activated)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        self._view.selectionModel().selectionChanged.connect(self._show_details)
        self._model.dataChanged.connect(self._show_details)
        EmptyHint(self._view, _EMPTY)

        self._text = QPlainTextEdit()
        self._text.setObjectName("logDetails")
        self._text.setAccessibleName("Details of the selected message")
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self._text.setFont(fixed_font())
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setPlaceholderText("Nothing more is known about this message.")
        self._text.setVisible(False)
        self._count = QLabel()
        self._count.setAccessibleName("Number of messages")
        self._details = _button("logShowDetails", "Details", "Show the traceback of the selected message")
        self._details.setCheckable(True)
        self._details.toggled.connect(self._text.setVisible)
        self._copy = _button("logCopy", "Copy", "Copy the selected messages with their details")
        self._copy.clicked.connect(self.copy_selected)
        self._clear = _button("logClear", "Clear", "Forget all messages; the log file keeps them")
        self._clear.clicked.connect(self.clear)

        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(self._view)
        splitter.addWidget(self._text)
        splitter.setChildrenCollapsible(False)
        below = QHBoxLayout()
        below.setSpacing(GRID)
        below.addWidget(self._count, 1)
        for button in (self._details, self._copy, self._clear):
            below.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(splitter, 1)
        layout.addLayout(below)
        self._show_details()

    def add(self, level: Level, message: str, details: str = "") -> None:
        """Report a message; the same message of the same level again becomes a count."""
        bar = self._view.verticalScrollBar()
        at_end = bar.value() >= bar.maximum()
        known = self._errors()
        self._model.add(level, message, details)
        if at_end:
            self._view.scrollToBottom()
        self._show_details()
        if self._errors() != known:
            self.errorsChanged.emit(self._errors())

    def clear(self) -> None:
        """Forget all messages."""
        self._model.clear()
        self._show_details()
        self.errorsChanged.emit(0)

    def selected_entries(self) -> list[LogEntry]:
        """The selected messages."""
        rows = sorted(self._view.selectionModel().selectedRows(), key=QModelIndex.row)
        return [entry for entry in map(self._model.entry, rows) if entry is not None]

    def copy_selected(self) -> None:
        """Put the selected messages on the clipboard, with their details."""
        entries = self.selected_entries()
        if entries:
            QGuiApplication.clipboard().setText("\n".join(entry.as_text() for entry in entries))

    def _on_view_activated(self, index: QModelIndex) -> None:
        self._details.setChecked(True)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        if not self.selected_entries():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy", self.copy_selected)
        menu.addAction("Details", self._details.toggle)
        menu.popup(self._view.viewport().mapToGlobal(at))

    def _errors(self) -> int:
        return sum(entry.level == "error" for entry in self._model.entries)

    def _show_details(self) -> None:
        entries = self.selected_entries()
        details = "\n".join(entry.details for entry in entries)
        if details != self._text.toPlainText():
            self._text.setPlainText(details)
        self._copy.setEnabled(bool(entries))
        self._clear.setEnabled(self._model.rowCount() > 0)
        self._count.setText(formatting.plural(self._model.rowCount(), "message") if self._model.rowCount() else "")


class _LevelDelegate(CellDelegate):
    """The level's sign stands before its word."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        sign = _SIGNS.get(index.data(LEVEL_ROLE))
        if sign is not None and option.widget is not None:
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
            option.icon = option.widget.style().standardIcon(sign)


def _button(name: str, text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(text)
    button.setToolTip(tip)
    return button
