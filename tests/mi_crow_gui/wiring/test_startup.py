"""What is imported after the first paint: what has nothing to do with Qt elsewhere than in the GUI's thread."""

from __future__ import annotations

import json
import subprocess
import sys

_PROGRAM = """
import json, sys
from mi_crow_gui.wiring.startup import import_numbers
before = set(sys.modules)
import_numbers()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_numbers_bring_neither_qt_nor_torch() -> None:
    result = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    imported = json.loads(result.stdout)
    assert "mi_crow_gui.plotdata.heatmap" in imported
    assert "core_hooks.capture.reader" in imported
    forbidden = ("PySide6.QtGui", "PySide6.QtWidgets", "pyqtgraph", "torch", "transformers", "mi_crow_gui.panels")
    assert [name for name in imported if name.startswith(forbidden)] == []
