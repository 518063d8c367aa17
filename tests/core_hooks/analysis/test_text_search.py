"""Words and expressions are found where a plain look at every text finds them."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis.text_search import TextQuery, find_texts, find_tokens, matching_tokens
from core_hooks.capture.folder import CapturedSite, write_capture
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from core_hooks.hooks.errors import RunCancelled
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core_hooks.capture.reader import Capture

TEXTS = number_texts(60, seed=2)
LINES = [" ".join(map(str, text)) for text in TEXTS]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capture]:
    folder = tmp_path_factory.mktemp("captures") / "c"
    write_corpus_capture(folder, TEXTS)
    with open_capture(folder) as opened:
        yield opened


def test_a_word_is_found_whole(capture: Capture) -> None:
    wanted = [number for number, text in enumerate(TEXTS) if 4 in text]
    assert find_texts(capture, TextQuery("4")).tolist() == wanted
    assert len(wanted) < sum("4" in line for line in LINES)


@pytest.mark.parametrize("pattern", [r"^1", r"\b4\d 3", r"7$", r"(\d+) \1"])
def test_an_expression_finds_what_the_standard_library_finds(capture: Capture, pattern: str) -> None:
    wanted = [number for number, line in enumerate(LINES) if re.search(pattern, line)]
    assert find_texts(capture, TextQuery(pattern, is_regex=True)).tolist() == wanted


def test_a_match_is_at_the_token_in_which_it_begins_and_may_go_over_several(capture: Capture) -> None:
    wanted = [
        row
        for row in range(capture.rows - 1)
        if capture.row_at(row)[0] == capture.row_at(row + 1)[0] and int(capture.token_ids(row, row + 1)[0]) % 10 == 4
    ]
    assert find_tokens(capture, TextQuery("4> <", is_regex=True)).tolist() == wanted
    starts = np.cumsum([0, *map(len, TEXTS)])[:-1].tolist()
    assert find_tokens(capture, TextQuery(r"^<\d", is_regex=True)).tolist() == starts
    assert len(find_tokens(capture, TextQuery("<", is_regex=True), at_most=5)) == 5


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("an owl marble", ["an", "owl", "marble"]),  # a vocabulary of whole words
        ("an owl marble", ["an", " owl", " mar", "ble"]),
        ("an owl marble", ["an", "owl", "mar", "##ble"]),
        ("owlmarble: owl marble", ["owlmarble", ":", "owl", "marble"]),
    ],
)
def test_words_are_found_whatever_a_tokenizer_does_with_spaces(tmp_path: Path, text: str, tokens: list[str]) -> None:
    values = np.zeros((1, len(tokens), 2), np.float32)
    folder = write_capture(
        tmp_path / "run", [CapturedSite("h.0", values, "float32")], model={"name": "m"}, prompt=text, tokens=tokens,
        token_ids=list(range(len(tokens))),
    )  # fmt: skip
    with open_capture(folder) as opened:
        (row,) = find_tokens(opened, TextQuery("owl marble")).tolist()
    assert tokens[row].strip() == "owl"


def test_tokens_are_labelled_by_an_expression(capture: Capture) -> None:
    ids = np.concatenate(TEXTS)
    np.testing.assert_array_equal(
        matching_tokens(capture, TextQuery(r"^<[1-4]\d>$", is_regex=True), 0, capture.rows), ids >= 10
    )


@pytest.mark.parametrize(("words", "sentence"), [("(", "no regular expression"), ("", "nothing to search for")])
def test_what_is_no_expression_is_one_sentence(capture: Capture, words: str, sentence: str) -> None:
    with pytest.raises(CaptureError, match=sentence):
        find_texts(capture, TextQuery(words, is_regex=True))


def test_a_search_tells_how_far_it_is_and_can_be_given_up(capture: Capture) -> None:
    told: list[tuple[int, int]] = []
    find_texts(capture, TextQuery("4"), on_progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 60)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        find_texts(capture, TextQuery("4"), cancel=cancel)
