"""Experiments: an action shows the plot of one, its button makes it on the model thread, and its cells lead on."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document import ablation_controller
from mi_crow_gui.document.experiment_settings import (
    BLOCK,
    HEADS,
    ZERO,
    AblationSettings,
    DirectEffectSettings,
    SteeringSettings,
)
from mi_crow_gui.document.formatting import plural
from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.document.prompts import prompt_at
from mi_crow_gui.document.workspace import PlotSpec
from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.engine.experiment_task import ExperimentTask
from mi_crow_gui.panels.plots.ablation import AblationPanel
from mi_crow_gui.panels.plots.experiment_panel import ExperimentPanel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.engine.tasks import TaskProgress, TaskResult
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.ablation import Ablations
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

# Of each action: the kind of plot, and the name of the tab that it gets.
ACTIONS = {
    "ablate": ("ablation", "Ablation"),
    "patchPrompts": ("patching", "Patching"),
    "directEffect": ("direct_effect", "Direct effect"),
    "steer": ("steering", "Steering"),
}
# What has sensible choices from the start is made at once.
_AT_ONCE = ("ablation", "direct_effect")


class ExperimentWiring(QObject):
    """Makes one experiment at a time; results are kept by plot until the model changes.

    `panelAdded` tells of a plot that is new, `shown` that an action brought one to the front.
    """

    panelAdded = Signal(object)
    shown = Signal(object)

    def __init__(self, parts: Parts, board: PlotBoard, kinds: Mapping[str, PlotKind]) -> None:
        super().__init__(parts.window)
        self._parts, self._board, self._kinds = parts, board, kinds
        self._results: dict[str, Any] = {}
        self._shown: dict[str, tuple[Any, Any]] = {}
        self._asked: ExperimentTask | None = None
        self._listened: set[ExperimentPanel] = set()
        # A moment's work for a plot, such as reading two prompts: an experiment waits for it rather than being refused.
        self.moment = False
        self._waiting = ""
        service, window = parts.service, parts.window
        for name in ACTIONS:
            window.action(name).triggered.connect(self._on_action_triggered)
        board.visibilityChanged.connect(self._refresh)
        board.settingsChanged.connect(self._on_board_settings_changed)
        parts.store.changed.connect(self._on_store_changed)
        service.stateChanged.connect(self._on_service_state_changed)
        service.modelOpened.connect(self._on_service_model_opened)
        service.taskProgressed.connect(self._on_service_task_progressed)
        service.taskEnded.connect(self._on_service_task_ended)
        parts.drawings.drawn.connect(self._on_drawings_drawn)
        self._on_service_state_changed(service.state)
        self._listen()

    @property
    def settled(self) -> bool:
        """True when no experiment goes on."""
        return self._asked is None

    # ---- what people ask for -----------------------------------------------------------------------------------

    @Slot()
    def _on_action_triggered(self) -> None:
        """Show the experiment's plot, on a tab of its own unless there is one already."""
        kind, tab = ACTIONS[self.sender().objectName()]
        panel = self.show(kind, tab)
        if panel is None:
            return
        self.shown.emit(panel)
        if kind in _AT_ONCE and panel.drawing is None:
            self.measure(panel)

    def show(self, kind: str, tab: str) -> ExperimentPanel | None:
        """The plot of this kind, in front; None when the kind is unavailable."""
        if kind not in self._kinds:
            self._parts.window.status.set_message(f"The plot '{kind}' is unavailable: the log says why.")
            return None
        store = self._parts.store
        spec = next((plot for plot in store.workspace.plots if plot.kind == kind), None)
        if spec is None:
            spec = PlotSpec(kind, tab=tab)
            store.add_plot(spec)
        panel = self._board.panel(spec.id)
        if not isinstance(panel, ExperimentPanel):
            return None
        self._parts.window.show_workbench()
        self._board.bring_forward(panel)
        return panel

    def measure(self, panel: ExperimentPanel) -> None:
        """Make the experiment of a plot with the settings that it shows, about the prompt as it is now."""
        settings = panel.settings()
        if isinstance(settings, (AblationSettings, DirectEffectSettings, SteeringSettings)):
            workspace = self._parts.store.workspace
            panel.change_settings(text=prompt_at(workspace, workspace.selected_prompt))
        task = ExperimentTask(panel.plot_id, panel.settings().question())
        status = self._parts.window.status
        if self._parts.service.ask(task):
            self._asked = task
            status.set_progress(task.title)
        elif self.moment:
            self._waiting = panel.plot_id
        elif self._parts.service.model is None:
            status.set_message("There is no model to experiment on: open one first.")
        else:
            status.set_message("Something is running already: stop it first (Esc).")

    @Slot()
    def _on_panel_measure_requested(self) -> None:
        panel = self.sender()
        if isinstance(panel, ExperimentPanel):
            self.measure(panel)

    @Slot(str)
    def _on_panel_site_chosen(self, site: str) -> None:
        self._parts.store.select_site(site)

    @Slot(object, object)
    def _on_ablation_controllers_wanted(self, content: Ablations, cells: tuple[tuple[int, int], ...]) -> None:
        """Take out by controllers, in one step of undo, what was marked in an ablation map."""
        asked, store = content.settings, self._parts.store
        if asked.part == BLOCK and asked.by != ZERO:
            self._parts.window.status.set_message(
                "Controllers can take out whole blocks with zero only: choose heads or MLPs, or put in zero."
            )
            return
        names = [content.name(cell) for cell in cells]
        with store.one_step(f"Take out {names[0] if len(names) == 1 else plural(len(names), 'part')}"):
            for site, code in self._texts(content, cells):
                store.attach([site], CONTROLLER, code=code)
        store.select_site(content.sites[cells[-1][0]])
        self._parts.window.status.set_message(
            f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''}: taken out by controllers from the next forward "
            "on. Run to see the loss, undo to take them off."
        )

    def _texts(self, content: Ablations, cells: tuple[tuple[int, int], ...]) -> list[tuple[str, str]]:
        """Site and controller text of each module that is concerned."""
        asked = content.settings
        blocks = dict.fromkeys(block for block, _ in cells)
        if asked.part == HEADS:
            return [
                (
                    content.sites[block],
                    ablation_controller.heads_out(
                        [head for at, head in cells if at == block], content.head_dim[block], asked.by, asked.seed
                    ),
                )
                for block in blocks
            ]
        text = ablation_controller.output_out(asked.by, asked.seed)
        if asked.part != BLOCK:
            return [(content.sites[block], text) for block in blocks]
        # What a block adds is what its attention and its MLP add.
        anatomy = self._parts.service.anatomy
        parts = [anatomy.blocks[block] for block in blocks] if anatomy is not None else []
        return [(site, text) for part in parts for site in (part.output_projection, part.mlp) if site]

    # ---- what changes what is shown ----------------------------------------------------------------------------

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._listen()
            known = {plot.id for plot in self._parts.store.workspace.plots}
            # An undo may bring the plot back; its numbers are then computed again.
            self._results = {plot_id: kept for plot_id, kept in self._results.items() if plot_id in known}
            self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        self._refresh()

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        ready = state == "ready"
        for name in ACTIONS:
            self._parts.window.action(name).setEnabled(ready)
        for panel in self.panels():
            panel.show_busy(not ready and not self.moment)
        waiting = self._board.panel(self._waiting) if ready and self._waiting else None
        if ready:
            self._waiting = ""
        if isinstance(waiting, ExperimentPanel):
            self.measure(waiting)

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._results.clear()
        self._shown.clear()

    @Slot(object)
    def _on_service_task_progressed(self, progress: TaskProgress) -> None:
        if isinstance(progress.task, ExperimentTask):
            words = f"{progress.task.title}: {progress.done} of {progress.total}"
            self._parts.window.status.set_progress(progress.words or words, progress.done, progress.total)

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        task = result.task
        if not isinstance(task, ExperimentTask):
            return
        self._asked = None
        status = self._parts.window.status
        status.clear_progress()
        panel = self._board.panel(task.plot_id)
        if result.content is None:
            words = f"{task.title} was stopped before its end." if result.cancelled else result.problem
            status.set_message(words)
            if isinstance(panel, ExperimentPanel) and not (result.cancelled and panel.drawing is not None):
                self._results.pop(task.plot_id, None)
                self._shown.pop(task.plot_id, None)
                panel.show_problem(f"{words} {panel.hint}" if result.cancelled else words)
            return
        status.set_message(f"{task.title} is there.")
        self.keep(task.plot_id, result.content)

    def keep(self, plot_id: str, content: Any) -> None:
        """Show a result in its plot, as soon as that can be seen."""
        self._results[plot_id] = content
        self._refresh()

    def result(self, plot_id: str) -> Any:
        """What a plot shows or will show; None for nothing."""
        return self._results.get(plot_id)

    def panels(self) -> list[ExperimentPanel]:
        """The plots of experiments."""
        return [panel for panel in self._board.panels() if isinstance(panel, ExperimentPanel)]

    # ---- showing -----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear of plots that are new."""
        panels = set(self.panels())
        for panel in panels - self._listened:
            panel.measureRequested.connect(self._on_panel_measure_requested)
            panel.siteChosen.connect(self._on_panel_site_chosen)
            if isinstance(panel, AblationPanel):
                panel.controllersWanted.connect(self._on_ablation_controllers_wanted)
            self.panelAdded.emit(panel)
            panel.show_busy(self._parts.service.state != "ready")
        self._listened = panels

    @Slot()
    def _refresh(self) -> None:
        """Ask for a drawing of every result that can be seen and is not shown as it is asked to be."""
        for panel in self.panels():
            content = self._results.get(panel.plot_id)
            if content is None or not panel.isVisible():
                continue
            look = replace(content.asked, scale=panel.settings().scale)
            if self._shown.get(panel.plot_id) == (content, look):
                continue
            self._shown[panel.plot_id] = (content, look)
            prepare = self._kinds[panel.kind].prepare
            self._parts.drawings.ask(DrawingWish(panel.plot_id, content, look, prepare))

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, shown = self._board.panel(plot_id), self._shown.get(plot_id)
        if isinstance(panel, ExperimentPanel) and shown is not None and drawing.content is shown[0]:
            panel.show_drawing(drawing)
            self._parts.window.action("exportPlot").setEnabled(True)
