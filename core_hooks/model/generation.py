"""Generating token by token, with hooks, a cancel at every token, and every number along the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from core_hooks.model.architecture import kind_of
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import (
    ForwardResult,
    call,
    cut_short,
    decoder_start,
    describe,
    forward,
    ids_tensor,
    logits_of,
    model_inputs,
    top_candidates,
)
from core_hooks.model.prompt import continuation, token_text
from core_hooks.model.summary import context_length
from core_hooks.model.tokens import GenerationSettings, TokenSequence, TokenStep

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from core_hooks.hooks.run import HookRun
    from core_hooks.model.opened import OpenedModel

__all__ = ["ForwardResult", "GenerationResult", "forward", "generate"]

Stopped = Literal["length", "eos", "cancelled", "context", "early"]
# Under these names models return what they remember, and take it back.
_MEMORIES = ("past_key_values", "cache_params", "state", "mems")


@dataclass(frozen=True, slots=True, eq=False)
class GenerationResult:
    """A generation: what the model said about the prompt, the tokens that were chosen, and why it ended.

    `stopped` is ``"length"`` (as many as asked for), ``"eos"`` (the model ended its text), ``"context"`` (no room
    left), ``"cancelled"``, or ``"early"`` (a hook stopped a forward before the logits).
    """

    prompt: ForwardResult
    steps: tuple[TokenStep, ...]
    stopped: Stopped


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
    model = opened.model
    if kind_of(model) == "masked":
        raise ModelError(f"{opened.summary.architecture} fills in masks and can't generate; use Run.")
    sampler = _Sampler(settings)
    memory = _Memory(opened, tokens)
    if run is not None:
        run.step = 0
    if cancel.is_set():
        return GenerationResult(cut_short(len(tokens), "cancelled"), (), "cancelled")
    output, stopped = call(opened, memory.first())
    if output is None:
        return GenerationResult(cut_short(len(tokens), stopped), (), stopped or "early")
    prompt = describe(opened, tokens, output)
    _tell(output, len(tokens), on_logits)
    ends = _end_tokens(opened)
    limit = context_length(getattr(model, "config", None))
    steps: list[TokenStep] = []
    for number in range(1, settings.max_new_tokens + 1):
        logits = logits_of(output)
        if logits is None:
            raise ModelError(f"{opened.summary.architecture} gives no logits over a vocabulary, so it can't generate.")
        step = _choose(opened, logits[0, -1], sampler, number, len(tokens) + number - 1, memory.ids)
        steps.append(step)
        on_step(step)
        if step.token_id in ends:
            return GenerationResult(prompt, tuple(steps), "eos")
        if number == settings.max_new_tokens:
            break
        if limit and memory.length >= limit:
            return GenerationResult(prompt, tuple(steps), "context")
        if cancel.is_set():
            return GenerationResult(prompt, tuple(steps), "cancelled")
        if run is not None:
            run.step = number
        output, stopped = call(opened, memory.next(output, step.token_id))
        if output is None:
            return GenerationResult(prompt, tuple(steps), stopped or "early")
        _tell(output, 1, on_logits)
    return GenerationResult(prompt, tuple(steps), "length")


def _tell(output: Any, fed: int, on_logits: Callable[[torch.Tensor], None] | None) -> None:
    logits = logits_of(output) if on_logits is not None else None
    if logits is not None and on_logits is not None:
        # A model without a memory gives those of the whole sequence again.
        on_logits(logits[:, -fed:])


class _Memory:
    """The inputs of each forward: the whole prompt first, then one token and what the model remembers.

    A model that remembers nothing is given the whole sequence every time.
    """

    def __init__(self, opened: OpenedModel, tokens: TokenSequence) -> None:
        self._opened = opened
        self._tokens = tokens
        self._decodes = kind_of(opened.model) == "seq2seq"
        self._ids = (decoder_start(opened.model),) if self._decodes else tokens.ids
        self._encoded: Any = None

    @property
    def ids(self) -> tuple[int, ...]:
        """The sequence that is being continued."""
        return self._ids

    @property
    def length(self) -> int:
        """Tokens in the sequence that is being continued."""
        return len(self._ids)

    def first(self) -> dict[str, Any]:
        inputs = model_inputs(self._opened, self._tokens)
        if hasattr(self._opened.model, "config"):
            inputs["use_cache"] = True
        return inputs

    def next(self, output: Any, token_id: int) -> dict[str, Any]:
        self._ids = (*self._ids, token_id)
        name = next((name for name in _MEMORIES if getattr(output, name, None) is not None), None)
        ids = ids_tensor(self._opened, self._ids if name is None else (token_id,))
        if not hasattr(self._opened.model, "config"):
            return {"*": (ids,)}
        inputs: dict[str, Any] = {"use_cache": True}
        if name is not None:
            inputs[name] = getattr(output, name)
        if not self._decodes:
            return inputs | {"input_ids": ids}
        if self._encoded is None:
            from transformers.modeling_outputs import BaseModelOutput

            self._encoded = BaseModelOutput(last_hidden_state=output.encoder_last_hidden_state)
        return inputs | {"encoder_outputs": self._encoded, "decoder_input_ids": ids}


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
