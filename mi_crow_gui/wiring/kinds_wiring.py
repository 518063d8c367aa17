"""Kinds of hooks beside captures and the editor's controllers: attaching them, their settings, and what they found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from core_hooks.hooks.kinds import settings_of
from mi_crow_gui.document.formatting import count, number
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.panels.hook_details import HookDetails
from mi_crow_gui.window.actions import ActionSpec

if TYPE_CHECKING:
    from core_hooks.hooks.kinds import HookKind, HookKinds
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.messages import HookState
    from mi_crow_gui.wiring.parts import Parts

_MENU = {"detector": "&Model/Attach a d&etector of kind", "controller": "&Model/Attach a co&ntroller of kind"}
_NO_SELECTION = "Select modules in the tree first, then attach."


class KindsWiring(QObject):
    """Offers every kind in the menus and the palette, and shows the selected site's hooks of such kinds."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service, self._window = parts.store, parts.service, parts.window
        self._panel = parts.window.inspector.hook_details
        self._kinds: HookKinds | None = None
        self._states: dict[str, HookState] = {}
        self._panel.settingChanged.connect(self._on_panel_setting_changed)
        parts.service.lookout.kindsKnown.connect(self._on_service_kinds_known)
        parts.service.hookStates.connect(self._on_service_hook_states)
        parts.store.changed.connect(self._on_store_changed)

    @Slot(object)
    def _on_service_kinds_known(self, kinds: HookKinds) -> None:
        self._kinds = kinds
        for role, known in (("detector", kinds.detectors), ("controller", kinds.controllers)):
            specs = [_spec(role, kind) for kind in known.values()]
            specs += [
                ActionSpec(
                    f"unavailable_{role}_{one.name}", f"{one.name} (unavailable)", f"attach-{role}", _MENU[role], 1,
                    f"This plugin could not be loaded: {one.reason}", needs="its plugin",
                )
                for one in kinds.unavailable
                if one.role == role
            ]  # fmt: skip
            for action in self._window.add_actions(specs, f"attach{role.capitalize()}", "attachDetectorButton"):
                action.triggered.connect(self._on_attach_triggered)
        self._show()

    @Slot()
    def _on_attach_triggered(self) -> None:
        name = self.sender().objectName().removeprefix("attach_")
        sites = self._window.module_tree.selected_sites()
        if not sites:
            self._window.status.set_message(_NO_SELECTION)
            return
        self._store.attach(sites, name)
        if self._store.workspace.selected_site not in sites:
            self._store.select_site(sites[0])

    @Slot(str, str, object)
    def _on_panel_setting_changed(self, hook_id: str, name: str, value: object) -> None:
        hook = self._store.workspace.hook(hook_id)
        if hook is not None:
            options = {**dict(hook.options), name: json.dumps(value)}
            self._store.tune_hook(hook_id, tuple(sorted(options.items())))

    @Slot(object)
    def _on_service_hook_states(self, states: tuple[HookState, ...]) -> None:
        self._states = {state.id: state for state in states}
        self._show()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic in ("selection", "hooks"):
            self._show()

    def _show(self) -> None:
        site = self._store.workspace.selected_site
        hooks = self._store.workspace.hooks_at(site) if site is not None else ()
        details = tuple(self._details(hook) for hook in hooks if hook.kind not in (CAPTURE, CONTROLLER))
        self._window.inspector.set_hooks(details)

    def _details(self, hook: HookSpec) -> HookDetails:
        kind = self._kinds.get(hook.kind) if self._kinds is not None else None
        state = self._states.get(hook.id)
        problem = state.error if state is not None else ""
        if kind is None:
            return HookDetails(hook.id, hook.kind, "", problem=problem or _missing(hook.kind, self._kinds))
        given = settings_of(hook.options)
        settings = tuple((one, one.fitting(given.get(one.name, one.default))) for one in kind.settings)
        results = tuple((name, _text(value)) for name, value in state.results) if state is not None else ()
        return HookDetails(hook.id, kind.title, kind.says, settings, results, problem, kind.results is not None)


def _spec(role: str, kind: HookKind) -> ActionSpec:
    return ActionSpec(
        f"attach_{kind.name}",
        kind.title.replace("&", "&&"),
        f"attach-{role}",
        _MENU[role],
        1,
        kind.says,
        words=f"hook {role} attach plugin",
    )


def _missing(name: str, kinds: HookKinds | None) -> str:
    if kinds is None:
        return ""
    return f"No plugin provides hooks of kind '{name}'."


def _text(value: object) -> str:
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return count(value)
    return number(value) if isinstance(value, float) else str(value)
