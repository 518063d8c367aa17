"""Turns controller text that the user wrote into functions, and its errors into the user's own lines."""

from __future__ import annotations

import fnmatch
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.error_chain import shorten
from core_hooks.hooks.function_controller import FunctionController
from core_hooks.hooks.hook_type import HookType
from core_hooks.model.captured_values import ControllerError, unknown_site
from core_hooks.model.controller_code import (
    ControllerCodeError,
    WrittenFunction,
    ending_refused,
    line_in,
    run_text,
    told_now,
    would_end_the_program,
    writes_itself,
)
from core_hooks.model.controller_context import ControllerContext, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from core_hooks.model.batch import TokenBatch
    from core_hooks.model.tokens import TokenSequence

__all__ = ["ControllerCodeError", "ControllerContext", "ControllerError", "PlacedFunction", "UserController"]


@dataclass(slots=True, eq=False)
class PlacedFunction:
    """One function of a controller's text at one site: call it with the tensor.

    Attributes
    ----------
    site
        Dotted name of the module.
    acts_on_input
        True when it changes what goes into the module.
    context
        What it is told; kept up to date by its `UserController`.
    line
        Of its only ``return`` in the text, else where it begins; 0 if that is not known.
    """

    site: str
    acts_on_input: bool
    context: ControllerContext
    _function: Callable[..., Any]
    _takes_context: bool
    line: int

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Run the user's function on a copy; a result that can't replace the tensor is a `ControllerCodeError`.

        A copy, for whatever it writes before it fails must not stay in the forward. NaN and dtypes are the hook's to
        check, for any controller.
        """
        context = self.context
        given = tensor.clone()
        context._like = given
        try:
            result = self._function(given, context) if self._takes_context else self._function(given)
        except ControllerCodeError as error:
            shorten(error)
            error.line = error.line or line_in(error)
            raise
        except BaseException as error:
            shorten(error)
            if would_end_the_program(error):
                raise ending_refused(error, line_in(error)) from error
            if writes_itself(error):
                raise told_now(error, line_in(error)) from None
            raise
        if not isinstance(result, torch.Tensor):
            kind = "nothing (None)" if result is None else f"a {type(result).__name__}"
            raise ControllerCodeError(f"It returned {kind}; a controller returns a tensor.", self.line)
        if result.shape != tensor.shape:
            raise ControllerCodeError(
                f"It returned a tensor of shape {_shape(result.shape)} where {_shape(tensor.shape)} is needed.",
                self.line,
            )
        return result


class UserController:
    """A compiled controller text: the functions in it, each at its sites, and the context that they are told.

    Parameters
    ----------
    hook_id
        Makes the file name that tracebacks carry, so an error can be traced to the text it came from.
    site
        Dotted name of the module that ``control`` and a lambda act on.
    text
        Python whose last statement is ``lambda x: ...``, or that defines ``control(x)`` or ``control(x, ctx)``;
        ``control_input`` instead of ``control`` is meant for what goes into the module. Functions behind
        ``@site("name")`` act on other modules, by dotted name or glob, on their input with
        ``@site("name", where="input")``.
    strength
        What ``ctx.strength`` is.
    surroundings
        What is known beside the tensor: other values of the run, kept runs, the tokenizer, vectors.

    Attributes
    ----------
    acts_on_input
        True for ``control_input``.

    Raises
    ------
    ControllerCodeError
        When the text can't become such functions.
    """

    def __init__(
        self, hook_id: str, site: str, text: str, strength: float = 1.0, surroundings: Surroundings | None = None
    ) -> None:
        self.filename = f"<controller {hook_id}>"
        self.text = text
        self._site = site
        self._strength = strength
        self._surroundings = surroundings if surroundings is not None else Surroundings()
        self._placed: tuple[PlacedFunction, ...] | None = None
        self._written = run_text(text, self.filename)
        self._takes_context = {id(one): _takes_context(one.function) for one in self._written}
        self._own = next((self._place(one, site) for one in self._written if not one.pattern), None)
        self.acts_on_input = self._own is not None and self._own.acts_on_input

    @property
    def context(self) -> ControllerContext:
        """What the function at the controller's own site is told."""
        return self._own.context if self._own is not None else self.placed[0].context

    @property
    def placed(self) -> tuple[PlacedFunction, ...]:
        """Every function at each of its sites, in the order in which they act.

        Raises
        ------
        ControllerCodeError
            ``@site`` names a module that the model does not have.
        """
        if self._placed is None:
            self._placed = tuple(self._all_placed())
        return self._placed

    @property
    def strength(self) -> float:
        """What ``ctx.strength`` is; may be set at any time, and holds from the next call on."""
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._strength = strength
        for placed in self.placed:
            placed.context.strength = strength

    def begin(self, run: int, tokens: TokenSequence | TokenBatch) -> None:
        """A new run: fresh state, tokens of the prompt, or of each prompt of a batch."""
        state: dict[str, Any] = {}
        for placed in self.placed:
            placed.context._begin(run, tokens, state)

    def set_prompt_length(self, tokens: int) -> None:
        """How many of the tokens are the prompt's, for a controller that joins a run after its prompt."""
        for placed in self.placed:
            placed.context._set_prompt_length(tokens)

    def set_step(self, step: int, tokens: TokenSequence | TokenBatch, ended: Collection[int] = ()) -> None:
        """The next forward is `step`; `tokens` are all that it covers and those before.

        Of a batch, `ended` are the numbers of the prompts whose text has come to its end.
        """
        for placed in self.placed:
            placed.context._set_step(step, tokens, ended)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Run the function of the controller's own site; see `PlacedFunction`."""
        if self._own is None:
            raise ControllerCodeError("No function of this text acts on its own site.")
        return self._own(tensor)

    def hooks(self, hook_id: str | None = None, **options: Any) -> dict[str, list[FunctionController]]:
        """Return a hook for every placed function by site, as `core_hooks.hooks.attachment.attach` takes them."""
        made: dict[str, list[FunctionController]] = {}
        for placed in self.placed:
            made.setdefault(placed.site, []).append(placed_hook(placed, placed, hook_id, **options))
        return made

    def line_of(self, error: BaseException) -> int:
        """Line of the user's text where `error` came from, 0 if it did not pass through it."""
        if isinstance(error, ControllerCodeError):
            return error.line
        return line_in(error, self.filename)

    def _all_placed(self) -> list[PlacedFunction]:
        placed = []
        for written in self._written:
            if not written.pattern:
                if self._own is not None:
                    placed.append(self._own)
                continue
            sites = _matching(written, self._surroundings.sites)
            placed += [self._place(written, site) for site in sites]
        return placed

    def _place(self, written: WrittenFunction, site: str) -> PlacedFunction:
        around = self._surroundings
        context = ControllerContext(
            layer=site,
            kind=around.kinds.get(site, ""),
            strength=self._strength,
            tokenizer=around.tokenizer,
            _surroundings=around,
        )
        takes = self._takes_context[id(written)]
        return PlacedFunction(site, written.acts_on_input, context, written.function, takes, written.result_line)


def placed_hook(
    placed: PlacedFunction, function: Callable[[torch.Tensor], torch.Tensor], hook_id: str | None, **options: Any
) -> FunctionController:
    """Return the hook that lets `function`, the placed one or a wrapper of it, act where the placed one should."""
    when = HookType.PRE_FORWARD if placed.acts_on_input else HookType.FORWARD
    return FunctionController(placed.site, function, hook_type=when, hook_id=hook_id, refuse_nan=True, **options)


def _matching(written: WrittenFunction, sites: Collection[str]) -> list[str]:
    pattern = written.pattern
    if not sites:
        # Nothing is known of the model; attaching will tell.
        return [pattern]
    if pattern in sites:
        return [pattern]
    found = [site for site in sites if site and fnmatch.fnmatchcase(site, pattern)]
    if not found:
        raise ControllerCodeError(unknown_site(pattern, sites), written.line)
    return found


def _shape(sizes: torch.Size) -> str:
    return " × ".join(map(str, sizes)) or "scalar"


def _takes_context(function: Callable[..., Any]) -> bool:
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
