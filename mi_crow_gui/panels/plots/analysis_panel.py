"""What every plot of an analysis is: it says what it needs computed, and shows that or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from mi_crow_gui.panels.plots.base import PlotPanel
from mi_crow_gui.panels.plots.frame_words import NARROW
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from core_hooks.model.tokens import TokenStep

Parameters = tuple[tuple[str, object], ...]


class AnalysisPanel(PlotPanel):
    """A plot of something computed over the tokens of a run, rather than captured at one site."""

    hint: ClassVar[str] = "Run the model (Ctrl+R) to see this."

    def __init__(self, parent: QWidget | None = None) -> None:
        self._problem = self._prompt = ""
        super().__init__(parent)

    def set_pinnable(self, pinnable: bool) -> None:
        """There is no site to stay with."""

    def set_sources(self, sources: tuple[str, ...]) -> None:
        """What is about the pinned runs, or about no run, is not told which to show."""
        super().set_sources(sources if self.of_run() and not self.of_pins() else ())

    # ---- for the wiring --------------------------------------------------------------------------------------------

    def parameters(self) -> Parameters:
        """What the analysis is told beside the tokens; follows from the settings."""
        return ()

    def of_run(self) -> bool:
        """Whether it is about the newest run; else it is computed once for a model."""
        return True

    def acted_upon(self) -> bool:
        """Whether it is about the model with the user's controllers acting."""
        return True

    def divisible(self) -> bool:
        """Whether what it shows of the first tokens is a part of what it shows of all of them."""
        return True

    def of_pins(self) -> bool:
        """Whether it is about the pinned runs A and B, and none of the newest run's business."""
        return False

    def further(self) -> tuple[tuple[str, Parameters], ...]:
        """Other analyses of the same tokens that were clicked for: name and parameters."""
        return ()

    def show_further(self, content: Any, problem: str) -> None:
        """Show what came of one of `further`."""

    def show_chosen(self, run: int, step: int, chosen: TokenStep) -> None:
        """A run goes on: the token that was chosen at a step of it."""

    def set_prompt(self, number: int, count: int) -> None:
        """Which prompt of a batch of so many it is about."""
        prompt = f"prompt {number + 1}/{count}" if count > 1 else ""
        if prompt != self._prompt:
            self._prompt = prompt
            self._say_titles()

    def show_problem(self, sentence: str) -> None:
        """Say why there is nothing to show."""
        self._problem = sentence
        self.clear()
        self._problem = ""

    # ---- for subclasses --------------------------------------------------------------------------------------------

    def _words(self) -> str:
        """The title, with what it is about."""
        return self.title

    def _when_words(self, drawing: Any) -> str:
        if drawing.frame.origin or not drawing.run:
            return str(drawing.frame.origin)
        of = f" · {self._prompt}" if self._prompt and self.width() >= NARROW else ""
        return f"{f'{self._source} · ' if self._source else ''}run {drawing.run} · step {drawing.step}{of}"

    def _texts(self) -> tuple[str, ...]:
        """Texts of all tokens that are shown."""
        return self._drawing.content.tokens if self._drawing is not None else ()

    def _token_words(self, position: int) -> str:
        texts = self._texts()
        return f"token {position} {readable_token(texts[position])}" if position < len(texts) else f"token {position}"

    def _move_token(self, by: int) -> None:
        last = len(self._texts()) - 1
        if last < 0:
            return
        wanted = (0 if by > 0 else last) if self._token is None else self._token + by
        self.tokenSelected.emit(max(0, min(wanted, last)))

    # ---- the inside ------------------------------------------------------------------------------------------------

    def _say_titles(self) -> None:
        super()._say_titles()
        self._title.set_words(self._words())
        self.setAccessibleName(self._words())
        if self._drawing is not None:
            when = self._when_words(self._drawing)
            self._title.when.setText(f"⚠ {when} (stale)" if self._stale else when)

    def _show_empty(self) -> None:
        if self._drawing is not None:
            return
        self._empty.setText(self._problem or self.hint)
        self._stack.setCurrentIndex(0)
