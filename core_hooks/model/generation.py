"""Generating token by token, with hooks, a cancel at every token, and every number along the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from core_hooks.model.architecture import kind_of
from core_hooks.model.batch import TokenBatch, row_seed
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import (
    ForwardResult,
    call,
    check_memory,
    cut_short,
    describe,
    forward,
    forward_batch,
    logits_of,
    tell_logits,
    top_candidates,
)
from core_hooks.model.memory import Memory
from core_hooks.model.prompt import continuation, token_text
from core_hooks.model.summary import context_length
from core_hooks.model.tokens import GenerationSettings, TokenSequence, TokenStep

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from core_hooks.hooks.run import HookRun
    from core_hooks.model.opened import OpenedModel

__all__ = [
    "ForwardResult",
    "GenerationResult",
    "forward",
    "forward_batch",
    "generate",
    "generate_batch",
    "why_not_generated",
]

Stopped = Literal["length", "eos", "cancelled", "context", "early"]


@dataclass(frozen=True, slots=True, eq=False)
class GenerationResult:
    """A generation: what the model said about the prompt, the tokens that were chosen, and why it ended.

    `stopped` is ``"length"`` (as many as asked for), ``"eos"`` (the model ended its text), ``"context"`` (no room
    left), ``"cancelled"``, or ``"early"`` (a hook stopped a forward before the logits).
    """

    prompt: ForwardResult
    steps: tuple[TokenStep, ...]
    stopped: Stopped


def why_not_generated(opened: OpenedModel) -> str:
    """Say why a model can't generate, as a sentence; ``""`` where it can, or only a forward would tell."""
    model, name = opened.model, opened.summary.architecture
    kind = kind_of(model)
    if kind == "masked":
        return f"{name} fills in masks and can't generate; use Run."
    if kind == "other" and type(model).__module__.startswith("transformers."):
        return f"{name} gives no logits over a vocabulary, so it can't generate; use Run."
    return ""


def generate(
    opened: OpenedModel,
    tokens: TokenSequence,
    settings: GenerationSettings,
    *,
    cancel: threading.Event,
    on_step: Callable[[TokenStep], None],
    run: HookRun | None = None,
    on_logits: Callable[[torch.Tensor], None] | None = None,
) -> GenerationResult:
    """Continue `tokens`, one token a forward.

    Parameters
    ----------
    cancel
        Checked before every token.
    on_step
        Called with each token once it is chosen, before it is fed.
    run
        The run that the hooks belong to; its ``step`` is 0 during the prompt and n while the n-th generated
        token is fed. The last token is chosen and not fed.
    on_logits
        Called after every forward with the logits ``[1, tokens, vocabulary]`` of the tokens that were just fed.

    Raises
    ------
    ModelError
        The architecture can't generate, or a step gave logits from which no token can be chosen.
    """

    def first_of(steps: Sequence[TokenStep | None]) -> None:
        if steps[0] is not None:
            on_step(steps[0])

    return generate_batch(opened, (tokens,), settings, cancel=cancel, on_step=first_of, run=run, on_logits=on_logits)[0]


def generate_batch(
    opened: OpenedModel,
    rows: Sequence[TokenSequence],
    settings: GenerationSettings,
    *,
    cancel: threading.Event,
    on_step: Callable[[Sequence[TokenStep | None]], None],
    run: HookRun | None = None,
    on_logits: Callable[[torch.Tensor], None] | None = None,
) -> tuple[GenerationResult, ...]:
    """Continue several sequences together, one token of each a forward; shorter ones are padded on the left.

    Parameters
    ----------
    rows
        At least one. A row that has ended is fed padding until the last one ends.
    settings
        ``max_new_tokens`` is of each row; the seed of a row is `core_hooks.model.batch.row_seed`.
    on_step
        Called with one token a row once they are chosen, before they are fed; None for rows that have ended.
    cancel, run, on_logits
        As for `generate`; logits are ``[rows, tokens, vocabulary]``.

    Returns
    -------
    tuple of GenerationResult
        One a row, as `generate` gives it for that row alone.

    Raises
    ------
    ModelError
        As `generate`, also when the model can't be told what is padding or the batch would not fit into memory.
    """
    model = opened.model
    refusal = why_not_generated(opened)
    if refusal:
        raise ModelError(refusal)
    # The decoder of an encoder-decoder begins at the same place in every row: only its encoder sees padding.
    batch = TokenBatch(tuple(rows), "right" if kind_of(model) == "seq2seq" else "left")
    memory = Memory(opened, batch)
    going = [_Row(opened, row, place, settings, memory) for place, row in enumerate(rows)]
    if run is not None:
        run.step = 0
    if cancel.is_set():
        return tuple(row.ended(cut_short(len(row.tokens), "cancelled"), "cancelled") for row in going)
    inputs = memory.first()
    check_memory(opened, batch, memory.cache_bytes(settings.max_new_tokens))
    output, stopped = call(opened, inputs)
    if output is None:
        return tuple(row.ended(cut_short(len(row.tokens), stopped), stopped or "early") for row in going)
    prompts = tuple(describe(opened, row, output, place, batch) for place, row in enumerate(rows))
    tell_logits(output, batch.width, on_logits)
    ends = _end_tokens(opened)
    limit = context_length(getattr(model, "config", None))
    for number in range(1, settings.max_new_tokens + 1):
        logits = logits_of(output)
        if logits is None:
            raise ModelError(f"{opened.summary.architecture} gives no logits over a vocabulary, so it can't generate.")
        on_step([row.choose(logits[place, -1], number) for place, row in enumerate(going)])
        for row in going:
            row.end_if(row.steps[-1].token_id in ends, "eos")
            row.end_if(number == settings.max_new_tokens, "length")
            row.end_if(bool(limit) and row.length >= limit, "context")
            row.end_if(cancel.is_set(), "cancelled")
        if all(row.stopped for row in going):
            break
        if run is not None:
            run.step = number
        output, stopped = call(opened, memory.next(output, [row.fed for row in going]))
        if output is None:
            for row in going:
                row.end_if(True, stopped or "early")
            break
        tell_logits(output, 1, on_logits)
    return tuple(row.ended(prompt) for row, prompt in zip(going, prompts, strict=True))


class _Row:
    """One sequence that is being continued."""

    def __init__(
        self, opened: OpenedModel, tokens: TokenSequence, place: int, settings: GenerationSettings, memory: Memory
    ) -> None:
        self.tokens = tokens
        self.steps: list[TokenStep] = []
        self.stopped: Stopped | Literal[""] = ""
        self._opened, self._place, self._memory = opened, place, memory
        self._alone = len(memory.rows) == 1
        self._sampler = _Sampler(replace(settings, seed=row_seed(settings.seed, place)))

    @property
    def length(self) -> int:
        """Tokens that were fed in this row, padding not counted."""
        return len(self._memory.rows[self._place])

    @property
    def fed(self) -> int | None:
        """The token to feed next, None once the row has ended."""
        return None if self.stopped else self.steps[-1].token_id

    def choose(self, logits: torch.Tensor, number: int) -> TokenStep | None:
        """Choose a token by the row's last logits; None once it has ended."""
        if self.stopped:
            return None
        before = self._memory.rows[self._place]
        at = len(self.tokens) + number - 1
        try:
            self.steps.append(_choose(self._opened, logits, self._sampler, number, at, before))
        except ModelError as error:
            if self._alone:
                raise
            raise ModelError(f"Prompt {self._place + 1}: {error}") from error
        return self.steps[-1]

    def end_if(self, ends: bool, why: Stopped) -> None:
        """End the row, if it has not ended for another reason."""
        if ends and not self.stopped:
            self.stopped = why

    def ended(self, prompt: ForwardResult, why: Stopped = "length") -> GenerationResult:
        """The row as a result; it ended for `why` unless it knows better."""
        return GenerationResult(prompt, tuple(self.steps), self.stopped or why)


class _Sampler:
    """Chooses tokens; on the processor and with a generator of its own, so that a seed means the same anywhere."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings
        self._generator = torch.Generator().manual_seed(settings.seed)

    def choose(self, row: torch.Tensor) -> int:
        """Return the token chosen by one row of logits [vocabulary]."""
        if self._settings.temperature <= 0:
            return int(row.argmax())
        scores = row.float().cpu() / self._settings.temperature
        if 0 < self._settings.top_k < scores.shape[-1]:
            values, indices = scores.topk(self._settings.top_k)
            return int(indices[torch.multinomial(values.softmax(-1), 1, generator=self._generator)])
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._generator))


def _choose(
    opened: OpenedModel, row: torch.Tensor, sampler: _Sampler, number: int, position: int, before: Sequence[int]
) -> TokenStep:
    if bool(torch.isnan(row).any()):
        after = "the prompt" if number == 1 else f"generated token {number - 1}"
        raise ModelError(
            f"The logits after {after} hold NaN, so no next token can be chosen; look at what the controllers return."
        )
    token_id = sampler.choose(row)
    candidates = top_candidates(opened, row)
    probability = next((c.probability for c in candidates if c.token_id == token_id), None)
    if probability is None:
        probability = float((row[token_id].float() - row.float().logsumexp(-1)).exp())
    return TokenStep(
        number,
        position,
        token_id,
        token_text(opened, token_id),
        probability,
        candidates,
        continuation(opened, before, token_id),
    )


def _end_tokens(opened: OpenedModel) -> frozenset[int]:
    """Token ids with which the model ends its text, by its generation config, else its config."""
    for holder in (getattr(opened.model, "generation_config", None), getattr(opened.model, "config", None)):
        ends = getattr(holder, "eos_token_id", None)
        if ends is not None:
            return frozenset(ends if isinstance(ends, (list, tuple)) else [ends])
    return frozenset()
