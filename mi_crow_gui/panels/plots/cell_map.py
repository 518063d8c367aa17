"""A matrix whose cells are things to choose: with the mouse, or with the arrow keys, Space and Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication

from mi_crow_gui.panels.plots.matrix_view import MatrixView

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint

    from mi_crow_gui.panels.plots.colours import PlotColours

_MOVES = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}


class CellMap(MatrixView):
    """`chosen` carries a cell and whether it joins those chosen before (Ctrl or Shift held, or Space).

    `entered`: Enter was pressed on a cell. `dragged`: a cell was pulled away, where `set_draggable` was called; the
    mouse then pulls cells instead of moving the map.
    """

    chosen = Signal(object, bool)
    entered = Signal(object)
    pointedAt = Signal(object)
    dragged = Signal(object)

    def __init__(self, colours: PlotColours, **options: Any) -> None:
        super().__init__(colours, **options)
        self._cursor: tuple[int, int] | None = None
        self._draggable = False
        self._pressed: tuple[QPoint, tuple[int, int]] | None = None
        self.clicked.connect(self._on_self_clicked)
        self.canvas.installEventFilter(self)
        self.canvas.viewport().installEventFilter(self)

    def set_draggable(self, draggable: bool) -> None:
        """Whether cells can be pulled away."""
        self._draggable = draggable

    @property
    def cursor_cell(self) -> tuple[int, int] | None:
        """The cell on which keys act."""
        return self._cursor

    def place_cursor(self, cell: tuple[int, int] | None) -> None:
        """Frame a cell."""
        self._cursor = cell
        self.set_marked(*(cell or (None, None)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and watched is self.canvas:
            return self._key(event)
        if self._draggable and isinstance(event, QMouseEvent) and watched is self.canvas.viewport():
            return self._mouse(event)
        return super().eventFilter(watched, event)

    def _key(self, event: QKeyEvent) -> bool:
        if self._grid is None:
            return False
        rows, columns = self._grid.values.shape
        if event.key() in _MOVES:
            down, right = _MOVES[Qt.Key(event.key())]
            row, column = self._cursor if self._cursor is not None else (0, 0)
            if self._cursor is not None:
                row, column = min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1)
            self.place_cursor((row, column))
            self.pointedAt.emit((row, column))
            return True
        if self._cursor is None:
            return False
        if event.key() == Qt.Key.Key_Space:
            self.chosen.emit(self._cursor, True)
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
            self.entered.emit(self._cursor)
            return True
        return False

    def _mouse(self, event: QMouseEvent) -> bool:
        at = event.position().toPoint()
        if event.type() == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            cell = self.cell_at(at)
            self._pressed = (at, cell) if cell is not None else None
        elif event.type() == QEvent.Type.MouseMove and event.buttons() & Qt.MouseButton.LeftButton:
            if self._pressed is None:
                return False
            start, cell = self._pressed
            if (at - start).manhattanLength() >= QApplication.startDragDistance():
                self._pressed = None
                self.place_cursor(cell)
                self.dragged.emit(cell)
            # The map stays where it is.
            return True
        elif event.type() == QEvent.Type.MouseButtonRelease:
            self._pressed = None
        return False

    def cell_at(self, at: QPoint) -> tuple[int, int] | None:
        """The cell at a point of the canvas."""
        scene = self.canvas.mapToScene(at)
        view = self.canvas.view
        return self._cell(view.mapSceneToView(scene)) if view.sceneBoundingRect().contains(scene) else None

    def _on_self_clicked(self, cell: tuple[int, int]) -> None:
        self.place_cursor(cell)
        held = QGuiApplication.keyboardModifiers()
        joins = bool(held & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier))
        self.chosen.emit(cell, joins)
