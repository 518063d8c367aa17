"""A language model with its layers, hooks, inference and store."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "LanguageModel": "language_model",
    "LanguageModelContext": "context",
    "LanguageModelLayers": "layers",
    "LanguageModelActivations": "activations",
    "LanguageModelTokenizer": "tokenizer",
    "InferenceEngine": "inference",
    "InputTracker": "input_tracker",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing the package alone must not cost the seconds that torch takes.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
