"""What is done about the files of the weights, in the window."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget
from safetensors.torch import load_file, save_file

from core_hooks.model import gguf_cache
from core_hooks.model.gguf_cache import GgufCache
from mi_crow_gui.document.resource_files import demo_model_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def message(driver: Driver) -> str:
    return str(driver.find(QWidget, "statusMessage").text())


def test_the_weights_of_the_open_model_are_verified_and_a_damaged_file_is_named(
    driver: Driver, qtbot: QtBot, tmp_path: Path
) -> None:
    assert not driver.find(QAction, "verifyWeights").isEnabled()
    driver.open_demo()
    with qtbot.waitSignal(driver.window.service.taskEnded, timeout=30_000):
        driver.act("verifyWeights")
    assert message(driver).startswith("Nothing wrong in 1 file, ")
    assert "keeps no checksum" in message(driver)
    folder = shutil.copytree(demo_model_folder(), tmp_path / "damaged")
    state = load_file(folder / "model.safetensors")
    state["transformer.h.2.mlp.c_fc.weight"][0, 0] = torch.inf
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=20_000):
        driver.window.pathsDropped.emit([str(folder)])
    assert f"NaN or infinite numbers in {folder}: transformer.h.2.mlp.c_fc.weight (1 of" in message(driver)
    with qtbot.waitSignal(driver.window.service.taskEnded, timeout=30_000):
        driver.act("verifyWeights")
    assert "transformer.h.2.mlp.c_fc.weight (1 of" in message(driver)
    assert driver.window.service.state == "ready"


def test_unpacked_gguf_weights_are_removed_with_how_much_they_took(
    driver: Driver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_cache.platformdirs, "user_cache_dir", lambda *args, **options: str(tmp_path))
    entry = tmp_path / "gguf" / "abc-auto"
    entry.mkdir(parents=True)
    (entry / "model.safetensors").write_bytes(bytes(3 << 20))
    driver.act("clearWeightCache")
    qtbot.waitUntil(lambda: "3.000 MiB are free again" in message(driver))
    assert GgufCache().size() == 0
    driver.act("clearWeightCache")
    qtbot.waitUntil(lambda: "nothing to remove" in message(driver))
