"""Which windows go through the model together: of like length, up to a number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


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
