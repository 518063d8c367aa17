"""Texts to tensors, the same way everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core_hooks.language_model.context import LanguageModelContext


class LanguageModelTokenizer:
    """Tokenizes for one language model, padding and truncating unless told otherwise."""

    def __init__(self, context: LanguageModelContext) -> None:
        self._context = context

    def tokenize(self, texts: Sequence[str], **kwargs: Any) -> Mapping[str, Any]:
        """Return the encodings of `texts`.

        Parameters
        ----------
        texts
            One or more texts.
        **kwargs
            For the tokenizer. Unless given: ``padding=True`` (to the longest text), ``truncation=True``,
            ``return_tensors="pt"``. ``padding=True`` stays "to the longest" when ``max_length`` is given.

        Returns
        -------
        Mapping
            At least ``input_ids``, int64 of shape ``(texts, tokens)`` on the CPU, as a rule with
            ``attention_mask`` of the same shape, 0 where padded.

        Raises
        ------
        ValueError
            There is no tokenizer; or texts of several lengths and no token to pad with.
        """
        tokenizer = self._context.tokenizer
        if tokenizer is None:
            raise ValueError("Tokenizer must be initialized before running inference")
        options: dict[str, Any] = {"padding": True, "truncation": True, "return_tensors": "pt", **kwargs}
        if options["padding"] is True and "max_length" in options:
            options["padding"] = "longest"
        encodings: Mapping[str, Any] = tokenizer(list(texts), **options)
        return encodings


def ensure_padding(tokenizer: Any) -> None:
    """Let a tokenizer that has no padding token, GPT-2's for one, pad with its end-of-text token."""
    if getattr(tokenizer, "pad_token", None) is None and getattr(tokenizer, "eos_token", None) is not None:
        tokenizer.pad_token = tokenizer.eos_token
