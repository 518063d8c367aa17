"""Every kind of plot as an action: in the View menu, and found by its name in the command palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.window.actions import ActionSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.window.main_window import MainWindow
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring

_PREFIX = "addPlot_"


class PlotActions(QObject):
    """Adds a plot where the board's own menu would."""

    def __init__(self, window: MainWindow, plots: PlotsWiring, kinds: Mapping[str, PlotKind]) -> None:
        super().__init__(window)
        self._plots = plots
        specs = [
            ActionSpec(
                _PREFIX + kind.name, kind.title, "add-plot", "&View/Add &plot", 0,
                "Add this plot to the tab that is shown", words="view show panel",
            )
            for kind in kinds.values()
        ]  # fmt: skip
        for action in window.add_actions(specs, "renameTab"):
            action.triggered.connect(self._on_add_triggered)

    @Slot()
    def _on_add_triggered(self) -> None:
        self._plots.add(self.sender().objectName().removeprefix(_PREFIX))
