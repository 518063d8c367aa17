"""The workspace as a script on `core_hooks` alone: what was clicked, as code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document import batch_script
from mi_crow_gui.document.experiment_script import ANATOMY, experiment_cell
from mi_crow_gui.document.folders import vectors_folder
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.document.script_cells import ScriptCell, import_lines
from mi_crow_gui.document.strength import strength_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.document.experiment_settings import ExperimentSettings
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.document.workspace import Workspace

_HEAD = '"""Made by the Mi-Crow inspector from a workspace; needs core_hooks only."""'
_STAGES = {"before": "stage='before'", "after": "stage='after'", "input": "hook_type='pre_forward'"}
_OTHERS = ("ctx.capture", "ctx.run")


def to_python(workspace: Workspace, experiments: Sequence[ExperimentSettings] = (), *, generating: bool = False) -> str:
    """Write a script that opens the model, attaches the enabled hooks in their order, runs the prompt, and experiments.

    Code that was not reviewed and hooks of plugins are left out, and said to be. `generating` continues the prompt
    instead of running it once. `experiments` are made after the run, where the hooks are off, as in the window.
    """
    cells = script_cells(workspace, experiments, generating=generating)
    imports = frozenset(pair for cell in cells for pair in cell.imports)
    parts = ["\n".join([_HEAD, "", *import_lines(imports)])]
    parts += ["\n".join([f"# {cell.title}.", *cell.lines]) for cell in cells]
    return "\n\n".join(parts) + "\n"


def script_cells(
    workspace: Workspace, experiments: Sequence[ExperimentSettings] = (), *, generating: bool = False
) -> tuple[ScriptCell, ...]:
    """The parts of the script, in the order in which they run."""
    cells = [_opening(workspace), _run(workspace, generating)]
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


def _run(workspace: Workspace, generating: bool) -> ScriptCell:
    imports = {("core_hooks.hooks.attachment", "attach"), ("core_hooks.hooks.run", "HookRun")}
    blank = not workspace.prompt.strip()
    if blank:
        imports.add(("core_hooks.model.tokens", "TokenSequence"))
        lines = ["tokens = TokenSequence((), (), ())  # no prompt: the model runs on its example inputs"]
    elif workspace.batch:
        imports |= _BATCH_IMPORTS
        encoding = batch_script.encoding(workspace.prompt, generating=generating)
        lines = [line for text in encoding for line in text.splitlines()]
    else:
        imports.add(("core_hooks.model.prompt", "encode"))
        lines = [f"tokens = encode(opened, {workspace.prompt!r})"]
    lines.append("hooks = {}  # by site, in the order in which they act")
    shown: list[tuple[str, str]] = []
    codes: list[str] = []
    for number, hook in enumerate(hook for hook in workspace.hooks if hook.enabled):
        if hook.kind == CAPTURE:
            name = f"detector_{number}"
            imports.add(("core_hooks.hooks.layer_activation_detector", "LayerActivationDetector"))
            lines += [
                f"{name} = LayerActivationDetector({hook.site!r}, {_STAGES[hook.stage]}, keep='cat')",
                f"hooks.setdefault({hook.site!r}, []).append({name})",
            ]
            shown.append((hook.site, name))
        elif hook.kind != CONTROLLER:
            lines.append(f"# Left out: a hook of the plugin {hook.kind!r} at {hook.site!r}.")
        elif not hook.trusted:
            lines.append(f"# Left out: code at {hook.site!r} that was not reviewed.")
        else:
            if not codes:
                imports |= _CONTROLLER_IMPORTS
                lines += _surroundings()
            codes.append(f"code_{number}")
            lines += _controller(hook, codes[-1])
    if generating and not blank:
        imports |= {("threading", ""), ("core_hooks.model.generation", "generate")}
        imports |= {("core_hooks.model.tokens", "GenerationSettings"), ("core_hooks.model.tokens", "TokenSequence")}
    elif not workspace.batch or blank:
        imports.add(("core_hooks.model.forward", "forward"))
    lines += ["", "with attach(opened.model, hooks), HookRun(number=1) as run:", *_going(workspace, codes, generating)]
    for site, name in shown:
        if workspace.batch and not blank:
            lines += batch_script.showing(site, name)
            continue
        lines += [
            f"values = {name}.get_captured()  # what {site or 'the model'} gave",
            f"print({site!r}, tuple(values.shape), float(values.float().norm()))",
        ]
    title = "Continue the prompt" if generating else "Run the prompt"
    return ScriptCell(f"{title} with the hooks that are on", frozenset(imports), tuple(lines))


def _going(workspace: Workspace, codes: Sequence[str], generating: bool) -> list[str]:
    """The lines within the run, and those that say what came of it."""
    if not workspace.prompt.strip():
        return ["    result = forward(opened, None, run=run)"]
    if workspace.batch:
        numbers = [name.removeprefix("code_") for name in codes]
        return batch_script.generating(workspace.generation, numbers) if generating else batch_script.running()
    if generating:
        return _generation(workspace, codes)
    return [
        "    result = forward(opened, tokens, run=run)",
        'print("mean loss:", result.losses[1:].mean(), "nats a token")',
    ]


_BATCH_IMPORTS = {
    ("core_hooks.model.batch", "TokenBatch"),
    ("core_hooks.model.batch", "encode_batch"),
    ("core_hooks.model.generation", "forward_batch"),
    ("core_hooks.model.generation", "generate_batch"),
}
_CONTROLLER_IMPORTS = {
    ("pathlib", "Path"),
    ("core_hooks.model.anatomy", "discover"),
    ("core_hooks.model.controller_context", "Surroundings"),
    ("core_hooks.model.part_names", "part_names"),
    ("core_hooks.model.user_controller", "UserController"),
}


def _surroundings() -> list[str]:
    return [
        "around = Surroundings(",
        "    opened.tokenizer,",
        "    part_names(opened.tree, discover(opened)),",
        "    [record.path for record in opened.tree],",
        f"    [Path({str(vectors_folder())!r})],",
        ")",
    ]


def _controller(hook: HookSpec, name: str) -> list[str]:
    code = hook.code.strip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = []
    if any(word in hook.code for word in _OTHERS):
        lines.append("# This text reads other sites or kept runs, which a script has none of: it will switch off.")
    return [
        *lines,
        f'{name} = UserController({name!r}, {hook.site!r}, """',
        *code.split("\n"),
        f'""", {strength_of(hook)!r}, around)',
        f"{name}.begin(1, tokens)",
        f"for site, made in {name}.hooks(errors='disable').items():",
        "    hooks.setdefault(site, []).extend(made)",
    ]


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
