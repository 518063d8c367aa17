"""What is known of SmolLM2-135M: run with ``MI_CROW_SMOLLM`` naming its folder."""

from __future__ import annotations

import os
from contextlib import ExitStack

import numpy as np
import pytest
import torch

from core_hooks.analysis.ablation import ablate, ablate_together
from core_hooks.analysis.direct_effect import direct_effect
from core_hooks.analysis.head_map import map_heads, repeated_random_tokens
from core_hooks.analysis.logit_lens import logit_lens
from core_hooks.analysis.metrics import Loss
from core_hooks.analysis.patching import patch
from core_hooks.analysis.residuals import capture_residuals
from core_hooks.model.prompt import encode
from tests.core_hooks.analysis.subjects import Subject, hooked

pytestmark = [
    pytest.mark.smollm,
    pytest.mark.skipif(not os.environ.get("MI_CROW_SMOLLM"), reason="MI_CROW_SMOLLM names no folder"),
]
HEADS, WIDTH = 9, 64


def without(subject: Subject, places: list[tuple[int, int]], ids: tuple[int, ...]) -> torch.Tensor:
    """Losses of the tokens with some heads zeroed by plain hooks."""

    def zero(head: int, tensor: torch.Tensor) -> torch.Tensor:
        new = tensor.clone()
        new[..., head * WIDTH : (head + 1) * WIDTH] = 0
        return new

    with ExitStack() as stack:
        for block, head in places:
            projection = subject.module(f"model.layers.{block}.self_attn.o_proj")
            stack.enter_context(hooked(projection, lambda tensor, head=head: zero(head, tensor), before=True))
        logits = subject.logits(ids)
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")


def test_the_rank_of_paris_ends_at_0_from_far_behind_in_the_middle(smollm: Subject) -> None:
    tokens = encode(smollm.opened, "The Eiffel Tower is in the city of")
    paris = smollm.opened.tokenizer(" Paris", add_special_tokens=False)["input_ids"][0]
    residuals = capture_residuals(smollm.opened, smollm.anatomy, tokens)
    found = logit_lens(smollm.opened, smollm.anatomy, residuals, paris)
    assert found.target_rank is not None
    assert found.target_probability is not None
    ranks = found.target_rank[:, -1]
    assert ranks[-1] == 0
    assert ranks[10:20].min() > 3700
    assert found.target_probability[-1, -1] == pytest.approx(0.656, abs=1e-3)
    norm, head = smollm.module("model.norm"), smollm.module("lm_head")
    with torch.no_grad():
        for row in (1, 15, 24, 29, 30):
            logits = head(norm(residuals.stream[row, -1]))
            assert ranks[row] == int((logits > logits[paris]).sum())


def test_the_induction_heads_and_what_zeroing_them_costs(smollm: Subject) -> None:
    tokens = repeated_random_tokens(smollm.opened)
    assert len(tokens) == 101
    found = map_heads(smollm.opened, smollm.anatomy, tokens)
    strongest = found.strongest("induction")
    assert strongest[0][:2] == (18, 6)
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(os.environ["MI_CROW_SMOLLM"], attn_implementation="eager")
    with torch.no_grad():
        weights = plain(torch.tensor([tokens.ids]), output_attentions=True).attentions
    rows = torch.arange(51, 101)
    for block, head, score in strongest[:3]:
        assert score == pytest.approx(float(weights[block][0, head, rows, rows - 49].mean()), abs=1e-4)
    first, second = Loss(tuple(range(1, 51))), Loss(tuple(range(51, 101)))
    five = [place[:2] for place in strongest]
    losses = []
    for places in ([], [(18, 6)], five):
        wanted = without(smollm, places, tokens.ids)
        for metric, part in ((first, wanted[:50]), (second, wanted[50:])):
            loss = ablate_together(smollm.opened, smollm.anatomy, tokens, places, metric=metric)
            assert loss == pytest.approx(float(part.mean()), abs=1e-3)
            losses.append(loss)
    before, one, all_five = losses[1::2]
    assert one > before + 1.5
    assert all_five > before + 7
    assert losses[0::2] == pytest.approx([losses[0]] * 3, abs=0.2)


def test_the_capital_moves_from_the_country_to_the_last_token(smollm: Subject) -> None:
    texts = ("The capital of France is", "The capital of Italy is")
    clean, corrupted = (encode(smollm.opened, text) for text in texts)
    found = patch(smollm.opened, smollm.anatomy, clean, corrupted)
    subject, last = 3, 4
    assert clean.texts[subject] == " France"
    np.testing.assert_allclose(found.recovered[:22, subject], 1, atol=0.03)
    np.testing.assert_allclose(found.recovered[24:, last], 0.99, atol=0.015)
    assert found.recovered[24, last] == pytest.approx(0.99, abs=0.005)
    assert np.abs(found.recovered[:21, last]).max() < 0.05
    words = [int(smollm.logits(tokens.ids)[-1].argmax()) for tokens in (clean, corrupted)]
    whole, nothing = (
        float(logits[words[0]] - logits[words[1]]) for logits in (smollm.logits(t.ids)[-1] for t in (clean, corrupted))
    )
    for block in (10, 22, 24):
        kept: list[torch.Tensor] = []
        site = smollm.module(f"model.layers.{block}")
        with hooked(site, lambda tensor, kept=kept: kept.append(tensor.clone())):
            smollm.logits(clean.ids)
        for token in (subject, last):

            def put(tensor: torch.Tensor, kept: list[torch.Tensor] = kept, token: int = token) -> torch.Tensor:
                new = tensor.clone()
                new[0, token] = kept[0][0, token]
                return new

            with hooked(site, put):
                logits = smollm.logits(corrupted.ids)[-1]
            wanted = (float(logits[words[0]] - logits[words[1]]) - nothing) / (whole - nothing)
            assert found.recovered[block, token] == pytest.approx(wanted, abs=1e-3)


def test_what_every_part_writes_toward_paris_adds_up_to_its_logit(smollm: Subject) -> None:
    tokens = encode(smollm.opened, "The Eiffel Tower is in the city of")
    paris = smollm.opened.tokenizer(" Paris", add_special_tokens=False)["input_ids"][0]
    found = direct_effect(smollm.opened, smollm.anatomy, tokens, paris)
    assert found.heads.shape == (30, HEADS)
    assert found.logit == pytest.approx(float(smollm.logits(tokens.ids)[-1, paris]), abs=1e-3)
    assert abs(found.unexplained) < 1e-3


def test_one_block_of_a_head_sweep_is_what_plain_hooks_say(smollm: Subject) -> None:
    tokens = encode(smollm.opened, "The capital of France is Paris, and")
    found = ablate(smollm.opened, smollm.anatomy, tokens)
    before = float(without(smollm, [], tokens.ids).mean())
    for head in range(HEADS):
        wanted = float(without(smollm, [(3, head)], tokens.ids).mean()) - before
        assert found.change[3, head] == pytest.approx(wanted, abs=1e-3)
