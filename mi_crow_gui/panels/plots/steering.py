"""Steering: a vector from pairs of prompts, what adding it does by layer and strength, and the way to apply it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.document.experiment_settings import SteeringSettings
from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.axes import ValueAxis
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.cell_map import CellMap
from mi_crow_gui.panels.plots.chosen_row import ElidedLabel
from mi_crow_gui.panels.plots.experiment_panel import ExperimentPanel, cell_words
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.steering import SteeringDrawing, Steerings, prepare_steering

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.panels.plots.experiment_header import ExperimentHeader


class SteeringPanel(ExperimentPanel):
    """A click on a row of the map chooses the layer whose curve is shown and whose vector is applied or saved.

    `applyWanted` carries what was measured, the row of the vector, and the strength; `saveWanted` the first two;
    `loadWanted` asks for a file.
    """

    applyWanted = Signal(object, int, float)
    saveWanted = Signal(object, int)
    loadWanted = Signal()

    kind = "steering"
    title = "Steering"
    verb = "Make the vector"
    hint = (
        "Makes a direction out of pairs of prompts: what the model holds at the end of those to steer toward, less "
        "what it holds at the end of those to steer away from. Type both, one a line, then press “Make the vector”."
    )
    explains = (
        "The map: how much adding the vector to a block's output, times the strength, changes the logit difference of "
        "the two words after the window's prompt. The curve: the chosen block; a good vector's rises all the way."
    )
    settings_type = SteeringSettings

    def _fill_header(self, header: ExperimentHeader) -> None:
        header.add_lines("toward", "Toward", "Prompts to steer toward, one a line", "One prompt a line")
        header.add_lines("away", "Away from", "Prompts without it, one a line", "Each line answers to one at the left")
        header.add_switch("everywhere", "Mean over tokens", "Mean over all tokens but the first, not the last token")
        header.add_text("right", "Word", "after toward", "The word that should become likelier: its first token counts")
        header.add_text("wrong", "against", "after away", "The word it is compared with: its first token counts")
        header.add_number("most", "Strength to", 100.0, "Strengths go from minus this to this; 1 adds the difference")
        header.add_text(
            "path", "File", "made from the pairs", "A saved vector in place of the pairs; empty: the pairs", 16
        )
        self._load = QToolButton()
        self._load.setText("Load…")
        self._load.setObjectName("steeringLoad")
        self._load.setToolTip("Take a vector that was saved")
        self._load.clicked.connect(self.loadWanted)
        header.add_widget(self._load)

    def _build_map(self) -> QWidget:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._view = CellMap(self._colours, named_rows=True, named_columns=True, whole_words=True)
        self._view.canvas.setObjectName("steeringMap")
        self._view.canvas.setAccessibleName("Steering map: arrow keys move, Enter chooses the block")
        self._view.hovered.connect(self._on_view_pointed)
        self._view.pointedAt.connect(self._on_view_pointed)
        self._view.chosen.connect(self._on_view_chosen)
        self._view.entered.connect(self._on_view_entered)
        self._strengths, self._measured = ValueAxis("bottom"), ValueAxis("left")
        self._curve = PlotCanvas(self._strengths, self._measured)
        self._curve.setObjectName("steeringCurve")
        self._curve.setAccessibleName("Curve of the chosen block")
        self._line = pg.PlotCurveItem(antialias=True, connect="finite")
        self._dots = pg.ScatterPlotItem(size=6, pxMode=True)
        self._none = pg.InfiniteLine(angle=0, movable=False)
        for item in (self._none, self._line, self._dots):
            self._curve.addItem(item)
        self._recolour_curve(self._colours)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(self._view)
        split.addWidget(self._curve)
        split.setSizes([3 * GRID * 20, 2 * GRID * 20])
        column.addWidget(split, 1)
        column.addWidget(self._build_row())
        return whole

    def _build_row(self) -> QWidget:
        """The chosen layer, and what can be done with its vector."""
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        layout.setSpacing(GRID)
        self._says = ElidedLabel()
        self._says.setObjectName("steeringChosen")
        caption = QLabel("Strength")
        self._strength = QDoubleSpinBox()
        self._strength.setObjectName("steeringStrength")
        self._strength.setAccessibleName("Strength")
        self._strength.setToolTip("How many times the vector is added; the editor's slider changes it afterwards")
        self._strength.setRange(-1000.0, 1000.0)
        self._strength.setSingleStep(0.5)
        self._strength.setValue(1.0)
        caption.setBuddy(self._strength)
        apply = QPushButton("Steer")
        apply.setObjectName("steeringApply")
        apply.setAccessibleName("Steer with this vector")
        apply.setToolTip("Put a controller on the block that adds the vector: one step of undo")
        apply.clicked.connect(self._on_apply_clicked)
        save = QPushButton("Save vector…")
        save.setObjectName("steeringSave")
        save.setAccessibleName("Save the vector")
        save.setToolTip("Write the vector with block, model and prompts to a .safetensors file")
        save.clicked.connect(self._on_save_clicked)
        layout.addWidget(self._says, 1)
        for widget in (caption, self._strength, apply, save):
            layout.addWidget(widget)
        return row

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _content(self) -> Steerings | None:
        return self._drawing.content if self._drawing is not None else None

    @property
    def row(self) -> int:
        """The row of the chosen layer."""
        content = self._content()
        return content.row_of(self._settings.block) if content is not None else 0

    def _draw(self, drawing: SteeringDrawing) -> None:
        content = drawing.content
        changes = content.values - content.baseline

        def word(row: int, column: int) -> tuple[str, ...]:
            return cell_words(changes[row, column], (row, column) in content.failures)

        self._view.set_grid(drawing.grid, drawing.pyramid, drawing.scale, word)
        self._show_row()

    def _settings_shown(self) -> None:
        made = not self._settings.path
        for field in ("toward", "away", "everywhere"):
            self.header.field(field).setEnabled(made)
        self._name_button(self.verb if made else "Measure the vector")
        if self._drawing is not None:
            self._show_row()

    def _show_row(self) -> None:
        content = self._content()
        if content is None:
            return
        row = self.row
        self._view.set_marked(row, None)
        values, strengths = content.values[row], content.strengths
        self._strengths.set_name("strength (× vector)")
        self._measured.set_name("logit difference")
        self._line.setData(strengths, values)
        self._dots.setData(strengths, values)
        self._none.setValue(content.baseline)
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)
        room = (high - low) * 0.06 or 0.5
        reach = float(strengths[-1]) * 1.04
        self._curve.show_all(QRectF(-reach, low - room, 2 * reach, high - low + 2 * room))
        norm = float(np.linalg.norm(content.vectors[row]))
        words = f"Block {content.blocks[row]}: length {number(norm)}, {content.rises(row)}"
        self._says.setText(words)
        self._says.setToolTip(f"{words}; from {plural(content.pairs, 'pair')} of prompts, {content.sites[row]}")

    def _note(self, drawing: SteeringDrawing) -> str:
        content = drawing.content
        words = " against ".join(readable_token(word) for word in content.words)
        return f"{content.metric} of {words}: {number(content.baseline)} without steering · {content.aside}"

    def _recolour(self, colours: PlotColours) -> None:
        self._view.recolour(colours)
        self._recolour_curve(colours)

    def _recolour_curve(self, colours: PlotColours) -> None:
        self._curve.recolour(colours)
        self._line.setPen(pg.mkPen(colours.accent))
        self._dots.setBrush(pg.mkBrush(colours.accent))
        self._dots.setPen(None)
        self._none.setPen(pg.mkPen(colours.grid, style=Qt.PenStyle.DashLine))

    # ---- what is done to it ----------------------------------------------------------------------------------------

    @Slot(object)
    def _on_view_pointed(self, cell: tuple[int, int] | None) -> None:
        content = self._content()
        if cell is None or content is None:
            self._point_at("")
            return
        failed = content.failures.get(cell)
        value = content.values[cell]
        says = f"failed: {failed}" if failed else f"{content.metric} {value:.6g}, {value - content.baseline:+.6g}"
        self._point_at(f"block {content.blocks[cell[0]]} · strength {content.strengths[cell[1]]:+g} · {says}")

    @Slot(object, bool)
    def _on_view_chosen(self, cell: tuple[int, int], joins: bool) -> None:
        content = self._content()
        if content is None:
            return
        self._strength.setValue(float(content.strengths[cell[1]]))
        self.change_settings(block=content.blocks[cell[0]])
        self._show_row()
        self.siteChosen.emit(content.sites[cell[0]])

    @Slot(object)
    def _on_view_entered(self, cell: tuple[int, int]) -> None:
        self._on_view_chosen(cell, False)

    @Slot()
    def _on_apply_clicked(self) -> None:
        content = self._content()
        if content is not None:
            self.applyWanted.emit(content, self.row, self._strength.value())

    @Slot()
    def _on_save_clicked(self) -> None:
        content = self._content()
        if content is not None:
            self.saveWanted.emit(content, self.row)


KIND = PlotKind("steering", "Steering", prepare_steering, SteeringPanel, order=140, analysis="experiment")
