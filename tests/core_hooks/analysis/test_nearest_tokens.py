"""The nearest tokens are those that plain numpy finds, whatever the blocks and dtypes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis import nearest_tokens as module
from core_hooks.analysis.direction_file import read_directions, write_direction
from core_hooks.analysis.nearest_tokens import (
    direction_of_channel,
    direction_of_row,
    examples_along,
    nearest_tokens,
)
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from core_hooks.hooks.errors import RunCancelled
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = number_texts(80, seed=3)


@pytest.fixture(params=["float32", "float16", "bfloat16"])
def capture(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_BLOCK_VALUES", 64 * 6)
    write_corpus_capture(tmp_path / "c", TEXTS, dtype=request.param)
    with open_capture(tmp_path / "c") as opened:
        yield opened


def cosines(values: np.ndarray, direction: np.ndarray) -> np.ndarray:
    wide = values.astype(np.float64)
    return wide @ direction / np.linalg.norm(wide, axis=1) / np.linalg.norm(direction)


def test_the_order_is_that_of_plain_numpy(capture) -> None:
    values = capture.read("h.0", 0, capture.rows)
    direction = np.random.default_rng(0).standard_normal(6).astype(np.float32)
    for measure, wanted in (
        ("cosine", cosines(values, direction)),
        ("projection", values.astype(np.float64) @ direction / np.linalg.norm(direction)),
    ):
        found = nearest_tokens(capture, "h.0", direction, measure=measure, at_most=25)
        np.testing.assert_allclose(found.scores, np.sort(wanted)[::-1][:25], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.scores, wanted[found.rows], rtol=1e-5, atol=1e-6)
        assert found.looked_at == len(values)


def test_a_token_is_nearest_to_itself_and_each_text_comes_once_if_wanted(capture) -> None:
    direction = direction_of_row(capture, "h.0", 7)
    found = nearest_tokens(capture, "h.0", direction, at_most=40, one_of_a_text=True)
    assert found.scores[0] == pytest.approx(1, abs=1e-5)
    numbers = [capture.row_at(row)[0] for row in found.rows]
    assert len(set(numbers)) == len(numbers) == 40
    every = cosines(capture.read("h.0", 0, capture.rows), direction)
    best = [every[list(capture.rows_of(number))].max() for number in range(capture.texts)]
    np.testing.assert_allclose(found.scores, np.sort(best)[::-1][:40], rtol=1e-5, atol=1e-6)


def test_first_tokens_are_left_out_and_neighbours_have_their_scores(capture) -> None:
    direction = direction_of_channel(capture, "h.0", 2)
    found = nearest_tokens(capture, "h.0", direction, at_most=10, first_tokens=False)
    assert all(capture.row_at(row)[1] > 0 for row in found.rows)
    assert found.looked_at == capture.rows - capture.texts
    example = examples_along(capture, "h.0", found, direction, neighbours=2)[0]
    rows = range(example.row - example.marked, example.row - example.marked + len(example.tokens))
    np.testing.assert_allclose(
        example.values, cosines(capture.read("h.0", rows.start, rows.stop), direction), rtol=1e-4, atol=1e-5
    )
    assert example.tokens[example.marked] == f"<{TEXTS[example.text][example.position]}>"


@pytest.mark.parametrize("wrong", [np.ones(5), np.zeros(6), np.full(6, np.nan)])
def test_a_direction_that_does_not_fit_is_one_sentence(capture, wrong: np.ndarray) -> None:
    with pytest.raises(CaptureError, match=r"direction .*h\.0"):
        nearest_tokens(capture, "h.0", wrong)


def test_a_search_can_be_given_up(capture) -> None:
    cancel = threading.Event()
    told = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        cancel.set()

    with pytest.raises(RunCancelled):
        nearest_tokens(capture, "h.0", np.ones(6), on_progress=progress, cancel=cancel)
    assert told == [(0, capture.rows)]


def test_directions_go_through_a_file_that_others_read(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    vector = np.arange(6, dtype=np.float32)
    path = write_direction(tmp_path / "v.safetensors", vector, {"site": "h.0"})
    np.testing.assert_array_equal(load_file(path)["vector"], vector)
    np.testing.assert_array_equal(read_directions(path)["vector"], vector)
    save_file({"m": np.eye(2, dtype=np.float16), "n": np.zeros(3), "i": np.arange(3)}, tmp_path / "m.safetensors")
    assert list(read_directions(tmp_path / "m.safetensors")) == ["m[0]", "m[1]"]
    for content in (b"", b"\xff" * 64, (tmp_path / "v.safetensors").read_bytes()[:-3]):
        (tmp_path / "bad.safetensors").write_bytes(content)
        with pytest.raises(CaptureError, match="not a whole one"):
            read_directions(tmp_path / "bad.safetensors")
    with pytest.raises(CaptureError, match="There is no file"):
        read_directions(tmp_path / "none.safetensors")
    with pytest.raises(CaptureError, match="can't be saved"):
        write_direction(tmp_path / "w.safetensors", np.full(3, np.nan))


def test_values_that_float32_cannot_square_have_their_cosine_too() -> None:
    values = np.array([[3e30, 4e30], [3e-30, 4e-30], [0, 0], [np.inf, 1], [3, 4]], np.float32)
    found = module.scores_along(values, np.array([1, 0], np.float32))
    np.testing.assert_allclose(found[[0, 1, 4]], 0.6, rtol=1e-6)
    assert not np.isfinite(found[[2, 3]]).any()
