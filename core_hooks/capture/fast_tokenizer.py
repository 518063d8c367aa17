"""Token ids by the `tokenizers` library itself, without transformers or torch: in whatever process that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.capture.index import CaptureError
from core_hooks.model.architecture import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A tokenizer takes memory of many times its text; longer ones are cut at white space, where tokens end anyway.
_LONGEST = 1_000_000


def fast_tokenizer(backend: Any, name: str) -> Callable[[list[str]], list[list[int]]]:
    """Give a function from texts to token ids, special tokens included, by a `tokenizers.Tokenizer`.

    The function raises a CaptureError that names the model for a text that can't be tokenised.
    """

    def short(texts: list[str], special: bool = True) -> list[list[int]]:
        try:
            # Whoever tokenised before may have left it cutting or padding.
            if backend.truncation is not None:
                backend.no_truncation()
            if backend.padding is not None:
                backend.no_padding()
            return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=special)]
        except Exception as error:
            raise tokenizer_fails(name, error) from error

    return in_pieces(short)


def in_pieces(short: Callable[..., list[list[int]]]) -> Callable[[list[str]], list[list[int]]]:
    """Give a function that tokenises texts of any length with `short`, which takes texts and whether to begin them."""

    def tokenize(texts: list[str]) -> list[list[int]]:
        if max(map(len, texts)) <= _LONGEST:
            return short(texts)
        return [_long(text, short) if len(text) > _LONGEST else short([text])[0] for text in texts]

    return tokenize


def tokenizer_fails(name: str, error: Exception) -> CaptureError:
    """What to say when the tokenizer of the model `name` raises."""
    return CaptureError(f"The tokenizer of {name} fails on a text ({type(error).__name__}: {one_line(error)}).")


def _long(text: str, short: Callable[..., list[list[int]]]) -> list[int]:
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
