"""The editor pane: which text it shows, what is wrong with it, and applying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.controller_presets import VECTOR, Heads, preset_text
from mi_crow_gui.document.controller_source import check
from mi_crow_gui.document.folders import vectors_folder
from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.document.strength import DEFAULT, read, written
from mi_crow_gui.window.file_choosers import choose_file
from mi_crow_gui.wiring.completion_wiring import CompletionWiring
from mi_crow_gui.wiring.preview_wiring import PreviewWiring

if TYPE_CHECKING:
    from mi_crow_gui.document.controller_presets import Scope
    from mi_crow_gui.document.strength import Strength
    from mi_crow_gui.engine.messages import HookFailure
    from mi_crow_gui.wiring.parts import Parts


class EditorWiring(QObject):
    """Joins the editor with the drafts and controllers of the document."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._window, self._editor = parts.store, parts.window, parts.window.editor
        self._service = parts.service
        parts.service.modelOpened.connect(self._on_service_model_opened)
        self._editor.textEdited.connect(self._on_editor_text_edited)
        self._editor.applyRequested.connect(self._on_editor_apply_requested)
        self._editor.revertRequested.connect(self._on_editor_revert_requested)
        parts.store.changed.connect(self._on_store_changed)
        parts.service.hookFailed.connect(self._on_service_hook_failed)
        parts.service.stopDelayed.connect(parts.window.status.set_message)
        action = parts.window.action("applyController")
        action.triggered.connect(self._on_apply_triggered)
        self._editor.strengthChanged.connect(self._on_editor_strength_changed)
        self._editor.vectorRequested.connect(self._on_editor_vector_requested)
        # Of sites whose controller is not applied yet.
        self._strengths: dict[str, Strength] = {}
        self._preview = PreviewWiring(parts)
        self._completion = CompletionWiring(parts)
        self._show()

    @Slot(str, str)
    def _on_editor_text_edited(self, site: str, text: str) -> None:
        spec = self._store.workspace.controller_at(site)
        applied = spec.code if spec is not None else ""
        self._store.set_draft(site, None if text == applied else text)

    @Slot(str, str)
    def _on_editor_apply_requested(self, site: str, text: str) -> None:
        # The editor checks a moment after the last key; Apply may come sooner.
        problems = check(text)
        if any(problem.severity == "error" for problem in problems):
            self._editor.set_problems(problems)
            self._window.status.set_message(f"Not applied: {problems[0].message}")
            return
        options = written((), self._strengths.pop(site, DEFAULT))
        self._store.apply_controller(site, text, options=options)
        self._window.status.set_message("Applied: the controller acts from the next forward on.")

    @Slot(str)
    def _on_editor_revert_requested(self, site: str) -> None:
        self._store.set_draft(site, None)
        self._show()

    @Slot(str, object)
    def _on_editor_strength_changed(self, site: str, strength: Strength) -> None:
        spec = self._store.workspace.controller_at(site)
        if spec is not None:
            self._store.set_strength(spec.id, strength)
        else:
            self._strengths[site] = strength

    @Slot(object)
    def _on_editor_vector_requested(self, scope: Scope) -> None:
        site = self._editor.site

        def take(path: str) -> None:
            if self._editor.site == site:
                self._editor.put(preset_text(VECTOR, scope, vector=path))

        choose_file(self._window, "Choose a steering vector", "Vectors (*.safetensors)", take, str(vectors_folder()))

    def close(self) -> None:
        """Nobody types any more."""
        self._completion.close()

    @Slot()
    def _on_apply_triggered(self) -> None:
        self._editor.apply()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic in ("selection", "hooks", "drafts"):
            self._show()

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._show()

    @Slot(object)
    def _on_service_hook_failed(self, failure: HookFailure) -> None:
        spec = self._store.workspace.hook(failure.hook_id)
        if spec is not None and spec.kind == CONTROLLER and spec.site == self._store.workspace.selected_site:
            self._editor.set_runtime_error(failure.line, failure.message)

    def _show(self) -> None:
        workspace = self._store.workspace
        site = workspace.selected_site
        if site is None:
            self._editor.set_site(None, "", "")
            self._editor.set_heads(None)
            return
        spec = self._store.workspace.controller_at(site)
        applied = spec.code if spec is not None else ""
        draft = workspace.draft(site)
        self._editor.set_site(site, applied if draft is None else draft, applied)
        self._editor.set_strength(self._strengths.get(site, DEFAULT) if spec is None else read(spec))
        self._editor.set_heads(self._heads(site))

    def _heads(self, site: str) -> Heads | None:
        """The heads whose output projection the site is, or whose attention it is or lies in."""
        anatomy = self._service.anatomy
        for block in (*anatomy.blocks, *anatomy.encoder_blocks) if anatomy is not None else ():
            within = site == block.attention or site.startswith(f"{block.attention}.")
            if block.head_dim and (site == block.output_projection or (block.attention and within)):
                return Heads(block.output_projection, block.n_heads, block.head_dim)
        return None
