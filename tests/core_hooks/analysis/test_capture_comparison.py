"""Comparing captures and weights in blocks gives what plain numpy gives at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis import capture_comparison as module
from core_hooks.analysis.capture_comparison import compare_captures, pair_sites
from core_hooks.analysis.weights_comparison import by_layer, compare_weights
from core_hooks.capture.folder import CapturedSite, write_capture
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from core_hooks.hooks.errors import RunCancelled
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = 90


def run_capture(folder: Path, sites: dict[str, np.ndarray], ids: list[int] | None = None) -> Path:
    captured = [CapturedSite(name, values[None].astype(np.float32), "float32") for name, values in sites.items()]
    ids = ids or list(range(TOKENS))
    return write_capture(
        folder, captured, model={"name": folder.name}, prompt="p", tokens=[f"t{i}" for i in ids], token_ids=ids
    )


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_VALUES", 1)  # blocks of 64 rows


def test_every_number_is_that_of_plain_numpy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((TOKENS, 7)) + 30
    b = a + 0.3 * rng.standard_normal((TOKENS, 7))
    b[40] += 9
    b[:, 5] += 2
    one = open_capture(run_capture(tmp_path / "a", {"h.0": a, "only": a}))
    other = open_capture(run_capture(tmp_path / "b", {"h.0": b}))
    told: list[tuple[int, int]] = []
    (found,) = compare_captures(one, other, on_progress=lambda d, t: told.append((d, t)))
    x, y = a.astype(np.float32).astype(np.float64), b.astype(np.float32).astype(np.float64)
    assert found.cka == pytest.approx(linear_cka(x, y), rel=1e-5)
    cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert found.cosine == pytest.approx(cosine.mean(), rel=1e-9)
    assert found.difference == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x), rel=1e-9)
    changes = np.linalg.norm(y - x, axis=1)
    assert found.rows.tolist() == np.argsort(-changes)[:20].tolist()
    np.testing.assert_allclose(found.row_changes, np.sort(changes)[::-1][:20])
    rms = np.sqrt(((y - x) ** 2).mean(0))
    assert found.channels.tolist() == np.argsort(-rms).tolist()
    np.testing.assert_allclose(found.channel_changes, np.sort(rms)[::-1])
    assert found.rows[0] == 40
    assert found.channels[0] == 5
    assert told == [(0, TOKENS), (64, TOKENS)]


def test_a_capture_equals_itself_and_a_rotation_leaves_cka_at_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((TOKENS, 5))
    turn, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    one = open_capture(run_capture(tmp_path / "a", {"h.0": a}))
    (same,) = compare_captures(one, one)
    assert (same.cka, same.difference) == (pytest.approx(1, abs=1e-6), 0)
    (turned,) = compare_captures(one, open_capture(run_capture(tmp_path / "b", {"h.0": a @ turn * 3})))
    assert turned.cka == pytest.approx(1, abs=1e-5)
    assert turned.cosine < 0.9


def test_other_architectures_are_paired_by_order_and_only_aligned(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((TOKENS, 5)), rng.standard_normal((TOKENS, 8))
    one = open_capture(run_capture(tmp_path / "a", {"h.0": a}))
    other = open_capture(run_capture(tmp_path / "b", {"model.layers.0": b}))
    assert [(x.site, y.site) for x, y in pair_sites(one, other)] == [("h.0", "model.layers.0")]
    (found,) = compare_captures(one, other)
    assert found.cka == pytest.approx(linear_cka(a, b), rel=1e-4)
    assert np.isnan(found.cosine)
    assert np.isnan(found.difference)
    assert len(found.rows) == 0


def test_values_that_are_no_numbers_are_left_out_and_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    a = rng.standard_normal((TOKENS, 4))
    b = a + 1
    b[3, 2] = np.nan
    a[7, 0] = np.inf
    one = open_capture(run_capture(tmp_path / "a", {"h.0": a}))
    (found,) = compare_captures(one, open_capture(run_capture(tmp_path / "b", {"h.0": b})))
    assert (found.tokens, found.left_out) == (TOKENS - 2, 2)
    assert np.isfinite([found.cka, found.cosine, found.difference]).all()


def test_captures_of_other_texts_are_refused_where_they_part(tmp_path: Path) -> None:
    a = np.ones((TOKENS, 2))
    ids = list(range(TOKENS))
    one = open_capture(run_capture(tmp_path / "a", {"h.0": a}))
    other = open_capture(run_capture(tmp_path / "b", {"h.0": a}, [*ids[:50], 7, *ids[51:]]))
    with pytest.raises(CaptureError, match="Row 50 is 't50' in 'a' and 't7' in 'b'"):
        compare_captures(one, other)
    short = open_capture(run_capture(tmp_path / "c", {"h.0": a[:9]}, ids[:9]))
    with pytest.raises(CaptureError, match="holds 90 tokens and 'c' 9"):
        compare_captures(one, short)


def test_corpora_of_several_shards_are_compared_and_it_can_be_given_up(tmp_path: Path) -> None:
    texts = number_texts(40)
    write_corpus_capture(tmp_path / "a", texts)
    write_corpus_capture(tmp_path / "b", texts, dtype="float16", shard_rows=50)
    one, other = open_capture(tmp_path / "a"), open_capture(tmp_path / "b")
    found = compare_captures(one, other)
    assert [item.site_a for item in found] == ["h.0", "rows.x"]
    assert all(item.cka > 0.9999 and 0 < item.difference < 1e-3 for item in found)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        compare_captures(one, other, cancel=cancel)


def test_weights_are_compared_tensor_by_tensor_without_loading_models(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    a = {"w": torch.randn(30, 20), "b": torch.zeros(5), "gone": torch.ones(2), "n": torch.arange(3), "s": torch.ones(2)}
    b = {
        "w": a["w"] + 0.1 * torch.randn(30, 20),
        "b": torch.zeros(5),
        "new": torch.ones(2),
        "n": a["n"],
        "s": torch.ones(3),
    }
    for folder, tensors, dtype in (("a", a, torch.float32), ("b", b, torch.bfloat16)):
        (tmp_path / folder).mkdir()
        kept = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
        save_file({"w": kept.pop("w")}, tmp_path / folder / "model-1.safetensors")
        save_file(kept, tmp_path / folder / "model-2.safetensors")
    found = {item.name: item for item in compare_weights(tmp_path / "a", tmp_path / "b")}
    x, y = a["w"].double().flatten(), b["w"].bfloat16().double().flatten()
    assert found["w"].difference == pytest.approx(float((y - x).norm()), rel=1e-9)
    assert found["w"].relative == pytest.approx(float((y - x).norm() / x.norm()), rel=1e-9)
    assert found["w"].cosine == pytest.approx(float(x @ y / x.norm() / y.norm()), rel=1e-9)
    assert found["b"].difference == 0
    assert np.isnan(found["b"].cosine)
    problems = {name: item.problem for name, item in found.items() if item.problem}
    assert problems == {"gone": "only in A", "new": "only in B", "n": "I64 is no floating dtype", "s": "in B it is 3"}
    with pytest.raises(CaptureError, match=r"holds no \.safetensors"):
        compare_weights(tmp_path, tmp_path / "b")
    (tmp_path / "a" / "model-1.safetensors").write_bytes(b"abc")
    with pytest.raises(CaptureError, match="not a whole safetensors file"):
        compare_weights(tmp_path / "a", tmp_path / "b")


def write_model(folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    from safetensors.numpy import save_file

    folder.mkdir()
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


def test_tensors_of_a_layer_are_taken_together_as_one_long_vector(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = ["wte.weight", *(f"h.{block}.{part}" for block in (2, 10) for part in ("ln.bias", "mlp.c.weight", "z"))]
    a = {name: rng.standard_normal((3, 4)) for name in names}
    a["h.2.z"] = np.zeros((3, 4))  # has no cosine
    b = {
        name: value + (0.1 * rng.standard_normal((3, 4)) if name.startswith("h.10") else 0) for name, value in a.items()
    }
    b["h.2.new"] = np.ones(1)
    layers = by_layer(compare_weights(write_model(tmp_path / "a", a), write_model(tmp_path / "b", b)))
    assert [layer.name for layer in layers] == ["h.2", "h.10", "wte"]
    assert [(layer.tensors, layer.changed, layer.apart) for layer in layers] == [(3, 0, 1), (3, 3, 0), (1, 0, 0)]
    for layer in layers:
        kept = [name for name in names if name.startswith(layer.name)]
        x, y = (np.concatenate([m[n].astype(np.float32).astype(np.float64).ravel() for n in kept]) for m in (a, b))
        assert layer.difference == pytest.approx(float(np.linalg.norm(y - x)), rel=1e-12, abs=1e-12)
        assert layer.relative == pytest.approx(float(np.linalg.norm(y - x) / np.linalg.norm(x)), rel=1e-12, abs=1e-12)
        assert layer.cosine == pytest.approx(float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)), rel=1e-12)


def test_models_that_differ_in_a_prefix_alone_are_compared_either_way(tmp_path: Path) -> None:
    bare = {f"h.{block}.w": np.full(3, block + 1.0) for block in range(3)}
    headed = {f"transformer.{name}": value * 2 for name, value in bare.items()} | {"lm_head.weight": np.ones(2)}
    one, other = write_model(tmp_path / "bare", bare), write_model(tmp_path / "headed", headed)
    found = compare_weights(one, other)
    assert [(item.name, item.relative, item.problem) for item in found[:3]] == [(f"h.{n}.w", 1.0, "") for n in range(3)]
    assert (found[3].name, found[3].problem) == ("lm_head.weight", "only in B")
    back = {item.name: item for item in compare_weights(other, one)}
    assert back["transformer.h.1.w"].relative == 0.5
    assert back["lm_head.weight"].problem == "only in A"


def test_of_a_folder_the_files_that_its_index_names_are_read(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = write_model(tmp_path / "a", {"w": np.ones(2)})
    save_file({"w": np.zeros(2, np.float32), "old": np.ones(2, np.float32)}, folder / "consolidated.safetensors")
    assert [item.name for item in compare_weights(folder, folder)] == ["w"]
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"w": "../a/model-1.safetensors"}}')
    assert [item.name for item in compare_weights(folder, folder / "model-1.safetensors")] == ["w"]
    index.write_text("{")
    with pytest.raises(CaptureError, match="not valid JSON"):
        compare_weights(folder, folder)
    with pytest.raises(CaptureError, match="'nobody/nothing' is no file or folder, and no model"):
        compare_weights(folder / "model-1.safetensors", "nobody/nothing")
