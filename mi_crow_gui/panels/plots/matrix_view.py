"""A named matrix as coloured cells with its axes and colour bar: what several plots are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mi_crow_gui.panels.plots.axes import PositionAxis
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.cell_words import CellWords
from mi_crow_gui.panels.plots.colour_bar import ColourBar
from mi_crow_gui.panels.plots.cross_item import CrossItem
from mi_crow_gui.panels.plots.matrix_item import MatrixItem
from mi_crow_gui.panels.plots.pointed_band import PointedBand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QPointF

    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.analysis import Grid
    from mi_crow_gui.plotdata.pyramid import Pyramid
    from mi_crow_gui.plotdata.scale import Scale


class RowAxis(PositionAxis):
    """The left axis of a matrix, with room for its own name."""

    def __init__(self) -> None:
        super().__init__("left")

    def _measure(self) -> None:
        super()._measure()
        if self.label.isVisible():
            self.setWidth(math.ceil(self.maximumWidth() + self.label.boundingRect().height()))


class NameAxis(RowAxis):
    """Labels positions with their names alone, which say what they are."""

    def set_name(self, name: str) -> None:
        """Nothing more needs to be said."""

    def _words(self, position: int, brief: bool) -> str:
        index = position - self._first
        return self._labels[index] if 0 <= index < len(self._labels) else super()._words(position, brief)


class ColumnNameAxis(PositionAxis):
    """Labels columns with their names alone, where they have any."""

    def _words(self, position: int, brief: bool) -> str:
        index = position - self._first
        return self._labels[index] if 0 <= index < len(self._labels) else super()._words(position, brief)


class MatrixView(QWidget):
    """Cells of `hovered` and `clicked` are (row, column), None outside.

    Rows go down, or up with `upwards`; `named_rows` and `named_columns` have names in place of numbers.
    `whole_words`: what does not fit into its cell is left out rather than shortened, as a number must be.
    """

    hovered = Signal(object)
    clicked = Signal(object)
    tokenMoved = Signal(int)
    scaleChosen = Signal(str)

    def __init__(
        self,
        colours: PlotColours,
        *,
        upwards: bool = False,
        named_rows: bool = False,
        named_columns: bool = False,
        whole_words: bool = False,
    ) -> None:
        super().__init__()
        self._colours = colours
        self._left = NameAxis() if named_rows else RowAxis()
        self._bottom = ColumnNameAxis("bottom") if named_columns else PositionAxis("bottom")
        self._grid: Grid | None = None
        self._pyramid: Pyramid | None = None
        self._scale: Scale | None = None
        self._word: Callable[[int, int], tuple[str, ...]] | None = None
        self._gaps = False
        self.canvas = PlotCanvas(self._bottom, self._left)
        self.canvas.view.invertY(not upwards)
        self._matrix, self._words, self.cross = MatrixItem(), CellWords(whole_words), CrossItem()
        self._across, self._upright = PointedBand(), PointedBand()
        for item in (self._matrix, self._words, self._across, self._upright, self.cross):
            self.canvas.addItem(item)
        self._bar = ColourBar(colours)
        self._bar.modeChosen.connect(self.scaleChosen)
        self.canvas.hovered.connect(self._on_canvas_hovered)
        self.canvas.clicked.connect(self._on_canvas_clicked)
        self.canvas.tokenMoved.connect(self.tokenMoved)
        self.canvas.fitRequested.connect(self.fit)
        self.canvas.axesChanged.connect(self._scale_bar)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self._bar)
        self.recolour(colours)

    def set_grid(
        self,
        grid: Grid,
        pyramid: Pyramid,
        scale: Scale,
        word: Callable[[int, int], tuple[str, ...]] | None = None,
        *,
        gaps: bool = False,
    ) -> None:
        """Show a matrix; `word` gives the lines of text of a cell. With `gaps`, NaN is what is not known yet."""
        self._grid, self._pyramid, self._scale, self._word, self._gaps = grid, pyramid, scale, word, gaps
        rows, columns = grid.values.shape
        self._left.set_name(grid.row)
        self._left.set_positions(0, rows, grid.row_labels, grid.first_row)
        self._bottom.set_name(grid.column)
        self._bottom.set_positions(0, columns, grid.column_labels, grid.first_column)
        self._paint()
        self.canvas.show_all(self._matrix.boundingRect())

    def set_scales(self, scales: Sequence[str], scale: str) -> None:
        """Offer these ranges of the colours, of which one is shown."""
        self._bar.set_modes(scales, scale)

    def set_marked(self, row: int | None, column: int | None) -> None:
        """Frame a row and a column, where there are such."""
        if self._grid is None:
            return
        rows, columns = self._grid.values.shape
        row = row if row is not None and 0 <= row < rows else None
        column = column if column is not None and 0 <= column < columns else None
        self.cross.set_marked(row, column, self._matrix.boundingRect())

    def set_pointed(self, row: int | None, column: int | None) -> None:
        """Put light lines beside a row and a column, where there are such."""
        area = self._matrix.boundingRect()
        self._across.set_place(row, area, upright=False)
        self._upright.set_place(column, area, upright=True)

    @property
    def pointed(self) -> tuple[int | None, int | None]:
        """The row and the column with light lines."""
        return self._across.place, self._upright.place

    def fit(self) -> None:
        """Show everything."""
        self.canvas.fit(self._matrix.boundingRect())

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self.canvas.recolour(colours)
        self._bar.recolour(colours)
        for lines in (self.cross, self._across, self._upright):
            lines.set_colours(colours.text, colours.background)
        self._paint()

    def _paint(self) -> None:
        if self._grid is None or self._pyramid is None or self._scale is None:
            return
        table = self._colours.table(self._scale.diverging, gaps=self._gaps)
        self._matrix.set_matrix(self._pyramid, self._scale, table, 0, False)
        self._words.set_words(self._grid.values, self._scale, table, self._word)
        self._scale_bar()

    def _scale_bar(self) -> None:
        if self._pyramid is None or self._scale is None:
            return
        extent = self._pyramid.extent
        below = math.ceil(self._bottom.maximumHeight())
        self._bar.set_scale(self._scale, bool((extent.nan and not self._gaps) or extent.infinite), below)

    def _cell(self, at: QPointF | None) -> tuple[int, int] | None:
        if at is None or self._grid is None:
            return None
        row, column = math.floor(at.y() + 0.5), math.floor(at.x() + 0.5)
        rows, columns = self._grid.values.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        self.hovered.emit(self._cell(at))

    def _on_canvas_clicked(self, at: QPointF) -> None:
        cell = self._cell(at)
        if cell is not None:
            self.clicked.emit(cell)
