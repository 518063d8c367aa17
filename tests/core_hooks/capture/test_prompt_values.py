"""One prompt out of a batch."""

from __future__ import annotations

import numpy as np

from core_hooks.capture.prompt_values import prompt_values

VALUES = np.arange(3 * 5 * 2, dtype=np.float32).reshape(3, 5, 2)


def test_a_prompt_is_its_row_without_padding_on_either_side() -> None:
    cut, first = prompt_values(VALUES, 1, 3, range(2, 5)) or (None, -1)
    np.testing.assert_array_equal(cut, VALUES[1:2, 2:5])
    assert first == 0
    assert np.shares_memory(cut, VALUES)
    cut, first = prompt_values(VALUES, 2, 3, range(0, 4)) or (None, -1)
    np.testing.assert_array_equal(cut, VALUES[2:3, :4])


def test_columns_that_were_dropped_move_the_first_position() -> None:
    cut, first = prompt_values(VALUES, 1, 3, range(3, 12), first_token=7) or (None, -1)
    np.testing.assert_array_equal(cut, VALUES[1:2])
    assert first == 4
    cut, first = prompt_values(VALUES, 1, 3, range(3, 9), first_token=7) or (None, -1)
    np.testing.assert_array_equal(cut, VALUES[1:2, :2])


def test_a_prompt_that_ended_before_these_columns_has_no_values_there() -> None:
    cut, _ = prompt_values(VALUES, 1, 3, range(0, 4), first_token=7) or (None, -1)
    assert cut is not None
    assert cut.shape == (1, 0, 2)


def test_a_module_that_knows_no_batch_has_the_prompts_one_behind_the_other() -> None:
    cut, _ = prompt_values(VALUES.reshape(15, 2), 1, 3, range(2, 5)) or (None, -1)
    np.testing.assert_array_equal(cut, VALUES[1, 2:5])


def test_a_prompt_that_was_not_kept_is_none() -> None:
    assert prompt_values(VALUES, 3, 8) is None
    assert prompt_values(np.zeros(4), 0, 3) is None


def test_other_shapes_give_the_place_of_the_prompt() -> None:
    heads = np.arange(3 * 2 * 4 * 4).reshape(3, 2, 4, 4)
    cut, _ = prompt_values(heads, 2, 3, range(1, 4)) or (None, -1)
    np.testing.assert_array_equal(cut, heads[2:3])
