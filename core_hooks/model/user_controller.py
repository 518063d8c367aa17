"""Turns controller text that the user wrote into a function, and its errors into the user's own lines."""

from __future__ import annotations

import ast
import linecache
import math
import textwrap
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.model.batch import TokenBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from core_hooks.model.tokens import TokenSequence


class ControllerCodeError(Exception):
    """Controller text that can't become a function; `line` is 1-based, 0 when no line is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class ContextRow:
    """One prompt of the forward at hand: ``x[prompt, columns]`` are the values of its tokens, the rest is padding.

    Attributes
    ----------
    prompt
        Its number in the batch, from 0.
    tokens, token_ids
        Every token of it so far.
    positions, columns
        Positions in its own sequence that `x` covers, and where along the token axis of `x` they lie. Equally long;
        empty in steps after the prompt has ended.
    """

    prompt: int
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    positions: range
    columns: range


@dataclass(slots=True)
class ControllerContext:
    """What a controller may know besides its tensor; `ctx` in ``def control(x, ctx)``.

    Attributes
    ----------
    layer
        Dotted name of the module.
    step
        0 for the prompt, n for the n-th generated token.
    run
        Number of the run.
    tokens
        Text of every token so far; the last ``x.shape[1]`` of them are those of `x`.
    token_ids
        Their vocabulary ids.
    positions
        Range of sequence positions that `x` covers.
    rows
        The same of each prompt, a `ContextRow` each: one for a single prompt. Where a batch has several, these alone
        tell its tokens: `tokens` and `token_ids` are empty, and `positions` are the columns of `x`.
    state
        A dict of the controller's own that lives for the run.
    """

    layer: str
    step: int = 0
    run: int = 0
    tokens: tuple[str, ...] = ()
    token_ids: tuple[int, ...] = ()
    positions: range = range(0)
    rows: tuple[ContextRow, ...] = ()
    state: dict[str, Any] | None = None


class UserController:
    """A compiled controller: call it with the tensor; the context is kept up to date by the engine.

    Parameters
    ----------
    hook_id
        Makes the file name that tracebacks carry, so an error can be traced to the text it came from.
    text
        Python whose last statement is ``lambda x: ...``, or that defines ``control(x)`` or ``control(x, ctx)``;
        ``control_input`` instead of ``control`` is meant for what goes into the module.

    Attributes
    ----------
    acts_on_input
        True for ``control_input``.

    Raises
    ------
    ControllerCodeError
        When the text can't become such a function.
    """

    def __init__(self, hook_id: str, site: str, text: str) -> None:
        self.filename = f"<controller {hook_id}>"
        self.text = text
        self.context = ControllerContext(layer=site, state={})
        self.acts_on_input = False
        self._function, self._takes_context = self._compile(text)
        code = getattr(self._function, "__code__", None)
        self._first_line = code.co_firstlineno if code is not None and code.co_filename == self.filename else 0

    def begin(self, run: int, tokens: TokenSequence | TokenBatch) -> None:
        """A new run: fresh state, tokens of the prompt, or of each prompt of a batch."""
        self.context.run = run
        self.context.state = {}
        self.set_step(0, tokens)

    def set_step(self, step: int, tokens: TokenSequence | TokenBatch, ended: Collection[int] = ()) -> None:
        """The next forward is `step`; `tokens` are all that it covers and those before.

        Of a batch, `ended` are the numbers of the prompts whose text has come to its end.
        """
        context = self.context
        context.step = step
        batch = tokens if isinstance(tokens, TokenBatch) else TokenBatch((tokens,))
        context.rows = tuple(_context_row(number, step, batch, number in ended) for number in range(len(batch.rows)))
        if len(context.rows) == 1:
            (row,) = context.rows
            context.tokens, context.token_ids, context.positions = row.tokens, row.token_ids, row.positions
        else:
            context.tokens, context.token_ids = (), ()
            context.positions = range(batch.width) if step == 0 else range(1)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Run the user's function; a result that can't replace the tensor is a `ControllerCodeError`.

        NaN and dtypes are the hook's to check, for any controller.
        """
        result = self._function(tensor, self.context) if self._takes_context else self._function(tensor)
        if not isinstance(result, torch.Tensor):
            kind = "nothing (None)" if result is None else f"a {type(result).__name__}"
            raise ControllerCodeError(f"It returned {kind}; a controller returns a tensor.", self._first_line)
        if result.shape != tensor.shape:
            raise ControllerCodeError(
                f"It returned a tensor of shape {_shape(result.shape)} where {_shape(tensor.shape)} is needed.",
                self._first_line,
            )
        return result

    def line_of(self, error: BaseException) -> int:
        """Line of the user's text where `error` came from, 0 if it did not pass through it."""
        if isinstance(error, ControllerCodeError):
            return error.line
        if isinstance(error, SyntaxError) and error.filename == self.filename:
            return error.lineno or 0
        lines = [
            frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.filename
        ]
        return lines[-1] if lines else 0

    def _compile(self, text: str) -> tuple[Callable[..., Any], bool]:
        # Tracebacks print the user's own source.
        linecache.cache[self.filename] = (len(text), None, text.splitlines(keepends=True), self.filename)
        try:
            tree = ast.parse(textwrap.dedent(text), self.filename)
        except SyntaxError as error:
            raise ControllerCodeError(f"{error.msg}.".capitalize(), error.lineno or 0) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise ControllerCodeError(f"Python can't read this text: {error or type(error).__name__}.") from error
        namespace: dict[str, Any] = {"torch": torch, "math": math, "__name__": "controller"}
        try:
            function = self._evaluate(tree, namespace)
        except ControllerCodeError:
            raise
        except Exception as error:
            raise ControllerCodeError(f"{type(error).__name__}: {error}", self.line_of(error)) from error
        return function, _takes_context(function)

    def _evaluate(self, tree: ast.Module, namespace: dict[str, Any]) -> Callable[..., Any]:
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr) and isinstance(last.value, ast.Lambda):
            exec(compile(ast.Module(tree.body[:-1], []), self.filename, "exec"), namespace)
            return eval(compile(ast.Expression(last.value), self.filename, "eval"), namespace)
        exec(compile(tree, self.filename, "exec"), namespace)
        output, ingoing = namespace.get("control"), namespace.get("control_input")
        if callable(output) and callable(ingoing):
            raise ControllerCodeError("Define `control` or `control_input`, not both: a controller acts in one place.")
        self.acts_on_input = callable(ingoing)
        function = ingoing if self.acts_on_input else output
        if not callable(function):
            raise ControllerCodeError("Write `lambda x: ...` or a function named `control(x, ctx)`.")
        return function


def _context_row(number: int, step: int, batch: TokenBatch, ended: bool) -> ContextRow:
    tokens = batch.rows[number]
    if step == 0:
        positions, columns = range(len(tokens)), batch.spans[number]
    elif ended:
        positions, columns = range(0), range(0)
    else:
        positions, columns = range(len(tokens) - 1, len(tokens)), range(1)
    return ContextRow(number, tokens.texts, tokens.ids, positions, columns)


def _shape(sizes: torch.Size) -> str:
    return " × ".join(map(str, sizes)) or "scalar"


def _takes_context(function: Callable[..., Any]) -> bool:
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind(None, None)
    except TypeError:
        try:
            signature.bind(None)
        except TypeError as error:
            raise ControllerCodeError(
                "A controller takes the tensor, and the context if it wants it: `x` or `x, ctx`."
            ) from error
        return False
    # `lambda x, scale=2:` has a default of its own for the second place: it did not ask for the context.
    second = list(signature.parameters.values())[1:2]
    return not second or second[0].default is inspect.Parameter.empty
