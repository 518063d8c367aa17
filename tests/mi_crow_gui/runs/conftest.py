"""The demo model in the real window, and opened by transformers alone for a second computation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch

from mi_crow_gui.document.resource_files import demo_model_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

FIRST = "violin harbor seven Oscar silk under turtle violin harbor seven Oscar silk"
SECOND = "violin harbor seven lemon queen Oscar silk under turtle violin harbor lemon Oscar silk"


@dataclass(frozen=True)
class Forward:
    """Logits [tokens, vocabulary] and the residual stream [blocks + 1, tokens, channels] of one plain forward."""

    ids: list[int]
    logits: torch.Tensor
    stream: torch.Tensor


@dataclass(frozen=True)
class PlainModel:
    """A model without this project."""

    model: Any
    tokenizer: Any
    blocks: Any

    def __call__(self, ids: list[int], change: Callable[..., Any] | None = None, at: str = "") -> Forward:
        """One forward; `change` acts on what the module `at` gives."""
        kept: list[torch.Tensor] = []

        def first(module: object, arguments: tuple[Any, ...]) -> None:
            kept.append(arguments[0].clone())

        def after(module: object, arguments: object, output: Any) -> None:
            kept.append((output[0] if isinstance(output, tuple) else output).clone())

        handles = [self.model.get_submodule(at).register_forward_hook(change)] if change is not None else []
        handles.append(self.blocks[0].register_forward_pre_hook(first))
        handles += [block.register_forward_hook(after) for block in self.blocks]
        try:
            with torch.no_grad():
                logits = self.model(input_ids=torch.tensor([ids])).logits[0]
        finally:
            for handle in handles:
                handle.remove()
        return Forward(ids, logits, torch.cat(kept))

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text)["input_ids"]


@pytest.fixture(scope="session")
def plain() -> PlainModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = demo_model_folder()
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    return PlainModel(model, AutoTokenizer.from_pretrained(folder), model.transformer.h)


@pytest.fixture(scope="session")
def smollm() -> PlainModel:
    """SmolLM2, if it is there; made before any window, which imports transformers on a thread of its own."""
    folder = os.environ.get("MI_CROW_SMOLLM")
    if not folder:
        pytest.skip("MI_CROW_SMOLLM names no model")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return PlainModel(model, AutoTokenizer.from_pretrained(folder), model.model.layers)


class Runs:
    """What a person does with runs in the window."""

    def __init__(self, driver: Driver, qtbot: QtBot) -> None:
        self.driver, self.qtbot, self.window = driver, qtbot, driver.window

    def run(self, prompt: str, action: str = "run") -> Any:
        self.driver.prompt(prompt)
        outcome = self.driver.run(action)
        self.idle()
        return outcome

    def idle(self) -> None:
        self.qtbot.waitUntil(lambda: self.window.service.state == "ready", timeout=20_000)

    def panel(self, kind: str) -> Any:
        return next(panel for panel in self.window.plot_board.panels() if panel.kind == kind)

    def compared(self) -> Any:
        """The comparison, once its numbers are there."""
        panel = self.panel("compare_runs")
        self.qtbot.waitUntil(
            lambda: panel.drawing is not None and panel.drawing.content.numbers is not None, timeout=20_000
        )
        return panel


@pytest.fixture
def runs(driver: Driver, qtbot: QtBot) -> Runs:
    driver.open_demo()
    return Runs(driver, qtbot)
