"""The projection of a capture: tokens of all its texts as points, coloured by token, position or label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PySide6.QtCore import Signal

from core_hooks.analysis.embedding import lacking
from mi_crow_gui.document.formatting import count, number, percent, plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.projection import METHODS, ProjectionPanel
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.corpus_projection import (
    MOST,
    CorpusProjectionSettings,
    colour_of,
    prepare_corpus_projection,
)
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.projection import LABEL, NORM, PCA, POSITION, TOKEN

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu, QWidget

_HINT = "Open a capture (File › Open capture): the tokens of its texts are placed here, like beside like."
_COLOURS = (
    (LABEL, "Label of the text"),
    (TOKEN, "Token text"),
    (POSITION, "Position in its text"),
    (NORM, "L2 norm"),
)
_WORDS = {LABEL: "label", TOKEN: "token", POSITION: "position", NORM: "L2 norm"}


class CorpusProjectionPanel(ProjectionPanel):
    """Points of the shown site of the open capture; a click on one opens its text there.

    `pointLooked` says which row of the capture is under the mouse; `show_around` answers with the words about it.
    """

    kind = "corpus_projection"
    title = "Projection of a capture"
    settings_type: ClassVar[type] = CorpusProjectionSettings

    rowChosen = Signal(int)
    pointLooked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._trouble = ""
        self._looked: tuple[int, str] = (-1, "")  # row under the mouse, and what is said of it
        self._row = -1
        super().__init__(parent)
        self.progress = ProgressRow("corpusProjection")
        self.progress.setContentsMargins(GRID, 0, GRID, 0)
        self._column.insertWidget(1, self.progress)

    # ---- for the wiring ----------------------------------------------------------------------------------------

    def show_problem(self, sentence: str) -> None:
        """Say why there is nothing to show."""
        self._trouble = sentence
        self.clear()
        self._trouble = ""

    def show_around(self, row: int, words: str) -> None:
        """Say what stands around the token of a row, if the mouse is still there."""
        if row == self._looked[0]:
            self._point_at(f"{words} · {self._looked[1]}")

    def mark_row(self, row: int) -> None:
        """Put a ring around the token of this row of the capture, if it is shown; -1 for none."""
        self._row = row
        if self._drawing is not None:
            self._points.set_marked(self._index_of(row))

    # ---- drawing -----------------------------------------------------------------------------------------------

    def show_drawing(self, drawing: Any) -> None:  # noqa: D102 - of the base
        super().show_drawing(drawing)
        self.mark_row(self._row)

    def _note(self, drawing: Any) -> str:
        by = colour_of(drawing.content, drawing.settings.colour)
        words = [
            self._problem,
            f"{dict(METHODS)[drawing.method]} of {drawing.content.how_many}",
            f"{plural(drawing.left_out, 'token')} with NaN or ∞ left out" if drawing.left_out else "",
            "without first tokens" if drawing.settings.hide_first else "",
            f"{percent(sum(drawing.shares))} of variance" if drawing.method == PCA else "seed 0",
            f"colour: {_WORDS[by]}" + (" (captured without labels)" if by != drawing.settings.colour else ""),
        ]
        return " · ".join(word for word in words if word)

    def _mark_token(self, position: int | None) -> None:
        """Positions are of one text, and the points of many: `mark_row` is told the row."""

    def _mark_pointed(self, position: int | None) -> None:
        """As of the selected token."""

    def _look_at(self, index: int, place: str) -> None:
        drawing = self._drawing
        row, text, position = drawing.place(index)
        label = drawing.label(index)
        x, y = (number(float(value)) for value in drawing.points[index])
        words = [
            f"token {count(position)} of text {count(text)}",
            f"label {label}" if label else "",
            f"{drawing.axis} 1 {x}, 2 {y}",
        ]
        said = " · ".join(word for word in words if word)
        # The words around it come when they have been read, in place of the token alone.
        self._point_at(f"{readable_token(drawing.token(index))} · {said}")
        if row != self._looked[0]:
            self._looked = (row, said)
            self.pointLooked.emit(row)

    def _point_at(self, text: str, position: int = -1) -> None:
        if not text:
            self._looked = (-1, "")
        super()._point_at(text, position)

    def _choose(self, index: int) -> None:
        self.rowChosen.emit(self._drawing.place(index)[0])

    def _move_token(self, by: int) -> None:
        """Go to the next point in the order of the texts."""
        if self._drawing is None or not len(self._drawing.points):
            return
        marked = self._index_of(self._row)
        last = len(self._drawing.points) - 1
        wanted = (0 if by > 0 else last) if marked is None else marked + by
        self._choose(max(0, min(wanted, last)))

    def _index_of(self, row: int) -> int | None:
        rows = self._drawing.content.found.rows
        at = int(np.searchsorted(rows, row))
        return at if at < len(rows) and rows[at] == row else None

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_methods(menu)
        label, *_ = self._add_choice(menu, "Colour by", _COLOURS, "colour")
        if self._drawing is not None and not self._drawing.content.found.label_names:
            label.setEnabled(False)
            label.setText("Label of the text (this capture was made without labels)")
        self._add_choice(menu, "Points", ((most, f"up to {count(most)}") for most in MOST), "most")
        self._add_switch(menu, "Leave out the first token of each text", "hide_first")
        menu.addAction("Show everything", self.fit)

    def _obstacle(self, drawing: Any) -> str:
        if drawing.settings.method != PCA and drawing.reduced is None:
            return f"{dict(METHODS).get(drawing.settings.method, 'This')} needs more tokens"
        return lacking(drawing.settings.method)

    def _show_empty(self) -> None:
        if self._drawing is not None:
            return
        self._empty.setText(self._trouble or _HINT)
        self._stack.setCurrentIndex(0)


KIND = PlotKind(
    "corpus_projection",
    "Projection of a capture",
    prepare_corpus_projection,
    CorpusProjectionPanel,
    order=91,
    analysis="capture.projection",
)
