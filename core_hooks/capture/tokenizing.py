"""From the texts of a corpus to token ids, and from every token id to its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core_hooks.capture.fast_tokenizer import fast_tokenizer, in_pieces, tokenizer_fails
from core_hooks.capture.index import CaptureError
from core_hooks.model.prompt import token_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.model.opened import OpenedModel


def tokenizer_of(opened: OpenedModel) -> Callable[[list[str]], list[list[int]]]:
    """Give a function from texts to token ids, special tokens included; without a tokenizer it reads numbers.

    The function raises a CaptureError for a text that can't be tokenised.
    """
    tokenizer, limit = opened.tokenizer, opened.summary.vocabulary
    if tokenizer is None:
        return lambda texts: [_numbers(text, limit) for text in texts]

    direct = stock_backend(opened)
    if direct is not None:
        return fast_tokenizer(direct, opened.summary.name)

    def short(texts: list[str], special: bool = True) -> list[list[int]]:
        try:
            encoded = tokenizer(
                texts,
                add_special_tokens=special,
                padding=False,
                truncation=False,
                return_attention_mask=False,
                verbose=False,
            )
        except Exception as error:
            raise tokenizer_fails(opened.summary.name, error) from error
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    return in_pieces(short)


def vocabulary(opened: OpenedModel) -> list[str]:
    """The text of every token id, as `core_hooks.model.prompt.token_text` gives it; empty without a tokenizer."""
    if opened.tokenizer is None:
        return []
    return [token_text(opened, token_id) for token_id in range(len(opened.tokenizer))]


def stock_backend(opened: OpenedModel) -> Any:
    """What the tokenizer of a model hands texts on to if it is a stock one; None for one that does more of its own.

    The way through transformers costs as much again, and all of that time holds Python's lock against the model.
    """
    tokenizer = opened.tokenizer
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
