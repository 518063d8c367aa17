"""One forward over a sequence, and what the model says about each of its tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from core_hooks.hooks.errors import HookError, RunCancelled, StopForward
from core_hooks.model.architecture import kind_of, one_line
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import token_text
from core_hooks.model.tokens import Candidate, TokenSequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.hooks.run import HookRun
    from core_hooks.model.opened import OpenedModel

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
    count = len(tokens) if tokens is not None else 0
    inputs = model_inputs(opened, tokens)
    output, stopped = call(opened, inputs)
    if output is None:
        return cut_short(count, stopped)
    logits = logits_of(output)
    if on_logits is not None and logits is not None:
        on_logits(logits)
    return describe(opened, tokens, output)


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
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(
            f"There is not enough memory on {opened.summary.device} for this forward; shorten the prompt."
        ) from error
    except Exception as error:
        name = opened.summary.architecture
        raise ModelError(f"{name} can't be run on this: {type(error).__name__}: {one_line(error)}.") from error


def model_inputs(opened: OpenedModel, tokens: TokenSequence | None) -> dict[str, Any]:
    """Return the keyword arguments with which the model is called on `tokens`; positional ones under ``"*"``."""
    model = opened.model
    if tokens is None:
        example = opened.example_inputs
        if example is None:
            raise ModelError(f"{opened.summary.name} needs tokens: type a prompt.")
        return dict(example) if isinstance(example, Mapping) else {"*": _as_tuple(example)}
    if opened.example_inputs is not None and not hasattr(model, "config"):
        return {"*": (ids_tensor(opened, tokens.ids),)}
    main = getattr(model, "main_input_name", "input_ids")
    if main != "input_ids":
        raise ModelError(f"{opened.summary.architecture} takes {main}, not tokens; run it on example inputs instead.")
    ids = ids_tensor(opened, tokens.ids)
    if not hasattr(model, "config"):
        return {"*": (ids,)}
    inputs: dict[str, Any] = {"input_ids": ids}
    if kind_of(model) == "seq2seq":
        inputs["decoder_input_ids"] = ids_tensor(opened, (decoder_start(model),))
    return inputs


def ids_tensor(opened: OpenedModel, ids: tuple[int, ...]) -> torch.Tensor:
    """Return token ids as an int64 tensor of shape [1, tokens] where the model takes its input."""
    return torch.tensor([ids], dtype=torch.long, device=input_device(opened))


def input_device(opened: OpenedModel) -> torch.device:
    """Return the device of the first parameter, which is the embedding's also when a model is spread out."""
    first = next(opened.model.parameters(), None)
    return first.device if first is not None else torch.device("cpu")


def decoder_start(model: Any) -> int:
    """Return the token with which the decoder of an encoder-decoder begins."""
    for holder in (getattr(model, "generation_config", None), model.config):
        for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
            value = getattr(holder, name, None)
            if isinstance(value, int):
                return value
    return 0


def logits_of(output: Any) -> torch.Tensor | None:
    """Return the logits [1, tokens, vocabulary] in a model's output, or None when it has none."""
    logits = getattr(output, "logits", None)
    if logits is None and isinstance(output, torch.Tensor):
        logits = output
    return logits if isinstance(logits, torch.Tensor) and logits.dim() == 3 else None


def describe(opened: OpenedModel, tokens: TokenSequence | None, output: Any) -> ForwardResult:
    """Return what `output`, the model's own, says about `tokens`."""
    count = len(tokens) if tokens is not None else 0
    logits = logits_of(output)
    name = opened.summary.architecture
    if logits is None or tokens is None:
        return nothing(count, (f"No losses and no next token: {name} gives no logits over a vocabulary.",))
    kind = kind_of(opened.model)
    lacks: tuple[str, ...] = ()
    if kind == "masked":
        lacks = ("No losses: a masked language model does not predict the next token.",)
        at = _first_mask(opened, tokens)
        row = logits[0, at] if at >= 0 else None
        losses = _no_losses(count)
    elif kind == "seq2seq":
        lacks = ("No losses for the prompt: an encoder-decoder predicts only what its decoder writes.",)
        at, row, losses = 0, logits[0, -1], _no_losses(count)
    elif logits.shape[1] != count:
        return nothing(count, (f"No losses: {name} gives {logits.shape[1]} rows of logits for {count} tokens.",))
    else:
        at, row, losses = count, logits[0, -1], token_losses(logits[0], tokens.ids)
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


def _as_tuple(example: Any) -> tuple[Any, ...]:
    return example if isinstance(example, tuple) else (example,)
