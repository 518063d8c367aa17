"""Which token looks at which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch

from core_hooks.hooks.capture import own_copy
from core_hooks.hooks.tensor_detector import TensorDetector

if TYPE_CHECKING:
    from core_hooks.hooks.detector import DetectorState

_KEY, _SHAPE = "attention_pattern", "attention_pattern_shape"


class AttentionPatternDetector(TensorDetector):
    """Captures the attention weights that a self-attention module returns beside its output.

    ``tensor_metadata["attention_pattern"]`` is ``(batch, heads, queries, keys)`` in the model's dtype, on the
    CPU, in storage of its own. With ``select=`` another tensor of the output is taken instead of the first of
    four dimensions behind the first element.

    Raises
    ------
    RuntimeError
        At a call that returns no weights: fused attention (``sdpa``, ``flash_attention_2``) never has them, so
        the model must use eager attention, in transformers ``attn_implementation="eager"``.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_KEY, _SHAPE)

    def observe(self, tensor: torch.Tensor, state: DetectorState) -> None:
        """Keep a copy of the weights."""
        state.tensor_metadata[_KEY] = own_copy(tensor)
        state.metadata[_SHAPE] = tuple(tensor.shape)

    def get_captured(self) -> torch.Tensor | None:
        """Return the weights of the newest call, ``None`` if there are none."""
        return self.tensor_metadata.get(_KEY)

    def _find(self, value: Any) -> torch.Tensor | None:
        if self.select is not None:
            return super()._find(value)
        behind_first = value[1:] if isinstance(value, (tuple, list)) else ()
        for item in behind_first:
            if isinstance(item, torch.Tensor) and item.dim() == 4:
                return item
        raise ValueError(
            f"this module returned no attention weights (it returned {_described(value)}); fused attention "
            'computes none: use eager attention (attn_implementation="eager", or '
            'model.set_attn_implementation("eager")) and attach to the self-attention module'
        )


def _described(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {', '.join(type(item).__name__ for item in value)}"
    return f"a {type(value).__name__}"
