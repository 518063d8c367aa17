"""One forward over a sequence, and what the model says about each of its tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from core_hooks.hooks.errors import HookError, RunCancelled, StopForward
from core_hooks.model.architecture import kind_of, one_line
from core_hooks.model.batch import TokenBatch
from core_hooks.model.errors import ModelError
from core_hooks.model.estimate import free_memory
from core_hooks.model.inputs import decoder_start, ids_tensor, input_device, model_inputs, parameters_of
from core_hooks.model.prompt import token_text
from core_hooks.model.tokens import Candidate, TokenSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core_hooks.hooks.run import HookRun
    from core_hooks.model.opened import OpenedModel

__all__ = [
    "ForwardResult",
    "call",
    "cut_short",
    "decoder_start",
    "describe",
    "forward",
    "forward_batch",
    "ids_tensor",
    "input_device",
    "logits_of",
    "model_inputs",
    "nothing",
    "token_losses",
    "top_candidates",
]

Stopped = Literal["", "early", "cancelled"]
CANDIDATES = 10
_BLOCK = 1 << 22  # logits turned into float32 at a time: 16 MiB


@dataclass(frozen=True, slots=True, eq=False)
class ForwardResult:
    """What one forward said about the tokens it was given.

    Attributes
    ----------
    losses
        float32 [tokens], in nats: minus the log probability of each token given those before it; NaN where
        there is none, as for the first.
    probabilities
        float32 [tokens], ``exp(-losses)``.
    candidates
        The likeliest tokens at `candidates_at`, the likeliest first.
    candidates_at
        Position that `candidates` are for: one past the last token for a causal model, that of the first mask
        token for a masked one, 0 in the decoder's own sequence for an encoder-decoder; -1 without candidates.
    lacks
        Sentences about what this architecture or this run could not give.
    stopped
        ``""`` when the forward ran through, ``"early"`` when a hook stopped it, ``"cancelled"``.
    """

    losses: np.ndarray
    probabilities: np.ndarray
    candidates: tuple[Candidate, ...] = ()
    candidates_at: int = -1
    lacks: tuple[str, ...] = ()
    stopped: Stopped = ""


def forward(
    opened: OpenedModel,
    tokens: TokenSequence | None,
    *,
    run: HookRun | None = None,
    on_logits: Callable[[torch.Tensor], None] | None = None,
) -> ForwardResult:
    """Run the model once over `tokens`; hooks that are attached see it.

    Parameters
    ----------
    tokens
        The prompt; None runs a model that takes no tokens on its example inputs.
    run
        The run that the hooks belong to, already entered by the caller.
    on_logits
        Called with the logits ``[1, tokens, vocabulary]``, if the model gives any.

    Raises
    ------
    ModelError
        The model fails on these tokens.
    """
    if tokens is not None:
        return forward_batch(opened, (tokens,), run=run, on_logits=on_logits)[0]
    output, stopped = call(opened, model_inputs(opened, None))
    if output is None:
        return cut_short(0, stopped)
    tell_logits(output, None, on_logits)
    return describe(opened, None, output)


def forward_batch(
    opened: OpenedModel,
    rows: Sequence[TokenSequence],
    *,
    run: HookRun | None = None,
    on_logits: Callable[[torch.Tensor], None] | None = None,
) -> tuple[ForwardResult, ...]:
    """Run the model once over several sequences together, shorter ones padded on the right.

    Parameters
    ----------
    rows
        At least one. Hooks see ``[rows, longest, channels]``; columns behind the end of a row are padding.
    run
        The run that the hooks belong to, already entered by the caller.
    on_logits
        Called with the logits ``[rows, longest, vocabulary]``, if the model gives any.

    Returns
    -------
    tuple of ForwardResult
        One a row: what `forward` says of it alone, to the rounding of the model's dtype.

    Raises
    ------
    ModelError
        The model fails on these tokens, can't be told what is padding, or the logits would not fit into memory.
    """
    batch = TokenBatch(tuple(rows))
    inputs = model_inputs(opened, batch)
    check_memory(opened, batch)
    if len(rows) > 1 and "use_cache" in parameters_of(opened.model):
        # Nobody goes on from here, and what is remembered of a large batch is larger than its logits.
        inputs["use_cache"] = False
    output, stopped = call(opened, inputs)
    if output is None:
        return tuple(cut_short(len(row), stopped) for row in rows)
    tell_logits(output, None, on_logits)
    return tuple(describe(opened, row, output, place, batch) for place, row in enumerate(rows))


def tell_logits(output: Any, fed: int | None, on_logits: Callable[[torch.Tensor], None] | None) -> None:
    """Hand on the logits of the `fed` tokens that came last, None meaning all of them."""
    logits = logits_of(output) if on_logits is not None else None
    if logits is not None and on_logits is not None:
        # A model without a memory gives those of the whole sequence again.
        on_logits(logits if fed is None else logits[:, -fed:])


def check_memory(opened: OpenedModel, batch: TokenBatch, more: int = 0) -> None:
    """Raise a ModelError when the logits of a batch alone would not fit into the memory that is free.

    Without it a system that promises more memory than it has would end the whole program in the middle of a forward.
    `more` is how many bytes are needed besides.
    """
    if len(batch.rows) < 2:
        return
    summary = opened.summary
    size = next(opened.model.parameters(), torch.empty(0)).element_size()
    one = batch.width * (summary.vocabulary * size + 4 * summary.width * size)
    device = str(input_device(opened))
    free = free_memory(device)
    needed = one * len(batch.rows) + more
    if needed > free:
        fit = max(1, int(len(batch.rows) * free / needed))
        raise ModelError(
            f"{len(batch.rows)} prompts of up to {batch.width:,} tokens need about {needed / 2**30:.1f} GiB on "
            f"{device} for their logits, and {free / 2**30:.1f} GiB are free: run about {fit} at a time."
        )


def call(opened: OpenedModel, inputs: dict[str, Any]) -> tuple[Any, Stopped]:
    """Call the model without gradients; the output is None when a hook stopped it or the run was cancelled.

    A hook's own failure comes out as it is, the model's as a ModelError.

    Gradients are off by ``no_grad`` and not by inference mode, whose tensors could never be trained on later.
    """
    arguments = inputs.pop("*", ())
    try:
        with torch.no_grad():
            return opened.model(*arguments, **inputs), ""
    except RunCancelled:
        return None, "cancelled"
    except StopForward:
        return None, "early"
    except HookError:
        raise
    except Exception as error:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error):
            raise ModelError(
                f"There is not enough memory on {opened.summary.device} for this forward; use a shorter prompt, or a "
                "smaller batch."
            ) from error
        name = opened.summary.architecture
        raise ModelError(f"{name} can't be run on this: {type(error).__name__}: {one_line(error)}.") from error


def logits_of(output: Any) -> torch.Tensor | None:
    """Return the logits [rows, tokens, vocabulary] in a model's output, or None when it has none."""
    logits = getattr(output, "logits", None)
    if logits is None and isinstance(output, torch.Tensor):
        logits = output
    return logits if isinstance(logits, torch.Tensor) and logits.dim() == 3 else None


def describe(
    opened: OpenedModel, tokens: TokenSequence | None, output: Any, place: int = 0, batch: TokenBatch | None = None
) -> ForwardResult:
    """Return what `output`, the model's own, says about `tokens`, which are row `place` of `batch`."""
    count = len(tokens) if tokens is not None else 0
    logits = logits_of(output)
    name = opened.summary.architecture
    if logits is None or tokens is None:
        return nothing(count, (f"No losses and no next token: {name} gives no logits over a vocabulary.",))
    logits = logits[place]
    if batch is not None and logits.shape[0] == batch.width:
        span = batch.spans[place]
        logits = logits[span.start : span.stop]
    kind = kind_of(opened.model)
    lacks: tuple[str, ...] = ()
    if kind == "masked":
        lacks = ("No losses: a masked language model does not predict the next token.",)
        at = _first_mask(opened, tokens)
        row = logits[at] if at >= 0 else None
        losses = _no_losses(count)
    elif kind == "seq2seq":
        lacks = ("No losses for the prompt: an encoder-decoder predicts only what its decoder writes.",)
        at, row, losses = 0, logits[-1], _no_losses(count)
    elif logits.shape[0] != count:
        return nothing(count, (f"No losses: {name} gives {logits.shape[0]} rows of logits for {count} tokens.",))
    else:
        at, row, losses = count, logits[-1], token_losses(logits, tokens.ids)
    if row is not None and bool(torch.isnan(row).any()):
        lacks += ("The logits hold NaN, so there is no next token; look at what the controllers return.",)
        row = None
    candidates = top_candidates(opened, row) if row is not None else ()
    return ForwardResult(_frozen(losses), _frozen(np.exp(-losses)), candidates, at if candidates else -1, lacks)


def nothing(count: int, lacks: tuple[str, ...], stopped: Stopped = "") -> ForwardResult:
    """Return the result of a forward that says nothing about its tokens, with the reason."""
    return ForwardResult(_frozen(_no_losses(count)), _frozen(_no_losses(count)), lacks=lacks, stopped=stopped)


def cut_short(count: int, stopped: Stopped) -> ForwardResult:
    """Return the result of a forward that did not reach the logits."""
    why = "the run was cancelled" if stopped == "cancelled" else "a hook stopped the forward before the logits"
    return nothing(count, (f"No losses: {why}.",), stopped)


def token_losses(logits: torch.Tensor, ids: tuple[int, ...]) -> np.ndarray:
    """Return -log p of each token given those before it, float32 [tokens], the first NaN.

    Worked through in blocks of rows: a float32 copy of all logits could be larger than the model.
    """
    losses = torch.full((len(ids),), math.nan, dtype=torch.float32)
    targets = torch.tensor(ids, device=logits.device)
    rows = max(1, _BLOCK // logits.shape[-1])
    for start in range(0, len(ids) - 1, rows):
        end = min(start + rows, len(ids) - 1)
        block = logits[start:end].float()
        chosen = block.gather(1, targets[start + 1 : end + 1, None])[:, 0]
        losses[start + 1 : end + 1] = (block.logsumexp(-1) - chosen).cpu()
    return losses.numpy()


def top_candidates(opened: OpenedModel, row: torch.Tensor, count: int = CANDIDATES) -> tuple[Candidate, ...]:
    """Return the likeliest tokens by one row of logits, the likeliest first."""
    row = row.float()
    values, indices = row.topk(min(count, row.shape[-1]))
    probabilities = (values - row.logsumexp(-1)).exp()
    return tuple(
        Candidate(token_id, token_text(opened, token_id), probability, logit)
        for token_id, probability, logit in zip(indices.tolist(), probabilities.tolist(), values.tolist(), strict=True)
    )


def _first_mask(opened: OpenedModel, tokens: TokenSequence) -> int:
    mask = getattr(opened.tokenizer, "mask_token_id", None)
    return tokens.ids.index(mask) if mask in tokens.ids else -1


def _no_losses(count: int) -> np.ndarray:
    return np.full(count, math.nan, dtype=np.float32)


def _frozen(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values
