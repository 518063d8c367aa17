"""Controller text as the editor sees it: what is wrong with it, found by reading alone; nothing in it is run.

A controller is a text whose last statement is ``lambda x: ...`` or ``lambda x, ctx: ...``, or one that defines
``control(x)`` or ``control(x, ctx)``, with whatever it needs before. Both change what the module gives out;
``control_input`` in place of ``control`` changes what goes into it. Functions behind ``@site("name")`` act on other
modules, and may stand alone.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import textwrap
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.document.controller_reading import ends_of_the_program, is_site, sited
from mi_crow_gui.document.formatting import count

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR = "error"
WARNING = "warning"
ENTRY = "control"
INPUT_ENTRY = "control_input"
_ENTRIES = (ENTRY, INPUT_ENTRY)
LARGEST_TEXT = 200_000  # characters

# What a controller finds defined without importing it
PROVIDED = frozenset(("torch", "math", "site", "__name__"))
_HOW = "write `lambda x: ...` or a function `control(x)` or `control(x, ctx)`"
_PLAINER = {
    "invalid syntax": "Python does not understand this",
    "unexpected indent": "this line is indented further than the one above it",
    "unindent does not match any outer indentation level": "this line is indented like none above it",
    "unexpected EOF while parsing": "the text ends too early",
}
_FILENAME = "<controller>"
_NO_SOURCE = re.compile("[\0\ud800-\udfff]")  # the null character, and halves of characters

_Function = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong where: `line` from 1, `column` to `end_column` from 0; `severity` "error" or "warning"."""

    line: int
    column: int
    end_column: int
    message: str
    severity: str = ERROR


def check(text: str) -> tuple[Problem, ...]:
    """The problems of a controller text: errors, with which it can't be applied, or else warnings."""
    if not text.strip():
        return (Problem(1, 0, 0, f"There is no controller yet: {_HOW}."),)
    if len(text) > LARGEST_TEXT:
        message = f"The text is longer than {count(LARGEST_TEXT)} characters; move what is large into a module."
        return (Problem(1, 0, 0, message),)
    lines = _Lines(text)
    foreign = _NO_SOURCE.search(text)
    if foreign is not None:
        line = text.count("\n", 0, foreign.start()) + 1
        return (lines.at(line, "This line contains a character that no program text can hold; delete it."),)
    tree = _read(lines)
    if isinstance(tree, Problem):
        return (tree,)
    try:
        problems = [*_of_compiling(tree, lines), *_of_entry(tree, lines), *_of_names(tree, lines)]
    except RecursionError:
        problems = [_too_deep()]
    # What merely looks odd is no help while something is wrong
    errors = [problem for problem in problems if problem.severity == ERROR]
    return tuple(sorted(errors or problems, key=lambda problem: (problem.line, problem.column)))


def describe(text: str) -> str:
    """One line that tells controllers apart in a list; the list elides it."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not first:
        return "empty"
    lines = _Lines(text[:LARGEST_TEXT])
    tree = _read(lines)
    entry = None if isinstance(tree, Problem) else _entry(tree)
    if isinstance(entry, ast.Lambda):
        source = ast.get_source_segment(lines.source, entry) or first
        return " ".join(source.split())
    if isinstance(entry, ast.FunctionDef):
        docstring = ast.get_docstring(entry)
        if docstring and docstring.strip():
            return docstring.strip().splitlines()[0]
        amount = (entry.end_lineno or entry.lineno) - entry.lineno + 1
        return f"{entry.name}({', '.join(_parameter_names(entry))}), {amount} line{'s' if amount > 1 else ''}"
    return first


class _Lines:
    """The text as Python gets it, without common indentation, and the way back to the user's own columns."""

    def __init__(self, text: str) -> None:
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # Python ends lines there too
        self.source = textwrap.dedent(text)
        self._own = text.split("\n")
        self._dedented = self.source.split("\n")

    def column(self, line: int, utf8_offset: int) -> int:
        """The user's column of an offset that `ast` gives, which counts bytes."""
        dedented = self._dedented[line - 1].encode("utf-8", "replace")
        return self._shift(line) + len(dedented[:utf8_offset].decode("utf-8", "ignore"))

    def at(self, line: int, message: str, severity: str = ERROR) -> Problem:
        """A problem of a whole line."""
        line = max(1, min(line, len(self._own)))
        own = self._own[line - 1].rstrip()
        return Problem(line, len(own) - len(own.lstrip()), len(own), message, severity)

    def of(self, node: ast.expr | ast.stmt, message: str, severity: str = ERROR) -> Problem:
        """A problem of a piece of the text, on the line where it begins."""
        start = self.column(node.lineno, node.col_offset)
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            end = self.column(node.lineno, node.end_col_offset)
        else:
            end = len(self._own[node.lineno - 1].rstrip())
        return Problem(node.lineno, start, max(start, end), message, severity)

    def of_syntax(self, error: SyntaxError) -> Problem:
        """A problem from Python's own, whose offsets count characters from 1 and may lie past the end."""
        line = max(1, min(error.lineno or 1, len(self._own)))
        own = self._own[line - 1].rstrip()
        start = min(self._shift(line) + max((error.offset or 1) - 1, 0), len(own))
        end = start + 1
        if error.end_lineno == error.lineno and (error.end_offset or 0) > (error.offset or 0):
            end = self._shift(line) + (error.end_offset or 0) - 1
        message = _PLAINER.get(error.msg, error.msg)
        return Problem(line, start, max(start, min(end, max(len(own), start + 1))), _sentence(message))

    def _shift(self, line: int) -> int:
        return max(0, len(self._own[line - 1]) - len(self._dedented[line - 1]))


def _read(lines: _Lines) -> ast.Module | Problem:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(lines.source, _FILENAME)
    except SyntaxError as error:
        return lines.of_syntax(error)
    except (RecursionError, MemoryError):
        return _too_deep()
    except ValueError as error:
        return lines.at(1, _sentence(f"Python can't read this text: {error}"))


def _of_compiling(tree: ast.Module, lines: _Lines) -> Iterator[Problem]:
    """What only shows when Python compiles the text, such as a `return` outside a function."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            compile(tree, _FILENAME, "exec", dont_inherit=True)
        except SyntaxError as error:
            yield lines.of_syntax(error)
        except (RecursionError, MemoryError):
            yield _too_deep()
        except ValueError as error:
            yield lines.at(1, _sentence(f"Python can't read this text: {error}"))
    for warning in caught:
        if warning.filename == _FILENAME:
            yield lines.at(warning.lineno, _sentence(str(warning.message)), WARNING)


def _of_entry(tree: ast.Module, lines: _Lines) -> Iterator[Problem]:
    """What keeps the text from being a controller, or makes it one that does nothing."""
    entry = _entry(tree)
    last = tree.body[-1] if tree.body else None
    lambdas = [node for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Lambda)]
    for node in lambdas:
        if node is not last:
            yield lines.of(node, "This lambda is not used: the last statement is the controller.", WARNING)
    elsewhere = sited(tree)
    for function in elsewhere:
        yield from _of_function(function, lines)
    if entry is None:
        if last is None:
            yield lines.at(1, f"There is no controller yet: {_HOW}.")
        elif not (elsewhere or _binds_entry(tree)):
            yield _missing_entry(tree, last, lines)
    elif entry not in elsewhere:
        yield from _of_function(entry, lines)
    for call, message in ends_of_the_program(tree):
        yield lines.of(call, message)


def _of_function(entry: _Function, lines: _Lines) -> Iterator[Problem]:
    """What keeps one function from acting on a tensor."""
    if isinstance(entry, ast.AsyncFunctionDef):
        yield lines.of(entry, f"`{entry.name}` can't be async: it is called in the middle of a forward.")
    elif isinstance(entry, ast.FunctionDef):
        own = list(_own_nodes(entry))
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own):
            yield lines.of(entry, f"`{entry.name}` can't use yield: return the new tensor.")
        elif not any(isinstance(node, ast.Return | ast.Raise) for node in own):
            yield lines.of(entry, f"`{entry.name}` has no return, so what it computes is not used.", WARNING)
    decorators = [node for node in getattr(entry, "decorator_list", ()) if not is_site(node)]
    if not decorators and not _accepts_call(entry.args):
        name = "The lambda" if isinstance(entry, ast.Lambda) else f"`{getattr(entry, 'name', ENTRY)}`"
        amount = len(_parameter_names(entry))
        yield lines.of(
            entry,
            f"{name} must take the tensor, `x`, or the tensor and the context, `x, ctx`; this takes {amount}.",
        )


def _of_names(tree: ast.Module, lines: _Lines) -> Iterator[Problem]:
    """Names that nothing defines: they would raise when they are reached."""
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(lines.source, _FILENAME, "exec")
    except (SyntaxError, MemoryError):  # told already
        return
    tables = [table]
    for scope in tables:  # grows while it is walked
        tables += scope.get_children()
    defined = {
        symbol.get_name()
        for scope in tables
        for symbol in scope.get_symbols()
        if (scope is table or symbol.is_declared_global()) and (symbol.is_assigned() or symbol.is_imported())
    }
    wanted = {
        symbol.get_name()
        for scope in tables
        for symbol in scope.get_symbols()
        if symbol.is_referenced() and (scope is table or symbol.is_global())
    }
    unknown = wanted - defined - PROVIDED - set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in unknown:
            unknown.discard(node.id)
            yield lines.of(node, f"`{node.id}` is not defined here; define or import it.", WARNING)


def _entry(tree: ast.Module) -> _Function | None:
    """The function that the engine would call, as far as reading can tell."""
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Lambda):
        return last.value
    found: _Function | None = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in _ENTRIES:
            found = node
        elif isinstance(node, ast.Assign) and any(_is_entry_name(target) for target in node.targets):
            found = node.value if isinstance(node.value, ast.Lambda) else None
    return found


def _binds_entry(tree: ast.Module) -> bool:
    """Whether anything gives the entry's name a meaning: an import, an assignment, a definition under an if."""
    for node in _own_nodes(tree):
        if isinstance(node, ast.alias) and (node.asname or node.name) in (*_ENTRIES, "*"):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in _ENTRIES:
            return True
        if _is_entry_name(node):
            return True
    return False


def _missing_entry(tree: ast.Module, last: ast.stmt, lines: _Lines) -> Problem:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if functions:
        return lines.of(functions[-1], f"Name the function that acts `{ENTRY}`, not `{functions[-1].name}`.")
    if any(isinstance(node, ast.Expr) and isinstance(node.value, ast.Lambda) for node in tree.body):
        return lines.of(last, "The lambda must be the last statement.")
    if isinstance(last, ast.Expr) and len(tree.body) == 1:
        return lines.of(last, f"This is an expression, not a function: {_HOW}.")
    return lines.of(last, f"Nothing here can act on a tensor: {_HOW}.")


def _accepts_call(arguments: ast.arguments) -> bool:
    """Whether a call with the tensor, or with tensor and context, fits the parameters."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    needs_names = any(default is None for default in arguments.kw_defaults)
    return required <= 2 and (positional >= 1 or arguments.vararg is not None) and not needs_names


def _parameter_names(function: _Function) -> list[str]:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if arguments.vararg is not None:
        names.append(f"*{arguments.vararg.arg}")
    return names + [argument.arg for argument in arguments.kwonlyargs]


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Everything inside `root` but what lies in the functions and classes that it defines."""
    waiting = list(ast.iter_child_nodes(root))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _is_entry_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _ENTRIES and isinstance(node.ctx, ast.Store)


def _too_deep() -> Problem:
    return Problem(1, 0, 0, "The text is nested too deeply for Python to read.")


def _sentence(message: str) -> str:
    message = message.strip()
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"{message[:1].upper()}{message[1:]}{end}"
