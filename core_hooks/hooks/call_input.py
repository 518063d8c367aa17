"""What a module was called with, when some of it was passed by keyword."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class CallInput(tuple[Any, ...]):
    """The positional arguments of a call followed by its keyword arguments in the order given.

    Hooks receive this in place of the plain argument tuple when a module is called with keywords, so that
    ``input[0]`` is the first thing passed either way.

    Attributes
    ----------
    args
        The positional arguments.
    kwargs
        The keyword arguments by name. Not a copy: leave it alone.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def __new__(cls, args: Iterable[Any], kwargs: Mapping[str, Any]) -> CallInput:  # noqa: D102
        positional = tuple(args)
        made = super().__new__(cls, (*positional, *kwargs.values()))
        made.args = positional
        made.kwargs = kwargs
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.args, self.kwargs

    def with_values(self, values: Iterable[Any]) -> CallInput:
        """Return the same call with other values, one for each positional and keyword argument in turn."""
        new = tuple(values)
        if len(new) != len(self):
            raise ValueError(f"The call has {len(self)} arguments, got {len(new)} values.")
        count = len(self.args)
        return CallInput(new[:count], dict(zip(self.kwargs, new[count:], strict=True)))


def keyword_arguments(call: object) -> Mapping[str, Any]:
    """Return the keyword arguments of what a hook received as input; empty for a plain tuple."""
    return call.kwargs if isinstance(call, CallInput) else {}
