"""The logit lens: what the model would say if each block were its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QInputDialog, QLabel, QMenu, QSplitter, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import number, percent, plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.candidate_bars import CandidateBars
from mi_crow_gui.panels.plots.frame_words import not_finite_words
from mi_crow_gui.panels.plots.matrix_view import MatrixView
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.analysis import WHOLE
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.logit_lens import (
    ENTROPY,
    PROBABILITY,
    RANK,
    WORD,
    LensDrawing,
    LensSettings,
    prepare_lens,
)
from mi_crow_gui.plotdata.scale import MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.analysis_panel import Parameters
    from mi_crow_gui.panels.plots.colours import PlotColours


class LogitLensPanel(AnalysisPanel):
    """Block by token; a click on a cell lists the twenty likeliest words there."""

    kind = "logit_lens"
    title = "Logit lens"
    hint = "Run the model (Ctrl+R) to see what each block would say."
    settings_type = LensSettings

    def _build(self) -> QWidget:
        self._cell: tuple[int, int] | None = None
        self._view = MatrixView(self._colours, upwards=True, named_rows=True)
        self._view.hovered.connect(self._on_view_hovered)
        self._view.clicked.connect(self._on_view_clicked)
        self._view.tokenMoved.connect(self._move_token)
        self._view.scaleChosen.connect(self._on_view_scale_chosen)
        self._where = QLabel()
        self._where.setTextFormat(Qt.TextFormat.PlainText)
        self._where.setWordWrap(True)
        self._where.setMargin(GRID // 2)
        self._bars = CandidateBars(self._colours)
        self._bars.pointed.connect(self._on_bars_pointed)
        self._side = QWidget()
        column = QVBoxLayout(self._side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._where)
        column.addWidget(self._bars.scrolled(), 1)
        self._side.hide()
        whole = QSplitter(Qt.Orientation.Horizontal)
        whole.addWidget(self._view)
        whole.addWidget(self._side)
        whole.setSizes([70 * GRID, 34 * GRID])
        whole.setStretchFactor(0, 1)
        return whole

    # ---- for the wiring --------------------------------------------------------------------------------------------

    def parameters(self) -> Parameters:  # noqa: D102 - of the base
        return (("word", self._settings.word),) if self._settings.word else ()

    def further(self) -> tuple[tuple[str, Parameters], ...]:  # noqa: D102 - of the base
        if self._cell is None:
            return ()
        row, token = self._cell
        return (("lens_cell", (("row", row), ("token", token))),)

    def show_further(self, content: Any, problem: str) -> None:  # noqa: D102 - of the base
        if self._cell is None or self._drawing is None:
            return
        if content is None:
            self._where.setText(problem)
            self._bars.set_candidates(())
        elif content.run == self._drawing.run:
            self._where.setText(f"{self._place(*self._cell)}: entropy {number(content.entropy)} nats")
            self._bars.set_candidates(content.candidates)

    def set_word(self, word: str) -> None:
        """Colour by the rank of a word; "" goes back to the probability of the likeliest."""
        self.change_settings(word=word, colour=RANK if word else PROBABILITY)

    def open_cell(self, row: int, token: int) -> None:
        """List the likeliest words of a cell; (-1, -1) closes the list."""
        self._cell = (row, token) if row >= 0 else None
        self._side.setVisible(self._cell is not None)
        if self._cell is not None:
            self._where.setText(f"{self._place(row, token)}: reading…")
            self._bars.set_candidates(())
            self._mark_token(self._token)
            self.settingsChanged.emit()

    def clear(self) -> None:  # noqa: D102 - of the base
        if self._cell is not None:
            self.open_cell(-1, -1)
        super().clear()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, drawing: LensDrawing) -> None:
        content, first = drawing.content, drawing.grid.first_column
        if self._cell is not None and self._cell[1] >= len(content.tokens):
            self.open_cell(-1, -1)

        def word(row: int, column: int) -> tuple[str, str]:
            token = column + first
            if content.live and np.isnan(content.probability[row, token]):
                return ("", "")
            return readable_token(content.words[row][token]), percent(float(content.probability[row, token]))

        self._view.set_grid(drawing.grid, drawing.pyramid, drawing.scale, word, gaps=content.live)
        if drawing.settings.colour in (PROBABILITY, WORD):
            self._view.set_scales((WHOLE, PERCENTILE, MIN_MAX), drawing.settings.scale)
        else:
            self._view.set_scales((), "")

    def _note(self, drawing: LensDrawing) -> str:
        names = {
            PROBABILITY: "probability of the likeliest word",
            ENTROPY: "entropy in nats",
            RANK: f"rank of {readable_token(drawing.content.word)}",
            WORD: f"probability of {readable_token(drawing.content.word)}",
        }
        rows, columns = drawing.grid.values.shape
        extent, live = drawing.pyramid.extent, drawing.content.live
        words = [
            f"{plural(rows - 1, 'block')} × {plural(columns, 'token')}",
            f"{plural(drawing.content.unread, 'token')} not read yet" if drawing.content.unread else "",
            not_finite_words(0 if live else extent.nan, extent.infinite),
            "token 0 left out" if drawing.grid.first_column else "",
            f"colour: {names[drawing.settings.colour]}",
        ]
        return " · ".join(word for word in words if word)

    def _mark_token(self, position: int | None) -> None:
        # The row of the cell that was opened too, as long as its token is the selected one.
        row = self._cell[0] if self._cell is not None and self._cell[1] == position else None
        self._view.set_marked(row, self._place_of(position))

    def _mark_pointed(self, position: int | None) -> None:
        self._view.set_pointed(None, self._place_of(position))

    def _place_of(self, position: int | None) -> int | None:
        first = self._drawing.grid.first_column
        return position - first if position is not None and position >= first else None

    def _recolour(self, colours: PlotColours) -> None:
        self._view.recolour(colours)
        self._bars.recolour(colours)

    def _fill_menu(self, menu: QMenu) -> None:
        colours = [(PROBABILITY, "Probability of the likeliest word"), (ENTROPY, "Entropy")]
        if self._settings.word:
            shown = readable_token(self._settings.word)
            colours += [(RANK, f"Rank of {shown}"), (WORD, f"Probability of {shown}")]
        self._add_choice(menu, "Colour", colours, "colour")
        menu.addAction("Rank of a word…", self._ask_word)
        self._add_choice(
            menu,
            "Scale",
            ((WHOLE, "0 to 1"), (PERCENTILE, "Percentile (1 to 99)"), (MIN_MAX, "Min to max")),
            "scale",
        )
        self._add_switch(menu, "Hide the first token", "hide_first")
        menu.addAction("Show everything", self._view.fit)
        if self._cell is not None:
            menu.addAction("Close the list of words", lambda: self.open_cell(-1, -1))

    def _ask_word(self) -> None:
        word, agreed = QInputDialog.getText(
            self, "Rank of a word", "Word, with its leading space if it has one:", text=self._settings.word or " "
        )
        if agreed:
            self.set_word(word if word.strip() else "")

    def _place(self, row: int, token: int) -> str:
        return f"{self._drawing.grid.row_labels[row]} · {self._token_words(token)}"

    @Slot(str)
    def _on_view_scale_chosen(self, scale: str) -> None:
        self.change_settings(scale=scale)

    @Slot(object)
    def _on_view_hovered(self, cell: tuple[int, int] | None) -> None:
        if cell is None or self._drawing is None:
            self._point_at("")
            return
        content = self._drawing.content
        cell = (cell[0], cell[1] + self._drawing.grid.first_column)
        if content.live and np.isnan(content.probability[cell]):
            self._point_at(f"{self._place(*cell)} · not read yet", cell[1])
            return
        words = [
            self._place(*cell),
            f"{readable_token(content.words[cell[0]][cell[1]])} {content.probability[cell]!s}",
            f"entropy {content.entropy[cell]!s} nats",
        ]
        if content.rank is not None:
            words.append(f"{readable_token(content.word)} rank {content.rank[cell]}")
        self._point_at(" · ".join(words), cell[1])

    @Slot(object)
    def _on_view_clicked(self, cell: tuple[int, int]) -> None:
        row, token = cell[0], cell[1] + self._drawing.grid.first_column
        self.tokenSelected.emit(token)
        self.open_cell(row, token)

    @Slot(str)
    def _on_bars_pointed(self, text: str) -> None:
        self._point_at(text)


KIND = PlotKind("logit_lens", "Logit lens", prepare_lens, LogitLensPanel, order=50, analysis="logit_lens")
