"""The next token: what the model expects after the selected token, and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot

from mi_crow_gui.document.formatting import number, percent
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.candidate_bars import CandidateBars
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.next_token import NextTokenDrawing, NextTokenSettings, prepare_next_token

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu, QWidget

    from core_hooks.model.tokens import TokenStep
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.drawing import Drawing
    from mi_crow_gui.plotdata.next_token import Expected

_COUNTS = (5, 10, 20)


class NextTokenPanel(AnalysisPanel):
    """Shows the likeliest words after the selected token; after the last one when none is selected."""

    kind = "next_token"
    title = "Next token"
    hint = "Run the model (Ctrl+R) to see what it expects next."
    settings_type = NextTokenSettings

    def _build(self) -> QWidget:
        self._live: tuple[int, int] | None = None
        self._bars = CandidateBars(self._colours)
        self._bars.pointed.connect(self._on_bars_pointed)
        self._bars.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        return self._bars.scrolled()

    def show_chosen(self, run: int, step: int, chosen: TokenStep) -> None:  # noqa: D102 - of the base
        if not chosen.candidates:
            return
        self._live = run, step
        self._stale = ""
        ranks = [candidate.token_id for candidate in chosen.candidates]
        rank = ranks.index(chosen.token_id) if chosen.token_id in ranks else -1
        # One that is not among them has no place that is known here: the words below the bars name it.
        came = chosen.candidates[rank] if rank >= 0 else None
        self._bars.set_candidates(chosen.candidates[: self._settings.count], came, rank)
        self._say_titles()
        self._foot.set_note(f"chosen {readable_token(chosen.text)}: probability {percent(chosen.probability)}")
        self._stack.setCurrentIndex(1)

    def show_drawing(self, drawing: Drawing) -> None:  # noqa: D102 - of the base
        self._live = None
        super().show_drawing(drawing)

    def clear(self) -> None:  # noqa: D102 - of the base
        self._live = None
        super().clear()

    def shown(self) -> tuple[int, Expected]:
        """Position of the token behind which the prediction stands, and the prediction."""
        expected = self._drawing.content.expected
        place = len(expected) - 1 if self._token is None else min(self._token, len(expected) - 1)
        return place, expected[place]

    def _draw(self, drawing: NextTokenDrawing) -> None:
        _, here = self.shown()
        self._bars.set_candidates(here.candidates[: self._settings.count], here.came, here.came_rank)
        self._say_titles()

    def _mark_token(self, position: int | None) -> None:
        if self._live is not None:
            return
        self._draw(self._drawing)
        self._foot.set_note(self._note(self._drawing))

    def _say_titles(self) -> None:
        super()._say_titles()
        if self._live is not None:
            self._title.when.setText("run {} · step {}".format(*self._live))

    def _words(self) -> str:
        if self._live is not None:
            return f"{self.title}, live"
        if self._drawing is None:
            return self.title
        return f"{self.title} after {self._token_words(self.shown()[0])}"

    def _note(self, drawing: NextTokenDrawing) -> str:
        _, here = self.shown()
        words = [f"entropy {number(here.entropy)} nats"]
        if here.came is not None:
            came = readable_token(here.came.text)
            words.append(f"came {came}: rank {here.came_rank}, probability {percent(here.came.probability)}")
        return " · ".join(words)

    def _recolour(self, colours: PlotColours) -> None:
        self._bars.recolour(colours)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Words", tuple((amount, str(amount)) for amount in _COUNTS), "count")

    @Slot(str)
    def _on_bars_pointed(self, text: str) -> None:
        self._point_at(text)


KIND = PlotKind("next_token", "Next token", prepare_next_token, NextTokenPanel, order=40, analysis="next_token")
