"""A service with a tiny GPT-2 open, and a second computation of what it should give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from core_hooks.model.reference import ModelReference
from mi_crow_gui.engine.service import ModelService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

WORDS = [f"w{number}" for number in range(60)]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 of three blocks with a word-level tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny"
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<eos>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=64, n_embd=32, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=None
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def plain(tiny_folder: Path) -> Callable[[str, str], tuple[torch.Tensor, torch.Tensor]]:
    """Output of a site and logits of a prompt, by transformers and one plain torch hook."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)

    def run(prompt: str, site: str) -> tuple[torch.Tensor, torch.Tensor]:
        kept: list[torch.Tensor] = []

        def keep(module: object, arguments: object, output: Any) -> None:
            kept.append((output[0] if isinstance(output, tuple) else output).clone())

        handle = model.get_submodule(site).register_forward_hook(keep)
        try:
            with torch.no_grad():
                logits = model(**tokenizer(prompt, return_tensors="pt")).logits
        finally:
            handle.remove()
        return kept[0], logits

    return run


@pytest.fixture
def service(qtbot: QtBot, tiny_folder: Path) -> Iterator[ModelService]:
    """A model service, ready."""
    made = ModelService()
    made.open(ModelReference(str(tiny_folder)))
    qtbot.waitUntil(lambda: made.state == "ready", timeout=30_000)
    yield made
    made.shutdown()
