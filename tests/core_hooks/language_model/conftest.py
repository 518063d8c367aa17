"""Tiny random language models with a tokenizer of words, built in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core_hooks.capture.local_store import LocalStore
from core_hooks.language_model.language_model import LanguageModel

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("the", "a", "cat", "dog", "sat", "on", "mat", "ran", "to", "red", "big", "small", "and", "not", "is")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make_tokenizer(pad: bool = True) -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<unk>"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<eos>",
        unk_token="<unk>",
        pad_token="<pad>" if pad else None,
        model_max_length=32,
        model_input_names=["input_ids", "attention_mask"],
    )


def make_gpt2(layers: int = 2) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=50, n_positions=32, n_embd=16, n_layer=layers, n_head=2, bos_token_id=1, eos_token_id=1
    )
    return GPT2LMHeadModel(config).eval()


def make_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def lm(store: LocalStore, tokenizer: PreTrainedTokenizerFast) -> LanguageModel:
    return LanguageModel(make_gpt2(), tokenizer, store)


@pytest.fixture
def llama(store: LocalStore, tokenizer: PreTrainedTokenizerFast) -> LanguageModel:
    return LanguageModel(make_llama(), tokenizer, store)
