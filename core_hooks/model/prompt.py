"""From what a person types to tokens, and from token ids back to readable text."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core_hooks.model.architecture import one_line
from core_hooks.model.errors import ModelError
from core_hooks.model.summary import context_length
from core_hooks.model.tokens import TokenSequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core_hooks.model.opened import OpenedModel

# A tokenizer holds every thread while it turns its result into Python lists: about 10 ms for this many characters.
_PIECE = 20_000
_LONGEST_WORDS = 40  # characters per token that no text exceeds for long
_TAIL = 8  # tokens before one that decide how it is written


def encode(opened: OpenedModel, text: str) -> TokenSequence:
    """Return the tokens of `text`, with the special tokens that the tokenizer adds by itself.

    Without a tokenizer `text` is read as token ids, separated by spaces or commas.

    Raises
    ------
    ModelError
        The prompt is empty, too long for the model's context, or holds something that is not a token id.
    """
    if not text.strip():
        raise ModelError("The prompt is empty; type some text.")
    if getattr(opened.model, "main_input_name", "input_ids") != "input_ids":
        raise ModelError(f"{opened.summary.architecture} takes no text; run it without a prompt on its example inputs.")
    if opened.tokenizer is None:
        return _encode_ids(opened, text)
    limit = context_length(getattr(opened.model, "config", None))
    if limit and len(text) > max(_PIECE, limit * _LONGEST_WORDS):
        with _said(opened):
            count = _rough_count(opened, text)
        _check_length(count, limit, "about ")
    with _said(opened):
        ids = [int(i) for i in opened.tokenizer(text, verbose=False)["input_ids"]]
    if not ids:
        raise ModelError("The tokenizer makes no token of this prompt; type some text that it knows.")
    _check_length(len(ids), limit)
    _check_ids(opened, ids)
    with _said(opened):
        return sequence(opened, ids)


def sequence(opened: OpenedModel, ids: Sequence[int]) -> TokenSequence:
    """Return `ids` with the text of each."""
    special = set(opened.tokenizer.all_special_ids) if opened.tokenizer is not None else set()
    return TokenSequence(tuple(ids), tuple(token_text(opened, i) for i in ids), tuple(i in special for i in ids))


def token_text(opened: OpenedModel, token_id: int) -> str:
    """Return one token decoded alone, with its leading space where the tokenizer keeps one.

    Without a tokenizer it is the id itself.
    """
    text = opened.token_texts.get(token_id)
    if text is None:
        text = opened.token_texts[token_id] = _decode_alone(opened, token_id)
    return text


def decode(opened: OpenedModel, ids: Sequence[int]) -> str:
    """Return the text of `ids` together, in which characters that span several tokens come out whole."""
    if opened.tokenizer is None:
        return " ".join(str(i) for i in ids)
    return str(opened.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


@contextmanager
def _said(opened: OpenedModel) -> Iterator[None]:
    """Turn whatever a tokenizer raises, with damaged files behind it, into a sentence."""
    try:
        yield
    except Exception as error:
        raise ModelError(
            f"The tokenizer of {opened.summary.name} fails on this text ({type(error).__name__}: {one_line(error)}); "
            "look at its files."
        ) from error


def continuation(opened: OpenedModel, before: Sequence[int], token_id: int) -> str:
    """Return what a token adds to the text of the tokens before it, a space between two words included.

    Of a character that spans several tokens nothing is returned before its last one.
    """
    tail = list(before[-_TAIL:])
    known, whole = decode(opened, tail), decode(opened, [*tail, token_id])
    if whole.endswith("\N{REPLACEMENT CHARACTER}"):
        return ""
    known = known.rstrip("\N{REPLACEMENT CHARACTER}")
    return whole[len(known) :] if whole.startswith(known) else token_text(opened, token_id)


def _decode_alone(opened: OpenedModel, token_id: int) -> str:
    tokenizer = opened.tokenizer
    if tokenizer is None:
        return str(token_id)
    text = str(tokenizer.decode([token_id], clean_up_tokenization_spaces=False))
    if not text.startswith(" "):
        # SentencePiece decoders drop the space before the first word of a text, which here is every token.
        piece = tokenizer.convert_ids_to_tokens(token_id)
        if isinstance(piece, str) and piece.startswith("▁"):
            text = " " + text
    return text


def _encode_ids(opened: OpenedModel, text: str) -> TokenSequence:
    words = [word for word in re.split(r"[\s,]+", text) if word]
    limit = context_length(getattr(opened.model, "config", None))
    _check_length(len(words), limit)
    wrong = next((word for word in words if not word.isascii() or not word.isdigit()), None)
    if wrong is not None:
        raise ModelError(
            f"This model has no tokenizer, so {wrong[:40]!r} can't be read; give token ids, such as: 12 7 431."
        )
    ids = [int(word) for word in words]
    _check_ids(opened, ids)
    return sequence(opened, ids)


def _check_ids(opened: OpenedModel, ids: Sequence[int]) -> None:
    rows = embedding_rows(opened)
    beyond = next((i for i in ids if rows and not 0 <= i < rows), None)
    if beyond is not None:
        raise ModelError(f"Token id {beyond} is not in this model's vocabulary, which goes from 0 to {rows - 1}.")


def embedding_rows(opened: OpenedModel) -> int:
    """Return how many ids the model has an embedding for, 0 where that can't be told."""
    get = getattr(opened.model, "get_input_embeddings", None)
    try:
        weight = getattr(get(), "weight", None) if callable(get) else None
    except NotImplementedError:
        weight = None
    return int(weight.shape[0]) if weight is not None and weight.dim() == 2 else opened.summary.vocabulary


def _check_length(count: int, limit: int, about: str = "") -> None:
    if limit and count > limit:
        raise ModelError(
            f"The prompt has {about}{count:,} tokens and the model's context holds {limit:,}; shorten the prompt."
        )


def _rough_count(opened: OpenedModel, text: str) -> int:
    count, start = 0, 0
    while start < len(text):
        end = text.rfind(" ", start + 1, start + _PIECE) if start + _PIECE < len(text) else len(text)
        end = end if end > start else start + _PIECE
        count += len(opened.tokenizer(text[start:end], add_special_tokens=False, verbose=False)["input_ids"])
        start = end
    return count
