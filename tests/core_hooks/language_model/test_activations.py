"""Saving what layers return, over lists of texts and data sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import torch

from core_hooks.hooks import FunctionController, HookError, LayerActivationDetector
from core_hooks.language_model.language_model import LanguageModel
from tests.core_hooks.language_model.conftest import make_gpt2, make_tokenizer

if TYPE_CHECKING:
    from core_hooks.capture.local_store import LocalStore

TEXTS = ["the cat sat on the mat", "the dog ran", "the big red cat"]
FIRST, SECOND = "transformer.h.0", "transformer.h.1"


def layer_output(lm: LanguageModel, layer: str, texts: list[str]) -> torch.Tensor:
    detector = LayerActivationDetector(layer)
    lm.layers.register_hook(layer, detector)
    lm.inference.execute_inference(texts)
    lm.layers.unregister_hook(detector)
    captured = detector.get_captured()
    assert captured is not None
    return captured


def torch_hooks(lm: LanguageModel) -> list[str]:
    return [n for n, module in lm.model.named_modules() if module._forward_hooks or module._forward_pre_hooks]


def test_what_a_layer_returns_is_written_batch_by_batch(lm: LanguageModel, store: LocalStore) -> None:
    name = lm.activations.save_activations(TEXTS, FIRST, run_name="r", batch_size=2)
    assert name == "r"
    assert store.list_run_batches("r") == [0, 1]
    for index, texts in enumerate([TEXTS[:2], TEXTS[2:]]):
        got = store.get_detector_metadata_by_layer_by_key("r", index, FIRST, "activations")
        assert torch.equal(got, layer_output(lm, FIRST, texts))
        metadata, tensors = store.get_detector_metadata("r", index)
        assert list(tensors) == [FIRST]
        assert metadata[FIRST]["activations_shape"] == tuple(got.shape)


def test_without_a_batch_size_all_texts_are_one_batch(lm: LanguageModel, store: LocalStore) -> None:
    lm.activations.save_activations(TEXTS, FIRST, run_name="r")
    assert store.list_run_batches("r") == [0]


def test_without_a_name_the_run_is_named_by_the_time(lm: LanguageModel) -> None:
    name = lm.activations.save_activations(TEXTS, FIRST)
    assert re.fullmatch(r"run_\d{8}_\d{6}", name)
    assert lm.activations.save_activations(TEXTS, FIRST) != name


def test_the_runs_metadata_says_how_it_was_made(lm: LanguageModel, store: LocalStore) -> None:
    lm.activations.save_activations(
        TEXTS, [5, "gpt2lmheadmodel_transformer_h_1"], run_name="r", batch_size=2, dtype=torch.float16, max_length=4
    )
    meta = store.get_run_metadata("r")
    assert {k: meta[k] for k in ("run_name", "model", "num_layers", "num_batches", "finished")} == {
        "run_name": "r",
        "model": "GPT2LMHeadModel",
        "num_layers": 2,
        "num_batches": 2,
        "finished": True,
    }
    assert meta["layer_signatures"] == [FIRST, "gpt2lmheadmodel_transformer_h_1"]
    assert meta["layers"] == [FIRST, SECOND]
    assert meta["dataset"] == {"type": "list", "length": 3}
    assert meta["options"] == {
        "batch_size": 2,
        "dtype": "torch.float16",
        "max_length": 4,
        "autocast": True,
        "autocast_dtype": None,
        "save_in_batches": True,
        "save_attention_mask": False,
        "stop_after_last_layer": True,
    }


def test_activations_are_cast_and_texts_truncated_when_asked(lm: LanguageModel, store: LocalStore) -> None:
    lm.activations.save_activations(TEXTS, FIRST, run_name="r", dtype=torch.bfloat16, max_length=2)
    got = store.get_detector_metadata_by_layer_by_key("r", 0, FIRST, "activations")
    assert (got.dtype, got.shape) == (torch.bfloat16, (3, 2, 16))


@pytest.mark.parametrize("site", [5, -28, "transformer_h_0"])
def test_d52_a_layer_may_be_given_by_position_or_alias(lm: LanguageModel, store: LocalStore, site: Any) -> None:
    assert lm.layers.names.resolve(site) == FIRST
    lm.activations.save_activations(TEXTS, site, run_name="r")
    label = site if isinstance(site, str) else FIRST
    _, tensors = store.get_detector_metadata("r", 0)
    assert torch.equal(tensors[label]["activations"], layer_output(lm, FIRST, TEXTS))


def test_a_layer_given_twice_by_different_spellings_is_saved_once(lm: LanguageModel, store: LocalStore) -> None:
    lm.activations.save_activations(TEXTS, [FIRST, 5, "transformer_h_0"], run_name="r")
    assert store.get_run_metadata("r")["num_layers"] == 1
    assert list(store.get_detector_metadata("r", 0)[1]) == [FIRST]


@pytest.mark.parametrize("layers", [[FIRST, SECOND], [SECOND, FIRST]])
def test_d53_every_listed_layer_is_saved_whatever_the_order(
    lm: LanguageModel, store: LocalStore, layers: list[str]
) -> None:
    lm.activations.save_activations(TEXTS, layers, run_name="r")
    _, tensors = store.get_detector_metadata("r", 0)
    assert set(tensors) == {FIRST, SECOND}
    for layer in layers:
        assert torch.equal(tensors[layer]["activations"], layer_output(lm, layer, TEXTS))


@pytest.mark.parametrize("stop", [True, False])
def test_the_forward_ends_after_the_last_needed_layer_unless_told_otherwise(lm: LanguageModel, stop: bool) -> None:
    reached: list[str] = []
    for layer in (SECOND, "lm_head"):
        lm.layers.register_forward_hook_for_layer(layer, lambda *_, layer=layer: reached.append(layer))
    lm.activations.save_activations(TEXTS, FIRST, run_name="r", stop_after_last_layer=stop)
    assert reached == ([] if stop else [SECOND, "lm_head"])


def test_d54_a_wrong_layer_after_a_right_one_leaves_nothing_attached(lm: LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"^Layer name 'nope' not found in model\."):
        lm.activations.save_activations(TEXTS, [FIRST, "nope"])
    assert torch_hooks(lm) == []
    assert lm.layers.get_hooks() == []


def test_d54_a_registration_that_fails_half_way_leaves_nothing_attached(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, calls = lm.layers.register_hook, []

    def fail_second(*arguments: Any) -> str:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return register(*arguments)

    monkeypatch.setattr(lm.layers, "register_hook", fail_second)
    with pytest.raises(KeyboardInterrupt):
        lm.activations.save_activations(TEXTS, [FIRST, SECOND])
    assert torch_hooks(lm) == []


@pytest.mark.parametrize("fails", [True, False])
def test_its_hooks_are_removed_whatever_happens_and_the_users_stay(lm: LanguageModel, fails: bool) -> None:
    def step(x: torch.Tensor) -> torch.Tensor:
        if fails:
            raise RuntimeError("no")
        return x

    controller = FunctionController(FIRST, step)
    lm.layers.register_hook(FIRST, controller)
    before = torch_hooks(lm)
    if fails:
        with pytest.raises(HookError):
            lm.activations.save_activations(TEXTS, FIRST, save_attention_mask=True)
    else:
        lm.activations.save_activations(TEXTS, FIRST, save_attention_mask=True)
    assert torch_hooks(lm) == before
    assert lm.layers.get_hooks() == [controller]


def test_the_users_own_detectors_are_neither_written_nor_cleared(lm: LanguageModel, store: LocalStore) -> None:
    mine = LayerActivationDetector("transformer.wte")
    lm.layers.register_hook("transformer.wte", mine)
    lm.activations.save_activations(TEXTS, FIRST, run_name="r")
    assert list(store.get_detector_metadata("r", 0)[1]) == [FIRST]
    assert mine.get_captured() is not None


def test_d55_the_attention_mask_is_saved_and_no_layer_is_invented(lm: LanguageModel, store: LocalStore) -> None:
    names = lm.layers.get_layer_names()
    lm.activations.save_activations(TEXTS[:2], FIRST, run_name="r", save_attention_mask=True)
    mask = store.get_detector_metadata_by_layer_by_key("r", 0, "attention_masks", "attention_mask")
    assert mask.dtype is torch.bool
    assert mask.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert lm.layers.get_layer_names() == names
    assert "attention_masks" not in lm.layers.name_to_layer
    assert store.get_run_metadata("r")["num_layers"] == 1


def test_the_root_is_a_layer_like_any_other(lm: LanguageModel, store: LocalStore) -> None:
    lm.activations.save_activations(TEXTS, "", run_name="r")
    _, tensors = store.get_detector_metadata("r", 0)
    assert tensors["gpt2lmheadmodel"]["activations"].shape == (3, 6, 50)


def test_appended_to_the_run_as_a_whole_each_batch_can_be_read_back(lm: LanguageModel, store: LocalStore) -> None:
    lm.activations.save_activations(TEXTS, FIRST, run_name="r", batch_size=2, save_in_batches=False)
    assert store.list_run_batches("r") == []
    shapes = [tensors[FIRST]["activations"].shape for _, tensors in store.iter_run_detector_metadata("r")]
    assert shapes == [(2, 6, 16), (1, 4, 16)]


def test_a_data_set_is_saved_in_batches_of_32(lm: LanguageModel, store: LocalStore) -> None:
    name = lm.activations.save_activations_dataset([{"text": "the cat"}] * 33, FIRST)
    assert store.list_run_batches(name) == [0, 1]
    assert store.get_run_metadata(name)["options"]["batch_size"] == 32
    last = store.get_detector_metadata_by_layer_by_key(name, 1, FIRST, "activations")
    assert last.shape == (1, 2, 16)


def test_a_data_set_that_cuts_its_own_batches_is_saved_as_it_cuts_them(lm: LanguageModel, store: LocalStore) -> None:
    class Twos:
        def iter_batches(self, size: int) -> Any:
            yield [{"words": "the cat"}] * size
            yield [{"words": "the dog"}]

        def extract_texts_from_batch(self, batch: list[dict[str, str]]) -> list[str]:
            return [row["words"] for row in batch]

    lm.activations.save_activations_dataset(Twos(), FIRST, run_name="r", batch_size=2)
    shapes = [store.get_detector_metadata_by_layer_by_key("r", i, FIRST, "activations").shape for i in (0, 1)]
    assert shapes == [(2, 2, 16), (1, 2, 16)]


@pytest.mark.parametrize(("texts", "layers"), [([], FIRST), ("the cat", FIRST), (TEXTS, [])])
def test_nothing_to_save_is_an_error_and_writes_nothing(
    lm: LanguageModel, store: LocalStore, texts: Any, layers: Any
) -> None:
    with pytest.raises(ValueError, match=r"cannot be empty|list of texts|At least one layer"):
        lm.activations.save_activations(texts, layers, run_name="r")
    assert not store.base_path.exists()


def test_without_a_store_it_is_an_error_before_anything_runs() -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), None)
    with pytest.raises(ValueError, match=r"^Store must be provided or set on the language model$"):
        lm.activations.save_activations(TEXTS, FIRST)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_d77_activations_from_the_gpu_are_those_that_the_layer_returned(store: LocalStore) -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), store, device="cuda")
    lm.activations.save_activations(TEXTS, FIRST, run_name="r", autocast=False, free_cuda_cache_every=1)
    got = store.get_detector_metadata_by_layer_by_key("r", 0, FIRST, "activations")
    expected = layer_output(LanguageModel(make_gpt2(), make_tokenizer(), store), FIRST, TEXTS)
    assert torch.allclose(got, expected, atol=1e-4)
