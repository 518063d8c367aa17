"""The clean check finds what hooks leave, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.function_controller import FunctionController
from core_hooks.model.clean_check import check_clean
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.tiny import save_folder

if TYPE_CHECKING:
    from pathlib import Path

    from core_hooks.model.opened import OpenedModel


@pytest.fixture(params=["gpt2", "llama"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenedModel:
    return open_model(ModelReference(str(save_folder(tmp_path / "model", request.param))))


def test_a_model_after_hooks_is_clean(opened: OpenedModel) -> None:
    tokens = encode(opened, "Mary went to the store")
    module = next(name for name, _ in opened.model.named_modules() if name.endswith(".1"))
    with attach(opened.model, {module: FunctionController(module, lambda x: x * 0)}):
        pass
    report = check_clean(opened, tokens)
    assert report.clean
    assert report.largest_difference == 0.0
    assert report.logits > 0


def test_a_hook_that_was_left_is_named_and_seen_in_the_logits(opened: OpenedModel) -> None:
    tokens = encode(opened, "Mary went to the store")
    module = next(name for name, _ in opened.model.named_modules() if name.endswith(".1"))
    with attach(opened.model, {module: FunctionController(module, lambda x: x * 0)}):
        report = check_clean(opened, tokens)
    assert report.hooks_left == (module,)
    assert not report.identical
    assert report.largest_difference > 0
    assert not report.clean


def test_a_foreign_hook_that_changes_the_model_is_seen_too(opened: OpenedModel) -> None:
    tokens = encode(opened, "Mary went to the store")
    handle = opened.model.get_output_embeddings().register_forward_hook(lambda m, a, output: output + 1)
    assert not check_clean(opened, tokens).identical
    handle.remove()
    assert check_clean(opened, tokens).clean


def test_the_weights_are_shared_not_copied(opened: OpenedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from core_hooks.model import clean_check

    twin = clean_check._never_hooked(opened.model)
    addresses = {parameter.data_ptr() for parameter in opened.model.parameters()}
    assert {parameter.data_ptr() for parameter in twin.parameters()} == addresses
    assert isinstance(twin, torch.nn.Module)
