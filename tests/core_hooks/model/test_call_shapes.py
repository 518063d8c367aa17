from __future__ import annotations

import pytest
import torch
from torch import nn

from core_hooks.hooks.extraction import extract_tensor_from_output
from core_hooks.model.call_shapes import call_shapes
from tests.core_hooks.model.tiny import FAMILIES, tiny_model


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_module_that_was_called_has_the_shapes_that_it_took_and_gave(model_type: str) -> None:
    model = tiny_model(model_type)
    ids = torch.tensor([[3, 4, 5, 6, 7]])
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {})}
    called: dict[str, tuple[int, ...]] = {}
    handles = []
    for name, module in model.named_modules():

        def keep(module: nn.Module, args: object, output: object, name: str = name) -> None:
            tensor = extract_tensor_from_output(output)
            called.setdefault(name, () if tensor is None else tuple(tensor.shape))

        handles.append(module.register_forward_hook(keep))
    with torch.no_grad(), call_shapes(model) as seen:
        model(**inputs)
        assert seen[""][0] == (1, 5)
        model(input_ids=ids[:, :2], **({"decoder_input_ids": ids[:, :2]} if model.config.is_encoder_decoder else {}))
    for handle in handles:
        handle.remove()
    assert {name: out for name, (_, out) in seen.items()} == called
    linear = next(name for name, module in model.named_modules() if isinstance(module, nn.Linear) and name in seen)
    assert seen[linear][0][-1] == model.get_submodule(linear).in_features
    assert not any(module._forward_hooks for module in model.modules())


def test_nothing_stays_on_modules_that_were_not_called_or_failed() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 3))
    with pytest.raises(RuntimeError), call_shapes(model) as seen:
        model(torch.zeros(1, 2))
    assert seen == {"0": ((1, 2), (1, 2))}
    assert not any(module._forward_hooks for module in model.modules())
