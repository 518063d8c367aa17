"""Patching: two prompts that are laid side by side before anything is computed, and single places that are sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.prompts import prompt_at
from mi_crow_gui.engine.patching_tasks import PairTask, SendTask
from mi_crow_gui.panels.plots.patching import PatchingPanel

if TYPE_CHECKING:
    from mi_crow_gui.document.experiment_settings import PatchingSettings
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.patching import Cell
    from mi_crow_gui.wiring.experiment_wiring import ExperimentWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class PatchingWiring(QObject):
    """Joins the patching plots with the pinned runs and with the two small tasks that need no sweep."""

    def __init__(self, parts: Parts, board: PlotBoard, experiments: ExperimentWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._board, self._experiments = parts, board, experiments
        # Questions that were answered with a problem are not asked again by themselves.
        self._refused: set[PatchingSettings] = set()
        self._asked: PairTask | SendTask | None = None
        experiments.panelAdded.connect(self._on_experiments_panel_added)
        experiments.shown.connect(self._on_experiments_shown)
        board.settingsChanged.connect(self._align)
        board.visibilityChanged.connect(self._align)
        parts.service.stateChanged.connect(self._on_service_state_changed)
        parts.service.modelOpened.connect(self._on_service_model_opened)
        parts.service.pinsChanged.connect(self._on_service_pins_changed)
        parts.service.taskEnded.connect(self._on_service_task_ended)
        for panel in self._panels():
            self._on_experiments_panel_added(panel)

    def _panels(self) -> list[PatchingPanel]:
        return [panel for panel in self._experiments.panels() if isinstance(panel, PatchingPanel)]

    # ---- prompts -----------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_experiments_panel_added(self, panel: object) -> None:
        if isinstance(panel, PatchingPanel):
            panel.sendWanted.connect(self._on_panel_send_wanted)
            panel.pinsWanted.connect(self._on_panel_pins_wanted)
            panel.set_pins(len(self._parts.service.pinned) == 2)

    @Slot(object)
    def _on_experiments_shown(self, panel: object) -> None:
        """Begin with the pinned runs, else with the prompt of the window as A."""
        if not isinstance(panel, PatchingPanel):
            return
        settings = panel.settings()
        if not settings.clean and not settings.corrupted:
            if not self._take_pins(panel):
                workspace = self._parts.store.workspace
                panel.change_settings(clean=prompt_at(workspace, workspace.selected_prompt))
            panel.ask_for_prompts()
        self._align()

    @Slot()
    def _on_panel_pins_wanted(self) -> None:
        panel = self.sender()
        if isinstance(panel, PatchingPanel):
            self._take_pins(panel)

    def _take_pins(self, panel: PatchingPanel) -> bool:
        pinned = self._parts.service.pinned
        if len(pinned) < 2:
            return False
        panel.change_settings(clean=pinned["A"].info.prompt, corrupted=pinned["B"].info.prompt)
        return True

    @Slot()
    def _on_service_pins_changed(self) -> None:
        for panel in self._panels():
            panel.set_pins(len(self._parts.service.pinned) == 2)

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        if state == "ready":
            self._experiments.moment = False
            self._align()

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._refused.clear()

    @Slot()
    def _align(self) -> None:
        """Lay the prompts of every plot that can be seen side by side, unless they are already."""
        for panel in self._panels():
            settings = panel.settings().question()
            known = self._experiments.result(panel.plot_id)
            same = known is not None and _pair(known.settings) == _pair(settings)
            if not panel.isVisible() or not (settings.clean.strip() and settings.corrupted.strip()):
                continue
            if same or settings in self._refused or self._asked is not None:
                continue
            self._ask(PairTask(panel.plot_id, settings))

    def _ask(self, task: PairTask | SendTask) -> bool:
        # Said first: the state changes within the question.
        self._experiments.moment = True
        asked = self._parts.service.ask(task)
        self._experiments.moment = asked or self._asked is not None
        self._asked = task if asked else self._asked
        return asked

    # ---- single places -----------------------------------------------------------------------------------------

    @Slot(object, object)
    def _on_panel_send_wanted(self, source: Cell, target: Cell) -> None:
        panel = self.sender()
        if not isinstance(panel, PatchingPanel):
            return
        known = self._experiments.result(panel.plot_id)
        # What is shown is what is sent, whatever has been typed since.
        task = SendTask(panel.plot_id, known.settings, source, target)
        if not self._ask(task):
            self._parts.window.status.set_message("Something is running already: stop it first (Esc).")

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        task = result.task
        if not isinstance(task, (PairTask, SendTask)):
            return
        self._asked = None
        self._experiments.moment = False
        panel = self._board.panel(task.plot_id)
        if not isinstance(panel, PatchingPanel):
            return
        if result.content is None:
            self._parts.window.status.set_message(result.problem)
            if isinstance(task, PairTask) and not result.cancelled:
                self._refused.add(task.settings)
                panel.show_problem(result.problem)
        elif isinstance(task, SendTask):
            panel.show_sent(result.content)
        elif task.settings == panel.settings().question():
            self._experiments.keep(task.plot_id, result.content)
        self._align()


def _pair(settings: PatchingSettings) -> tuple[str, str, str]:
    """What the map's columns follow from."""
    return settings.clean, settings.corrupted, "heads" if settings.part == "heads" else ""
