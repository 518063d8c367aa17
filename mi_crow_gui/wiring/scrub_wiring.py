"""Scrubbing: the slider under the plots decides up to which step of the last generation they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import RunOutcome
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring


class ScrubWiring(QObject):
    """Joins the generation bar with the plots; a new run always begins at the newest step."""

    def __init__(self, parts: Parts, plots: PlotsWiring) -> None:
        super().__init__(parts.window)
        self._bar, self._plots, self._service = parts.window.generation_bar, plots, parts.service
        self._bar.stepChosen.connect(self._on_bar_step_chosen)
        parts.service.runStarted.connect(self._on_service_run_started)
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.service.modelOpened.connect(self._on_service_run_started)

    @Slot(int)
    def _on_bar_step_chosen(self, step: int) -> None:
        self._plots.show_step(step if step >= 0 else None)

    @Slot(object)
    def _on_service_run_started(self, info: object) -> None:
        self._plots.show_step(None)
        self._bar.set_steps(())

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        """The last token that was chosen was never fed: no site held anything for it."""
        fed = [step.text for step in outcome.generated[:-1]]
        self._bar.set_steps(fed if self._service.frames() else ())
