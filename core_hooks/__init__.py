"""Hooks on language models, what they capture, and what it means: a library without a window.

Names are imported when they are first used, so that importing the package does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from core_hooks import hooks

if TYPE_CHECKING:
    from core_hooks.capture.local_store import LocalStore
    from core_hooks.capture.store import Store
    from core_hooks.hooks import *  # noqa: F403
    from core_hooks.language_model.context import LanguageModelContext
    from core_hooks.language_model.inference import InferenceEngine
    from core_hooks.language_model.input_tracker import InputTracker
    from core_hooks.language_model.language_model import LanguageModel
    from core_hooks.language_model.layers import LanguageModelLayers

_MODULES = {
    "InferenceEngine": "core_hooks.language_model.inference",
    "InputTracker": "core_hooks.language_model.input_tracker",
    "LanguageModel": "core_hooks.language_model.language_model",
    "LanguageModelContext": "core_hooks.language_model.context",
    "LanguageModelLayers": "core_hooks.language_model.layers",
    "LocalStore": "core_hooks.capture.local_store",
    "Store": "core_hooks.capture.store",
}

__all__ = [
    "InferenceEngine",
    "InputTracker",
    "LanguageModel",
    "LanguageModelContext",
    "LanguageModelLayers",
    "LocalStore",
    "Store",
]
__all__ += hooks.__all__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES.get(name, "core_hooks.hooks")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
