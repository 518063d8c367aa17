"""The tokens of a capture that lie nearest to a direction: another token's vector, a channel, a steering vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core_hooks.capture.channels import Example
from core_hooks.capture.halves import widened_halves
from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.capture.reader import Capture, StoredSite

Measure = Literal["cosine", "projection"]
_BLOCK_VALUES = 1 << 22  # looked at between two looks at `cancel`
_CACHED = 1 << 17  # values whose float32 stay in the cache between being made and being used


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """What a search found, the nearest first.

    Attributes
    ----------
    rows
        int64, rows of the capture.
    scores
        float32: the cosine between the token's vector and the direction, or the token's length along it in the
        site's units.
    looked_at
        How many tokens were compared.
    """

    rows: np.ndarray
    scores: np.ndarray
    looked_at: int


def direction_of_row(capture: Capture, site: StoredSite | str, row: int) -> np.ndarray:
    """Vector of a token at a site, float32 ``[channels]``; CaptureError when it holds NaN or is zero."""
    found = capture.site(site) if isinstance(site, str) else site
    vector = capture.read(found, row, row + 1)[0].astype(np.float32)
    return _checked(vector, found)


def direction_of_channel(capture: Capture, site: StoredSite | str, channel: int) -> np.ndarray:
    """Direction of one channel, float32 ``[channels]``; CaptureError when there is no such channel."""
    found = capture.site(site) if isinstance(site, str) else site
    if not 0 <= channel < found.channels:
        raise CaptureError(f"'{found.site}' has channels 0 to {found.channels - 1}, not {channel}.")
    return np.eye(1, found.channels, channel, dtype=np.float32)[0]


def nearest_tokens(
    capture: Capture,
    site: StoredSite | str,
    direction: np.ndarray,
    *,
    measure: Measure = "cosine",
    at_most: int = 200,
    first_tokens: bool = True,
    one_of_a_text: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Nearest:
    """Compare every token of a site with a direction.

    Parameters
    ----------
    direction
        ``[channels]``, of any length.
    measure
        ``"cosine"``: the angle alone. ``"projection"``: how far along the direction, which long vectors win.
    first_tokens
        False leaves out the first token of each text, whose vector is of another size in many models.
    one_of_a_text
        Keep the nearest token of each text alone.
    on_progress
        Called with the rows done and their number.
    cancel
        Checked between blocks.

    Raises
    ------
    CaptureError
        The direction has another number of channels, NaN, or no length; or the capture is damaged.
    RunCancelled
        `cancel` was set.
    """
    found = capture.site(site) if isinstance(site, str) else site
    direction = _checked(np.asarray(direction, np.float32), found)
    unit = (direction / np.linalg.norm(direction.astype(np.float64))).astype(np.float32)
    best = _Best(at_most)
    looked_at = 0
    block = max(64, _BLOCK_VALUES // found.channels)
    for start, values in capture.pieces(found, block):
        if cancel is not None and cancel.is_set():
            raise RunCancelled("The search was cancelled.")
        if on_progress is not None:
            on_progress(start - found.first_row, found.rows)
        scores = scores_along(values, unit, measure)
        usable = np.isfinite(scores)
        if not first_tokens:
            usable &= capture.positions(start, start + len(values)) > 0
        looked_at += int(usable.sum())
        texts = capture.text_numbers(start, start + len(values)) if one_of_a_text else None
        best.add(np.where(usable, scores, -np.inf), start, texts)
    rows, scores = best.result()
    return Nearest(rows, scores, looked_at)


def scores_along(values: np.ndarray, unit: np.ndarray, measure: Measure = "cosine") -> np.ndarray:
    """How near each row of ``[rows, channels]`` lies to a direction of length 1, float32; NaN for a zero vector."""
    found = np.empty(len(values), np.float32)
    step = max(16, _CACHED // max(1, values.shape[1]))
    shape = (min(step, len(values)), values.shape[1])
    room = np.empty(shape, np.float32) if values.dtype == np.float16 else None
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for start in range(0, len(values), step):
            part = values[start : start + step]
            wide = widened_halves(part, room[: len(part)]) if room is not None else part.astype(np.float32, copy=False)
            found[start : start + step] = _scores(wide, unit, measure)
    return found


def _scores(wide: np.ndarray, unit: np.ndarray, measure: Measure) -> np.ndarray:
    along: np.ndarray = wide @ unit
    if measure == "projection":
        return along
    squares = np.einsum("ij,ij->i", wide, wide)
    cosine: np.ndarray = along / np.sqrt(squares)
    # What float32 can't square, large or small, is worked out in float64.
    odd = np.flatnonzero(~((squares > 1e-30) & (squares < 1e37)))
    if len(odd):
        exact = wide[odd].astype(np.float64)
        cosine[odd] = (exact @ unit.astype(np.float64)) / np.sqrt(np.einsum("ij,ij->i", exact, exact))
    return cosine


def examples_along(
    capture: Capture,
    site: StoredSite | str,
    nearest: Nearest,
    direction: np.ndarray,
    *,
    measure: Measure = "cosine",
    neighbours: int = 8,
) -> list[Example]:
    """The found tokens with their neighbours in the text, and how near each of these is to the direction."""
    found = capture.site(site) if isinstance(site, str) else site
    unit = (direction / np.linalg.norm(direction.astype(np.float64))).astype(np.float32)
    examples = []
    for row, score in zip(nearest.rows.tolist(), nearest.scores.tolist(), strict=True):
        start, stop, number, position = around(capture, found, row, neighbours)
        values = scores_along(capture.read(found, start, stop), unit, measure)
        tokens = tuple(capture.token_texts(start, stop))
        examples.append(Example(row, number, position, score, tokens, values, row - start))
    return examples


def around(capture: Capture, site: StoredSite, row: int, neighbours: int) -> tuple[int, int, int, int]:
    """Rows from and to that surround a row within its text, and its text and position there."""
    number, position = capture.row_at(row)
    text = capture.rows_of(number)
    start = max(row - neighbours, text.start, site.first_row)
    stop = min(row + neighbours + 1, text.stop, site.first_row + site.rows)
    return start, stop, number, position


class _Best:
    """The rows with the largest scores so far."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._scores = np.empty(0, np.float32)
        self._rows = np.empty(0, np.int64)
        self._texts = np.empty(0, np.int64)

    def add(self, scores: np.ndarray, first_row: int, texts: np.ndarray | None) -> None:
        rows = first_row + np.arange(len(scores))
        groups = rows if texts is None else texts.astype(np.int64)
        if texts is not None:
            begins = np.concatenate([[0], np.flatnonzero(np.diff(groups)) + 1]) if len(groups) else np.arange(0)
            ends = np.append(begins[1:], len(groups))
            places = np.array([b + int(np.argmax(scores[b:e])) for b, e in zip(begins, ends, strict=True)], np.int64)
        else:
            places = np.arange(len(scores))
        floor = self._scores[-1] if len(self._scores) >= self._at_most else -np.inf
        places = places[scores[places] > floor]
        if not len(places):
            return
        scores = np.concatenate([self._scores, scores[places]])
        rows = np.concatenate([self._rows, rows[places]])
        groups = np.concatenate([self._texts, groups[places]])
        order = np.argsort(-scores, kind="stable")
        if texts is not None:
            # A text that goes on in the next block may be there twice.
            _, first = np.unique(groups[order], return_index=True)
            order = order[np.sort(first)]
        order = order[: self._at_most]
        self._scores, self._rows, self._texts = scores[order], rows[order], groups[order]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        return self._rows, self._scores


def _checked(direction: np.ndarray, site: StoredSite) -> np.ndarray:
    if direction.shape != (site.channels,):
        raise CaptureError(
            f"The direction has {direction.size} channels and '{site.site}' {site.channels}: "
            "it belongs to another site or another model."
        )
    if not np.isfinite(direction).all() or not direction.any():
        raise CaptureError(f"The direction at '{site.site}' holds NaN or infinity, or is zero: nothing is near to it.")
    return direction
