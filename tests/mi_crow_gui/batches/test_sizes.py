"""A text of 2,000 tokens and a batch of 64 prompts in every view: it shows them, or says why not."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.tiny import WORDS, save_tokenizer
from tests.mi_crow_gui.batches.conftest import Batches

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

OF_A_SITE = ("heatmap", "trace", "histogram", "statistics", "projection")
OF_A_RUN = ("next_token", "logit_lens", "attention", "residual_norms", "head_map")
SITE = "model.layers.1"
SENTENCE = "The Eiffel Tower is in the city of Paris, and the river Seine runs through it. "
LONG, MANY, TOKENS = 2000, 64, 50


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama that reads 4,096 tokens: the demo model's context is shorter than these texts."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("long") / "model"
    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, bos_token_id=1, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def words(count: int, seed: int) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS[3:]) for _ in range(count))


def opened(driver: Driver, qtbot: QtBot, folder: str, site: str) -> Batches:
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=120_000):
        assert driver.window.service.open(ModelReference(folder))
    driver.window.show_workbench()
    driver.tick(site)
    return Batches(driver, qtbot)


def shown_tokens(batches: Batches, kind: str, run: int, timeout: int = 30_000) -> int:
    """How many tokens a plot of this kind shows of the run; 0 where it says why it shows none."""
    panel = batches.only(kind)

    def current() -> bool:
        drawing = panel.drawing
        if drawing is None:
            hint = getattr(panel, "hint", "")
            return (
                bool(panel._empty.text()) and panel._empty.text() != hint and "Run the model" not in panel._empty.text()
            )
        return not panel.stale and drawing.run in (run, 0)

    batches.qtbot.waitUntil(current, timeout=timeout)
    batches.qtbot.waitUntil(lambda: batches.window.service.state == "ready", timeout=timeout)
    drawing = panel.drawing
    if drawing is None:
        return 0
    return len(drawing.content.tokens) if kind in OF_A_RUN else drawing.rows.count + drawing.rows.first


def test_two_thousand_tokens_are_shown_in_every_view(driver: Driver, qtbot: QtBot, long_folder: Path) -> None:
    batches = opened(driver, qtbot, str(long_folder), SITE)
    batches.type([words(LONG, 0)], batch=False)
    outcome = batches.driver.run()
    assert len(outcome.info.tokens) == LONG
    for kind in (*OF_A_SITE, *OF_A_RUN):
        expected = LONG if kind != "head_map" else 0
        found = shown_tokens(batches, kind, outcome.info.number)
        assert found == expected or (kind == "head_map" and found > 0), kind


def test_sixty_four_prompts_are_shown_one_by_one_in_every_view(driver: Driver, qtbot: QtBot, long_folder: Path) -> None:
    batches = opened(driver, qtbot, str(long_folder), SITE)
    lengths = [TOKENS - number % 7 for number in range(MANY)]
    outcome = batches.run([words(length, number) for number, length in enumerate(lengths)])
    assert len(outcome.prompts) == MANY
    assert not outcome.dropped
    for kind in (*OF_A_SITE, *OF_A_RUN):
        for number in (0, 5, MANY - 1):
            batches.click(number, 0)
            found = shown_tokens(batches, kind, outcome.info.number)
            assert found == lengths[number] or kind == "head_map", (kind, number)


def test_the_strip_draws_only_what_is_seen_of_so_many_tokens(driver: Driver, qtbot: QtBot, long_folder: Path) -> None:
    batches = opened(driver, qtbot, str(long_folder), SITE)
    batches.run([words(TOKENS, number) for number in range(MANY)])
    drawn = []
    chip = batches.strip.chip
    batches.strip.chip = lambda prompt, token: drawn.append((prompt, token)) or chip(prompt, token)  # type: ignore[method-assign, func-returns-value]
    batches.click(40, 7)
    batches.strip.viewport().repaint()
    assert (40, 7) in drawn
    assert len(set(drawn)) < 400, "of 3,200 tokens"


@pytest.mark.timeout(1200)
@pytest.mark.skipif("MI_CROW_SMOLLM" not in os.environ, reason="MI_CROW_SMOLLM names no folder")
def test_a_real_model_shows_a_long_text(driver: Driver, qtbot: QtBot) -> None:
    batches = opened(driver, qtbot, os.environ["MI_CROW_SMOLLM"], "model.layers.15")
    batches.type([SENTENCE * 100], batch=False)
    began = time.perf_counter()
    outcome = _run(batches)
    print(f"\n{len(outcome.info.tokens)} tokens: {time.perf_counter() - began:.1f} s")
    assert len(outcome.info.tokens) == 2001
    for kind in (*OF_A_SITE, *OF_A_RUN):
        began = time.perf_counter()
        # The lens reads 31 vectors of every token over 49,152 words: minutes, which the window counts and Stop ends.
        found = shown_tokens(batches, kind, outcome.info.number, 900_000)
        assert found == len(outcome.info.tokens) or kind == "head_map", kind
        used = psutil.Process().memory_info().rss / 2**30
        print(f"{kind}: {time.perf_counter() - began:.1f} s, the process holds {used:.1f} GiB")


@pytest.mark.timeout(600)
@pytest.mark.skipif("MI_CROW_SMOLLM" not in os.environ, reason="MI_CROW_SMOLLM names no folder")
def test_a_real_model_shows_many_prompts(driver: Driver, qtbot: QtBot) -> None:
    batches = opened(driver, qtbot, os.environ["MI_CROW_SMOLLM"], "model.layers.15")
    prompts = [f"{SENTENCE}Number {number} of {MANY} is {'very ' * (number % 5)}long." for number in range(MANY)]
    batches.type(prompts)
    began = time.perf_counter()
    many = _run(batches)
    print(f"{MANY} prompts: {time.perf_counter() - began:.1f} s")
    for kind in (*OF_A_SITE, *OF_A_RUN):
        batches.click(63, 0)
        expected = len(many.of_prompt(63).info.tokens)
        assert shown_tokens(batches, kind, many.info.number, 120_000) == expected or kind == "head_map", kind


def _run(batches: Batches) -> Any:
    with batches.qtbot.waitSignal(batches.window.service.runFinished, timeout=300_000) as blocker:
        batches.driver.act("run")
    return blocker.args[0]
