"""What could stand at a place of a controller's text: jedi reads the text and the libraries, and runs none of it."""

from __future__ import annotations

import importlib
import re
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# The engine gives a controller its arguments, so no text says what they are.
_TENSOR, _CONTEXT = "torch.Tensor", "ControllerContext"
_IMPORTS = ("import math", "import torch", f"from core_hooks.model.controller_context import {_CONTEXT}")
# `def control(x, ctx)`, `def control_input(x)`, and any function right below an `@site(...)`.
_DEFINED = re.compile(
    r"^((?:[ \t]*@site\b[^\n]*\n[ \t]*def[ \t]+\w+|[ \t]*def[ \t]+control(?:_input)?)[ \t]*\([ \t]*)"
    r"(\w+)([ \t]*,[ \t]*)?(\w+)?(?=[ \t]*\))",
    re.M,
)
_LAMBDA = re.compile(r"^([ \t]*lambda[ \t]+)(\w+)(?:([ \t]*,[ \t]*)(\w+))?(?=[ \t]*:)", re.M)


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A text and a place in it: `line` from 1, `column` from 0."""

    text: str
    line: int
    column: int


def complete(request: CompletionRequest) -> tuple[str, ...]:
    """The names that fit at the place, in jedi's order; private ones only after an underscore."""
    import jedi

    source, column = _with_types(request)
    project, environment, _ = _surroundings()
    script = jedi.Script(source, project=project, environment=environment)
    line = source.count("\n") - request.text.count("\n") + request.line
    found = script.complete(line, column)
    before = request.text.split("\n")[request.line - 1][: request.column]
    private = re.search(r"\b_\w*$", before) is not None
    return tuple(one.name for one in found if one.name != _CONTEXT and (private or not one.name.startswith("_")))


def _with_types(request: CompletionRequest) -> tuple[str, int]:
    """The text behind lines that say what the arguments are, and the column where the place went."""
    text = request.text
    shift = 0
    declared: list[str] = []
    for defined in reversed(list(_DEFINED.finditer(text))):
        head, x, comma, ctx = defined.groups()
        typed = f"{head}{x}: {_TENSOR}" + (f"{comma}{ctx}: {_CONTEXT}" if comma and ctx else "")
        start = text.rfind("\n", 0, defined.end()) + 1
        if text.count("\n", 0, defined.end()) + 1 == request.line and request.column >= defined.end() - start:
            shift = len(typed) - len(defined.group())
        text = text[: defined.start()] + typed + text[defined.end() :]
    for found in _LAMBDA.finditer(text):
        # A lambda's arguments can't be annotated: without them, its body sees the names declared above it.
        declared += [f"{found[2]}: {_TENSOR}", *([f"{found[4]}: {_CONTEXT}"] if found[4] else [])]
    text = _LAMBDA.sub(lambda found: found[1] + " " * (len(found.group()) - len(found[1])), text)
    return "\n".join((*_IMPORTS, *declared, text)), request.column + shift


@lru_cache(maxsize=1)
def _surroundings() -> tuple[Any, Any, object]:
    """This interpreter and its libraries, as jedi sees them; what it reads is kept in memory and never pickled."""
    import jedi
    from jedi.api.environment import InterpreterEnvironment

    grammar: Any = importlib.import_module("parso.grammar")
    keep = grammar.try_to_save_module

    def keep_in_memory(*arguments: Any, **options: Any) -> None:
        keep(*arguments, **{**options, "pickling": False})

    grammar.try_to_save_module = keep_in_memory
    # An empty folder of its own that stays as long as this is remembered: where nothing is written, nothing is read.
    folder = tempfile.TemporaryDirectory(prefix="mi-crow-completion-")
    jedi.settings.cache_directory = folder.name
    return jedi.Project(folder.name, smart_sys_path=False), InterpreterEnvironment(), folder
