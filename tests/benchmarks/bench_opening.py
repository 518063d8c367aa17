"""Opening in the window: memory over ten swaps, the tree and its filter at 100,000 modules; measures, never gates.

Run it with ``python -m tests.benchmarks.bench_opening``, with ``MI_CROW_SMOLLM`` naming a model folder to swap that one
with the demo model, too.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.event_loop import wait
from tests.benchmarks.quiet import keep_quiet

if TYPE_CHECKING:
    from collections.abc import Callable

SWAPS, MODULES = 10, 100_000
FILTERS = (
    "a", "at", "att", "attn", "h.*.mlp", "**.experts.1*", ":Part", "nothing like this", "**", "*", "**.up", "h.**.up",
    "e*", "h.*.mlp.experts.1?.up", "[0-9]", "n.q", "up:Part", "**p**up",
)  # fmt: skip


def main() -> None:
    """Print one line a measurement."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    home = tempfile.mkdtemp()
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        os.environ[name] = home
    from mi_crow_gui.app import create

    application, window = create(["--fresh", "--size", "1440x900"])
    keep_quiet()
    window.show()
    wait(lambda: window.plot_board is not None)
    swaps(window)
    many_modules(window, application.processEvents)
    window.close()


def swaps(window: Any) -> None:
    """Open models in turn and look at the resident size each time the first of them is open again."""
    from mi_crow_gui.document.resource_files import demo_model_folder

    demo = str(demo_model_folder())
    other = os.environ.get("MI_CROW_SMOLLM", demo)
    opened: list[Any] = []
    window.service.modelOpened.connect(opened.append)
    sizes, times = [], []
    # The first two openings import and fill caches that every program keeps.
    for number in range(SWAPS + 2):
        for folder in (other, demo):
            opened.clear()
            start = time.perf_counter()
            window.pathsDropped.emit([folder])
            wait(lambda: opened)
            times.append(time.perf_counter() - start)
        if number >= 1:
            sizes.append(resident())
    growth = (sizes[-1] - sizes[0]) / sizes[0]
    print(
        f"{SWAPS} swaps of {Path(other).name} and {Path(demo).name}: resident {sizes[0] / 2**20:,.0f} MiB, then "
        f"{sizes[-1] / 2**20:,.0f} MiB ({growth:+.1%}); an opening {statistics.median(times) * 1e3:,.0f} ms"
    )


def many_modules(window: Any, process: Callable[[], None]) -> None:
    """Show a tree of 100,000 modules and type into its filter."""
    tree = big_tree()
    start, busy = time.perf_counter(), time.process_time()
    window.module_tree.set_tree(tree)
    process()
    window.module_tree.grab()
    shown, computing = time.perf_counter() - start, time.process_time() - busy
    from PySide6.QtWidgets import QLineEdit

    box = window.module_tree.findChild(QLineEdit, "moduleFilter")
    # What the first keystroke needs is made while nobody types.
    idle = time.perf_counter() + 0.3
    wait(lambda: time.perf_counter() > idle)
    keystrokes = []
    for text in (*FILTERS, ""):
        start, busy = time.perf_counter(), time.process_time()
        box.setText(text)
        process()
        keystrokes.append((time.perf_counter() - start, time.process_time() - busy))
    start = time.perf_counter()
    window.module_map.set_tree(tree)
    window.module_map.grab()
    mapped = time.perf_counter() - start
    print(
        f"{len(tree):,} modules: tree shown in {shown * 1e3:.0f} ms, {computing * 1e3:.0f} of them computing; "
        f"map in {mapped * 1e3:.0f} ms"
    )
    for text, (seconds, busy) in zip((*FILTERS, ""), keystrokes, strict=True):
        print(f"  filter {text!r:26} {seconds * 1e3:6.1f} ms to the paint, {busy * 1e3:6.1f} ms of them computing")


def big_tree() -> Any:
    """A mixture of experts of 100 blocks, most of whose modules are experts."""
    from core_hooks.model.records import ModuleRecord, ModuleTree

    paths = ["", "h"]
    parents = [-1, 0]

    def add(path: str, parent: int) -> int:
        paths.append(path)
        parents.append(parent)
        return len(paths) - 1

    for block in range(100):
        at = add(f"h.{block}", 1)
        attention = add(f"h.{block}.attn", at)
        for part in ("q", "k", "v", "o"):
            add(f"h.{block}.attn.{part}", attention)
        experts = add(f"h.{block}.mlp.experts", add(f"h.{block}.mlp", at))
        for number in range(MODULES // 100 // 4):
            expert = add(f"h.{block}.mlp.experts.{number}", experts)
            for part in ("up", "gate", "down"):
                add(f"h.{block}.mlp.experts.{number}.{part}", expert)
    children: list[list[int]] = [[] for _ in paths]
    for index, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(index)
    depths: list[int] = []
    for parent in parents:
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
    return ModuleTree(
        tuple(
            ModuleRecord(path, "Part", parent, tuple(below), depth)
            for path, parent, below, depth in zip(paths, parents, children, depths, strict=True)
        )
    )


def resident() -> int:
    """Resident size of this process in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    main()
