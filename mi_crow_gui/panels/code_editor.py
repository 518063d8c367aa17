"""An editor for a few lines of Python: numbers, colours, indentation, brackets, and lines marked as wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QToolTip, QWidget

from mi_crow_gui.document.controller_source import ERROR
from mi_crow_gui.panels.code_brackets import bracket_pair
from mi_crow_gui.panels.code_completion import CodeCompletion
from mi_crow_gui.panels.look import GRID, fixed_font, hue, mix, muted
from mi_crow_gui.panels.python_highlighter import PythonHighlighter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mi_crow_gui.document.controller_source import Problem

_INDENT = 4
_RED, _AMBER = 0, 40
_OF_COMPLETION = (Qt.Key.Key_Escape, Qt.Key.Key_Tab, Qt.Key.Key_Backtab)


class CodeEditor(QPlainTextEdit):
    """Tab indents, Shift+Tab takes back, Enter keeps the indentation; Ctrl+Enter applies, Ctrl+Space completes."""

    applyPressed = Signal()
    focused = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._problems: dict[int, Problem] = {}
        self._margin = _Margin(self)
        self.completion = CodeCompletion(self)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._highlighter = PythonHighlighter(self.document(), self.palette())
        self.setFont(fixed_font())
        self.blockCountChanged.connect(self._on_block_count_changed)
        self.updateRequest.connect(self._on_update_requested)
        self.cursorPositionChanged.connect(self._mark)
        self.textChanged.connect(self._mark)
        self._on_block_count_changed()
        self._mark()

    # What others ask

    def set_text(self, text: str, *, fresh: bool) -> None:
        """Show a text: another one (`fresh`, with an undo history of its own) or a change of this one."""
        if fresh:
            self.setPlainText(text)
        elif text != self.toPlainText():
            place = self.textCursor().position()
            cursor = QTextCursor(self.document())
            cursor.select(QTextCursor.SelectionType.Document)
            cursor.insertText(text)
            cursor.setPosition(min(place, len(text)))
            self.setTextCursor(cursor)

    def replace_part(self, line: int, start: int, end: int, text: str) -> None:
        """Write something else between two columns of a line, counted from 1 and from 0: one step of undo."""
        block = self.document().findBlockByNumber(line - 1)
        if block.isValid() and 0 <= start <= end < block.length():
            cursor = QTextCursor(block)
            cursor.setPosition(block.position() + start)
            cursor.setPosition(block.position() + end, QTextCursor.MoveMode.KeepAnchor)
            cursor.insertText(text)

    def set_problems(self, problems: Sequence[Problem]) -> None:
        """Mark what is wrong; of several problems on a line the first is told."""
        self._problems = {problem.line: problem for problem in reversed(problems) if problem.line > 0}
        self._mark()
        self._margin.update()

    def go_to_line(self, line: int) -> None:
        """Put the cursor into a line, counted from 1."""
        block = self.document().findBlockByNumber(line - 1)
        if block.isValid():
            cursor = QTextCursor(block)
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock)
            self.setTextCursor(cursor)
            self.setFocus()

    # The margin

    def margin_width(self) -> int:
        """Width of the line numbers and of the sign before them."""
        digits = max(2, len(str(self.blockCount())))
        return self.fontMetrics().horizontalAdvance("9") * (digits + 1) + 2 * GRID

    def paint_margin(self, event: QPaintEvent) -> None:
        """Draw the line numbers, a filled triangle beside errors, an empty one beside warnings."""
        painter = QPainter(self._margin)
        palette = self.palette()
        painter.fillRect(event.rect(), mix(palette.base().color(), palette.window().color(), 0.5))
        block = self.firstVisibleBlock()
        top = round(self.blockBoundingGeometry(block).translated(self.contentOffset()).top())
        height = self.fontMetrics().height()
        current = self.textCursor().blockNumber()
        painter.setFont(self.font())
        while block.isValid() and top <= event.rect().bottom():
            line = block.blockNumber() + 1
            problem = self._problems.get(line)
            ink = palette.text().color() if problem is not None or line - 1 == current else muted(palette)
            painter.setPen(ink)
            box = QRect(0, top, self._margin.width() - GRID, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight, str(line))
            if problem is not None:
                wrong = problem.severity == ERROR
                painter.setPen(hue(_RED if wrong else _AMBER, palette))
                box = QRect(GRID // 2, top, 2 * GRID, height)
                painter.drawText(box, Qt.AlignmentFlag.AlignLeft, "▲" if wrong else "△")
            top += round(self.blockBoundingRect(block).height())
            block = block.next()

    def problem_at(self, y: int) -> str:
        """The sentence about the line at this height, "" if nothing is wrong with it."""
        block = self.firstVisibleBlock()
        top = self.blockBoundingGeometry(block).translated(self.contentOffset()).top()
        while block.isValid():
            top += self.blockBoundingRect(block).height()
            if y < top:
                problem = self._problems.get(block.blockNumber() + 1)
                return problem.message if problem is not None else ""
            block = block.next()
        return ""

    # Qt

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        area = self.contentsRect()
        self._margin.setGeometry(QRect(area.left(), area.top(), self.margin_width(), area.height()))

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: D102
        super().focusInEvent(event)
        self.focused.emit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.setTabStopDistance(_INDENT * QFontMetrics(self.font()).horizontalAdvance(" "))
            self._on_block_count_changed()
        elif event.type() == QEvent.Type.PaletteChange:
            self._highlighter.set_palette(self.palette())
            self._mark()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.problem_at(event.pos().y()), self)
            return True
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        key, modifiers = event.key(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        enter = key in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if self.completion.shown and (enter or key in _OF_COMPLETION) and not modifiers:
            event.ignore()  # the list of names takes it
        elif key == Qt.Key.Key_Space and modifiers == Qt.KeyboardModifier.ControlModifier and not self.isReadOnly():
            self.completion.ask()
        elif enter and modifiers == Qt.KeyboardModifier.ControlModifier:
            self.applyPressed.emit()
        elif self.isReadOnly():
            super().keyPressEvent(event)
        elif enter and not modifiers:
            self._break_line()
        elif key == Qt.Key.Key_Tab and not modifiers:
            self._indent()
        elif key == Qt.Key.Key_Backtab:
            self._change_lines(_outdented)
        elif event.matches(QKeySequence.StandardKey.Backspace) or key == Qt.Key.Key_Backspace:
            if not self._delete_indentation():
                super().keyPressEvent(event)
            self.completion.typed()
        else:
            super().keyPressEvent(event)
            if event.text():
                self.completion.typed()

    # Typing

    def _break_line(self) -> None:
        cursor = self.textCursor()
        before = cursor.block().text()[: cursor.positionInBlock()]
        indentation = before[: len(before) - len(before.lstrip(" "))]
        if before.split("#")[0].rstrip().endswith(":"):
            indentation += " " * _INDENT
        cursor.insertText("\n" + indentation)
        self.setTextCursor(cursor)
        self.ensureCursorVisible()

    def _indent(self) -> None:
        cursor = self.textCursor()
        if cursor.hasSelection():
            self._change_lines(_indented)
        else:
            cursor.insertText(" " * (_INDENT - cursor.positionInBlock() % _INDENT))

    def _change_lines(self, change: Callable[[str], str]) -> None:
        cursor = self.textCursor()
        first = self.document().findBlock(cursor.selectionStart())
        last = self.document().findBlock(cursor.selectionEnd())
        if cursor.hasSelection() and last != first and cursor.selectionEnd() == last.position():
            last = last.previous()
        edit = QTextCursor(self.document())
        edit.beginEditBlock()
        block = first
        while block.isValid() and block.blockNumber() <= last.blockNumber():
            edit.setPosition(block.position())
            edit.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            edit.insertText(change(block.text()))
            block = block.next()
        edit.endEditBlock()

    def _delete_indentation(self) -> bool:
        cursor = self.textCursor()
        before = cursor.block().text()[: cursor.positionInBlock()]
        if cursor.hasSelection() or not before or before.strip(" ") or len(before) % _INDENT:
            return False
        cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor, _INDENT)
        cursor.removeSelectedText()
        return True

    # Marks

    def _mark(self) -> None:
        palette = self.palette()
        marks = [self._line_mark(), *map(self._problem_mark, self._problems.values())]
        pair = bracket_pair(self.toPlainText(), self.textCursor().position())
        if pair is not None:
            colour = hue(_RED, palette) if pair[1] < 0 else palette.highlight().color()
            marks += [self._bracket_mark(at, colour) for at in pair if at >= 0]
        self.setExtraSelections([mark for mark in marks if mark is not None])
        self._margin.update()

    def _line_mark(self) -> QTextEdit.ExtraSelection | None:
        # It would be drawn over the placeholder of an empty text.
        if self.isReadOnly() or not self.isEnabled() or self.document().isEmpty():
            return None
        palette = self.palette()
        mark = QTextEdit.ExtraSelection()
        mark.format.setBackground(mix(palette.base().color(), palette.text().color(), 0.05))
        mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
        mark.cursor = self.textCursor()
        mark.cursor.clearSelection()
        return mark

    def _problem_mark(self, problem: Problem) -> QTextEdit.ExtraSelection | None:
        block = self.document().findBlockByNumber(problem.line - 1)
        if not block.isValid():
            return None
        end = min(problem.end_column, block.length() - 1)
        start = min(problem.column, max(0, end - 1))
        mark = QTextEdit.ExtraSelection()
        mark.format.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        mark.format.setUnderlineColor(hue(_RED if problem.severity == ERROR else _AMBER, self.palette()))
        mark.cursor = QTextCursor(block)
        mark.cursor.setPosition(block.position() + start)
        mark.cursor.setPosition(block.position() + end, QTextCursor.MoveMode.KeepAnchor)
        return mark

    def _bracket_mark(self, at: int, colour: QColor) -> QTextEdit.ExtraSelection:
        mark = QTextEdit.ExtraSelection()
        mark.format.setBackground(mix(self.palette().base().color(), colour, 0.3))
        mark.cursor = QTextCursor(self.document())
        mark.cursor.setPosition(at)
        mark.cursor.setPosition(at + 1, QTextCursor.MoveMode.KeepAnchor)
        return mark

    def _on_block_count_changed(self) -> None:
        self.setViewportMargins(self.margin_width(), 0, 0, 0)

    def _on_update_requested(self, area: QRect, scrolled: int) -> None:
        if scrolled:
            self._margin.scroll(0, scrolled)
        else:
            self._margin.update(0, area.y(), self._margin.width(), area.height())


class _Margin(QWidget):
    """The strip at the left; the editor draws it."""

    def __init__(self, editor: CodeEditor) -> None:
        super().__init__(editor)
        self._editor = editor

    def sizeHint(self) -> QSize:
        return QSize(self._editor.margin_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._editor.paint_margin(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self._editor.problem_at(event.pos().y()), self)
            return True
        return super().event(event)


def _indented(line: str) -> str:
    return " " * _INDENT + line if line.strip() else line


def _outdented(line: str) -> str:
    return line[min(_INDENT, len(line) - len(line.lstrip(" "))) :]
