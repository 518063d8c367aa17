"""A run of a `LocalStore` becomes a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from core_hooks.capture.index import CaptureError
from core_hooks.capture.local_store import LocalStore
from core_hooks.capture.reader import open_capture
from core_hooks.capture.store_conversion import capture_from_store

if TYPE_CHECKING:
    from pathlib import Path


def fill(store: LocalStore, whole: bool) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    batches = []
    for number in range(3):
        values = torch.randn(2, 4, 5, generator=rng).to(torch.bfloat16)
        mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
        tensors = {"h_0": {"activations": values}, "inputs": {"attention_mask": mask, "input_ids": mask * (number + 3)}}
        if whole:
            store.put_run_detector_metadata("run", {}, tensors)
        else:
            store.put_detector_metadata("run", number, {}, tensors)
        batches.append(values)
    store.put_run_metadata("run", {"model": "tiny"})
    return batches


@pytest.mark.parametrize("whole", [False, True])
def test_rows_tokens_and_texts_are_those_of_the_batches(tmp_path: Path, whole: bool) -> None:
    store = LocalStore(tmp_path / "store")
    batches = fill(store, whole)
    index = capture_from_store(store, "run", tmp_path / "c")
    assert index.finished
    expected = torch.cat([torch.cat([batch[0], batch[1, :2]]) for batch in batches]).float().numpy()
    with open_capture(tmp_path / "c") as capture:
        assert (capture.texts, capture.rows, len(capture.index.shards)) == (6, 18, 3)
        np.testing.assert_array_equal(capture.read("h_0", 0, 18), expected)
        assert capture.token_ids(6, 12).tolist() == [4] * 6
        assert capture.rows_of(1) == range(4, 6)
        assert capture.index.model["name"] == "tiny"


def test_a_run_without_activations_is_one_sentence(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    with pytest.raises(CaptureError, match="holds no batches"):
        capture_from_store(store, "nothing", tmp_path / "c")
    store.put_detector_metadata("run", 0, {}, {"h_0": {"logits": torch.zeros(2, 2)}})
    with pytest.raises(CaptureError, match="holds no activations"):
        capture_from_store(store, "run", tmp_path / "c")
    (tmp_path / "c").mkdir(exist_ok=True)
    (tmp_path / "c" / "mine.txt").write_text("x")
    fill(store, True)
    with pytest.raises(CaptureError, match="exists already"):
        capture_from_store(LocalStore(tmp_path / "store"), "run", tmp_path / "c")


def test_the_command_makes_a_capture_and_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core_hooks.cli import main

    store = LocalStore(tmp_path / "store")
    fill(store, False)
    assert main(["convert", str(tmp_path / "store"), "--out", str(tmp_path / "c")]) == 0
    assert "6 texts, 18 tokens" in capsys.readouterr().out
    with open_capture(tmp_path / "c") as capture:
        assert capture.rows == 18
    store.put_run_metadata("other", {})
    for arguments, words in (
        ([str(tmp_path / "store")], "name one with --run: other, run"),
        ([str(tmp_path / "store"), "--run", "nope"], "has no run 'nope'"),
        ([str(tmp_path / "store"), "--run", "other"], "holds no batches"),
        ([str(tmp_path / "c")], "is no store"),
    ):
        assert main(["convert", *arguments, "--out", str(tmp_path / "d")]) == 1
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert not (tmp_path / "d").exists()
