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
        The run, and the newest step in it (0 is the prompt, n the n-th generated token).
    site, hook_id, stage
        Where the values come from; `stage` is ``"before"`` or ``"after"`` the controllers of the site, ``""`` where
        there are none and both sides are the same.
    values
        Read-only. For a site that gives ``[batch, tokens, channels]`` the tokens of all steps so far are joined
        along the token axis; any other shape is the newest call's alone.
    shape, dtype
        Of the newest call, as the model had it.
    first_token
        Position in the sequence of the first row of `values`.
    tokens
        Text of each row where known, else shorter or empty.
    dropped
        Records of this site that the memory budget made the run forget.
    live
        True while the run goes on.
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
