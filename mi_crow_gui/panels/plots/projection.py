"""The projection: tokens as points, close where their values are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from mi_crow_gui.document.formatting import percent, plural
from mi_crow_gui.panels.plots.axes import ValueAxis
from mi_crow_gui.panels.plots.base import NO_TOKEN, PlotPanel
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.colour_bar import ColourBar
from mi_crow_gui.panels.plots.colours import group_colours
from mi_crow_gui.panels.plots.matrix_item import places_in
from mi_crow_gui.panels.plots.points_item import PointsItem
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.projection import (
    NORM,
    POSITION,
    TOKEN,
    ProjectionDrawing,
    ProjectionSettings,
    prepare_projection,
)

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours

_COLOURS = ((POSITION, "Position"), (NORM, "L2 norm"), (TOKEN, "Token text"))
_REACH = 12.0  # pixels
# So many points can have their texts beside them.
_NAMED = 64


class ProjectionPanel(PlotPanel):
    """Shows the tokens of a site along its two directions of largest variance."""

    kind = "projection"
    title = "Projection (PCA)"
    settings_type = ProjectionSettings

    def _build(self) -> QWidget:
        self._across, self._up = ValueAxis("bottom"), ValueAxis("left")
        self._canvas = PlotCanvas(self._across, self._up)
        self._points = PointsItem()
        self._canvas.addItem(self._points)
        self._bar = ColourBar(self._colours, points=True)
        self._canvas.hovered.connect(self._on_canvas_hovered)
        self._canvas.clicked.connect(self._on_canvas_clicked)
        self._canvas.tokenMoved.connect(self._move_token)
        self._canvas.fitRequested.connect(self.fit)
        whole = QWidget()
        layout = QHBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._canvas, 1)
        layout.addWidget(self._bar)
        self._recolour(self._colours)
        return whole

    def fit(self) -> None:
        """Show all points."""
        self._canvas.fit(self._points.boundingRect())

    def _draw(self, drawing: ProjectionDrawing) -> None:
        for axis, number, share in ((self._across, 1, drawing.shares[0]), (self._up, 2, drawing.shares[1])):
            axis.set_name(f"component {number}, {percent(share)}")
        if drawing.scale is None:
            colours = group_colours(self.palette())[drawing.colours]
        else:
            places = places_in(drawing.colours, drawing.scale.low, drawing.scale.high)
            colours = np.take(self._colours.points_table(), places)
            self._bar.set_scale(drawing.scale, False, round(self._across.maximumHeight()))
        self._bar.setVisible(drawing.scale is not None)
        few = len(drawing.positions) <= _NAMED
        labels = [drawing.rows.label(position) for position in drawing.positions.tolist()] if few else []
        names = [readable_token(label) if label else "" for label in labels]
        self._points.set_points(drawing.points, colours, names, _area(drawing.points))
        self._canvas.show_all(self._points.boundingRect())

    def _note(self, drawing: ProjectionDrawing) -> str:
        rows, left_out = drawing.rows, drawing.left_out
        words = [
            f"PCA of {plural(len(drawing.points), rows.row)}",
            f"{plural(left_out, rows.row)} with NaN or ∞ left out" if left_out else "",
            "without token 0" if rows.first == 1 and drawing.settings.hide_first else "",
            f"{percent(sum(drawing.shares))} of variance",
            f"colour: {dict(_COLOURS).get(drawing.settings.colour, 'Position').lower()}",
            self._dropped_words(),
        ]
        return " · ".join(word for word in words if word)

    def _mark_token(self, position: int | None) -> None:
        found = np.flatnonzero(self._drawing.positions == (NO_TOKEN if position is None else position))
        self._points.set_marked(int(found[0]) if len(found) else None)

    def _recolour(self, colours: PlotColours) -> None:
        self._canvas.recolour(colours)
        self._bar.recolour(colours)
        self._points.set_inks(colours.accent, colours.quiet)
        if self._drawing is not None:
            self._draw(self._drawing)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Colour by", _COLOURS, "colour")
        self._add_switch(menu, "Leave out the first token", "hide_first")
        menu.addAction("Show everything", self.fit)

    def _under(self, at: QPointF | None) -> int | None:
        return self._points.nearest(at, _REACH) if at is not None and self._drawing is not None else None

    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        index = self._under(at)
        if index is None:
            self._point_at("")
            return
        drawing = self._drawing
        position = int(drawing.positions[index])
        x, y = drawing.points[index]
        text = f"{self._token_words(position)} · component 1 {x} · component 2 {y}"
        self._point_at(text, position if drawing.rows.row == "token" else NO_TOKEN)

    def _on_canvas_clicked(self, at: QPointF) -> None:
        index = self._under(at)
        if index is not None and self._drawing.rows.row == "token":
            self.tokenSelected.emit(int(self._drawing.positions[index]))


def _area(points: np.ndarray) -> QRectF:
    if not len(points):
        return QRectF(0, 0, 1, 1)
    (left, low), (right, high) = points.min(axis=0), points.max(axis=0)
    across, up = (right - left) * 0.08 or 1.0, (high - low) * 0.08 or 1.0
    return QRectF(left - across, low - up, right - left + 2 * across, high - low + 2 * up)


KIND = PlotKind("projection", "Projection (PCA)", prepare_projection, ProjectionPanel, order=50)
