"""What a plot may know of one site at one moment: the hand-over from the model thread to everything that draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The values of a site so far in a run.

    Attributes
    ----------
    run, step
        The run, and the newest step in it (0 is the prompt, n the n-th generated token). A text of a capture has a
        number below 0 for a run, another one each time that one is shown.
    site, hook_id, stage
        Where the values come from; `stage` is ``"before"`` or ``"after"`` the controllers of the site, ``""`` where
        there are none and both sides are the same, ``"input"`` for what went into the module.
    values
        Read-only. For a site that gives ``[batch, tokens, channels]`` the tokens of all steps so far are joined
        along the token axis; any other shape is the newest call's alone.
    shape, dtype
        Of the newest call, as the model had it.
    first_token
        Position in the sequence of the first row of `values`.
    tokens
        Text of each token of the sequence, from position 0, where known; else shorter or empty.
    dropped
        Records of this site that the memory budget made the run forget.
    live
        True while the run goes on.
    rows
        Of a batch the token texts of each prompt; empty for a single prompt.
    spans
        Of a batch the columns that hold each prompt's tokens, counted as `first_token` is: all others are padding.
        Empty where nothing is.
    dropped_prompts
        How many of a batch, the last ones, did not fit into the memory budget.
    about
        A sentence for the line under the plot; "" for the usual alone.
    blank
        Positions of rows that are NaN only because they have no partner in another run.
    signed
        Whether it is a difference, which is read against zero whatever its signs.
    prompt, prompts
        Which prompt of how many `frame_of_prompt` made this the frame of.
    classes
        Of a corpus with labels, that of the text that each token is of, counted as `tokens` is; else empty.
    origin
        What a title says in place of run and step: a text of a capture, or the pinned runs that this is of.
    """

    run: int
    step: int
    site: str
    hook_id: str
    stage: str
    values: np.ndarray
    shape: tuple[int, ...]
    dtype: str
    first_token: int = 0
    tokens: tuple[str, ...] = ()
    dropped: int = 0
    live: bool = False
    rows: tuple[tuple[str, ...], ...] = ()
    spans: tuple[range, ...] = ()
    dropped_prompts: int = 0
    prompt: int = 0
    prompts: int = 1
    classes: tuple[str, ...] = ()
    origin: str = ""
    about: str = ""
    blank: tuple[int, ...] = ()
    signed: bool = False


def side(stage: str) -> int:
    """How much a stage is what one means by the value of a site, for `max`: what went on, then what the module gave."""
    return ("input", "before", "", "after").index(stage)
