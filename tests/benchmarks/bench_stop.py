"""How long does Stop take? From the click to the end of the run, for controllers that never come back by themselves.

Two seconds are promised. Printed: each text, then all of them together, beside the load of the machine.
"""

from __future__ import annotations

import logging
import os
import sys
import time

import numpy as np

REPEATS = int(os.environ.get("MI_CROW_STOPS", "5"))
SITE = "transformer.h.1.mlp"
GIVEN_UP = 20.0  # seconds


def main() -> None:
    """Print the times of every text."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QCoreApplication, QEventLoop

    from core_hooks.model.reference import ModelReference
    from core_hooks.model.tokens import GenerationSettings
    from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
    from mi_crow_gui.engine.service import ModelService
    from tests.mi_crow_gui.editor.endless_texts import ENDLESS

    logging.disable(logging.CRITICAL)
    application = QCoreApplication([])
    service = ModelService()

    def wait(until: object, seconds: float = GIVEN_UP) -> bool:
        end = time.perf_counter() + seconds
        while not until():  # type: ignore[operator]
            application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 5)
            if time.perf_counter() > end:
                return False
        return True

    def stopped(text: str) -> float:
        service.set_hooks((HookSpec(SITE, CONTROLLER, code=text),))
        service.start("run", "marble owl ticket marble owl", GenerationSettings(1))
        if not wait(lambda: service._guard.inside):
            sys.exit(f"this one did not begin:\n{text}")
        # Some need a moment until they are where they stay.
        began = time.perf_counter()
        wait(lambda: time.perf_counter() - began > 0.15)
        clicked = time.perf_counter()
        service.stop()
        if not wait(lambda: service.state == "ready"):
            print(f"this one was not stopped in {GIVEN_UP:g} s:\n{text}", flush=True)
            os._exit(1)
        return time.perf_counter() - clicked

    service.open(ModelReference("resources/demo_model"))
    wait(lambda: service.state == "ready", 120)
    every: list[float] = []
    for name, text in ENDLESS.items():
        times = [stopped(text) for _ in range(REPEATS)]
        every += times
        print(f"{name:36} median {np.median(times):6.3f}   worst {max(times):6.3f} s", flush=True)
    median, p95 = np.percentile(every, [50, 95])
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(f"{f'all {len(every)}':36} median {median:6.3f}   p95 {p95:6.3f}   worst {max(every):6.3f} s   {load}")
    service.shutdown()


if __name__ == "__main__":
    main()
