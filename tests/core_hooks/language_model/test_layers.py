"""Layers by any spelling, and the register of hooks on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from core_hooks.hooks import Controller, Detector, FunctionController, HookType, HookWarning, LayerActivationDetector
from core_hooks.language_model.context import LanguageModelContext
from core_hooks.language_model.language_model import LanguageModel
from core_hooks.language_model.layers import LanguageModelLayers
from tests.core_hooks.language_model.conftest import make_gpt2, make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

C_ATTN = "transformer.h.0.attn.c_attn"
FLAT = "gpt2lmheadmodel_transformer_h_0_attn_c_attn"


class Counter(Detector):
    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        self.metadata["calls"] = self.metadata.get("calls", 0) + 1


class Both(Controller, Detector):
    def __init__(self) -> None:
        Controller.__init__(self)
        Detector.__init__(self)

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        self.tensor_metadata["seen"] = output.clone()

    def modify_activations(self, module: nn.Module, inputs: Any, output: Any) -> torch.Tensor:
        return output * 0


def logits(lm: LanguageModel) -> torch.Tensor:
    output, _ = lm.inference.execute_inference(["the cat sat"])
    return output.logits


# --- names


def test_a_context_without_a_model_has_no_layers() -> None:
    with pytest.raises(ValueError, match=r"^Model must be initialized before accessing layers$"):
        LanguageModelLayers(LanguageModelContext())


def test_names_are_the_lower_cased_class_and_the_path_with_underscores(lm: LanguageModel) -> None:
    names = lm.layers.get_layer_names()
    assert names[:3] == [
        "gpt2lmheadmodel_transformer",
        "gpt2lmheadmodel_transformer_wte",
        "gpt2lmheadmodel_transformer_wpe",
    ]
    assert lm.layers.name_to_layer[FLAT] is lm.model.transformer.h[0].attn.c_attn
    assert list(lm.layers.name_to_layer) == names


def test_indices_count_depth_first_from_the_first_child_and_containers_count(lm: LanguageModel) -> None:
    walk = [module for name, module in lm.model.named_modules() if name]
    assert list(lm.layers.idx_to_layer) == list(range(len(walk)))
    assert list(lm.layers.idx_to_layer.values()) == walk
    assert isinstance(lm.layers.idx_to_layer[4], nn.ModuleList)


def test_print_layer_names_prints_position_name_and_class(
    lm: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    lm.layers.print_layer_names()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "1: gpt2lmheadmodel_transformer_wte (Embedding)"
    assert len(lines) == len(lm.layers.name_to_layer)


@pytest.mark.parametrize("site", [C_ATTN, FLAT, "transformer_h_0_attn_c_attn", 8, -25])
def test_d51_every_spelling_reaches_the_layer(lm: LanguageModel, site: str | int) -> None:
    assert lm.layers.idx_to_layer[8] is lm.model.transformer.h[0].attn.c_attn
    seen: list[nn.Module] = []
    handle = lm.layers.register_forward_hook_for_layer(site, lambda module, args, output: seen.append(module))
    logits(lm)
    handle.remove()
    assert seen == [lm.model.transformer.h[0].attn.c_attn]


@pytest.mark.parametrize("site", ["", None])
def test_d51_empty_and_none_are_the_model_itself(lm: LanguageModel, site: str | None) -> None:
    detector = Counter()
    lm.layers.register_hook(site, detector)
    assert detector.site == ""
    logits(lm)
    assert detector.fired == 1


def test_d63_a_compiled_model_keeps_its_names() -> None:
    model = make_gpt2()
    compiled = LanguageModel(torch.compile(model, backend="eager"), make_tokenizer(), None)
    assert FLAT in compiled.layers.name_to_layer
    assert compiled.model_id == "GPT2LMHeadModel"
    assert compiled.layers.name_to_layer[FLAT] is model.transformer.h[0].attn.c_attn


# --- plain functions


def test_plain_hooks_return_torch_handles_and_take_torch_options(lm: LanguageModel) -> None:
    seen: list[str] = []
    before = lm.layers.register_pre_forward_hook_for_layer(
        C_ATTN, lambda module, args, kwargs: seen.append("before"), {"with_kwargs": True}
    )
    after = lm.layers.register_forward_hook_for_layer(C_ATTN, lambda module, args, output: seen.append("after"))
    logits(lm)
    before.remove()
    after.remove()
    logits(lm)
    assert seen == ["before", "after"]


@pytest.mark.parametrize("call", ["register_forward_hook_for_layer", "register_pre_forward_hook_for_layer"])
def test_an_unknown_layer_is_an_error_in_the_contracts_words(lm: LanguageModel, call: str) -> None:
    with pytest.raises(ValueError, match=r"^Layer name 'nope' not found in model\."):
        getattr(lm.layers, call)("nope", lambda *a: None)
    with pytest.raises(ValueError, match=r"^Layer index '999' not found in model\."):
        getattr(lm.layers, call)(999, lambda *a: None)


def test_an_unknown_layer_is_an_error_when_registering_a_hook_and_leaves_it_unattached(lm: LanguageModel) -> None:
    detector = Counter()
    with pytest.raises(ValueError, match=r"^Layer name 'transformer\.h\.0\.atn' not found in model\..*h\.0\.attn'"):
        lm.layers.register_hook("transformer.h.0.atn", detector)
    assert not detector.attached
    assert lm.layers.get_hooks() == []


# --- registering


def test_registering_sets_signature_and_context_and_returns_the_id(lm: LanguageModel) -> None:
    detector = Counter(hook_id="mine")
    assert lm.layers.register_hook(FLAT, detector) == "mine"
    assert detector.layer_signature == FLAT
    assert detector.context is lm.context
    assert detector.attached
    assert detector.site == C_ATTN


def test_an_id_can_be_registered_once(lm: LanguageModel) -> None:
    detector = Counter(hook_id="mine")
    lm.layers.register_hook(0, detector)
    with pytest.raises(ValueError, match=r"^Hook with ID 'mine' is already registered"):
        lm.layers.register_hook(1, detector)
    with pytest.raises(ValueError, match=r"^Hook with ID 'mine' is already registered"):
        lm.layers.register_hook(1, Counter(hook_id="mine"))


def test_d46_a_hook_of_another_model_is_refused(lm: LanguageModel) -> None:
    other = LanguageModel(make_gpt2(), make_tokenizer(), None)
    detector = Counter()
    other.layers.register_hook(0, detector)
    with pytest.raises(ValueError, match="attached already"):
        lm.layers.register_hook(0, detector)
    assert detector.context is other.context


def test_d42_a_hook_type_that_is_not_the_hooks_is_refused(lm: LanguageModel) -> None:
    detector = Counter()
    with pytest.raises(ValueError, match="is of type 'forward' and cannot be registered as 'pre_forward'"):
        lm.layers.register_hook(0, detector, "pre_forward")
    assert not detector.attached
    lm.layers.register_hook(0, detector, HookType.FORWARD)


def test_unregistering_by_hook_or_id_says_whether_there_was_one(lm: LanguageModel) -> None:
    first, second = Counter(), Counter()
    lm.layers.register_hook(0, first)
    lm.layers.register_hook(0, second)
    assert lm.layers.unregister_hook(first) is True
    assert lm.layers.unregister_hook(second.id) is True
    assert lm.layers.unregister_hook(first) is False
    assert lm.layers.unregister_hook("unknown") is False
    logits(lm)
    assert first.fired == second.fired == 0


def test_d45_unregistering_gives_back_context_and_signature_and_leaves_nothing_on_the_model(lm: LanguageModel) -> None:
    detector = LayerActivationDetector("as made")
    lm.layers.register_hook(C_ATTN, detector)
    logits(lm)
    lm.layers.unregister_hook(detector)
    assert detector.context is None
    assert detector.layer_signature == "as made"
    assert not detector.attached
    assert detector.get_captured() is not None
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in lm.model.modules())
    lm.layers.register_hook(C_ATTN, detector)


def test_a_hook_that_was_removed_by_itself_is_no_longer_registered(lm: LanguageModel) -> None:
    detector = Counter()
    lm.layers.register_hook(0, detector)
    detector.remove()
    assert lm.layers.get_hooks() == []
    assert lm.layers.unregister_hook(detector) is False
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in lm.model.modules())
    lm.layers.register_hook(0, detector)


# --- listing


def test_hooks_are_listed_by_layer_and_type(lm: LanguageModel) -> None:
    detector = LayerActivationDetector(C_ATTN)
    controller = FunctionController("x", lambda x: x, hook_type="pre_forward")
    lm.layers.register_hook(C_ATTN, detector)
    lm.layers.register_hook("lm_head", controller)
    assert lm.layers.get_hooks() == [detector, controller]
    assert lm.layers.get_hooks(layer_signature=C_ATTN) == [detector]
    assert lm.layers.get_hooks(hook_type=HookType.PRE_FORWARD) == [controller]
    assert lm.layers.get_hooks(hook_type="forward") == [detector]
    assert lm.layers.get_hooks(C_ATTN, "pre_forward") == []
    assert lm.layers.get_hooks("transformer.wte") == []


def test_d47_name_alias_and_position_of_a_layer_are_one_entry(lm: LanguageModel) -> None:
    hooks = [Counter(), Counter(), Counter()]
    for site, hook in zip([8, C_ATTN, FLAT], hooks, strict=True):
        lm.layers.register_hook(site, hook)
    for site in (8, C_ATTN, FLAT, "transformer_h_0_attn_c_attn"):
        assert lm.layers.get_hooks(site) == hooks


def test_controllers_and_detectors_are_listed_and_a_hook_that_is_both_is_in_each(lm: LanguageModel) -> None:
    detector, controller, both = Counter(), FunctionController("x", lambda x: x), Both()
    for hook in (detector, controller, both):
        lm.layers.register_hook(0, hook)
    assert lm.layers.get_detectors() == [detector, both]
    assert lm.layers.get_controllers() == [controller, both]


# --- switching


def test_hooks_are_switched_by_id_and_all_at_once(lm: LanguageModel) -> None:
    first, second = Counter(), Counter()
    for hook in (first, second):
        lm.layers.register_hook(0, hook)
    assert lm.layers.disable_hook(first.id) is True
    logits(lm)
    assert (first.fired, second.fired) == (0, 1)
    assert lm.layers.enable_hook(first.id) is True
    lm.layers.disable_all_hooks()
    logits(lm)
    assert (first.fired, second.fired) == (0, 1)
    lm.layers.enable_all_hooks()
    logits(lm)
    assert (first.fired, second.fired) == (1, 2)
    assert lm.layers.disable_hook("unknown") is lm.layers.enable_hook("unknown") is False


# --- together on one layer


@pytest.mark.parametrize("detector_first", [True, False])
def test_d78_a_detector_and_a_controller_share_a_layer_and_before_and_after_are_both_seen(
    lm: LanguageModel, detector_first: bool
) -> None:
    layer = "transformer.h.0"
    before = LayerActivationDetector(layer)
    after = LayerActivationDetector(layer, stage="after")
    controller = FunctionController(layer, lambda x: x * 0)
    hooks = [after, before, controller] if detector_first else [controller, after, before]
    for hook in hooks:
        lm.layers.register_hook(layer, hook)
    logits(lm)
    seen_before, seen_after = before.get_captured(), after.get_captured()
    assert seen_before is not None
    assert seen_after is not None
    assert seen_before.abs().sum() > 0
    assert seen_after.abs().sum() == 0


def test_a_hook_that_is_both_fits_beside_detectors_and_controllers(lm: LanguageModel) -> None:
    both = Both()
    lm.layers.register_hook("lm_head", Counter())
    lm.layers.register_hook("lm_head", FunctionController("x", lambda x: x + 1))
    lm.layers.register_hook("lm_head", both)
    assert logits(lm).abs().sum() == 0
    assert both.tensor_metadata["seen"].abs().sum() > 0


def test_several_controllers_act_in_order_of_registration(lm: LanguageModel) -> None:
    steps: list[Callable[[torch.Tensor], torch.Tensor]] = [lambda x: x * 0 + 1, lambda x: x * 3]
    for step in steps:
        lm.layers.register_hook("lm_head", FunctionController("lm_head", step))
    assert torch.equal(logits(lm), torch.full((1, 3, 50), 3.0))


def test_d61_a_hook_registered_after_the_first_compiled_call_fires_and_a_warning_says_what_it_cost() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x) + 1

    torch._dynamo.reset()
    compiled = torch.compile(Net(), backend="eager")
    lm = LanguageModel(compiled, None, None)
    compiled(torch.zeros(1, 2))
    with pytest.warns(HookWarning, match="compiled already"):
        lm.layers.register_hook("inner", FunctionController("inner", lambda x: x * 0))
    assert torch.equal(compiled(torch.zeros(1, 2)), torch.ones(1, 2))
