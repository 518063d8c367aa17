"""Past runs: every run that ended is kept with its settings, and can be looked at or taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.itemmodels.history_model import HistoryRow
from mi_crow_gui.wiring.run_wiring import token_losses

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import RunOutcome
    from mi_crow_gui.wiring.parts import Parts

# Outcomes hold no activations, only tokens and their losses: thousands would fit, nobody looks at more than these.
_KEPT = 500


class HistoryWiring(QObject):
    """Joins the history list with what the service finished."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._window = parts.store, parts.window
        self._outcomes: dict[int, RunOutcome] = {}
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.window.history.runSelected.connect(self._on_history_run_selected)
        parts.window.history.promptRequested.connect(self._on_history_prompt_requested)

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        self._outcomes[outcome.info.number] = outcome
        while len(self._outcomes) > _KEPT:
            del self._outcomes[next(iter(self._outcomes))]
        self._window.history.add_run(_row(outcome))

    @Slot(int)
    def _on_history_run_selected(self, number: int) -> None:
        """Show the tokens, losses and text of a past run; plots keep showing the newest."""
        outcome = self._outcomes.get(number)
        if outcome is None:
            return
        info = outcome.info
        texts = (*info.tokens.texts, *(step.text for step in outcome.generated))
        self._window.prompt.set_tokens(texts, info.tokens.special, prompt_length=len(info.tokens))
        self._window.prompt.set_measure("Loss", token_losses(outcome), "nats")
        self._window.output.set_text(info.prompt, outcome.text)
        self._window.status.set_loss(outcome.loss)

    @Slot(int)
    def _on_history_prompt_requested(self, number: int) -> None:
        outcome = self._outcomes.get(number)
        if outcome is not None:
            with self._store.one_step(f"Take back the prompt of run {number}"):
                self._store.set_prompt(outcome.info.prompt)
                self._store.set_generation(outcome.info.settings)


def _row(outcome: RunOutcome) -> HistoryRow:
    info = outcome.info
    return HistoryRow(
        number=info.number,
        kind=info.kind,
        prompt=info.prompt,
        generated=outcome.text,
        tokens=len(info.tokens) + len(outcome.generated),
        seconds=outcome.seconds,
        loss=outcome.loss,
        stopped=outcome.stopped,
        hooks=tuple(f"{state.site or 'the model'}: fired {state.fired}" for state in outcome.hooks if state.enabled),
    )
