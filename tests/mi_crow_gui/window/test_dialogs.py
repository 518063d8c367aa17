from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QPlainTextEdit, QPushButton, QTreeWidget

from core_hooks.model.reference import ModelReference
from mi_crow_gui.engine.model_look import Choice, OpeningChoices
from mi_crow_gui.window.actions import ACTIONS
from mi_crow_gui.window.consent_dialog import ConsentDialog
from mi_crow_gui.window.open_model_dialog import OpenModelDialog

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.main_window import MainWindow


def test_the_model_dialog_gives_the_reference_it_shows(window: MainWindow) -> None:
    taken: list[ModelReference] = []
    window.set_devices(["cpu", "cuda:0"])
    dialog = window.ask_for_model(taken.append)
    dialog.set_choices(OpeningChoices((Choice("auto", "Any"), Choice("eager", "Eager")), (Choice("none", "None"),)))
    assert not dialog.findChild(QPushButton, "modelOpen").isEnabled()
    dialog.findChild(QLineEdit, "modelSource").setText("  org/name ")
    for name, value in (("modelDevice", "cuda:0"), ("modelDtype", "bfloat16"), ("modelAttention", "eager")):
        box = dialog.findChild(QComboBox, name)
        box.setCurrentIndex(box.findData(value))
    dialog.findChild(QPushButton, "modelOpen").click()
    assert taken == [ModelReference("org/name", "cuda:0", "bfloat16", "eager")]
    assert not dialog.isVisible()


def test_the_model_dialog_starts_from_a_reference_and_keeps_values_it_does_not_know(qtbot: QtBot) -> None:
    start = ModelReference("folder", device="mps", dtype="float64", attention="flex_attention")
    dialog = OpenModelDialog(reference=start)
    qtbot.addWidget(dialog)
    assert dialog.reference() == start


def test_a_refused_model_dialog_names_no_model(window: MainWindow) -> None:
    taken: list[ModelReference] = []
    dialog = window.ask_for_model(taken.append)
    dialog.findChild(QLineEdit, "modelSource").setText("folder")
    dialog.reject()
    assert taken == []


def test_a_chosen_file_reaches_the_function_that_asked(window: MainWindow, tmp_path: Path) -> None:
    taken: list[str] = []
    chosen = tmp_path / "session.microw"
    chosen.write_text("{}")
    dialog = window.ask_for_file("Open session", "Sessions (*.microw)", taken.append, str(tmp_path))
    assert isinstance(dialog, QFileDialog)
    assert dialog.directory().absolutePath() == str(tmp_path)
    dialog.fileSelected.emit(str(chosen))
    dialog.close()
    assert taken == [str(chosen)]


def test_a_name_for_something_new_is_offered_in_its_folder(window: MainWindow, tmp_path: Path) -> None:
    dialog = window.ask_for_new_file("Save session", str(tmp_path / "mine.microw"), "Sessions (*.microw)", print)
    assert isinstance(dialog, QFileDialog)
    assert dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave
    assert dialog.directory().absolutePath() == str(tmp_path)
    assert dialog.selectedFiles() == [str(tmp_path / "mine.microw")]
    dialog.close()


def test_a_folder_dialog_asks_for_a_folder(window: MainWindow) -> None:
    dialog = window.ask_for_folder("Open capture", print)
    assert isinstance(dialog, QFileDialog)
    assert dialog.fileMode() == QFileDialog.FileMode.Directory
    dialog.close()


def test_consent_shows_every_piece_of_code_and_only_its_own_button_agrees(window: MainWindow, qtbot: QtBot) -> None:
    agreed: list[bool] = []
    code = {"modeling_one.py": "import os", "configuration_one.py": "x = 1"}
    dialog = window.ask_consent("org/one", code, lambda: agreed.append(True))
    assert isinstance(dialog, ConsentDialog)
    text = dialog.findChild(QPlainTextEdit, "consentText")
    assert text.toPlainText() == "import os"
    dialog._names.setCurrentRow(1)
    assert text.toPlainText() == "x = 1"
    assert dialog.findChild(QPushButton, "consentRefuse").isDefault()
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert not dialog.isVisible()
    assert agreed == []
    again = window.ask_consent("org/one", code, lambda: agreed.append(True))
    again.findChild(QPushButton, "consentRun").click()
    assert agreed == [True]


def test_the_list_of_shortcuts_holds_every_one_and_can_be_filtered(window: MainWindow) -> None:
    dialog = window.show_shortcuts()
    rows = dialog.findChild(QTreeWidget, "shortcutsList")
    listed = [rows.topLevelItem(row) for row in range(rows.topLevelItemCount())]
    assert len(listed) >= sum(bool(spec.shortcuts) for spec in ACTIONS)
    dialog.findChild(QLineEdit, "shortcutsFilter").setText("ctrl+z")
    assert [item.text(1) for item in listed if not item.isHidden()] == ["Ctrl+Z"]
    dialog.close()


def test_asking_twice_for_about_shows_one_window(window: MainWindow) -> None:
    assert window.show_about() is window.show_about()


def test_the_dialogs_close_with_the_window(window: MainWindow) -> None:
    dialogs = [window.show_about(), window.show_guide(), window.show_shortcuts()]
    window.close()
    assert not any(dialog.isVisible() for dialog in dialogs)
