"""Importing torch beside the window: in a process of its own, for it can be done once."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


_READER = """
import threading

import torch

from mi_crow_gui.engine.warm_up import give_large_blocks_back


def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096


def read(kept):
    for _ in range(60):
        logits = torch.randn(40, 49_152)
        chances = logits.log_softmax(-1)
        kept.append(torch.special.entr(chances.exp()).sum(-1).numpy())


give_large_blocks_back()
torch.set_num_threads(1)
kept, before = [], held()
thread = threading.Thread(target=read, args=(kept,))
thread.start()
thread.join()
print((held() - before) >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_a_thread_computes_piece_by_piece_does_not_pile_up() -> None:
    ran = subprocess.run([sys.executable, "-c", _READER], capture_output=True, text=True, timeout=120, check=True)
    assert int(ran.stdout) < 150, "MiB for results of ten kilobytes"
