"""A board with one plot, and the demo model opened by transformers alone for a second computation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch

from mi_crow_gui.document.resource_files import demo_model_folder

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


@dataclass(frozen=True)
class PlainModel:
    """The demo model without this project."""

    model: Any
    tokenizer: Any

    def ids(self, text: str) -> torch.Tensor:
        return self.tokenizer(text, return_tensors="pt")["input_ids"]

    def __call__(self, ids: torch.Tensor, **wanted: Any) -> Any:
        with torch.no_grad():
            return self.model(input_ids=ids, **wanted)


@pytest.fixture(scope="session")
def plain() -> PlainModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = demo_model_folder()
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return PlainModel(model, AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="session")
def repeated_prompt() -> str:
    return json.loads((demo_model_folder() / "prompts.json").read_text())[0]["text"]


class Views:
    """The plots of the board, as a person adds and reads them."""

    def __init__(self, driver: Driver, qtbot: QtBot) -> None:
        self.driver, self.qtbot = driver, qtbot

    @property
    def board(self) -> Any:
        return self.driver.window.plot_board

    def only(self, kind: str) -> Any:
        """Close every plot, add one of this kind, and give its panel."""
        for panel in self.board.panels():
            panel.closeRequested.emit()
        self.board.plotAddRequested.emit(kind)
        (panel,) = self.board.panels()
        assert panel.isVisible()
        return panel

    def run(self, prompt: str, action: str = "run") -> Any:
        self.driver.prompt(prompt)
        return self.driver.run(action)

    def wait_shown(self, panel: Any, run: int | None = None) -> Any:
        """Wait until the plot shows a drawing, of this run, that is current; give what it shows."""
        return self.wait_shown_drawing(panel, run).content

    def wait_shown_drawing(self, panel: Any, run: int | None = None) -> Any:
        """The same for any plot; give its drawing."""

        def current() -> bool:
            drawing = panel.drawing
            return drawing is not None and not panel.stale and (run is None or drawing.run == run)

        self.qtbot.waitUntil(current, timeout=8_000)
        return panel.drawing

    def wait_idle(self) -> None:
        self.qtbot.waitUntil(lambda: self.driver.window.service.state == "ready", timeout=8_000)


@pytest.fixture
def views(driver: Driver, qtbot: QtBot) -> Views:
    driver.open_demo()
    return Views(driver, qtbot)
