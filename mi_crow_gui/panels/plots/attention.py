"""Attention: what each head of a block looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QMenu, QSplitter, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.frame_words import not_finite_words
from mi_crow_gui.panels.plots.head_grid import HeadGrid
from mi_crow_gui.panels.plots.matrix_view import MatrixView
from mi_crow_gui.plotdata.analysis import WHOLE
from mi_crow_gui.plotdata.attention import AttentionDrawing, AttentionSettings, prepare_attention
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.scale import MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from mi_crow_gui.panels.plots.analysis_panel import Parameters
    from mi_crow_gui.panels.plots.colours import PlotColours


_BOTH = 42 * GRID  # as wide as this, all heads stand beside the large one


class AttentionPanel(AnalysisPanel):
    """All heads of a block small, and the chosen one large with its tokens: row by row what each attends to."""

    kind = "attention"
    title = "Attention"
    hint = "Run the model (Ctrl+R) to see what each head looks at."
    settings_type = AttentionSettings

    def _build(self) -> QWidget:
        self._block = QComboBox()
        self._block.setObjectName("attentionBlock")
        self._block.setAccessibleName("Block")
        self._block.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._block.setMinimumContentsLength(len("Block 99"))
        self._block.activated.connect(self._on_block_activated)
        self._heads = HeadGrid(self._colours)
        self._heads.headChosen.connect(self._on_heads_head_chosen)
        side = self._side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(GRID // 2, 0, GRID // 2, 0)
        column.setSpacing(GRID // 2)
        column.addWidget(self._block)
        column.addWidget(self._heads, 1)
        self._view = MatrixView(self._colours)
        self._view.hovered.connect(self._on_view_hovered)
        self._view.clicked.connect(self._on_view_clicked)
        self._view.tokenMoved.connect(self._move_token)
        self._view.scaleChosen.connect(self._on_view_scale_chosen)
        whole = QSplitter(Qt.Orientation.Horizontal)
        whole.addWidget(side)
        whole.addWidget(self._view)
        whole.setSizes([30 * GRID, 70 * GRID])
        whole.setStretchFactor(0, 3)
        whole.setStretchFactor(1, 7)
        return whole

    def parameters(self) -> Parameters:  # noqa: D102 - of the base
        return (("block", self._settings.block),)

    def _draw(self, drawing: AttentionDrawing) -> None:
        content = drawing.content
        names = [f"Block {block}" for block in content.blocks]
        if [self._block.itemText(index) for index in range(self._block.count())] != names:
            self._block.clear()
            for block, name in zip(content.blocks, names, strict=True):
                self._block.addItem(name, block)
        self._block.setCurrentIndex(content.blocks.index(content.block))
        self._heads.set_heads(content.small, drawing.head, drawing.scale, gaps=content.live)
        self._view.set_grid(drawing.grid, drawing.pyramid, drawing.scale, gaps=content.live)
        self._view.set_scales((WHOLE, PERCENTILE, MIN_MAX), drawing.settings.scale)
        self._say_titles()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        # Beside all heads the large one would have no room; the menu chooses as well.
        self._side.setVisible(self.width() >= _BOTH)
        self._say_titles()

    def _words(self) -> str:
        if self._drawing is None:
            return self.title
        block, head = self._drawing.content.block, self._drawing.head
        return f"L{block}H{head} {self.title}" if self.width() < _BOTH else f"{self.title} · block {block} head {head}"

    def _note(self, drawing: AttentionDrawing) -> str:
        content = drawing.content
        words = [f"{plural(len(content.patterns), 'head')} × {plural(len(content.tokens), 'token')}", content.path]
        extent = drawing.pyramid.extent
        # While a run goes on, NaN is what nobody looked at when it was computed.
        bad = not_finite_words(0 if content.live else extent.nan, extent.infinite)
        if bad:
            words.append(f"head {drawing.head}: {bad}")
        if drawing.grid.first_column:
            words.append("token 0 left out")
        if content.switched_from:
            words.append(f"attention computed 'eager' instead of '{content.switched_from}' for this")
        return " · ".join(words)

    def _mark_token(self, position: int | None) -> None:
        place = self._place_of(position)
        self._view.set_marked(place, place)

    def _mark_pointed(self, position: int | None) -> None:
        place = self._place_of(position)
        self._view.set_pointed(place, place)

    def _place_of(self, position: int | None) -> int | None:
        """Row and column of a token."""
        first = self._drawing.grid.first_row
        return position - first if position is not None and position >= first else None

    def _recolour(self, colours: PlotColours) -> None:
        self._heads.recolour(colours)
        self._view.recolour(colours)

    def _fill_menu(self, menu: QMenu) -> None:
        if self._drawing is not None:
            content = self._drawing.content
            self._add_choice(menu, "Block", [(block, f"Block {block}") for block in content.blocks], "block")
            self._add_choice(menu, "Head", [(head, f"Head {head}") for head in range(len(content.patterns))], "head")
        self._add_choice(
            menu,
            "Scale",
            ((WHOLE, "0 to 1"), (PERCENTILE, "Percentile (1 to 99)"), (MIN_MAX, "Min to max")),
            "scale",
        )
        self._add_switch(menu, "Hide the first token", "hide_first")
        menu.addAction("Show everything", self._view.fit)

    @Slot(str)
    def _on_view_scale_chosen(self, scale: str) -> None:
        self.change_settings(scale=scale)

    @Slot(int)
    def _on_block_activated(self, index: int) -> None:
        self.change_settings(block=self._block.itemData(index))

    @Slot(int)
    def _on_heads_head_chosen(self, head: int) -> None:
        self.change_settings(head=head)

    @Slot(object)
    def _on_view_hovered(self, cell: tuple[int, int] | None) -> None:
        if cell is None or self._drawing is None:
            self._point_at("")
            return
        grid = self._drawing.grid
        row, column = cell[0] + grid.first_row, cell[1] + grid.first_column
        weight = grid.values[cell]
        self._point_at(f"{self._token_words(row)} → {self._token_words(column)} · {weight!s}", row)

    @Slot(object)
    def _on_view_clicked(self, cell: tuple[int, int]) -> None:
        self.tokenSelected.emit(cell[0] + self._drawing.grid.first_row)


KIND = PlotKind("attention", "Attention", prepare_attention, AttentionPanel, order=60, analysis="attention")
