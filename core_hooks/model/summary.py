"""What is known of a model as one plain record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.model.reference import ModelSummary

if TYPE_CHECKING:
    from torch import nn

    from core_hooks.model.records import ModuleTree
    from core_hooks.model.reference import ModelReference

_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length")


def summarise(
    model: nn.Module, tree: ModuleTree, reference: ModelReference, name: str, has_tokenizer: bool
) -> ModelSummary:
    """Return the summary of `model`; numbers that its config does not have are 0."""
    config = getattr(model, "config", None)
    text = text_config(config)
    return ModelSummary(
        reference=reference,
        name=name,
        architecture=tree.root.class_name,
        device=tree.root.device,
        dtype=tree.root.dtype,
        parameters=tree.root.parameters,
        bytes=tree.root.bytes,
        context_length=context_length(config),
        vocabulary=_number(text, "vocab_size"),
        blocks=_number(text, "num_hidden_layers"),
        heads=_number(text, "num_attention_heads"),
        width=_number(text, "hidden_size"),
        has_tokenizer=has_tokenizer,
        attention=str(getattr(config, "_attn_implementation", None) or ""),
    )


def text_config(config: Any) -> Any:
    """Return the part of a config that describes the language model; the config itself when it has one part."""
    get = getattr(config, "get_text_config", None)
    return get() if callable(get) else config


def context_length(config: Any) -> int:
    """Return the longest sequence in tokens that the config allows, 0 when it sets no limit.

    A model with relative positions (ALiBi) reads past the length it was trained with, so it has none.
    """
    text = text_config(config)
    if getattr(text, "alibi", False):
        return 0
    return next((number for key in _CONTEXT if (number := _number(text, key)) > 0), 0)


def _number(config: Any, key: str) -> int:
    value = getattr(config, key, 0)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
