"""Does the window keep its beat? A 16 ms timer in the GUI thread while the demo model opens and writes 100 tokens.

All four blocks are captured and three plots are showing. Printed: how late the beats came.
"""

from __future__ import annotations

import os
import tempfile
import time

import numpy as np

from tests.benchmarks.event_loop import wait
from tests.benchmarks.quiet import keep_quiet

BEAT_MS = 16
TOKENS = 100
REPEATS = 8


def main() -> None:
    """Print the beat of each phase."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    home = tempfile.mkdtemp()
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        os.environ[name] = home
    from PySide6.QtCore import Qt, QTimer

    from mi_crow_gui.app import create

    # Kept as long as the window: without it there is none.
    application, window = create(["--fresh", "--size", "1440x900"])
    keep_quiet()
    service = window.service
    beats: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))

    def tell(name: str, gaps: np.ndarray) -> None:
        p50, p95 = np.percentile(gaps, [50, 95])
        print(
            f"{name:44} beats {len(gaps):5}   p50 {p50:5.1f}   p95 {p95:5.1f}   max {gaps.max():6.1f} ms   "
            f"over 50 ms: {(gaps > 50).sum()}"
        )

    def phase(name: str, act: object, until: object) -> np.ndarray:
        beats.clear()
        timer.start(BEAT_MS)
        act()  # type: ignore[operator]
        wait(until)
        timer.stop()
        gaps = np.diff(beats) * 1000
        if len(gaps):
            tell(name, gaps)
        else:
            print(f"{name:44} over before the second beat")
        return gaps

    finished: list[object] = []
    warm: list[object] = []
    service.runFinished.connect(finished.append)
    service.lookout.warm.connect(lambda: warm.append(True))
    window.show()
    phase("imports (plots, torch, transformers)", lambda: None, lambda: bool(warm))
    larger = os.environ.get("MI_CROW_SMOLLM")
    if larger:
        opened: list[object] = []
        service.modelOpened.connect(opened.append)
        phase("opening SmolLM2-135M", lambda: window.pathsDropped.emit([larger]), lambda: bool(opened))
    phase("opening the demo model", window.action("openDemo").trigger, lambda: service.state == "ready")
    filter_box = window.findChild(object, "moduleFilter")
    filter_box.setText("transformer.h.*")
    window.findChild(object, "attachAllMatches").click()
    filter_box.clear()
    window.findChild(object, "maxNewTokens").setValue(TOKENS)
    finished.clear()
    phase("run", window.action("run").trigger, lambda: bool(finished))
    together = []
    for repeat in range(REPEATS):
        finished.clear()
        name = f"generating {TOKENS} tokens, 4 blocks, 3 plots ({repeat + 1})"
        together.append(phase(name, window.action("generate").trigger, lambda: bool(finished)))
        outcome = finished[0]
        print(f"{'':44} {len(outcome.generated)} tokens in {outcome.seconds:.2f} s")  # type: ignore[attr-defined]
    tell(f"all {REPEATS} generations", np.concatenate(together))
    print("wanted while generating: p95 <= 24 ms, no gap over 50 ms; while opening: no gap over 50 ms")
    window.close()
    del application


if __name__ == "__main__":
    main()
