"""The patching map: which places of one prompt's run bring its answer back into the run of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QByteArray, QMimeData, Qt, Signal, Slot
from PySide6.QtGui import QDrag
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from mi_crow_gui.document.experiment_settings import (
    ATTENTION,
    DIVERGENCE,
    HEADS,
    LOGIT_DIFFERENCE,
    MLP,
    PROBABILITY,
    RESIDUAL,
    PatchingSettings,
)
from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.cell_map import CellMap
from mi_crow_gui.panels.plots.experiment_panel import ExperimentPanel, cell_words
from mi_crow_gui.panels.plots.pair_strip import CELL_MIME, PairStrip
from mi_crow_gui.panels.plots.sent_box import SentBox
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.patching import Patches, PatchingDrawing, Sent, prepare_patching

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.panels.plots.experiment_header import ExperimentHeader

_PART = {
    RESIDUAL: "what block {} returns at token {}",
    ATTENTION: "the attention of block {} at token {}",
    MLP: "the MLP of block {} at token {}",
    HEADS: "block {} head {}",
}


class PatchingPanel(ExperimentPanel):
    """A cell is pulled onto a token of B, or sent with Enter: one forward shows what it does.

    `sendWanted` carries the place in A and the place in B; `pinsWanted` asks for the prompts of the pinned runs.
    """

    sendWanted = Signal(object, object)
    pinsWanted = Signal()

    kind = "patching"
    title = "Patching"
    verb = "Patch each"
    hint = (
        "Puts what the model held while it read prompt A into its run of prompt B, place by place, and measures how "
        "much of A's answer comes back. Type two prompts that differ in a word, or pin two runs as A and B in the "
        "history."
    )
    explains = (
        "Each cell: how far B's answer moves to A's when B is given what A held there; 0 is as B, 1 is as A. Pull a "
        "cell onto a token of B, or press Enter on it, to put in that one alone."
    )
    settings_type = PatchingSettings

    def _fill_header(self, header: ExperimentHeader) -> None:
        header.add_text("clean", "A", "The prompt with the answer", "Clean: what it holds is put into B", 34)
        header.add_text("corrupted", "B", "The prompt that differs", "Corrupted: what A held is put into its run", 34)
        self._pins = QToolButton()
        self._pins.setText("From pinned runs")
        self._pins.setObjectName("patchingPins")
        self._pins.setToolTip("Take the prompts of the runs that are pinned as A and B in the history")
        self._pins.clicked.connect(self.pinsWanted)
        header.add_widget(self._pins)
        header.add_choice(
            "part",
            "Part",
            ((RESIDUAL, "Residual stream"), (HEADS, "Heads"), (ATTENTION, "Attention"), (MLP, "MLP")),
            "What is put in: what a block returns, or what its attention or MLP adds, at one token; or one head at all",
        )
        header.add_choice(
            "metric",
            "By",
            ((LOGIT_DIFFERENCE, "Logit difference"), (PROBABILITY, "Probability"), (DIVERGENCE, "KL divergence")),
            "After the last token: how much more A's word is expected than B's, how likely A's word is, or how far the "
            "whole prediction is from A's",
        )
        header.add_text("right", "of", "A's likeliest", "The word that A is continued with: its first token counts", 9)
        header.add_text("wrong", "against", "B's likeliest", "The word that B is continued with", 9)

    def _build_map(self) -> QWidget:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._strip = PairStrip(self._colours)
        self._strip.dropped.connect(self._on_strip_dropped)
        self._problem_line = QLabel()
        self._problem_line.setObjectName("pairProblem")
        self._problem_line.setWordWrap(True)
        self._problem_line.setTextFormat(Qt.TextFormat.PlainText)
        self._problem_line.setContentsMargins(GRID, 0, GRID, GRID // 2)
        self._problem_line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._problem_line.hide()
        self._view = CellMap(self._colours, whole_words=True)
        self._view.set_draggable(True)
        self._view.canvas.setObjectName("patchingMap")
        self._view.canvas.setAccessibleName("Patching map: arrow keys move, Enter sends a place to B")
        self._view.hovered.connect(self._on_view_pointed)
        self._view.pointedAt.connect(self._on_view_pointed)
        self._view.chosen.connect(self._on_view_chosen)
        self._view.entered.connect(self._on_view_entered)
        self._view.dragged.connect(self._on_view_dragged)
        self._sent = SentBox()
        self._sent.closed.connect(self._on_sent_closed)
        self._strip_area = self._strip.scrolled()
        column.addWidget(self._strip_area)
        column.addWidget(self._problem_line)
        column.addWidget(self._view, 1)
        column.addWidget(self._sent)
        return whole

    # ---- for the wiring --------------------------------------------------------------------------------------------

    def show_sent(self, sent: Sent) -> None:
        """Show a patched forward; one of other prompts than those shown is passed over."""
        content = self._content()
        if content is None or (content.settings.clean, content.settings.corrupted) != (
            sent.settings.clean,
            sent.settings.corrupted,
        ):
            return
        source = _PART[sent.settings.part].format(*sent.source)
        place = f"From A {source}"
        if sent.target != sent.source:
            place += f", in B at block {sent.target[0]}, token {sent.target[1]}"
        self._sent.set_sent(sent, place)
        self._share_room()

    def ask_for_prompts(self) -> None:
        """Put the keyboard where something is still to be typed."""
        field = "corrupted" if self._settings.clean else "clean"
        if not getattr(self._settings, field):
            self.header.field(field).setFocus()

    def set_pins(self, there: bool) -> None:
        """Whether there are pinned runs to take prompts from."""
        self._pins.setEnabled(there)

    def clear(self) -> None:  # noqa: D102 - of the base
        self._sent.hide()
        super().clear()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, drawing: PatchingDrawing) -> None:
        content = drawing.content
        recovered = content.recovered

        def word(row: int, column: int) -> tuple[str, ...]:
            failed = (row, column) in content.failures
            return (
                ("·",)
                if np.isnan(recovered[row, column]) and not failed
                else cell_words(recovered[row, column], failed)
            )

        self._view.set_grid(drawing.grid, drawing.pyramid, drawing.scale, word)
        self._strip.set_pair(content.pair)
        problem = content.pair.problem
        self._problem_line.setText(f"⚠ {problem} A single place can be put in all the same." if problem else "")
        self._problem_line.setVisible(bool(problem))
        cell = self._view.cursor_cell
        if cell is not None:
            self._view.place_cursor(cell if cell[0] < recovered.shape[0] and cell[1] < recovered.shape[1] else None)

    def _note(self, drawing: PatchingDrawing) -> str:
        content = drawing.content
        if not content.made:
            return "nothing computed yet · press “Patch each” for the map"
        names = " against ".join(readable_token(word) for word in content.words)
        of = f" of {names}" if names else ""
        words = [f"{content.metric}{of}: A {number(content.clean)}, B {number(content.corrupted)}"]
        if content.failures:
            words.append(f"{plural(len(content.failures), 'cell')} failed")
        return " · ".join([*words, content.aside])

    def _when_words(self, drawing: PatchingDrawing) -> str:
        pair = drawing.content.pair
        differ = [c for c in pair.columns if -1 in c or pair.clean[c[0]] != pair.corrupted[c[1]]]
        return "A → B" if not differ else f"A → B, {plural(len(differ), 'token')} different"

    def _recolour(self, colours: PlotColours) -> None:
        self._view.recolour(colours)
        self._strip.recolour(colours)

    def _share_room(self) -> None:
        super()._share_room()
        self._sent.set_short(self.is_short)
        if not self._sent.isHidden():
            # The map and the numbers come before the explanation.
            self._means.hide()
        self._strip_area.setVisible(not self.is_short or self._sent.isHidden())

    def _settings_shown(self) -> None:
        self.header.set_visible("right", self._settings.metric != DIVERGENCE)
        self.header.set_visible("wrong", self._settings.metric == LOGIT_DIFFERENCE)

    # ---- what is done to it ----------------------------------------------------------------------------------------

    def _content(self) -> Patches | None:
        return self._drawing.content if self._drawing is not None else None

    @Slot()
    def _on_sent_closed(self) -> None:
        self._sent.hide()
        self._share_room()

    @Slot(object)
    def _on_view_pointed(self, cell: tuple[int, int] | None) -> None:
        content = self._content()
        if cell is None or content is None:
            self._point_at("")
            return
        place = _PART[content.settings.part].format(*cell)
        if content.settings.part != HEADS:
            place += f" {readable_token(content.pair.clean[cell[1]])}"
        failed = content.failures.get(cell)
        value = content.recovered[cell]
        if failed:
            self._point_at(f"{place} · failed: {failed}")
        elif np.isnan(value):
            self._point_at(f"{place} · not measured")
        else:
            back = content.corrupted + float(value) * (content.clean - content.corrupted)
            self._point_at(f"{place} · recovered {value:.6g} · {content.metric} {back:.6g}")

    @Slot(object, bool)
    def _on_view_chosen(self, cell: tuple[int, int], joins: bool) -> None:
        content = self._content()
        if content is not None and content.sites and content.sites[cell[0]]:
            self.siteChosen.emit(content.sites[cell[0]])

    @Slot(object)
    def _on_view_entered(self, cell: tuple[int, int]) -> None:
        content = self._content()
        if content is None:
            return
        if content.settings.part == HEADS:
            self.sendWanted.emit(cell, cell)
            return
        below = content.pair.partner(cell[1])
        if below < 0:
            self._point_at(f"Token {cell[1]} of A has no partner in B: pull the cell onto a token of B.")
            return
        self.sendWanted.emit(cell, (cell[0], below))

    @Slot(object, int)
    def _on_strip_dropped(self, cell: tuple[int, int], token: int) -> None:
        content = self._content()
        if content is not None:
            self.sendWanted.emit(cell, cell if content.settings.part == HEADS else (cell[0], token))

    @Slot(object)
    def _on_view_dragged(self, cell: tuple[int, int]) -> None:
        drag = QDrag(self._view)
        data = QMimeData()
        data.setData(CELL_MIME, QByteArray(f"{cell[0]},{cell[1]}".encode()))
        drag.setMimeData(data)
        drag.exec(Qt.DropAction.CopyAction)


KIND = PlotKind("patching", "Patching", prepare_patching, PatchingPanel, order=120, analysis="experiment")
