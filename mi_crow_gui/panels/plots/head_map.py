"""The head map: which heads look at the previous token, at the first, at copies, or behind copies."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QGridLayout, QWidget

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.chosen_row import ElidedLabel
from mi_crow_gui.panels.plots.matrix_view import MatrixView
from mi_crow_gui.plotdata.head_map import (
    RANDOM,
    SCORES,
    TEXT,
    HeadMapDrawing,
    HeadMapSettings,
    prepare_head_map,
)
from mi_crow_gui.plotdata.kind import PlotKind

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent
    from PySide6.QtWidgets import QMenu

    from mi_crow_gui.panels.plots.analysis_panel import Parameters
    from mi_crow_gui.panels.plots.colours import PlotColours


_WIDE = 72 * GRID


class HeadMapPanel(AnalysisPanel):
    """Four maps of blocks by heads, all on one scale from 0 to 1; a click on a head asks to see what it looks at."""

    headChosen = Signal(int, int)

    kind = "head_map"
    title = "Head map"
    hint = "Model ▸ Map the heads scores every attention head on random tokens said twice."
    settings_type = HeadMapSettings

    def _build(self) -> QWidget:
        whole = QWidget()
        layout = QGridLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._views: list[MatrixView] = []
        self._titles: list[ElidedLabel] = []
        for place, (_, words) in enumerate(SCORES):
            view = MatrixView(self._colours, whole_words=True)
            view.hovered.connect(partial(self._on_view_hovered, place))
            view.clicked.connect(self._on_view_clicked)
            title = ElidedLabel()
            title.setText(words)
            title.setContentsMargins(GRID, GRID // 2, GRID, 0)
            title.setBuddy(view.canvas)
            row, column = 2 * (place // 2), place % 2
            layout.addWidget(title, row, column)
            layout.addWidget(view, row + 1, column)
            layout.setRowStretch(row + 1, 1)
            layout.setColumnStretch(column, 1)
            self._views.append(view)
            self._titles.append(title)
        return whole

    # ---- for the wiring --------------------------------------------------------------------------------------------

    def parameters(self) -> Parameters:  # noqa: D102 - of the base
        return (("source", self._settings.source), ("controllers", self._settings.controllers))

    def of_run(self) -> bool:  # noqa: D102 - of the base
        return bool(self._settings.source == TEXT)

    def acted_upon(self) -> bool:
        """What controllers change it shows, unless they are kept out of it."""
        return bool(self._settings.controllers)

    def divisible(self) -> bool:
        """A score is a mean over all tokens."""
        return False

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, drawing: HeadMapDrawing) -> None:
        for place, view in enumerate(self._views):
            grid = drawing.grids[place]
            values = grid.values

            def word(row: int, column: int, values: Any = values) -> tuple[str, ...]:
                score = values[row, column]
                return ("–",) if math.isnan(score) else (f"{score:.2f}",)

            view.set_grid(grid, drawing.pyramids[place], drawing.scale, word)
        self._say_strongest()

    def _say_strongest(self) -> None:
        if self._drawing is None:
            return
        # A narrow plot writes blocks and heads as papers do.
        pattern = "{}: L{}H{}, {:.3f}" if self.width() < _WIDE else "{}: block {} head {}, {:.3f}"
        for place, title in enumerate(self._titles):
            best, words = self._drawing.content.strongest(place), SCORES[place][1]
            title.setText(words if best is None else pattern.format(words, *best))
            title.setToolTip(words if best is None else "{}: block {} head {}, {}".format(words, *best))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._say_strongest()

    def _when_words(self, drawing: HeadMapDrawing) -> str:
        if drawing.content.source == RANDOM:
            return "random tokens, said twice"
        return super()._when_words(drawing)

    def _texts(self) -> tuple[str, ...]:
        # The tokens are no run's unless they are: there is nothing to point at.
        return ()

    def _note(self, drawing: HeadMapDrawing) -> str:
        content = drawing.content
        _, blocks, heads = content.scores.shape
        words = [
            f"{plural(blocks, 'block')} × {plural(heads, 'head')}",
            f"scored on {plural(len(content.tokens), 'token')}",
        ]
        words += [f"{plural(content.acting, 'controller')} acting"] if content.acting else []
        words += [f"{plural(content.silent, 'controller')} off for this"] if content.silent else []
        if content.switched_from:
            words.append(f"attention computed 'eager' instead of '{content.switched_from}' for this")
        return " · ".join(words)

    def _recolour(self, colours: PlotColours) -> None:
        for view in self._views:
            view.recolour(colours)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Scored on", ((RANDOM, "Random tokens, said twice"), (TEXT, "The run's text")), "source")
        self._add_switch(menu, "Let controllers act", "controllers")

    def _on_view_hovered(self, place: int, cell: tuple[int, int] | None) -> None:
        if cell is None or self._drawing is None:
            self._point_at("")
            return
        scores = self._drawing.content.scores[:, cell[0], cell[1]]
        names = [f"{words.lower()} {score!s}" for (_, words), score in zip(SCORES, scores, strict=True)]
        # What is under the cursor first.
        self._point_at(f"block {cell[0]} head {cell[1]} · {' · '.join([names.pop(place), *names])}")

    @Slot(object)
    def _on_view_clicked(self, cell: tuple[int, int]) -> None:
        self.headChosen.emit(*cell)


KIND = PlotKind("head_map", "Head map", prepare_head_map, HeadMapPanel, order=70, analysis="head_map")
