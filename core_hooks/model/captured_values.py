"""What a run captured, as a controller may ask for it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np

    from core_hooks.model.tokens import TokenSequence


# By number of each prompt: the positions that are computed now, and how many tokens the prompt has.
Rows = dict[int, tuple[range, int]]


class ControllerError(Exception):
    """Something that a controller asked for and can't have; the message says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteValues:
    """Values of one site in one run.

    Attributes
    ----------
    values
        ``[batch, tokens, channels]`` from `first_token` on; any other shape is kept as it came.
    first_token
        Position in the sequence of the first token in `values`.
    """

    values: np.ndarray | torch.Tensor
    first_token: int = 0


class RunValues(Protocol):
    """One run with what it captured: the run at hand, or one that was kept."""

    @property
    def number(self) -> int:
        """Number of the run."""

    @property
    def tokens(self) -> TokenSequence:
        """Every token of it so far."""

    @property
    def prompt_tokens(self) -> int:
        """How many of `tokens` are the prompt's, of the longest of a batch."""

    @property
    def prompts(self) -> Sequence[range]:
        """Where along the token axis of its values each prompt of a batch lies, its padding left out."""

    def sites(self) -> Collection[str]:
        """The sites that have values."""

    def find(self, site: str, where: str = "output") -> SiteValues | None:
        """What a site gave out, or what went into it (``"input"``); None where that was not captured."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenValues:
    """A `RunValues` whose values are all there: of a run that has ended, or of a script's own."""

    number: int
    tokens: TokenSequence
    values: Mapping[str, SiteValues]
    prompt_tokens: int = 0
    inputs: Mapping[str, SiteValues] = field(default_factory=dict)
    spans: tuple[range, ...] = ()

    @property
    def prompts(self) -> Sequence[range]:
        """Where each prompt lies: `spans`, or the one prompt from the first token on."""
        return self.spans or (range(self.prompt_tokens),)

    def sites(self) -> Collection[str]:
        """The sites that have values."""
        return self.values.keys()

    def find(self, site: str, where: str = "output") -> SiteValues | None:
        """What a site gave out, or what went into it (``"input"``); None where that was not captured."""
        return (self.inputs if where == "input" else self.values).get(site)


class KeptRunView:
    """A run that was kept, asked from within a controller; ``ctx.run("A")``.

    Attributes
    ----------
    name, number
        Under which name it is pinned, and the number that it had.
    tokens, token_ids
        Text and vocabulary id of each of its tokens.
    prompt_length
        How many of them are the prompt's.
    """

    def __init__(
        self, name: str, run: RunValues, positions: range, prompt_length: int, like: torch.Tensor, rows: Rows
    ) -> None:
        self.name = name
        self.number: int = run.number
        self.tokens: tuple[str, ...] = run.tokens.texts
        self.token_ids: tuple[int, ...] = run.tokens.ids
        self.prompt_length: int = run.prompt_tokens
        self._run, self._positions, self._prompt, self._like = run, positions, prompt_length, like
        self._rows = rows

    def capture(
        self,
        site: str,
        positions: int | Iterable[int] | None = None,
        where: str = "output",
        prompt: int | None = None,
    ) -> torch.Tensor:
        """What that run captured at a site, at the tokens of `x`, on the device and of the dtype of `x`.

        Parameters
        ----------
        site
            Dotted name.
        positions
            Which of that run's tokens are meant; default: those where `x` stands, which needs prompts of the same
            length, for else there is no telling which token belongs to which.
        where
            ``"input"`` for what went into the module.
        prompt
            Only this prompt of a batch, ``row.prompt`` of one of `ctx.rows`: ``[1, tokens, channels]`` at its own
            tokens, however each run was padded; `positions` are then those of its own sequence.

        Raises
        ------
        ControllerError
            That run did not capture the site or has no such token or prompt, or the two prompts differ in length.
        """
        who = f"Run {self.name}"
        found = self._run.find(site, where)
        if found is None:
            captured = ", ".join(f"'{name}'" for name in sorted(self._run.sites())[:4]) or "nothing"
            raise ControllerError(
                f"{who} has no {value_of(site, where)} (it captured {captured}): {how_to_capture(where)}, run again, "
                f"and pin the new run as {self.name}."
            )
        if prompt is not None:
            found, positions = self._of_prompt(found, positions, prompt)
        elif positions is None:
            if found.values.ndim == 3 and self.prompt_length != self._prompt:
                raise self._other_length("The prompt", self.prompt_length, self._prompt)
            positions = self._positions
        return taken(found, positions, self._like, f"'{site}' of {who[0].lower()}{who[1:]}")

    def _of_prompt(
        self, found: SiteValues, positions: int | Iterable[int] | None, prompt: int
    ) -> tuple[SiteValues, list[int]]:
        """The values of one prompt, and where along their token axis its tokens lie that are wanted."""
        spans = self._run.prompts
        if not 0 <= prompt < len(spans):
            has = "a single prompt" if len(spans) == 1 else f"{len(spans)} prompts"
            raise ControllerError(f"Run {self.name} has {has}, and there is none to lay over prompt {prompt + 1}.")
        own, length = self._rows.get(prompt, (range(0), 0))
        if positions is None:
            if len(spans[prompt]) != length:
                raise self._other_length(f"Prompt {prompt + 1}", len(spans[prompt]), length)
            positions = own
        wanted = [positions] if isinstance(positions, int) else positions
        values = SiteValues(found.values[prompt : prompt + 1], found.first_token)
        return values, [spans[prompt].start + int(position) for position in wanted]

    def _other_length(self, what: str, there: int, here: int) -> ControllerError:
        return ControllerError(
            f"{what} of run {self.name} has {there} tokens and this one {here}, so they can't be laid over each other: "
            "use prompts of the same length, or say which of its tokens are meant, capture(site, positions=[...])."
        )


def taken(
    found: SiteValues, positions: int | Iterable[int], like: torch.Tensor, what: str, later: str = ""
) -> torch.Tensor:
    """Return values at some positions as a tensor on the device of `like`, of its dtype if both are floating.

    `later` is the sentence for a position behind the last one.
    """
    values: Any = found.values
    tensor = values if isinstance(values, torch.Tensor) else torch.tensor(values)
    floating = tensor.dtype.is_floating_point and like.dtype.is_floating_point
    if tensor.dim() == 3:
        wanted = [positions] if isinstance(positions, int) else [int(position) for position in positions]
        places = _places(wanted, found.first_token, tensor.shape[1], what, later)
        tensor = tensor[:, places]
    return tensor.to(device=like.device, dtype=like.dtype if floating else None, copy=True)


def value_of(site: str, where: str) -> str:
    """Return the words for one side of a site; `ControllerError` when `where` is neither output nor input."""
    if where not in ("output", "input"):
        raise ControllerError(f'A site is captured where="output" or where="input", not {where!r}.')
    return f"input of '{site}'" if where == "input" else f"value of '{site}'"


def how_to_capture(where: str) -> str:
    """Return the words for what to do so that it is captured."""
    if where == "input":
        return "tick that module and let its detector see what goes in (Inspector)"
    return "tick that module, so that it is captured"


def unknown_site(site: str, known: Collection[str]) -> str:
    """Return the sentence about a name that no module has, with those that resemble it."""
    close = difflib.get_close_matches(site, [name for name in known if name], n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    return f"This model has no layer '{site}'.{hint}"


def _places(wanted: Sequence[int], first: int, count: int, what: str, later: str) -> list[int] | slice:
    for position in wanted:
        if not first <= position < first + count:
            has = f"positions {first} to {first + count - 1}" if count else "no token"
            if later and position >= first + count:
                raise ControllerError(later)
            raise ControllerError(f"{what[0].upper()}{what[1:]} has no token at position {position}: it has {has}.")
    start = wanted[0] - first if wanted else 0
    if list(wanted) == list(range(start + first, start + first + len(wanted))):
        return slice(start, start + len(wanted))
    return [position - first for position in wanted]
