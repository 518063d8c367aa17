"""What a generation leaves forward by forward, against a forward over the whole sequence by transformers alone."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch

from core_hooks.analysis.attention import eager_attention
from core_hooks.analysis.following import Following
from core_hooks.model.generation import generate_batch
from core_hooks.model.tokens import GenerationSettings, TokenSequence
from tests.core_hooks.analysis.subjects import IDS, lively

FAMILIES = ("gpt2", "llama", "gpt_neox")


def sequence(ids: list[int]) -> TokenSequence:
    return TokenSequence(tuple(ids), tuple(map(str, ids)), (False,) * len(ids))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("row", [0, 1])
def test_of_a_batch_one_sequence_is_kept_without_its_padding(family: str, row: int) -> None:
    subject = lively(family)
    prompts = [sequence(list(IDS)), sequence(list(IDS[:3]))]
    rows = list(prompts)
    with (
        eager_attention(subject.opened),
        Following(subject.model, subject.anatomy, stream=True, attention=[1], row=row, rows=2) as following,
    ):

        def on_step(steps: Any) -> None:
            following.ended(len(rows[row]) if steps[row] is not None else None)
            for number, step in enumerate(steps):
                rows[number] = rows[number] + sequence([step.token_id])

        generate_batch(
            subject.opened, prompts, GenerationSettings(4, temperature=0), cancel=threading.Event(), on_step=on_step
        )
        left = following.take()
        assert following.take() == []
    fed = len(prompts[row])
    assert [forward.fed for forward in left] == [fed, fed + 1, fed + 2, fed + 3]
    # A copy: other tests find the model as it was.
    twin = copy.deepcopy(subject.model)
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        found = twin(torch.tensor([rows[row].ids[: fed + 3]]), output_hidden_states=True, output_attentions=True)
    for place, expected in enumerate(found.hidden_states[:-1]):
        kept = torch.cat([forward.stream[place] for forward in left if forward.stream])
        torch.testing.assert_close(kept, expected[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(left[0].weights[1], found.attentions[1][0][:, :fed, :fed], atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(left[-1].weights[1][:, 0], found.attentions[1][0][:, -1], atol=1e-5, rtol=1e-3)


def test_what_a_forward_over_padding_leaves_is_not_told() -> None:
    subject = lively("gpt2")
    with Following(subject.model, subject.anatomy, stream=True) as following, torch.no_grad():
        subject.model(torch.tensor([IDS]))
        following.ended(len(IDS))
        subject.model(torch.tensor([IDS]))
        following.ended(None)
        (forward,) = following.take()
    assert forward.fed == len(IDS)
    assert forward.stream is not None
    assert len(forward.stream) == len(subject.anatomy.blocks) + 1


def test_a_batch_of_another_size_is_not_followed() -> None:
    subject = lively("gpt2")
    with Following(subject.model, subject.anatomy, stream=True, rows=2) as following, torch.no_grad():
        subject.model(torch.tensor([IDS]))
        following.ended(len(IDS))
        (forward,) = following.take()
    assert forward.stream is None
