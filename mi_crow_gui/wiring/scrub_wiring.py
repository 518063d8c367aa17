"""Scrubbing: the slider under the plots decides up to which step of the last generation they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.engine.messages import RUN_KINDS

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure, RunInfo, RunOutcome
    from mi_crow_gui.wiring.analysis_wiring import AnalysisWiring
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring


class ScrubWiring(QObject):
    """Joins the generation bar with the plots; a new run always begins at the newest step.

    What is shown of a capture has no steps.
    """

    def __init__(self, parts: Parts, plots: PlotsWiring, analyses: AnalysisWiring) -> None:
        super().__init__(parts.window)
        self._bar, self._plots, self._analyses = parts.window.generation_bar, plots, analyses
        self._bar.stepChosen.connect(self._on_bar_step_chosen)
        self._store = parts.store
        self._outcome: RunOutcome | None = None
        self._going = False
        parts.store.changed.connect(self._on_store_changed)
        parts.service.runStarted.connect(self._on_service_run_started)
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.service.failed.connect(self._on_service_failed)
        parts.service.modelOpened.connect(self._forget)
        analyses.stoodBack.connect(self._forget)

    @Slot(int)
    def _on_bar_step_chosen(self, step: int) -> None:
        self._show_step(step if step >= 0 else None)

    @Slot(object)
    def _on_service_run_started(self, info: RunInfo) -> None:
        if info.kind == "run":
            self._forget()
            return
        self._outcome, self._going = None, True
        self._show_step(None)
        self._bar.follow()

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        # What was refused before it began leaves what is shown of the run before.
        if failure.task in RUN_KINDS and self._going:
            self._forget()

    @Slot()
    def _forget(self) -> None:
        """There is nothing to go back to."""
        self._outcome, self._going = None, False
        self._show_step(None)
        self._bar.set_steps(())

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        self._outcome, self._going = outcome, False
        self._offer_steps()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "selected_prompt":
            self._show_step(None)
            self._offer_steps()

    def _offer_steps(self) -> None:
        """Offer the tokens that were fed, those of earlier single steps too; the last that was chosen never was."""
        if self._outcome is None:
            return
        outcome = self._outcome.of_prompt(self._store.workspace.selected_prompt)
        tokens = outcome.info.tokens.texts
        earlier = tokens[len(tokens) - outcome.info.continued :]
        self._bar.set_steps([*earlier, *(step.text for step in outcome.generated[:-1])])

    def _show_step(self, step: int | None) -> None:
        self._plots.show_step(step)
        self._analyses.show_step(step)
