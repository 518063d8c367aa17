"""Tiny random models of many families, and a word-level tokenizer, saved as a person's folder would be."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 96
WIDTH = 32
WORDS = ["<pad>", "<eos>", "<unk>", "the", "store", "Mary", "John", "went", "gave", "a", "drink", "to", "."]

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
_GROUPED: dict[str, Any] = {**_COMMON, "num_key_value_heads": 2}
_ROTARY: dict[str, Any] = {**_GROUPED, "head_dim": 8}

# model type -> arguments of its config class
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {
        "vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": 3, "n_head": 4, "n_positions": 64,
        "bos_token_id": 1, "eos_token_id": 1,
    },
    "llama": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": _ROTARY,
    "gemma2": {**_ROTARY, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_ROTARY, "query_pre_attn_scalar": 8},
    "mistral": _ROTARY,
    "mixtral": {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2},
    "phi": {**_COMMON, "partial_rotary_factor": 0.5},
    "phi3": _GROUPED,
    "opt": {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "ffn_dim": 48, "num_hidden_layers": 3,
        "num_attention_heads": 4, "max_position_embeddings": 64, "word_embed_proj_dim": WIDTH,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1,
    },
    "bloom": {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "n_layer": 3, "n_head": 4, "pad_token_id": 0},
    "gpt_neox": _COMMON,
    "falcon": {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4,
        "bos_token_id": 1, "eos_token_id": 1,
    },
    "bert": _COMMON,
    "t5": {
        "vocab_size": VOCABULARY, "d_model": WIDTH, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
    },
    "mamba": {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "state_size": 8, "num_hidden_layers": 3,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1,
    },
    "gptj": {
        "vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": 3, "n_head": 4, "n_positions": 64, "rotary_dim": 4,
        "bos_token_id": 1, "eos_token_id": 1,
    },
    "gpt_neo": {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_layers": 4, "num_heads": 4,
        "attention_types": [[["global", "local"], 2]], "max_position_embeddings": 64, "bos_token_id": 1,
        "eos_token_id": 1,
    },
    "olmo2": _GROUPED,
    "stablelm": _GROUPED,
    "cohere": {**_GROUPED, "logit_scale": 0.5},
    "granite": {**_GROUPED, "logits_scaling": 2.0, "residual_multiplier": 0.5},
    "starcoder2": _GROUPED,
}  # fmt: skip
VISION: dict[str, dict[str, Any]] = {
    "vit": {
        "hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
        "image_size": 16, "patch_size": 8,
    },
}  # fmt: skip
_CLASSES = {
    "bert": "AutoModelForMaskedLM",
    "t5": "AutoModelForSeq2SeqLM",
    "vit": "AutoModelForImageClassification",
}


@functools.cache
def tiny_model(model_type: str) -> Any:
    """A random model of the family in evaluation mode; shared by tests, which leave it as it is."""
    import transformers

    config = transformers.AutoConfig.for_model(model_type, **{**FAMILIES, **VISION}[model_type])
    torch.manual_seed(7)
    model = getattr(transformers, _CLASSES.get(model_type, "AutoModelForCausalLM")).from_config(config).eval()
    with torch.no_grad():
        # Fresh norms are all ones and biases all zero, which would hide what forgets to apply them.
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    if model.can_generate():
        model.generation_config.eos_token_id = 1
    return model


def save_tokenizer(folder: Path) -> None:
    """A word-level tokenizer of `VOCABULARY` words beside the model."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = WORDS + [f"word{i}" for i in range(VOCABULARY - len(WORDS))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="<eos>", pad_token="<pad>"
    ).save_pretrained(folder)


def save_folder(folder: Path, model_type: str = "gpt2", tokenizer: bool = True) -> Path:
    """A model folder as ``save_pretrained`` writes it."""
    tiny_model(model_type).save_pretrained(folder)
    if tokenizer:
        save_tokenizer(folder)
    return folder
