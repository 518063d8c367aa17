"""A model that is open."""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.model.records import ModuleTree
    from core_hooks.model.reference import ModelSummary


@dataclass(slots=True, eq=False)
class OpenedModel:
    """A model with its weights, in evaluation mode, and what belongs to it; it stays on the thread that opened it.

    Attributes
    ----------
    model
        The module; a transformers model or any other.
    tokenizer
        The transformers tokenizer, or None.
    tree, summary
        Plain records, safe to hand to other threads.
    notes
        Sentences for the person about what is not as expected but does no harm.
    example_inputs
        Keyword arguments with which the model can be called when it does not take tokens.
    """

    model: nn.Module
    tokenizer: Any
    tree: ModuleTree
    summary: ModelSummary
    notes: tuple[str, ...] = ()
    example_inputs: Mapping[str, Any] | tuple[Any, ...] | None = None
    token_texts: dict[int, str] = field(default_factory=dict, repr=False)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return isinstance(self.model, _Closed)

    def close(self) -> None:
        """Give the memory back; the records stay readable. Calling it again does nothing."""
        if self.closed:
            return
        self.model = _Closed()
        self.tokenizer = None
        self.example_inputs = None
        self.token_texts = {}
        # Transformers models refer to themselves, so only the cycle collector frees them.
        gc.collect()
        _empty_caches()


class _Closed(nn.Module):
    """What is left of a closed model."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: there is nothing to compute with."""
        raise RuntimeError("this model was closed")


def _empty_caches() -> None:
    """Hand back what allocators keep of a freed model, on the devices and in the C library."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        # glibc keeps freed tensors of up to 32 MiB each in the arenas of the threads that made them.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
