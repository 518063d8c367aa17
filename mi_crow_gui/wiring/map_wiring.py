"""The map of the modules: the same sites, hooks and values as the tree beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.panels.map_measures import MEASURES

if TYPE_CHECKING:
    from core_hooks.model.records import ModuleTree
    from mi_crow_gui.engine.messages import CaptureUpdate, Failure, OpenedModel
    from mi_crow_gui.wiring.parts import Parts


class MapWiring(QObject):
    """Joins the module map with store and service."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service, self._map = parts.store, parts.service, parts.window.module_map
        self._tabs = parts.window.model_tabs
        self._tabs.measureChosen.connect(self._store.set_map_measure)
        self._map.siteSelected.connect(self._on_map_site_selected)
        self._map.attachRequested.connect(self._on_map_attach_requested)
        self._map.detachRequested.connect(self._on_map_detach_requested)
        self._store.changed.connect(self._on_store_changed)
        self._service.treeKnown.connect(self._on_service_tree_known)
        self._service.modelOpened.connect(self._on_service_model_opened)
        self._service.failed.connect(self._on_service_failed)
        self._service.framesArrived.connect(self._on_service_frames_arrived)

    @Slot(str)
    def _on_map_site_selected(self, site: str) -> None:
        self._store.select_site(site)

    @Slot(list)
    def _on_map_attach_requested(self, sites: list[str]) -> None:
        if self._store.attach(sites) and self._store.workspace.selected_site not in sites:
            self._store.select_site(sites[0])

    @Slot(list)
    def _on_map_detach_requested(self, sites: list[str]) -> None:
        self._store.detach_sites(sites, None)

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        workspace = self._store.workspace
        if topic == "hooks":
            self._map.set_attached({hook.site for hook in workspace.hooks})
        elif topic == "selection":
            self._map.select_site(workspace.selected_site)
        elif topic == "map":
            self._tabs.set_measure(workspace.map_measure)

    @Slot(object)
    def _on_service_tree_known(self, tree: ModuleTree) -> None:
        self._map.set_tree(tree)

    @Slot(object)
    def _on_service_model_opened(self, opened: OpenedModel) -> None:
        self._map.set_tree(opened.tree)

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        if failure.task == "open":
            opened = self._service.model
            self._map.set_tree(opened.tree if opened is not None else None)

    @Slot(object)
    def _on_service_frames_arrived(self, updates: dict[str, CaptureUpdate]) -> None:
        measures = {update.frame.site: update.measures for update in updates.values()}
        for name in MEASURES:
            self._map.set_values({site: getattr(known, name) for site, known in measures.items()}, name)
