"""Comparing two texts of 2,000 tokens: aligned off the GUI thread, and what showing it costs the GUI thread.

Run it with ``python -m tests.benchmarks.bench_compare_runs``; it measures, never gates.
"""

from __future__ import annotations

import time

import numpy as np
from PySide6.QtWidgets import QApplication

from mi_crow_gui.panels.plots.compare_runs import CompareRunsPanel
from mi_crow_gui.plotdata.run_comparison import (
    RunComparisonSettings,
    RunNumbers,
    RunPair,
    RunTokens,
    prepare_run_comparison,
)

TOKENS, BLOCKS = 2_000, 30


def main() -> None:
    application = QApplication.instance() or QApplication([])
    draw = np.random.default_rng(0)
    first = draw.integers(0, 5_000, TOKENS)
    second = np.concatenate([first[:500], [1, 2, 3], first[500:]])
    second[::37] = 7
    pair = RunPair(_run(1, first), _run(2, second))
    began = time.perf_counter()
    drawing = prepare_run_comparison(pair, RunComparisonSettings())
    print(f"aligned on the drawing thread    {1e3 * (time.perf_counter() - began):7.1f} ms")
    columns = len(drawing.columns)
    numbers = [draw.random(columns).astype(np.float32) for _ in range(6)]
    words = tuple(f" w{place % 7}" for place in range(columns))
    norms = draw.random((BLOCKS + 1, columns)).astype(np.float32)
    known = RunPair(pair.a, pair.b, RunNumbers(*numbers[:4], words, words, *numbers[4:], norms))
    drawing = prepare_run_comparison(known, RunComparisonSettings())
    panel = CompareRunsPanel()
    panel.resize(760, 400)
    panel.show()
    application.processEvents()
    for name, act in (("shown", lambda: panel.show_drawing(drawing)), ("token marked", lambda: panel.set_token(1_500))):
        began = time.perf_counter()
        act()
        acted = time.perf_counter()
        application.processEvents()
        print(f"{name:<32} {1e3 * (acted - began):7.1f} ms, painted {1e3 * (time.perf_counter() - acted):.1f} ms")
    panel.close()


def _run(number: int, ids: np.ndarray) -> RunTokens:
    return RunTokens(number, tuple(map(int, ids)), tuple(f" w{word}" for word in ids), len(ids))


if __name__ == "__main__":
    main()
