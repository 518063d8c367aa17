"""Part 2, what the model's own inputs and outputs lose in the reference: D31 to D38."""

from __future__ import annotations

import logging
from collections import UserDict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import ModelInputDetector, ModelOutputDetector, attach

IDS = torch.tensor([[1, 5, 6], [0, 7, 1]])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


class Root(nn.Module):
    """Takes what a language model takes."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, inputs_embeds: Any = None) -> Any:
        return torch.zeros(2, 3, 4)


def detected(*args: Any, **kwargs: Any) -> ModelInputDetector:
    module, detector = Root(), ModelInputDetector(save_attention_mask=True)
    with attach(module, {"": detector}):
        module(*args, **kwargs)
    return detector


def test_d31_ids_and_mask_passed_by_keyword_are_captured() -> None:
    detector = detected(input_ids=IDS, attention_mask=MASK)
    assert torch.equal(detector.get_captured_input_ids(), IDS)
    assert torch.equal(detector.get_captured_attention_mask(), MASK.bool())


def test_d32_a_positional_mask_is_recognised_by_the_forwards_signature() -> None:
    assert torch.equal(detected(IDS, MASK).get_captured_attention_mask(), MASK.bool())
    assert torch.equal(detected(IDS, attention_mask=MASK).get_captured_attention_mask(), MASK.bool())
    assert detected(IDS).get_captured_attention_mask().all()


def test_d33_any_mapping_is_an_encoding_positional_or_bare() -> None:
    encoding = UserDict(input_ids=IDS, attention_mask=MASK)
    by_hand = ModelInputDetector(save_attention_mask=True)
    by_hand.process_activations(None, encoding, None)
    for detector in (detected(encoding), by_hand):
        assert torch.equal(detector.get_captured_input_ids(), IDS)
        assert torch.equal(detector.get_captured_attention_mask(), MASK.bool())


def test_d34_the_mask_has_the_rank_of_the_ids() -> None:
    detector = ModelInputDetector(save_attention_mask=True, special_token_ids=[1])
    detector.process_activations(None, (IDS[0],), None)
    assert detector.get_captured_attention_mask().tolist() == [False, True, True]
    detector.process_activations(None, (IDS[None],), None)
    assert detector.get_captured_attention_mask().shape == (1, 2, 3)


def test_d34_embeddings_are_no_ids() -> None:
    for detector in (detected(inputs_embeds=torch.randn(2, 3, 4)), detected(torch.randn(2, 3, 4))):
        assert detector.get_captured_input_ids() is None
    assert detected(torch.ones(2, 3, dtype=torch.bool)).get_captured_input_ids() is None


def test_d34_additive_masks_are_not_inverted() -> None:
    additive = torch.zeros(2, 3).masked_fill(MASK == 0, torch.finfo(torch.float32).min)
    assert torch.equal(detected(IDS, additive).get_captured_attention_mask(), MASK.bool())
    assert detected(IDS, torch.zeros(2, 3)).get_captured_attention_mask().all()
    assert torch.equal(detected(IDS, MASK.float()).get_captured_attention_mask(), MASK.bool())


def test_d34_a_mask_of_four_dimensions_is_refused() -> None:
    with pytest.raises(Exception, match="which tokens see which"):
        detected(IDS, torch.ones(2, 1, 3, 3))
    with pytest.raises(Exception, match=r"attention mask has shape \(2, 2\), the ids \(2, 3\)"):
        detected(IDS, torch.ones(2, 2))


def test_with_a_cache_the_mask_keeps_the_columns_of_the_present_ids() -> None:
    detector = detected(IDS[:, -1:], MASK)
    assert detector.get_captured_attention_mask().tolist() == [[False], [True]]


def test_d35_a_disabled_input_detector_takes_no_encodings() -> None:
    detector = ModelInputDetector()
    detector.disable()
    detector.set_inputs_from_encodings({"input_ids": IDS})
    assert detector.get_captured_input_ids() is None


def test_d37_a_leading_loss_is_not_taken_for_the_logits() -> None:
    logits = torch.randn(2, 3, 4)
    detector = ModelOutputDetector()
    detector.process_activations(None, None, (torch.tensor(0.7), logits, "cache"))
    assert torch.equal(detector.get_captured_output_logits(), logits)
    detector.process_activations(None, None, torch.tensor(0.7))
    assert detector.get_captured_output_logits().dim() == 0


def test_d38_the_last_of_the_hidden_states_stands_in_for_a_missing_one() -> None:
    states = tuple(torch.randn(2, 3, 4) for _ in range(3))
    detector = ModelOutputDetector(save_output_hidden_state=True)
    detector.process_activations(None, None, SimpleNamespace(logits=states[0], hidden_states=states))
    assert torch.equal(detector.get_captured_output_hidden_state(), states[-1])


def test_d38_an_absent_hidden_state_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    detector = ModelOutputDetector(save_output_hidden_state=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            detector.process_activations(None, None, SimpleNamespace(logits=torch.randn(2, 3, 4)))
    assert caplog.text.count("output_hidden_states=True") == 1
