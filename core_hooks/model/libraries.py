"""Importing torch and transformers once, and keeping transformers from writing on the terminal."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_imported = False


def import_libraries() -> None:
    """Import torch and transformers, which takes seconds the first time; call it on the thread that can wait."""
    global _imported
    if _imported:
        return
    # With its default the OpenMP pool spins between two operations and starves every other thread.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import transformers
    import transformers.modeling_utils  # noqa: F401

    # Half a million objects of these libraries live until the end; without this each full collection during an
    # opening walks them all and holds every thread for a quarter of a second.
    gc.collect()
    gc.freeze()
    _imported = True


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and reports that transformers prints; errors still come as exceptions."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def one_reader() -> Iterator[None]:
    """Let transformers read weights on the calling thread and not on four of its own.

    On the processor these are no faster and leave freed memory in arenas of theirs, so that what a process holds
    after ten models depends on chance.
    """
    name = "HF_DEACTIVATE_ASYNC_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
