"""The part of a batch's frame that is one prompt's: plots and statistics never see padding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core_hooks.capture.prompt_values import prompt_values

if TYPE_CHECKING:
    from core_hooks.capture.record import CaptureRecord
    from mi_crow_gui.plotdata.frame import Frame


def frame_of_prompt(frame: Frame, prompt: int) -> Frame:
    """The values of one prompt of a batch, in its own positions; of the last one if there are fewer.

    A frame of a single prompt is given back as it is. One whose values have no place for the prompt, as that of a
    prompt that the memory budget left out, comes without any.
    """
    count = len(frame.rows)
    if count < 2:
        return frame
    prompt = max(0, min(prompt, count - 1))
    span = frame.spans[prompt] if frame.spans else None
    found = prompt_values(frame.values, prompt, count, span, frame.first_token)
    if found is None:
        channels = frame.values.shape[-1] if frame.values.ndim else 1
        values, first = frame.values.reshape(-1)[:0].reshape(1, 0, channels), 0
    else:
        values, first = found
    return replace(
        frame,
        values=values,
        first_token=first,
        tokens=frame.rows[prompt],
        rows=(),
        spans=(),
        prompt=prompt,
        prompts=count,
    )


def record_of_prompt(record: CaptureRecord, frame: Frame, prompt: int) -> CaptureRecord | None:
    """The part of a call of a batch that is one prompt's; None where it was not kept, or the prompt had ended."""
    count = len(frame.rows)
    prompt = max(0, min(prompt, count - 1))
    span = frame.spans[prompt] if frame.spans else None
    found = prompt_values(record.values, prompt, count, span, record.first_token)
    if found is None or not found[0].size:
        return None
    return replace(record, values=found[0], first_token=found[1])


def was_kept(frame: Frame) -> bool:
    """Whether the prompt that a frame is of fitted into the memory budget."""
    return frame.prompt < frame.prompts - frame.dropped_prompts
