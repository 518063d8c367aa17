"""Direct effect: which heads and MLPs write a word, directly, into the model's prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Slot

from mi_crow_gui.document.experiment_settings import DirectEffectSettings
from mi_crow_gui.document.formatting import number
from mi_crow_gui.panels.plots.cell_map import CellMap
from mi_crow_gui.panels.plots.experiment_panel import ExperimentPanel, cell_words
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.direct_effect import DirectEffectDrawing, prepare_direct_effect
from mi_crow_gui.plotdata.kind import PlotKind

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.panels.plots.experiment_header import ExperimentHeader


class DirectEffectPanel(ExperimentPanel):
    """A click on a cell selects its module."""

    kind = "direct_effect"
    title = "Direct effect"
    verb = "Split the logit"
    hint = (
        "Splits the logit of the next word into what each head and MLP writes toward it. Choose a word above, or leave "
        "it empty for the likeliest, then press “Split the logit”."
    )
    explains = (
        "Each cell: what that part adds to the word's logit straight through the final norm, past all later parts, in "
        "logits. Positive makes the word likelier. All cells, the embedding and the final bias add up to the logit."
    )
    settings_type = DirectEffectSettings

    def _fill_header(self, header: ExperimentHeader) -> None:
        header.add_text("word", "Word", "likeliest", "The word whose logit is split: its first token counts")
        header.add_text("against", "less", "nothing", "A word whose logit is taken off: its first token counts")
        header.add_position("position", "after token", "Index of the token after which the word is predicted; -1: last")

    def _build_map(self) -> QWidget:
        self._view = CellMap(self._colours, named_columns=True, whole_words=True)
        self._view.canvas.setObjectName("directEffectMap")
        self._view.canvas.setAccessibleName("Direct effect: arrow keys move, Enter selects the module")
        self._view.hovered.connect(self._on_view_pointed)
        self._view.pointedAt.connect(self._on_view_pointed)
        self._view.chosen.connect(self._on_view_chosen)
        self._view.entered.connect(self._on_view_entered)
        return self._view

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, drawing: DirectEffectDrawing) -> None:
        effects = drawing.content.effects

        def word(row: int, column: int) -> tuple[str, ...]:
            return ("–",) if np.isnan(effects[row, column]) else cell_words(effects[row, column], False)

        self._view.set_grid(drawing.grid, drawing.pyramid, drawing.scale, word)

    def _note(self, drawing: DirectEffectDrawing) -> str:
        content = drawing.content
        parts = float(np.nansum(content.effects))
        return (
            f"{self._word()}: cells {number(parts)} + embedding {number(content.embedding)} + bias "
            f"{number(content.bias)} = {number(content.total)}, {abs(content.logit - content.total):.1e} off "
            f"the model's logit · {content.aside}"
        )

    def _word(self) -> str:
        return " less ".join(readable_token(word) for word in self._drawing.content.words)

    def _when_words(self, drawing: DirectEffectDrawing) -> str:
        content = drawing.content
        return f"after token {content.position} {readable_token(content.tokens[content.position])}"

    def _recolour(self, colours: PlotColours) -> None:
        self._view.recolour(colours)

    # ---- what is done to it ----------------------------------------------------------------------------------------

    @Slot(object)
    def _on_view_pointed(self, cell: tuple[int, int] | None) -> None:
        if cell is None or self._drawing is None:
            self._point_at("")
            return
        content = self._drawing.content
        effect = content.effects[cell]
        says = "no such part" if np.isnan(effect) else f"{effect:+.6g} logits toward {self._word()}"
        self._point_at(f"{content.name(cell)} · {says} · {content.site_of(cell)}")

    @Slot(object, bool)
    def _on_view_chosen(self, cell: tuple[int, int], joins: bool) -> None:
        if self._drawing is not None and self._drawing.content.site_of(cell):
            self.siteChosen.emit(self._drawing.content.site_of(cell))

    @Slot(object)
    def _on_view_entered(self, cell: tuple[int, int]) -> None:
        self._on_view_chosen(cell, False)


KIND = PlotKind(
    "direct_effect", "Direct effect", prepare_direct_effect, DirectEffectPanel, order=130, analysis="experiment"
)
