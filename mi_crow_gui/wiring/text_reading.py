"""Texts of a capture as the window wants them: rows for the table, tokens and frames for the plots. On the pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mi_crow_gui.itemmodels.texts_model import TextRow
from mi_crow_gui.plotdata.frame import Frame
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt
from mi_crow_gui.wiring.capture_reading import run_frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core_hooks.capture.reader import Capture, StoredSite

# What the plots show at a time: the tokens of one text, and no more of them than fit in this.
MOST_TOKENS = 2048
_MOST_BYTES = 1 << 27
_SNIPPET = 160


@dataclass(frozen=True, slots=True, eq=False)
class ShownText:
    """A text of a capture, or a part of it, in memory.

    Attributes
    ----------
    number
        Of the text.
    length
        Tokens of the whole text.
    first
        Position in the text of the first token that is shown.
    row
        Row of the capture in which the text begins.
    tokens
        Those that are shown.
    frames
        A frame a site.
    most
        Tokens that can be shown at a time.
    label
        Of the text, ``""`` for none.
    """

    number: int
    length: int
    first: int
    row: int
    tokens: tuple[str, ...]
    frames: tuple[Frame, ...]
    most: int
    label: str = ""


def read_rows(capture: Capture, numbers: Iterable[int]) -> list[TextRow]:
    """What the table says of some texts."""
    rows = []
    for number in numbers:
        words = " ".join(capture.text(number)[: 4 * _SNIPPET].split())
        label = capture.label(number)
        rows.append(TextRow(number, len(capture.rows_of(number)), label, words[:_SNIPPET]))
    return rows


def read_text(capture: Capture, number: int, first: int, count: int, serial: int) -> ShownText:
    """Read `count` tokens of a text from position `first` on, of every site; fewer where memory would not do.

    `serial` is a number that no other text shown had; plots know by it that this is another one.
    """
    rows = capture.rows_of(number)
    length = len(rows)
    most = _fitting(capture)
    count = min(count or most, most)
    first = max(0, min(first, length - 1))
    stop = min(first + count, length)
    label = capture.label(number)
    if capture.index.kind == "run" and first == 0 and stop == length:
        tokens = tuple(capture.index.tokens[rows.start : rows.stop])
        frames = tuple(run_frames(capture.folder, capture.index))
        if capture.index.batch:
            frames = tuple(_of_prompt(frame, number) for frame in frames)
        return ShownText(number, length, 0, rows.start, tokens, frames, most, label)
    tokens = tuple(capture.token_texts(rows.start + first, rows.start + stop))
    origin = f"text {number:,}" + (f" · tokens {first:,} to {stop - 1:,}" if stop - first < length else "")
    frames = tuple(
        frame
        for place, site in enumerate(capture.sites)
        if (frame := _frame(capture, site, place, rows.start, first, stop, tokens, serial, origin, label)) is not None
    )
    return ShownText(number, length, first, rows.start, tokens, frames, most, label)


def _of_prompt(frame: Frame, number: int) -> Frame:
    """One prompt of a batch, which alone is kept in memory."""
    mine = frame_of_prompt(frame, number)
    values = mine.values.copy()
    values.flags.writeable = False
    return replace(mine, values=values)


def _frame(
    capture: Capture,
    site: StoredSite,
    place: int,
    row: int,
    first: int,
    stop: int,
    tokens: tuple[str, ...],
    serial: int,
    origin: str,
    label: str,
) -> Frame | None:
    # A site of a run may begin later than the run did.
    begin, end = max(row + first, site.first_row), min(row + stop, site.first_row + site.rows)
    if begin >= end:
        return None
    # A copy: what is drawn in the GUI thread must not wait for the disk.
    values = capture.read(site, begin, end).copy()[None]
    values.flags.writeable = False
    return Frame(
        run=-serial,
        step=0,
        site=site.site,
        hook_id=f"{place}",
        stage=site.stage,
        values=values,
        shape=values.shape,
        dtype=site.dtype,
        first_token=begin - row,
        # Counted from the beginning of the text; those before the part that is shown are not read.
        tokens=("",) * first + tokens,
        origin=origin,
        classes=(label,) * stop if label else (),
    )


def _fitting(capture: Capture) -> int:
    """Tokens whose values at all sites fit into what the window may hold."""
    one = sum(site.channels * 4 for site in capture.sites)
    return max(1, min(MOST_TOKENS, _MOST_BYTES // max(1, one)))
