"""From the head map to a model without the heads that it found: two actions, and the loss tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.ablation_controller import heads_out
from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.plotdata.head_map import SCORES, HeadMapDrawing
from mi_crow_gui.window.zero_heads_dialog import ZeroHeadsDialog

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import RunOutcome
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.head_map import HeadScoresOfAll
    from mi_crow_gui.window.zero_heads_dialog import Scored
    from mi_crow_gui.wiring.parts import Parts


class ZeroHeadsWiring(QObject):
    """Asks which heads of the head map are to be zeroed, and puts the controllers on in one step."""

    def __init__(self, parts: Parts, board: PlotBoard) -> None:
        super().__init__(parts.window)
        self._parts, self._board = parts, board
        self._loss: float | None = None
        self._zeroed = 0
        parts.service.runFinished.connect(self._on_service_run_finished)
        action = parts.window.action("zeroHeads")
        action.triggered.connect(self._on_zero_heads_triggered)
        parts.service.stateChanged.connect(self._on_service_state_changed)
        action.setEnabled(parts.service.state == "ready")

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._parts.window.action("zeroHeads").setEnabled(state == "ready")

    @Slot()
    def _on_zero_heads_triggered(self) -> None:
        drawings = [panel.drawing for panel in self._board.panels() if isinstance(panel.drawing, HeadMapDrawing)]
        if not drawings:
            self._parts.window.action("mapHeads").trigger()
            self._parts.window.status.set_message(
                "The heads are being mapped first: choose this again once the map is there."
            )
            return
        dialog = ZeroHeadsDialog(ranked(drawings[0].content), self._parts.window)
        dialog.chosen.connect(self._on_dialog_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(object, bool)
    def _on_dialog_chosen(self, heads: tuple[tuple[int, int], ...], run: bool) -> None:
        anatomy, store = self._parts.service.anatomy, self._parts.store
        if anatomy is None or not heads:
            return
        with store.one_step(f"Zero {plural(len(heads), 'head')}"):
            for block in dict.fromkeys(block for block, _ in heads):
                part = anatomy.blocks[block]
                code = heads_out([head for at, head in heads if at == block], part.head_dim)
                store.attach([part.output_projection], CONTROLLER, code=code)
        store.select_site(anatomy.blocks[heads[0][0]].output_projection)
        self._parts.window.status.set_message(
            f"{plural(len(heads), 'head')} zeroed by controllers from the next forward on; undo takes them off."
        )
        if run:
            self._zeroed = len(heads)
            self._parts.window.action("run").trigger()

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        """Say what the loss was, and what it has become."""
        before, self._loss = self._loss, outcome.loss
        zeroed, self._zeroed = self._zeroed, 0
        if zeroed and self._loss is not None:
            was = f"{number(before)} → " if before is not None else ""
            self._parts.window.status.set_message(
                f"Loss {was}{number(self._loss)} nats with {plural(zeroed, 'head')} zeroed; undo takes the "
                "controllers off."
            )


def ranked(content: HeadScoresOfAll) -> list[tuple[str, list[Scored]]]:
    """Of each kind its heads, the strongest first; those without a score are left out."""
    found = []
    for (_, words), scores in zip(SCORES, content.scores, strict=True):
        order = np.argsort(-np.nan_to_num(scores, nan=-1.0), axis=None, kind="stable")
        places = [(int(b), int(h)) for b, h in zip(*np.unravel_index(order, scores.shape), strict=True)]
        found.append((words, [(b, h, float(scores[b, h])) for b, h in places if not np.isnan(scores[b, h])]))
    return found
