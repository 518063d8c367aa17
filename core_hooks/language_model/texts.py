"""Texts from whatever holds them, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def batches_of(texts: Iterable[str], size: int | None) -> Iterator[list[str]]:
    """Yield lists of up to `size` texts; all in one list when `size` is None.

    Raises
    ------
    ValueError
        `size` is not positive.
    """
    if size is not None and size < 1:
        raise ValueError(f"batch_size must be at least 1, got: {size}")
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def dataset_batches(dataset: Any, size: int) -> Iterator[list[str]]:
    """Yield the texts of a data set in lists of up to `size`.

    A data set either cuts its own batches (``iter_batches(size)``, with ``extract_texts_from_batch(batch)`` where
    they are not yet lists of texts), or is iterated item by item, each a text or a mapping with the key ``"text"``.

    Raises
    ------
    ValueError
        An item holds no text.
    """
    if not hasattr(dataset, "iter_batches"):
        yield from batches_of((_text_of(item) for item in dataset), size)
        return
    extract = getattr(dataset, "extract_texts_from_batch", None)
    for batch in dataset.iter_batches(size):
        yield list(extract(batch)) if extract else [_text_of(item) for item in batch]


def describe(dataset: object) -> dict[str, Any]:
    """Return what a run's metadata says of the data set: its class, and its length where it knows it."""
    length = len(dataset) if hasattr(dataset, "__len__") else None
    return {"type": type(dataset).__name__, "length": length}


def _text_of(item: object) -> str:
    text = item.get("text") if isinstance(item, Mapping) else item
    if not isinstance(text, str):
        raise ValueError(f"An item of the data set must be a text or have one under 'text', got: {item!r:.80}")
    return text
