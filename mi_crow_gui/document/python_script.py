"""The workspace as a script on `core_hooks` alone: what was clicked, as code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.document import batch_script
from mi_crow_gui.document.experiment_script import ANATOMY, experiment_cell
from mi_crow_gui.document.hook_script import asks_for_runs, hook_lines, saving, showing
from mi_crow_gui.document.script_cells import ScriptCell, import_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.document.experiment_settings import ExperimentSettings
    from mi_crow_gui.document.hook_script import HookLines
    from mi_crow_gui.document.workspace import Workspace

_HEAD = '"""Made by the Mi-Crow inspector from a workspace; needs core_hooks only."""'


@dataclass(frozen=True, slots=True)
class PinnedRun:
    """A run that controllers may ask for.

    Attributes
    ----------
    name
        "A" or "B".
    workspace
        Its prompt, settings and hooks.
    generating
        Whether it continued the prompt.
    controllers
        Whether they acted in it.
    not_again
        Why it can't be run again as it was; empty when it can.
    """

    name: str
    workspace: Workspace
    generating: bool = False
    controllers: bool = True
    not_again: str = ""


def to_python(
    workspace: Workspace,
    experiments: Sequence[ExperimentSettings] = (),
    *,
    generating: bool = False,
    pinned: Sequence[PinnedRun] = (),
) -> str:
    """Write a script that opens the model, attaches the enabled hooks in their order, runs the prompt, and experiments.

    Code that was not reviewed is left out, and said to be. `generating` continues the prompt instead of running it
    once. Where a controller asks for `pinned` runs, they come before. `experiments` are made after the run, where the
    hooks are off, as in the window.
    """
    cells = script_cells(workspace, experiments, generating=generating, pinned=pinned)
    imports = frozenset(pair for cell in cells for pair in cell.imports)
    parts = ["\n".join([_HEAD, "", *import_lines(imports)])]
    parts += ["\n".join([f"# {cell.title}.", *cell.lines]) for cell in cells]
    return "\n\n".join(parts) + "\n"


def script_cells(
    workspace: Workspace,
    experiments: Sequence[ExperimentSettings] = (),
    *,
    generating: bool = False,
    pinned: Sequence[PinnedRun] = (),
) -> tuple[ScriptCell, ...]:
    """The parts of the script, in the order in which they run."""
    cells = [_opening(workspace)]
    kept = asks_for_runs(workspace.hooks)
    if kept:
        cells += [_KEPT, *(_again(run) for run in pinned)]
    cells.append(_run(workspace, generating, kept))
    found = [cell for cell in (experiment_cell(settings) for settings in experiments) if cell is not None]
    return (*cells, *((ANATOMY, *found) if found else ()))


def _opening(workspace: Workspace) -> ScriptCell:
    imports = {("core_hooks.model.opening", "open_model"), ("core_hooks.model.reference", "ModelReference")}
    reference = workspace.model
    if reference is None:
        lines = ["# No model is open: name one here.", 'opened = open_model(ModelReference("path/to/model"))']
    else:
        options = [repr(reference.source), f"device={reference.device!r}", f"dtype={reference.dtype!r}"]
        options += [f"attention={reference.attention!r}"] if reference.attention != "auto" else []
        options += [f"quantisation={reference.quantisation!r}"] if reference.quantisation != "none" else []
        options += [f"parts={reference.parts!r}"] if reference.parts else []
        options += ["trust_code=True"] if reference.trust_code else []
        lines = [f"opened = open_model(ModelReference({', '.join(options)}))"]
    return ScriptCell("Open the model", frozenset(imports), tuple(lines))


def _run(workspace: Workspace, generating: bool, kept: bool) -> ScriptCell:
    blank = not workspace.prompt.strip()
    encoding, imports = _encoding(workspace, generating)
    made = hook_lines(workspace.hooks, kept=kept)
    within, needed = _going(workspace, made, generating)
    lines = [*encoding, *made.lines, "", "with attach(opened.model, hooks), HookRun(number=1) as run:", *within]
    lines += showing(made)
    for site, name in made.captures:
        if workspace.batch and not blank:
            lines += batch_script.showing(site, name)
            continue
        lines += [
            f"values = {name}.get_captured()  # what {site or 'the model'} gave",
            f"print({site!r}, tuple(values.shape), float(values.float().norm()))",
        ]
    lines += saving(made)
    title = "Continue the prompt" if generating else "Run the prompt"
    return ScriptCell(f"{title} with the hooks that are on", imports | made.imports | needed, tuple(lines))


def _again(run: PinnedRun) -> ScriptCell:
    """A pinned run once more, kept as controllers ask for it."""
    title = f"The run that is pinned as {run.name}"
    if run.not_again:
        return ScriptCell(title, frozenset(), (f"# Left out: {run.not_again}",))
    encoding, imports = _encoding(run.workspace, run.generating)
    # It may have asked for runs that were pinned at its own time; nothing knows them now.
    made = hook_lines(run.workspace.hooks)
    within, needed = _going(run.workspace, made, run.generating)
    quiet = "" if run.controllers else ", controllers=False"
    whole = "rows[0]" if run.workspace.batch else "tokens"
    lines = [
        *encoding,
        *made.lines,
        "",
        f"with attach(opened.model, hooks), HookRun(number=1{quiet}) as run:",
        *within,
        f"kept[{run.name!r}] = {made.values('prompt')}.kept({whole})",
    ]
    lines.insert(len(encoding), "prompt = tokens")
    return ScriptCell(title, imports | made.imports | needed, tuple(lines))


_KEPT = ScriptCell("Runs that controllers ask for, by the name that they are pinned under", frozenset(), ("kept = {}",))


def _encoding(workspace: Workspace, generating: bool) -> tuple[list[str], frozenset[tuple[str, str]]]:
    """The lines that make `tokens` of the prompt."""
    imports = {("core_hooks.hooks.attachment", "attach"), ("core_hooks.hooks.run", "HookRun")}
    if not workspace.prompt.strip():
        imports.add(("core_hooks.model.tokens", "TokenSequence"))
        lines = ["tokens = TokenSequence((), (), ())  # no prompt: the model runs on its example inputs"]
    elif workspace.batch:
        imports |= _BATCH_IMPORTS
        encoding = batch_script.encoding(workspace.prompt, generating=generating)
        lines = [line for text in encoding for line in text.splitlines()]
    else:
        imports.add(("core_hooks.model.prompt", "encode"))
        lines = [f"tokens = encode(opened, {workspace.prompt!r})"]
    return lines, frozenset(imports)


_FORWARD = frozenset({("core_hooks.model.forward", "forward")})
_GENERATION = frozenset(
    {
        ("threading", ""),
        ("core_hooks.model.generation", "generate"),
        ("core_hooks.model.tokens", "GenerationSettings"),
        ("core_hooks.model.tokens", "TokenSequence"),
    }
)
_BATCH_IMPORTS = {
    ("core_hooks.model.batch", "TokenBatch"),
    ("core_hooks.model.batch", "encode_batch"),
    ("core_hooks.model.generation", "forward_batch"),
    ("core_hooks.model.generation", "generate_batch"),
}


def _going(workspace: Workspace, made: HookLines, generating: bool) -> tuple[list[str], frozenset[tuple[str, str]]]:
    """The lines within the run, and those that say what came of it; what they need."""
    if not workspace.prompt.strip():
        return ["    result = forward(opened, None, run=run)"], _FORWARD
    if workspace.batch:
        if not generating:
            return batch_script.running(), frozenset()
        return batch_script.generating(workspace.generation, made.codes), _GENERATION
    if generating:
        return _generation(workspace, made.codes), _GENERATION
    lines = [
        "    result = forward(opened, tokens, run=run)",
        'print("mean loss:", result.losses[1:].mean(), "nats a token")',
    ]
    return lines, _FORWARD


def _generation(workspace: Workspace, codes: Sequence[str]) -> list[str]:
    settings = workspace.generation
    return [
        f"    settings = GenerationSettings({settings.max_new_tokens}, {settings.temperature}, {settings.top_k}, "
        f"{settings.seed})",
        "",
        "    def on_step(step):",
        "        global tokens",
        "        tokens += TokenSequence((step.token_id,), (step.text,), (False,))",
        f"        for code in ({' '.join(f'{name},' for name in codes)}):",
        "            code.set_step(step.step, tokens)",
        "",
        "    result = generate(opened, tokens, settings, cancel=threading.Event(), on_step=on_step, run=run)",
        'print("".join(step.written for step in result.steps))',
    ]
