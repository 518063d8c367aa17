"""The dialog says what a model is and needs before it is opened."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QPushButton

from core_hooks.model.quantisation import NAMES, Quantisation
from mi_crow_gui.engine import model_look
from mi_crow_gui.window.open_model_dialog import OpenModelDialog
from tests.core_hooks.model.test_gguf import write_gguf

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def opened_dialog(driver: Driver) -> OpenModelDialog:
    driver.act("openModel")
    dialog = driver.window.findChild(OpenModelDialog)
    assert dialog is not None
    return dialog


def words_about(driver: Driver, qtbot: QtBot, dialog: OpenModelDialog, source: str) -> str:
    with qtbot.waitSignal(driver.window.service.lookout.looked, timeout=60_000):
        dialog.findChild(QLineEdit, "modelSource").setText(source)
    return dialog.findChild(QLabel, "modelLookWords").text()


def test_memory_needed_stands_against_memory_free_and_follows_the_dtype(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path]
) -> None:
    dialog = opened_dialog(driver)
    words = words_about(driver, qtbot, dialog, str(folders["llama"]))
    assert "LlamaForCausalLM" in words
    assert "free on cpu" in words
    dtype = dialog.findChild(QComboBox, "modelDtype")
    with qtbot.waitSignal(driver.window.service.lookout.looked, timeout=10_000) as stored:
        dtype.setCurrentIndex(dtype.findData("float32"))
    with qtbot.waitSignal(driver.window.service.lookout.looked, timeout=10_000) as half:
        dtype.setCurrentIndex(dtype.findData("float16"))
    # Rotary frequencies stay float32 in every dtype.
    assert half.args[0].needed == pytest.approx(stored.args[0].needed / 2, rel=0.01)
    dialog.reject()


def test_too_big_is_said_before_it_is_tried(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core_hooks.model import estimate

    monkeypatch.setattr(estimate, "free_memory", lambda device: 1000)
    dialog = opened_dialog(driver)
    assert words_about(driver, qtbot, dialog, str(folders["llama"])).splitlines()[1].startswith("Too big: ")
    dialog.reject()


def test_what_cannot_be_opened_is_said_and_the_button_is_off(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = opened_dialog(driver)
    assert "config.json" in words_about(driver, qtbot, dialog, str(tmp_path))
    assert not dialog.findChild(QPushButton, "modelOpen").isEnabled()
    assert f"There is no file or folder {tmp_path}/gone" in words_about(driver, qtbot, dialog, f"{tmp_path}/gone")
    dialog.reject()


def test_a_hub_id_that_is_not_here_is_answered_without_the_network(
    driver: Driver, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from huggingface_hub import constants

    def no_network(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    dialog = opened_dialog(driver)
    assert "downloads it" in words_about(driver, qtbot, dialog, "nobody/no-such-model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "offline" in words_about(driver, qtbot, dialog, "nobody/no-such-other-model")
    dialog.reject()


def test_a_look_happens_on_the_model_thread_and_an_overtaken_one_is_skipped(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core_hooks.model.reference import ModelReference

    service = driver.window.service
    seen: list[tuple[str, bool]] = []
    begun, may_go_on = threading.Event(), threading.Event()
    plain = model_look.look

    def watched(reference: ModelReference) -> model_look.ModelLook:
        seen.append((reference.source, threading.current_thread() is threading.main_thread()))
        begun.set()
        may_go_on.wait(20)
        return plain(reference)

    monkeypatch.setattr(model_look, "look", watched)
    service.lookout.look(ModelReference("one"))
    qtbot.waitUntil(begun.is_set, timeout=60_000)
    newest = str(folders["llama"])
    service.lookout.look(ModelReference("two"))
    service.lookout.look(ModelReference(newest))
    with qtbot.waitSignal(service.lookout.looked, check_params_cb=lambda look: look.reference.source == newest):
        may_go_on.set()
    assert seen == [("one", False), (newest, False)]


def test_the_devices_of_this_machine_are_offered(driver: Driver, qtbot: QtBot) -> None:
    box = driver.find(QComboBox, "deviceBox")
    qtbot.waitUntil(lambda: box.count() > 0, timeout=60_000)
    offered = [box.itemText(i) for i in range(box.count())]
    assert tuple(offered) == model_look.devices()
    dialog = opened_dialog(driver)
    choices = dialog.findChild(QComboBox, "modelDevice")
    assert [choices.itemData(i) for i in range(choices.count())] == [*offered, "auto"]
    dialog.reject()


def test_a_device_that_is_chosen_reopens_the_model_there_or_says_why_not(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    service = driver.window.service
    box = driver.find(QComboBox, "deviceBox")
    with qtbot.waitSignal(service.failed, timeout=20_000) as failed:
        driver.window.deviceChosen.emit("cuda:77")
    assert "cuda:77" in failed.args[0].message
    assert box.currentText() == "cpu"
    with qtbot.waitSignal(service.modelOpened, timeout=20_000) as opened:
        driver.window.deviceChosen.emit("auto")
    assert opened.args[0].summary.reference.device == "auto"
    assert box.currentText() == "auto"


def entries(box: QComboBox) -> dict[str, tuple[str, bool]]:
    """By value: what stands there, and whether it can be chosen."""
    model = box.model()
    return {
        box.itemData(at): (box.itemText(at), bool(model.flags(model.index(at, 0)) & Qt.ItemFlag.ItemIsEnabled))
        for at in range(box.count())
    }


def test_quantisations_are_offered_where_their_library_is_installed_and_greyed_with_the_reason_where_not(
    driver: Driver, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quantisation, "lacking", lambda self: "" if self.library == "torchao" else "is not installed")
    qtbot.waitUntil(lambda: driver.window.service.lookout.choices is not None, timeout=60_000)
    dialog = opened_dialog(driver)
    dialog.set_choices(model_look.choices())
    offered = entries(dialog.findChild(QComboBox, "modelQuantisation"))
    assert list(offered) == list(NAMES)
    assert {value for value, (_, enabled) in offered.items() if enabled} == {"none", "torchao-int8", "torchao-float8"}
    assert "is not installed" in offered["bitsandbytes-4bit"][0]
    attention = entries(dialog.findChild(QComboBox, "modelAttention"))
    assert attention["eager"][1]
    assert attention["flash_attention_2"][1] is torch.cuda.is_available()
    dialog.reject()


def test_the_memory_needed_follows_the_quantisation_which_goes_with_the_model(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quantisation, "lacking", lambda self: "")
    qtbot.waitUntil(lambda: driver.window.service.lookout.choices is not None, timeout=60_000)
    dialog = opened_dialog(driver)
    dialog.set_choices(model_look.choices())
    words_about(driver, qtbot, dialog, str(folders["llama"]))
    box = dialog.findChild(QComboBox, "modelQuantisation")
    needed = {}
    for value in ("bitsandbytes-8bit", "bitsandbytes-4bit", "none"):
        with qtbot.waitSignal(driver.window.service.lookout.looked, timeout=10_000) as looked:
            box.setCurrentIndex(box.findData(value))
        needed[value] = looked.args[0].needed
    assert needed["bitsandbytes-4bit"] < needed["bitsandbytes-8bit"] < needed["none"]
    box.setCurrentIndex(box.findData("torchao-int8"))
    assert dialog.reference().quantisation == "torchao-int8"
    dialog.reject()


def hub_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with one repository, which holds two GGUF files and no config; returns its snapshot."""
    import huggingface_hub

    for module in (huggingface_hub.constants, huggingface_hub.file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(root), raising=False)
    repository = root / "models--someone--files"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    (snapshot / "b.F32.gguf").write_bytes(write_gguf(snapshot / "a.F32.gguf").read_bytes())
    return snapshot


def test_the_gguf_files_of_a_hub_id_are_offered_and_the_chosen_one_opens(
    driver: Driver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "unpacked"))
    hub_cache(tmp_path / "hub", monkeypatch)
    dialog = opened_dialog(driver)
    files, button = dialog.findChild(QComboBox, "modelFileChoice"), dialog.findChild(QPushButton, "modelOpen")
    assert not files.isVisible()
    assert "2 GGUF files: choose one" in words_about(driver, qtbot, dialog, "someone/files")
    assert files.isVisible()
    assert not button.isEnabled()
    assert files.currentIndex() == -1
    with qtbot.waitSignal(driver.window.service.lookout.looked, timeout=20_000):
        qtbot.keyClick(files, Qt.Key.Key_Down)
        qtbot.keyClick(files, Qt.Key.Key_Down)
        files.activated.emit(files.currentIndex())
    assert dialog.reference().source == "someone/files/b.F32.gguf"
    assert files.currentText().startswith("b.F32.gguf")
    assert "LlamaForCausalLM" in dialog.findChild(QLabel, "modelLookWords").text()
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=120_000) as opened:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert opened.args[0].summary.name == "someone/files/b.F32.gguf"
    assert opened.args[0].summary.blocks == 3


def test_a_folder_of_gguf_files_offers_them_and_one_that_is_named_has_its_neighbours_beside_it(
    driver: Driver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub_cache(tmp_path / "hub", monkeypatch)
    dialog = opened_dialog(driver)
    files = dialog.findChild(QComboBox, "modelFileChoice")
    assert "choose one" in words_about(driver, qtbot, dialog, str(folder))
    assert "LlamaForCausalLM" in words_about(driver, qtbot, dialog, str(folder / "a.F32.gguf"))
    assert [files.itemData(at) for at in range(files.count())] == [f"{folder}/a.F32.gguf", f"{folder}/b.F32.gguf"]
    assert files.currentIndex() == 0
    # What is typed is what is marked, before anybody has looked.
    dialog.findChild(QLineEdit, "modelSource").setText(f"{folder}/b.F32.gguf")
    assert files.currentIndex() == 1
    words_about(driver, qtbot, dialog, "nobody/no-such-model")
    assert not files.isVisible()
    dialog.reject()
