"""Importing torch and transformers on the model thread, so that the window never waits for them."""

from __future__ import annotations

import gc
import logging
import os
import time

log = logging.getLogger(__name__)

_done = False


def set_threads(count: int) -> None:
    """Threads of torch: 0 leaves one core to the window. OpenMP's idle threads must sleep, not spin beside the GUI."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    torch.set_num_threads(count or max(1, (os.cpu_count() or 2) - 1))


def warm_up() -> None:
    """Import torch, transformers and the first model class once; later calls cost nothing.

    Everything imported is then taken out of the garbage collector's sight (`gc.freeze`): walking those objects is what
    would stall the GUI thread while a model opens.
    """
    global _done
    if _done:
        return
    started = time.perf_counter()
    import torch  # noqa: F401
    import transformers.models.auto.modeling_auto
    import transformers.models.auto.tokenization_auto
    import transformers.models.gpt2.modeling_gpt2  # noqa: F401

    import mi_crow_gui.engine.attachments  # noqa: F401

    gc.collect()
    gc.freeze()
    _done = True
    log.debug("torch and transformers imported in %.2f s", time.perf_counter() - started)
