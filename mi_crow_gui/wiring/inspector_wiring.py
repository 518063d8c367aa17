"""The inspector: what is known of the selected site, and its detector's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.hook_spec import CAPTURE

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import CaptureUpdate
    from mi_crow_gui.wiring.parts import Parts


class InspectorWiring(QObject):
    """Joins the inspector with the selection, the module tree and the newest values."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service, self._inspector = parts.store, parts.service, parts.window.inspector
        parts.store.changed.connect(self._on_store_changed)
        parts.service.modelOpened.connect(self._on_service_model_opened)
        parts.service.framesArrived.connect(self._on_service_frames_arrived)
        self._inspector.stageChanged.connect(self._on_inspector_stage_changed)
        self._show()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "selection":
            self._show()
        elif topic == "hooks":
            self._show_stage()

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._show()

    @Slot(object)
    def _on_service_frames_arrived(self, updates: dict[str, CaptureUpdate]) -> None:
        if any(update.frame.site == self._store.workspace.selected_site for update in updates.values()):
            self._show_output()

    @Slot(str)
    def _on_inspector_stage_changed(self, stage: str) -> None:
        site = self._store.workspace.selected_site
        if site is not None:
            ids = [hook.id for hook in self._store.workspace.hooks_at(site) if hook.kind == CAPTURE]
            self._store.set_stage(ids, stage)

    def _show(self) -> None:
        site, model = self._store.workspace.selected_site, self._service.model
        known = site is not None and model is not None and site in model.tree
        self._inspector.set_record(
            model.tree.record(site) if known and model is not None and site is not None else None
        )
        self._show_output()
        self._show_stage()

    def _show_output(self) -> None:
        site = self._store.workspace.selected_site
        frames = [update.frame for update in self._service.frames().values() if update.frame.site == site]
        if frames:
            frame = max(frames, key=lambda frame: frame.stage == "after")
            self._inspector.set_output(frame.shape, frame.dtype)
        else:
            self._inspector.set_output(None)

    def _show_stage(self) -> None:
        site = self._store.workspace.selected_site
        hooks = self._store.workspace.hooks_at(site) if site is not None else ()
        self._inspector.set_stage(next((hook.stage for hook in hooks if hook.kind == CAPTURE), None))
