"""What a model is called with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core_hooks.model.architecture import kind_of
from core_hooks.model.batch import TokenBatch
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import embedding_rows

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence


def model_inputs(opened: OpenedModel, tokens: TokenSequence | TokenBatch | None) -> dict[str, Any]:
    """Return the keyword arguments with which the model is called on `tokens`; positional ones under ``"*"``.

    A batch whose rows differ in length comes with the mask of its padding, and with the position of each token in
    its own row where the padding would shift it.

    Raises
    ------
    ModelError
        The model takes no tokens, or can't be told what is padding.
    """
    model = opened.model
    if tokens is None:
        example = opened.example_inputs
        if example is None:
            raise ModelError(f"{opened.summary.name} needs tokens: type a prompt.")
        return dict(example) if isinstance(example, Mapping) else {"*": _as_tuple(example)}
    batch = tokens if isinstance(tokens, TokenBatch) else TokenBatch((tokens,))
    check_padding(opened, batch)
    ids = on_device(opened, batch.ids(pad_id(opened)))
    if opened.example_inputs is not None and not hasattr(model, "config"):
        return {"*": (ids,)}
    main = getattr(model, "main_input_name", "input_ids")
    if main != "input_ids":
        raise ModelError(f"{opened.summary.architecture} takes {main}, not tokens; run it on example inputs instead.")
    if not hasattr(model, "config"):
        return {"*": (ids,)}
    inputs: dict[str, Any] = {"input_ids": ids}
    if batch.padded:
        real = batch.real()
        inputs["attention_mask"] = on_device(opened, real.astype(np.int64))
        if batch.side == "left" and "position_ids" in parameters_of(model):
            inputs["position_ids"] = on_device(opened, np.maximum(real.cumsum(axis=1) - 1, 0))
    if kind_of(model) == "seq2seq":
        start = np.full((len(batch.rows), 1), decoder_start(model), np.int64)
        inputs["decoder_input_ids"] = on_device(opened, start)
    return inputs


def check_padding(opened: OpenedModel, batch: TokenBatch) -> None:
    """Raise a ModelError for rows of different lengths where the model would take padding for tokens."""
    if batch.padded and "attention_mask" not in parameters_of(opened.model):
        raise ModelError(
            f"{opened.summary.architecture} can't be told what is padding, so the prompts of a batch must have "
            f"equally many tokens (these have {_lengths(batch)}): run them one by one."
        )


def pad_id(opened: OpenedModel) -> int:
    """Return the id that fills padding: the tokenizer's own, else one that the model has; no result depends on it."""
    rows = embedding_rows(opened)
    for holder in (opened.tokenizer, getattr(opened.model, "config", None)):
        for name in ("pad_token_id", "eos_token_id"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and value >= 0 and (not rows or value < rows):
                return value
    return 0


def ids_tensor(opened: OpenedModel, ids: tuple[int, ...]) -> torch.Tensor:
    """Return token ids as an int64 tensor of shape [1, tokens] where the model takes its input."""
    return torch.tensor([ids], dtype=torch.long, device=input_device(opened))


def on_device(opened: OpenedModel, values: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor where the model takes its input."""
    return torch.from_numpy(values).to(input_device(opened))


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


def parameters_of(model: torch.nn.Module) -> frozenset[str]:
    """Return the names of the arguments that the model's forward takes."""
    try:
        return frozenset(inspect.signature(model.forward).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _lengths(batch: TokenBatch) -> str:
    counts = sorted({len(row) for row in batch.rows})
    return f"{counts[0]:,} to {counts[-1]:,}"


def _as_tuple(example: Any) -> tuple[Any, ...]:
    return example if isinstance(example, tuple) else (example,)
