"""The workspace: everything a session file keeps, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CONTROLLER, new_id

# What tokens can be coloured by.
LOSS, PROBABILITY, NORM, CHANGE = "loss", "probability", "norm", "change"
TOKEN_MEASURES = (LOSS, PROBABILITY, NORM, CHANGE)
# What the map of modules can be coloured by.
ZEROS = "zeros"
MAP_MEASURES = (NORM, ZEROS, CHANGE)

if TYPE_CHECKING:
    from core_hooks.model.reference import ModelReference
    from mi_crow_gui.document.hook_spec import HookSpec


@dataclass(frozen=True, slots=True)
class PlotSpec:
    """One plot of the board: which kind shows which site on which tab (by name); options as in `HookSpec`.

    A plot without a site of its own (None) follows the selected one. `source` is one of
    `mi_crow_gui.document.plot_source`: which run it shows.
    """

    kind: str
    site: str | None = None
    tab: str = "Plots"
    options: tuple[tuple[str, str], ...] = ()
    source: str = ""
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What the user has set up.

    With `batch` every line of `prompt` is a prompt of its own, and `selected_prompt` is the one of them, from 0, that
    the plots are about.
    `drafts` holds (site, text) pairs of controller text that was typed and not applied; `selected_site` is
    the site that tree, hooks list, plots, inspector and editor share (None: nothing selected; "" is the model
    itself). `token_measure` is what the tokens are coloured by, `map_measure` what the map of modules is. `capture` is
    the folder of the capture that is open beside the model, "" without one.
    """

    model: ModelReference | None = None
    prompt: str = ""
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    hooks: tuple[HookSpec, ...] = ()
    plots: tuple[PlotSpec, ...] = ()
    drafts: tuple[tuple[str, str], ...] = ()
    selected_site: str | None = None
    batch: bool = False
    selected_prompt: int = 0
    token_measure: str = LOSS
    map_measure: str = NORM
    capture: str = ""

    def hook(self, hook_id: str) -> HookSpec | None:
        """The hook with this id, if there is one."""
        return next((hook for hook in self.hooks if hook.id == hook_id), None)

    def hooks_at(self, site: str) -> tuple[HookSpec, ...]:
        """The hooks of one site in their order."""
        return tuple(hook for hook in self.hooks if hook.site == site)

    def controller_at(self, site: str) -> HookSpec | None:
        """The controller that the editor shows for a site: the first one there."""
        return next((hook for hook in self.hooks if hook.site == site and hook.kind == CONTROLLER), None)

    def draft(self, site: str) -> str | None:
        """Unapplied controller text of a site, if there is any."""
        return next((text for draft_site, text in self.drafts if draft_site == site), None)
