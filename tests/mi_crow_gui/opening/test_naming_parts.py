"""Parts of a model named by hand in the window: checked, undone, kept in sessions and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton

from mi_crow_gui.document.python_script import to_python
from mi_crow_gui.document.session_codec import workspace_from_data, workspace_to_data
from mi_crow_gui.document.workspace import Workspace
from mi_crow_gui.window.parts_dialog import PartsDialog

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def dialog_of(driver: Driver) -> PartsDialog:
    driver.act("nameParts")
    dialog = driver.window.findChild(PartsDialog)
    assert dialog is not None
    return dialog


def apply(driver: Driver, qtbot: QtBot, dialog: PartsDialog, **names: str) -> str:
    for part, path in names.items():
        dialog.findChild(QLineEdit, f"part_{part}").setText(path)
    with qtbot.waitSignal(driver.window.service.taskEnded, timeout=30_000):
        dialog.findChild(QPushButton, "partsApply").click()
    return str(dialog.findChild(QLabel, "partsAnswer").text())


def test_parts_are_shown_as_found_and_a_name_that_does_not_exist_is_said_and_changes_nothing(
    driver: Driver, qtbot: QtBot
) -> None:
    assert not driver.find(QAction, "nameParts").isEnabled()
    driver.open_demo()
    dialog = dialog_of(driver)
    shown = {part: dialog.findChild(QLineEdit, f"part_{part}").text() for part in ("blocks", "attention", "heads")}
    assert shown == {"blocks": "transformer.h", "attention": "attn", "heads": "4"}
    before = driver.window.service.anatomy
    assert "no module 'transformer.lnf'" in apply(driver, qtbot, dialog, final_norm="transformer.lnf")
    assert driver.window.service.anatomy == before
    assert driver.window.service.model.summary.reference.parts == ()
    answer = apply(driver, qtbot, dialog, final_norm="transformer.ln_f")
    assert answer.startswith("Confirmed in a forward: 4 blocks")
    dialog.reject()


def test_a_wrong_name_switches_off_what_needs_the_part_and_an_undo_brings_it_back(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    service, dialog = driver.window.service, dialog_of(driver)
    answer = apply(driver, qtbot, dialog, final_norm="transformer.h.0.ln_1")
    assert "do not give the model's logits" in answer
    assert service.anatomy.final_norm == "transformer.h.0.ln_1"
    dialog.reject()
    assert service.model.summary.reference.parts == (("final_norm", "transformer.h.0.ln_1"),)
    with qtbot.waitSignal(service.taskEnded, timeout=30_000):
        driver.act("undo")
    assert service.anatomy.final_norm == "transformer.ln_f"
    assert service.model.summary.reference.parts == ()
    with qtbot.waitSignal(service.taskEnded, timeout=30_000):
        driver.act("redo")
    assert service.anatomy.final_norm == "transformer.h.0.ln_1"


def test_names_are_kept_in_sessions_and_scripts(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    dialog = dialog_of(driver)
    apply(driver, qtbot, dialog, mlp="ln_2")
    dialog.reject()
    workspace = Workspace(model=driver.window.service.model.summary.reference)
    again, unknown = workspace_from_data(workspace_to_data(workspace))
    assert (again.model, unknown) == (workspace.model, [])
    assert "parts=(('mlp', 'ln_2'),)" in to_python(workspace)
