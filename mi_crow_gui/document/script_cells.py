"""Pieces of a script: what a notebook keeps apart and a script has in one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScriptCell:
    """A few lines of Python that belong together.

    Attributes
    ----------
    title
        What they do, in words.
    imports
        The modules that they need, and the names from each; an empty name imports the module itself.
    lines
        The code, without imports.
    """

    title: str
    imports: frozenset[tuple[str, str]]
    lines: tuple[str, ...]


def import_lines(imports: frozenset[tuple[str, str]]) -> list[str]:
    """Import statements: the standard library, then other packages, then this one, each sorted."""
    groups: list[list[str]] = [[], [], []]
    modules = sorted({module for module, _ in imports})
    for module in modules:
        names = sorted(name for owner, name in imports if owner == module and name)
        at = 2 if module.startswith("core_hooks") else 1 if module in ("numpy", "torch", "safetensors.torch") else 0
        if (module, "") in imports:
            groups[at].append("import numpy as np" if module == "numpy" else f"import {module}")
        if names:
            groups[at].append(f"from {module} import {', '.join(names)}")
    lines: list[str] = []
    for group in groups:
        lines += [*([""] if lines and group else []), *group]
    return lines
