"""A controller in a call that can't be ended: the window says so, lives on, and closing it ends the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import sys, threading, time
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QApplication, QPlainTextEdit, QTreeView
    import mi_crow_gui.app as app

    create = app._create

    def drive(arguments):
        application, window = create(arguments)
        state = {"step": 0, "told": ""}
        window_service = window.service
        window_service.stopDelayed.connect(lambda words: state.update(told=words))

        def step():
            service = window.service
            if state["step"] == 0 and window.plot_board is not None:
                window.findChild(QAction, "openDemo").trigger()
                state["step"] = 1
            elif state["step"] == 1 and service.state == "ready":
                window.findChild(QPlainTextEdit, "promptEdit").setPlainText("marble owl")
                tree = window.findChild(QTreeView, "moduleTree")
                tree.setCurrentIndex(tree.model().index_of_site("transformer.h.1.mlp"))
                edit = window.findChild(QPlainTextEdit, "controllerEdit")
                edit.setPlainText({text!r})
                window.editor.apply()
                window.findChild(QAction, "run").trigger()
                state["step"] = 2
            elif state["step"] == 2 and service._guard.inside:
                window.findChild(QAction, "stop").trigger()
                state["step"] = 3
            elif state["step"] == 3 and (state["told"] or service.state == "ready"):
                print("told" if "can't be ended" in state["told"] else "ended", flush=True)
                state["step"] = 4
                window.close()

        timer = QTimer(window, interval=50)
        timer.timeout.connect(step)
        timer.start()
        return application, window

    app._create = drive
    sys.exit(app.main(["--fresh"]))
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import time\ndef control(x):\n    time.sleep(1000)\n    return x", "told"),
        (
            "import threading, time\ndef control(x):\n    threading.Thread(target=time.sleep, args=(1000,)).start()\n"
            "    while True:\n        pass",
            "ended",
        ),
        # Calls itself twice at every depth that the stack has.
        ("def control(x):\n    try: return control(x)\n    except RecursionError: return control(x)", "ended"),
    ],
)
def test_closing_the_window_ends_the_process_whatever_a_controller_left_running(text: str, told: str) -> None:
    script = textwrap.dedent(SCRIPT).replace("{text!r}", repr(text))
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (ran.stdout.split(), ran.returncode) == ([told], 0), ran.stderr
