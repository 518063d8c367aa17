from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis import corpus_points as module
from core_hooks.analysis.corpus_points import corpus_points
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from core_hooks.hooks.errors import RunCancelled
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = number_texts(60, seed=3)
TEXT_OF = [number for number, text in enumerate(TEXTS) for _ in text]
POSITION = [position for text in TEXTS for position in range(len(text))]


def by_singular_vectors(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = values.astype(np.float64) - values.astype(np.float64).mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.abs(left[:, :2] * sizes[:2]), (sizes**2 / (sizes**2).sum())[:2]


def test_every_token_of_a_capture_has_its_place_text_position_and_label(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "c", TEXTS, labels=True)
    told: list[tuple[int, int]] = []
    with open_capture(tmp_path / "c") as capture:
        found = corpus_points(capture, "h.0", on_progress=lambda done, total: told.append((done, total)))
    points, shares = by_singular_vectors(values)
    np.testing.assert_allclose(np.abs(found.points), points, atol=1e-4)
    np.testing.assert_allclose(found.shares, shares, rtol=1e-5)
    np.testing.assert_allclose(found.norms, np.linalg.norm(values, axis=1), rtol=1e-6)
    assert found.rows.tolist() == list(range(len(TEXT_OF)))
    assert found.texts.tolist() == TEXT_OF
    assert found.positions.tolist() == POSITION
    assert found.token_ids.tolist() == [token for text in TEXTS for token in text]
    assert [found.label_names[code] for code in found.labels] == [f"mood {text % 2}" for text in TEXT_OF]
    assert (found.of, found.left_out) == (len(TEXT_OF), 0)
    assert told[0] == (0, len(TEXT_OF))


@pytest.mark.parametrize("kept", [1 << 29, 0])
@pytest.mark.parametrize("dense", [8, 0])
def test_of_many_tokens_some_are_taken_evenly_without_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, dense: int
) -> None:
    monkeypatch.setattr(module, "_KEPT", kept)
    monkeypatch.setattr(module, "_DENSE", dense)
    monkeypatch.setattr(module, "_TOGETHER", 7)
    values = write_corpus_capture(tmp_path / "c", TEXTS, shard_rows=50)
    with open_capture(tmp_path / "c") as capture:
        found = corpus_points(capture, "h.0", most=40, first_tokens=False)
    later = np.flatnonzero(POSITION)
    assert len(found.rows) == 40
    assert set(found.rows.tolist()) <= set(later.tolist())
    assert found.rows[0] == later[0]
    steps = np.diff(np.searchsorted(later, found.rows))
    assert steps.max() - steps.min() <= 1
    np.testing.assert_allclose(np.abs(found.points), by_singular_vectors(values[found.rows])[0], atol=1e-4)
    assert (found.of, found.label_names, len(found.labels)) == (len(later), (), 0)


def test_what_can_not_be_placed_is_said_and_it_can_be_given_up(tmp_path: Path) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS[:1])
    with open_capture(tmp_path / "c") as capture:
        with pytest.raises(CaptureError, match="has no site 'h.9'"):
            corpus_points(capture, "h.9")
        with pytest.raises(CaptureError, match="has 1 finite vectors here; two are needed"):
            corpus_points(capture, "h.0", most=1)
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(RunCancelled):
            corpus_points(capture, "h.0", cancel=cancel)
