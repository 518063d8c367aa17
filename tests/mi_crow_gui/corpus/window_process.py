"""The real window in a process of its own, told what to capture; whoever started it may kill it at any instant.

``python -m tests.mi_crow_gui.corpus.window_process MODEL TEXTS OUT BATCH SHARD_BYTES LAYER...`` prints ``begun`` when
the job has the model, and ends with 0 once the capture is finished.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QSpinBox

from core_hooks.capture import job as job_module
from core_hooks.model.reference import ModelReference
from mi_crow_gui.app import create

if TYPE_CHECKING:
    from collections.abc import Callable


_PATIENCE = 600  # seconds; a machine may do many things at once


def main(model: str, texts: str, out: str, batch: str, shard_bytes: str, *layers: str) -> int:
    if int(shard_bytes):
        job_module._SHARD_BYTES = int(shard_bytes)
    application, window = create(["--fresh"])
    window.show()

    def wait(ready: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not ready():
            application.processEvents()
            time.sleep(0.002)
            if time.monotonic() > end:
                raise SystemExit(f"waited {seconds} s in vain: {window.findChild(QLabel, 'statusMessage').text()}")

    wait(lambda: window.plot_board is not None, _PATIENCE)
    window.service.open(ModelReference(model))
    wait(lambda: window.service.state == "ready", _PATIENCE)
    window.action("captureCorpus").trigger()
    dialog = window.show_capture_corpus()
    dialog.findChild(QSpinBox, "corpusBatchTokens").setValue(int(batch))
    for name, text in (("corpusTexts", texts), ("corpusOut", out), ("corpusLayers", " ".join(layers))):
        dialog.findChild(QLineEdit, name).setText(text)
    start = dialog.findChild(QAbstractButton, "corpusStart")
    wait(start.isEnabled, _PATIENCE)
    start.click()
    pace = dialog.findChild(QLabel, "corpusPace")
    wait(lambda: not dialog.working or pace.text() != "Waiting for the model", _PATIENCE)
    print("begun", flush=True)
    wait(lambda: not dialog.working, 3600)
    words = dialog.findChild(QLabel, "corpusMessage").text()
    print(words, flush=True)
    window.close()
    return 0 if words.startswith("Captured") else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
