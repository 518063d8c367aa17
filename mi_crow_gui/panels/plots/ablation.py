"""The ablation map: how much worse the model does without each head, MLP or block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mi_crow_gui.document.experiment_settings import (
    BLOCK,
    HEADS,
    LOGIT_DIFFERENCE,
    LOSS,
    MEAN,
    MLP,
    PROMPT,
    RANDOM,
    REPEATED_LOSS,
    RESAMPLE,
    ZERO,
    AblationSettings,
)
from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.panels.plots.cell_map import CellMap
from mi_crow_gui.panels.plots.chosen_row import ChosenRow
from mi_crow_gui.panels.plots.experiment_panel import ExperimentPanel, cell_words
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.ablation import AblationDrawing, Ablations, prepare_ablation
from mi_crow_gui.plotdata.kind import PlotKind

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.panels.plots.experiment_header import ExperimentHeader

_BY = {ZERO: "zeros", MEAN: "its mean over the tokens", RESAMPLE: "its values at other tokens"}


class AblationPanel(ExperimentPanel):
    """A click on a cell selects its module and marks it; marked cells can be taken out by controllers."""

    controllersWanted = Signal(object, object)

    kind = "ablation"
    title = "Ablation"
    verb = "Take out each"
    hint = (
        "Takes every head, MLP or block out in turn and measures what the model loses. Choose above what to take out "
        "and how to measure, then press “Take out each”."
    )
    explains = (
        "Each cell: the metric without that part, less the metric of the whole model. Positive loss: the model guesses "
        "worse without it. Click a cell to select its module."
    )
    settings_type = AblationSettings

    def _fill_header(self, header: ExperimentHeader) -> None:
        header.add_choice(
            "part", "Part", ((HEADS, "Heads"), (MLP, "MLPs"), (BLOCK, "Blocks")), "What is taken out, one at a time"
        )
        header.add_choice(
            "by",
            "Put in",
            ((ZERO, "Zero"), (MEAN, "Mean"), (RESAMPLE, "Resample")),
            "What takes its place: nothing, its mean over the tokens, or what it held at tokens drawn at random",
        )
        header.add_choice(
            "source",
            "Text",
            ((PROMPT, "The prompt"), (RANDOM, "Random tokens, said twice")),
            "What the model reads meanwhile",
        )
        header.add_choice(
            "metric",
            "By",
            ((LOSS, "Loss of all tokens"), (REPEATED_LOSS, "Loss of repeats"), (LOGIT_DIFFERENCE, "Logit difference")),
            "Loss: how surprised the model is, in nats a token. Repeats: tokens that occurred before. "
            "Logit difference: how much more it expects one word than another after the last token",
        )
        header.add_text("right", "of", "likeliest", "The word it should say: its first token counts")
        header.add_text("wrong", "against", "second", "The word it should not say: its first token counts")

    def _build_map(self) -> QWidget:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._view = CellMap(self._colours, named_columns=True, whole_words=True)
        self._view.canvas.setObjectName("ablationMap")
        self._view.canvas.setAccessibleName("Ablation map: arrow keys move, Space marks a part")
        self._view.hovered.connect(self._on_view_pointed)
        self._view.pointedAt.connect(self._on_view_pointed)
        self._view.chosen.connect(self._on_view_chosen)
        self._view.entered.connect(self._on_view_entered)
        self._row = ChosenRow("ablation", "Take out by controllers", "Put controllers on these parts: one step of undo")
        self._row.acted.connect(self._on_row_acted)
        self._row.cleared.connect(self.forget_chosen)
        column.addWidget(self._view, 1)
        column.addWidget(self._row)
        self._chosen: list[tuple[int, int]] = []
        return whole

    @property
    def chosen(self) -> tuple[tuple[int, int], ...]:
        """The marked cells: block and head."""
        return tuple(self._chosen)

    def choose(self, cells: tuple[tuple[int, int], ...]) -> None:
        """Mark these cells and no others."""
        self._chosen = list(cells)
        self._show_chosen()

    def clear(self) -> None:  # noqa: D102 - of the base
        self._chosen = []
        self._show_chosen()
        super().clear()

    @Slot()
    def forget_chosen(self) -> None:
        """Mark nothing."""
        self.choose(())

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, drawing: AblationDrawing) -> None:
        content = drawing.content
        change = content.change

        def word(row: int, column: int) -> tuple[str, ...]:
            failed = (row, column) in content.failures
            return ("–",) if np.isnan(change[row, column]) and not failed else cell_words(change[row, column], failed)

        self._view.set_grid(drawing.grid, drawing.pyramid, drawing.scale, word)
        rows, columns = change.shape
        self.choose(tuple(cell for cell in self._chosen if cell[0] < rows and cell[1] < columns))

    def _note(self, drawing: AblationDrawing) -> str:
        content = drawing.content
        words = [
            f"{content.metric} {number(content.baseline)} with everything in",
            f"put in: {_BY[content.settings.by]}",
        ]
        best = content.strongest()
        if best is not None:
            words.insert(0, f"most by {content.name(best)}: {content.change[best]:+.4g}")
        if content.words:
            words.append(f"{readable_token(content.words[0])} against {readable_token(content.words[1])}")
        if content.failures:
            words.append(f"{plural(len(content.failures), 'cell')} failed")
        return " · ".join([*words, content.aside])

    def _recolour(self, colours: PlotColours) -> None:
        self._view.recolour(colours)

    def _settings_shown(self) -> None:
        for field in ("right", "wrong"):
            self.header.set_visible(field, self._settings.metric == LOGIT_DIFFERENCE)

    # ---- what is done to it ----------------------------------------------------------------------------------------

    def _content(self) -> Ablations | None:
        return self._drawing.content if self._drawing is not None else None

    @Slot(object)
    def _on_view_pointed(self, cell: tuple[int, int] | None) -> None:
        content = self._content()
        if cell is None or content is None:
            self._point_at("")
            return
        failed = content.failures.get(cell)
        if failed:
            self._point_at(f"{content.name(cell)} · failed: {failed}")
            return
        change = float(content.change[cell])
        self._point_at(
            f"{content.name(cell)} · {content.metric} {content.baseline + change:.6g}, {change:+.6g} · "
            f"{content.sites[cell[0]]}"
        )

    @Slot(object, bool)
    def _on_view_chosen(self, cell: tuple[int, int], joins: bool) -> None:
        content = self._content()
        if content is None:
            return
        if joins:
            self.choose(tuple(c for c in self._chosen if c != cell) if cell in self._chosen else (*self._chosen, cell))
        else:
            self.choose((cell,))
        if content.sites[cell[0]]:
            self.siteChosen.emit(content.sites[cell[0]])

    @Slot(object)
    def _on_view_entered(self, cell: tuple[int, int]) -> None:
        self._on_view_chosen(cell, False)

    @Slot()
    def _on_row_acted(self) -> None:
        content = self._content()
        if content is not None and self._chosen:
            self.controllersWanted.emit(content, self.chosen)

    def _show_chosen(self) -> None:
        content = self._content()
        if content is None or not self._chosen:
            self._row.set_words("")
            return
        names = [content.name(cell) for cell in self._chosen]
        self._row.set_words(", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""))


KIND = PlotKind("ablation", "Ablation", prepare_ablation, AblationPanel, order=110, analysis="experiment")
