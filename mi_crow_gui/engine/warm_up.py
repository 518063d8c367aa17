"""Importing torch and transformers on the model thread, so that the window never waits for them."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import logging
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_done = False
# Of malloc.h; and from how many bytes on a block is large.
_MMAP_THRESHOLD, _LARGE = -3, 1 << 22


def set_threads(count: int) -> None:
    """Threads of torch: 0 leaves one core to the window. OpenMP's idle threads must sleep, not spin beside the GUI."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with _uncollected():
        _load_libraries()
        import torch

    torch.set_num_threads(count or max(1, (os.cpu_count() or 2) - 1))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector away from what is being imported: it would walk all of it, holding up every thread."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def give_large_blocks_back() -> None:
    """Have the C library ask the system for every large block by itself, and give it back at once.

    Else what a thread frees stays in pieces between what it keeps: reading 2,000 tokens of a small model through the
    lens, a few megabytes at a time, held 20 GB.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE)


def _load_libraries() -> None:
    """Load torch's largest library without the interpreter's lock, which an import holds for a quarter of a second.

    What can't be loaded like this is left to the import.
    """
    if not sys.platform.startswith("linux") or "torch" in sys.modules:
        return
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "lib"
    # A foreign function is called without the lock; ctypes' own loading keeps it.
    load = getattr(ctypes.CDLL(None), "dlopen", None)
    if load is None:
        return
    load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    # As torch does: what these depend on is for everybody, they themselves are not.
    for name, flags in (("libtorch_global_deps.so", os.RTLD_GLOBAL), ("libtorch_cpu.so", os.RTLD_LOCAL)):
        if (folder / name).exists():
            load(str(folder / name).encode(), os.RTLD_NOW | flags)


def warm_up() -> None:
    """Import torch, transformers and the first model class once; later calls cost nothing.

    Everything imported is then taken out of the garbage collector's sight (`gc.freeze`): walking those objects is what
    would stall the GUI thread while a model opens.
    """
    global _done
    if _done:
        return
    started = time.perf_counter()
    give_large_blocks_back()
    with _uncollected():
        _load_libraries()
        import torch  # noqa: F401
        import transformers.models.auto.modeling_auto
        import transformers.models.auto.tokenization_auto
        import transformers.models.gpt2.modeling_gpt2  # noqa: F401

        import mi_crow_gui.engine.attachments
        import mi_crow_gui.engine.live_views  # noqa: F401

        # Not collected before: that walk alone would stall the GUI thread for a sixth of a second.
        gc.freeze()
    _done = True
    log.debug("torch and transformers imported in %.2f s", time.perf_counter() - started)
