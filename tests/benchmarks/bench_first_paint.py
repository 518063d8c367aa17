"""Time from process start to the first painted window: the inspector beside bare PySide6 and an empty pyqtgraph window.

Each run is a process of its own; the three take turns, so that a slow moment of the machine hits them alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 7

_WAIT = """
import sys, time
from PySide6.QtCore import QEvent, QObject, QTimer
class Painted(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint and not self.done:
            self.done = True
            QTimer.singleShot(0, self.tell)
        return False
    done = False
    def tell(self):
        print("painted", time.time(), flush=True)
        import os
        os._exit(0)
"""

_BARE = f"""{_WAIT}
from PySide6.QtWidgets import QApplication, QMainWindow, QLabel
app = QApplication([]); window = QMainWindow(); window.setCentralWidget(QLabel("x")); window.resize(1440, 900)
painted = Painted(); window.installEventFilter(painted); window.show(); app.exec()
"""

_PYQTGRAPH = f"""{_WAIT}
from PySide6.QtWidgets import QApplication
import pyqtgraph
app = QApplication([]); window = pyqtgraph.PlotWidget(); window.resize(1440, 900)
painted = Painted(); window.viewport().installEventFilter(painted); window.show(); app.exec()
"""

_OURS = f"""{_WAIT}
from mi_crow_gui.app import create
app, window = create(["--fresh"])
painted = Painted(); window.installEventFilter(painted); window.show(); app.exec()
"""


def once(code: str, environment: dict[str, str]) -> float:
    """Milliseconds from starting the process to the event loop's first turn after the first paint."""
    started = time.time()
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        if line.startswith("painted "):
            return (float(line.split()[1]) - started) * 1000
    sys.exit(f"the window was never painted:\n{result.stderr}")


def main() -> None:
    """Print medians and the ratio to the empty pyqtgraph window, round by round."""
    programs = {"bare PySide6": _BARE, "empty pyqtgraph window": _PYQTGRAPH, "the inspector": _OURS}
    times: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as home:
        environment = dict(os.environ, XDG_CONFIG_HOME=home, XDG_STATE_HOME=home, XDG_DATA_HOME=home)
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        # All three from compiled files, as on a machine where the program has run before.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = f"{home}/compiled"
        for code in programs.values():
            once(code, environment)
        for _ in range(ROUNDS):
            for name, code in programs.items():
                times[name].append(once(code, environment))
    for name, found in times.items():
        middle, least, most = statistics.median(found), min(found), max(found)
        print(f"{name:24} first paint after {middle:7.0f} ms  (min {least:.0f}, max {most:.0f})")
    pairs = zip(times["the inspector"], times["empty pyqtgraph window"], strict=True)
    print(
        f"inspector / pyqtgraph    {statistics.median(ours / other for ours, other in pairs):.2f}  (wanted: at most 1)"
    )


if __name__ == "__main__":
    main()
