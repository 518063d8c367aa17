"""Statistics of channels are those kept while capturing, and the same when they have to be worked out again."""

from __future__ import annotations

import threading
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis.site_statistics import site_statistics
from core_hooks.capture.folder import CapturedSite, write_capture
from core_hooks.capture.reader import open_capture
from core_hooks.hooks.errors import RunCancelled
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path


def test_kept_statistics_that_are_gone_are_worked_out_from_the_rows(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "c", number_texts(40))
    kept = site_statistics(open_capture(tmp_path / "c"), "h.0")
    (tmp_path / "c" / "statistics.safetensors").unlink()
    told: list[tuple[int, int]] = []
    found = site_statistics(open_capture(tmp_path / "c"), "h.0", on_progress=lambda a, b: told.append((a, b)))
    assert told == [(0, len(values))]
    # Of equal values the rows stand in the order in which they came, and they came in another.
    for field in (field for field in fields(kept) if not field.name.endswith("_rows")):
        np.testing.assert_allclose(getattr(found, field.name), getattr(kept, field.name), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-5, atol=1e-6)


def test_statistics_of_a_run_are_worked_out_and_can_be_given_up(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((1, 7, 3)).astype(np.float32)
    write_capture(
        tmp_path / "r",
        [CapturedSite("h.0", values, "float32")],
        model={},
        prompt="a",
        tokens=["a"] * 7,
        token_ids=[0] * 7,
    )
    capture = open_capture(tmp_path / "r")
    np.testing.assert_allclose(site_statistics(capture, "h.0").maximum, values[0].max(0), rtol=1e-6)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        site_statistics(capture, "h.0", cancel=cancel)


def test_the_column_that_was_read_last_is_kept_and_never_mixed_up(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "c", number_texts(40))
    capture = open_capture(tmp_path / "c")
    first = capture.column("h.0", 2)
    assert capture.column("h.0", 2) is first
    assert not first.flags.writeable
    np.testing.assert_array_equal(capture.column("h.0", 3), values[:, 3])
    np.testing.assert_array_equal(capture.column("h.0", 2), values[:, 2])
    np.testing.assert_array_equal(capture.column("rows.x", 2), values[:, 2])
