"""Attaching and detaching: tree and hooks list on one side, document and model thread on the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from core_hooks.model.site_pattern import matching_sites
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.itemmodels.hooks_table_model import HookRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mi_crow_gui.engine.messages import CaptureUpdate, HookFailure, HookState
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_VALUES_MS = 250


class HooksWiring(QObject):
    """Keeps tree, hooks list and service equal to the document's hooks, and follows the one selected site."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service, self._window = parts.store, parts.service, parts.window
        self._states: dict[str, HookState] = {}
        self._updates: dict[str, CaptureUpdate] = {}
        # Numbers in the tree that change faster than this can't be read.
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_VALUES_MS)
        tree, hooks = parts.window.module_tree, parts.window.hooks
        tree.attachRequested.connect(self._on_tree_attach_requested)
        tree.detachRequested.connect(self._on_tree_detach_requested)
        tree.controllerRequested.connect(self._on_tree_controller_requested)
        tree.siteSelected.connect(self._on_site_selected)
        hooks.enabledChanged.connect(self._on_hooks_enabled_changed)
        hooks.removeRequested.connect(self._on_hooks_remove_requested)
        hooks.moveRequested.connect(self._on_hooks_move_requested)
        hooks.siteSelected.connect(self._on_site_selected)
        hooks.editRequested.connect(self._on_hooks_edit_requested)
        parts.window.action("attachDetector").triggered.connect(self._on_attach_detector_triggered)
        parts.window.action("attachController").triggered.connect(self._on_attach_controller_triggered)
        parts.window.action("detachAll").triggered.connect(self._on_detach_all_triggered)
        parts.store.changed.connect(self._on_store_changed)
        parts.service.treeKnown.connect(self._on_service_tree_known)
        parts.service.modelOpened.connect(self._on_service_tree_known)
        parts.service.failed.connect(self._on_service_tree_known)
        parts.service.hookStates.connect(self._on_service_hook_states)
        parts.service.hookFailed.connect(self._on_service_hook_failed)
        parts.service.framesArrived.connect(self._on_service_frames_arrived)
        parts.service.shapesKnown.connect(self._on_service_shapes_known)
        self._on_store_changed("hooks")

    def attach_pattern(self, pattern: str) -> int:
        """Attach a detector to every layer that a name or glob matches; how many there were."""
        model = self._service.model
        if model is None:
            return 0
        names = [record.path for record in model.tree]
        sites = matching_sites(pattern, names, [record.class_name for record in model.tree])
        self._attach(sites)
        return len(sites)

    def _attach(self, sites: Sequence[str]) -> None:
        if not sites:
            return
        added = self._store.attach(sites)
        if added and self._store.workspace.selected_site not in sites:
            self._store.select_site(sites[0])

    # ---- intents -----------------------------------------------------------------------------------------------

    @Slot(list)
    def _on_tree_attach_requested(self, sites: list[str]) -> None:
        self._attach(sites)

    @Slot(list)
    def _on_tree_detach_requested(self, sites: list[str]) -> None:
        self._store.detach_sites(sites, None)

    @Slot(str)
    def _on_tree_controller_requested(self, site: str) -> None:
        self._store.select_site(site)
        self._window.show_editor()

    @Slot(str)
    def _on_site_selected(self, site: str) -> None:
        self._store.select_site(site)

    @Slot(str)
    def _on_hooks_edit_requested(self, hook_id: str) -> None:
        hook = self._store.workspace.hook(hook_id)
        if hook is not None:
            self._on_tree_controller_requested(hook.site)

    @Slot(list, bool)
    def _on_hooks_enabled_changed(self, ids: list[str], enabled: bool) -> None:
        unread = [hook.id for hook in self._store.workspace.hooks if hook.id in ids and not hook.trusted]
        if enabled and unread:
            # Switching on code from elsewhere is the consent: its text stands in the editor, selected.
            self._store.trust(unread)
        self._store.set_enabled([hook_id for hook_id in ids if hook_id not in unread], enabled)
        if enabled:
            self._service.retry([hook_id for hook_id in ids if self._failed(hook_id)])

    @Slot(list)
    def _on_hooks_remove_requested(self, ids: list[str]) -> None:
        self._store.detach(ids)

    @Slot(str, int)
    def _on_hooks_move_requested(self, hook_id: str, delta: int) -> None:
        self._store.move(hook_id, delta)

    @Slot()
    def _on_attach_detector_triggered(self) -> None:
        sites = self._window.module_tree.selected_sites()
        if sites:
            self._attach(sites)
        else:
            self._window.status.set_message("Select modules in the tree first, then attach.")

    @Slot()
    def _on_attach_controller_triggered(self) -> None:
        sites = self._window.module_tree.selected_sites()
        if sites:
            self._on_tree_controller_requested(sites[0])
        else:
            self._window.status.set_message("Select a module in the tree first, then write its controller.")

    @Slot()
    def _on_detach_all_triggered(self) -> None:
        self._store.detach_all()

    # ---- answers -----------------------------------------------------------------------------------------------

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        workspace = self._store.workspace
        if topic == "hooks":
            self._service.set_hooks(workspace.hooks)
            self._states = {key: state for key, state in self._states.items() if workspace.hook(key) is not None}
            self._show_badges()
            self._show_rows()
        elif topic == "selection":
            self._window.module_tree.select_site(workspace.selected_site)
            self._window.hooks.select_site(workspace.selected_site)

    @Slot(object)
    def _on_service_tree_known(self, tree: object) -> None:
        """Another tree stands there: it carries the badges of the hooks that are, and the selection."""
        self._show_badges()
        self._window.module_tree.select_site(self._store.workspace.selected_site)

    @Slot(object)
    def _on_service_hook_states(self, states: tuple[HookState, ...]) -> None:
        self._states = {state.id: state for state in states}
        self._show_rows()

    @Slot(object)
    def _on_service_hook_failed(self, failure: HookFailure) -> None:
        where = f"'{failure.site or 'the model'}'"
        line = f" in line {failure.line}" if failure.line else ""
        message = f"The hook at {where} failed{line} and was switched off: {failure.message}"
        log.warning("%s", message, extra={"details": failure.details})
        self._window.status.set_message(message)

    @Slot(object)
    def _on_service_frames_arrived(self, updates: dict[str, CaptureUpdate]) -> None:
        live = any(update.frame.live for update in updates.values())
        self._updates.update(updates)
        if live and self._pause.isActive():
            return
        self._show_values()
        if live:
            self._pause.start()

    @Slot(object)
    def _on_service_shapes_known(self, shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
        self._window.module_tree.set_shapes(shapes)

    def _show_values(self) -> None:
        values = {}
        for update in self._updates.values():
            values[update.frame.site] = update.measures.norm
        self._updates = {}
        self._window.module_tree.set_last_values(values, "L2 norm of the newest token's values")

    def _failed(self, hook_id: str) -> bool:
        state = self._states.get(hook_id)
        return state is not None and bool(state.error) and not state.enabled

    def _show_badges(self) -> None:
        badges: dict[str, str] = {}
        for hook in self._store.workspace.hooks:
            word = {CAPTURE: "capture", CONTROLLER: "controller"}.get(hook.kind, hook.kind)
            badges[hook.site] = f"{badges[hook.site]}, {word}" if hook.site in badges else word
        self._window.module_tree.set_attached(badges)

    def _show_rows(self) -> None:
        self._window.hooks.set_rows(list(self._rows()))

    def _rows(self) -> Iterable[HookRow]:
        places: dict[str, int] = {}
        for hook in self._store.workspace.hooks:
            places[hook.site] = places.get(hook.site, 0) + 1
            state = self._states.get(hook.id)
            yield HookRow(
                id=hook.id,
                site=hook.site,
                kind=hook.kind,
                # A hook that failed is off, whatever the document asks for; ticking it is another try.
                enabled=hook.enabled and not self._failed(hook.id),
                order=places[hook.site],
                fired=state.fired if state else 0,
                last_shape=state.last_shape if state else (),
                error=state.error if state else "",
                review=not hook.trusted,
                elsewhere=tuple(site for site in state.sites if site != hook.site) if state else (),
            )
