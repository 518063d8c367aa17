"""The drawing surface of a plot: pyqtgraph's view with two axes, in the colours of the palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtWidgets import QFrame, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.axes import PositionAxis

if TYPE_CHECKING:
    from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QResizeEvent

    from mi_crow_gui.panels.plots.axes import ValueAxis
    from mi_crow_gui.panels.plots.colours import PlotColours

_MOVES: dict[int, int] = {
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageDown: 10,
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_PageUp: -10,
}


TOP = GRID  # where the picture begins
_PANS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Down: (0, 1),
    Qt.Key.Key_Up: (0, -1),
}
_PAN = 0.1  # of what is seen
_LOW = 19 * GRID  # a lower picture needs the room of what is written below it


class PlotCanvas(pg.PlotWidget):  # type: ignore[misc]
    """Wheel zooms (over an axis: only that one), drag pans, double click fits, arrow keys move the token.

    With the keyboard: + and - zoom, Shift and an arrow pans, 0 fits.

    `hovered` carries data coordinates, None outside; `clicked` the same. `axesChanged`: where the canvas is low the
    axis below the picture takes less room, and that has changed.
    """

    hovered = Signal(object)
    clicked = Signal(object)
    tokenMoved = Signal(int)
    fitRequested = Signal()
    viewChanged = Signal()
    axesChanged = Signal()

    def __init__(self, bottom: PositionAxis | ValueAxis, left: pg.AxisItem, parent: QWidget | None = None) -> None:
        super().__init__(parent, axisItems={"bottom": bottom, "left": left}, enableMenu=False)
        self.setObjectName("plotCanvas")
        self.setAccessibleName("Picture of the plot")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(0, 0)
        plot = self.getPlotItem()
        plot.hideButtons()
        # Half a label stands above the picture.
        plot.layout.setContentsMargins(0, TOP, 2 * GRID, 0)
        self._bottom, self._left = bottom, left
        self.view: pg.ViewBox = plot.getViewBox()
        self.view.setDefaultPadding(0)
        self.view.disableAutoRange()
        # True until the user zooms or pans: then a growing plot keeps showing all of itself.
        self.fitting = True
        self.view.sigRangeChangedManually.connect(self._on_view_range_changed_manually)
        self.view.sigRangeChanged.connect(self._on_view_range_changed)
        self.scene().sigMouseMoved.connect(self._on_scene_mouse_moved)
        self.scene().sigMouseClicked.connect(self._on_scene_mouse_clicked)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        if event is not None and self._bottom.set_cramped(event.size().height() < _LOW):
            self.axesChanged.emit()
        if event is not None and isinstance(self._left, PositionAxis):
            self._left.set_across(event.size().width())
        super().resizeEvent(event)

    def show_all(self, area: QRectF) -> None:
        """Fit an area, and stay fitted; x never goes beyond it, nor y."""
        self.view.setLimits(
            xMin=area.left(), xMax=area.right(), yMin=area.top(), yMax=area.bottom(), minXRange=None, minYRange=None
        )
        if self.fitting:
            self.view.setRange(area, padding=0)

    def fit(self, area: QRectF) -> None:
        """Show everything again."""
        self.fitting = True
        self.show_all(area)

    def recolour(self, colours: PlotColours) -> None:
        """Axes, labels and background in these colours."""
        self.setBackground(colours.background)
        for name in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(name)
            axis.setPen(pg.mkPen(colours.grid))
            axis.setTickPen(pg.mkPen(colours.grid))
            axis.setTextPen(pg.mkPen(colours.quiet))

    def _on_view_range_changed_manually(self) -> None:
        self.fitting = False

    def _on_view_range_changed(self) -> None:
        # pyqtgraph moves its items while it paints, which makes Qt paint everything a second time.
        self.view.updateMatrix()
        self.viewChanged.emit()

    def _on_scene_mouse_moved(self, at: QPointF) -> None:
        self.hovered.emit(self._data_at(at))

    def _on_scene_mouse_clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.double():
            self.fitRequested.emit()
            return
        at = self._data_at(event.scenePos())
        if at is not None:
            self.clicked.emit(at)

    def _data_at(self, at: QPointF) -> QPointF | None:
        return self.view.mapSceneToView(at) if self.view.sceneBoundingRect().contains(at) else None

    def leaveEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().leaveEvent(event)
        self.hovered.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        key = event.key()
        if key in _PANS and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            across, down = _PANS[key]
            (left, right), (low, high) = self.view.viewRange()
            up = -1 if self.view.yInverted() else 1
            self.fitting = False
            self.view.translateBy(x=across * _PAN * (right - left), y=-up * down * _PAN * (high - low))
        elif key in _MOVES:
            self.tokenMoved.emit(_MOVES[key])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            scale = 1.25 if key == Qt.Key.Key_Minus else 0.8
            self.fitting = False
            self.view.scaleBy((scale, scale))
        elif key == Qt.Key.Key_0:
            self.fitRequested.emit()
        else:
            # To the window: its shortcuts are not for pyqtgraph to swallow
            event.ignore()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: D102 - Qt's
        event.ignore()
