"""Sessions, recovery, captures, exports and scripts, through the real window."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit, QTableView, QWidget

from core_hooks.capture.folder import read_index, read_site
from mi_crow_gui.app import create
from mi_crow_gui.document import session_file
from mi_crow_gui.document.hook_spec import CONTROLLER

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.main_window import MainWindow
    from mi_crow_gui.wiring.composition import Composition
    from tests.mi_crow_gui.driver import Driver

SITE = "transformer.h.1.attn"
PROMPT = "marble owl ticket marble owl"


def parts(window: MainWindow) -> Composition:
    return next(child for child in window.children() if type(child).__name__ == "Composition")  # type: ignore[return-value]


def furnished(driver: Driver) -> Any:
    driver.open_demo()
    driver.prompt(PROMPT)
    driver.tick(SITE)
    return driver.run()


def test_a_session_brings_back_model_hooks_prompt_and_code(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    furnished(driver)
    driver.write_controller(SITE, "lambda x: x * 0")
    changed = driver.run()
    path = tmp_path / "mine.microw"
    composition = parts(driver.window)
    composition._session.save_file(str(path))
    qtbot.waitUntil(path.exists)
    driver.act("detachAll")
    driver.prompt("lemon queen")
    with qtbot.waitSignal(composition._parts.store.changed):
        composition._session.open_file(str(path))
    qtbot.waitUntil(lambda: driver.window.service.state == "ready")
    assert driver.find(QPlainTextEdit, "promptEdit").toPlainText() == PROMPT
    again = driver.run()
    np.testing.assert_array_equal(again.losses, changed.losses)


def test_code_in_a_session_from_elsewhere_opens_switched_off_with_a_banner(
    driver: Driver, qtbot: QtBot, tmp_path: Path
) -> None:
    clean = furnished(driver)
    driver.write_controller(SITE, "lambda x: x * 0")
    composition = parts(driver.window)
    path = tmp_path / "theirs.microw"
    composition._session.save_file(str(path))
    qtbot.waitUntil(path.exists)
    data = json.loads(path.read_text())
    text = json.dumps(data).replace("lambda x: x * 0", "lambda x: x * 3")
    path.write_text(text)
    composition._session.open_file(str(path))
    qtbot.waitUntil(driver.window.banner.isVisible)
    (spec,) = [hook for hook in composition._parts.store.workspace.hooks if hook.kind == CONTROLLER]
    assert (spec.enabled, spec.trusted) == (False, False)
    np.testing.assert_array_equal(driver.run().losses, clean.losses)
    driver.select(SITE)
    assert driver.find(QPlainTextEdit, "controllerEdit").toPlainText() == "lambda x: x * 3"


def test_a_session_that_cannot_be_read_leaves_everything_as_it_is(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    furnished(driver)
    path = tmp_path / "broken.microw"
    path.write_text("{ not json")
    composition = parts(driver.window)
    composition._session.open_file(str(path))
    qtbot.waitUntil(lambda: "broken.microw" in driver.find(QWidget, "statusMessage").text())
    assert driver.find(QPlainTextEdit, "promptEdit").toPlainText() == PROMPT
    assert driver.find(QTableView, "hooksTable").model().rowCount() == 1


def test_what_was_typed_is_offered_again_after_a_crash(qtbot: QtBot) -> None:
    _, first = create(["--fresh"])
    first.show()
    qtbot.waitUntil(lambda: first.plot_board is not None, timeout=20_000)
    first.findChild(QPlainTextEdit, "promptEdit").setPlainText("not saved yet")
    parts(first)._autosave.close(keep=True)
    first.close()
    first.deleteLater()
    _, second = create([])
    second.show()
    qtbot.waitUntil(second.banner.isVisible, timeout=20_000)
    button = next(b for b in second.banner.findChildren(QWidget) if getattr(b, "text", str)() == "Restore")
    button.click()
    qtbot.waitUntil(lambda: second.findChild(QPlainTextEdit, "promptEdit").toPlainText() == "not saved yet")
    parts(second)._parts.store.mark_saved()
    second.close()
    second.deleteLater()


def test_a_saved_capture_opens_without_its_model_and_shows_the_same_numbers(
    driver: Driver, qtbot: QtBot, tmp_path: Path
) -> None:
    furnished(driver)
    captured = driver.window.latest(SITE)
    composition = parts(driver.window)
    folder = tmp_path / "capture"
    composition._captures.save_to(folder)
    qtbot.waitUntil(lambda: composition._captures.last_saved == folder)
    index = read_index(folder)
    np.testing.assert_array_equal(read_site(folder, index.sites[0]), captured)
    assert index.tokens == PROMPT.split()

    _, other = create(["--fresh", str(folder)])
    other.show()
    qtbot.waitUntil(lambda: other.plot_board is not None, timeout=20_000)
    qtbot.waitUntil(lambda: parts(other)._plots.frame_at(SITE) is not None, timeout=10_000)
    np.testing.assert_array_equal(parts(other)._plots.frame_at(SITE).values, captured)
    assert other.service.model is None
    other.close()
    other.deleteLater()


def test_a_folder_that_is_no_capture_is_one_sentence(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    composition = parts(driver.window)
    composition._captures.open_folder(str(tmp_path))
    qtbot.waitUntil(lambda: "not a capture" in composition._captures.last_problem)
    assert "not a capture" in driver.find(QWidget, "statusMessage").text()


def test_a_plot_is_exported_as_picture_and_as_exact_numbers(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    furnished(driver)
    composition = parts(driver.window)
    board = driver.window.plot_board
    qtbot.waitUntil(lambda: board.current_panel().drawing is not None)
    panel = next(panel for panel in board.panels() if panel.kind == "heatmap")
    composition._view.export(panel, tmp_path / "plot.png")
    composition._view.export(panel, tmp_path / "plot.npy")
    qtbot.waitUntil((tmp_path / "plot.npy").exists)
    assert (tmp_path / "plot.png").stat().st_size > 1000
    np.testing.assert_array_equal(np.load(tmp_path / "plot.npy"), driver.window.latest(SITE)[0])


def test_the_workspace_is_copied_as_a_script(driver: Driver) -> None:
    furnished(driver)
    driver.act("copyAsPython")
    text = QGuiApplication.clipboard().text()
    compile(text, "script", "exec")
    assert SITE in text
    assert PROMPT in text


def test_checking_clean_compares_with_a_model_that_was_never_hooked(driver: Driver, qtbot: QtBot) -> None:
    furnished(driver)
    driver.write_controller(SITE, "lambda x: x * 2")
    driver.run()
    with qtbot.waitSignal(driver.window.service.taskEnded, timeout=20_000) as blocker:
        driver.act("checkClean")
    assert blocker.args[0].content.clean
    assert driver.find(QWidget, "statusMessage").text().startswith("Clean")
    assert session_file.SUFFIX == ".microw"


def test_a_corpus_captured_on_the_command_line_opens_at_its_first_text(qtbot: QtBot, tmp_path: Path) -> None:
    from core_hooks.capture.reader import open_capture
    from core_hooks.cli import main
    from mi_crow_gui.document.resource_files import demo_model_folder

    texts, folder = tmp_path / "texts.txt", tmp_path / "corpus"
    texts.write_text("marble owl ticket marble owl\nlemon queen fox\n")
    layer = "transformer.h.1"
    assert (
        main(["capture", str(demo_model_folder()), "--texts", str(texts), "--layer", layer, "--out", str(folder)]) == 0
    )
    _, window = create(["--fresh", str(folder)])
    window.show()
    qtbot.waitUntil(lambda: parts(window)._plots is not None, timeout=20_000)
    qtbot.waitUntil(lambda: parts(window)._plots.frame_at(layer) is not None, timeout=20_000)
    frame = parts(window)._plots.frame_at(layer)
    with open_capture(folder) as capture:
        np.testing.assert_array_equal(frame.values[0], capture.read(layer, 0, 5))
    assert [token.strip() for token in frame.tokens] == ["marble", "owl", "ticket", "marble", "owl"]
    assert "2 texts" in window.findChild(QWidget, "statusMessage").text()
    qtbot.waitUntil(lambda: window.plot_board.current_panel().drawing is not None)
    window.close()
    window.deleteLater()
