"""A frame as it was at an earlier step of its run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame


def frame_until(frame: Frame, step: int, prompt_tokens: int) -> Frame | None:
    """The frame at `step` (0: the prompt), or None if its values were dropped or are kept of the newest step only.

    A causal model never changes the values of earlier tokens, so those of an earlier step are a part of the newest.
    """
    if step >= frame.step:
        return frame
    if frame.values.ndim != 3:
        return None
    end = prompt_tokens + step - frame.first_token
    if end <= 0:
        return None
    values = frame.values[:, :end]
    shape = (values.shape[0], prompt_tokens if step == 0 else 1, values.shape[2])
    return replace(frame, step=step, values=values, shape=shape, tokens=frame.tokens[: frame.first_token + end])
