"""The document store: it holds the workspace and is the only one to change it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from mi_crow_gui.document import edits
from mi_crow_gui.document.formatting import elide_middle, plural
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.document.strength import written
from mi_crow_gui.document.workspace import PlotSpec, Workspace
from mi_crow_gui.state.edit_command import EditCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from core_hooks.model.reference import ModelReference
    from core_hooks.model.tokens import GenerationSettings
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.document.strength import Strength

UNDO_LIMIT = 200
TYPING_PAUSE = 2.0  # seconds without a key after which typing becomes a new step of undo

_TOPICS = {"selected_site": "selection", "token_measure": "measure", "map_measure": "map"}
_PARTS = tuple(field.name for field in fields(Workspace))
_NAMES = {CAPTURE: "detector", CONTROLLER: "controller"}
_SITE_LENGTH = 40
_PROMPT_TYPING, _GENERATION_TUNING, _STRENGTH_TUNING, _HOOK_TUNING = 1, 2, 3, 4


class DocumentStore(QObject):
    """Holds the workspace; intents are methods, each one step of undo.

    `changed` is emitted once for each topic that an edit, undo or redo changed, after the workspace is whole:
    "model", "prompt", "batch", "measure", "map", "generation", "hooks", "plots", "drafts", "selection",
    "selected_prompt", "capture".
    Drafts, what is selected and which capture is open are kept but are no steps of undo. An intent that changes nothing
    adds no step and emits nothing.
    """

    changed = Signal(str)
    dirtyChanged = Signal(bool)

    def __init__(self, parent: QObject | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(parent)
        self._workspace = Workspace()
        self._saved = self._workspace
        self._published = self._workspace
        self._was_dirty = False
        self._in_step = False
        self._clock = clock
        self._typed_at = 0.0
        self._typing_round = 0
        self._undo_stack = QUndoStack(self)
        self._undo_stack.setUndoLimit(UNDO_LIMIT)
        # Emitting only when the stack is at rest lets a listener call an intent
        self._undo_stack.indexChanged.connect(self._on_stack_index_changed)

    @property
    def workspace(self) -> Workspace:
        """The workspace as it is now."""
        return self._workspace

    @property
    def undo_stack(self) -> QUndoStack:
        """For the undo and redo actions; commands are pushed by the store alone."""
        return self._undo_stack

    @property
    def dirty(self) -> bool:
        """True when a session file written now would differ from the one last loaded or saved."""
        return _without_selection(self._workspace) != self._saved

    def load(self, workspace: Workspace, *, saved: bool = True) -> None:
        """Replace everything and forget all steps; `saved` False for what is in no file yet."""
        self._workspace = workspace
        self._saved = _without_selection(workspace if saved else Workspace())
        self._undo_stack.clear()
        self._publish()

    def mark_saved(self, workspace: Workspace | None = None) -> None:
        """Say that `workspace` (by default the present one) is what the session file holds."""
        self._saved = _without_selection(workspace or self._workspace)
        self._undo_stack.setClean()
        self._publish()

    @contextmanager
    def one_step(self, text: str) -> Iterator[None]:
        """Make one step of undo of all intents within; if one raises, none of them happens."""
        if self._in_step:
            yield
            return
        before = self._workspace
        self._in_step = True
        try:
            yield
        except BaseException:
            self._workspace = before
            raise
        finally:
            self._in_step = False
        self._push(text, before, self._workspace)

    def undo(self) -> None:
        """Take the last step back, if there is one."""
        self._undo_stack.undo()

    def redo(self) -> None:
        """Take the last undone step again, if there is one."""
        self._undo_stack.redo()

    # model and prompt

    def set_model(self, model: ModelReference | None) -> None:
        """Name the model that the workspace is about."""
        name = elide_middle(model.source, _SITE_LENGTH) if model else ""
        self._edit(f"Choose model {name}" if model else "Close model", edits.set_model(self._workspace, model))

    def set_prompt(self, prompt: str) -> None:
        """Replace the prompt; typing without a pause is one step."""
        self._edit("Type prompt", edits.set_prompt(self._workspace, prompt), _PROMPT_TYPING)

    def set_batch(self, batch: bool) -> None:
        """Take each line of the prompt for a prompt of its own, or all of it for one."""
        text = "One prompt a line" if batch else "All lines one prompt"
        self._edit(text, edits.set_batch(self._workspace, batch))

    def set_prompts(self, prompts: Sequence[str]) -> None:
        """Take these prompts, one line each, for the batch."""
        with self.one_step(f"Load {plural(len(prompts), 'prompt')}"):
            self.set_prompt("\n".join(prompts))
            self.set_batch(True)

    def set_token_measure(self, measure: str) -> None:
        """Colour the tokens by another measure."""
        self._edit(f"Colour tokens by {measure}", edits.set_token_measure(self._workspace, measure))

    def set_map_measure(self, measure: str) -> None:
        """Colour the map of modules by another measure."""
        self._edit(f"Colour map by {measure}", edits.set_map_measure(self._workspace, measure))

    def set_generation(self, settings: GenerationSettings) -> None:
        """Replace the generation settings; turning a spin box without a pause is one step."""
        after = edits.set_generation(self._workspace, settings)
        self._edit("Change generation settings", after, _GENERATION_TUNING)

    # hooks

    def attach(
        self,
        sites: Iterable[str],
        kind: str = CAPTURE,
        *,
        code: str = "",
        stage: str = "before",
        options: edits.Options = (),
    ) -> tuple[str, ...]:
        """Attach a hook to each site and give the new ids; sites that have this detector are passed over."""
        before = self._workspace.hooks
        after = edits.attach(self._workspace, sites, kind, code=code, stage=stage, options=options)
        added = after.hooks[len(before) :]
        self._edit(f"Attach {_hooks_text(added)}", after)
        return tuple(hook.id for hook in added)

    def detach(self, ids: Collection[str]) -> None:
        """Take hooks off."""
        gone = frozenset(ids)
        meant = [hook for hook in self._workspace.hooks if hook.id in gone]
        self._edit(f"Detach {_hooks_text(meant)}", edits.remove_hooks(self._workspace, gone))

    def detach_sites(self, sites: Collection[str], kind: str | None = CAPTURE) -> None:
        """Take off the hooks of these sites: those of one kind, or all (None)."""
        meant = frozenset(sites)
        self.detach([hook.id for hook in self._workspace.hooks if hook.site in meant and kind in (None, hook.kind)])

    def detach_all(self) -> None:
        """Take every hook off."""
        self.detach([hook.id for hook in self._workspace.hooks])

    def restore(
        self, text: str, *, prompt: str, batch: bool, generation: GenerationSettings, hooks: Iterable[HookSpec]
    ) -> None:
        """Have this prompt, these settings and exactly these hooks again, in one step of undo named `text`."""
        with self.one_step(text):
            self.set_prompt(prompt)
            self.set_batch(batch)
            self.set_generation(generation)
            self._edit(text, edits.set_hooks(self._workspace, hooks))

    def set_enabled(self, ids: Collection[str], enabled: bool) -> None:
        """Switch hooks on or off; unreviewed code (`trusted` False) stays off until `trust`."""
        after = edits.set_enabled(self._workspace, ids, enabled)
        self._edit(f"Switch {'on' if enabled else 'off'} {_hooks_text(self._differing(after))}", after)

    def trust(self, ids: Collection[str], *, enable: bool = True) -> None:
        """Accept reviewed code, and switch it on."""
        after = edits.trust(self._workspace, ids, enable=enable)
        self._edit(f"Accept {_hooks_text(self._differing(after))}", after)

    def move(self, hook_id: str, delta: int) -> None:
        """Move a hook down (positive) or up in the order in which hooks act."""
        self._edit(f"Move hook {'down' if delta > 0 else 'up'}", edits.move_hook(self._workspace, hook_id, delta))

    def set_stage(self, ids: Collection[str], stage: str) -> None:
        """Let detectors see the value before or after the controllers of their site, or what goes into it."""
        after = edits.set_stage(self._workspace, ids, stage)
        words = "what goes in" if stage == "input" else f"{stage} controllers"
        self._edit(f"Capture {words}", after)

    def set_hook_options(self, hook_id: str, options: edits.Options) -> None:
        """Replace the settings of a hook."""
        self._edit("Change hook settings", edits.set_hook_options(self._workspace, hook_id, options))

    def tune_hook(self, hook_id: str, options: edits.Options) -> None:
        """Replace the settings of a hook; turning a box without a pause is one step."""
        after = edits.set_hook_options(self._workspace, hook_id, options)
        self._edit("Change hook settings", after, _HOOK_TUNING)

    def set_strength(self, hook_id: str, strength: Strength) -> None:
        """Let a controller act more or less; moving the slider without a pause is one step."""
        hook = self._workspace.hook(hook_id)
        if hook is not None:
            after = edits.set_hook_options(self._workspace, hook_id, written(hook.options, strength))
            self._edit(f"Set strength at {_site_text(hook.site)}", after, _STRENGTH_TUNING)

    def apply_controller(self, site: str, text: str, hook_id: str | None = None, options: edits.Options = ()) -> str:
        """Put controller text on a site (changing its controller or adding one with `options`); gives the hook's id."""
        after = edits.apply_controller(self._workspace, site, text, hook_id, options)
        target = edits.controller_for(self._workspace, site, hook_id) or after.hooks[-1]
        self._edit(f"Apply controller to {_site_text(site)}", after)
        return target.id

    # plots

    def add_plot(self, plot: PlotSpec) -> str:
        """Add a plot and give its id."""
        of_site = "" if plot.site is None else f" of {_site_text(plot.site)}"
        self._edit(f"Add {plot.kind}{of_site}", edits.add_plot(self._workspace, plot))
        return plot.id

    def remove_plot(self, plot_id: str) -> None:
        """Remove a plot."""
        self.remove_plots((plot_id,))

    def remove_plots(self, ids: Collection[str]) -> None:
        """Remove plots in one step."""
        after = edits.remove_plots(self._workspace, ids)
        amount = len(self._workspace.plots) - len(after.plots)
        self._edit(f"Remove {plural(amount, 'plot')}", after)

    def set_plot(self, plot: PlotSpec) -> None:
        """Replace the plot with this id: another site, tab or settings."""
        self._edit(f"Change {plot.kind} plot", edits.set_plot(self._workspace, plot))

    # kept, but no steps of undo

    def set_draft(self, site: str, text: str | None) -> None:
        """Keep controller text being typed for a site; None drops it."""
        self._workspace = edits.set_draft(self._workspace, site, text)
        self._publish()

    def select_site(self, site: str | None) -> None:
        """Select a site for every panel; None selects nothing, "" the model itself."""
        self._workspace = edits.select_site(self._workspace, site)
        self._publish()

    def select_prompt(self, number: int) -> None:
        """Select a prompt of the batch, from 0, for every plot."""
        self._workspace = edits.select_prompt(self._workspace, number)
        self._publish()

    def show_capture(self, folder: str) -> None:
        """Name the folder of the capture that is open; "" when there is none."""
        self._workspace = edits.show_capture(self._workspace, folder)
        self._publish()

    # how an edit becomes a step

    def _edit(self, text: str, after: Workspace, typing: int = -1) -> None:
        if self._in_step:
            self._workspace = after
            return
        self._push(text, self._workspace, after, self._merge_id(typing) if typing != -1 else -1)

    def _merge_id(self, typing: int) -> int:
        now = self._clock()
        if now - self._typed_at > TYPING_PAUSE:
            # Neighbouring steps with different ids stay apart
            self._typing_round = 1 - self._typing_round
        self._typed_at = now
        return 2 * typing + self._typing_round

    def _push(self, text: str, before: Workspace, after: Workspace, merge_id: int = -1) -> None:
        command = EditCommand(text, before, after, self._apply_parts, merge_id)
        self._workspace = after
        if command.after:
            self._undo_stack.push(command)
        self._publish()

    def _apply_parts(self, parts: dict[str, Any], used: dict[str, str], returned: dict[str, str]) -> None:
        workspace = replace(self._workspace, **parts)
        for site, text in used.items():
            if workspace.draft(site) == text:
                workspace = edits.set_draft(workspace, site, None)
        for site, text in returned.items():
            if workspace.draft(site) is None:
                workspace = edits.set_draft(workspace, site, text)
        self._workspace = workspace

    def _differing(self, after: Workspace) -> list[Any]:
        """The hooks that an edit which keeps their order changes."""
        pairs = zip(self._workspace.hooks, after.hooks, strict=True)
        return [new for old, new in pairs if old != new]

    def _on_stack_index_changed(self, index: int) -> None:
        self._publish()

    def _publish(self) -> None:
        """Tell what differs from what was last told."""
        if self._in_step:
            return
        before, self._published = self._published, self._workspace
        now = self._published
        for name in _PARTS:
            if getattr(before, name) != getattr(now, name):
                self.changed.emit(_TOPICS.get(name, name))
        if self.dirty != self._was_dirty:
            self._was_dirty = not self._was_dirty
            self.dirtyChanged.emit(self._was_dirty)


def _without_selection(workspace: Workspace) -> Workspace:
    # What is selected is saved, but looking around is no change worth asking about
    return replace(workspace, selected_site=None, selected_prompt=0, capture="")


def _hooks_text(hooks: Collection[Any]) -> str:
    kinds = {hook.kind for hook in hooks}
    noun = _NAMES.get(kinds.pop(), "hook") if len(kinds) == 1 else "hook"
    if len(hooks) == 1:
        return f"{noun} of {_site_text(next(iter(hooks)).site)}"
    return plural(len(hooks), noun)


def _site_text(site: str) -> str:
    return elide_middle(site, _SITE_LENGTH) or "the model"
