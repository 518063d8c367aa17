"""The parts of the open model: named by hand in a dialog, kept in the document, taken by the model thread."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.engine.part_naming import NamedParts, PartNaming
from mi_crow_gui.window.parts_dialog import PartsDialog

if TYPE_CHECKING:
    from core_hooks.model.anatomy import Anatomy
    from mi_crow_gui.engine.messages import OpenedModel
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class AnatomyWiring(QObject):
    """Joins the dialog, the document and the model thread; an undo takes names back as any edit."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._window, self._store, self._service = parts.window, parts.store, parts.service
        self._dialog: PartsDialog | None = None
        # What was found in the open model itself, before anything was named.
        self._found: dict[str, str] = {}
        self._asked: tuple[tuple[str, str], ...] | None = None
        self._window.action("nameParts").triggered.connect(self._on_name_parts_triggered)
        self._store.changed.connect(self._on_store_changed)
        self._service.stateChanged.connect(self._on_service_state_changed)
        self._service.taskEnded.connect(self._on_service_task_ended)
        self._service.modelOpened.connect(self._on_service_model_opened)

    @Slot()
    def _on_name_parts_triggered(self) -> None:
        model = self._service.model
        if model is None:
            return
        named = model.summary.reference.parts
        self._dialog = PartsDialog(self._found, named, self._window)
        self._dialog.namesWanted.connect(self._on_dialog_names_wanted)
        self._dialog.finished.connect(self._on_dialog_finished)
        self._dialog.open()

    @Slot(object)
    def _on_dialog_names_wanted(self, names: tuple[tuple[str, str], ...]) -> None:
        if not self._ask(names) and self._dialog is not None:
            self._dialog.show_answer("Something is going on already: stop it first (Esc), then apply again.")

    @Slot()
    def _on_dialog_finished(self) -> None:
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.deleteLater()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        self._follow_document()

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._window.action("nameParts").setEnabled(state == "ready")
        if state == "ready":
            self._follow_document()

    @Slot(object)
    def _on_service_model_opened(self, opened: OpenedModel) -> None:
        self._asked = None
        self._found = fields(opened.found) if opened.found is not None else {}

    def _follow_document(self) -> None:
        """An undo or a session may name other parts for the model that is open."""
        wanted, model = self._store.workspace.model, self._service.model
        if wanted is None or model is None or wanted.parts in (model.summary.reference.parts, self._asked):
            return
        if replace(model.summary.reference, trust_code=wanted.trust_code, parts=wanted.parts) == wanted:
            self._ask(wanted.parts)

    def _ask(self, names: tuple[tuple[str, str], ...]) -> bool:
        self._asked = names
        if self._service.ask(PartNaming(names)):
            return True
        self._asked = None
        return False

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        if not isinstance(result.task, PartNaming):
            return
        answer = result.problem
        if isinstance(result.content, NamedParts):
            self._service.take_anatomy(result.content.reference, result.content.anatomy)
            answer = words(result.content.anatomy)
            wanted = self._store.workspace.model
            if wanted is not None and wanted.parts != result.task.parts:
                self._store.set_model(replace(wanted, parts=result.task.parts))
        self._asked = None
        log.log(logging.INFO if result.content is not None else logging.WARNING, "%s", answer)
        self._window.status.set_message(answer)
        if self._dialog is not None:
            self._dialog.show_answer(answer)


def fields(anatomy: Anatomy) -> dict[str, str]:
    """An anatomy as the fields of the dialog; of the blocks the first one that has a part says where it is."""
    found = {
        "embedding": anatomy.embedding,
        "final_norm": anatomy.final_norm,
        "unembedding": anatomy.unembedding,
    }
    if anatomy.blocks:
        found["blocks"] = anatomy.blocks[0].path.rpartition(".")[0]
    for name in ("attention", "output_projection", "mlp"):
        holder = next((block for block in anatomy.blocks if getattr(block, name)), None)
        found[name] = getattr(holder, name)[len(holder.path) + 1 :] if holder is not None else ""
    headed = next((block for block in anatomy.blocks if block.n_heads), None)
    found["heads"] = str(headed.n_heads) if headed is not None else ""
    found["key_value_heads"] = str(headed.n_kv_heads) if headed is not None else ""
    return found


def words(anatomy: Anatomy) -> str:
    """What a forward confirmed of an anatomy, and what not."""
    if anatomy.reasons:
        return " ".join(sentence for _, sentence in anatomy.reasons)
    heads = anatomy.blocks[0].n_heads if anatomy.blocks else 0
    return (
        f"Confirmed in a forward: {plural(len(anatomy.blocks), 'block')}, the logits read from the last one are the "
        f"model's, and its {plural(heads, 'head')} add up to what attention gives."
    )
