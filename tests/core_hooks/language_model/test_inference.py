"""One forward, batches, data sets: what comes out, what the hooks leave, what the store gets."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from core_hooks.hooks import (
    Controller,
    Detector,
    FunctionController,
    HookError,
    HookRun,
    LayerActivationDetector,
    ModelInputDetector,
    ModelOutputDetector,
    RunCancelled,
)
from core_hooks.language_model.inference import InferenceEngine, call_with
from core_hooks.language_model.language_model import LanguageModel
from tests.core_hooks.language_model.conftest import make_gpt2, make_tokenizer

if TYPE_CHECKING:
    from core_hooks.capture.local_store import LocalStore

TEXTS = ["the cat sat on the mat", "the dog ran"]
BLOCKS = ["transformer.h.0", "transformer.h.1"]


def catch(lm: LanguageModel, *layers: str, **options: Any) -> list[LayerActivationDetector]:
    detectors = [LayerActivationDetector(layer, **options) for layer in layers]
    for layer, detector in zip(layers, detectors, strict=True):
        lm.layers.register_hook(layer, detector)
    return detectors


# --- execute_inference


def test_it_returns_the_models_output_and_the_encodings(lm: LanguageModel) -> None:
    output, encodings = lm.inference.execute_inference(TEXTS)
    with torch.inference_mode():
        expected = lm.model(**encodings)
    assert torch.equal(output.logits, expected.logits)
    assert encodings["input_ids"].shape == (2, 6)
    assert encodings["attention_mask"].sum(1).tolist() == [6, 3]


@pytest.mark.parametrize("texts", [[], ()])
def test_no_texts_is_an_error_in_the_contracts_words(lm: LanguageModel, texts: Any) -> None:
    for call in (lm.inference.execute_inference, lm.inference.infer_texts):
        with pytest.raises(ValueError, match=r"^Texts list cannot be empty$"):
            call(texts)


def test_one_text_in_place_of_a_list_is_refused(lm: LanguageModel) -> None:
    for call in (lm.inference.execute_inference, lm.inference.infer_texts):
        with pytest.raises(ValueError, match="list of texts"):
            call("the cat")


def test_without_a_tokenizer_it_is_an_error_in_the_contracts_words() -> None:
    lm = LanguageModel(make_gpt2(), None, None)
    with pytest.raises(ValueError, match=r"^Tokenizer must be initialized before running inference$"):
        lm.inference.execute_inference(TEXTS)


def test_an_engine_can_be_made_by_hand(lm: LanguageModel) -> None:
    engine = InferenceEngine(lm)
    assert engine.lm is lm
    assert engine.execute_inference(TEXTS)[0].logits.shape == (2, 6, 50)


def test_it_runs_in_inference_mode(lm: LanguageModel) -> None:
    output, _ = lm.inference.execute_inference(TEXTS)
    assert output.logits.is_inference()


@pytest.mark.parametrize("fails", [False, True])
def test_d56_eval_mode_is_for_the_forward_only_and_each_module_gets_its_own_back(
    lm: LanguageModel, fails: bool
) -> None:
    lm.model.train()
    lm.model.transformer.h[0].eval()
    before = [module.training for module in lm.model.modules()]
    during: list[bool] = []

    def note(x: torch.Tensor) -> torch.Tensor:
        during.append(any(module.training for module in lm.model.modules()))
        if fails:
            raise RuntimeError("no")
        return x

    lm.layers.register_hook("lm_head", FunctionController("lm_head", note))
    if fails:
        with pytest.raises(HookError):
            lm.inference.execute_inference(TEXTS)
    else:
        lm.inference.execute_inference(TEXTS)
    assert during == [False]
    assert [module.training for module in lm.model.modules()] == before


def test_d57_the_callers_tokenizer_options_are_never_changed(lm: LanguageModel) -> None:
    options = {"max_length": 4, "padding": True}
    first = lm.inference.execute_inference(TEXTS, tok_kwargs=options)[1]
    second = lm.inference.execute_inference(TEXTS[1:], tok_kwargs=options)[1]
    assert options == {"max_length": 4, "padding": True}
    assert first["input_ids"].shape == (2, 4)
    assert second["input_ids"].shape == (1, 3)


def test_autocast_is_for_cuda_alone(lm: LanguageModel) -> None:
    output, _ = lm.inference.execute_inference(TEXTS, autocast=True, autocast_dtype=torch.bfloat16)
    assert output.logits.dtype is torch.float32


@pytest.mark.parametrize(("dtype", "used"), [(None, torch.float16), (torch.bfloat16, torch.bfloat16)])
def test_on_cuda_autocast_is_float16_unless_another_dtype_is_given(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype | None, used: torch.dtype
) -> None:
    asked: list[tuple[str, torch.dtype]] = []

    def autocast(device: str, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
        asked.append((device, dtype))
        return contextlib.nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)
    # The parameters say that they are on a GPU; nothing else is asked before the choice.
    monkeypatch.setattr("core_hooks.language_model.inference.input_device", lambda model: "cuda:0")
    monkeypatch.setattr("transformers.BatchEncoding.to", lambda encodings, device: encodings)
    lm.inference.execute_inference(TEXTS, autocast_dtype=dtype)
    lm.inference.execute_inference(TEXTS, autocast=False)
    assert asked == [("cuda", used)]


def test_a_hook_that_fails_is_a_hook_error_and_the_next_forward_is_clean(lm: LanguageModel) -> None:
    def fail(x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("mine")

    controller = FunctionController("lm_head", fail)
    lm.layers.register_hook("lm_head", controller)
    with pytest.raises(HookError) as error:
        lm.inference.execute_inference(TEXTS)
    assert isinstance(error.value.original_error, ZeroDivisionError)
    lm.layers.unregister_hook(controller)
    lm.inference.execute_inference(TEXTS)


def test_a_plain_module_that_takes_only_ids_is_called_with_them(store: LocalStore) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(50, 4)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.embed(tokens)

    for model in (Net(), nn.Sequential(nn.Embedding(50, 4))):
        lm = LanguageModel(model, make_tokenizer(), store)
        assert lm.inference.execute_inference(TEXTS)[0].shape == (2, 6, 4)


def test_a_forward_gets_the_keywords_it_has_parameters_for() -> None:
    class Net(nn.Module):
        def forward(self, input_ids: int, extra: int = 0) -> tuple[int, int]:
            return input_ids, extra

    assert call_with(Net(), {"input_ids": 1, "extra": 2, "unknown": 3}) == (1, 2)


# --- controllers off


def test_d58_controllers_are_off_in_one_forward_and_no_flag_of_theirs_is_touched(lm: LanguageModel) -> None:
    clean = lm.inference.execute_inference(TEXTS)[0].logits
    controller = FunctionController("transformer.h.0", lambda x: x * 0)
    lm.layers.register_hook("transformer.h.0", controller)
    flags: list[bool] = []
    detector = LayerActivationDetector("lm_head", sink=lambda *_: flags.append(controller.enabled))
    lm.layers.register_hook("lm_head", detector)
    without = lm.inference.execute_inference(TEXTS, with_controllers=False)[0].logits
    assert torch.equal(without, clean)
    assert flags == [True]
    assert not torch.equal(lm.inference.execute_inference(TEXTS)[0].logits, clean)


def test_d58_another_thread_keeps_its_controllers_meanwhile(lm: LanguageModel) -> None:
    lm.layers.register_hook("lm_head", FunctionController("lm_head", lambda x: x * 0))
    inside, go_on = threading.Event(), threading.Event()

    class Pause(Detector):
        def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
            if threading.current_thread().name == "without":
                inside.set()
                assert go_on.wait(10)

    lm.layers.register_hook("transformer.wte", Pause())
    found: dict[str, torch.Tensor] = {}

    def without() -> None:
        found["without"] = lm.inference.execute_inference(TEXTS, with_controllers=False)[0].logits

    thread = threading.Thread(target=without, name="without")
    thread.start()
    try:
        assert inside.wait(10)
        found["with"] = lm.inference.execute_inference(TEXTS)[0].logits
    finally:
        go_on.set()
        thread.join(10)
    assert found["with"].abs().sum() == 0
    assert found["without"].abs().sum() > 0


class DetectAndZero(Controller, Detector):
    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        self.tensor_metadata["seen"] = output.clone()

    def modify_activations(self, module: nn.Module, inputs: Any, output: Any) -> torch.Tensor:
        return output * 0


def test_a_hook_that_is_both_still_detects_with_controllers_off(lm: LanguageModel) -> None:
    both = DetectAndZero()
    lm.layers.register_hook("lm_head", both)
    output, _ = lm.inference.execute_inference(TEXTS, with_controllers=False)
    assert torch.equal(both.tensor_metadata["seen"], output.logits)
    assert output.logits.abs().sum() > 0


# --- inputs


def test_input_detectors_are_fed_wherever_they_are_registered(lm: LanguageModel) -> None:
    root = ModelInputDetector(save_attention_mask=True)
    inner = ModelInputDetector(save_attention_mask=True)
    lm.layers.register_hook("", root)
    lm.layers.register_hook("transformer.h.1", inner)
    _, encodings = lm.inference.execute_inference(TEXTS)
    for detector in (root, inner):
        assert torch.equal(detector.get_captured_input_ids(), encodings["input_ids"])
        assert detector.get_captured_attention_mask().sum(1).tolist() == [6, 3]


def test_an_input_detector_on_a_layer_that_is_not_reached_has_this_batch_and_not_the_last(lm: LanguageModel) -> None:
    detector = ModelInputDetector()
    lm.layers.register_hook("lm_head", detector)
    lm.inference.execute_inference(TEXTS)
    _, encodings = lm.inference.execute_inference(["the mat"], stop_after_layer="transformer.h.0")
    assert torch.equal(detector.get_captured_input_ids(), encodings["input_ids"])


def test_an_input_detector_that_saves_only_the_mask_is_fed(lm: LanguageModel) -> None:
    detector = ModelInputDetector(save_input_ids=False, save_attention_mask=True)
    lm.layers.register_hook("transformer.h.0", detector)
    lm.inference.execute_inference(TEXTS)
    assert detector.get_captured_attention_mask().shape == (2, 6)


def test_d35_a_disabled_input_detector_is_not_fed(lm: LanguageModel) -> None:
    detectors = [ModelInputDetector(), ModelInputDetector()]
    for layer, detector in zip(["", "transformer.h.0"], detectors, strict=True):
        lm.layers.register_hook(layer, detector)
        detector.disable()
    lm.inference.execute_inference(TEXTS)
    assert [detector.get_captured_input_ids() for detector in detectors] == [None, None]


def test_output_detectors_see_the_logits(lm: LanguageModel) -> None:
    detector = ModelOutputDetector()
    lm.layers.register_hook("", detector)
    output, _ = lm.inference.execute_inference(TEXTS)
    assert torch.equal(detector.get_captured_output_logits(), output.logits)


# --- stopping early


@pytest.mark.parametrize("stop", ["transformer.h.0", "gpt2lmheadmodel_transformer_h_0", 5])
def test_the_forward_ends_after_the_stop_layer_and_its_output_comes_back(lm: LanguageModel, stop: Any) -> None:
    assert lm.layers.names.resolve(5) == "transformer.h.0"
    first, second = catch(lm, *BLOCKS)
    output, encodings = lm.inference.execute_inference(TEXTS, stop_after_layer=stop)
    hidden = output[0] if isinstance(output, tuple) else output
    assert torch.equal(hidden, first.get_captured())
    assert second.get_captured() is None
    assert encodings["input_ids"].shape == (2, 6)
    assert lm.inference.execute_inference(TEXTS)[0].logits.shape == (2, 6, 50)


def test_the_output_of_an_early_end_is_what_the_controllers_left(lm: LanguageModel) -> None:
    lm.layers.register_hook("transformer.ln_f", FunctionController("x", lambda x: x * 0))
    output, _ = lm.inference.execute_inference(TEXTS, stop_after_layer="transformer.ln_f")
    assert output.abs().sum() == 0


@pytest.mark.parametrize("order", [BLOCKS, BLOCKS[::-1]])
def test_several_stop_layers_end_it_when_all_have_run(lm: LanguageModel, order: list[str]) -> None:
    first, second = catch(lm, *BLOCKS)
    output, _ = lm.inference.execute_inference(TEXTS, stop_after_layer=list(order))
    assert first.get_captured() is not None
    assert second.get_captured() is not None
    assert not hasattr(output, "logits")


def test_an_unknown_stop_layer_is_an_error_before_anything_runs(lm: LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"^Layer name 'nope' not found in model\."):
        lm.inference.execute_inference(TEXTS, stop_after_layer="nope")


def test_d79_a_stop_layer_that_never_runs_is_reported(lm: LanguageModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "core_hooks"):
        output, _ = lm.inference.execute_inference(TEXTS, stop_after_layer="transformer.h")
    assert output.logits.shape == (2, 6, 50)
    assert "was not ended early, because these layers did not run: 'transformer.h'" in caplog.text


def test_stopping_leaves_no_hook_behind_and_does_not_stop_other_threads(lm: LanguageModel) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Pause(Detector):
        def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
            if threading.current_thread().name == "stopping":
                inside.set()
                assert go_on.wait(10)

    pause = Pause()
    lm.layers.register_hook("transformer.wte", pause)
    thread = threading.Thread(
        target=lambda: lm.inference.execute_inference(TEXTS, stop_after_layer="transformer.h.0"), name="stopping"
    )
    thread.start()
    try:
        assert inside.wait(10)
        output, _ = lm.inference.execute_inference(TEXTS)
    finally:
        go_on.set()
        thread.join(10)
    assert output.logits.shape == (2, 6, 50)
    lm.layers.unregister_hook(pause)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in lm.model.modules())


def test_a_compiled_model_is_stopped_too(store: LocalStore) -> None:
    model = nn.Sequential(nn.Embedding(50, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    lm = LanguageModel(torch.compile(model, backend="eager"), make_tokenizer(), store)
    first, last = catch(lm, "1", "2")
    assert lm.inference.execute_inference(TEXTS)[0].shape == (2, 6, 2)
    lm.clear_detectors()
    assert lm.inference.execute_inference(TEXTS, stop_after_layer="1")[0].shape == (2, 6, 4)
    assert first.get_captured() is not None
    assert last.get_captured() is None


# --- runs


def test_the_report_of_the_latest_forward_names_hooks_that_never_fired(lm: LanguageModel) -> None:
    fired, silent = catch(lm, "transformer.h.0", "transformer.h")
    lm.inference.execute_inference(TEXTS)
    report = lm.inference.last_report
    assert report is not None
    assert report.fired == {fired.id: 1}
    assert report.never_fired == (silent.id,)


def test_a_run_of_the_caller_is_used_and_its_cancel_ends_the_forward(lm: LanguageModel) -> None:
    (detector,) = catch(lm, "transformer.h.0")
    cancel = threading.Event()
    with HookRun(number=7, cancel=cancel) as run:
        lm.inference.execute_inference(TEXTS)
        assert detector.captured is not None
        assert detector.captured.run == 7
        assert run.report().fired == {detector.id: 1}
        cancel.set()
        with pytest.raises(RunCancelled):
            lm.inference.execute_inference(TEXTS)
        with pytest.raises(RunCancelled):
            lm.inference.execute_inference(TEXTS, with_controllers=False)


def test_captures_of_a_forward_without_controllers_belong_to_the_callers_run_too(lm: LanguageModel) -> None:
    (detector,) = catch(lm, "transformer.h.0")
    with HookRun(number=3):
        lm.inference.execute_inference(TEXTS)
        lm.inference.execute_inference(["the cat"], with_controllers=False)
        assert detector.metadata["activations_shape"] == (1, 2, 16)
    assert detector.metadata["activations_shape"] == (1, 2, 16)


def test_d59_threads_do_not_see_each_others_captures(lm: LanguageModel, store: LocalStore) -> None:
    (detector,) = catch(lm, "transformer.h.0")
    barrier = threading.Barrier(2, timeout=20)

    class Meet(Detector):
        def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
            barrier.wait()

    lm.layers.register_hook("lm_head", Meet())
    texts = {"a": ["the cat"], "b": ["the dog ran to the red mat"]}
    threads = [
        threading.Thread(target=lm.inference.infer_texts, args=(texts[name],), kwargs={"run_name": name})
        for name in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for name, length in (("a", 2), ("b", 7)):
        metadata, tensors = store.get_detector_metadata(name, 0)
        assert tensors["transformer.h.0"]["activations"].shape == (1, length, 16)
        assert metadata["transformer.h.0"]["activations_shape"] == (1, length, 16)
    assert detector.fired == 2


def test_d04_captures_of_a_forward_can_be_trained_on(lm: LanguageModel) -> None:
    (detector,) = catch(lm, "transformer.h.0")
    lm.inference.execute_inference(TEXTS)
    captured = detector.get_captured()
    assert captured is not None
    probe = nn.Linear(16, 1)
    probe(captured).sum().backward()
    assert probe.weight.grad is not None


# --- infer_texts


def test_without_a_batch_size_all_texts_are_one_forward(lm: LanguageModel) -> None:
    output, encodings = lm.inference.infer_texts(TEXTS)
    assert output.logits.shape == (2, 6, 50)
    assert encodings["input_ids"].shape == (2, 6)


def test_with_a_batch_size_lists_come_back(lm: LanguageModel) -> None:
    outputs, encodings = lm.inference.infer_texts([*TEXTS, "the mat"], batch_size=2)
    assert [output.logits.shape[:2] for output in outputs] == [(2, 6), (1, 2)]
    assert [tuple(e["input_ids"].shape) for e in encodings] == [(2, 6), (1, 2)]


def test_a_run_name_without_a_store_is_an_error_in_the_contracts_words() -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), None)
    with pytest.raises(ValueError, match=r"^Store must be provided to save metadata$"):
        lm.inference.infer_texts(TEXTS, run_name="r")
    with pytest.raises(ValueError, match=r"^Store must be provided to save metadata$"):
        lm.inference.infer_dataset(TEXTS)


def test_each_batch_is_written_to_the_run(lm: LanguageModel, store: LocalStore) -> None:
    catch(lm, *BLOCKS)
    lm.inference.infer_texts([*TEXTS, "the mat"], run_name="r", batch_size=2)
    assert store.list_run_batches("r") == [0, 1]
    metadata, tensors = store.get_detector_metadata("r", 1)
    assert list(metadata) == list(tensors) == BLOCKS
    assert tensors[BLOCKS[0]]["activations"].shape == (1, 2, 16)
    meta = store.get_run_metadata("r")
    assert (meta["run_name"], meta["model"], meta["num_batches"], meta["finished"]) == ("r", "GPT2LMHeadModel", 2, True)
    assert meta["options"] == {"batch_size": 2, "save_in_batches": True}
    assert meta["dataset"] == {"type": "list", "length": 3}


def test_d69_a_run_that_is_not_saved_in_batches_is_appended_batch_by_batch(
    lm: LanguageModel, store: LocalStore
) -> None:
    catch(lm, "transformer.h.0")
    lm.inference.infer_texts(TEXTS, run_name="r", batch_size=1, save_in_batches=False)
    assert store.list_run_batches("r") == []
    read = [tensors["transformer.h.0"]["activations"].shape for _, tensors in store.iter_run_detector_metadata("r")]
    assert read == [(1, 6, 16), (1, 3, 16)]


def test_a_run_that_failed_says_that_it_is_not_finished(lm: LanguageModel, store: LocalStore) -> None:
    catch(lm, "transformer.h.0")
    calls = []

    def fail_second(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no")
        return x

    lm.layers.register_hook("lm_head", FunctionController("lm_head", fail_second))
    with pytest.raises(HookError):
        lm.inference.infer_texts(TEXTS, run_name="r", batch_size=1)
    assert store.list_run_batches("r") == [0]
    assert store.get_run_metadata("r")["finished"] is False


def test_a_run_that_holds_data_is_not_mixed_with_a_new_one(lm: LanguageModel) -> None:
    catch(lm, "transformer.h.0")
    for in_batches in (True, False):
        name = f"run_{in_batches}"
        lm.inference.infer_texts(TEXTS, run_name=name, save_in_batches=in_batches)
        with pytest.raises(ValueError, match=f"Run '{name}' holds data already"):
            lm.inference.infer_texts(TEXTS, run_name=name, save_in_batches=in_batches)


@pytest.mark.parametrize("clear", [True, False])
def test_detectors_are_cleared_first_only_when_asked(lm: LanguageModel, clear: bool) -> None:
    class Total(Detector):
        def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
            self.metadata["total"] = self.metadata.get("total", 0) + 1

    total = Total()
    lm.layers.register_hook("lm_head", total)
    lm.inference.infer_texts(TEXTS)
    lm.inference.infer_texts(TEXTS, clear_detectors_before=clear)
    assert total.metadata["total"] == (1 if clear else 2)


def test_verbose_logs_each_batch(lm: LanguageModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "core_hooks"):
        lm.inference.infer_texts(TEXTS, batch_size=1, verbose=True)
        lm.inference.infer_texts(TEXTS, batch_size=1)
    assert [record.message for record in caplog.records] == ["Batch 0 done, 1 texts", "Batch 1 done, 1 texts"]


# --- infer_dataset


def test_a_data_set_is_run_batch_by_batch_and_its_run_named(lm: LanguageModel, store: LocalStore) -> None:
    catch(lm, "transformer.h.0")
    name = lm.inference.infer_dataset([{"text": text} for text in TEXTS], run_name="r", batch_size=1)
    assert name == "r"
    assert store.list_run_batches("r") == [0, 1]


def test_a_run_without_a_name_is_named_by_the_time_and_never_twice_the_same(
    lm: LanguageModel, store: LocalStore
) -> None:
    catch(lm, "transformer.h.0")
    names = {lm.inference.infer_dataset(TEXTS) for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("run_") and len(name) >= len("run_20260101_000000") for name in names)


def test_an_empty_data_set_is_an_error_and_writes_nothing(lm: LanguageModel, store: LocalStore) -> None:
    with pytest.raises(ValueError, match="cannot be empty"):
        lm.inference.infer_dataset([], run_name="r")
    assert not store.base_path.exists()


# --- logits


def test_logits_are_found_in_outputs_tuples_lists_and_tensors(lm: LanguageModel) -> None:
    output, _ = lm.inference.execute_inference(TEXTS)
    value = torch.ones(2)
    assert lm.inference.extract_logits(output) is output.logits
    for container in (value, (value, 1), [value]):
        assert lm.inference.extract_logits(container) is value


@pytest.mark.parametrize("output", [None, "x", (), (1,), {"logits": 1}])
def test_an_output_without_logits_is_an_error_in_the_contracts_words(lm: LanguageModel, output: Any) -> None:
    with pytest.raises(ValueError, match=r"^Unable to extract logits from output type: "):
        lm.inference.extract_logits(output)
