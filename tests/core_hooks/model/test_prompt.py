from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import continuation, decode, encode, token_text

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel


@pytest.fixture
def without_tokenizer(gpt2: OpenedModel) -> OpenedModel:
    return dataclasses.replace(gpt2, tokenizer=None, token_texts={})


class SentencePiece:
    """A tokenizer that, as SentencePiece does, drops the space before the first word it decodes."""

    all_special_ids = (0,)
    pieces = ("<s>", "▁the", "re", "<0x0A>")

    def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
        return {"input_ids": [0, 1, 2, 3]}

    def decode(self, ids: list[int], **options: object) -> str:
        return "".join(self.pieces[i] for i in ids).replace("▁", " ").replace("<0x0A>", "\n").removeprefix(" ")

    def convert_ids_to_tokens(self, token_id: int) -> str:
        return self.pieces[token_id]


def test_a_prompt_becomes_the_tokenizers_ids_with_their_texts(gpt2: OpenedModel) -> None:
    tokens = encode(gpt2, "the store went")
    assert tokens.ids == tuple(gpt2.tokenizer("the store went")["input_ids"]) == (3, 4, 7)
    assert tokens.texts == ("the", "store", "went")
    assert tokens.special == (False, False, False)


def test_each_token_keeps_its_leading_space_and_special_ones_are_marked(gpt2: OpenedModel) -> None:
    opened = dataclasses.replace(gpt2, tokenizer=SentencePiece(), token_texts={})
    tokens = encode(opened, "there\n")
    assert tokens.texts == ("<s>", " the", "re", "\n")
    assert tokens.special == (True, False, False, False)
    assert decode(opened, [1, 2]) == "there"


def test_an_empty_prompt_is_refused(gpt2: OpenedModel) -> None:
    for text in ("", "  \n"):
        with pytest.raises(ModelError, match="prompt is empty"):
            encode(gpt2, text)


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(gpt2: OpenedModel) -> None:
    assert len(encode(gpt2, "the " * 64)) == 64
    with pytest.raises(ModelError, match="65 tokens .* holds 64"):
        encode(gpt2, "the " * 65)


def test_a_huge_text_is_counted_in_pieces_and_refused(gpt2: OpenedModel) -> None:
    longest = 0
    inner = gpt2.tokenizer

    def tokenizer(text: str, **options: object) -> object:
        nonlocal longest
        longest = max(longest, len(text))
        return inner(text, **options)

    opened = dataclasses.replace(gpt2, tokenizer=tokenizer)
    with pytest.raises(ModelError, match="about 100,000 tokens"):
        encode(opened, "the " * 100_000)
    assert longest <= 20_000


def test_without_a_tokenizer_a_prompt_is_token_ids(without_tokenizer: OpenedModel) -> None:
    tokens = encode(without_tokenizer, " 3, 4\n95,,7 ")
    assert tokens.ids == (3, 4, 95, 7)
    assert tokens.texts == ("3", "4", "95", "7")
    assert decode(without_tokenizer, tokens.ids) == "3 4 95 7"
    assert token_text(without_tokenizer, 12) == "12"


@pytest.mark.parametrize(
    ("text", "message"),
    [("3 four", "'four'"), ("3 -4", "'-4'"), ("96", "0 to 95"), ("²", "²"), ("1 " * 65, "holds 64")],
)
def test_what_is_not_a_token_id_is_refused(without_tokenizer: OpenedModel, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        encode(without_tokenizer, text)


def test_a_tokenizer_that_fails_is_said(gpt2: OpenedModel) -> None:
    opened = dataclasses.replace(gpt2, tokenizer=lambda text, **options: {})
    with pytest.raises(ModelError, match="The tokenizer of tiny-gpt2 fails on this text"):
        encode(opened, "the")


def test_a_tokenizer_larger_than_the_model_is_found_before_the_forward(gpt2: OpenedModel) -> None:
    opened = dataclasses.replace(gpt2, tokenizer=lambda text, **options: {"input_ids": [3, 96]})
    with pytest.raises(ModelError, match="96 is not in this model's vocabulary"):
        encode(opened, "x")


def test_a_word_level_token_is_written_with_the_space_that_it_lacks_alone(gpt2: OpenedModel) -> None:
    ids = encode(gpt2, "Mary went to the store").ids
    assert token_text(gpt2, ids[-1]) == "store"
    assert continuation(gpt2, ids[:-1], ids[-1]) == " store"
    assert continuation(gpt2, (), ids[0]) == "Mary"
