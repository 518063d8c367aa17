"""What a run remembers of its sites."""

from __future__ import annotations

import numpy as np
import pytest

from core_hooks.capture.history import RunHistory, SiteHistory
from core_hooks.capture.record import CaptureRecord


def record(values: np.ndarray, step: int = 0, first_token: int = 0, hook_id: str = "a") -> CaptureRecord:
    return CaptureRecord(
        run=1, step=step, call=0, site="h.0", hook_id=hook_id, stage="before", values=values,
        dtype=values.dtype.name, first_token=first_token,
    )  # fmt: skip


def rows(count: int, start: int = 0, channels: int = 3) -> np.ndarray:
    values = np.arange(start * channels, (start + count) * channels, dtype=np.float32)
    return values.reshape(1, count, channels)


def test_the_tokens_of_a_generation_are_joined_along_the_token_axis() -> None:
    history = SiteHistory(budget=10_000, expected_tokens=7)
    history.append(record(rows(5)))
    history.append(record(rows(1, 5), step=1, first_token=5))
    history.append(record(rows(1, 6), step=2, first_token=6))
    np.testing.assert_array_equal(history.values(), rows(7))
    np.testing.assert_array_equal(history.values(step=1), rows(6))
    np.testing.assert_array_equal(history.values(step=0), rows(5))


def test_a_view_given_away_never_changes() -> None:
    history = SiteHistory(budget=10_000, expected_tokens=2)
    history.append(record(rows(2)))
    view = history.values()
    assert view is not None
    before = view.copy()
    for step in range(1, 40):
        history.append(record(rows(1, 1 + step), step=step, first_token=1 + step))
    np.testing.assert_array_equal(view, before)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0, 0] = 1


def test_a_full_budget_forgets_the_oldest_tokens_and_counts_them() -> None:
    row = 3 * 4
    history = SiteHistory(budget=8 * row, expected_tokens=100)
    history.append(record(rows(4)))
    for step in range(1, 21):
        history.append(record(rows(1, 3 + step), step=step, first_token=3 + step))
    values = history.values()
    assert values is not None
    assert history.nbytes <= 8 * row
    assert history.dropped == history.first_token > 0
    np.testing.assert_array_equal(values, rows(24)[:, history.first_token :])
    assert history.values(step=0) is None, "what was dropped is said to be gone, not shown as something else"


def test_a_prompt_starts_the_tokens_anew() -> None:
    history = SiteHistory(budget=10_000, expected_tokens=4)
    history.append(record(rows(4)))
    history.append(record(rows(4) * 2))
    np.testing.assert_array_equal(history.values(), rows(4) * 2)


def test_other_shapes_are_kept_call_by_call_within_the_budget() -> None:
    pattern = np.ones((2, 4, 4), np.float32)[None]
    history = SiteHistory(budget=3 * pattern.nbytes, expected_tokens=9)
    for step in range(5):
        history.append(record(pattern * step, step=step))
    assert history.dropped == 2
    np.testing.assert_array_equal(history.values(), pattern * 4)
    np.testing.assert_array_equal(history.values(step=2), pattern * 2)
    assert history.values(step=1) is None


def test_sites_share_the_budget_of_a_run() -> None:
    history = RunHistory(1, budget=2 * 5 * 12, sites=2, expected_tokens=50)
    for hook_id in ("a", "b"):
        history.append(record(rows(3), hook_id=hook_id))
        for step in range(1, 30):
            history.append(record(rows(1, 2 + step), step=step, first_token=2 + step, hook_id=hook_id))
    assert history.nbytes <= 2 * 5 * 12
    assert history.dropped == sum(site.dropped for site in history.all().values()) > 0


def batch(prompts: int, tokens: int, start: int = 0) -> np.ndarray:
    return np.stack([rows(tokens, start) + 1000 * prompt for prompt in range(prompts)])[:, 0]


def test_a_batch_larger_than_the_budget_keeps_its_first_prompts_whole() -> None:
    history = SiteHistory(budget=2 * 6 * 12 + 5, expected_tokens=6)
    history.append(record(batch(5, 4)))
    values = history.values()
    np.testing.assert_array_equal(values, batch(5, 4)[:3])
    assert (history.dropped_prompts, history.dropped) == (2, 0)
    assert history.nbytes <= history.budget
    assert history.latest is not None
    assert history.latest.values.base is None, "the rest of the batch is not held behind a view"
    history.append(record(batch(5, 1, 4), step=1, first_token=4))
    np.testing.assert_array_equal(history.values(), batch(5, 5)[:3, -history.values().shape[1] :])


def test_a_prompt_larger_than_the_budget_keeps_its_last_tokens() -> None:
    history = SiteHistory(budget=8 * 12, expected_tokens=20)
    history.append(record(rows(20)))
    np.testing.assert_array_equal(history.values(), rows(20)[:, 12:])
    assert (history.first_token, history.dropped, history.dropped_prompts) == (12, 12, 0)
    assert history.nbytes <= history.budget


def test_a_prompt_that_nothing_follows_is_held_once() -> None:
    history = SiteHistory(budget=10_000, expected_tokens=5)
    captured = record(rows(5))
    history.append(captured)
    assert np.shares_memory(history.values(), captured.values)
