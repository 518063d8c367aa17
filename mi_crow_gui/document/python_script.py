"""The workspace as a script on `core_hooks` alone: what was clicked, as code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document import batch_script
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER

if TYPE_CHECKING:
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.document.workspace import Workspace

_HEAD = '''"""Made by the Mi-Crow inspector from a workspace; needs core_hooks only."""

import threading

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.function_controller import FunctionController
from core_hooks.hooks.layer_activation_detector import LayerActivationDetector
from core_hooks.hooks.run import HookRun
from core_hooks.model.generation import forward, generate
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings, TokenSequence
from core_hooks.model.user_controller import UserController
'''


def to_python(workspace: Workspace, *, generating: bool = False) -> str:
    """Write a script that opens the model, attaches the enabled hooks in their order, and runs the prompt.

    Code that was not reviewed and hooks of plugins are left out, and said to be. `generating` continues the prompt
    instead of running it once.
    """
    lines = [_HEAD + (batch_script.IMPORTS if workspace.batch else "")]
    reference = workspace.model
    if reference is None:
        lines.append("# No model is open: name one here.")
        lines.append('opened = open_model(ModelReference("path/to/model"))')
    else:
        options = [repr(reference.source), f"device={reference.device!r}", f"dtype={reference.dtype!r}"]
        options += [f"attention={reference.attention!r}"] if reference.attention != "auto" else []
        options += [f"quantisation={reference.quantisation!r}"] if reference.quantisation != "none" else []
        options += ["trust_code=True"] if reference.trust_code else []
        lines.append(f"opened = open_model(ModelReference({', '.join(options)}))")
    if workspace.batch:
        lines += batch_script.encoding(workspace.prompt, generating=generating)
    else:
        lines.append(f"tokens = encode(opened, {workspace.prompt!r})")
    lines.append("")
    names = []
    for number, hook in enumerate(hook for hook in workspace.hooks if hook.enabled):
        text, name = _hook(hook, number)
        lines.append(text)
        if name:
            names.append((hook.site, name))
    by_site: dict[str, list[str]] = {}
    for site, name in names:
        by_site.setdefault(site, []).append(name)
    inside = ", ".join(f"{site!r}: [{', '.join(hooks)}]" for site, hooks in by_site.items())
    lines.append("")
    lines.append(f"with attach(opened.model, {{{inside}}}), HookRun(number=1) as run:")
    controllers = [name for _, name in names if name.startswith("controller")]
    if workspace.batch:
        lines += batch_script.generating(workspace.generation, controllers) if generating else batch_script.running()
    elif generating:
        lines += _generation(workspace, [f"code_{name}," for name in controllers])
    else:
        lines.append("    result = forward(opened, tokens, run=run)")
        lines.append('print("mean loss:", result.losses[1:].mean(), "nats a token")')
    for site, name in names:
        if name.startswith("detector") and workspace.batch:
            lines += batch_script.showing(site, name)
        elif name.startswith("detector"):
            lines.append(f"values = {name}.get_captured()  # what {site or 'the model'} gave")
            lines.append(f"print({site!r}, tuple(values.shape), float(values.float().norm()))")
    return "\n".join(lines) + "\n"


def _generation(workspace: Workspace, names: list[str]) -> list[str]:
    settings = workspace.generation
    controllers = " ".join(names)
    return [
        f"    settings = GenerationSettings({settings.max_new_tokens}, {settings.temperature}, {settings.top_k}, "
        f"{settings.seed})",
        "",
        "    def on_step(step):",
        "        global tokens",
        "        tokens += TokenSequence((step.token_id,), (step.text,), (False,))",
        f"        for code in ({controllers}):",
        "            code.set_step(step.step, tokens)",
        "",
        "    result = generate(opened, tokens, settings, cancel=threading.Event(), on_step=on_step, run=run)",
        'print("".join(step.written for step in result.steps))',
    ]


def _hook(hook: HookSpec, number: int) -> tuple[str, str]:
    """The lines that make one hook, and its name; no name for one that is left out."""
    if hook.kind == CAPTURE:
        name = f"detector_{number}"
        return f"{name} = LayerActivationDetector({hook.site!r}, stage={hook.stage!r}, keep='cat')", name
    if hook.kind != CONTROLLER:
        return f"# Left out: a hook of the plugin {hook.kind!r} at {hook.site!r}.", ""
    if not hook.trusted:
        return f"# Left out: code at {hook.site!r} that was not reviewed.", ""
    name = f"controller_{number}"
    return _controller(hook, name), name


def _controller(hook: HookSpec, name: str) -> str:
    code = hook.code.strip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return (
        f'code_{name} = UserController({name!r}, {hook.site!r}, """\n{code}\n""")\n'
        f"code_{name}.begin(1, tokens)\n"
        f"place = 'pre_forward' if code_{name}.acts_on_input else 'forward'\n"
        f"{name} = FunctionController({hook.site!r}, code_{name}, place, errors='disable', refuse_nan=True)"
    )
