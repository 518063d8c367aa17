"""From the texts of a corpus to token ids, and from every token id to its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core_hooks.capture.index import CaptureError
from core_hooks.model.architecture import one_line
from core_hooks.model.prompt import token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core_hooks.model.opened import OpenedModel

# A tokenizer takes memory of many times its text; longer ones are cut at white space, where tokens end anyway.
_LONGEST = 1_000_000


def tokenizer_of(opened: OpenedModel) -> Callable[[list[str]], list[list[int]]]:
    """Give a function from texts to token ids, special tokens included; without a tokenizer it reads numbers.

    The function raises a CaptureError for a text that can't be tokenised.
    """
    tokenizer, limit = opened.tokenizer, opened.summary.vocabulary
    if tokenizer is None:
        return lambda texts: [_numbers(text, limit) for text in texts]

    direct = _backend(tokenizer)

    def short(texts: list[str], special: bool = True) -> list[list[int]]:
        try:
            if direct is not None:
                # Whoever tokenised before may have left it cutting or padding.
                if direct.truncation is not None:
                    direct.no_truncation()
                if direct.padding is not None:
                    direct.no_padding()
                return [encoding.ids for encoding in direct.encode_batch_fast(texts, add_special_tokens=special)]
            encoded = tokenizer(
                texts,
                add_special_tokens=special,
                padding=False,
                truncation=False,
                return_attention_mask=False,
                verbose=False,
            )
        except Exception as error:
            raise CaptureError(
                f"The tokenizer of {opened.summary.name} fails on a text ({type(error).__name__}: {one_line(error)})."
            ) from error
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def tokenize(texts: list[str]) -> list[list[int]]:
        if max(map(len, texts)) <= _LONGEST:
            return short(texts)
        return [_in_pieces(text, short) if len(text) > _LONGEST else short([text])[0] for text in texts]

    return tokenize


def vocabulary(opened: OpenedModel) -> list[str]:
    """The text of every token id, as `core_hooks.model.prompt.token_text` gives it; empty without a tokenizer."""
    if opened.tokenizer is None:
        return []
    return [token_text(opened, token_id) for token_id in range(len(opened.tokenizer))]


def _backend(tokenizer: Any) -> Any:
    """What a stock tokenizer hands texts on to; None for one that does more of its own.

    The way through transformers costs as much again, and all of that time holds Python's lock against the model.
    """
    try:
        from transformers import PreTrainedTokenizerFast

        kind, backend = type(tokenizer), tokenizer.backend_tokenizer
    except (ImportError, AttributeError):
        return None
    stock = all(
        getattr(kind, name, None) is getattr(PreTrainedTokenizerFast, name, None)
        for name in ("__call__", "_encode_plus", "_batch_encode_plus", "set_truncation_and_padding")
    )
    plain = getattr(tokenizer, "split_special_tokens", False) is False
    return backend if stock and plain and hasattr(backend, "encode_batch_fast") else None


def _in_pieces(text: str, short: Callable[..., list[list[int]]]) -> list[int]:
    ids: list[int] = []
    for number, piece in enumerate(_pieces(text)):
        ids += short([piece], number == 0)[0]
    return ids


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.rfind(" ", start + 1, start + _LONGEST) if start + _LONGEST < len(text) else len(text)
        end = end if end > start else start + _LONGEST
        yield text[start:end]
        start = end


def _numbers(text: str, limit: int) -> list[int]:
    ids = []
    for word in re.split(r"[\s,]+", text.strip()):
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 12 else -1
        if number < 0 or (limit and number >= limit):
            raise CaptureError(
                f"This model has no tokenizer, so {word[:40]!r} can't be read; write its texts as token ids"
                + (f" from 0 to {limit - 1}." if limit else ".")
            )
        ids.append(number)
    return ids
