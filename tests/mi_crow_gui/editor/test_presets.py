"""Presets in the real window: chosen from the menu, undone, applied to a head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QWidget,
)
from safetensors.torch import save_file

from mi_crow_gui.document.controller_presets import HEAD, SITE, TOKENS, Scope, preset_text
from mi_crow_gui.document.resource_files import demo_model_folder

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QAction

    from tests.mi_crow_gui.driver import Driver

PROJECTION = "transformer.h.1.attn.c_proj"
PROMPT = "marble owl ticket Grace storm marble owl"


def walk(menu: QMenu, *titles: str) -> QAction:
    for title in titles:
        (action,) = (action for action in menu.actions() if action.text() == title)
        menu = action.menu()
    return action


def titles(menu: QMenu) -> list[str]:
    return [action.text() for action in menu.actions()]


@pytest.fixture
def menu(driver: Driver) -> QMenu:
    return driver.find(QMenu, "presetMenu")


def test_a_preset_takes_the_place_of_the_text_as_if_typed_and_undo_brings_it_back(driver: Driver, menu: QMenu) -> None:
    driver.open_demo()
    driver.select(PROJECTION)
    edit = driver.find(QPlainTextEdit, "controllerEdit")
    edit.setPlainText("lambda x: x * 3")
    walk(menu, "Scale", "Whole site").trigger()
    assert edit.toPlainText() == preset_text("scale", Scope(SITE))
    assert driver.window.findChild(QAbstractButton, "controllerApply").isEnabled()
    driver.select("transformer.h.0.mlp")
    driver.select(PROJECTION)
    assert edit.toPlainText() == preset_text("scale", Scope(SITE)), "it is a draft like any typed text"
    edit.setPlainText("lambda x: x * 3")
    walk(menu, "Zero", "Token range").trigger()
    edit.undo()
    assert edit.toPlainText() == "lambda x: x * 3"


def test_one_head_is_offered_at_the_projection_and_elsewhere_it_says_where(driver: Driver, menu: QMenu) -> None:
    driver.open_demo()
    driver.select(PROJECTION)
    heads = walk(menu, "Zero", "One head").menu()
    assert titles(heads) == ["Head 0", "Head 1", "Head 2", "Head 3"]
    driver.select("transformer.h.1.attn")
    elsewhere = walk(menu, "Zero").menu().actions()[-1]
    assert elsewhere.text() == f"One head: select {PROJECTION}"
    assert not elsewhere.isEnabled()
    driver.select("transformer.h.1.mlp")
    assert titles(walk(menu, "Zero").menu()) == ["Whole site", "Token range", "Chosen steps"]


def test_without_a_site_there_are_no_presets(driver: Driver) -> None:
    button = driver.find(QAbstractButton, "controllerPresets")
    assert not button.isEnabled()
    driver.open_demo()
    driver.select(PROJECTION)
    assert button.isEnabled()


def test_zeroing_one_head_by_preset_gives_the_loss_that_plain_torch_gives(driver: Driver, menu: QMenu) -> None:
    driver.open_demo()
    driver.prompt(PROMPT)
    driver.select(PROJECTION)
    walk(menu, "Zero", "One head", "Head 2").trigger()
    edit = driver.find(QPlainTextEdit, "controllerEdit")
    assert edit.toPlainText() == preset_text("zero", Scope(HEAD, 2, 32))
    driver.find(QAbstractButton, "controllerApply").click()
    outcome = driver.run()
    # Not before: the model thread imports it too, and its lazy module does not bear two at once.
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(demo_model_folder()).eval()
    ids = AutoTokenizer.from_pretrained(demo_model_folder())(PROMPT, return_tensors="pt")["input_ids"]

    def cut(module: object, arguments: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        kept = arguments[0].clone()
        kept[..., 64:96] = 0
        return (kept,)

    handle = model.get_submodule(PROJECTION).register_forward_pre_hook(cut)
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    handle.remove()
    expected = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none")
    np.testing.assert_allclose(outcome.losses[1:], expected.numpy(), atol=1e-4)


def test_values_of_a_pinned_run_take_the_place_of_this_runs_by_preset(driver: Driver, menu: QMenu) -> None:
    driver.open_demo()
    site = "transformer.h.2"
    driver.prompt(PROMPT)
    driver.tick(site)
    first = driver.run()
    driver.window.service.pin(first.info.number, "A")
    driver.prompt("storm Grace owl marble ticket storm Grace")
    other = driver.run()
    assert not np.array_equal(other.losses[1:], first.losses[1:])
    driver.select(site)
    walk(menu, "Replace from another run", "Whole site").trigger()
    driver.find(QAbstractButton, "controllerApply").click()
    replaced = driver.run()
    # The last block and the unembedding see nothing but run A: what follows the prompt is what followed there.
    assert [one.text for one in replaced.candidates] == [one.text for one in first.candidates]
    np.testing.assert_allclose(
        [one.logit for one in replaced.candidates], [one.logit for one in first.candidates], atol=1e-4
    )


def test_a_saved_vector_is_chosen_from_a_file_and_added_with_the_sliders_strength(
    driver: Driver, menu: QMenu, tmp_path: Path
) -> None:
    save_file({"vector": torch.arange(128.0) / 64}, tmp_path / "calm.safetensors")
    driver.open_demo()
    driver.prompt(PROMPT)
    site = "transformer.h.2"
    driver.tick(site)
    driver.run()
    before = driver.window.latest(site)
    walk(menu, "Add a saved vector…", "Whole site").trigger()
    driver.find(QFileDialog, "fileDialog").fileSelected.emit(str(tmp_path / "calm.safetensors"))
    driver.find(QFileDialog, "fileDialog").close()
    assert str(tmp_path) in driver.find(QPlainTextEdit, "controllerEdit").toPlainText()
    driver.find(QDoubleSpinBox, "strengthValue").setValue(-2.5)
    driver.find(QAbstractButton, "controllerApply").click()
    stage = driver.find(QComboBox, "detectorStage")
    stage.setCurrentIndex(stage.findData("after"))
    stage.activated.emit(stage.currentIndex())
    driver.run()
    expected = before - 2.5 * (np.arange(128, dtype=np.float32) / 64)
    np.testing.assert_allclose(driver.window.latest(site), expected, atol=1e-4)


def test_the_numbers_of_a_preset_are_fields_that_write_the_code_and_follow_it(driver: Driver, menu: QMenu) -> None:
    driver.open_demo()
    driver.select(PROJECTION)
    edit = driver.find(QPlainTextEdit, "controllerEdit")
    walk(menu, "Scale", "Token range").trigger()
    for name, value in (("FACTOR", 0.25), ("LAST", 5)):
        driver.find(QDoubleSpinBox, f"constant_{name}").setValue(value)
    expected = preset_text("scale", Scope(TOKENS)).replace("FACTOR = 0.5", "FACTOR = 0.25")
    assert edit.toPlainText() == expected.replace("LAST = 0, 3", "LAST = 0, 5")
    edit.undo()
    assert edit.toPlainText() == expected
    assert driver.find(QDoubleSpinBox, "constant_LAST").value() == 3
    edit.setPlainText(expected.replace("0.25", "7.5"))
    assert driver.find(QDoubleSpinBox, "constant_FACTOR").value() == 7.5
    edit.setPlainText("FACTOR = \n")
    assert not driver.find(QWidget, "controllerConstants").isEnabled(), "nothing is written into a text in the middle"
    walk(menu, "Zero", "Chosen steps").trigger()
    steps = driver.find(QLineEdit, "constant_STEPS")
    steps.setText("0, 2 3")
    steps.editingFinished.emit()
    assert "STEPS = {0, 2, 3}" in edit.toPlainText()
    steps.setText("all")
    steps.editingFinished.emit()
    assert (steps.text(), "STEPS = {0, 2, 3}" in edit.toPlainText()) == ("0, 2, 3", True)
    edit.setPlainText("lambda x: x")
    assert driver.find(QWidget, "controllerConstants").isHidden()
