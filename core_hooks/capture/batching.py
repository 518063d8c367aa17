"""Which windows go through the model together: of like length, up to a number of tokens; and padded to one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core_hooks.capture.shard_plan import ShardPlan


@dataclass(frozen=True, slots=True, eq=False)
class PaddedBatch:
    """Windows that go through the model together.

    Attributes
    ----------
    rows
        int64 [tokens], the rows in the shard of the real tokens, window behind window.
    lengths
        int64 [windows].
    ids, mask
        int64 [windows, longest], padded behind; 1 where a token is real.
    kept
        int64 [tokens], which of the ids, taken row by row, are real; None where all are.
    """

    rows: np.ndarray
    lengths: np.ndarray
    ids: np.ndarray
    mask: np.ndarray
    kept: np.ndarray | None


def padded_batches(plan: ShardPlan, groups: Sequence[Sequence[int]], pad: int) -> Iterator[PaddedBatch]:
    """The windows of a shard, put together as `batches` says; made all at once, for a call for each would cost more."""
    windows = np.concatenate([np.asarray(group, np.int64) for group in groups])
    lengths = plan.lengths[windows]
    begins = np.zeros(len(groups) + 1, np.int64)  # the first window of each batch
    np.cumsum([len(group) for group in groups], out=begins[1:])
    longest = np.maximum.reduceat(lengths, begins[:-1])
    places = np.zeros(len(groups) + 1, np.int64)  # where each batch begins among padded tokens, and among real ones
    np.cumsum(longest * np.diff(begins), out=places[1:])
    tokens = np.zeros(len(windows) + 1, np.int64)
    np.cumsum(lengths, out=tokens[1:])
    ends = tokens[begins]
    inside = np.arange(len(windows)) - np.repeat(begins[:-1], np.diff(begins))
    starts = inside * np.repeat(longest, np.diff(begins))  # of each window, within its batch
    kept = np.repeat(starts - tokens[:-1], lengths) + np.arange(tokens[-1])
    real = kept + np.repeat(places[:-1], np.diff(ends))
    rows = plan.rows_of(windows)
    ids, mask = np.full(places[-1], pad, np.int64), np.zeros(places[-1], np.int64)
    ids[real], mask[real] = plan.ids[rows], 1
    for number, length in enumerate(longest.tolist()):
        whole, here = slice(places[number], places[number + 1]), slice(ends[number], ends[number + 1])
        full = whole.stop - whole.start == here.stop - here.start
        yield PaddedBatch(
            rows[here],
            lengths[begins[number] : begins[number + 1]],
            ids[whole].reshape(-1, length),
            mask[whole].reshape(-1, length),
            None if full else kept[here],
        )


def batches(lengths: Sequence[int] | np.ndarray, batch_tokens: int, *, same_length: bool = False) -> list[list[int]]:
    """Group windows by length, the longest first, so that little padding is computed.

    Parameters
    ----------
    lengths
        Tokens of each window.
    batch_tokens
        Tokens of a batch at most, padding included; a window longer than that is alone.
    same_length
        Never put windows of different lengths together, for a model that can't be told what is padding.

    Returns
    -------
    list of list of int
        Numbers of the windows, each once; the same for the same lengths, whatever the machine.
    """
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable").tolist()
    found: list[list[int]] = []
    at = 0
    while at < len(order):
        together = max(1, batch_tokens // max(1, int(sizes[order[at]])))
        group = order[at : at + together]
        if same_length:
            group = [number for number in group if sizes[number] == sizes[group[0]]]
        found.append(group)
        at += len(group)
    return found
