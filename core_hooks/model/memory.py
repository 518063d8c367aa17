"""What each forward of a generation is called with, and what the model remembers of those before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.model.architecture import kind_of
from core_hooks.model.inputs import decoder_start, model_inputs, on_device, pad_id, parameters_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.batch import TokenBatch
    from core_hooks.model.opened import OpenedModel

# Under these names models return what they remember, and take it back.
_MEMORIES = ("past_key_values", "cache_params", "state", "mems")


class Memory:
    """The inputs of each forward: all prompts first, then one token a row and what the model remembers.

    A model that remembers nothing is given the whole sequences every time.

    Attributes
    ----------
    rows
        The sequence of each row that is being continued, without padding.
    """

    def __init__(self, opened: OpenedModel, batch: TokenBatch) -> None:
        self._opened, self._batch = opened, batch
        self._decodes = kind_of(opened.model) == "seq2seq"
        self._takes = parameters_of(opened.model)
        self._pad = pad_id(opened)
        if self._decodes:
            start = decoder_start(opened.model)
            self.rows: list[tuple[int, ...]] = [(start,) for _ in batch.rows]
            self._ids, self._real = np.full((len(self.rows), 1), start), np.ones((len(self.rows), 1), bool)
        else:
            self.rows = [row.ids for row in batch.rows]
            self._ids, self._real = batch.ids(self._pad), batch.real()
        self._encoded: Any = None

    def first(self) -> dict[str, Any]:
        """The inputs of the forward over the prompts."""
        inputs = model_inputs(self._opened, self._batch)
        if hasattr(self._opened.model, "config"):
            inputs["use_cache"] = True
        return inputs

    def next(self, output: Any, tokens: Sequence[int | None]) -> dict[str, Any]:
        """The inputs that feed one token a row, None standing for padding, behind what gave `output`."""
        fed = np.array([[self._pad if token is None else token] for token in tokens], np.int64)
        self._ids = np.concatenate([self._ids, fed], axis=1)
        self._real = np.concatenate([self._real, [[token is not None] for token in tokens]], axis=1)
        self.rows = [row if token is None else (*row, token) for row, token in zip(self.rows, tokens, strict=True)]
        name = next((name for name in _MEMORIES if getattr(output, name, None) is not None), None)
        ids = on_device(self._opened, self._ids if name is None else fed)
        if not hasattr(self._opened.model, "config"):
            return {"*": (ids,)}
        inputs: dict[str, Any] = {"use_cache": True}
        if name is not None:
            inputs[name] = getattr(output, name)
        if self._decodes:
            return inputs | self._decoding(output, ids)
        # What is remembered as one state, and not token by token, has no room for a mask of the past.
        if not self._real.all() and "attention_mask" in self._takes and name in (None, "past_key_values"):
            inputs["attention_mask"] = on_device(self._opened, self._real.astype(np.int64))
            if "position_ids" in self._takes:
                places = np.maximum(self._real.cumsum(axis=1) - 1, 0)
                inputs["position_ids"] = on_device(self._opened, places if name is None else places[:, -1:])
        return inputs | {"input_ids": ids}

    def cache_bytes(self, new_tokens: int) -> int:
        """About how much a model of this size remembers once all tokens are generated."""
        summary = self._opened.summary
        config = getattr(self._opened.model, "config", None)
        share = getattr(config, "num_key_value_heads", 0) or summary.heads
        width = summary.width * share // summary.heads if summary.heads else summary.width
        size = next((p.element_size() for p in self._opened.model.parameters()), 4)
        return len(self.rows) * (self._batch.width + new_tokens) * 2 * summary.blocks * width * size

    def _decoding(self, output: Any, ids: Any) -> dict[str, Any]:
        if self._encoded is None:
            from transformers.modeling_outputs import BaseModelOutput

            self._encoded = BaseModelOutput(last_hidden_state=output.encoder_last_hidden_state)
        inputs: dict[str, Any] = {"encoder_outputs": self._encoded, "decoder_input_ids": ids}
        if self._batch.padded:
            inputs["attention_mask"] = on_device(self._opened, self._batch.real().astype(np.int64))
        return inputs
