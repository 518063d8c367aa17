"""Frames as they were at an earlier step."""

from __future__ import annotations

import numpy as np

from mi_crow_gui.plotdata.frame import Frame
from mi_crow_gui.plotdata.scrubbing import frame_until

VALUES = np.arange(1 * 9 * 2, dtype=np.float32).reshape(1, 9, 2)
WORDS = tuple("abcdefghi")


def frame(values: np.ndarray = VALUES, first_token: int = 0) -> Frame:
    return Frame(3, 4, "h.0", "a", "before", values, (1, 1, 2), "float32", first_token, WORDS)


def test_an_earlier_step_is_the_part_of_the_values_that_was_known_then() -> None:
    then = frame_until(frame(), 2, 5)
    assert then is not None
    np.testing.assert_array_equal(then.values, VALUES[:, :7])
    assert (then.step, then.shape, then.tokens) == (2, (1, 1, 2), WORDS[:7])
    prompt = frame_until(frame(), 0, 5)
    assert prompt is not None
    assert (prompt.values.shape, prompt.shape) == ((1, 5, 2), (1, 5, 2))


def test_the_newest_step_is_the_frame_itself() -> None:
    whole = frame()
    assert frame_until(whole, 4, 5) is whole
    assert frame_until(whole, 99, 5) is whole


def test_what_was_dropped_or_never_kept_is_not_made_up() -> None:
    assert frame_until(frame(VALUES[:, 6:], first_token=6), 0, 5) is None
    assert frame_until(frame(np.ones((2, 2), np.float32)), 1, 5) is None
