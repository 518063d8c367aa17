"""Code that comes with a model runs after a consent that shows it, and never without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QListWidget, QPlainTextEdit, QPushButton, QWidget

from core_hooks.model.errors import ModelError
from core_hooks.model.reference import ModelReference
from mi_crow_gui.app import create
from mi_crow_gui.engine.foreign_code import foreign_code
from mi_crow_gui.window.consent_dialog import ConsentDialog

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.main_window import MainWindow
    from tests.mi_crow_gui.driver import Driver


def drop(window: MainWindow, source: str) -> None:
    window.pathsDropped.emit([source])


def asked(window: MainWindow, qtbot: QtBot, source: str) -> ConsentDialog:
    with qtbot.waitSignal(window.service.consentWanted, timeout=60_000):
        drop(window, source)
    dialog = window.findChild(ConsentDialog)
    assert dialog is not None
    return dialog


def test_a_factory_runs_after_its_files_were_shown_and_agreed_to(driver: Driver, qtbot: QtBot, factory: str) -> None:
    window = driver.window
    dialog = asked(window, qtbot, factory)
    names = dialog.findChild(QListWidget, "consentNames")
    files = [names.item(row).text() for row in range(names.count())]
    assert [file.rpartition("/")[2] for file in files] == ["models.py", "__init__.py", "layers.py"]
    assert "def build" in dialog.findChild(QPlainTextEdit, "consentText").toPlainText()
    with qtbot.waitSignal(window.service.modelOpened, timeout=20_000) as opened:
        dialog.findChild(QPushButton, "consentRun").click()
    assert opened.args[0].has_examples
    driver.tick("0")
    driver.prompt("")
    outcome = driver.run()
    assert outcome.stopped == "done"
    value = window.latest("0")
    assert value is not None
    assert value.shape[-1] == 8


def test_consent_is_remembered_for_this_content_and_no_other(driver: Driver, qtbot: QtBot, custom_folder: Path) -> None:
    window = driver.window
    dialog = asked(window, qtbot, str(custom_folder))
    with qtbot.waitSignal(window.service.modelOpened, timeout=20_000) as opened:
        dialog.findChild(QPushButton, "consentRun").click()
    assert opened.args[0].summary.architecture == "OddModel"
    with qtbot.waitSignal(window.service.modelOpened, timeout=20_000):
        drop(window, str(custom_folder))
    code = custom_folder / "modeling_odd.py"
    code.write_text(code.read_text() + "\n# one line more\n")
    asked(window, qtbot, str(custom_folder)).reject()
    assert "was not opened" in driver.find(QWidget, "statusMessage").text()
    assert window.service.state == "ready"


def test_refusing_leaves_the_start_page_and_runs_nothing(driver: Driver, qtbot: QtBot, factory: str) -> None:
    import sys

    asked(driver.window, qtbot, factory).reject()
    assert driver.window.start_page.isVisible()
    assert not any(name.startswith("odd_package") for name in sys.modules)


def test_with_safe_such_code_is_refused_by_name(qtbot: QtBot, factory: str) -> None:
    _, window = create(["--fresh", "--safe"])
    window.show()
    qtbot.waitUntil(lambda: window.plot_board is not None, timeout=20_000)
    with qtbot.waitSignal(window.service.failed, timeout=60_000) as failed:
        drop(window, factory)
    assert "models.py" in failed.args[0].message
    assert "--safe" in failed.args[0].message
    window.close()
    window.deleteLater()


def test_code_of_another_repository_that_is_not_here_is_refused(custom_folder: Path) -> None:
    config = custom_folder / "config.json"
    config.write_text(config.read_text().replace("modeling_odd.", "someone/else--modeling_odd."))
    with pytest.raises(ModelError, match="someone/else"):
        foreign_code(str(custom_folder))


def test_code_beside_an_architecture_that_is_known_is_not_needed(copy: Path) -> None:
    config = copy / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {"AutoConfig": "gone.Config"},', 1))
    assert foreign_code(str(copy)) is None


def test_a_module_that_does_not_exist_is_one_sentence(driver: Driver, qtbot: QtBot) -> None:
    with qtbot.waitSignal(driver.window.service.failed, timeout=60_000) as failed:
        drop(driver.window, "no_such_package.models:build")
    assert "no_such_package" in failed.args[0].message


def test_the_fingerprint_depends_on_every_file(custom_folder: Path) -> None:
    before = foreign_code(str(custom_folder))
    (custom_folder / "configuration_odd.py").write_text("# nothing\n")
    after = foreign_code(str(custom_folder))
    assert before is not None
    assert after is not None
    assert before.fingerprint != after.fingerprint
    assert ModelReference(str(custom_folder)).trust_code is False


def test_of_installed_packages_only_the_one_that_is_named_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    for name in ("first_package", "second_package"):
        (installed / name).mkdir(parents=True)
        (installed / name / "__init__.py").write_text("")
    (installed / "first_package" / "a.py").write_text("import second_package\nimport first_package.b\n")
    (installed / "first_package" / "b.py").write_text("")
    monkeypatch.syspath_prepend(installed)
    code = foreign_code("first_package.a:build")
    assert code is not None
    assert code.names == "a.py, __init__.py, b.py"
