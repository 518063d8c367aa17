"""Every click is code: the workspace with its experiments as a script on the clipboard, or as a notebook."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication

from mi_crow_gui.document.atomic_file import write_atomically
from mi_crow_gui.document.experiment_settings import SteeringSettings
from mi_crow_gui.document.notebook import to_notebook
from mi_crow_gui.document.python_script import PinnedRun, to_python

if TYPE_CHECKING:
    from mi_crow_gui.document.experiment_settings import ExperimentSettings
    from mi_crow_gui.document.workspace import Workspace
    from mi_crow_gui.engine.archive import KeptRun
    from mi_crow_gui.engine.messages import Failure, RunOutcome
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_SUFFIX = ".ipynb"


class CodeWiring(QObject):
    """Joins the two actions with the document and with what the plots of experiments show."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._board: PlotBoard | None = None
        self._generating = False
        parts.window.action("copyAsPython").triggered.connect(self._on_copy_as_python_triggered)
        parts.window.action("exportNotebook").triggered.connect(self._on_export_notebook_triggered)
        parts.service.runFinished.connect(self._on_service_run_finished)

    def add_plots(self, board: PlotBoard) -> None:
        """Experiments are part of the code from now on."""
        self._board = board

    def export(self, path: str) -> None:
        """Write the notebook."""
        target = Path(path).expanduser()
        target = target if target.suffix == _SUFFIX else target.with_name(target.name + _SUFFIX)
        text = to_notebook(
            self._parts.store.workspace, self._experiments(), generating=self._generating, pinned=self._pinned()
        )

        def write() -> Path:
            write_atomically(target, text.encode())
            return target

        self._parts.jobs.run("notebook", write, self._exported, self._failed)

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        # The code does what was done last.
        self._generating = outcome.info.kind != "run"

    @Slot()
    def _on_copy_as_python_triggered(self) -> None:
        text = to_python(
            self._parts.store.workspace, self._experiments(), generating=self._generating, pinned=self._pinned()
        )
        QGuiApplication.clipboard().setText(text)
        self._parts.window.status.set_message("Copied: a Python script that does the same with core_hooks alone.")

    @Slot()
    def _on_export_notebook_triggered(self) -> None:
        model = self._parts.service.model
        name = f"{model.summary.name if model is not None else 'workspace'}{_SUFFIX}"
        self._parts.window.ask_for_new_file("Export as notebook", name, f"Notebooks (*{_SUFFIX})", self.export)

    def _experiments(self) -> tuple[ExperimentSettings, ...]:
        """What the plots of experiments show; of one that shows nothing yet, what it is set to."""
        from mi_crow_gui.panels.plots.experiment_panel import ExperimentPanel

        panels = self._board.panels() if self._board is not None else ()
        return tuple(_asked(panel) for panel in panels if isinstance(panel, ExperimentPanel))

    def _pinned(self) -> tuple[PinnedRun, ...]:
        """The runs that controllers may ask for, as they were asked for."""
        workspace = self._parts.store.workspace
        return tuple(_pinned(pin, kept, workspace) for pin, kept in self._parts.service.pinned.items())

    def _exported(self, path: Path) -> None:
        self._parts.window.status.set_message(f"Exported to {path}.")

    def _failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._parts.window.status.set_message(failure.message)


def _asked(panel: Any) -> ExperimentSettings:
    settings: ExperimentSettings = panel.settings()
    if panel.drawing is None:
        return settings
    asked: ExperimentSettings = panel.drawing.content.asked
    if isinstance(asked, SteeringSettings) and isinstance(settings, SteeringSettings):
        # Which layer was chosen is no part of what was measured, but it is of what is saved.
        return replace(asked, block=settings.block)
    return asked


def _pinned(pin: str, kept: KeptRun, workspace: Workspace) -> PinnedRun:
    info = kept.info
    not_again = ""
    if kept.hooks_changed:
        not_again = f"run {pin}, for its hooks were changed while it went on."
    elif info.continued or info.kind == "step":
        not_again = f"run {pin}, for it was made token by token."
    was = replace(workspace, prompt=info.prompt, batch=info.batch, generation=info.settings, hooks=kept.hooks)
    return PinnedRun(pin, was, info.kind == "generate", kept.controllers, not_again)
