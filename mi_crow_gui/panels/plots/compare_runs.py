"""The comparison of runs A and B: their texts aligned, what changed in the predictions, and where in the stream."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, Qt, Slot
from PySide6.QtWidgets import QHeaderView, QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import number, percent, plural
from mi_crow_gui.itemmodels.compared_tokens_model import ComparedColumn, ComparedTokens, ComparedTokensModel
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.aligned_strip import AlignedStrip
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.matrix_view import MatrixView
from mi_crow_gui.panels.row_table import RowTable
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.run_comparison import (
    CHANGE,
    DIVERGENCE,
    NOBODY,
    RunComparisonDrawing,
    RunComparisonSettings,
    prepare_run_comparison,
)

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from mi_crow_gui.panels.plots.colours import PlotColours

_COLOURS = ((DIVERGENCE, "KL divergence"), (CHANGE, "Change of probability"))
_WIDTHS = (14, 11, 10, 10, 11, 10, 10)


class CompareRunsPanel(AnalysisPanel):
    """Shows the alignment at once, and the numbers when they are computed; one token is marked in all of it."""

    least_height = 25 * GRID

    kind = "compare_runs"
    title = "Compare runs"
    hint = (
        "Pin two runs in the history as A and B, or press Ctrl+Shift+R after two runs: they are compared token by "
        "token here."
    )
    settings_type = RunComparisonSettings

    def _build(self) -> QWidget:
        self._going, self._here = "", -1
        self._strip = AlignedStrip(self._colours, self._describe)
        self._strip.columnChosen.connect(self._choose)
        self._strip.columnHovered.connect(self._hover)
        self._model = ComparedTokensModel(self)
        self._table = RowTable(
            self._model, "comparedTokens", "Predictions of run A and run B after each token", _WIDTHS, range(7)
        )
        self._table.setSortingEnabled(True)
        self._table.sortByColumn(ComparedColumn.DIVERGENCE, Qt.SortOrder.DescendingOrder)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        # Which word was expected says more than how likely the one was that came: it stands further left.
        for place, column in enumerate((ComparedColumn.TOP_A, ComparedColumn.TOP_B), 2):
            header.moveSection(header.visualIndex(column), place)
        self._table.selectionModel().currentChanged.connect(self._on_table_current_changed)
        self._norms = MatrixView(self._colours, upwards=True, named_rows=True, whole_words=True)
        self._norms.hovered.connect(self._on_norms_hovered)
        self._norms.clicked.connect(self._on_norms_clicked)
        self._norms.tokenMoved.connect(self._move_token)
        caption = QLabel("Norm of B - A in the residual stream")
        caption.setContentsMargins(GRID, 0, GRID, 0)
        beside = QWidget()
        stacked = QVBoxLayout(beside)
        stacked.setContentsMargins(0, 0, 0, 0)
        stacked.setSpacing(0)
        stacked.addWidget(caption)
        stacked.addWidget(self._norms, 1)
        self._no_norms = QLabel()
        self._no_norms.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._no_norms.setWordWrap(True)
        self._no_norms.setMargin(2 * GRID)
        self._norms_or_reason = QStackedWidget()
        self._norms_or_reason.addWidget(beside)
        self._norms_or_reason.addWidget(self._no_norms)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(self._table)
        below.addWidget(self._norms_or_reason)
        below.setSizes([120 * GRID, 80 * GRID])
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.addWidget(self._strip)
        whole.addWidget(below)
        whole.setStretchFactor(0, 2)
        whole.setStretchFactor(1, 3)
        for splitter in (below, whole):
            splitter.setChildrenCollapsible(False)
            splitter.setHandleWidth(GRID // 2)
        self._whole = whole
        return whole

    # ---- for the wiring --------------------------------------------------------------------------------------------

    def of_run(self) -> bool:
        """It is about the pinned runs, whatever the newest one is."""
        return False

    def of_pins(self) -> bool:
        """It is about the pinned runs."""
        return True

    def set_going(self, words: str) -> None:
        """What is said in place of numbers that are not there yet."""
        self._going = words
        if self._drawing is not None and self._drawing.content.numbers is None:
            self._show_numbers(self._drawing)
            self._foot.set_note(self._note(self._drawing))

    def mark_stale(self, reason: str) -> None:
        """A new run changes nothing about two that are pinned; its own settings do."""
        outdated = self._drawing is not None and self._drawing.settings != self._settings
        super().mark_stale(reason if outdated else "")

    # ---- of the base -----------------------------------------------------------------------------------------------

    def _draw(self, drawing: RunComparisonDrawing) -> None:
        self._strip.set_drawing(drawing)
        self._show_numbers(drawing)
        self._here = -1

    def _show_numbers(self, drawing: RunComparisonDrawing) -> None:
        numbers = drawing.content.numbers
        tokens = None
        if numbers is not None:
            tokens = ComparedTokens(
                drawing.names,
                numbers.divergence,
                numbers.probability_a,
                numbers.probability_b,
                numbers.change,
                numbers.top_a,
                numbers.top_b,
                numbers.top_changed,
            )
        self._model.set_tokens(tokens, drawing.settings.only_changed)
        if drawing.grid is not None and drawing.pyramid is not None and drawing.scale is not None:
            values = drawing.grid.values
            self._norms.set_grid(
                drawing.grid, drawing.pyramid, drawing.scale, lambda row, at: (_short(float(values[row, at])),)
            )
            self._norms_or_reason.setCurrentIndex(0)
            return
        reason = " ".join(numbers.notes) if numbers is not None else self._going or "The numbers are being computed…"
        self._no_norms.setText(reason or "There is no residual stream to compare.")
        self._norms_or_reason.setCurrentIndex(1)

    def _words(self) -> str:
        drawing = self._drawing
        if drawing is None:
            return self.title
        return f"A, run {drawing.content.a.run}, and B, run {drawing.content.b.run}"

    def _when_words(self, drawing: RunComparisonDrawing) -> str:
        """The range of what tokens are coloured by: there is no colour bar beside them."""
        if drawing.colours is None:
            return ""
        low, high = number(drawing.colours.low), number(drawing.colours.high)
        unit = "" if drawing.settings.colour == CHANGE else " nats"
        return f"{dict(_COLOURS)[drawing.settings.colour]} {low} to {high}{unit}"

    def _note(self, drawing: RunComparisonDrawing) -> str:
        pairs = len(drawing.paired)
        replaced = pairs - int(drawing.same.sum())
        words = [f"{plural(pairs, 'token')} aligned"]
        words += [f"{replaced} replaced"] if replaced else []
        words += [drawing.where] if drawing.where else []
        numbers = drawing.content.numbers
        if numbers is None:
            words.append(self._going or "computing")
        else:
            known = numbers.divergence[np.isfinite(numbers.divergence)]
            words += [f"mean KL {number(float(known.mean()))} nats"] if known.size else []
            words.append(f"likeliest word changed after {plural(int(numbers.top_changed.sum()), 'token')}")
            words += list(numbers.notes)
        return " · ".join(words)

    def _texts(self) -> tuple[str, ...]:
        return self._drawing.content.b.texts if self._drawing is not None else ()

    def _mark_token(self, position: int | None) -> None:
        column = self._drawing.column_of(position)
        self._mark(-1 if column is None else column)

    def _mark_pointed(self, position: int | None) -> None:
        column = self._drawing.column_of(position)
        at = np.flatnonzero(self._drawing.paired == (-1 if column is None else column))
        self._norms.set_pointed(None, int(at[0]) if len(at) else None)

    def _recolour(self, colours: PlotColours) -> None:
        self._strip.recolour(colours)
        self._norms.recolour(colours)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Colour tokens by", _COLOURS, "colour")
        self._add_switch(menu, "Only where the likeliest word changed", "only_changed")
        menu.addAction("Show everything", self._norms.fit)

    # ---- one token in all parts ------------------------------------------------------------------------------------

    def _mark(self, column: int) -> None:
        self._here = column
        self._strip.set_marked(column)
        at = np.flatnonzero(self._drawing.paired == column)
        self._norms.set_marked(None, int(at[0]) if len(at) else None)
        row = self._model.row_of(column) if column >= 0 else -1
        index = self._model.index(row, 0) if row >= 0 else QModelIndex()
        selection = self._table.selectionModel()
        selection.blockSignals(True)
        self._table.setCurrentIndex(index)
        if row < 0:
            self._table.clearSelection()
        selection.blockSignals(False)
        self._table.viewport().update()

    @Slot(int)
    def _choose(self, column: int) -> None:
        """A column was clicked: every plot points at its token of B; a token of A alone is marked here only."""
        if self._drawing is None:
            return
        position = int(self._drawing.columns[column, 1])
        if position != NOBODY and position != self._token:
            self.tokenSelected.emit(position)
        if column != self._here:
            self._mark(column)

    @Slot(int)
    def _hover(self, column: int) -> None:
        self._point_at(self._describe(column).replace("\n", " · ") if column >= 0 else "", self._position(column))

    @Slot(QModelIndex, QModelIndex)
    def _on_table_current_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        place = self._model.place(current)
        if place >= 0:
            self._choose(place)

    @Slot(object)
    def _on_norms_hovered(self, cell: tuple[int, int] | None) -> None:
        if cell is None or self._drawing is None or self._drawing.grid is None:
            self._point_at("")
            return
        grid = self._drawing.grid
        column = int(self._drawing.paired[cell[1]])
        text = f"{grid.row_labels[cell[0]]} · {self._drawing.names[column]} · norm {grid.values[cell]!s}"
        self._point_at(text, self._position(column))

    @Slot(object)
    def _on_norms_clicked(self, cell: tuple[int, int]) -> None:
        if self._drawing is not None:
            self._choose(int(self._drawing.paired[cell[1]]))

    def _position(self, column: int) -> int:
        return int(self._drawing.columns[column, 1]) if self._drawing is not None and column >= 0 else NOBODY

    def _describe(self, column: int) -> str:
        drawing = self._drawing
        if drawing is None or column < 0:
            return ""
        lines = [drawing.names[column]]
        numbers = drawing.content.numbers
        if numbers is not None:
            divergence, change = float(numbers.divergence[column]), float(numbers.change[column])
            if math.isfinite(divergence):
                lines.append(f"KL {number(divergence)} nats")
            if math.isfinite(change):
                before, after = numbers.probability_a[column], numbers.probability_b[column]
                lines.append(f"probability {percent(float(before))} → {percent(float(after))}")
            if numbers.top_a[column]:
                lines.append(f"likeliest {readable_token(numbers.top_a[column])} → {_top(numbers.top_b[column])}")
        return "\n".join(lines)


def _top(text: str) -> str:
    return readable_token(text) if text else "nothing"


def _short(norm: float) -> str:
    if math.isnan(norm):
        return ""
    return f"{norm:.2f}" if norm < 10 else f"{norm:.1f}" if norm < 100 else f"{norm:,.0f}"


KIND = PlotKind(
    "compare_runs",
    "Compare runs A and B",
    prepare_run_comparison,
    CompareRunsPanel,
    order=90,
    analysis="compare_runs",
)
