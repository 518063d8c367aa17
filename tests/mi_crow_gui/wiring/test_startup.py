"""What is imported after the first paint: in which thread, and in pieces that leave the window alive."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys, threading
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

elsewhere = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        drawing = name.startswith(("pyqtgraph", "mi_crow_gui.panels", "PySide6"))
        if drawing and threading.current_thread() is not threading.main_thread():
            elsewhere.append(name)

application = QApplication([])
sys.meta_path.insert(0, Watch())
from mi_crow_gui.engine.jobs import Jobs
from mi_crow_gui.wiring.startup import PlotLoading, import_numbers

def failed(failure):
    print(failure.details)
    application.exit(1)

turns = []
beat = QTimer(interval=0)
beat.timeout.connect(lambda: turns.append(1))
loading = PlotLoading(False)
loading.loaded.connect(lambda registry: (print(sorted(registry.kinds)), application.exit(0)))
jobs = Jobs()
assert "pyqtgraph" not in sys.modules
assert "numpy" not in sys.modules
jobs.run("numbers", import_numbers, lambda nothing: (beat.start(), loading.start()), failed)
code = application.exec()
jobs.shutdown()
assert "pyqtgraph" in sys.modules
assert "torch" not in sys.modules, "importing torch is the model thread's"
assert not elsewhere, elsewhere
assert len(turns) > 10, turns
sys.exit(code)
"""


def test_what_draws_is_imported_in_the_gui_thread_and_the_window_has_turns_in_between() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heatmap" in done.stdout
