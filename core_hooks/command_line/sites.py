"""Which modules a pattern on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.command_line.output import CommandError
from core_hooks.model.site_pattern import compile_pattern, matching_sites

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core_hooks.model.records import ModuleTree


def matches(pattern: str, path: str, class_name: str = "") -> bool:
    """Whether `pattern` means a module: a glob over its dotted name, else a word in its name or class."""
    compiled = compile_pattern(pattern)
    return compiled.matches(path, class_name) or (not compiled.is_glob and pattern.lower() in class_name.lower())


def select(patterns: Iterable[str], tree: ModuleTree) -> list[str]:
    """Return the modules that names and globs mean, in the model's order; CommandError when one means none."""
    records = list(tree)
    paths, classes = [record.path for record in records], [record.class_name for record in records]
    chosen: set[str] = set()
    for pattern in patterns:
        found = matching_sites(pattern, paths, classes)
        if not found:
            raise CommandError(
                f"No module matches {pattern!r}; `core-hooks tree MODEL --grep {pattern!r}` shows what comes close."
            )
        chosen.update(found)
    # A module in several places is hooked once, under its first name.
    return [record.path for record in records if record.path in chosen and not record.shared_with]
