"""Which modules a pattern on the command line means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core_hooks.command_line.output import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core_hooks.model.records import ModuleTree


def matches(pattern: str, path: str, class_name: str = "") -> bool:
    """Whether `pattern` means a module: a glob over its dotted name, else a word in its name or class.

    ``*`` and ``?`` stay within one part of the name, ``**`` crosses parts, and a glob may begin at any part.
    """
    if not re.search(r"[*?\[]", pattern):
        return pattern.lower() in path.lower() or pattern.lower() in class_name.lower()
    return re.fullmatch(rf"(?:.*\.)?{_expression(pattern)}", path) is not None


def select(patterns: Iterable[str], tree: ModuleTree) -> list[str]:
    """Return the modules that names and globs mean, in the model's order; CommandError when one means none."""
    chosen: set[str] = set()
    for pattern in patterns:
        found = [pattern] if pattern in tree else _globbed(pattern, [record.path for record in tree])
        if not found:
            raise CommandError(
                f"No module matches {pattern!r}; `core-hooks tree MODEL --grep {pattern!r}` shows what comes close."
            )
        chosen.update(found)
    # A module in several places is hooked once, under its first name.
    return [record.path for record in tree if record.path in chosen and not record.shared_with]


def _globbed(pattern: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if matches(pattern, path)] if re.search(r"[*?\[]", pattern) else []


def _expression(glob: str) -> str:
    pieces = {"**": ".*", "*": "[^.]*", "?": "[^.]"}
    parts = re.findall(r"\*\*|\*|\?|\[[^\]]+\]|.", glob)
    return "".join(
        pieces.get(part) or (part if len(part) > 2 and part[0] == "[" else re.escape(part)) for part in parts
    )
