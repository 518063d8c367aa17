"""What is seen in a controller's syntax tree: functions for other sites, use of the strength, ends of the program."""

from __future__ import annotations

import ast
import textwrap
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = "site"  # the decorator
_ENDS = {
    "os": ("_exit", "abort", "kill", "killpg"),
    "signal": ("raise_signal", "pthread_kill"),
}


def sited(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions that stand behind ``@site(...)``."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [function for function in functions if any(map(is_site, function.decorator_list))]


def uses_strength(text: str) -> bool:
    """Whether a text asks its context for the strength, as ``ctx.strength`` or under another name of the context."""
    if ".strength" not in text:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # In the middle of typing it is still meant.
        return True
    return any(isinstance(node, ast.Attribute) and node.attr == "strength" for node in ast.walk(tree))


def acts_on_input(text: str) -> bool:
    """Whether a text defines ``control_input``, as far as a glance tells."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "control_input" for node in tree.body)


def ends_of_the_program(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Calls that nothing can stop from ending the whole program, with a sentence about each."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if node.attr in _ENDS.get(node.value.id, ()):
            name = f"{node.value.id}.{node.attr}"
            yield node, f"`{name}` would end the whole program at once, with everything that is not saved."


def is_site(decorator: ast.expr) -> bool:
    """Whether a decorator is ``@site(...)``."""
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == SITE
