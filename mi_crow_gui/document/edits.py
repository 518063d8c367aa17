"""Every edit of a workspace, as a pure function from the workspace before to the one after.

All are total: an id, site or position that is not there changes nothing. An edit that changes nothing gives
the same workspace object back, so that `is` tells whether anything happened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER, HookSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from core_hooks.model.reference import ModelReference
    from core_hooks.model.tokens import GenerationSettings
    from mi_crow_gui.document.workspace import PlotSpec, Workspace

Options = tuple[tuple[str, str], ...]


def set_model(workspace: Workspace, model: ModelReference | None) -> Workspace:
    """Name the model; hooks, prompt and drafts stay, so that they can be used on another model."""
    return _changed(workspace, model=model)


def set_prompt(workspace: Workspace, prompt: str) -> Workspace:
    """Replace the prompt."""
    return _changed(workspace, prompt=prompt)


def set_batch(workspace: Workspace, batch: bool) -> Workspace:
    """Take each line of the prompt for a prompt of its own, or all of it for one."""
    return _changed(workspace, batch=batch)


def select_prompt(workspace: Workspace, number: int) -> Workspace:
    """Select a prompt of the batch for every plot."""
    return _changed(workspace, selected_prompt=max(0, number))


def set_token_measure(workspace: Workspace, measure: str) -> Workspace:
    """Colour the tokens by another measure."""
    return _changed(workspace, token_measure=measure)


def set_map_measure(workspace: Workspace, measure: str) -> Workspace:
    """Colour the map of modules by another measure."""
    return _changed(workspace, map_measure=measure)


def set_generation(workspace: Workspace, settings: GenerationSettings) -> Workspace:
    """Replace the generation settings."""
    return _changed(workspace, generation=settings)


def attach(
    workspace: Workspace,
    sites: Iterable[str],
    kind: str = CAPTURE,
    *,
    code: str = "",
    stage: str = "before",
    options: Options = (),
) -> Workspace:
    """Add a hook for each site after those already there; a site that has this detector gets no second."""
    present = {(hook.site, hook.kind, hook.stage, hook.options) for hook in workspace.hooks if not hook.code}
    added = []
    for site in dict.fromkeys(sites):
        if code or kind == CONTROLLER or (site, kind, stage, options) not in present:
            added.append(HookSpec(site=site, kind=kind, stage=stage, code=code, options=options))
    return add_hooks(workspace, added)


def add_hooks(workspace: Workspace, hooks: Iterable[HookSpec], position: int | None = None) -> Workspace:
    """Insert hooks at a position (at the end by default), leaving out those whose id is already there."""
    present = {hook.id for hook in workspace.hooks}
    added = []
    for hook in hooks:
        if hook.id not in present:
            present.add(hook.id)
            added.append(hook)
    at = len(workspace.hooks) if position is None else max(0, min(position, len(workspace.hooks)))
    return _changed(workspace, hooks=(*workspace.hooks[:at], *added, *workspace.hooks[at:]))


def set_hooks(workspace: Workspace, hooks: Iterable[HookSpec]) -> Workspace:
    """Have exactly these hooks, in this order; drafts stay."""
    wanted = tuple(hooks)
    return workspace if wanted == workspace.hooks else add_hooks(replace(workspace, hooks=()), wanted)


def remove_hooks(workspace: Workspace, ids: Collection[str]) -> Workspace:
    """Remove hooks; drafts typed for their sites stay."""
    gone = frozenset(ids)
    return _changed(workspace, hooks=tuple(hook for hook in workspace.hooks if hook.id not in gone))


def set_enabled(workspace: Workspace, ids: Collection[str], enabled: bool) -> Workspace:
    """Switch hooks on or off; code that nobody here has reviewed (`trusted` False) is never switched on."""
    return _edit_hooks(workspace, ids, lambda hook: replace(hook, enabled=enabled and hook.trusted))


def trust(workspace: Workspace, ids: Collection[str], *, enable: bool = True) -> Workspace:
    """Accept reviewed code and switch it on unless told otherwise; trusted hooks stay as they are."""
    return _edit_hooks(
        workspace,
        ids,
        lambda hook: hook if hook.trusted else replace(hook, trusted=True, enabled=enable),
    )


def move_hook(workspace: Workspace, hook_id: str, delta: int) -> Workspace:
    """Move a hook down (`delta` > 0) or up the list, no further than its ends."""
    hooks = list(workspace.hooks)
    at = next((place for place, hook in enumerate(hooks) if hook.id == hook_id), None)
    if at is None:
        return workspace
    hook = hooks.pop(at)
    hooks.insert(max(0, min(at + delta, len(hooks))), hook)
    return _changed(workspace, hooks=tuple(hooks))


def set_code(workspace: Workspace, hook_id: str, code: str) -> Workspace:
    """Replace a controller's text; whoever sets it vouches for it, so it is trusted from then on."""
    return _edit_hooks(workspace, (hook_id,), lambda hook: replace(hook, code=code, trusted=True))


def set_stage(workspace: Workspace, ids: Collection[str], stage: str) -> Workspace:
    """Let detectors see the value before or after the controllers of their site."""
    return _edit_hooks(workspace, ids, lambda hook: replace(hook, stage=stage))


def set_hook_options(workspace: Workspace, hook_id: str, options: Options) -> Workspace:
    """Replace the settings of one hook."""
    return _edit_hooks(workspace, (hook_id,), lambda hook: replace(hook, options=options))


def apply_controller(
    workspace: Workspace, site: str, code: str, hook_id: str | None = None, options: Options = ()
) -> Workspace:
    """Put `code` on a site, switched on; a draft of the site that says just this is none any more.

    It goes into the named hook, else into the site's first controller, else into a new one, which gets `options`.
    """
    hook = controller_for(workspace, site, hook_id)
    if hook is None:
        edited = add_hooks(workspace, [HookSpec(site=site, kind=CONTROLLER, code=code, options=options)])
    else:
        edited = _edit_hooks(workspace, (hook.id,), lambda spec: replace(spec, code=code, enabled=True, trusted=True))
    # Another text that was typed there is lost to nobody.
    return set_draft(edited, site, None) if workspace.draft(site) == code else edited


def controller_for(workspace: Workspace, site: str, hook_id: str | None = None) -> HookSpec | None:
    """The controller that text applied to a site goes into; None if it needs a new one."""
    named = workspace.hook(hook_id) if hook_id is not None else None
    if named is not None and named.kind == CONTROLLER and named.site == site:
        return named
    return workspace.controller_at(site)


def add_plot(workspace: Workspace, plot: PlotSpec) -> Workspace:
    """Add a plot after those already there."""
    if any(present.id == plot.id for present in workspace.plots):
        return workspace
    return _changed(workspace, plots=(*workspace.plots, plot))


def remove_plots(workspace: Workspace, ids: Collection[str]) -> Workspace:
    """Remove plots."""
    gone = frozenset(ids)
    return _changed(workspace, plots=tuple(plot for plot in workspace.plots if plot.id not in gone))


def set_plot(workspace: Workspace, plot: PlotSpec) -> Workspace:
    """Replace the plot that has this one's id."""
    return _changed(workspace, plots=tuple(plot if present.id == plot.id else present for present in workspace.plots))


def set_draft(workspace: Workspace, site: str, text: str | None) -> Workspace:
    """Keep controller text that was typed and not applied; None drops it."""
    if text is not None and workspace.draft(site) is not None:
        # In its place: a draft must not change order with every key typed
        drafts = tuple((at, text if at == site else kept) for at, kept in workspace.drafts)
    else:
        drafts = tuple((at, kept) for at, kept in workspace.drafts if at != site)
        if text is not None:
            drafts = (*drafts, (site, text))
    return _changed(workspace, drafts=drafts)


def select_site(workspace: Workspace, site: str | None) -> Workspace:
    """Select a site for every panel; None selects nothing, "" the model itself."""
    return _changed(workspace, selected_site=site)


def show_capture(workspace: Workspace, folder: str) -> Workspace:
    """Name the folder of the capture that is open; "" when there is none."""
    return _changed(workspace, capture=folder)


def _edit_hooks(workspace: Workspace, ids: Collection[str], edit: Callable[[HookSpec], HookSpec]) -> Workspace:
    meant = frozenset(ids)
    return _changed(workspace, hooks=tuple(edit(hook) if hook.id in meant else hook for hook in workspace.hooks))


def _changed(workspace: Workspace, **parts: Any) -> Workspace:
    """The workspace with these parts, or the same object if it has them already."""
    if all(getattr(workspace, name) == value for name, value in parts.items()):
        return workspace
    return replace(workspace, **parts)
