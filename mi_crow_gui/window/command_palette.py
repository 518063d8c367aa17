"""The command palette: type a few letters, press Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.action_building import shortcut_text
from mi_crow_gui.window.actions import plain_text
from mi_crow_gui.window.command_search import search
from mi_crow_gui.window.icons import icon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtCore import QModelIndex, QPersistentModelIndex
    from PySide6.QtGui import QPainter

    from mi_crow_gui.window.action_building import ExplainedAction
    from mi_crow_gui.window.actions import ActionSpec

_WIDTH = 72 * GRID
_SHOWN_ROWS = 12
_ROW_HEIGHT = 3 * GRID + 4
_REMEMBERED = 8
_ASIDE_ROLE = Qt.ItemDataRole.UserRole + 1
_LIST_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
_ENTER_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class CommandPalette(QDialog):
    """Offers every action that can be found by the typed words; disabled ones say what they need."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._actions: Mapping[str, ExplainedAction] = {}
        self._specs: Sequence[ActionSpec] = ()
        self.recent: list[str] = []
        self.setObjectName("commandPaletteDialog")
        self.setAccessibleName("Command palette")
        self.setAutoFillBackground(True)
        self._edit = QLineEdit()
        self._edit.setObjectName("commandPaletteEdit")
        self._edit.setAccessibleName("Words of an action")
        self._edit.setPlaceholderText("What would you like to do?")
        self._edit.textChanged.connect(self._on_edit_changed)
        self._edit.installEventFilter(self)
        self._list = QListWidget()
        self._list.setObjectName("commandPaletteList")
        self._list.setAccessibleName("Actions")
        self._list.setUniformItemSizes(True)
        self._list.setItemDelegate(_CommandDelegate(self._list))
        self._list.setIconSize(QSize(16, 16))
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.itemClicked.connect(self._on_list_item_clicked)
        self._nothing = QLabel("No action has these words.")
        self._nothing.setObjectName("commandPaletteNothing")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        frame = QFrame()
        frame.setFrameShape(QFrame.Shape.StyledPanel)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(frame)
        column = QVBoxLayout(frame)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self._edit)
        column.addWidget(self._list, 1)
        column.addWidget(self._nothing)

    def offer(self, actions: Mapping[str, ExplainedAction], specs: Sequence[ActionSpec]) -> None:
        """These actions, by name and as the table has them, are those to choose from."""
        self._actions, self._specs = actions, specs

    def open_over(self, window: QWidget) -> None:
        """Show the palette at the top of a window, empty."""
        self._edit.clear()
        self._on_edit_changed("")
        width = min(_WIDTH, window.width() - 4 * GRID)
        height = _SHOWN_ROWS * _ROW_HEIGHT + self._edit.sizeHint().height() + 4 * GRID
        top = window.mapToGlobal(QPoint((window.width() - width) // 2, 6 * GRID))
        self.setGeometry(QRect(top, QSize(width, min(height, window.height() - 8 * GRID))))
        self.show()
        self._edit.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Move in the list while the keyboard stays in the edit; Esc and Enter are the palette's here."""
        if not isinstance(event, QKeyEvent):
            return False
        keys = (*_LIST_KEYS, *_ENTER_KEYS, Qt.Key.Key_Escape)
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in keys:
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress:
            if event.key() in _LIST_KEYS:
                self._list.keyPressEvent(event)
                return True
            if event.key() in _ENTER_KEYS:
                item = self._list.currentItem()
                if item is not None:
                    self._on_list_item_clicked(item)
                return True
        return False

    def _on_edit_changed(self, text: str) -> None:
        self._list.clear()
        for spec in search(text, self._specs, self.recent):
            self._list.addItem(self._item(spec))
        enabled = (row for row in range(self._list.count()) if self._usable(self._list.item(row)))
        self._list.setCurrentRow(next(enabled, -1))
        empty = self._list.count() == 0
        self._list.setVisible(not empty)
        self._nothing.setVisible(empty)

    def _on_list_item_clicked(self, item: QListWidgetItem) -> None:
        name = item.data(Qt.ItemDataRole.UserRole)
        action = self._actions[name]
        if not action.isEnabled():
            return
        self.recent = [name, *(other for other in self.recent if other != name)][:_REMEMBERED]
        # Closed first: what the action opens must not be closed with the palette.
        self.close()
        action.trigger()

    def _item(self, spec: ActionSpec) -> QListWidgetItem:
        item = QListWidgetItem(icon(spec.icon), self._words(spec))
        item.setData(Qt.ItemDataRole.UserRole, spec.name)
        hindrance = self._actions[spec.name].hindrance
        aside = hindrance or shortcut_text(spec)
        item.setData(_ASIDE_ROLE, aside)
        item.setToolTip(self._actions[spec.name].toolTip())
        item.setData(Qt.ItemDataRole.AccessibleTextRole, ", ".join(part for part in (self._words(spec), aside) if part))
        if hindrance:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        return item

    def _words(self, spec: ActionSpec) -> str:
        menu = spec.menu.replace("&", "").replace("/", " › ")
        mark = " ✓" if self._actions[spec.name].isCheckable() and self._actions[spec.name].isChecked() else ""
        return f"{menu} › {plain_text(spec)}{mark}"

    def _usable(self, item: QListWidgetItem) -> bool:
        return bool(item.flags() & Qt.ItemFlag.ItemIsEnabled)


class _CommandDelegate(QStyledItemDelegate):
    """Words left, and right the shortcut, or what the action needs as far as there is room for it."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(super().sizeHint(option, index).width(), _ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        aside = index.data(_ASIDE_ROLE)
        if not aside:
            return
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        enabled = bool(option.state & QStyle.StateFlag.State_Enabled)
        group = QPalette.ColorGroup.Active if enabled else QPalette.ColorGroup.Disabled
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.PlaceholderText
        painter.save()
        painter.setPen(option.palette.color(group, role))
        words = option.fontMetrics.horizontalAdvance(index.data(Qt.ItemDataRole.DisplayRole))
        box = option.rect.adjusted(words + option.decorationSize.width() + 3 * GRID, 0, -GRID, 0)
        shown = option.fontMetrics.elidedText(aside, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), shown)
        painter.restore()
