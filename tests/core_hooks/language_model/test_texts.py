"""Texts from whatever holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core_hooks.language_model.texts import batches_of, dataset_batches, describe

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_texts_are_cut_into_batches_and_the_last_may_be_short() -> None:
    assert list(batches_of("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(batches_of("abc", None)) == [["a", "b", "c"]]
    assert list(batches_of([], 3)) == []


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        list(batches_of(["a"], size))


def test_a_data_set_may_hold_texts_or_rows_with_a_text() -> None:
    assert list(dataset_batches(["a", {"text": "b"}, "c"], 2)) == [["a", "b"], ["c"]]


class Rows:
    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def iter_batches(self, size: int) -> Iterator[list[dict[str, str]]]:
        for start in range(0, len(self.texts), size):
            yield [{"text": text} for text in self.texts[start : start + size]]


class Extracting(Rows):
    def extract_texts_from_batch(self, batch: list[dict[str, str]]) -> list[str]:
        return [row["text"].upper() for row in batch]


def test_a_data_set_that_cuts_its_own_batches_is_asked_for_them() -> None:
    assert list(dataset_batches(Rows(["a", "b", "c"]), 2)) == [["a", "b"], ["c"]]
    assert list(dataset_batches(Extracting(["a", "b", "c"]), 2)) == [["A", "B"], ["C"]]


@pytest.mark.parametrize("item", [3, None, {"label": "x"}])
def test_an_item_without_a_text_is_refused(item: Any) -> None:
    with pytest.raises(ValueError, match="must be a text or have one under 'text'"):
        list(dataset_batches([item], 1))


def test_a_data_set_is_described_by_class_and_length_where_it_has_one() -> None:
    assert describe(["a", "b"]) == {"type": "list", "length": 2}
    assert describe(iter([])) == {"type": "list_iterator", "length": None}
