"""The numbers at the head of a controller's text, which may be set without typing: ``FACTOR = 0.5``."""

from __future__ import annotations

import ast
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Number = int | float
_MOST = 8  # that are shown


@dataclass(frozen=True, slots=True)
class Constant:
    """A name in capitals that is given a number, or a set of whole ones, on a line of its own.

    Attributes
    ----------
    value
        The number, or the members of the set in their order.
    line, start, end
        Where the value stands: line from 1, columns from 0 in characters.
    """

    name: str
    value: Number | tuple[int, ...]
    line: int
    start: int
    end: int


def constants(text: str) -> tuple[Constant, ...] | None:
    """The first few constants of a text, in their order; None while Python can't read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    # Python's lines, which end nowhere but here.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = [one for node in tree.body if isinstance(node, ast.Assign) for one in _of(node, lines)]
    # A name that is set twice has no one number.
    names = [one.name for one in found]
    return tuple(one for one in found if names.count(one.name) == 1)[:_MOST]


def written(value: Number | tuple[int, ...]) -> str:
    """A value as it stands in a text."""
    if isinstance(value, tuple):
        return f"{{{', '.join(map(str, value))}}}" if value else "set()"
    return str(value) if isinstance(value, int) else repr(float(f"{value:.7g}"))


def _of(node: ast.Assign, lines: list[str]) -> Iterator[Constant]:
    if len(node.targets) != 1:
        return
    target, value = node.targets[0], node.value
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = list(zip(target.elts, value.elts, strict=True))
    for name, literal in pairs:
        known = _value(literal)
        if not isinstance(name, ast.Name) or not name.id.isupper() or known is None:
            continue
        if literal.lineno == literal.end_lineno and literal.end_col_offset is not None:
            # Python counts bytes.
            line = lines[literal.lineno - 1].encode()
            start, end = (len(line[:at].decode()) for at in (literal.col_offset, literal.end_col_offset))
            yield Constant(name.id, known, literal.lineno, start, end)


def _value(node: ast.expr) -> Number | tuple[int, ...] | None:
    if isinstance(node, ast.Set):
        members = [_value(one) for one in node.elts]
        whole = tuple(one for one in members if isinstance(one, int))
        return whole if len(whole) == len(members) else None
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return None
    return sign * node.value if math.isfinite(node.value) and abs(node.value) < 1e9 else None
