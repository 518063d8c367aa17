"""The card of a channel says what a look at every token would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.capture.channels import channel_card, examples_at, histogram, rank_channels, rows_beyond
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core_hooks.capture.reader import Capture

TEXTS = number_texts(40)
CHANNEL = 4


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capture]:
    folder = tmp_path_factory.mktemp("captures") / "c"
    write_corpus_capture(folder, TEXTS)
    with open_capture(folder) as opened:
        yield opened


def test_the_top_texts_are_those_with_the_largest_values_with_the_token_marked(capture: Capture) -> None:
    column = capture.column("h.0", CHANNEL)
    card = channel_card(capture, "h.0", CHANNEL, examples=5, neighbours=3)
    largest = [max(column[row] for row in capture.rows_of(text)) for text in range(capture.texts)]
    assert [example.value for example in card.top] == sorted(largest, reverse=True)[:5]
    assert len({example.text for example in card.top}) == 5
    for example in (*card.top, *card.bottom):
        ids = TEXTS[example.text]
        assert example.tokens[example.marked] == f"<{ids[example.position]}>"
        start = max(0, example.position - 3)
        assert list(example.tokens) == [f"<{i}>" for i in ids[start : example.position + 4]]
        assert example.values[example.marked] == np.float32(example.value)
    assert card.bottom[0].value == column.min()


def test_the_histogram_and_the_quantiles_are_of_all_tokens(capture: Capture) -> None:
    column = capture.column("h.0", CHANNEL)
    card = channel_card(capture, "h.0", CHANNEL, bins=16, quantiles=(0.0, 0.5, 1.0))
    assert card.counts.sum() == card.count == len(column)
    assert (card.edges[0], card.edges[-1]) == (column.min(), column.max())
    assert [example.value for _, example in card.quantiles] == [
        column.min(), np.sort(column)[round(0.5 * (len(column) - 1))], column.max(),
    ]  # fmt: skip
    np.testing.assert_allclose((card.mean, card.deviation), (column.mean(), column.std()), rtol=1e-5)


def test_first_tokens_can_be_left_out(capture: Capture) -> None:
    card = channel_card(capture, "h.0", CHANNEL, first_tokens=False)
    assert card.count == capture.rows - capture.texts
    assert all(example.position > 0 for example in (*card.top, *card.bottom))


def test_a_threshold_finds_its_rows_and_they_can_be_shown(capture: Capture) -> None:
    column = capture.column("h.0", CHANNEL)
    rows = rows_beyond(capture, "h.0", CHANNEL, 3.0)
    assert rows.tolist() == np.flatnonzero(column > 3).tolist()
    assert rows_beyond(capture, "h.0", CHANNEL, 3.0, above=False).tolist() == np.flatnonzero(column < 3).tolist()
    shown = examples_at(capture, "h.0", CHANNEL, rows[:4])
    assert [example.row for example in shown] == rows[:4].tolist()
    with pytest.raises(CaptureError, match="has rows"):
        examples_at(capture, "h.0", CHANNEL, [10**6])


def test_channels_are_ranked_with_those_without_a_value_last(capture: Capture) -> None:
    found = capture.statistics("h.0")
    order = rank_channels(found, "maximum")
    assert (np.diff(found.maximum[order]) <= 0).all()
    assert sorted(rank_channels(found, "kurtosis").tolist()) == list(range(6))
    with pytest.raises(CaptureError, match="not by 'beauty'"):
        rank_channels(found, "beauty")  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[], [2.0], [2.0, 2.0, 2.0], [1e30, 1e30]])
def test_a_histogram_of_few_or_equal_values_counts_them(values: list[float]) -> None:
    counts, edges = histogram(np.array(values, np.float32), 8)
    assert counts.sum() == len(values)
    assert (np.diff(edges) > 0).all()
