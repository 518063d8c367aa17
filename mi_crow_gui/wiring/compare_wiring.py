"""The comparison of the pinned runs: shown when asked for, aligned at once, computed when the model is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.workspace import PlotSpec
from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.engine.run_comparison import CompareRuns, run_tokens
from mi_crow_gui.panels.plots.compare_runs import CompareRunsPanel
from mi_crow_gui.plotdata.run_comparison import RunPair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.engine.tasks import TaskProgress, TaskResult
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.history_wiring import HistoryWiring
    from mi_crow_gui.wiring.parts import Parts

KIND, TAB = "compare_runs", "Compare"


class CompareWiring(QObject):
    """Feeds the comparison plots that can be seen; the numbers of one pair of runs are computed once."""

    def __init__(self, parts: Parts, board: PlotBoard, kinds: Mapping[str, PlotKind], history: HistoryWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._board, self._kinds = parts, board, kinds
        self._task: CompareRuns | None = None
        self._asked: CompareRuns | None = None
        self._result: TaskResult | None = None
        self._pair: RunPair | None = None
        self._shown: dict[str, tuple[RunPair, Any]] = {}
        service = parts.service
        history.compareWanted.connect(self.show)
        service.pinsChanged.connect(self._on_service_pins_changed)
        service.taskEnded.connect(self._on_service_task_ended)
        service.taskProgressed.connect(self._on_service_task_progressed)
        service.stateChanged.connect(self._refresh)
        board.visibilityChanged.connect(self._refresh)
        board.settingsChanged.connect(self._on_board_settings_changed)
        parts.store.changed.connect(self._on_store_changed)
        parts.drawings.drawn.connect(self._on_drawings_drawn)

    @property
    def settled(self) -> bool:
        """True when no comparison that can be seen waits for its numbers."""
        return self._asked is None

    @Slot()
    def show(self) -> None:
        """Bring a comparison plot to the front, a new one on a tab of its own unless there is one."""
        if self._result is not None and self._result.cancelled:
            self._result = None
        if KIND not in self._kinds:
            return
        store = self._parts.store
        spec = next((plot for plot in store.workspace.plots if plot.kind == KIND), None)
        if spec is None:
            spec = PlotSpec(KIND, tab=TAB)
            store.add_plot(spec)
        self._parts.window.show_workbench()
        panel = self._board.panel(spec.id)
        if panel is not None:
            self._board.bring_forward(panel)
        self._refresh()

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot()
    def _on_service_pins_changed(self) -> None:
        pinned = self._parts.service.pinned
        task = None
        if len(pinned) == 2:
            batch = any(kept.rows for kept in pinned.values())
            prompt = self._parts.store.workspace.selected_prompt if batch else 0
            task = CompareRuns(pinned["A"].number, pinned["B"].number, prompt)
        if task != self._task:
            self._task, self._result = task, None
            self._pair = None
            if task is not None:
                self._pair = RunPair(run_tokens(pinned["A"], task.prompt), run_tokens(pinned["B"], task.prompt))
            self._shown.clear()
            for panel in self._all():
                panel.set_going("")
                panel.show_problem("")
        self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        self._shown.pop(plot_id, None)
        self._refresh()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._refresh()
        elif topic == "selected_prompt":
            self._on_service_pins_changed()

    @Slot(object)
    def _on_service_task_progressed(self, progress: TaskProgress) -> None:
        if progress.task == self._task:
            for panel in self._all():
                panel.set_going(f"Computing the numbers: {progress.words} ({progress.done} of {progress.total})")

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        if result.task == self._asked:
            self._asked = None
            if result.task == self._task and not (result.cancelled and self._parts.service.state == "running"):
                self._result = result
                if result.content is not None and self._pair is not None:
                    self._pair = RunPair(self._pair.a, self._pair.b, result.content)
                for panel in self._all():
                    # What was stopped by hand is computed when it is asked for again.
                    panel.set_going(f"Stopped: {self._again()}" if result.cancelled else result.problem)
        self._refresh()

    @staticmethod
    def _again() -> str:
        return "compare again (Ctrl+Shift+R) for the numbers."

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, shown = self._board.panel(plot_id), self._shown.get(plot_id)
        if isinstance(panel, CompareRunsPanel) and shown is not None and drawing.content is shown[0]:
            panel.show_drawing(drawing)
            self._compute()

    # ---- asking and showing ------------------------------------------------------------------------------------

    @Slot()
    def _refresh(self) -> None:
        panels = [panel for panel in self._all() if panel.isVisible()]
        if not panels or self._pair is None or self._task is None:
            return
        for panel in panels:
            shown = (self._pair, panel.settings())
            if self._shown.get(panel.plot_id) != shown:
                self._shown[panel.plot_id] = shown
                prepare = self._kinds[panel.kind].prepare
                self._parts.drawings.ask(DrawingWish(panel.plot_id, self._pair, panel.settings(), prepare))
            elif panel.drawing is not None and panel.drawing.content is self._pair:
                self._compute()

    def _compute(self) -> None:
        """Ask for the numbers, now that the alignment has been seen: it tells what would be compared with what."""
        wanted = self._task if self._result is None and self._asked is None else None
        if wanted is not None and self._parts.service.ask(wanted):
            self._asked = wanted

    def _all(self) -> list[CompareRunsPanel]:
        return [panel for panel in self._board.panels() if isinstance(panel, CompareRunsPanel)]
