"""The projection: tokens as points, close where their values are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from core_hooks.analysis.embedding import NAMES, TSNE, UMAP, lacking
from mi_crow_gui.document.formatting import percent, plural
from mi_crow_gui.panels.plots.axes import ValueAxis
from mi_crow_gui.panels.plots.base import NO_TOKEN, PlotPanel
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.colour_bar import ColourBar
from mi_crow_gui.panels.plots.colours import group_colours
from mi_crow_gui.panels.plots.embedding_bar import EmbeddingBar
from mi_crow_gui.panels.plots.frame_words import blank_rows, dropped_words
from mi_crow_gui.panels.plots.group_legend import GroupLegend
from mi_crow_gui.panels.plots.matrix_item import places_in
from mi_crow_gui.panels.plots.pointed_band import light_pen
from mi_crow_gui.panels.plots.points_item import PointsItem
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.projection import (
    LABEL,
    NORM,
    PCA,
    POSITION,
    TOKEN,
    ProjectionDrawing,
    ProjectionSettings,
    prepare_projection,
)

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours

_COLOURS = ((POSITION, "Position"), (NORM, "L2 norm"), (TOKEN, "Token text"), (LABEL, "Label of the text"))
METHODS = ((PCA, "PCA"), (UMAP, "UMAP"), (TSNE, "t-SNE"))
_REACH = 12.0  # pixels
# So many points can have their texts beside them.
_NAMED = 64


class ProjectionPanel(PlotPanel):
    """Shows the tokens of a site along its two directions of largest variance, or placed by another method.

    That takes a while: `embeddingWanted` carries the drawing that asks for it, and the components are shown meanwhile.
    """

    embeddingWanted = Signal(object)
    embeddingUnwanted = Signal()

    kind = "projection"
    title = "Projection"
    settings_type: ClassVar[type] = ProjectionSettings

    def _build(self) -> QWidget:
        self._across, self._up = ValueAxis("bottom"), ValueAxis("left")
        self._canvas = PlotCanvas(self._across, self._up)
        self._points = PointsItem()
        self._canvas.addItem(self._points)
        # Of its own: a ring of the points would have all of them painted again.
        self._pointer = pg.ScatterPlotItem(size=12, pxMode=True, brush=None)
        self._pointer.setZValue(9)
        self._canvas.addItem(self._pointer)
        self._bar = ColourBar(self._colours, points=True)
        self._canvas.hovered.connect(self._on_canvas_hovered)
        self._canvas.clicked.connect(self._on_canvas_clicked)
        self._canvas.tokenMoved.connect(self._move_token)
        self._canvas.fitRequested.connect(self.fit)
        self._canvas.axesChanged.connect(self._scale_bar)
        self._embedded: ProjectionDrawing | None = None
        self._problem = ""
        self._waiting = EmbeddingBar()
        self._waiting.cancelRequested.connect(self._on_waiting_cancel_requested)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._waiting)
        layout = QHBoxLayout()
        layout.setSpacing(0)
        layout.addWidget(self._canvas, 1)
        layout.addWidget(self._bar)
        column.addLayout(layout, 1)
        self._legend = GroupLegend(self._colours)
        self._legend.chosen.connect(self._on_legend_chosen)
        column.addWidget(self._legend)
        self._recolour(self._colours)
        return whole

    # ---- methods that take a while ---------------------------------------------------------------------------------

    def show_drawing(self, drawing: Any) -> None:  # noqa: D102 - of the base
        self._problem = "" if drawing.settings.method == PCA else self._obstacle(drawing)
        known = self._embedded
        if known is not None and _same_places(known, drawing):
            drawing = drawing.embedded(known.points)
        super().show_drawing(drawing)
        if drawing.reduced is None or self._problem:
            self._stop_waiting()
        elif drawing.method == PCA:
            words = f"{NAMES[drawing.settings.method]} of {plural(len(drawing.points), drawing.rows.row)}"
            self._waiting.begin(words)
            self.embeddingWanted.emit(drawing)

    def show_embedding_progress(self, done: int, total: int) -> None:
        """How far what was asked for is."""
        self._waiting.set_progress(done, total)

    def show_embedding(self, drawing: ProjectionDrawing, points: Any, problem: str) -> None:
        """Show the places that were found for a drawing, unless another one came meanwhile; or why there are none."""
        self._waiting.hide()
        if self._drawing is None or not _same_places(self._drawing, drawing):
            return
        if points is None:
            self._problem = f"{NAMES[drawing.settings.method]} failed: {problem}"
            self._foot.set_note(self._note(self._drawing))
            return
        self._embedded = drawing.embedded(points)
        # As it is now: it may have been coloured otherwise.
        super().show_drawing(self._drawing.embedded(points))
        self._canvas.fitting = True
        self.fit()

    def clear(self) -> None:  # noqa: D102 - of the base
        self._embedded = None
        self._stop_waiting()
        super().clear()

    def _obstacle(self, drawing: ProjectionDrawing) -> str:
        """Why the method of a drawing can't be used on it, "" when it can."""
        name = NAMES.get(drawing.settings.method)
        if name is None:
            return f"There is no method '{drawing.settings.method}'"
        if drawing.frame.live:
            return f"{name} when the run has ended"
        if drawing.reduced is None:
            return f"{name} needs more {drawing.rows.row}s"
        return lacking(drawing.settings.method)

    def _stop_waiting(self) -> None:
        if not self._waiting.isHidden():
            self._waiting.hide()
            self.embeddingUnwanted.emit()

    @Slot()
    def _on_waiting_cancel_requested(self) -> None:
        self._stop_waiting()
        self.change_settings(method=PCA)

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def fit(self) -> None:
        """Show all points."""
        self._canvas.fit(self._points.boundingRect())

    def _draw(self, drawing: ProjectionDrawing) -> None:
        for axis, number, share in ((self._across, 1, drawing.shares[0]), (self._up, 2, drawing.shares[1])):
            axis.set_name(f"{drawing.axis} {number}" + (f", {percent(share)}" if drawing.method == PCA else ""))
        above = None
        if drawing.scale is None:
            colours, above = self._group_colours(drawing)
        else:
            places = places_in(drawing.colours, drawing.scale.low, drawing.scale.high)
            colours = np.take(self._colours.points_table(), places)
            self._scale_bar()
        self._bar.setVisible(drawing.scale is not None)
        few, of_tokens = len(drawing.positions) <= _NAMED, drawing.settings.colour == TOKEN
        # Where every point has its token beside it, a legend would say the same again.
        self._legend.set_groups(None if few and of_tokens else drawing.groups, of_tokens=of_tokens)
        labels = [drawing.rows.label(position) for position in drawing.positions.tolist()] if few else []
        names = [readable_token(label) if label else "" for label in labels]
        self._points.set_points(drawing.points, colours, names, _area(drawing.points), above)
        self._canvas.show_all(self._points.boundingRect())

    def _group_colours(self, drawing: ProjectionDrawing) -> tuple[np.ndarray, np.ndarray | None]:
        """A colour for each point, and which lie above: those of the group that was chosen in the legend, if any."""
        colours = group_colours(self._colours)[drawing.colours]
        chosen = self._legend.group
        if chosen < 0:
            return colours, None
        above = drawing.colours == chosen
        return np.where(above, colours, np.uint32(self._colours.grid.rgba())), above

    @Slot()
    def _on_legend_chosen(self) -> None:
        if self._drawing is not None:
            self._draw(self._drawing)

    def _scale_bar(self) -> None:
        if self._drawing is not None and self._drawing.scale is not None:
            self._bar.set_scale(self._drawing.scale, False, round(self._across.maximumHeight()))

    def _note(self, drawing: ProjectionDrawing) -> str:
        # What has no partner in another run is said already.
        rows, left_out = drawing.rows, drawing.left_out - blank_rows(self._drawing)
        words = [
            self._problem,
            f"{dict(METHODS)[drawing.method]} of {plural(len(drawing.points), rows.row)}",
            f"{plural(left_out, rows.row)} with NaN or ∞ left out" if left_out else "",
            "without token 0" if rows.first == 1 and drawing.settings.hide_first else "",
            f"{percent(sum(drawing.shares))} of variance" if drawing.method == PCA else "seed 0",
            f"colour: {dict(_COLOURS).get(drawing.settings.colour, 'Position').lower()}",
            dropped_words(self._drawing.frame),
        ]
        return " · ".join(word for word in words if word)

    def _mark_token(self, position: int | None) -> None:
        found = np.flatnonzero(self._drawing.positions == (NO_TOKEN if position is None else position))
        self._points.set_marked(int(found[0]) if len(found) else None)

    def _mark_pointed(self, position: int | None) -> None:
        found = np.flatnonzero(self._drawing.positions == (NO_TOKEN if position is None else position))[:1]
        self._pointer.setData(pos=self._drawing.points[found])

    def _recolour(self, colours: PlotColours) -> None:
        self._canvas.recolour(colours)
        self._bar.recolour(colours)
        self._legend.recolour(colours)
        self._points.set_inks(colours.accent, colours.quiet)
        self._pointer.setPen(light_pen(colours.accent, 2))
        if self._drawing is not None:
            self._draw(self._drawing)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_methods(menu)
        *_, label = self._add_choice(menu, "Colour by", _COLOURS, "colour")
        if self._drawing is not None and not self._drawing.frame.classes:
            label.setEnabled(False)
            label.setText("Label of the text (only corpora captured with labels have them)")
        self._add_switch(menu, "Leave out the first token", "hide_first")
        menu.addAction("Show everything", self.fit)

    def _add_methods(self, menu: QMenu) -> None:
        methods = self._add_choice(menu, "Method", METHODS, "method")
        for action, method in zip(methods, (PCA, UMAP, TSNE), strict=True):
            reason = lacking(method) if method != PCA else ""
            if reason:
                action.setEnabled(False)
                action.setText(reason)

    def _under(self, at: QPointF | None) -> int | None:
        return self._points.nearest(at, _REACH) if at is not None and self._drawing is not None else None

    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        index = self._under(at)
        if index is None:
            self._point_at("")
            return
        drawing = self._drawing
        x, y = drawing.points[index]
        self._look_at(index, f"{drawing.axis} 1 {x} · {drawing.axis} 2 {y}")

    def _look_at(self, index: int, place: str) -> None:
        """Say what a point is, and where."""
        drawing = self._drawing
        position = int(drawing.positions[index])
        classes = drawing.frame.classes
        label = f" · label {classes[position]}" if position < len(classes) and classes[position] else ""
        text = f"{self._token_words(position)}{label} · {place}"
        self._point_at(text, position if drawing.rows.row == "token" else NO_TOKEN)

    def _on_canvas_clicked(self, at: QPointF) -> None:
        index = self._under(at)
        if index is not None:
            self._choose(index)

    def _choose(self, index: int) -> None:
        """Take up the token that a point is."""
        if self._drawing.rows.row == "token":
            self.tokenSelected.emit(int(self._drawing.positions[index]))


def _same_places(one: ProjectionDrawing, other: ProjectionDrawing) -> bool:
    """Whether both are of the same rows by the same method, however they are coloured."""
    same = (one.settings.method, one.settings.hide_first) == (other.settings.method, other.settings.hide_first)
    return one.frame is other.frame and same


def _area(points: np.ndarray) -> QRectF:
    if not len(points):
        return QRectF(0, 0, 1, 1)
    (left, low), (right, high) = points.min(axis=0), points.max(axis=0)
    across, up = (right - left) * 0.08 or 1.0, (high - low) * 0.08 or 1.0
    return QRectF(left - across, low - up, right - left + 2 * across, high - low + 2 * up)


KIND = PlotKind("projection", "Projection", prepare_projection, ProjectionPanel, order=50)
