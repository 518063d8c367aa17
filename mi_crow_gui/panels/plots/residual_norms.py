"""Residual norms: how long the residual stream is, by block and token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot

from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.frame_words import not_finite_words
from mi_crow_gui.panels.plots.matrix_view import MatrixView
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.residual_norms import (
    ResidualNormsDrawing,
    ResidualNormsSettings,
    prepare_residual_norms,
)
from mi_crow_gui.plotdata.scale import MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu, QWidget

    from mi_crow_gui.panels.plots.colours import PlotColours


class ResidualNormsPanel(AnalysisPanel):
    """Block by token; the first token has no say in the range of the colours."""

    kind = "residual_norms"
    title = "Residual norms"
    hint = "Run the model (Ctrl+R) to see how long its residual stream is."
    settings_type = ResidualNormsSettings

    def _build(self) -> QWidget:
        self._view = MatrixView(self._colours, upwards=True, named_rows=True, whole_words=True)
        self._view.hovered.connect(self._on_view_hovered)
        self._view.clicked.connect(self._on_view_clicked)
        self._view.tokenMoved.connect(self._move_token)
        self._view.scaleChosen.connect(self._on_view_scale_chosen)
        return self._view

    def _draw(self, drawing: ResidualNormsDrawing) -> None:
        values = drawing.grid.values
        self._view.set_grid(
            drawing.grid,
            drawing.pyramid,
            drawing.scale,
            lambda row, column: (_short(float(values[row, column])),),
            gaps=drawing.content.live,
        )
        self._view.set_scales((PERCENTILE, MIN_MAX), drawing.settings.scale)

    def _note(self, drawing: ResidualNormsDrawing) -> str:
        rows, columns = drawing.grid.values.shape
        extent = drawing.pyramid.extent
        words = [
            f"{plural(len(drawing.content.names) or rows - 1, 'block')} × {plural(columns, 'token')}",
            f"L2 norm, {number(extent.low)} to {number(extent.high)}",
            not_finite_words(0 if drawing.content.live else extent.nan, extent.infinite),
            "token 0 left out" if drawing.grid.first_column > drawing.content.first_token else "",
        ]
        return " · ".join(word for word in words if word)

    def _mark_token(self, position: int | None) -> None:
        self._view.set_marked(None, self._place_of(position))

    def _mark_pointed(self, position: int | None) -> None:
        self._view.set_pointed(None, self._place_of(position))

    def _place_of(self, position: int | None) -> int | None:
        first = self._drawing.grid.first_column
        return position - first if position is not None and position >= first else None

    def _recolour(self, colours: PlotColours) -> None:
        self._view.recolour(colours)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Scale", ((PERCENTILE, "Percentile (1 to 99)"), (MIN_MAX, "Min to max")), "scale")
        self._add_switch(menu, "Hide the first token", "hide_first")
        menu.addAction("Show everything", self._view.fit)

    @Slot(str)
    def _on_view_scale_chosen(self, scale: str) -> None:
        self.change_settings(scale=scale)

    @Slot(object)
    def _on_view_hovered(self, cell: tuple[int, int] | None) -> None:
        if cell is None or self._drawing is None:
            self._point_at("")
            return
        grid = self._drawing.grid
        position = cell[1] + grid.first_column
        self._point_at(f"{grid.row_labels[cell[0]]} · {self._token_words(position)} · {grid.values[cell]!s}", position)

    @Slot(object)
    def _on_view_clicked(self, cell: tuple[int, int]) -> None:
        self.tokenSelected.emit(cell[1] + self._drawing.grid.first_column)

    def _token_words(self, position: int) -> str:
        place, texts = position - self._drawing.content.first_token, self._texts()
        text = f" {readable_token(texts[place])}" if 0 <= place < len(texts) else ""
        return f"token {position}{text}"


def _short(norm: float) -> str:
    if math.isnan(norm):
        return ""
    return f"{norm:.1f}" if norm < 100 else f"{norm:,.0f}"


KIND = PlotKind(
    "residual_norms",
    "Residual norms",
    prepare_residual_norms,
    ResidualNormsPanel,
    order=80,
    analysis="residual_norms",
)
