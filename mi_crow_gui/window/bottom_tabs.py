"""Editor, captures, history and log: one tab each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from mi_crow_gui.panels.captures_panel import CapturesPanel
from mi_crow_gui.panels.editor_panel import EditorPanel
from mi_crow_gui.panels.history_panel import HistoryPanel
from mi_crow_gui.panels.log_panel import LogPanel
from mi_crow_gui.window.icons import icon

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent

TITLE = "Editor, captures, history, log"
EDITOR, CAPTURES, HISTORY, LOG = range(4)

# What gets the keyboard when a tab is gone to.
_FIRST = ("controllerEdit", "capturesTable", "historyList", "logTable")


class BottomTabs(QTabWidget):
    """The panels that are looked at in turn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bottomTabs")
        self.setAccessibleName(TITLE)
        self.setDocumentMode(True)
        # No higher than the words beside it: the tabs must not grow with the first error.
        self.setIconSize(QSize(14, 14))
        self.editor = EditorPanel()
        self.captures = CapturesPanel()
        self.history = HistoryPanel()
        self.log = LogPanel()
        for name, title, panel in (
            ("editorTab", "Editor", self.editor),
            ("capturesTab", "Captures", self.captures),
            ("historyTab", "History", self.history),
            ("logTab", "Log", self.log),
        ):
            page = QWidget()
            page.setObjectName(name)
            page.setAccessibleName(title)
            column = QVBoxLayout(page)
            column.setContentsMargins(0, 0, 0, 0)
            column.addWidget(panel)
            self.addTab(page, title)
        self._errors = 0
        self.log.errorsChanged.connect(self._on_log_errors_changed)

    def go_to(self, index: int) -> None:
        """Bring a tab to the front and the keyboard into it."""
        self.setCurrentIndex(index)
        first = self.findChild(QWidget, _FIRST[index])
        if first is not None:
            first.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange and self.count() > LOG:
            self._on_log_errors_changed(self._errors)

    @Slot(int)
    def _on_log_errors_changed(self, errors: int) -> None:
        self._errors = errors
        self.setTabText(LOG, f"Log ({errors})" if errors else "Log")
        self.setTabIcon(LOG, icon("error") if errors else QIcon())
