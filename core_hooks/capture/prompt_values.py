"""One prompt's values out of those of a batch: its row, without padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def prompt_values(
    values: np.ndarray, prompt: int, prompts: int, span: range | None = None, first_token: int = 0
) -> tuple[np.ndarray, int] | None:
    """Return the values of one prompt, a view with a batch of one, and the position in the prompt of the first.

    Parameters
    ----------
    values
        ``[prompts, columns, channels]``, or ``[prompts * columns, channels]`` from a module that knows no batch. Of
        any other shape with a place for each prompt that place is given, padding included.
    span
        The columns that hold the prompt's tokens; None where all do.
    first_token
        The column that `values` begin with.

    Returns
    -------
    tuple or None
        None when the values have no place for this prompt.
    """
    if values.ndim == 2 and values.shape[0] % max(1, prompts) == 0 and prompts:
        columns = values.shape[0] // prompts
        start, stop = _cut(span if columns > 1 else None, first_token, columns)
        return values[prompt * columns + start : prompt * columns + stop], 0
    if values.ndim < 3 or not prompt < values.shape[0] <= prompts:
        return None
    mine = values[prompt : prompt + 1]
    if values.ndim != 3:
        return mine, 0
    start, stop = _cut(span, first_token, values.shape[1])
    return mine[:, start:stop], first_token + start - (span.start if span is not None else 0)


def _cut(span: range | None, first: int, columns: int) -> tuple[int, int]:
    if span is None:
        return 0, columns
    start = max(0, min(columns, span.start - first))
    return start, max(start, min(columns, span.stop - first))
