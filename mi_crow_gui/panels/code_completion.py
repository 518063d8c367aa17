"""The list of names under the cursor of a code editor: asked for after a dot or with Ctrl+Space, never in the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QCompleter, QListView

from mi_crow_gui.panels.look import GRID, fixed_font

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QPlainTextEdit

_WORD = re.compile(r"\w*$")
_AFTER_DOT = re.compile(r"(?:[^\W\d]\w*|[\])}\"'])\.$")
_SHOWN = 8


class CodeCompletion(QCompleter):
    """Says for which text, line (from 1) and column (from 0) names are wanted; offers them if it still stands."""

    wanted = Signal(str, int, int)

    def __init__(self, editor: QPlainTextEdit) -> None:
        super().__init__(editor)
        self._editor = editor
        self._names = QStringListModel(self)
        self.setModel(self._names)
        self.setWidget(editor)
        self.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setMaxVisibleItems(_SHOWN)
        self._list = QListView()
        self.setPopup(self._list)
        self._list.setObjectName("completionPopup")
        self._list.setAccessibleName("Names that fit here")
        self._list.setFont(fixed_font())
        self.activated.connect(self._insert)

    @property
    def shown(self) -> bool:
        """Whether the names can be seen."""
        return self._list.isVisible()

    def ask(self) -> None:
        """Ask for the names that fit at the cursor."""
        cursor = self._editor.textCursor()
        self.wanted.emit(self._editor.toPlainText(), cursor.blockNumber() + 1, len(self._before()))

    def typed(self) -> None:
        """Something was typed: ask after a dot, narrow down what is shown, or hide it where the word has ended."""
        before = self._before()
        if _AFTER_DOT.search(before) and "#" not in before:
            self._list.hide()
            self.ask()
        elif self.shown:
            self._narrow()

    def offer(self, names: Sequence[str], text: str, line: int, column: int) -> None:
        """Show the names found for a place, unless the cursor has left the word that began there."""
        asked = text.split("\n")
        begun = asked[line - 1][: _WORD.search(asked[line - 1][:column]).start()]  # type: ignore[union-attr]
        before = self._before()
        same_line = self._editor.textCursor().blockNumber() + 1 == line
        if not (same_line and self._editor.hasFocus() and before[: len(before) - len(self._word())] == begun):
            return
        self._names.setStringList(list(names))
        self._narrow()

    def _narrow(self) -> None:
        self.setCompletionPrefix(self._word())
        alone = self.completionCount() == 1 and self.currentCompletion() == self._word()
        if not self.completionCount() or alone or not _goes_on(self._before()):
            self._list.hide()
            return
        self._list.setCurrentIndex(self.completionModel().index(0, 0))
        place = self._editor.cursorRect()
        place.translate(self._editor.viewport().x(), 0)
        place.setWidth(self._list.sizeHintForColumn(0) + 4 * GRID + self._list.verticalScrollBar().sizeHint().width())
        self.complete(place)

    def _insert(self, name: str) -> None:
        cursor = self._editor.textCursor()
        cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor, len(self._word()))
        cursor.insertText(name)
        self._editor.setTextCursor(cursor)

    def _before(self) -> str:
        """The line up to the cursor; taken from a selection, as Qt counts some characters twice."""
        cursor = self._editor.textCursor()
        cursor.setPosition(cursor.position())
        cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock, QTextCursor.MoveMode.KeepAnchor)
        return cursor.selectedText()

    def _word(self) -> str:
        return _WORD.search(self._before()).group()  # type: ignore[union-attr]


def _goes_on(before: str) -> bool:
    """Whether a word is being written, or could begin behind a dot."""
    return bool(re.search(r"(?:\w|\.)$", before))
