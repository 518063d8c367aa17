from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis.embedding import FEWEST, TSNE, UMAP, embed, lacking

if TYPE_CHECKING:
    from pathlib import Path

needs_sklearn = pytest.mark.skipif(bool(lacking(TSNE)), reason="scikit-learn is not installed")
needs_umap = pytest.mark.skipif(bool(lacking(UMAP)), reason="umap-learn is not installed")


def clusters(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 3, count)
    return (rng.standard_normal((count, 8)) + 12 * np.eye(3, 8)[kinds]).astype(np.float32), kinds


def share_of_neighbours(points: np.ndarray, kinds: np.ndarray) -> float:
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    return float((kinds[distances.argmin(1)] == kinds).mean())


@needs_sklearn
@pytest.mark.filterwarnings("default")
def test_t_sne_is_that_of_scikit_learn_and_tells_how_far_it_is() -> None:
    from sklearn.manifold import TSNE as Plain

    values, kinds = clusters()
    told: list[tuple[int, int]] = []
    points = embed(values, TSNE, on_progress=lambda *far: told.append(far))
    expected = Plain(perplexity=59 / 3, init="pca", max_iter=1000, random_state=0).fit_transform(values)
    np.testing.assert_allclose(points, expected, rtol=1e-4)
    assert share_of_neighbours(points, kinds) == 1
    assert told[-1] >= (950, 1000)


@needs_umap
@pytest.mark.timeout(600)
def test_umap_in_a_process_of_its_own_keeps_neighbours_and_tells_how_far_it_is(tmp_path: Path) -> None:
    values, kinds = clusters()
    np.save(tmp_path / "values.npy", values)
    command = [sys.executable, "-m", "core_hooks.analysis.embedding", UMAP]
    paths = [str(tmp_path / name) for name in ("values.npy", "points.npy")]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=True)
    assert share_of_neighbours(np.load(tmp_path / "points.npy"), kinds) == 1
    assert done.stdout.splitlines()[-1] == "progress 500 500"


def test_what_is_missing_is_named_and_nothing_else_is_imported_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert lacking(UMAP) == "UMAP needs umap-learn, which is not installed: pip install umap-learn"
    with pytest.raises(ImportError, match="scikit-learn"):
        embed(np.zeros((FEWEST, 2), np.float32), TSNE)


def test_too_few_vectors_and_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        embed(np.zeros((FEWEST - 1, 2), np.float32), TSNE)
    with pytest.raises(ValueError, match="'pacmap'"):
        embed(np.zeros((9, 2), np.float32), "pacmap")


def test_a_file_that_can_t_be_used_ends_the_process_with_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.zeros((2, 2), np.float32))
    command = [sys.executable, "-m", "core_hooks.analysis.embedding", TSNE]
    paths = [str(tmp_path / name) for name in ("few.npy", "points.npy")]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("failed t-SNE needs at least 5")
