"""Running a controller's text once, to get the functions that it defines."""

from __future__ import annotations

import ast
import builtins
import linecache
import math
import textwrap
import threading
import traceback
import warnings
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.error_chain import shorten
from core_hooks.hooks.errors import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = "controller"  # `__name__` of the text
_ASKS = "A controller can't wait for somebody to type: it runs in the middle of a forward."


class ControllerCodeError(Exception):
    """Controller text that can't become a function; `line` is 1-based, 0 when no line is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True, eq=False)
class WrittenFunction:
    """A function of the text: where it is to act ("" for the controller's own site).

    `line` is the one it begins on, `result_line` that of its only ``return``, else the same.
    """

    function: Callable[..., Any]
    pattern: str = ""
    acts_on_input: bool = False
    line: int = 0
    result_line: int = 0


def run_text(text: str, filename: str) -> tuple[WrittenFunction, ...]:
    """Run a controller's text and return its functions: those behind ``@site`` as they stand, then its own.

    Raises
    ------
    ControllerCodeError
        When Python can't read it, when it raises, or when there is no function in it.
    """
    # Tracebacks print the user's own source.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(text), filename)
    except SyntaxError as error:
        raise ControllerCodeError(f"{error.msg}.".capitalize(), error.lineno or 0) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ControllerCodeError(f"Python can't read this text: {error or type(error).__name__}.") from error
    sited: list[WrittenFunction] = []
    namespace = _namespace(sited, filename)
    try:
        own = _evaluate(tree, namespace, filename)
    except ControllerCodeError as error:
        shorten(error)
        error.line = error.line or line_in(error, filename)
        raise
    except BaseException as error:
        shorten(error)
        line = line_in(error, filename)
        if writes_itself(error) and isinstance(error, Exception):
            raise told_now(error, line) from None
        if isinstance(error, Exception):
            raise ControllerCodeError(f"{type(error).__name__}: {text_of(error)}", line) from error
        if not would_end_the_program(error):
            raise
        raise ending_refused(error, line) from error
    if own is None and not sited:
        raise ControllerCodeError("Write `lambda x: ...` or a function named `control(x, ctx)`.")
    results = _result_lines(tree)
    written = (*sited, own) if own is not None else tuple(sited)
    return tuple(replace(one, result_line=results.get(one.line, one.line)) for one in written)


def _evaluate(tree: ast.Module, namespace: dict[str, Any], filename: str) -> WrittenFunction | None:
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Lambda):
        exec(compile(ast.Module(tree.body[:-1], []), filename, "exec"), namespace)
        function = eval(compile(ast.Expression(last.value), filename, "eval"), namespace)
        return WrittenFunction(function, line=last.lineno)
    exec(compile(tree, filename, "exec"), namespace)
    output, ingoing = namespace.get("control"), namespace.get("control_input")
    if callable(output) and callable(ingoing):
        raise ControllerCodeError("Define `control` or `control_input`, not both: a controller acts in one place.")
    function = ingoing if callable(ingoing) else output
    if not callable(function):
        return None
    return WrittenFunction(function, acts_on_input=callable(ingoing), line=_line_of(function, filename))


def _namespace(sited: list[WrittenFunction], filename: str) -> dict[str, Any]:
    def site(pattern: str, where: str = "output") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Let the function below act on another module: a dotted name or a glob, its "output" or its "input"."""
        if not isinstance(pattern, str) or not pattern:
            raise ControllerCodeError('`@site` takes a dotted name or a glob, as in `@site("model.layers.3")`.')
        if where not in ("output", "input"):
            raise ControllerCodeError(f'`@site` acts where="output" or where="input", not {where!r}.')

        def place(function: Callable[..., Any]) -> Callable[..., Any]:
            if not callable(function):
                raise ControllerCodeError("`@site` stands above a function.")
            sited.append(WrittenFunction(function, pattern, where == "input", _line_of(function, filename)))
            return function

        return place

    return {
        "torch": torch,
        "math": math,
        "site": site,
        "__name__": NAMESPACE,
        "__builtins__": vars(_own_builtins()),
    }


def _own_builtins() -> ModuleType:
    """Python's built-in names for one text: what it changes there is changed for nobody else, in any thread."""

    def leave(*_: object) -> None:
        raise ControllerCodeError("A controller can't end the program.")

    def ask(*_: object, **__: object) -> None:
        raise ControllerCodeError(_ASKS)

    own = ModuleType("builtins")
    import_module = builtins.__import__

    def import_(name: str, *arguments: Any, **options: Any) -> Any:
        return own if name == "builtins" else import_module(name, *arguments, **options)

    vars(own).update(vars(builtins))
    vars(own).update({"exit": leave, "quit": leave, "input": ask, "breakpoint": ask, "__import__": import_})
    return own


def _line_of(function: object, filename: str) -> int:
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == filename else 0


def _result_lines(tree: ast.Module) -> dict[int, int]:
    """Where the result of each function is made that has a single ``return``, by the line on which it begins."""
    found = {}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        begins = min([function.lineno, *(one.lineno for one in function.decorator_list)])
        inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        returns = [node.lineno for node in ast.walk(function) if isinstance(node, ast.Return)]
        if len(inner) == 1 and len(returns) == 1:
            found[begins] = returns[0]
    return found


def line_in(error: BaseException, filename: str = "") -> int:
    """Line of a controller's text (by default any) that an error passed through last, 0 if it passed through none."""
    if isinstance(error, SyntaxError) and error.filename and error.filename == filename:
        return error.lineno or 0
    lines = [
        frame.lineno or 0
        for frame in traceback.extract_tb(error.__traceback__)
        if (frame.filename == filename if filename else frame.filename.startswith("<controller "))
    ]
    return lines[-1] if lines else 0


def would_end_the_program(error: BaseException) -> bool:
    """Whether a controller raised what no `except Exception` catches: `exit()`, or a class of its own of that kind."""
    if isinstance(error, Exception):
        return False
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        return False  # somebody pressed Ctrl+C
    return isinstance(error, SystemExit | GeneratorExit | KeyboardInterrupt) or type(error).__module__ == NAMESPACE


def ending_refused(error: BaseException, line: int) -> ControllerCodeError:
    """Return what is raised in its place."""
    return ControllerCodeError(f"It raised {type(error).__name__}: a controller can't end the program.", line)


def writes_itself(error: BaseException) -> bool:
    """Whether the words of an error are more of the text's code, which may loop or fail like the rest of it."""
    return any(
        kind.__module__ == NAMESPACE and ("__str__" in vars(kind) or "__repr__" in vars(kind))
        for kind in type(error).__mro__
    )


def told_now(error: BaseException, line: int) -> ControllerCodeError:
    """Return an error that says the same and runs none of the text's code when it is written down later."""
    return ControllerCodeError(f"{type(error).__name__}: {text_of(error)}", line)
