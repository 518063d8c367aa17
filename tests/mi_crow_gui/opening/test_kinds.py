"""Every kind of model runs in the window, or the window names what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QWidget

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def open_folder(driver: Driver, qtbot: QtBot, folder: Path) -> Any:
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=60_000) as opened:
        driver.window.pathsDropped.emit([str(folder)])
    return opened.args[0]


def failure(driver: Driver, qtbot: QtBot, action: str) -> str:
    with qtbot.waitSignal(driver.window.service.failed, timeout=20_000) as failed:
        driver.act(action)
    message: str = failed.args[0].message
    assert driver.find(QWidget, "statusMessage").text() == message
    assert driver.window.service.state == "ready"
    return message


@pytest.mark.parametrize(
    ("name", "site", "prompt"),
    [
        ("ids", "transformer.h.1", "3 4 5"),
        ("bert", "bert.encoder.layer.1", "the store went"),
        ("t5", "encoder.block.1", "the store went"),
        ("vit", "", ""),
        ("mixtral", "model.layers.1.mlp", "the store went"),
        ("mamba", "backbone.layers.1", "the store went"),
    ],
)
def test_a_model_of_another_kind_runs_and_gives_values(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path], name: str, site: str, prompt: str
) -> None:
    opened = open_folder(driver, qtbot, folders[name])
    site = site or opened.tree.records[1].path
    driver.tick(site)
    driver.prompt(prompt)
    assert driver.run().stopped == "done"
    value = driver.window.latest(site)
    assert value is not None
    assert value.size
    # An encoder gives no token a loss, which is not said as a number.
    assert "NaN" not in driver.find(QWidget, "statusMessage").text()


def test_without_a_tokenizer_the_prompt_asks_for_ids_and_refuses_words(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    open_folder(driver, qtbot, folders["ids"])
    assert "token ids" in driver.find(QPlainTextEdit, "promptEdit").placeholderText()
    driver.prompt("marble")
    assert "no tokenizer" in failure(driver, qtbot, "run")
    driver.open_demo()
    assert "token ids" not in driver.find(QPlainTextEdit, "promptEdit").placeholderText()


def test_a_masked_model_says_by_name_that_it_writes_nothing(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    open_folder(driver, qtbot, folders["bert"])
    for name in ("generate", "step"):
        assert not driver.find(QAction, name).isEnabled()
        assert "BertForMaskedLM fills in masks" in driver.find(QAction, name).toolTip()
    assert driver.find(QPlainTextEdit, "promptEdit").placeholderText() == "Type a prompt, then Run"
    driver.prompt("the store went")
    assert driver.run().stopped == "done"
    assert not driver.find(QAction, "generate").isEnabled()
    driver.open_demo()
    assert driver.find(QAction, "generate").isEnabled()
    assert driver.find(QAction, "generate").toolTip().startswith("Let the model continue the prompt")


def test_a_view_of_tokens_says_that_example_inputs_have_none(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    open_folder(driver, qtbot, folders["vit"])
    driver.window.plot_board.plotAddRequested.emit("logit_lens")
    driver.run()
    (lens,) = [panel for panel in driver.window.plot_board.panels() if panel.kind == "logit_lens"]
    qtbot.waitUntil(lambda: "example inputs, which have no tokens" in lens._empty.text())


def test_an_encoder_decoder_writes(driver: Driver, qtbot: QtBot, folders: dict[str, Path]) -> None:
    open_folder(driver, qtbot, folders["t5"])
    driver.prompt("the store went")
    assert driver.run("generate").stopped in ("length", "eos")


def test_a_model_of_images_refuses_words_and_says_how_it_runs(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    open_folder(driver, qtbot, folders["vit"])
    assert "image of noise" in driver.find(QWidget, "statusMessage").text()
    driver.prompt("a word")
    assert "takes no text" in failure(driver, qtbot, "run")
    driver.find(QPlainTextEdit, "promptEdit").clear()
    assert not driver.find(QAction, "generate").isEnabled()
    assert "ViTForImageClassification gives no logits" in driver.find(QAction, "generate").toolTip()
    driver.run()
    assert "example inputs" in driver.find(QWidget, "statusMessage").text()


def test_tokens_without_losses_get_a_sentence_and_no_range(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    open_folder(driver, qtbot, folders["bert"])
    driver.prompt("the store went")
    driver.run()
    legend = driver.find(QWidget, "tokenLegend")
    assert legend.isVisible()
    assert "gives no probabilities of the tokens" in legend.accessibleName()
    assert driver.window.prompt._strip.measure_range is None


def test_a_plot_of_a_site_that_another_model_had_says_that_this_one_has_none(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    driver.open_demo()
    driver.tick("transformer.h.2")
    driver.prompt("violin harbor")
    driver.run()
    panel = next(panel for panel in driver.window.plot_board.panels() if panel.kind == "heatmap")
    qtbot.waitUntil(lambda: panel.drawing is not None, timeout=10_000)
    open_folder(driver, qtbot, folders["bert"])

    def said() -> str:
        return " ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())

    qtbot.waitUntil(lambda: "has no transformer.h.2: it belongs to another one" in said(), timeout=5_000)
    driver.select("bert.encoder.layer.1")
    qtbot.waitUntil(lambda: "Run the model to see bert.encoder.layer.1 here" in said(), timeout=5_000)
