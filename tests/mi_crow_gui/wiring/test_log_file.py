"""The log file holds the traceback of what the window says in a sentence."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QTableView

from mi_crow_gui.wiring.incidents import Incidents

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mi_crow_gui.driver import Driver


def test_what_lies_behind_a_message_is_in_the_file_below_it(tmp_path: Path) -> None:
    incidents = Incidents()
    incidents.install(tmp_path / "app.log", debug=False)
    try:
        logging.getLogger("mi_crow_gui.test").warning("A hook failed.", extra={"details": "Traceback: line 1\n"})
        logging.getLogger("mi_crow_gui.test").warning("Plain.")
    finally:
        incidents.uninstall()
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert lines[0].endswith("mi_crow_gui.test: A hook failed.")
    assert lines[1] == "Traceback: line 1"
    assert lines[2].endswith("Plain.")


def test_a_hook_that_fails_is_one_message(driver: Driver) -> None:
    driver.open_demo()
    driver.write_controller("transformer.h.1.attn", "lambda x: x.no_such")
    driver.prompt("marble owl")
    driver.run()
    table = driver.find(QTableView, "logTable").model()
    rows = [table.index(row, 2).data() for row in range(table.rowCount())]
    told = [text for text in rows if "transformer.h.1.attn" in text]
    assert len(told) == 1
    assert told[0].startswith(
        "The hook at 'transformer.h.1.attn' failed in line 1 and was switched off: AttributeError"
    )
