"""The hooks of a run as lines of a script."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mi_crow_gui.document.folders import vectors_folder
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.document.strength import strength_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi_crow_gui.document.hook_spec import HookSpec

_STAGES = {"before": "stage='before'", "after": "stage='after'", "input": "hook_type='pre_forward'"}
_ASKS_RUNS = ".run("  # how a controller's text asks for a pinned run
_IMPORTS = {
    CAPTURE: {("core_hooks.hooks.layer_activation_detector", "LayerActivationDetector")},
    CONTROLLER: {
        ("pathlib", "Path"),
        ("core_hooks.model.anatomy", "discover"),
        ("core_hooks.model.controller_context", "Surroundings"),
        ("core_hooks.model.part_names", "part_names"),
        ("core_hooks.model.user_controller", "UserController"),
    },
}
_KINDS = {("core_hooks.hooks.kinds", "load")}
_SAVING = {("safetensors.torch", "save_file")}
_VALUES = {("core_hooks.model.detected_values", "DetectedValues")}


@dataclass(slots=True)
class HookLines:
    """What attaches some hooks, and the names that it gives them.

    Attributes
    ----------
    lines
        From ``hooks = {}`` on, which they fill; `tokens` is what the run begins with.
    captures
        Site and name of each detector that captures.
    stages
        What each of them sees of its site.
    codes
        Names of the controllers that were written.
    found
        Site, and names of the kind and of the hook, of each hook of a named kind.
    """

    imports: set[tuple[str, str]] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    captures: list[tuple[str, str]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    found: list[tuple[str, str, str]] = field(default_factory=list)

    def values(self, tokens: str) -> str:
        """The expression for what the run captures; `tokens` is the name of what it began with."""
        self.imports |= _VALUES
        return f"DetectedValues(1, {tokens}, [{', '.join(name for _, name in self.captures)}])"


def asks_for_runs(hooks: Iterable[HookSpec]) -> bool:
    """Whether a controller that acts asks for a pinned run."""
    return any(hook.kind == CONTROLLER and hook.enabled and hook.trusted and _ASKS_RUNS in hook.code for hook in hooks)


def hook_lines(hooks: Iterable[HookSpec], *, kept: bool = False) -> HookLines:
    """Write what attaches the hooks that are on, in their order; `kept`: runs were, in a dict of that name."""
    made = HookLines(lines=["hooks = {}  # by site, in the order in which they act"])
    around: int | None = None
    kinds = False
    for number, hook in enumerate(hook for hook in hooks if hook.enabled):
        if hook.kind == CAPTURE:
            made.imports |= _IMPORTS[CAPTURE]
            name = f"detector_{number}"
            made.lines += [
                f"{name} = LayerActivationDetector({hook.site!r}, {_STAGES[hook.stage]}, keep='cat')",
                f"hooks.setdefault({hook.site!r}, []).append({name})",
            ]
            made.captures.append((hook.site, name))
            made.stages.append(hook.stage)
        elif not hook.trusted:
            made.lines.append(f"# Left out: code at {hook.site!r} that was not reviewed.")
        elif hook.kind != CONTROLLER:
            if not kinds:
                made.imports |= _KINDS
                made.lines.append("kinds = load()  # hooks by name: built in, and of the plugins that are installed")
                kinds = True
            made.lines += _of_kind(hook, number)
            made.found.append((hook.site, f"kind_{number}", f"hook_{number}"))
        else:
            if around is None:
                made.imports |= _IMPORTS[CONTROLLER]
                made.lines += _surroundings()
                around = len(made.lines)
            made.codes.append(f"code_{number}")
            made.lines += _controller(hook, made.codes[-1])
    if around is not None:
        if made.captures:
            made.lines.append(f"around.run = {made.values('tokens')}  # for ctx.capture")
        if kept:
            made.lines.append("around.kept = kept  # for ctx.run")
    return made


def showing(made: HookLines) -> list[str]:
    """The lines that print what hooks of named kinds found."""
    lines = []
    for site, kind, hook in made.found:
        lines += [
            f"for name, value in {kind}.results({hook}) if {kind}.results else ():",
            f"    print({site!r}, {kind}.title, name, value)",
        ]
    return lines


def saving(made: HookLines) -> list[str]:
    """The lines that write what was captured to a file that reads without this project."""
    if not made.captures:
        return []
    made.imports |= _SAVING
    sites = [site for site, _ in made.captures]
    names = [
        site or "model" if sites.count(site) == 1 else f"{site or 'model'} {stage}"
        for site, stage in zip(sites, made.stages, strict=True)
    ]
    return [
        "captured = {",
        *(
            f"    {name!r}: {detector}.get_captured(),"
            for name, (_, detector) in zip(names, made.captures, strict=True)
        ),
        "}",
        "captured = {name: values.contiguous() for name, values in captured.items() if values is not None}",
        'save_file(captured, "captured.safetensors")',
    ]


def _surroundings() -> list[str]:
    return [
        "around = Surroundings(",
        "    opened.tokenizer,",
        "    part_names(opened.tree, discover(opened)),",
        "    [record.path for record in opened.tree],",
        f"    [Path({str(vectors_folder())!r})],",
        ")",
    ]


def _of_kind(hook: HookSpec, number: int) -> list[str]:
    kind, name = f"kind_{number}", f"hook_{number}"
    settings = {}
    for option, text in hook.options:
        try:
            settings[option] = json.loads(text)
        except ValueError:
            continue
    lines = [
        f"{kind} = kinds.named({hook.kind!r})",
        f"{name} = {kind}.hook({hook.site!r}, {settings!r})",
        f"{name}.errors = 'disable'",
        f"if {name}.controls:",
        f"    {name}.refuse_nan = True",
    ]
    lines += [] if hook.stage != "after" else [f"if not {name}.controls:", f"    {name}.stage = 'after'"]
    return [*lines, f"hooks.setdefault({hook.site!r}, []).append({name})"]


def _controller(hook: HookSpec, name: str) -> list[str]:
    code = hook.code.strip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return [
        f'{name} = UserController({name!r}, {hook.site!r}, """',
        *code.split("\n"),
        f'""", {strength_of(hook)!r}, around)',
        f"{name}.begin(1, tokens)",
        f"for site, made in {name}.hooks(errors='disable').items():",
        "    hooks.setdefault(site, []).extend(made)",
    ]
