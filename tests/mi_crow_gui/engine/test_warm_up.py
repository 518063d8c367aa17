"""Importing torch beside the window: in a process of its own, for it can be done once."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import gc, threading
from mi_crow_gui.engine.warm_up import set_threads, warm_up
thread = threading.Thread(target=lambda: (set_threads(1), warm_up()))
thread.start()
thread.join()
import torch
assert torch.get_num_threads() == 1
assert float(torch.ones(3) @ torch.ones(3)) == 3
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
warm_up()
print("warm")
"""


def test_torch_is_whole_after_it_and_the_collector_goes_on_without_what_was_imported() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "warm\n", done.stderr
