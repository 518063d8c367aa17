"""Steering: vectors that are saved, loaded, and added to a block by a controller with a slider."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document import strength as strengths
from mi_crow_gui.document.folders import vectors_folder
from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.document.resource_files import ResourceMissing, demo_model_folder, demo_prompts
from mi_crow_gui.document.steering_file import SUFFIX, SteeringFile, controller_text
from mi_crow_gui.panels.plots.steering import SteeringPanel

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.plotdata.steering import Steerings
    from mi_crow_gui.wiring.experiment_wiring import ExperimentWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_FILTER = f"Steering vectors (*{SUFFIX})"


class SteeringWiring(QObject):
    """Joins the steering plots with files, the document and the pinned runs."""

    def __init__(self, parts: Parts, experiments: ExperimentWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._experiments = parts, experiments
        experiments.panelAdded.connect(self._on_experiments_panel_added)
        experiments.shown.connect(self._on_experiments_shown)
        for panel in experiments.panels():
            self._on_experiments_panel_added(panel)

    @Slot(object)
    def _on_experiments_panel_added(self, panel: object) -> None:
        if isinstance(panel, SteeringPanel):
            panel.applyWanted.connect(self._on_panel_apply_wanted)
            panel.saveWanted.connect(self._on_panel_save_wanted)
            panel.loadWanted.connect(self._on_panel_load_wanted)

    @Slot(object)
    def _on_experiments_shown(self, panel: object) -> None:
        """Begin with the pinned runs; in the demo model, with two of its prompts that differ in one word."""
        if not isinstance(panel, SteeringPanel):
            return
        settings = panel.settings()
        if settings.toward or settings.away or settings.path:
            return
        pinned = self._parts.service.pinned
        if len(pinned) == 2:
            panel.change_settings(toward=pinned["A"].info.prompt, away=pinned["B"].info.prompt)
        elif self._is_demo():
            pair = [prompt.text for prompt in demo_prompts() if prompt.name.startswith("Who gets the drink")]
            if len(pair) == 2:
                panel.change_settings(toward=pair[0], away=pair[1])

    def _is_demo(self) -> bool:
        model = self._parts.service.model
        try:
            return model is not None and Path(model.summary.reference.source) == demo_model_folder()
        except ResourceMissing:
            return False

    @Slot(object, int, float)
    def _on_panel_apply_wanted(self, content: Steerings, row: int, strength: float) -> None:
        """Keep the vector where controllers find it by name, then put the controller on its block."""
        file = steering_file(content, row)
        path = vectors_folder() / f"{file.name}{SUFFIX}"

        def kept(_: Path) -> None:
            store, most = self._parts.store, content.settings.most
            wanted = strengths.Strength(strength, min(-most, strength), max(most, strength))
            with store.one_step(f"Steer at block {file.block}"):
                store.attach(
                    [file.site],
                    CONTROLLER,
                    code=controller_text(file.name, file),
                    options=strengths.written((), wanted),
                )
            store.select_site(file.site)
            self._parts.window.status.set_message(
                f"Block {file.block} is steered with strength {strength:g} from the next forward on: Run or Generate "
                "to see it, undo to end it."
            )

        self._parts.jobs.run("steering vector", lambda: file.write(path), kept, self._failed)

    @Slot(object, int)
    def _on_panel_save_wanted(self, content: Steerings, row: int) -> None:
        file = steering_file(content, row)
        window = self._parts.window
        window.ask_for_new_file(
            "Save the steering vector", f"{file.name}{SUFFIX}", _FILTER, lambda p: self.save(file, p)
        )

    def save(self, file: SteeringFile, path: str) -> None:
        """Write a vector to a file of one's own."""
        target = Path(path).expanduser()
        target = target if target.suffix == SUFFIX else target.with_name(target.name + SUFFIX)
        self._parts.jobs.run("steering vector", lambda: file.write(target), self._saved, self._failed)

    @Slot()
    def _on_panel_load_wanted(self) -> None:
        panel = self.sender()
        if isinstance(panel, SteeringPanel):
            self._parts.window.ask_for_file("Load a steering vector", _FILTER, lambda p: self.load(panel, p))

    def load(self, panel: SteeringPanel, path: str) -> None:
        """Take a saved vector, and measure what it does."""
        panel.change_settings(path=path)
        self._experiments.measure(panel)

    def _saved(self, path: Path) -> None:
        self._parts.window.status.set_message(f"The steering vector is in {path}.")

    def _failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._parts.window.status.set_message(failure.message)


def steering_file(content: Steerings, row: int) -> SteeringFile:
    """The vector of a row as it is written."""
    return SteeringFile(
        content.vectors[row],
        content.blocks[row],
        content.sites[row],
        content.model,
        content.pairs,
        content.prompts,
    )
